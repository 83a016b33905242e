"""The reader of the plugin: ``viewer.open(url, plugin="brickstream")``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brickstream.errors import GraphicsError

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Give napari a function that reads a path or URL; None for a list of several."""
    return read if isinstance(path, str) or len(path) == 1 else None


def read(path: str | list[str]) -> list[LayerData]:
    """Open an image for the viewer that is in front, which then streams the layers made of it.

    Raises
    ------
    GraphicsError
        If there is no viewer.
    BrickstreamError
        If the image cannot be opened.
    """
    from napari import current_viewer

    from brickstream.viewers.napari.host import OPEN_S, host_of

    viewer = current_viewer()
    if viewer is None:
        raise GraphicsError("there is no viewer to stream into", str(path), "make a napari.Viewer first")
    host = host_of(viewer)
    try:
        image = host.engine.open(path if isinstance(path, str) else path[0], OPEN_S)
    except BaseException:
        host.close_if_idle()
        raise
    return [(source.levels, source.options, "image") for source in host.expect(image)]
