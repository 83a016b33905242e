"""Transfer functions: their tables, what is skipped for them, and the same picture as vispy's dense Volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from brickstream.errors import ViewError
from brickstream.multiscale import Camera, View
from brickstream.render import DenseView, OffscreenView
from brickstream.render.colors import PLACES, resolve_colormap
from brickstream.render.curves import visible_places
from brickstream.render.look import Look
from brickstream.render.transfer import TransferFunction

CANVAS = (80, 60)
SHAPE = (37, 41, 43)
WARM = ((0, "black"), (0.5, "#ff0000"), (1, (1, 1, 0.5)))
FOG = TransferFunction(WARM, ((0, 0), (0.4, 0), (0.5, 0.05), (0.6, 0), (1, 0.2)))


def waves() -> np.ndarray[Any, Any]:
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    a = np.exp(-3 * (z**2 + y**2 + x**2)) + 0.3 * np.cos(5 * z) * np.sin(6 * y)
    return ((a - a.min()) / np.ptp(a) * 65535).astype(np.uint16)


def drawn(kit: Any, array: np.ndarray[Any, Any], look: Look) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """One volume in bricks, and in one texture."""
    pyramid = kit.make_pyramid([array], (16, 16, 16))
    view = View.volume(pyramid, canvas=CANVAS, camera=Camera(30, 20, fov=40))
    with OffscreenView(CANVAS, max_gpu_bytes=1 << 26, look=look) as screen:
        screen.show(view)
        kit.feed(screen.sink, kit.plan_for(screen.sink, pyramid, view), [array])
        ours = screen.draw()
    level = pyramid.levels[0]
    dense = DenseView(array, view, level.scale, level.translation, look=look)
    theirs = dense.draw()
    dense.close()
    return ours[..., :3], theirs[..., :3]


@pytest.mark.parametrize("method", ["translucent", "mip"])
def test_a_volume_is_what_the_dense_one_is(kit: Any, method: str) -> None:
    ours, theirs = drawn(kit, waves(), Look(method, (0.0, 60000.0), colormap=FOG))
    assert (theirs.max(axis=-1) > 2).sum() > 500
    apart = np.abs(ours.astype(int) - theirs).max(axis=-1)
    assert (apart <= 1).mean() >= 0.995


def test_small_opacities_add_up(kit: Any) -> None:
    """A thousandth at each sample, which bytes would round to nothing."""
    mist = TransferFunction(((0, "white"), (1, "white")), ((0, 0.001), (1, 0.001)))
    ours, _ = drawn(kit, waves(), Look("translucent", (0.0, 65535.0), colormap=mist))
    samples = SHAPE[0] / 0.8
    assert 255 * (1 - 0.999 ** (0.8 * samples)) <= ours.max() <= 255 * (1 - 0.999 ** (2.2 * samples))


def test_the_table_is_linear_between_the_points() -> None:
    colormap = resolve_colormap(FOG)
    places = np.array([0, 0.25, 0.5, 0.75, 1], dtype=np.float32)[:, None]
    wanted = [(0, 0, 0, 0), (0.5, 0, 0, 0), (1, 0, 0, 0.05), (1, 0.5, 0.25, 0.075), (1, 1, 0.5, 0.2)]
    assert np.abs(colormap.map(places) - wanted).max() < 1e-3
    named = resolve_colormap(TransferFunction("viridis"))
    assert np.allclose(named.map(places)[:, :3], resolve_colormap("viridis").map(places)[:, :3], atol=2e-3)
    assert np.allclose(named.map(places)[:, 3], places[:, 0], atol=1e-6)


def test_what_has_no_opacity_is_skipped_where_colours_cover_one_another() -> None:
    """And counts where they are added up."""
    colormap = resolve_colormap(FOG)
    covering = np.diff(visible_places(colormap, "translucent")[0]) > 0
    alpha = colormap.map(np.linspace(0, 1, PLACES))[:, 3]
    assert np.array_equal(covering, alpha > 0)
    assert 0.4 < covering.mean() < 0.7
    adding = np.diff(visible_places(colormap, "additive")[0]) > 0
    assert np.array_equal(adding, np.arange(PLACES) > 0)


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: TransferFunction(opacity=((0, 0), (0.9, 1))), "the places of an opacity curve rise from 0 to 1"),
    (lambda: TransferFunction(opacity=((0, 0), (1, 1.5))), "opacity is from 0 to 1"),
    (lambda: TransferFunction(opacity=3), "an opacity curve is points"),  # type: ignore[arg-type]
    (lambda: TransferFunction(((0, "red"), (0, "blue"), (1, "red"))), "the places of a colour curve rise"),
    (lambda: TransferFunction(((0, (1, 2, 3)), (1, "red"))), "a share of a colour is from 0 to 1"),
    (lambda: TransferFunction(((0, (1, 1)), (1, "red"))), "a colour is a name, #rrggbb, or"),
    (lambda: resolve_colormap(TransferFunction(((0, "rot"), (1, "red")))), "no colour 'rot'"),
    (lambda: resolve_colormap(TransferFunction("none such")), "no colormap 'none such'"),
]


@pytest.mark.parametrize(("make", "what"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_transfer_function_is_refused(make: Callable[[], object], what: str) -> None:
    with pytest.raises(ViewError, match=what):
        make()
