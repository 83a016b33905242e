"""Other visuals of vispy in the scene of a volume: what is nearer covers what is farther.

vispy's own Volume is no measure here: its depth is half a voxel off, and wrong where the eye is inside the volume. So
what is drawn is compared with where things are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from fed import CANVAS, Fed
from vispy.color import Colormap
from vispy.scene import visuals

from brickstream.multiscale import Camera, View
from brickstream.render.look import HalfSpace, Look, Slab
from brickstream.render.surfaces import Surfaces

SHAPE = (40, 40, 40)
SHEET = 12
MILK = Colormap([(0, 0, 0, 0), (1, 1, 1, 1)])
# The camera looks along y. All that can be seen is a sheet of two voxels there; where rays enter is its near side.
CAMERA = Camera(0, 0, fov=30)
METHODS = ("mip", "attenuated_mip", "iso", "surfaces")


def sheet() -> np.ndarray:
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[:, SHEET : SHEET + 2] = 200
    return array


@pytest.fixture(scope="module")
def fed(kit) -> Iterator[Fed]:
    with Fed(kit, Look()) as made:
        yield made


def is_seen(fed: Fed, y: float) -> bool:
    """Whether a green marker at a place along y, in the middle of the picture, is seen."""
    marker = visuals.Markers(parent=fed.screen.scene._parent)
    # The scene is relative to the view's centre: x, y, z.
    center = np.array(fed.screen.scene.view.center)[::-1]
    marker.set_data(np.array([[center[0], y, center[2]]]) - center, face_color="lime", edge_width=0, size=12)
    marker.set_gl_state("translucent", depth_test=True)
    marker.order = 1
    red, green, _ = fed.picture()[CANVAS[1] // 2, CANVAS[0] // 2]
    marker.parent = None
    return bool(green > 200 and red < 60)


@pytest.mark.parametrize("method", METHODS)
def test_a_marker_is_hidden_by_what_lies_before_it(kit, fed: Fed, method: str) -> None:
    array = sheet()
    pyramid = kit.make_pyramid([array], (16, 16, 16))
    fed.screen.scene.look = look = Look(
        method=method,
        clim=(0, 255),
        threshold=100,
        cutoff=50 if "mip" in method else None,
        surfaces=Surfaces(isomin=100, isomax=150, count=1),
    )
    view = View.volume(pyramid, canvas=CANVAS, camera=CAMERA)
    assert fed.draw(pyramid, [array], view)[CANVAS[1] // 2, CANVAS[0] // 2].min() > 30
    assert [is_seen(fed, y) for y in (-5, SHEET - 2, SHEET + 3, 45)] == [True, True, False, False]
    # Half of the volume is cut away, with the sheet: nothing hides what lies behind.
    fed.screen.scene.look = replace(look, clip=(HalfSpace((0, SHEET + 4, 0), (0, 1, 0)),))
    assert is_seen(fed, SHEET + 3)


def test_translucent_fog_hides_what_lies_behind_its_entry(kit, fed: Fed) -> None:
    array = np.full(SHAPE, 255, dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (16, 16, 16))
    fed.screen.scene.look = Look(method="translucent", clim=(0, 255), colormap=MILK)
    fed.draw(pyramid, [array], View.volume(pyramid, canvas=CANVAS, camera=CAMERA))
    assert [is_seen(fed, y) for y in (-5, 5, 45)] == [True, False, False]


def test_a_slab_hides_what_lies_behind_it(kit, fed: Fed) -> None:
    array = np.full(SHAPE, 200, dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (16, 16, 16))
    fed.screen.scene.look = Look(method="mip", clim=(0, 255), slab=Slab((20, 20, 20), (0, 1, 0), 3.0))
    fed.draw(pyramid, [array], View.volume(pyramid, canvas=CANVAS, camera=CAMERA))
    assert [is_seen(fed, y) for y in (-5, 16, 24, 45)] == [True, True, False, False]


def test_markers_lie_above_a_plane(kit, fed: Fed) -> None:
    array = np.full(SHAPE, 200, dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (16, 16, 16))
    fed.screen.scene.look = Look(clim=(0, 255))
    view = View.plane(pyramid, ("y", "x"), {"z": 10.0}, CANVAS)
    assert fed.draw(pyramid, [array], view)[CANVAS[1] // 2, CANVAS[0] // 2].min() >= 199
    marker = visuals.Markers(parent=fed.screen.scene._parent)
    marker.set_data(np.zeros((1, 2)), face_color="lime", edge_width=0, size=12)
    marker.order = 1
    red, green, _ = fed.picture()[CANVAS[1] // 2, CANVAS[0] // 2]
    marker.parent = None
    assert green > 200
    assert red < 60
