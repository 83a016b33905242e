"""What is asked of neuroglancer for a view; no browser is needed for that."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from viewed import halved

from brickstream.errors import MissingPackageError, ViewError
from brickstream.latency.engines.chromium import Chromium
from brickstream.latency.engines.neuroglancer_page import quaternion, scene_of
from brickstream.latency.engines.protocol import shot_of
from brickstream.multiscale import Camera, View

PYRAMID = halved()
angles = st.floats(-180, 180)


def rotated(q: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Turn a vector as a quaternion does: v + 2 w (u x v) + 2 u x (u x v)."""
    across = np.cross(q[:3], vector)
    return vector + 2 * (q[3] * across + np.cross(q[:3], across))


@given(angles, st.floats(-90, 90), angles)
def test_a_quaternion_turns_as_its_rotation_does(azimuth: float, elevation: float, roll: float) -> None:
    rotation = Camera(azimuth, elevation, roll).rotation()
    q = quaternion(rotation)
    np.testing.assert_allclose([rotated(q, axis) for axis in np.eye(3)], rotation.T, atol=1e-9)


def test_a_camera_looks_ahead_with_down_where_the_canvas_has_it() -> None:
    camera = Camera(30, 20, 5)
    scene = scene_of(shot_of(0, View.volume(PYRAMID, camera=camera), PYRAMID))
    right, forward, up = camera.rotation().T
    seen = [rotated(np.array(scene["orientation"]), axis) for axis in np.eye(3)]
    np.testing.assert_allclose(seen, [right, -up, forward], atol=2e-4)
    assert scene["axes"] == ["x", "y", "z"]


@pytest.mark.parametrize("elevation", [-90, 0, 90])
@pytest.mark.parametrize("azimuth", [0, 90, 180])
def test_no_ray_of_a_volume_runs_along_an_axis(azimuth: float, elevation: float) -> None:
    view = View.volume(PYRAMID, camera=Camera(azimuth, elevation))
    ahead = rotated(np.array(scene_of(shot_of(0, view, PYRAMID))["orientation"]), np.array([0.0, 0, 1]))
    assert abs(ahead).min() > 5e-5


def test_a_plane_says_where_it_lies_on_every_axis() -> None:
    view = View.plane(PYRAMID, ("z", "y"), {"x": 3.0}, (40, 30), center=(2.0, 1.0), zoom=5.0)
    scene = scene_of(shot_of(0, view, PYRAMID))
    assert scene["axes"] == ["y", "z"]
    assert scene["world"] == {"x": 3.0, "z": 2.0, "y": 1.0}
    assert (scene["zoom"], scene["height"], scene["level"], scene["orientation"]) == (5.0, 30, 0, None)


def test_a_camera_with_a_distance_of_its_own_has_the_zoom_of_its_centre() -> None:
    near = View.volume(PYRAMID, canvas=(40, 30), camera=Camera(fov=45, distance=10.0))
    far = View.volume(PYRAMID, canvas=(40, 30), camera=Camera(fov=45, distance=20.0))
    zooms = [scene_of(shot_of(0, view, PYRAMID))["zoom"] for view in (near, far)]
    assert zooms[0] == pytest.approx(2 * zooms[1])


@pytest.mark.parametrize(
    "view",
    [
        View.line(PYRAMID),
        View.plane(PYRAMID, margins={"z": 2.0}),
        View.oblique(PYRAMID, [(1.0, 1.0, 0.0), (0.0, 0.0, 1.0)]),
        View.volume(PYRAMID, camera=Camera(fov=60)),
    ],
)
def test_views_that_neuroglancer_does_not_have_are_refused(view: View) -> None:
    with pytest.raises(ViewError, match="neuroglancer"):
        scene_of(shot_of(0, view, PYRAMID))


def test_a_machine_without_chromium_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPackageError, match="apt-get install chromium"):
        Chromium((40, 30)).start()
