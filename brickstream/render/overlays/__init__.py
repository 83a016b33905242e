"""What is drawn over a picture: scale bar, axes, colour bar, text.

An overlay is a frozen value that draws itself into pixels. :class:`Overlays` shows some of them on any vispy canvas,
:func:`paste` puts them into a picture that was drawn offscreen. Names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brickstream.render.overlays.axes import Axes
    from brickstream.render.overlays.color_bar import ColorBar
    from brickstream.render.overlays.drawing import Drawing, Overlay, Shown, paste
    from brickstream.render.overlays.node import Overlays
    from brickstream.render.overlays.scale_bar import ScaleBar
    from brickstream.render.overlays.text import Text

__all__ = ["Axes", "ColorBar", "Drawing", "Overlay", "Overlays", "ScaleBar", "Shown", "Text", "paste"]

_HOMES = {
    "Axes": "axes",
    "ColorBar": "color_bar",
    "Drawing": "drawing",
    "Overlay": "drawing",
    "Overlays": "node",
    "ScaleBar": "scale_bar",
    "Shown": "drawing",
    "Text": "text",
    "paste": "drawing",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'brickstream.render.overlays' has no attribute {name!r}")
    return getattr(import_module(f"brickstream.render.overlays.{_HOMES[name]}"), name)
