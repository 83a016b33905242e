"""The turntable camera: what it is, and what of the scene it sees."""

import json
from math import radians, tan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import ViewError
from brickstream.multiscale import Camera
from brickstream.multiscale.camera import DEPTH, frustum
from brickstream.multiscale.region import Region

numbers = st.floats(-50, 50)
cameras = st.builds(
    Camera,
    azimuth=st.floats(-180, 180),
    elevation=st.floats(-90, 90),
    roll=st.floats(-180, 180),
    fov=st.sampled_from([0.0, 10.0, 45.0, 100.0]),
)


@given(cameras)
def test_a_camera_is_a_rotation(camera: Camera) -> None:
    rotation = camera.rotation()
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("camera", "forward", "up"),
    [
        (Camera(0.0, 0.0), (0, 1, 0), (0, 0, 1)),
        (Camera(90.0, 0.0), (-1, 0, 0), (0, 0, 1)),
        (Camera(0.0, 90.0), (0, 0, -1), (0, 1, 0)),
        (Camera(0.0, 0.0, 90.0), (0, 1, 0), (1, 0, 0)),
        (Camera(90.0, 0.0, 90.0), (0, 0, 1), (1, 0, 0)),  # the roll is about y of the scene, and comes last
    ],
)
def test_a_turntable_looks_along_y_and_turns_to_the_left_and_down(
    camera: Camera, forward: tuple[int, ...], up: tuple[int, ...]
) -> None:
    rotation = camera.rotation()
    np.testing.assert_allclose(rotation[:, 1], forward, atol=1e-12)
    np.testing.assert_allclose(rotation[:, 2], up, atol=1e-12)


@given(cameras, st.tuples(numbers, numbers, numbers), st.floats(1, 100), st.floats(1, 100))
def test_the_centre_is_seen_and_the_canvas_cuts_at_its_edges(
    camera: Camera, center: tuple[float, float, float], width: float, height: float
) -> None:
    planes = frustum(camera, np.array(center), width, height)
    right, _, up = camera.rotation().T

    def seen(across: float, above: float) -> bool:
        point = np.array(center) + across * right * width / 2 + above * up * height / 2
        return bool((planes[:, :3] @ point + planes[:, 3] >= 0).all())

    assert seen(0, 0)
    assert all(seen(a, b) for a in (-0.99, 0.99) for b in (-0.99, 0.99))
    assert not any(seen(a, b) for a, b in [(1.01, 0), (-1.01, 0), (0, 1.01), (0, -1.01)])


@given(cameras, st.tuples(numbers, numbers, numbers), st.floats(1, 100), st.floats(1, 100))
def test_the_seen_box_holds_every_seen_point_and_touches_its_planes(
    camera: Camera, center: tuple[float, float, float], width: float, height: float
) -> None:
    box = np.array([[-20.0, -10.0, 0.0], [20.0, 30.0, 25.0]])
    planes = frustum(camera, np.array(center), width, height)
    axes = [np.linspace(low, high, 13) for low, high in box.T]
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
    inside = points[(points @ planes[:, :3].T + planes[:, 3] >= 0).all(axis=1)]
    found = Region(None, planes).seen(box)
    if found is None:
        assert not len(inside)
        return
    assert (found[0] >= box[0]).all()
    assert (found[1] <= box[1]).all()
    if len(inside):
        assert (inside.min(axis=0) >= found[0] - 1e-6).all()
        assert (inside.max(axis=0) <= found[1] + 1e-6).all()


def test_a_volume_far_from_the_origin_is_seen_like_one_near_it() -> None:
    shift = np.array([1e7, -1e7, 5e6])
    near, far = np.array([[0.0] * 3, [64.0] * 3]), np.array([[0.0] * 3, [64.0] * 3]) + shift
    camera = Camera(20.0, 40.0, fov=30.0)
    here = Region(None, frustum(camera, near.mean(axis=0), 20.0, 20.0)).seen(near)
    there = Region(None, frustum(camera, far.mean(axis=0), 20.0, 20.0)).seen(far)
    assert here is not None
    assert there is not None
    np.testing.assert_allclose(there - shift, here, atol=0.1)


