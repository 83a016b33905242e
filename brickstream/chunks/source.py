"""Voxels of one level, chunk by chunk: what a user implements to bring data of their own."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.codecs import ChunkDecoder
from brickstream.chunks.reader import Reader, Span, Suffix, nothing_started
from brickstream.errors import CodecError, StoreError
from brickstream.multiscale.array_likes import pixel_type

Index = tuple[int, ...]

# A shard index of 32^3 chunks has 512 KiB; a view touches a handful of shards.
MAX_SHARD_INDEXES = 256


class ChunkSource(Protocol):
    """The chunks of one level.

    All methods run on the engine's event loop and must not block it.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels of the level along each axis."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """Pixels of a whole chunk along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel, native byte order."""

    @property
    def fill_value(self) -> Any:
        """Value of the pixels of missing chunks."""

    def key(self, index: Index) -> str:
        """Name a chunk for people: its key in the store."""

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        """Read and decode one chunk.

        Parameters
        ----------
        index : tuple of int
            In the chunk grid.
        started : callable
            Called once, when the answer begins to arrive (a source that cannot tell need not call it).

        Returns
        -------
        ndarray or None
            The chunk's pixels, of the shape of `chunks` or clipped to the level; None where the store has no such
            chunk.

        Raises
        ------
        BrickstreamError
            If the chunk is there and cannot be read or decoded.
        """


class ArrayLike(Protocol):
    """NumPy, dask, zarr, tensorstore: anything with a shape, a type and ``__getitem__``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an element."""

    def __getitem__(self, box: tuple[slice, ...], /) -> Any:
        """Give a part, as something that NumPy can make an array of."""


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Chunks cut out of an array-like, in threads: a dask array computes just the chunk that is wanted.

    Attributes
    ----------
    array : ArrayLike
    chunks : tuple of int
        Pixels of a chunk along each axis; any shape.
    fill_value : scalar
    """

    array: ArrayLike
    chunks: tuple[int, ...]
    fill_value: Any = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel, native byte order."""
        return pixel_type(self.array.dtype)

    def key(self, index: Index) -> str:
        """Name a chunk by its grid index."""
        return "/".join(map(str, index))

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        """Copy one chunk out of the array."""
        box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, self.chunks, strict=True))
        return await asyncio.to_thread(lambda: np.array(self.array[box], dtype=self.dtype))


@dataclass(frozen=True, eq=False)
class ZarrSource:
    """Chunks of a Zarr array that the fast decoder knows.

    Attributes
    ----------
    reader : Reader
    shape, chunks : tuple of int
    dtype : numpy.dtype
        Native byte order.
    fill_value : scalar
    chunk_key : callable
        Grid index to key.
    decoder : ChunkDecoder
    executor : concurrent.futures.Executor
        Threads that decode.
    """

    reader: Reader
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any
    chunk_key: Callable[[Index], str]
    decoder: ChunkDecoder
    executor: Executor

    def key(self, index: Index) -> str:
        """Key of a chunk in the store."""
        return self.chunk_key(index)

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        """Read one chunk with one request."""
        raw = await self.reader.read(self.key(index), None, started)
        if raw is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(self.executor, self.decoder.decode, raw)


@dataclass(frozen=True, eq=False)
class ShardedSource:
    """Chunks of a sharded Zarr v3 array: the index of a shard is read once, then only the bytes of its chunks.

    Attributes
    ----------
    reader, shape, chunks, dtype, fill_value, decoder, executor
        As for :class:`ZarrSource`; `chunks` are the inner ones.
    shards : tuple of int
        Pixels of a shard along each axis, a multiple of `chunks`.
    shard_key : callable
        Shard index to key.
    index_decoder : ChunkDecoder
        For the index: uint64 of shape (chunks per shard along each axis, 2).
    index_nbytes : int
        Encoded size of the index.
    index_at_end : bool
    """

    reader: Reader
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any
    shards: tuple[int, ...]
    shard_key: Callable[[Index], str]
    decoder: ChunkDecoder
    index_decoder: ChunkDecoder
    index_nbytes: int
    index_at_end: bool
    executor: Executor
    _indexes: OrderedDict[Index, NDArray[np.uint64] | CodecError | None] = field(default_factory=OrderedDict)
    _locks: dict[Index, asyncio.Lock] = field(default_factory=dict)

    def _place(self, index: Index) -> tuple[Index, Index]:
        """Shard of a chunk, and the chunk's place inside it."""
        per_shard = [s // c for s, c in zip(self.shards, self.chunks, strict=True)]
        shard = tuple(i // n for i, n in zip(index, per_shard, strict=True))
        return shard, tuple(i % n for i, n in zip(index, per_shard, strict=True))

    def key(self, index: Index) -> str:
        """Key of the shard, with the chunk's place inside it."""
        shard, inner = self._place(index)
        return f"{self.shard_key(shard)}#{','.join(map(str, inner))}"

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        """Read one inner chunk by its byte range."""
        shard, inner = self._place(index)
        table = await self._index(shard)
        if table is None:
            return None
        offset, length = (int(value) for value in table[inner])
        if offset == length == 2**64 - 1:
            return None
        raw = await self.reader.read(self.shard_key(shard), Span(offset, length), started) if length else b""
        if raw is None:
            raise StoreError("the shard vanished between two reads", f"{self.reader.url}/{self.shard_key(shard)}")
        return await asyncio.get_running_loop().run_in_executor(self.executor, self.decoder.decode, raw)

    async def _index(self, shard: Index) -> NDArray[np.uint64] | None:
        """Read a shard's index once, however many chunks wait for it.

        The first that comes reads it in its own task while the others wait; if it is cancelled, the next one reads. An
        index that is there and damaged is remembered too: every chunk of the shard fails, with one request.
        """
        if shard not in self._indexes:
            async with self._locks.setdefault(shard, asyncio.Lock()):
                if shard not in self._indexes:
                    self._indexes[shard] = await self._read_index(shard)
            self._locks.pop(shard, None)
        self._indexes.move_to_end(shard)
        table = self._indexes[shard]
        while len(self._indexes) > MAX_SHARD_INDEXES:
            self._indexes.popitem(last=False)
        if isinstance(table, CodecError):
            raise table
        return table

    async def _read_index(self, shard: Index) -> NDArray[np.uint64] | CodecError | None:
        span = Suffix(self.index_nbytes) if self.index_at_end else Span(0, self.index_nbytes)
        raw = await self.reader.read(self.shard_key(shard), span)
        if raw is None:
            return None
        try:
            return self.index_decoder.decode(raw)
        except CodecError as error:
            return CodecError(f"the shard's index is damaged: {error.what}", self.shard_key(shard))


def clip_chunk(chunk: NDArray[Any], index: Index, source: ChunkSource, where: str) -> NDArray[Any]:
    """Cut a chunk to the level's edge and check that it is what the level says.

    Raises
    ------
    CodecError
        If shape or type are other than promised.
    """
    want = tuple(min(c, n - i * c) for i, c, n in zip(index, source.chunks, source.shape, strict=True))
    if chunk.ndim != len(want) or any(have < need for have, need in zip(chunk.shape, want, strict=True)):
        raise CodecError(f"the chunk has the shape {chunk.shape} instead of {source.chunks}", where)
    if chunk.dtype != source.dtype:
        raise CodecError(f"the chunk has the type {chunk.dtype} instead of {source.dtype}", where)
    return chunk[tuple(slice(0, n) for n in want)]


def chunk_nbytes(source: ChunkSource) -> int:
    """Bytes of one whole decoded chunk."""
    return prod(source.chunks) * source.dtype.itemsize
