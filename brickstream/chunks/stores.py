"""Bytes by key out of any Zarr store: memory, zip, object stores through fsspec, one of your own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from brickstream.chunks.reader import MAX_NAMES, AtMost, ByteRange, Suffix, Traffic, nothing_started, too_long
from brickstream.errors import BrickstreamError, StoreError, redact

if TYPE_CHECKING:
    from zarr.abc.store import RangeByteRequest, Store, SuffixByteRequest


class StoreReader:
    """Keys of any ``zarr.abc.store.Store``: memory, zip, object stores, one of your own."""

    def __init__(self, store: Store, traffic: Traffic, url: str = "") -> None:
        self._store = store
        self._traffic = traffic
        self.url = redact(url or str(store))

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read from the store; see :meth:`brickstream.chunks.Reader.read`."""
        from zarr.core.buffer import default_buffer_prototype
        from zarr.storage import StorePath

        self._traffic.requests += 1
        try:
            # Opens a store that its owner has not opened yet (a zip file, say); closing it stays with the owner.
            await StorePath.open(self._store, "", mode=None)
            value = await self._store.get(key, default_buffer_prototype(), _request(span))
        except FileNotFoundError:
            return None
        except BrickstreamError:
            raise
        except Exception as error:
            # A store of somebody else's may raise anything; the chunk has failed, and the reason is told.
            raise StoreError(f"the store failed ({type(error).__name__}: {error})", f"{self.url}/{key}") from error
        started()
        if value is None:
            return None
        body = value.to_bytes()
        self._traffic.bytes_read += len(body)
        if isinstance(span, AtMost) and len(body) > span.length:
            raise too_long(span.length, f"{self.url}/{key}")
        return body

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Ask the store what there is; see :meth:`brickstream.chunks.reader.Lister.names`."""
        if not self._store.supports_listing:
            return ()
        try:
            found = [name async for name in self._store.list_dir(folder)]
        except Exception:  # noqa: BLE001 - a store of somebody else's may raise anything; this is only a help
            return ()
        return tuple(islice((name for name in found if not name.startswith(".") and name != "zarr.json"), MAX_NAMES))


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


def fsspec_store(url: str) -> Store:
    """Make the store of a URL of a kind that fsspec knows.

    Raises
    ------
    StoreError
        If it does not, or a package for it is not installed.
    """
    import fsspec
    from zarr.storage import FsspecStore

    scheme = urlsplit(url).scheme.lower()
    if scheme not in fsspec.available_protocols():
        raise StoreError(f"unknown kind of URL {scheme}://", redact(url), "http(s):// and local paths always work")
    try:
        return FsspecStore.from_url(url, read_only=True)
    except ImportError as error:
        raise StoreError(f"{scheme}:// needs a package that is not installed", redact(url), str(error)) from error
