"""Bricks on the GPU: atlas, page table, ray-caster and planes, drawn with vispy. Names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brickstream.render.dense import DenseView, draw_dense
    from brickstream.render.gl import texture_limits, use_headless
    from brickstream.render.layered import ImageLayer, LayeredScene, channel_layers, label_layer
    from brickstream.render.offscreen import OffscreenView
    from brickstream.render.scene import BrickScene
    from brickstream.render.sink import BrickSink

__all__ = [
    "BrickScene",
    "BrickSink",
    "DenseView",
    "ImageLayer",
    "LayeredScene",
    "OffscreenView",
    "channel_layers",
    "draw_dense",
    "label_layer",
    "texture_limits",
    "use_headless",
]

_HOMES = {
    "BrickScene": "scene",
    "BrickSink": "sink",
    "DenseView": "dense",
    "ImageLayer": "layered",
    "LayeredScene": "layered",
    "OffscreenView": "offscreen",
    "channel_layers": "layered",
    "draw_dense": "dense",
    "label_layer": "layered",
    "texture_limits": "gl",
    "use_headless": "gl",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'brickstream.render' has no attribute {name!r}")
    return getattr(import_module(f"brickstream.render.{_HOMES[name]}"), name)
