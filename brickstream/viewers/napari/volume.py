"""Bricks in napari's own canvas: our visual as a child of a layer's node, seen by napari's 3D camera. Qt thread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from brickstream.engine import ThreadedEngine, Update
from brickstream.viewers.napari import private
from brickstream.viewers.napari.layers import LayerSource
from brickstream.viewers.napari.state import State
from brickstream.viewers.napari.views import volume_view

MAX_GPU_BYTES = 256 << 20
# What napari can render and we cannot is shown as its maximum.
OTHERWISE = "mip"
SHADES = 256


class LayerVolume:
    """Shows one layer in 3D.

    Parameters
    ----------
    viewer : napari Viewer
    layer : napari Image
    source : LayerSource
    engine : ThreadedEngine

    Attributes
    ----------
    viewport : ThreadedViewport
    scene : BrickScene

    Raises
    ------
    GraphicsError
        If this napari cannot be drawn into.
    """

    def __init__(self, viewer: Any, layer: Any, source: LayerSource, engine: ThreadedEngine) -> None:
        from vispy.scene import Node
        from vispy.visuals.transforms import MatrixTransform

        from brickstream.render import BrickScene

        self._viewer, self._layer, self._source = viewer, layer, source
        self._canvas = private.scene_canvas(viewer)
        self._canvas.set_current()
        # napari gives all children of a layer's node a transform of its own; ours is that of a node below.
        self._holder = Node(parent=private.layer_node(viewer, layer))
        self._anchor = Node(parent=self._holder)
        self._holder.transform, self._anchor.transform = MatrixTransform(), MatrixTransform()
        self.scene = BrickScene(self._canvas, None, MAX_GPU_BYTES, parent=self._anchor)
        self.viewport = engine.viewport(self.scene.sink)
        self._home: Any = None
        self._look: tuple[Any, ...] = ()

    def show(self, state: State) -> None:
        """Draw what another camera or another point shows from now on."""
        if state.cut is None or state.eye is None:
            return
        view = volume_view(self._source.where, state.cut, state.eye, state.level)
        self._holder.visible = True
        self.scene.set_view(view)
        self.viewport.show(self._source.image, view)
        self._canvas.update()

    def take(self, budget_ms: float) -> list[Update]:
        """Take what has come, and upload it, each within a time; follow the layer's place, colours and blending."""
        updates = self.viewport.poll(budget_ms)
        self._canvas.set_current()
        node = private.layer_node(self._viewer, self._layer)
        self._move_in(node)
        done = self.scene.commit(budget_ms)
        changed = self._place(node) | self._take_look(node)
        if done or changed or self.scene.sink.pending_uploads:
            self._canvas.update()
        return updates

    def hide(self) -> None:
        """Draw nothing, and read nothing; what is on the GPU stays."""
        self.viewport.cancel()
        self._holder.visible = False

    @property
    def is_complete(self) -> bool:
        """Whether everything has come and is on the GPU."""
        return self.viewport.is_complete and not self.scene.sink.pending_uploads

    def close(self, *, window_is_gone: bool) -> None:
        """Stop streaming, leave the scene and give the GPU's memory back, where there still is one."""
        self.viewport.close()
        if not window_is_gone:
            self._canvas.set_current()
            self._holder.parent = None
            self.scene.close()

    def _move_in(self, node: Any) -> None:
        """Be below the layer's node, wherever that is: in a grid of views, each view clips what is put into it."""
        if self._holder.parent is not node:
            self._holder.parent = node
        if node.parent is not self._home:
            self._home = node.parent
            for visual in list(self._anchor.children):
                visual.parent = None
                visual.parent = self._anchor

    def _place(self, node: Any) -> bool:
        """Undo what napari's node does to the one level that it believes to draw; return whether that has changed.

        The node maps pixels u of that level, f times smaller, to napari's scene: u (f scale) + translate + shift, where
        the shift by (f - 1) / 2 pixels of level 0 brings the centres of its pixels to their places.
        """
        view = self.scene.view
        if view is None:
            return False
        where, layer = self._source.where, self._layer
        pyramid = where.pyramid
        shown = [pyramid.axis_index(name) for name in view.displayed]
        places = [where.axes.index(axis) for axis in shown]
        ratio = layer.downsample_factors[layer.data_level][places]
        shift = ((ratio - 1) / 2 * np.asarray(layer.scale)[places])[::-1]
        scale, translation = pyramid.scales[0, shown] * ratio, pyramid.translations[0, shown]
        matrix = np.eye(4)
        matrix[:3, :3] = np.diag(1 / scale[::-1])
        matrix[3, :3] = ((np.array(view.center) - translation) / scale)[::-1]
        matrix[3, :3] -= shift @ np.linalg.inv(node.transform.matrix[:3, :3])
        if np.array_equal(self._anchor.transform.matrix, matrix):
            return False
        self._anchor.transform.matrix = matrix
        return True

    def _take_look(self, node: Any) -> bool:
        """Take colours, contrast, method and blending of the layer; return whether any has changed."""
        from vispy.color import Colormap

        from brickstream.render.look import INTERPOLATIONS, METHODS

        layer, scene, visual = self._layer, self.scene, self.scene.visual
        if visual is None:
            return False
        blending = private.blending_of(node)
        low, high = map(float, layer.contrast_limits)
        wanted = replace(
            scene.look,
            method=layer.rendering if layer.rendering in METHODS else OTHERWISE,
            interpolation=layer.interpolation3d if layer.interpolation3d in INTERPOLATIONS else "linear",
            clim=(low, high),
            gamma=float(layer.gamma),
            attenuation=float(layer.attenuation),
            threshold=float(layer.iso_threshold),
        )
        look = visual, wanted, layer.colormap, layer.opacity, blending
        if look == self._look:
            return False
        self._look = look
        scene.look = replace(wanted, colormap=Colormap(layer.colormap.map(np.linspace(0, 1, SHADES))))
        scene.commit(0.0)
        scene.visual.opacity = layer.opacity
        scene.visual.set_gl_state(**blending)
        return True
