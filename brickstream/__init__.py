"""Show a multiscale, chunked image of any size while it is still being fetched.

The names below load on first use, so that ``import brickstream`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brickstream.engine import Engine, Update
    from brickstream.errors import BrickstreamError
    from brickstream.multiscale import Camera, View
    from brickstream.viewers.figure import render_offscreen

__version__ = "0.1.0"
__all__ = ["BrickstreamError", "Camera", "Engine", "Update", "View", "__version__", "render_offscreen"]

_HOMES = {
    "BrickstreamError": "brickstream.errors",
    "Camera": "brickstream.multiscale",
    "Engine": "brickstream.engine",
    "Update": "brickstream.engine",
    "View": "brickstream.multiscale",
    "render_offscreen": "brickstream.viewers.figure",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'brickstream' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
