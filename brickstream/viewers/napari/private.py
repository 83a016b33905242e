"""Every name of napari and vispy that is not public, and that is used here: written for napari 0.9.

What napari shows is read through its public names; these are only needed to draw our bricks in its canvas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brickstream.errors import GraphicsError


def unwrapped(viewer: Any) -> Any:
    """Give the viewer itself, where a plugin was handed a proxy that hides private names."""
    return getattr(viewer, "__wrapped__", viewer)


def scene_canvas(viewer: Any) -> Any:
    """Give vispy's canvas, whose OpenGL context the layers are drawn with.

    Raises
    ------
    GraphicsError
        If the viewer has no window, or this napari keeps its canvas somewhere else.
    """
    return _reach(viewer, "window", "_qt_viewer", "canvas", "_scene_canvas")


def layer_node(viewer: Any, layer: Any) -> Any:
    """Give vispy's node of a layer: an image in 2D, a volume in 3D, another one after each change between them.

    Raises
    ------
    GraphicsError
        As for :func:`scene_canvas`.
    """
    visuals = _reach(viewer, "window", "_qt_viewer", "canvas", "layer_to_visual")
    return _reach(visuals[layer], "node")


def blending_of(node: Any) -> dict[str, Any]:
    """Say how a node is blended with what lies under it: it depends on the layer and on whether it is the lowest one.

    Raises
    ------
    GraphicsError
        If this vispy keeps it somewhere else.
    """
    return dict(_reach(node, "_vshare", "gl_state"))


def when_closed(viewer: Any, call: Callable[[], None]) -> None:
    """Call a function once the viewer's window is gone.

    Raises
    ------
    GraphicsError
        As for :func:`scene_canvas`.
    """
    _reach(viewer, "window", "_qt_window", "destroyed").connect(lambda *_: call())


def _reach(start: Any, *names: str) -> Any:
    found = start
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError as error:
            where = f"{type(found).__name__}.{name}"
            hint = "a viewer with a window is needed, and pip install 'napari>=0.9,<0.10'"
            raise GraphicsError("napari cannot be drawn into", f"there is no {where}", hint) from error
    return found
