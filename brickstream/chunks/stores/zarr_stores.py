"""Bytes by key out of Zarr stores that people bring as objects: of zarr-python's, or of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from brickstream.chunks.http.client import HttpClient
from brickstream.chunks.reader import AtMost, ByteRange, LocalReader, Reader, Suffix
from brickstream.chunks.stores.filesystems import read_file_system
from brickstream.chunks.stores.s3 import read_obstore
from brickstream.chunks.stores.store import StoreReader
from brickstream.chunks.stores.zips import ZipReader

if TYPE_CHECKING:
    from zarr.abc.store import RangeByteRequest, Store, SuffixByteRequest


def read_store(store: Store, client: HttpClient) -> Reader:
    """Choose the reader for a store of zarr's: its own `get` only where there is no shorter way."""
    from zarr.storage import FsspecStore, LocalStore, ObjectStore, ZipStore

    kind = type(store)
    if kind not in (LocalStore, ZipStore, FsspecStore, ObjectStore):
        pass  # subclasses of these may do anything else
    elif isinstance(store, LocalStore):
        return LocalReader(store.root, client.traffic)
    elif isinstance(store, ZipStore) and store.read_only:
        # Its own reads block the event loop.
        return ZipReader(LocalReader(store.path.parent, client.traffic), store.path.name, str(store.path))
    elif isinstance(store, FsspecStore):
        return read_file_system(store.fs, store.path, client)
    elif isinstance(store, ObjectStore):
        return read_obstore(store.store, client)
    return StoreReader(_ZarrStore(store), client, f"<{kind.__name__}>")


class _ZarrStore:
    """A store that only its own methods can read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._is_open = False

    async def get(self, path: str, span: ByteRange | None, began: Callable[[], None]) -> bytes | None:
        from zarr.core.buffer import default_buffer_prototype
        from zarr.storage import StorePath

        if not self._is_open:
            # Opens a store that its owner has not opened yet; closing it stays with the owner.
            async with self._lock:
                await StorePath.open(self._store, "", mode=None)
                self._is_open = True
        value = await self._store.get(path, default_buffer_prototype(), _request(span))
        return None if value is None else value.to_bytes()

    async def folders(self, path: str) -> Iterable[str]:
        if not self._store.supports_listing:
            return ()
        return [name async for name in self._store.list_dir(path)]


def _request(span: ByteRange | None) -> RangeByteRequest | SuffixByteRequest | None:
    """Put a range as zarr-python does; one byte more than allowed shows that there are too many."""
    from zarr.abc.store import RangeByteRequest, SuffixByteRequest

    if span is None:
        return None
    if isinstance(span, Suffix):
        return SuffixByteRequest(span.length)
    if isinstance(span, AtMost):
        return RangeByteRequest(0, span.length + 1)
    return RangeByteRequest(span.start, span.start + span.length)
