"""Looks as JSON: what is written is read again, and errors say where they are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from vispy.color import get_colormap

from brickstream.errors import ViewError
from brickstream.render.look import METHODS, HalfSpace, Look, Slab
from brickstream.render.look_file import read_look, write_look
from brickstream.render.surfaces import Cap, Sheet, Surfaces
from brickstream.render.transfer import TransferFunction

PAGE = (Path(__file__).parents[2] / "docs" / "rendering.md").read_text(encoding="utf-8")
SURFACES = Surfaces(
    2.5,
    9.0,
    count=5,
    opacity=0.3,
    opacityscale=((0, 0.1), (0.5, 0), (1, 1)),
    fill=0.6,
    pattern="odd",
    caps=(Cap(show=False), Cap(fill=0.5), Cap()),
    slices=(Sheet((1, 2, 3), (0, 1, 1), 0.4), Sheet.across(0, 4.0)),
)
LOOKS = [
    Look(),
    *(Look(method) for method in METHODS),
    Look(clim=(1, 9.5), midpoint=3.0, gamma=0.4, colormap="viridis", interpolation="cubic", step=0.3),
    Look("iso", threshold=3.0, cutoff=-1.0, attenuation=0.2, opacity_level=None, jitter=True),
    Look(
        slab=Slab((1, 2, 3), (0, 0, 1), 4.0), clip=(HalfSpace((0, 0, 0), (1, 0, 0)), HalfSpace((5, 5, 5), (0, -1, 0)))
    ),
    Look("surfaces", surfaces=SURFACES),
    Look(colormap=TransferFunction("magma", ((0, 0), (0.5, 0.001), (1, 1)))),
    Look(colormap=TransferFunction(((0, "red"), (0.5, "#00ff00"), (1, (0, 0.5, 1))))),
]


@pytest.mark.parametrize("look", LOOKS, ids=range(len(LOOKS)))
def test_what_is_written_is_read_again(look: Look) -> None:
    assert read_look(json.loads(json.dumps(write_look(look)))) == look


def test_what_is_as_usual_is_left_out() -> None:
    assert write_look(Look()) == {}
    assert write_look(Look("surfaces", surfaces=Surfaces(slices=(Sheet.across(1, 2.0),)))) == {
        "method": "surfaces",
        "surfaces": {"slices": [{"position": [0.0, 2.0, 0.0], "normal": [0.0, 1.0, 0.0]}]},
    }


WRONG: list[tuple[Any, str, str]] = [
    ([], "look", "not an object"),
    ({"methd": "mip"}, "look.methd", "no such key"),
    ({"method": "max"}, "look", "no method 'max'"),
    ({"method": 3}, "look.method", "not a text"),
    ({"gamma": "1"}, "look.gamma", "not a number"),
    ({"gamma": True}, "look.gamma", "not a number"),
    ({"threshold": float("nan")}, "look.threshold", "not a number"),
    ({"jitter": 1}, "look.jitter", "not true or false"),
    ({"clim": [1]}, "look.clim", "a list of 2, not of 1"),
    ({"clim": 5}, "look.clim", "not a number|not a list"),
    ({"opacity_level": 0.5}, "look.opacity_level", "not a whole number"),
    ({"slab": {"position": [1, 2, 3]}}, "look.slab.normal", "a key is missing"),
    ({"slab": {"position": [1, 2, 3], "normal": [0, 0, 0]}}, "look.slab", "a normal has a direction"),
    ({"clip": [{"position": [1, 2, "x"], "normal": [0, 0, 1]}]}, "look.clip[0].position[2]", "not a number"),
    ({"surfaces": {"count": 2.5}}, "look.surfaces.count", "not a whole number"),
    ({"surfaces": {"caps": [{}, {}, {"fill": 2}]}}, "look.surfaces.caps[2]", "fill is from 0 to 1"),
    ({"surfaces": {"opacityscale": [[0, 1], [1]]}}, "look.surfaces.opacityscale[1]", "a list of 2, not of 1"),
    ({"surfaces": {"opacityscale": 3}}, "look.surfaces.opacityscale", "not a text"),
    ({"colormap": {"opacity": [[0, 0], [0.5, 1]]}}, "look.colormap", "the places of an opacity curve"),
    ({"colormap": None}, "look.colormap", "not a text"),
]


@pytest.mark.parametrize(("document", "where", "what"), WRONG, ids=range(len(WRONG)))
def test_an_error_says_where_it_is(document: Any, where: str, what: str) -> None:
    with pytest.raises(ViewError, match=what) as caught:
        read_look(document)
    assert caught.value.where == where


def test_a_colormap_without_a_name_is_not_written() -> None:
    with pytest.raises(ViewError, match=r"only a colormap with a name can be written: look.colormap"):
        write_look(Look(colormap=get_colormap("viridis")))


def test_what_the_page_says_of_looks_is_so() -> None:
    """Its Python runs, and its JSON is a look."""
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(block, "docs/rendering.md", "exec"), {})
    (document,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert read_look(json.loads(document)).surfaces.slices
