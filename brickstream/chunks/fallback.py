"""Chunks through zarr-python: every codec chain it knows, at its price."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.array import AsyncArray
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import StorePath

from brickstream.chunks.reader import ByteRange, Reader, Span, Suffix, nothing_started
from brickstream.chunks.source import Index
from brickstream.errors import BrickstreamError, CodecError

# Keys that were not there during one read of a chunk: zarr-python itself fills in the fill value without a word.
_absent: ContextVar[list[str]] = ContextVar("absent", default=[])  # noqa: B039 - a read always sets its own


class _ReaderStore(Store):
    """A reader, as zarr-python wants to see it. Read-only; nothing can be listed over HTTP."""

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, reader: Reader) -> None:
        super().__init__(read_only=True)
        self._reader = reader

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ReaderStore) and other._reader is self._reader

    def __hash__(self) -> int:
        return id(self._reader)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        span: ByteRange | None = None
        if isinstance(byte_range, RangeByteRequest):
            span = Span(byte_range.start, byte_range.end - byte_range.start)
        elif isinstance(byte_range, SuffixByteRequest):
            span = Suffix(byte_range.suffix)
        raw = await self._reader.read(key, span)
        if raw is None:
            _absent.get().append(key)
            return None
        if isinstance(byte_range, OffsetByteRequest):
            raw = raw[byte_range.offset :]
        return prototype.buffer.from_bytes(raw)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, span) for key, span in key_ranges]

    async def exists(self, key: str) -> bool:
        return await self._reader.read(key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        self._check_writable()

    async def delete(self, key: str) -> None:
        self._check_writable()

    def list(self) -> AsyncIterator[str]:
        return self.list_prefix("")

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        return
        yield prefix

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        return
        yield prefix


@dataclass(frozen=True, eq=False)
class FallbackSource:
    """Chunks of an array that zarr-python reads for us."""

    array: AsyncArray[Any]
    path: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any

    def key(self, index: Index) -> str:
        """Key of a chunk in the store."""
        return f"{self.path}/{'/'.join(map(str, index))}"

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        """Read one chunk; one that is missing inside a shard that is there comes as pixels of the fill value."""
        box = tuple(slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(index, self.chunks, self.shape, strict=True))
        absent: list[str] = []
        _absent.set(absent)
        try:
            value = await self.array.getitem(box)
        except BrickstreamError:
            raise
        except Exception as error:
            # Whatever a codec raises on bytes that are no good.
            raise CodecError(f"the chunk cannot be decoded ({type(error).__name__}: {error})") from error
        return None if absent else np.asarray(value).astype(self.dtype, copy=False)


def open_fallback(
    document: Mapping[str, Any], path: str, chunks: tuple[int, ...], dtype: np.dtype[Any], reader: Reader
) -> FallbackSource:
    """Make a source from an array's metadata document.

    Raises
    ------
    CodecError
        If zarr-python does not know a codec either.
    """
    where = f"{reader.url}/{path}".rstrip("/")
    try:
        array: AsyncArray[Any] = AsyncArray.from_dict(StorePath(_ReaderStore(reader), path), dict(document))
    except Exception as error:
        # zarr-python raises many types here, none of its own.
        raise CodecError(_unknown_codec(document, error), where, "zarr-python cannot read it either") from error
    return FallbackSource(array, path, array.shape, chunks, dtype, array.metadata.fill_value)


def _unknown_codec(document: Mapping[str, Any], error: Exception) -> str:
    codecs = document.get("codecs") or ()
    names = [str(codec.get("name")) if isinstance(codec, Mapping) else str(codec) for codec in codecs]
    chain = f" among {', '.join(names)}" if names else ""
    return f"unknown codec{chain} ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
