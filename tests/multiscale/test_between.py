"""Views between two views: through both ends, never back, steady on screen."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from brickstream.errors import ViewError
from brickstream.multiscale import Camera, View
from brickstream.multiscale.between import between, camera_of, turned
from brickstream.multiscale.canvas import canvas_at

angles = st.floats(-400, 400)
cameras = st.builds(Camera, angles, st.floats(-90, 90), angles, st.floats(0, 120))
places = st.floats(-1e3, 1e3)
shares = st.floats(0, 1)
zooms = st.floats(0.01, 100)


def volume(camera: Camera, center: tuple[float, float, float] = (0, 0, 0), zoom: float = 1.0) -> View:
    return View(("z", "y", "x"), (("t", 0.0),), (80, 60), center, zoom, camera)


def plane(center: tuple[float, float], zoom: float, z: float = 0.0) -> View:
    return View(("y", "x"), (("z", z),), (80, 60), center, zoom)


volumes = st.builds(volume, cameras, st.tuples(places, places, places), zooms)


@given(cameras)
@example(Camera(90, 30, 40))
@example(Camera(-90, -20, 33))
@example(Camera(270, 90, -120))
@example(Camera(90, -80, 170))
def test_a_camera_is_found_again_from_its_rotation(camera: Camera) -> None:
    azimuth, elevation, roll = camera_of(camera.rotation())
    assert -90 <= elevation <= 90
    np.testing.assert_allclose(Camera(azimuth, elevation, roll).rotation(), camera.rotation(), atol=1e-8)


@given(volumes, volumes)
def test_both_ends_are_the_views_themselves(one: View, other: View) -> None:
    assert between(one, other, 0.0) is one
    assert between(one, other, 1.0) is other
    assert between(one, one, 0.3) == one


@given(volumes, volumes)
def test_near_an_end_the_view_is_near_the_end(one: View, other: View) -> None:
    for near, there in ((between(one, other, 1e-9), one), (between(one, other, 1 - 1e-9), other)):
        assert near.camera is not None
        assert there.camera is not None
        np.testing.assert_allclose(near.camera.rotation(), there.camera.rotation(), atol=1e-6)
        np.testing.assert_allclose(near.center, there.center, atol=1e-3)
        np.testing.assert_allclose([near.zoom, near.camera.fov], [there.zoom, there.camera.fov], rtol=1e-6, atol=1e-6)


@given(volumes, volumes, shares, shares)
def test_zoom_centre_and_angle_never_go_back(one: View, other: View, a: float, b: float) -> None:
    a, b = sorted((a, b))
    first, second = between(one, other, a), between(one, other, b)
    for before, after, end, start in zip(
        (*first.center, first.zoom), (*second.center, second.zoom), (*other.center, other.zoom),
        (*one.center, one.zoom), strict=True,
    ):  # fmt: skip
        noise = 1e-9 * (1 + abs(end) + abs(start))
        assert (after - before) * np.sign(end - start) >= -noise
        assert min(start, end) - noise <= after <= max(start, end) + noise


@given(cameras, cameras, shares)
def test_a_camera_turns_at_a_constant_rate(one: Camera, other: Camera, share: float) -> None:
    def angle(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.arccos(np.clip((np.trace(a.T @ b) - 1) / 2, -1, 1)))

    start, stop = one.rotation(), other.rotation()
    whole = angle(start, stop)
    assume(whole < 3.1)
    assert angle(start, turned(start, stop, share)) == pytest.approx(share * whole, abs=1e-6)


@given(st.floats(-180, 180), st.floats(-89, 89), st.floats(-170, 170), shares)
def test_what_turns_on_a_turntable_stays_upright(azimuth: float, elevation: float, by: float, share: float) -> None:
    one, other = (volume(Camera(angle, elevation)) for angle in (azimuth, azimuth + by))
    camera = between(one, other, share).camera
    assert camera is not None
    np.testing.assert_allclose(camera.rotation(), Camera(azimuth + share * by, elevation).rotation(), atol=1e-7)


@given(zooms, zooms, shares, st.floats(-40, 40), st.floats(-30, 30))
def test_what_zooms_about_a_place_keeps_it_still(a: float, b: float, share: float, x: float, y: float) -> None:
    """As under the pointer, when one turns the wheel."""
    place = np.array([5.0, -3.0])
    one, other = (plane(tuple((place - np.array([y, x]) / zoom).tolist()), zoom) for zoom in (a, b))
    made = between(one, other, share)
    np.testing.assert_allclose(canvas_at(made, place), (40 + x, 30 + y), atol=1e-4)


def test_a_point_moves_and_a_level_stays() -> None:
    one, other = plane((0, 0), 1.0, z=10.0), replace(plane((0, 0), 1.0, z=20.0), level=2)
    assert between(one, other, 0.25).point == (("z", 12.5),)
    assert between(one, other, 0.99).level is None
    thick = replace(one, margins=(("z", (4.0, 8.0)),))
    assert between(one, thick, 0.5).margins == (("z", (2.0, 4.0)),)


def test_a_cut_turns_and_stays_a_cut() -> None:
    one = View(("z", "y", "x"), (), (80, 60), (0, 0, 0), 1.0, directions=((0, 1, 0), (0, 0, 1)))
    other = replace(one, directions=((1, 0, 0), (0, 0, 1)))
    half = between(one, other, 0.5)
    np.testing.assert_allclose(half.directions, [[0.5**0.5, 0.5**0.5, 0], [0, 0, 1]], atol=1e-12)


def test_the_eye_moves_between_a_distance_of_its_own_and_that_of_the_zoom() -> None:
    one, other = volume(Camera(fov=40)), volume(Camera(fov=40, distance=500))
    distances = [between(one, other, share).camera.eye_distance(60) for share in (0.0, 0.5, 1.0)]  # type: ignore[union-attr]
    assert distances[0] < distances[1] < distances[2] == 500


def test_there_is_nothing_between_a_plane_and_a_volume() -> None:
    with pytest.raises(ViewError, match="nothing between"):
        between(plane((0, 0), 1.0), volume(Camera()), 0.5)
    with pytest.raises(ViewError, match="nothing between"):
        between(plane((0, 0), 1.0), replace(plane((0, 0), 1.0), canvas=(81, 60)), 0.5)
