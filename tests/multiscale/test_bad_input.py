"""Bad input, one of each kind: refused with the place, the value and the rule; nothing hangs, crashes or is guessed."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from clauses import IMAGE, axis, level, wrapped
from clauses import image as plain
from clauses_v06 import image as placed
from clauses_v06 import level as placed_level
from clauses_v06 import outer, scene
from rfc5 import Json, by_dimension, sequence, step, system

from brickstream.errors import MetadataError
from brickstream.multiscale import Axis, Image, pyramid_of, read_collection, read_metadata
from brickstream.multiscale.assemble import ArrayShape, assemble

SCALE: Json = {"type": "scale", "scale": [2, 2]}
FLAT = {"type": "affine", "affine": [[1, 1, 0], [1, 1, 0]]}
ENTRY = "multiscales[0]"
OME = f"ome.{ENTRY}"
STEP = "coordinateTransformations"


def scaled(*scale: Any) -> dict[str, Any]:
    return plain(datasets=[level("0", list(scale))])


def deep(count: int, key: str | None = None) -> Any:
    value: Any = 0
    for _ in range(count):
        value = [value] if key is None else {key: value}
    return value


def chained(kind: str, count: int) -> Json:
    value: Json = {"type": "identity"}
    for _ in range(count):
        value = {
            "sequence": {"transformations": [value]},
            "bijection": {"forward": value, "inverse": {"type": "identity"}},
            "byDimension": {"transformations": [{"transformation": value, "inputAxes": [0, 1], "outputAxes": [0, 1]}]},
        }[kind] | {"type": kind}
    return value


def twice(count: int) -> Json:
    """A document that is small in memory, where the same object stands in several places, and has no end as JSON."""
    value: Json = {"type": "identity"}
    for _ in range(count):
        value = sequence(value, value)
    return value


def endless() -> dict[str, Any]:
    document = plain()
    document["multiscales"][0]["metadata"] = document
    return document


# Documents, where they are wrong, and how that is said.
DOCUMENTS: dict[str, tuple[Any, str, str]] = {
    "no object": (["multiscales"], "", "an object"),
    "text instead of JSON": (json.dumps(IMAGE), "", "an object"),
    "bytes in a document": (plain(name=b"cells"), f"{ENTRY}.name", "JSON has"),
    "numbers for keys": (plain(metadata={1: 2}), f"{ENTRY}.metadata", "texts for keys"),
    # ---- without end
    "ten thousand lists in each other": (plain(metadata=deep(10_000)), f"{ENTRY}.metadata[0]", "deep in each other"),
    "ten thousand objects in each other": (plain(more=deep(10_000, "a")), f"{ENTRY}.more.a", "deep in each other"),
    "a document inside itself": (endless(), f"{ENTRY}.metadata.{ENTRY}", "deep in each other"),
    "ten thousand sequences": (outer(**chained("sequence", 10_000)), f"{OME}.{STEP}[0]", "deep in each other"),
    "ten thousand bijections": (outer(**chained("bijection", 10_000)), f"{OME}.{STEP}[0]", "deep in each other"),
    "forty sequences": (outer(**chained("sequence", 40)), f"{OME}.{STEP}[0].transformations[0]", "at most 32 deep"),
    "forty bijections": (outer(**chained("bijection", 40)), f"{OME}.{STEP}[0].forward", "at most 32 deep"),
    "forty times byDimension": (outer(**chained("byDimension", 40)), f"{OME}.{STEP}[0].transform", "at most 32 deep"),
    "a million billion transformations": (outer(**twice(50)), f"{OME}.{STEP}[0]", "at most"),
    # ---- 50 megabytes
    "a hundred levels": (
        plain(datasets=[level(f"{k}", [1, 1]) for k in range(100)]),
        f"{ENTRY}.datasets",
        "at most 64 levels",
    ),
    "a hundred placed levels": (
        placed(*(placed_level(f"{k}") for k in range(100))),
        f"{OME}.datasets",
        "at most 64 levels",
    ),
    "five million levels": (plain(datasets=[{"path": "0"}] * 5_000_000), f"{ENTRY}.datasets", "values"),
    "a thousand images": ({"multiscales": plain()["multiscales"] * 1000}, "multiscales", "at most 128 images"),
    "ten million axes": (plain(axes=["x"] * 10_000_000), f"{ENTRY}.axes", "values"),
    "a hundred thousand axes": (plain(axes=[axis("x", "space")] * 100_000), f"{ENTRY}.axes", "from 2 to 5 axes"),
    "a name of 50 megabytes": (plain(name="x" * 50_000_000), f"{ENTRY}.name", "values"),
    "a key of 50 megabytes": (plain(**{"x" * 50_000_000: 1}), ENTRY, "values"),
    "five million numbers": (scaled(*[1.0] * 5_000_000), f"{ENTRY}.datasets[0].{STEP}[0].scale", "values"),
    "three hundred thousand colors": (
        {"image-label": {"colors": [{"label-value": 1, "rgba": [1, 2, 3, 4]}] * 300_000}},
        "image-label.colors[",
        "values",
    ),
    "three million wells": ({"plate": {"wells": ["A/1"] * 3_000_000}}, "plate.wells", "values"),
    "a million systems": (placed(systems=[system("0")] * 1_000_000), f"{OME}.coordinateSystems", "values"),
    # ---- numbers
    "a scale of zero": (scaled(1, 0), f"{ENTRY}.datasets[0].{STEP}[0].scale", "not zero"),
    "a scale that is no number": (scaled(1, float("nan")), f"{ENTRY}.datasets[0].{STEP}[0].scale", "finite"),
    "a scale without end": (scaled(1, float("inf")), f"{ENTRY}.datasets[0].{STEP}[0].scale", "finite"),
    "a scale beyond all floats": (scaled(1, 10**400), f"{ENTRY}.datasets[0].{STEP}[0].scale", "finite"),
    "a scale as text": (scaled(1, "2"), f"{ENTRY}.datasets[0].{STEP}[0].scale", "finite"),
    "a scale of truth": (scaled(1, True), f"{ENTRY}.datasets[0].{STEP}[0].scale", "finite"),
    "scales whose product overflows": (
        scaled(1, 1e300) | {"multiscales": [scaled(1, 1e300)["multiscales"][0] | {STEP: level("", [1e300] * 2)[STEP]}]},
        f"{ENTRY}.datasets[0]",
        "finite",
    ),
    "a placed scale of zero": (
        placed(placed_level(type="scale", scale=[0, 1])),
        f"{OME}.datasets[0].{STEP}[0].scale",
        "not zero",
    ),
    "a coarser level before a finer one": (
        plain(datasets=[level("0", [2, 2]), level("1", [2, 1])]),
        f"{ENTRY}.datasets[1]",
        "fine to coarse",
    ),
    "a coarser placed level before a finer one": (
        placed(placed_level(**SCALE), placed_level("1")),
        f"{OME}.datasets[1]",
        "fine to coarse",
    ),
    # ---- names
    "two axes of one name": (plain(axes=[axis("x", "space"), axis("x", "space")]), f"{ENTRY}.axes", "unique"),
    "an axis without a name": (plain(axes=[{"type": "space"}, axis("x", "space")]), f"{ENTRY}.axes[0].name", "name"),
    "an axis with a number for a name": (
        plain(axes=[{"name": 1, "type": "space"}, axis("x", "space")]),
        f"{ENTRY}.axes[0].name",
        "name",
    ),
    "an axis that 0.3 does not have": (plain(version="0.3", axes=["q", "x"]), f"{ENTRY}.axes[0]", "t, c, z, y, x"),
    "too few axes for the scales": (
        plain(datasets=[level("0", [1, 1, 1])]),
        f"{ENTRY}.datasets[0].{STEP}[0].scale",
        "each of the 2 axes",
    ),
    "a level outside of the group": (plain(datasets=[level("/etc/passwd", [1, 1])]), f"{ENTRY}.datasets[0]", "inside"),
    # ---- ways
    "systems that do not exist": (outer(target="nowhere"), f"{OME}.{STEP}[0].output.name", "physical, world"),
    "a scene without transformations": ({"ome": {"version": "0.6", "scene": {}}}, f"ome.scene.{STEP}", "a list"),
    "a system that leads to itself": (
        scene({"name": "world"}, **sequence(SCALE, {"type": "mapAxis", "mapAxis": [1, 1]})),
        f"ome.scene.{STEP}[0].transformations[1].mapAxis",
        "once",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_document_is_refused(case: str) -> None:
    document, path, rule = DOCUMENTS[case]
    for read in (read_metadata, read_collection):
        with pytest.raises(MetadataError) as caught:
            read(document)
        assert caught.value.path.startswith(path)
        assert rule in caught.value.rule
        assert len(str(caught.value)) < 1000


def pyramid(*arrays: Any, **options: Any) -> Callable[[], object]:
    return lambda: pyramid_of(list(arrays) or np.zeros((4, 4)), **options)


def assembled(shapes: list[tuple[int, ...]], **changes: Any) -> Callable[[], object]:
    document = plain(**{"datasets": [level(f"{k}", [2.0**k] * 2) for k in range(len(shapes))]} | changes)
    arrays = [ArrayShape(f"{k}", shape, np.dtype("u1"), (2, 2)) for k, shape in enumerate(shapes)]
    return lambda: assemble(read_metadata(document)[0], arrays)


def in_system(*steps: Json) -> Callable[[], object]:
    document = placed(coordinateTransformations=[step({"name": "physical"}, {"name": "world"}, **s) for s in steps])
    return lambda: read_metadata(document, system="world")


class Shaped:
    """An array of any shape and type."""

    def __init__(self, *shape: Any, dtype: Any = "u1") -> None:
        self.shape, self.dtype = shape, dtype

    def __getitem__(self, key: object) -> object:
        raise NotImplementedError


# Calls, where they are wrong, and how that is said.
CALLS: dict[str, tuple[Callable[[], object], str, str]] = {
    "a negative shape": (pyramid(Shaped(4, -4)), "arrays[0].shape", "above zero"),
    "an empty shape": (pyramid(Shaped(4, 0)), "arrays[0].shape", "above zero"),
    "a shape of half a pixel": (pyramid(Shaped(4, 1.5)), "arrays[0].shape", "whole numbers"),
    "an unknown length": (pyramid(Shaped(4, float("nan"))), "arrays[0].shape", "whole numbers"),
    "an array that is read with a negative shape": (assembled([(4, -4)]), "levels[0].shape", "at least one pixel"),
    "an array of other dimensions": (assembled([(4, 4, 4)]), "0.shape", "each of the 2 axes"),
    "an array too few": (assembled([(4, 4)], datasets=[level("0", [1, 1]), level("1", [2, 2])]), "datasets", "2 datas"),
    "arrays from coarse to fine": (pyramid(np.zeros((2, 2)), np.zeros((4, 4))), "arrays[1].shape", "fine to coarse"),
    "a scale of zero": (pyramid(scales=[1, 0]), "scales", "none of them zero"),
    "a scale that is no number": (pyramid(scales=[1, float("nan")]), "scales", "finite"),
    "names for other dimensions": (pyramid(axes="zyx"), "axes", "2 dimensions"),
    "one name twice": (pyramid(axes="xx"), "axes", "unique"),
    "a type that cannot be shown": (pyramid(Shaped(4, 4, dtype="c16")), "arrays[0].dtype", "an integer"),
    "seven axes": (pyramid(Shaped(*[2] * 7)), "axes", "at most 6"),
    "a hundred arrays": (pyramid(*[np.zeros((1, 1))] * 100), "arrays", "1 to 64 arrays"),
    "a singular affine": (pyramid(affine=[[1, 1, 0], [1, 1, 0]]), "affine", "inverted"),
    "an affine of another shape": (pyramid(affine=np.eye(5)), "affine", "2 rows and 3 columns"),
    "an affine that is no number": (pyramid(affine=np.full((2, 3), np.nan)), "affine", "2 rows"),
    "a singular placement": (in_system(FLAT), OME, "inverted"),
    "a placement that overflows": (in_system(sequence(*[{"type": "scale", "scale": [1e300] * 2}] * 2)), OME, "finite"),
    "placements that disagree": (in_system(SCALE, {"type": "identity"}), f"{OME}.{STEP}", "ways that agree"),
    "a placement by a field": (in_system({"type": "displacements", "path": "f"}), f"{OME}.{STEP}[0].type", "linear"),
    "a placement by half a map": (in_system(by_dimension((FLAT, [0, 1], [0, 1]))), OME, "inverted"),
    "levels that are turned against each other": (
        lambda: assemble(
            Image("", "", (Axis("y"), Axis("x")), tuple(read_metadata(TURNED, strict=False)[0].datasets)),
            [ArrayShape(f"{k}", (4 >> k, 4 >> k), np.dtype("u1"), (2, 2)) for k in (0, 1)],
        ),
        f"datasets[1].{STEP}",
        "scale and translation alone",
    ),
}
TURNED = placed(
    placed_level(type="rotation", rotation=[[0, -1], [1, 0]]),
    placed_level("1", type="affine", affine=[[0, 2, 0], [2, 0, 0]]),
)


@pytest.mark.parametrize("case", CALLS)
def test_a_call_is_refused(case: str) -> None:
    call, path, rule = CALLS[case]
    with pytest.raises(MetadataError) as caught:
        call()
    assert caught.value.path.startswith(path)
    assert rule in caught.value.rule


def test_what_a_viewer_may_not_guess_is_refused_without_strict_too() -> None:
    """Only what leaves open which pixels are where."""
    allowed = {
        "an axis that 0.3 does not have",  # axes have any names
        "a hundred thousand axes",
        "systems that do not exist",  # nothing is placed in them
        "a system that leads to itself",  # scenes are not looked at
        "a scene without transformations",
    }
    read = set()
    for case, (document, _, _) in DOCUMENTS.items():
        try:
            read_metadata(document, strict=False)
        except MetadataError:
            continue
        read.add(case)
    assert read <= allowed, read - allowed


def test_the_version_decides_nothing_about_bounds() -> None:
    with pytest.raises(MetadataError, match="deep in each other"):
        read_metadata(wrapped(plain(more=deep(500))), strict=False)
