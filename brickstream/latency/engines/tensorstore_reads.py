"""tensorstore over its http kvstore, at its defaults, with a cache: one read for each chunk in view."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import tensorstore

from brickstream.latency.engines.protocol import Box, Watch
from brickstream.latency.engines.reading import ChunkReads, level_paths, slices

# By default nothing is kept; a viewer that shows another plane of the same chunk would read it anew.
CACHE_BYTES = 1 << 30


class TensorstoreReader:
    """The levels of an image, each opened when it is first read: tensorstore knows arrays, not groups."""

    def __init__(self) -> None:
        self._context = tensorstore.Context({"cache_pool": {"total_bytes_limit": CACHE_BYTES}})
        self._root: dict[str, Any] = {}
        self._format = 3
        self._paths: list[str] = []
        self._levels: dict[int, Any] = {}

    async def open(self, url: str) -> None:
        """Read the attributes of the group, of Zarr v3 or v2."""
        parts = urlsplit(url)
        self._root = {"driver": "http", "base_url": f"{parts.scheme}://{parts.netloc}", "path": f"{parts.path}/"}
        self._levels = {}
        store = await tensorstore.KvStore.open(self._root, context=self._context)
        document = await store.read("zarr.json")
        self._format = 3 if document.state == "value" else 2
        if self._format == 2:
            document = await store.read(".zattrs")
        found = json.loads(bytes(document.value))
        self._paths = level_paths(found["attributes"] if self._format == 3 else found)

    async def read(self, level: int, box: Box) -> Any:
        """Read a box."""
        if level not in self._levels:
            self._levels[level] = asyncio.create_task(self._open_level(level))
        # All reads of a level wait for one opening of it, which must not end with the first read that is cancelled.
        store = await asyncio.shield(self._levels[level])
        return await store[slices(box)].read()

    async def _open_level(self, level: int) -> Any:
        kvstore = {**self._root, "path": f"{self._root['path']}{self._paths[level]}/"}
        spec = {"driver": "zarr3" if self._format == 3 else "zarr", "kvstore": kvstore}
        return await tensorstore.open(spec, context=self._context, open=True, recheck_cached_data=False)


def make(watch: Watch, canvas: tuple[int, int]) -> ChunkReads:
    """Make the adapter; the canvas is in the views."""
    return ChunkReads(watch, TensorstoreReader())
