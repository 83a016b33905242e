"""Remote pyramids inside an unmodified napari viewer, streamed and refined as its camera and sliders move.

Nothing of napari or Qt loads before it is used. All that is not public in napari is used in `private.py` alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brickstream.viewers.napari.host import StreamedImage, add_to_viewer

__all__ = ["StreamedImage", "add_to_viewer"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'brickstream.viewers.napari' has no attribute {name!r}")
    return getattr(import_module("brickstream.viewers.napari.host"), name)