@pytest.mark.parametrize(
    ("name", "value"), [("fov", 180.0), ("fov", -1.0), ("elevation", 91.0), ("distance", 0.0), ("roll", float("inf"))]
)
def test_a_camera_that_cannot_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(ViewError, match=name):
        Camera(**{name: value})


@given(cameras, st.none() | st.floats(1e-3, 1e6))
def test_cameras_go_to_json_and_back(camera: Camera, distance: float | None) -> None:
    made = Camera(camera.azimuth, camera.elevation, camera.roll, camera.fov, distance)
    again = Camera.from_dict(json.loads(json.dumps(made.to_dict(), allow_nan=False)))
    assert (again, hash(again)) == (made, hash(made))


def test_numbers_of_numpy_become_plain_ones() -> None:
    camera = Camera(np.float32(5), np.int64(6), fov=np.float64(7), distance=np.uint8(8))  # type: ignore[arg-type]
    assert camera == Camera(5.0, 6.0, 0.0, 7.0, 8.0)
    assert {type(value) for value in camera.to_dict().values()} == {float}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "names and values"),
        ({"azimut": 1.0}, "no such key: azimut"),
        ({"azimuth": "1"}, "the camera's azimuth is a number"),
        ({"azimuth": None}, "the camera's azimuth is a number"),
        ({"fov": True}, "the camera's fov is a number"),
        ({"roll": [1.0]}, "the camera's roll is a number"),
        ({"distance": 1e300}, "distance must be finite and above zero"),
        ({"distance": -1.0}, "distance must be finite and above zero"),
    ],
)
def test_a_document_that_is_no_camera_is_refused(document: Any, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        Camera.from_dict(document)


# ---- the frustum, against rays


@given(
    cameras, st.none() | st.floats(0.5, 200), st.tuples(numbers, numbers, numbers), st.floats(1, 100), st.floats(1, 100)
)
@pytest.mark.oracle
def test_the_frustum_holds_what_lies_on_the_rays_of_the_canvas(
    camera: Camera, distance: float | None, center: tuple[float, float, float], width: float, height: float
) -> None:
    """Rays from the eye through the canvas, or along the line of sight where there is none."""
    camera = Camera(camera.azimuth, camera.elevation, camera.roll, camera.fov, distance)
    planes = frustum(camera, np.array(center), width, height)
    right, forward, up = camera.rotation().T
    for across, above in [(0, 0), (0.99, 0.99), (-0.99, 0.99), (1.01, 0), (-1.01, 0), (0, 1.01), (0, -1.01)]:
        if camera.fov:
            slope = tan(radians(camera.fov) / 2)
            away = camera.distance or height / 2 / slope
            start = np.array(center) - away * forward
            ray = forward + slope * (above * up + across * width / height * right)
            depths = [0.01 * away, away, 100 * away]
        else:
            start, ray = np.array(center) + above * height / 2 * up + across * width / 2 * right, forward
            depths = [-1e4, 0.0, 1e4]
        inside = abs(across) < 1 and abs(above) < 1
        for depth in depths:
            point = start + depth * ray
            assert bool((planes[:, :3] @ point + planes[:, 3] >= 0).all()) == inside
    if camera.fov:
        assert not (planes[:, :3] @ (start - forward) + planes[:, 3] >= 0).all()  # behind the eye


@pytest.mark.parametrize("fov", [0.0, 40.0])
def test_the_depth_range_is_that_of_vispy(fov: float) -> None:
    eye = -100.0 if fov else 0.0
    planes = frustum(Camera(0.0, 0.0, fov=fov, distance=100.0 if fov else None), np.zeros(3), 10.0, 10.0)
    near, far = (100 / (10 * DEPTH) ** 0.5, 100 * (10 * DEPTH) ** 0.5) if fov else (-DEPTH, DEPTH)
    outside, inside = (near - abs(near) / 1000, far * 1.001), (near + abs(near) / 1000, far * 0.999)
    for depths, seen in [(outside, False), (inside, True)]:
        for depth in depths:
            assert bool((planes[4:, :3] @ [0, eye + depth, 0] + planes[4:, 3] >= 0).all()) == seen
