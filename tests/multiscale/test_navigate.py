"""Gestures: what they change, what they leave, and that they can be taken back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import ViewError
from brickstream.multiscale import Axis, Camera, Level, Pyramid, View
from brickstream.multiscale.canvas import canvas_at, ray_at, world_at
from brickstream.multiscale.navigate import (
    cut_through,
    keep_place,
    move_point,
    normal,
    orbit,
    pan,
    refit,
    rescale,
    resize,
    slide,
    tilt,
    turn,
    zoom_at,
)
from brickstream.multiscale.slicing import resample, sample_points, slice_index

AXES = tuple(Axis(n, t) for n, t in [("t", "time"), ("z", "space"), ("y", "space"), ("x", "space")])
IMAGE = Pyramid(
    "image", AXES, (Level("0", (3, 10, 40, 60), np.dtype("u1"), (1, 5, 16, 16), (1.0, 2.0, 1.0, 0.5), (0.0,) * 4),)
)
PLANE = View.plane(IMAGE, canvas=(60, 40), zoom=1.5, margins={"z": (1.0, 2.0)}, projection="max", bias=0.5)
LINE = View.line(IMAGE, "x", margins={"t": 1.0}, projection="sum")
CUT = View.oblique(IMAGE, [(1.0, 1.0, 0.3), (0.0, 0.5, 1.0)], canvas=(60, 41), margins={"t": 1.0}, pixel_ratio=2.0)
FLAT_CUT = View.oblique(IMAGE, [(1.0, 0.5), (0.0, 1.0)], ("y", "x"), canvas=(60, 41), margins={"z": 1.0})
VOLUME = View.volume(IMAGE, canvas=(60, 40), camera=Camera(20.0, 40.0, 10.0, 30.0, 200.0))

FLAT = {"line": LINE, "plane": PLANE, "cut": CUT, "flat cut": FLAT_CUT}
flat = st.sampled_from(list(FLAT.values()))
views = st.sampled_from([*FLAT.values(), VOLUME])
pixels = st.floats(-500, 500)


def same(one: View, other: View) -> None:
    """Equal but for the rounding of the centre, the zoom and the directions."""
    np.testing.assert_allclose(one.center, other.center, rtol=1e-9, atol=1e-9)
    assert one.zoom == pytest.approx(other.zoom)
    assert (one.directions is None) == (other.directions is None)
    if one.directions is not None and other.directions is not None:
        np.testing.assert_allclose(one.directions, other.directions, atol=1e-9)
    assert replace(one, center=other.center, zoom=other.zoom, directions=other.directions) == other


@given(views, pixels, pixels)
def test_panning_there_and_back_changes_nothing(view: View, dx: float, dy: float) -> None:
    same(pan(pan(view, dx, dy), -dx, -dy), view)


@given(views, pixels, pixels, pixels, pixels)
def test_what_is_under_the_pointer_goes_with_it(view: View, dx: float, dy: float, x: float, y: float) -> None:
    before, after = world_at(view, x, y), world_at(pan(view, dx, dy), x + dx, y + dy)
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


@given(flat, st.floats(0.01, 100), pixels, pixels)
def test_zooming_keeps_the_world_under_the_pointer(view: View, factor: float, x: float, y: float) -> None:
    zoomed = zoom_at(view, factor, x, y)
    assert zoomed.zoom == pytest.approx(view.zoom * factor)
    np.testing.assert_allclose(world_at(zoomed, x, y), world_at(view, x, y), rtol=1e-9, atol=1e-7)
    same(zoom_at(zoomed, 1 / factor, x, y), view)


@given(st.floats(0.01, 100), pixels, pixels)
def test_what_is_under_the_pointer_is_found_there_after_zooming(factor: float, x: float, y: float) -> None:
    for view in (PLANE, CUT, FLAT_CUT):
        place = world_at(view, x, y)
        np.testing.assert_allclose(canvas_at(zoom_at(view, factor, x, y), place), [x, y], rtol=0, atol=1e-6)


def test_a_volume_grows_about_its_centre_and_its_camera_comes_nearer() -> None:
    zoomed = zoom_at(VOLUME, 2.0, 0.0, 0.0)
    assert VOLUME.camera is not None
    assert zoomed == replace(VOLUME, zoom=VOLUME.zoom * 2, camera=replace(VOLUME.camera, distance=100.0))


@given(views)
def test_zooming_in_for_ever_stops_where_pixels_could_not_be_told_apart(view: View) -> None:
    view = pan(view, 1e4, 1e4)
    for _ in range(100):
        view = zoom_at(view, 1e3, 7.0, 9.0)
    stopped = zoom_at(view, 2.0, 7.0, 9.0)
    assert stopped.zoom <= view.zoom * 1.1
    for _ in range(100):
        view = zoom_at(view, 1e-3, 7.0, 9.0)
    assert zoom_at(view, 0.5, 7.0, 9.0).zoom == view.zoom


def test_a_view_that_is_deeper_than_zooming_goes_is_not_thrown_back() -> None:
    deep = replace(PLANE, center=(1e12, 0.0), zoom=200.0)
    assert zoom_at(deep, 2.0, 0.0, 0.0) == deep
    assert zoom_at(deep, 0.5, 30.0, 20.0) == replace(deep, zoom=100.0)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_factor_that_is_none_is_refused(factor: float) -> None:
    with pytest.raises(ViewError, match="factor"):
        zoom_at(PLANE, factor, 0.0, 0.0)


# ---- cuts


@given(st.sampled_from([CUT, FLAT_CUT, PLANE]), st.floats(-400, 400), pixels, pixels)
def test_turning_is_about_the_middle_and_counterclockwise(view: View, degrees: float, x: float, y: float) -> None:
    turned = turn(view, degrees)
    assert turned.center == view.center
    # What was at (x, y) from the middle is found where it was turned to.
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    middle = np.array(view.canvas) / 2
    there = middle + np.array([c * x + s * y, c * y - s * x])
    before = world_at(view, *(middle + np.array([x, y])))
    np.testing.assert_allclose(world_at(turned, *there), before, rtol=0, atol=1e-6)
    if view.directions is not None:
        same(turn(turned, -degrees), view)


@given(st.floats(-300, 300))
def test_tilting_there_and_back_changes_nothing(pixels: float) -> None:
    same(tilt(tilt(CUT, pixels, 0.0), -pixels, 0.0), CUT)
    same(tilt(tilt(CUT, 0.0, pixels), 0.0, -pixels), CUT)


@given(pixels, pixels)
def test_tilting_both_ways_is_one_after_the_other(dx: float, dy: float) -> None:
    same(tilt(CUT, dx, dy), tilt(tilt(CUT, dx, 0.0), 0.0, dy))


def test_tilting_turns_about_one_direction_and_keeps_the_other() -> None:
    quarter = 180.0  # pixels, at half a degree for each
    down, right = CUT.frame()
    ahead = normal(CUT)
    np.testing.assert_allclose(tilt(CUT, quarter, 0.0).frame(), [down, ahead], atol=1e-12)
    np.testing.assert_allclose(tilt(CUT, 0.0, quarter).frame(), [ahead, right], atol=1e-12)
    assert tilt(CUT, 10.0, 20.0).center == CUT.center


def test_a_thousand_small_turns_leave_the_directions_at_a_right_angle() -> None:
    view = CUT
    for i in range(1000):
        view = tilt(view, 1.7, -0.3) if i % 2 else turn(view, 0.77)
    frame = view.frame()
    np.testing.assert_allclose(frame @ frame.T, np.eye(2), rtol=0, atol=1e-15)


@given(st.floats(-100, 100))
def test_sliding_goes_along_the_normal_and_back(distance: float) -> None:
    there = slide(CUT, distance)
    moved = np.array(there.center) - np.array(CUT.center)
    np.testing.assert_allclose(moved, distance * normal(CUT), atol=1e-12)
    np.testing.assert_allclose(CUT.frame() @ moved, 0, atol=1e-9)
    same(slide(there, -distance), CUT)
    seen = np.array(slide(VOLUME, distance).center) - np.array(VOLUME.center)
    assert np.linalg.norm(seen) == pytest.approx(abs(distance))
    same(slide(slide(VOLUME, distance), -distance), VOLUME)


def test_sliding_a_volume_goes_along_the_line_of_sight() -> None:
    ahead = replace(VOLUME, camera=Camera(20.0, 40.0, 10.0))
    there = slide(ahead, 7.0)
    np.testing.assert_allclose(canvas_at(ahead, there.center), [30, 20])
    assert np.dot(np.array(there.center) - ahead.center, ray_at(ahead, 30, 20)[1]) == pytest.approx(7.0)


def test_the_normal_of_a_cut_along_the_axes_is_the_axis_that_is_left() -> None:
    view = View.oblique(IMAGE, [(0, 1, 0), (0, 0, 1)])
    assert normal(view).tolist() == [1.0, 0.0, 0.0]
    assert slide(view, 2.5).center == (view.center[0] + 2.5, *view.center[1:])


@pytest.mark.parametrize("shown", [("y", "x"), ("x", "z"), ("t", "y")])
def test_a_plane_becomes_a_cut_with_the_same_picture(shown: tuple[str, str]) -> None:
    rng = np.random.default_rng(5)
    array = rng.integers(1, 255, (3, 10, 40, 60), dtype=np.uint8)
    view = View.plane(IMAGE, shown, canvas=(50, 30), zoom=1.0)
    free = next(name for name in ("z", "t", "y") if name not in shown)
    cut = cut_through(view, free)
    assert cut.displayed == (free, *shown)
    for one, other in zip(resample(array, IMAGE, view, 0), resample(array, IMAGE, cut, 0), strict=True):
        assert (one == other).all()
    assert (slice_index(IMAGE, view, 0).take(array) == slice_index(IMAGE, cut, 0).take(array)).all()
    tilted = tilt(cut, 30.0, 10.0)
    assert np.ptp(sample_points(tilted)[..., 0]) > 1.0


def test_a_cut_has_no_margins_on_the_axis_that_it_goes_along() -> None:
    assert cut_through(PLANE, "z").margins == ()
    assert cut_through(PLANE, "t").margins == PLANE.margins
    assert cut_through(turn(PLANE, 20.0), "z").directions == tuple(
        (0.0, *row) for row in turn(PLANE, 20.0).frame().tolist()
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tilt(PLANE, 1.0, 1.0), "has a normal.*cut_through"),
        (lambda: tilt(FLAT_CUT, 1.0, 1.0), "has a normal: y, x"),
        (lambda: slide(LINE, 1.0), "has a normal: x "),
        (lambda: turn(LINE, 1.0), "can be turned: x"),
        (lambda: turn(VOLUME, 1.0), "can be turned: z, y, x"),
        (lambda: cut_through(VOLUME, "t"), "only a plane"),
        (lambda: cut_through(LINE, "t"), "only a plane becomes a cut: x"),
        (lambda: cut_through(PLANE, "q"), "no point on axis 'q'"),
        (lambda: move_point(PLANE, "q", 1.0), "no point on axis 'q'.*displayed are y, x"),
        (lambda: move_point(PLANE, "x", 1.0), "no point on axis 'x'"),
        (lambda: move_point(PLANE, "z", float("nan")), "finite"),
        (lambda: rescale(PLANE, 0.0), "pixel ratio"),
    ],
)
def test_gestures_that_make_no_sense_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        call()


NAN, INF = float("nan"), float("inf")
BEYOND: dict[str, tuple[Callable[[], View], str]] = {
    "pan by nan": (lambda: pan(PLANE, NAN, 0.0), "positions must be finite"),
    "pan by inf": (lambda: pan(VOLUME, INF, 0.0), "positions must be finite"),
    "zoom at nan": (lambda: zoom_at(PLANE, 2.0, NAN, 0.0), "positions must be finite"),
    "turn by inf": (lambda: turn(PLANE, INF), "an angle is finite: inf"),
    "turn by nan": (lambda: turn(CUT, NAN), "an angle is finite"),
    "tilt by inf": (lambda: tilt(CUT, INF, 0.0), "distances on the canvas are finite"),
    "orbit by inf": (lambda: orbit(VOLUME, 0.0, INF), "distances on the canvas are finite"),
    "orbit a plane by nan": (lambda: orbit(PLANE, NAN, 0.0), "distances on the canvas are finite"),
    "slide by inf": (lambda: slide(CUT, INF), "positions must be finite"),
    "slide by 1e300": (lambda: slide(CUT, 1e300), "positions must be finite"),
    "slide by 1e60": (lambda: slide(CUT, 1e60), "too little for its distance from the origin"),
    "move to 1e300": (lambda: move_point(PLANE, "z", 1e300), "finite"),
    "rescale by inf": (lambda: rescale(PLANE, INF), "pixel ratio"),
    "rescale by 1e12": (lambda: rescale(PLANE, 1e12), "from 1 to 2147483648 pixels"),
    "half a pixel wide": (lambda: resize(PLANE, 10.5, 3), "width is a whole number"),  # type: ignore[arg-type]
    "nan pixels high": (lambda: resize(PLANE, 10, NAN), "height is a whole number"),  # type: ignore[arg-type]
    "a text high": (lambda: refit(PLANE, 10, "3"), "height is a number"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", BEYOND)
def test_gestures_of_numbers_that_are_none_or_too_large_are_refused(name: str) -> None:
    call, words = BEYOND[name]
    with pytest.raises(ViewError, match=words):
        call()


# ---- canvas and screen


@pytest.mark.parametrize("view", [PLANE, CUT, VOLUME, LINE])
def test_another_screen_shows_the_same_world_on_other_pixels(view: View) -> None:
    there = rescale(view, 3 * view.pixel_ratio)
    assert there.canvas == (view.canvas[0] * 3, 1 if view is LINE else view.canvas[1] * 3)
    assert there.world_size[: view.ndisplay] == pytest.approx(view.world_size[: view.ndisplay])
    assert there.center == view.center
    same(rescale(there, view.pixel_ratio), view)


def test_odd_canvases_are_rounded_half_up_and_never_vanish() -> None:
    view = replace(PLANE, canvas=(3, 5))
    assert rescale(view, 0.5).canvas == (2, 3)
    assert rescale(view, 1e-6).canvas == (1, 1)


def test_resizing_keeps_the_size_of_a_pixel() -> None:
    assert resize(CUT, 7, 0) == replace(CUT, canvas=(7, 1))


@given(views, st.integers(1, 300), st.integers(1, 300))
def test_another_canvas_shows_all_that_was_in_view(view: View, width: int, height: int) -> None:
    there = refit(view, width, height)
    assert there.canvas == (width, height)
    # The edges of the old canvas are on the new one; two of them on its own edges, about the same middle.
    old, new = np.array(view.canvas), np.array(there.canvas)
    corners = world_at(view, old[0] * np.array([0, 1, 0, 1]), old[1] * np.array([0, 0, 1, 1]))
    away = np.abs(canvas_at(there, corners) - new / 2) * 2 / new
    away = away[:, : 1 if view.ndisplay == 1 else 2]
    assert away.max() == pytest.approx(1.0)
    np.testing.assert_allclose(canvas_at(there, view.center), new / 2)


def test_of_a_line_only_the_width_counts() -> None:
    assert refit(LINE, 2 * LINE.canvas[0], 1) == replace(LINE, canvas=(2 * LINE.canvas[0], 1), zoom=2 * LINE.zoom)


@given(views, st.integers(2, 5))
def test_a_canvas_so_many_times_as_large_shows_the_same(view: View, times: int) -> None:
    there = refit(view, *(side * times for side in view.canvas))
    assert there == replace(view, canvas=there.canvas, zoom=view.zoom * times)


# ---- what a gesture leaves alone


GESTURES = {
    "pan": lambda view: pan(view, 3.0, 4.0),
    "zoom": lambda view: zoom_at(view, 1.5, 3.0, 4.0),
    "resize": lambda view: resize(view, 30, 20),
    "rescale": lambda view: rescale(view, 3.0),
    "refit": lambda view: refit(view, 30, 20),
    "orbit": lambda view: orbit(view, 3.0, 4.0),
}


@pytest.mark.parametrize("view", [PLANE, LINE, CUT, FLAT_CUT, VOLUME])
@pytest.mark.parametrize("gesture", GESTURES)
def test_gestures_keep_points_margins_and_the_rest(view: View, gesture: str) -> None:
    moved = GESTURES[gesture](view)
    for name in ("displayed", "point", "margins", "projection", "bias", "level", "directions"):
        assert getattr(moved, name) == getattr(view, name)
    assert moved == view if gesture == "orbit" and view.camera is None else moved != view


def test_cuts_keep_their_margins_too() -> None:
    for moved in (tilt(CUT, 1.0, 2.0), turn(CUT, 3.0), slide(CUT, 1.0)):
        assert (moved.margins, moved.point, moved.pixel_ratio) == (CUT.margins, CUT.point, CUT.pixel_ratio)
    assert turn(PLANE, 5.0).margins == PLANE.margins
    moved = move_point(PLANE, "z", 6.0)
    assert (dict(moved.point)["z"], moved.margins) == (6.0, PLANE.margins)


@given(pixels, pixels)
def test_orbiting_stays_within_the_angles_there_are(dx: float, dy: float) -> None:
    camera = orbit(VOLUME, dx, dy).camera
    assert camera is not None
    assert -180 <= camera.azimuth < 180
    assert -90 <= camera.elevation <= 90


def test_a_place_is_kept_where_both_views_know_it() -> None:
    here = replace(VOLUME, center=(4.0, 11.0, 7.0))
    plane = keep_place(here, View.plane(IMAGE))
    assert plane.center == (11.0, 7.0)
    assert keep_place(plane, VOLUME).center == (dict(plane.point)["z"], 11.0, 7.0)
    assert keep_place(LINE, PLANE).center == (dict(LINE.point)["y"], LINE.center[0])
