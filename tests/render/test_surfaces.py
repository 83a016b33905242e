"""Surfaces, caps and slices are what NumPy casts: `tests/cast.py` does it ray by ray, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from cast import Cast, Floats, rays, surfaces_of, trilinear
from numpy.typing import NDArray
from vispy.scene.visuals import Mesh

from brickstream.errors import ViewError
from brickstream.multiscale import Camera, View
from brickstream.render import OffscreenView
from brickstream.render.look import HalfSpace, Look
from brickstream.render.surfaces import Cap, Sheet, Surfaces, is_drawn

CANVAS = (72, 54)
SHAPE = (16, 19, 23)
MIDDLE = (7.5, 9.0, 11.0)
Z, Y, X = np.meshgrid(*[np.arange(n, dtype=np.float64) for n in SHAPE], indexing="ij")
RAMP = (3 * Z + 10).astype(np.float32)
TILTED = (2 * Z + 1.5 * Y + 0.7 * X).astype(np.float32)
BALL = np.sqrt(sum((axis - m) ** 2 for axis, m in zip((Z, Y, X), MIDDLE, strict=True))).astype(np.float32)
ABOVE, ASIDE, NEAR = Camera(0, 90), Camera(40, 35), Camera(-30, 20, fov=50)
INSIDE = Camera(100, 20, fov=60, distance=4.0)
OPEN = (Cap(show=False),) * 3
CLIM = (0.0, 70.0)
OBLIQUE = Sheet((10.0, 10.0, 12.0), (1.0, 0.5, -0.3), 0.8)


def look_of(surfaces: dict[str, Any], **fields: Any) -> Look:
    chosen = {"isomin": 20.0, "isomax": 50.0, "opacity": 0.4, "caps": OPEN} | surfaces
    return Look("surfaces", **{"clim": CLIM, "colormap": "viridis"} | fields, surfaces=Surfaces(**chosen))


def only(axis: int, fill: float = 1.0) -> tuple[Cap, ...]:
    return tuple(Cap(a == axis, fill) for a in range(3))


class Stage:
    """One canvas, which draws a volume as a look says, with all that is in view."""

    def __init__(self, kit: Any, screen: OffscreenView) -> None:
        self.kit, self.screen, self.generation = kit, screen, 0

    def show(self, array: NDArray[Any], look: Look, camera: Camera, chunk: int = 16, zoom: float = 2.0) -> View:
        pyramid = self.kit.make_pyramid([array], (chunk,) * 3)
        view = View.volume(pyramid, canvas=CANVAS, camera=camera, zoom=zoom)
        self.screen.scene.look = look
        self.screen.show(view)
        self.generation += 1
        self.kit.feed(self.screen.sink, self.kit.plan_for(self.screen.sink, pyramid, view), [array], self.generation)
        return view

    def picture(self) -> NDArray[np.uint8]:
        return self.screen.draw()[..., :3]

    def check(self, array: NDArray[Any], look: Look, camera: Camera, *, edges: float = 0.02) -> None:
        """Compare; at silhouettes and the edges of cells a ray may pass on the other side."""
        view = self.show(array, look, camera)
        apart_at_edges(self.picture(), surfaces_of(Cast(array, view), look, CLIM), edges)


def apart_at_edges(ours: NDArray[np.uint8], theirs: Floats, edges: float = 0.02, off: float = 3) -> None:
    apart = np.abs(ours - theirs).max(axis=-1)
    covered = (ours.max(axis=-1) > 0) | (theirs.max(axis=-1) > 0.5)
    assert covered.sum() > 200
    assert (apart[covered] > off).mean() <= edges


@pytest.fixture(scope="module")
def stage(kit: Any) -> Iterator[Stage]:
    with OffscreenView(CANVAS, max_gpu_bytes=1 << 26, method="surfaces") as screen:
        yield Stage(kit, screen)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_surfaces_of_a_ramp_cover_one_another_from_front_to_back(stage: Stage, count: int) -> None:
    stage.check(RAMP, look_of({"count": count}), ABOVE)


@pytest.mark.parametrize("scale", ["min", "max", "extremes", ((0, 0), (0.3, 1), (1, 0.2))])
def test_opacity_is_that_of_the_scale(stage: Stage, scale: Any) -> None:
    stage.check(TILTED, look_of({"count": 4, "opacityscale": scale}), ASIDE)


def test_colours_lie_around_the_midpoint_and_are_bent_by_gamma(stage: Stage) -> None:
    stage.check(TILTED, look_of({"count": 3}, midpoint=30.0, gamma=0.6), ASIDE)


MASKS = [("even", 1.0, ABOVE), ("odd", 0.6, ASIDE), ("all", 0.5, NEAR), ("odd", 1.0, NEAR)]


@pytest.mark.parametrize(("pattern", "fill", "camera"), MASKS)
def test_what_is_drawn_of_a_surface_is_what_numpy_says(stage: Stage, pattern: str, fill: float, camera: Camera) -> None:
    """`is_drawn` for the place where each ray meets the plane 2 z + 1.5 y + 0.7 x = 35."""
    look = look_of({"isomin": 35.0, "isomax": 35.0, "count": 1, "pattern": pattern, "fill": fill, "opacity": 1.0})
    view = stage.show(TILTED, look, camera)
    origins, directions = rays(view)
    normal = np.array([0.7, 1.5, 2.0])
    places = origins + directions * ((35 - origins @ normal) / (directions @ normal))[:, None]
    # Half a pixel inside: the border's values are repeated, and there the surface bends.
    inside = ((places > 0) & (places < np.array(SHAPE[::-1]) - 1)).all(axis=1)
    mask = is_drawn(places, np.broadcast_to(normal, places.shape), fill, pattern)
    drawn = stage.picture().max(axis=-1).ravel() > 0
    assert 0.2 < mask[inside].mean() < 0.8
    assert (drawn != mask)[inside].mean() <= 0.02


@pytest.mark.parametrize("caps", [only(0), only(1, 0.5), only(2), (Cap(), Cap(fill=0.7), Cap())])
def test_caps_lie_on_the_faces_of_the_volume(stage: Stage, caps: Any) -> None:
    stage.check(TILTED, look_of({"count": 0, "caps": caps, "isomin": 10.0}), ASIDE, edges=0.03)


def test_slices_show_the_values_that_they_cut(stage: Stage) -> None:
    """Equal to trilinear sampling of the array, with no surface before them."""
    for sheet in (Sheet.across(0, 7.3), Sheet.across(1, 9.0), Sheet.across(2, 4.6), Sheet((8, 9, 11), (1, 0.5, -0.3))):
        look = look_of({"count": 0, "isomin": -1.0, "isomax": 99.0, "opacity": 1.0, "slices": (sheet,)})
        view = stage.show(TILTED, look, ASIDE)
        picture = stage.picture()
        origins, directions = rays(view)
        normal = np.array(sheet.normal[::-1])
        at = ((np.array(sheet.position[::-1]) - origins) @ normal) / (directions @ normal)
        places = origins + directions * at[:, None]
        inside = ((places > 0) & (places < np.array(SHAPE[::-1]) - 1)).all(axis=1)
        level = (trilinear(TILTED, places[inside]) / 70).clip(0, 1).astype(np.float32)
        wanted = stage.screen.scene.visual.colormap.map(level)[:, :3] * 255
        assert inside.sum() > 150
        assert np.abs(picture.reshape(-1, 3)[inside] - wanted).max() <= 2


@pytest.mark.parametrize("camera", [NEAR, INSIDE], ids=["outside", "inside"])
def test_surfaces_caps_and_slices_together(stage: Stage, camera: Camera) -> None:
    many = {"isomin": 3.0, "isomax": 12.0, "count": 3, "caps": (Cap(),) * 3, "slices": (OBLIQUE,)}
    stage.check(BALL, look_of(many), camera)


def test_long_steps_and_jitter_move_no_surface(stage: Stage) -> None:
    many = {"isomin": 4.0, "isomax": 12.0, "count": 3, "caps": (Cap(),) * 3}
    stage.check(BALL, look_of(many, step=2.0, jitter=True), NEAR, edges=0.03)


def test_clipping_planes_cut_surfaces_where_they_are(stage: Stage) -> None:
    """Not a step before or behind: all that is drawn lies on the side that is kept."""
    half = HalfSpace((8.0, 9.0, 11.2), (0.0, 0.0, 1.0))
    look = look_of({"count": 5, "opacity": 1.0}, clip=(half,))
    view = stage.show(RAMP, look, ABOVE, zoom=3.0)
    left = rays(view)[0][:, 0].reshape(CANVAS[::-1]) < 11.2
    drawn = stage.picture().max(axis=-1) > 0
    assert drawn.any()
    assert not (drawn & left).any()
    cut = look_of({"isomin": 3.0, "isomax": 9.0, "count": 3}, clip=(HalfSpace(MIDDLE, (1.0, 0.6, -0.4)),))
    view = stage.show(BALL, cut, NEAR)
    cast = Cast(BALL, view)
    normal = np.array([-0.4, 0.6, 1.0])
    at = (np.array(MIDDLE[::-1]) - cast.origins) @ normal / (cast.directions @ normal)
    away = cast.directions @ normal > 0
    cast.begin = np.where(away, np.maximum(cast.begin, at), cast.begin)
    cast.end = np.where(away, cast.end, np.minimum(cast.end, at))
    apart_at_edges(stage.picture(), surfaces_of(cast, cut, CLIM))


@pytest.mark.parametrize("camera", [NEAR, INSIDE], ids=["outside", "inside"])
def test_bricks_and_empty_ones_do_not_show(stage: Stage, camera: Camera) -> None:
    """Of 27 bricks most are walked past; of one none is."""
    near = np.sqrt(sum((axis - m) ** 2 for axis, m in zip(np.indices((40, 40, 40)), (17, 19, 22), strict=True)))
    look = look_of({"isomin": 3.0, "isomax": 5.0, "count": 2, "caps": (Cap(),) * 3, "slices": (OBLIQUE,)})
    pictures = []
    for chunk in (16, 40):
        stage.show(np.minimum(near, 7).astype(np.float32), look, camera, chunk)
        pictures.append(stage.picture())
    apart_at_edges(pictures[0], pictures[1].astype(float), edges=0.005)


def test_a_sphere_has_its_size_and_its_depth(stage: Stage) -> None:
    """A sheet of another visual hides just what of the sphere lies behind it."""
    look = look_of({"isomin": 5.0, "isomax": 5.0, "count": 1, "opacity": 1.0})
    view = stage.show(BALL, look, Camera(0, 90, fov=90), zoom=3.0)
    origins, directions = rays(view)
    offset = origins - np.array(MIDDLE[::-1])
    half = (offset * directions).sum(axis=1)
    root = half**2 - (offset**2).sum(axis=1) + 25
    drawn = stage.picture().max(axis=-1).ravel() > 0
    # One pixel along the rim.
    assert (drawn != (root > 0)).sum() < np.sqrt(np.pi * (root > 0).sum())
    behind = -half - np.sqrt(np.maximum(root, 0)) - (4 - offset[:, 2]) / directions[:, 2]
    corners = np.array([[-99, -99, 4], [99, -99, 4], [99, 99, 4], [-99, 99, 4]], dtype=np.float32)
    sheet = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), color="red", parent=stage.screen.scene.visual.parent)
    sheet.order = -1
    try:
        red = (stage.picture() == (255, 0, 0)).all(axis=-1).ravel()
    finally:
        sheet.parent = None
    # The depth buffer off the screen has 16 bits: 0.4 units here.
    before, after = drawn & (behind < -0.5), drawn & (behind > 0.5)
    assert before.sum() > 200
    assert after.sum() > 50
    assert not red[before].any()
    assert red[after].all()


CURVE = "the places of an opacity scale rise from 0 to 1"
WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: Surfaces(isomin=2, isomax=1), "isomin is above isomax"),
    (lambda: Surfaces(isomax=float("nan")), "values of surfaces must be finite"),
    (lambda: Surfaces(count=-1), "surfaces are 0 to 1000"),
    (lambda: Surfaces(opacity=1.5), "opacity is from 0 to 1"),
    (lambda: Surfaces(fill=-0.1), "fill is from 0 to 1"),
    (lambda: Surfaces(pattern="A+B"), "no pattern"),
    (lambda: Surfaces(opacityscale="most"), "no opacity scale"),
    (lambda: Surfaces(opacityscale=((0, 0), (1,))), "an opacity scale is points"),  # type: ignore[arg-type]
    (lambda: Surfaces(opacityscale=((0, 0), (0.5, 1))), CURVE),
    (lambda: Surfaces(opacityscale=((0, 0), (0, 1), (1, 1))), CURVE),
    (lambda: Surfaces(opacityscale=((0, 0), (1, 2))), "opacity is from 0 to 1"),
    (lambda: Surfaces(caps=(Cap(),)), "caps are for three axes"),  # type: ignore[arg-type]
    (lambda: Surfaces(slices=(Sheet.across(0, 1.0),) * 11), "at most 10 slices"),
    (lambda: Cap(fill=2), "fill is from 0 to 1"),
    (lambda: Sheet((0, 0, 0), (0, 0, 0)), "a normal has a direction"),
    (lambda: Sheet.across(0, 1.0, fill=2), "fill is from 0 to 1"),
]


@pytest.mark.parametrize(("make", "what"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_drawn_is_refused(make: Callable[[], object], what: str) -> None:
    with pytest.raises(ViewError, match=what):
        make()
