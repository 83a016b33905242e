"""zarr-python's async arrays over its store for HTTP (fsspec), at their defaults: one read for each chunk in view."""

from __future__ import annotations

from typing import Any

import zarr.api.asynchronous as zarr_async

from brickstream.latency.engines.protocol import Box, Watch
from brickstream.latency.engines.reading import ChunkReads, level_paths, slices


class ZarrReader:
    """The arrays of an image's levels."""

    def __init__(self) -> None:
        self._levels: list[Any] = []

    async def open(self, url: str) -> None:
        """Open the group, and the arrays of all levels."""
        group = await zarr_async.open_group(url, mode="r")
        self._levels = [await group.getitem(path) for path in level_paths(dict(group.attrs))]

    async def read(self, level: int, box: Box) -> Any:
        """Read a box."""
        return await self._levels[level].getitem(slices(box))


def make(watch: Watch, canvas: tuple[int, int]) -> ChunkReads:
    """Make the adapter; the canvas is in the views."""
    return ChunkReads(watch, ZarrReader())
