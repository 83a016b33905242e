"""Chunks that lie together in shards: the index of a shard is read once, then only the bytes of its chunks.

The index has a lane of its own. A read of it passes by the coalescing of data, and no data is asked for before it: a
chunk's read first waits for the index and then asks for its bytes, one request at a time, all of it inside the one slot
that the fetcher gave it. So there are never more requests than slots; where the connections are as many as the slots
(they are more), an index never waits for a connection behind data, and since it is read by chunks that have a slot
already, no chunk that waits for an index can keep it from being read.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.reader import Reader, Span, Suffix, forget, nothing_started
from brickstream.chunks.source import Index
from brickstream.chunks.zarr.coalesce import MAX_GAP, coalescing
from brickstream.chunks.zarr.decoding import Decoder, ShardIndex
from brickstream.chunks.zarr.joint import Joint
from brickstream.errors import CodecError, StoreError

# Decoded indexes that one source keeps. A shard of 32^2 chunks has 16 KiB, one of 32^3 chunks 512 KiB.
MAX_INDEX_CACHE = 32 << 20
# What an entry costs besides its table.
_ENTRY = 1 << 10
# A request brings no more for the sake of others: on a link of 20 Mbit/s that much takes 50 ms.
MAX_RIDE = 128 << 10
# More chunks than that lie so near only where somebody wants us to count.
_MAX_LOOKED_AT = 1000


@dataclass(eq=False)
class _Damaged:
    """An index that is there and cannot be read, and the chunks that have been told so."""

    error: CodecError
    told: set[Index] = field(default_factory=set)


Table = NDArray[np.uint64]
_Known = Table | _Damaged | None


def neighbours(table: Table, place: Index, wanted: Callable[[Index], bool]) -> list[Index]:
    """Find the wanted chunks that a request for one chunk of a shard can bring along.

    Parameters
    ----------
    table : ndarray
        The shard's index.
    place : tuple of int
        Of the chunk inside the shard.
    wanted : callable
        Whether the chunk at a place is wanted.

    Returns
    -------
    list of tuple of int
        Places of those that lie next to it in the shard with no larger gaps than are worth it; all together are no
        longer than ``MAX_RIDE``.
    """
    start, length = (int(value) for value in table[place])
    end = start + length
    if length > MAX_RIDE // 2:
        return []
    entries = table.reshape(-1, 2)
    near = (entries[:, 0] >= max(0, start - MAX_RIDE)) & (entries[:, 0] <= end + MAX_RIDE) & (entries[:, 1] > 0)
    numbers = np.flatnonzero(near)[:_MAX_LOOKED_AT]
    numbers = numbers[np.argsort(entries[numbers, 0])]
    places = zip(*(axis.tolist() for axis in np.unravel_index(numbers, table.shape[:-1])), strict=True)
    chunks = [(other, first, first + n) for other, (first, n) in zip(places, entries[numbers].tolist(), strict=True)]
    middle = int(np.searchsorted(entries[numbers, 0], start))
    found: list[Index] = []
    for way in (chunks[middle:], chunks[:middle][::-1]):
        for other, first, last in way:
            is_apart = first - end > MAX_GAP or start - last > MAX_GAP
            if is_apart or max(end, last) - min(start, first) > MAX_RIDE:
                break
            if other != place and wanted(other):
                found.append(other)
                start, end = min(start, first), max(end, last)
    return found


class ShardIndexes:
    """The indexes of an array's shards, each read once however many chunks wait for it.

    Lives on one event loop.

    Parameters
    ----------
    reader : Reader
    index : ShardIndex
        How an index is written.
    max_bytes : int
        Of decoded indexes; those unused for longest are forgotten.
    """

    def __init__(self, reader: Reader, index: ShardIndex, max_bytes: int = MAX_INDEX_CACHE) -> None:
        self._reader = reader
        self._index = index
        self._max_bytes = max_bytes
        self._nbytes = 0
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._reads: Joint[_Known] = Joint()

    async def table(self, key: str, place: Index) -> Table | None:
        """Get the index of a shard for one of its chunks; None where there is no such shard.

        An index that is damaged is remembered too: all chunks of the shard fail with one request. A chunk that hears
        of it for the second time has been asked for again, and so is the index.

        Raises
        ------
        CodecError
            If the index is damaged.
        StoreError
            If it could not be read.
        """
        known = self._known.get(key)
        if isinstance(known, _Damaged) and place in known.told:
            self._forget(key)
        if key in self._known:
            self._known.move_to_end(key)
            known = self._known[key]
        else:
            known = await self._reads.do(key, lambda: self._read(key))
        if isinstance(known, _Damaged):
            known.told.add(place)
            raise known.error
        return known

    def known(self, key: str) -> Table | None:
        """Get the index of a shard, if it has been read and is good."""
        known = self._known.get(key)
        return known if isinstance(known, np.ndarray) else None

    def forget(self) -> None:
        """Read every index anew, those too that are on their way."""
        self._known.clear()
        self._nbytes = 0
        self._reads = Joint()

    async def _read(self, key: str) -> _Known:
        index, reads = self._index, self._reads
        raw = await self._reader.read(key, Suffix(index.nbytes) if index.at_end else Span(0, index.nbytes))
        known: _Known = None
        if raw is not None:
            try:
                # Here and not in the threads that decode: it takes microseconds, and must not wait behind chunks.
                known = index.decode(raw)
            except CodecError as error:
                where = f"{self._reader.url}/{key}"
                known = _Damaged(CodecError(f"the shard's index is damaged: {error.what}", where))
        if reads is self._reads:
            self._remember(key, known)
        return known

    def _remember(self, key: str, known: _Known) -> None:
        self._known[key] = known
        self._nbytes += _size(known)
        while self._nbytes > self._max_bytes and len(self._known) > 1:
            self._forget(next(iter(self._known)))

    def _forget(self, key: str) -> None:
        self._nbytes -= _size(self._known.pop(key))


def _size(known: _Known) -> int:
    return _ENTRY + (known.nbytes if isinstance(known, np.ndarray) else 0)


@dataclass(frozen=True, eq=False)
class ShardedSource:
    """Chunks of a sharded Zarr v3 array.

    Attributes
    ----------
    reader, shape, chunks, dtype, fill_value, decoder, executor
        As for :class:`brickstream.chunks.zarr.unsharded.ZarrSource`; `chunks` are the inner ones.
    shards : tuple of int
        Pixels of a shard along each axis, a multiple of `chunks`.
    shard_key : callable
        Shard index to key.
    index : ShardIndex
        How the index of a shard is written.
    """

    reader: Reader
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any
    shards: tuple[int, ...]
    shard_key: Callable[[Index], str]
    decoder: Decoder
    index: ShardIndex
    executor: Executor
    _data: Reader = field(init=False, repr=False)
    _indexes: ShardIndexes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_data", coalescing(self.reader))
        object.__setattr__(self, "_indexes", ShardIndexes(self.reader, self.index))

    def _place(self, index: Index) -> tuple[Index, Index]:
        """Shard of a chunk, and the chunk's place inside it."""
        per_shard = [s // c for s, c in zip(self.shards, self.chunks, strict=True)]
        shard = tuple(i // n for i, n in zip(index, per_shard, strict=True))
        return shard, tuple(i % n for i, n in zip(index, per_shard, strict=True))

    def key(self, index: Index) -> str:
        """Key of the shard, with the chunk's place inside it."""
        shard, inner = self._place(index)
        return f"{self.shard_key(shard)}#{','.join(map(str, inner))}"

    def beside(self, index: Index, wanted: Callable[[Index], bool]) -> list[Index]:
        """Say which chunks come by the same request; see :class:`brickstream.chunks.source.BundlingSource`."""
        shard, inner = self._place(index)
        table = self._indexes.known(self.shard_key(shard))
        if table is None:
            return []
        origin = tuple(i - j for i, j in zip(index, inner, strict=True))

        def whole(place: Index) -> Index:
            return tuple(o + p for o, p in zip(origin, place, strict=True))

        return [whole(place) for place in neighbours(table, inner, lambda place: wanted(whole(place)))]

    def forget(self) -> None:
        """Use nothing unasked that was read before now, the indexes of shards above all."""
        self._indexes.forget()
        forget(self.reader)

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        """Read one inner chunk by its byte range, together with its neighbours if they are asked for at once."""
        encoded = await self.read_encoded(index, started)
        return None if encoded is None else await self.decode(encoded)

    async def read_encoded(self, index: Index, started: Callable[[], None] = nothing_started) -> bytes | None:
        """Read the bytes of an inner chunk; see :class:`brickstream.chunks.source.SteppedSource`."""
        shard, inner = self._place(index)
        key = self.shard_key(shard)
        table = await self._indexes.table(key, inner)
        span = None if table is None else self.index.span(table, inner, self.decoder.max_encoded)
        if span is None:
            return None
        raw = await self._data.read(key, span, started)
        if raw is None:
            raise StoreError("the shard vanished between two reads", f"{self.reader.url}/{key}")
        return raw

    def decode(self, encoded: bytes) -> asyncio.Future[NDArray[Any]]:
        """Begin to decode an inner chunk in a thread."""
        return asyncio.get_running_loop().run_in_executor(self.executor, self.decoder.decode, encoded)
