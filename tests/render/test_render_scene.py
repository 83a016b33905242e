"""A scene in a canvas of somebody else, who aims the camera."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from vispy.scene import Node

from brickstream.errors import ViewError
from brickstream.multiscale import Camera, View
from brickstream.render import BrickScene, OffscreenView
from brickstream.render.aim import add_viewbox, aim
from brickstream.render.look import METHODS
from brickstream.render.offscreen import open_canvas, render_opaque

GRID = np.meshgrid(*[np.linspace(-1, 1, n) for n in (24, 30, 36)], indexing="ij")
BLOB = (255 * np.exp(-3 * sum(g**2 for g in GRID))).astype(np.uint8)
CANVAS = (96, 72)


@pytest.fixture
def host(kit: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """A canvas with a camera, a node in its scene, and a volume under that."""
    pyramid = kit.make_pyramid([BLOB], (8, 8, 8))
    view = View.volume(pyramid, canvas=CANVAS, camera=Camera(40, 20, fov=30))
    canvas = open_canvas(CANVAS)
    viewbox = add_viewbox(canvas)
    aim(viewbox, view)
    node = Node(parent=viewbox.scene)
    scene = BrickScene(canvas, None, 1 << 24, parent=node, clim=(0, 255))
    scene.set_view(view)
    kit.feed(scene.sink, kit.plan_for(scene.sink, pyramid, view), [BLOB])
    scene.commit()
    yield SimpleNamespace(canvas=canvas, camera=viewbox.camera, node=node, scene=scene, view=view, pyramid=pyramid)
    canvas.close()


def ours(kit: SimpleNamespace, host: SimpleNamespace, **look: Any) -> np.ndarray:
    """What a scene that aims its own camera draws."""
    with OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(0, 255), **look) as screen:
        screen.show(host.view)
        kit.feed(screen.sink, kit.plan_for(screen.sink, host.pyramid, host.view), [BLOB])
        return screen.draw()


def test_under_a_node_of_a_host_it_draws_the_same(kit: SimpleNamespace, host: SimpleNamespace) -> None:
    picture = render_opaque(host.canvas)
    assert picture[..., :3].max() > 200
    np.testing.assert_array_equal(picture, ours(kit, host))
    host.node.visible = False
    assert not render_opaque(host.canvas)[..., :3].any()


def test_the_hosts_camera_is_left_alone(host: SimpleNamespace) -> None:
    before = host.camera.get_state()
    host.scene.set_view(View.volume(host.pyramid, canvas=CANVAS, camera=Camera(-70, 60)))
    assert host.camera.get_state() == before


def test_method_and_interpolation_can_be_changed(kit: SimpleNamespace, host: SimpleNamespace) -> None:
    host.scene.method, host.scene.interpolation = "average", "nearest"
    host.scene.commit()
    assert (host.scene.method, host.scene.interpolation) == ("average", "nearest")
    expected = ours(kit, host, method="average", interpolation="nearest")
    np.testing.assert_array_equal(render_opaque(host.canvas), expected)
    with pytest.raises(ViewError):
        host.scene.method = "xray"
    with pytest.raises(ViewError):
        host.scene.interpolation = "wavy"


def test_a_closed_scene_leaves_nothing_behind(host: SimpleNamespace) -> None:
    assert host.scene.visual.parent is host.node
    assert host.scene.sink.gpu_bytes > 0
    host.scene.close()
    assert host.scene.sink.gpu_bytes == 0
    assert host.scene.visual is None
    assert not host.node.children
    assert not render_opaque(host.canvas)[..., :3].any()


@pytest.mark.parametrize("method", METHODS)
def test_every_shader_can_be_compiled_before_there_is_anything_to_draw(method: str) -> None:
    with OffscreenView((16, 16), method=method) as screen:
        screen.warm_up(3)
        assert not screen.draw()[..., :3].any()
