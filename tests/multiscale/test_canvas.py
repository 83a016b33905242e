"""Canvas and world, there and back, for lines, planes, cuts and cameras."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from viewed import askew_scenes, camera_scenes, halved, world_of

from brickstream.errors import ViewError
from brickstream.multiscale import Camera, Pyramid, View
from brickstream.multiscale.canvas import canvas_at, center_zoom, ray_at, world_along, world_at
from brickstream.multiscale.slicing import sample_points

scenes = st.one_of(askew_scenes(), camera_scenes())
pixels = st.floats(-20, 20)


@given(scenes, pixels, pixels)
@pytest.mark.oracle
def test_from_the_canvas_to_the_world_and_back(scene: tuple[Pyramid, View], x: float, y: float) -> None:
    _, view = scene
    y = 0.5 if view.ndisplay == 1 else y
    np.testing.assert_allclose(canvas_at(view, world_at(view, x, y)), [x, y], rtol=0, atol=1e-6)


@given(askew_scenes())
def test_the_first_pixel_has_its_centre_at_one_half(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    points = sample_points(view)
    for row, column in np.ndindex(points.shape[:2]):
        world = dict(zip(pyramid.axis_names, map(float, world_of(pyramid, view, row, column)), strict=True))
        place = world_at(view, column + 0.5, row + 0.5)
        size = 1 / view.zoom + np.abs(place).max()
        np.testing.assert_allclose(place, [world[name] for name in view.displayed], rtol=0, atol=1e-12 * size)
        np.testing.assert_allclose(place, points[row, column], rtol=0, atol=1e-12 * size)


@given(scenes, pixels, pixels)
def test_many_places_at_once_are_each_by_itself(scene: tuple[Pyramid, View], x: float, y: float) -> None:
    _, view = scene
    xs, ys = np.array([x, 0.0, 3.0]), np.array([[y], [1.0]])
    places = world_at(view, xs, ys)
    assert places.shape == (2, 3, len(view.displayed))
    seen = canvas_at(view, places)
    assert seen.shape == (2, 3, 2)
    for row, column in np.ndindex(2, 3):
        one = world_at(view, float(xs[column]), float(ys[row, 0]))
        np.testing.assert_allclose(places[row, column], one, rtol=1e-12)
        np.testing.assert_allclose(seen[row, column], canvas_at(view, one), rtol=1e-9, atol=1e-6)


@given(scenes, pixels, pixels, pixels, pixels)
def test_distances_on_the_canvas_are_vectors(
    scene: tuple[Pyramid, View], x: float, y: float, dx: float, dy: float
) -> None:
    _, view = scene
    moved = world_at(view, x + dx, y + dy) - world_at(view, x, y)
    size = np.abs(np.array(view.center)).max() + 100 / center_zoom(view)
    np.testing.assert_allclose(world_along(view, dx, dy), moved, rtol=0, atol=1e-12 * size)


@given(askew_scenes(), pixels, pixels, pixels)
def test_what_lies_beside_a_cut_is_seen_along_its_normal(
    scene: tuple[Pyramid, View], x: float, y: float, away: float
) -> None:
    _, view = scene
    y = 0.5 if view.ndisplay == 1 else y
    across = np.linalg.svd(view.frame())[2][view.ndisplay :]  # none where the view shows all of its axes
    for normal in across:
        place = world_at(view, x, y) + away / view.zoom * normal
        np.testing.assert_allclose(canvas_at(view, place), [x, y], rtol=0, atol=1e-6)


def test_a_line_is_half_a_pixel_down() -> None:
    view = View.line(halved(), "x", length=8, zoom=2.0, center=1.0)
    assert world_at(view, 7.0, 99.0).tolist() == [2.5]
    assert canvas_at(view, [[2.5], [1.0]]).tolist() == [[7.0, 0.5], [4.0, 0.5]]


# ---- cameras


@given(camera_scenes(), pixels, pixels)
@pytest.mark.oracle
def test_every_place_of_a_ray_is_seen_at_the_same_pixel(scene: tuple[Pyramid, View], x: float, y: float) -> None:
    _, view = scene
    assert view.camera is not None
    start, direction = ray_at(view, x, y)
    assert np.linalg.norm(direction) == pytest.approx(1.0)
    along = np.array([0.3, 1.0, 30.0]) * 10 / center_zoom(view)
    for step in along if view.camera.fov else (*along, *-along):
        np.testing.assert_allclose(canvas_at(view, start + step * direction), [x, y], rtol=1e-6, atol=1e-6)
    there = world_at(view, x, y) - start
    np.testing.assert_allclose(there, (there @ direction) * direction, atol=1e-9 * (1 + np.linalg.norm(there)))
    facing = view.camera.rotation()[::-1, 1]
    assert (world_at(view, x, y) - view.center) @ facing == pytest.approx(0, abs=1e-9 * np.abs(there).max() + 1e-9)


@given(camera_scenes(), st.tuples(*[st.floats(-1.5, 1.5)] * 3))
@pytest.mark.oracle
def test_what_the_frustum_holds_is_seen_on_the_canvas(
    scene: tuple[Pyramid, View], share: tuple[float, float, float]
) -> None:
    _, view = scene
    assert view.camera is not None
    place = np.array(view.center) + np.array(share) * max(view.canvas) / center_zoom(view)
    x, y = canvas_at(view, place)
    planes = view.region().to_planes()
    slack = (planes[:, :3] @ place + planes[:, 3]) / np.linalg.norm(planes[:, :3], axis=1)
    if np.isnan(x):  # behind the eye
        assert slack.min() < 0
    elif min(abs(slack)) * view.zoom > 1e-6:
        in_range = bool((slack[4:] > 0).all())
        seen = 0 < x < view.canvas[0] and 0 < y < view.canvas[1]
        assert bool((slack > 0).all()) == (in_range and seen)


def test_a_camera_from_above_sees_x_to_the_right_and_y_up() -> None:
    view = View.volume(halved(), canvas=(20, 10), zoom=2.0, center=(1.0, 2.0, 3.0), camera=Camera(0.0, 90.0))
    np.testing.assert_allclose(canvas_at(view, [1.0, 2.0, 3.0]), [10, 5])
    np.testing.assert_allclose(canvas_at(view, [1.0, 2.0, 4.0]), [12, 5])
    np.testing.assert_allclose(canvas_at(view, [1.0, 3.0, 3.0]), [10, 3])
    np.testing.assert_allclose(canvas_at(view, [9.0, 2.0, 3.0]), [10, 5], atol=1e-12)
    np.testing.assert_allclose(ray_at(view, 10.0, 5.0)[1], [-1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("distance", [None, 25.0])
def test_nearer_is_larger_in_perspective(distance: float | None) -> None:
    camera = Camera(0.0, 90.0, fov=90.0, distance=distance)
    view = View.volume(halved(), canvas=(100, 100), zoom=2.0, center=(0.0, 0.0, 0.0), camera=camera)
    away = 25.0  # the eye's, in both cases: 100 canvas pixels are 50 units high at the centre
    assert center_zoom(view) == pytest.approx(2.0)
    for z in (-75.0, 0.0, 20.0):
        assert canvas_at(view, [z, 0.0, 1.0])[0] == pytest.approx(50 + 50 / (away - z))
    assert np.isnan(canvas_at(view, [30.0, 0.0, 1.0])).all()
    np.testing.assert_allclose(ray_at(view, 3.0, 4.0)[0], [away, 0, 0], atol=1e-12)


def test_a_distance_of_its_own_magnifies_what_the_angle_shows() -> None:
    view = View.volume(halved(), canvas=(80, 100), zoom=2.0, camera=Camera(fov=90.0, distance=10.0))
    assert center_zoom(view) == pytest.approx(5.0)  # 100 canvas pixels are 20 units high


def test_only_volumes_have_rays_and_places_have_one_number_for_each_axis() -> None:
    plane = View.plane(halved())
    with pytest.raises(ViewError, match="along rays: y, x"):
        ray_at(plane, 0.0, 0.0)
    for wrong in (3.0, [1.0], [[1.0, 2.0, 3.0]]):
        with pytest.raises(ViewError, match="one number for each displayed axis"):
            canvas_at(plane, wrong)
