"""Views, cameras, and what of the world they see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import ViewError
from brickstream.multiscale import Axis, Camera, Level, Pyramid, View
from brickstream.multiscale.camera import frustum
from brickstream.multiscale.region import Region

AXES = tuple(Axis(n, t) for n, t in [("t", "time"), ("c", "channel"), ("z", "space"), ("y", "space"), ("x", "space")])
IMAGE = Pyramid(
    "movie",
    AXES,
    (
        Level(
            "0", (5, 2, 10, 40, 80), np.dtype("u1"), (1, 1, 5, 16, 16), (0.5, 1.0, 4.0, 1.0, 1.0), (1.0, 0, 2, 0.5, 0.5)
        ),
    ),
)
FLAT = Pyramid("flat", AXES[3:], (Level("0", (40, 80), np.dtype("u1"), (16, 16), (1.0, 1.0), (0.5, 0.5)),))

numbers = st.floats(-50, 50)
cameras = st.builds(
    Camera,
    azimuth=st.floats(-180, 180),
    elevation=st.floats(-90, 90),
    roll=st.floats(-180, 180),
    fov=st.sampled_from([0.0, 10.0, 45.0, 100.0]),
)


def test_a_plane_without_wishes_fits_the_canvas() -> None:
    view = View.plane(IMAGE, canvas=(800, 600))
    assert view.displayed == ("y", "x")
    assert view.center == (20.0, 40.0)
    assert view.zoom == 10.0
    assert view.world_size == (80.0, 60.0)
    assert view.region().box.tolist() == [[-10.0, 0.0], [50.0, 80.0]]
    # Time and channel start at their first pixel, space at the centre of its middle pixel.
    assert dict(view.point) == {"t": 1.0, "c": 0.0, "z": 22.0}


def test_a_plane_can_show_any_two_axes_in_any_order() -> None:
    view = View.plane(IMAGE, displayed=("x", "z"), canvas=(100, 200), zoom=2.0, center={"x": 7.0})
    assert view.center == (7.0, 20.0)
    assert view.region().box.tolist() == [[-43.0, -5.0], [57.0, 45.0]]


def test_a_volume_without_wishes_fits_the_canvas() -> None:
    view = View.volume(IMAGE, canvas=(200, 100), camera=Camera(0.0, 0.0))
    assert view.displayed == ("z", "y", "x")
    assert view.center == (20.0, 20.0, 40.0)
    # From the front: 80 wide and 40 high, with a little air.
    assert view.zoom == pytest.approx(100 / 40 / 1.04)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"displayed": ("y", "q")}, "no axis 'q'"),
        ({"displayed": ("y",)}, "2 axes are displayed"),
        ({"displayed": ("y", "y")}, "displayed axes are different"),
        ({"point": {"q": 1.0}}, "no axis 'q'"),
        ({"point": {"x": 1.0}}, "'x' is displayed"),
        ({"point": {"z": 41.0}}, "z=41 is outside the image.*z runs from 2 to 38"),
        ({"point": {"z": float("nan")}}, "z=nan is outside"),
        ({"canvas": (0, 10)}, "at least one pixel"),
        ({"zoom": 0.0}, "above zero"),
        ({"zoom": float("inf")}, "finite"),
        ({"center": (1.0, float("nan"))}, "finite"),
        ({"center": (1.0,)}, "one number for each displayed axis"),
        ({"center": {"z": 1.0}}, "not displayed"),
        ({"level": -1}, "no level -1"),
    ],
)
def test_a_view_that_cannot_be_is_refused(wish: dict[str, object], words: str) -> None:
    with pytest.raises(ViewError, match=words):
        View.plane(IMAGE, **wish)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [("fov", 180.0), ("fov", -1.0), ("elevation", 91.0), ("distance", 0.0), ("roll", float("inf"))]
)
def test_a_camera_that_cannot_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(ViewError, match=name):
        Camera(**{name: value})


def test_a_flat_image_has_no_volume() -> None:
    with pytest.raises(ViewError, match="3 axes are needed"):
        View.volume(FLAT)


def test_views_are_values() -> None:
    one, same = View.plane(IMAGE, canvas=(10, 10)), View.plane(IMAGE, canvas=(10, 10))
    assert one == same
    assert hash(one) == hash(same)
    assert one != View.plane(IMAGE, canvas=(10, 11))


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


def test_overlaps_is_half_open_in_a_plane() -> None:
    region = View.plane(FLAT, canvas=(10, 10), zoom=1.0, center=(5.0, 5.0)).region()
    low = np.array([[10.0, 0.0], [-1.0, 0.0], [-2.0, 0.0], [3.0, 9.999]])
    assert region.overlaps(low, low + 1.0).tolist() == [False, False, False, True]
