"""Chunks cut out of arrays: NumPy for nothing, others computed in threads or on a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.reader import nothing_started
from brickstream.chunks.source import ArrayLike, ChunkSource, Index
from brickstream.errors import MetadataError, StoreError
from brickstream.multiscale.array_likes import pixel_type


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Chunks cut out of an array-like; of a dask array just the chunk that is wanted is computed.

    Attributes
    ----------
    array : ArrayLike
    chunks : tuple of int
        Pixels of a chunk along each axis; any shape.
    fill_value : scalar
    client : distributed.Client, optional
        Of a cluster that computes the chunks of a dask array; what is no longer wanted is given up there too. Without
        one, a dask array is computed by the scheduler that dask is set to, or else in the thread that reads.
    """

    array: ArrayLike
    chunks: tuple[int, ...]
    fill_value: Any = 0
    client: Any = field(default=None, repr=False)

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
        """Give a view of a NumPy array; compute a copy of anything else."""
        box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, self.chunks, strict=True))
        if _in_memory(self.array):
            part = np.asarray(self.array[box], dtype=self.dtype)
            part.flags.writeable = False
            return part
        if self.client is None:
            return await asyncio.to_thread(self._compute, box)
        value = await _on_cluster(self.client, lambda: self.array[box], self.key(index))
        return np.asarray(value, dtype=self.dtype)

    def _compute(self, box: tuple[slice, ...]) -> NDArray[Any]:
        part = self.array[box]
        if hasattr(part, "__dask_graph__"):
            part = part.compute(scheduler=_scheduler())
        return np.array(part, dtype=self.dtype)


@dataclass(frozen=True)
class Outline:
    """What a source says of itself, as an array whose pixels nobody reads."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]

    def __getitem__(self, box: tuple[slice, ...], /) -> Any:
        """Refuse: a source is read chunk by chunk."""
        raise TypeError("a source is read chunk by chunk")


def outline(array: Any) -> Any:
    """Describe a source of somebody's own; an array describes itself."""
    return Outline(tuple(array.shape), array.dtype, tuple(array.chunks)) if _is_source(array) else array


def source_of(array: Any, chunks: tuple[int, ...], client: Any) -> ChunkSource:
    """Make a source of an array-like; a source of somebody's own is one already.

    Raises
    ------
    MetadataError
        If a source has other chunks than those asked for.
    """
    if not _is_source(array):
        return ArraySource(array, chunks, client=client)
    if tuple(array.chunks) != chunks:
        raise MetadataError("chunks", chunks, f"the chunks that the source has, {tuple(array.chunks)}")
    source: ChunkSource = array
    return source


def _is_source(value: Any) -> bool:
    return iscoroutinefunction(getattr(value, "read", None))


def _in_memory(array: Any) -> bool:
    """Whether an array can be cut without waiting: it is NumPy's, and no file is behind it."""
    while type(array) is np.ndarray:
        array = array.base
    return array is None or isinstance(array, bytes | bytearray)


def _scheduler() -> str | None:
    """Compute in the thread at hand, unless people have said otherwise: one chunk is too little for several."""
    from dask import base

    return "synchronous" if base.get_scheduler() is None else None  # type: ignore[no-untyped-call]


async def _on_cluster(client: Any, make: Callable[[], Any], key: str) -> Any:
    """Compute on a cluster. Whoever leaves lets go of the result: the cluster forgets it unless another wants it."""
    loop = asyncio.get_running_loop()
    if client.asynchronous:
        future = client.compute(make())
    else:
        # Slicing a large array takes time, and so does packing what is to be computed.
        future = await asyncio.to_thread(lambda: client.compute(make()))
    ended = loop.create_future()
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(_end, ended))
    try:
        await ended
        return await _result(client, future, key)
    finally:
        future.release()


async def _result(client: Any, future: Any, key: str) -> Any:
    if future.cancelled():
        raise StoreError("the cluster has given the chunk up", key, "somebody cancelled it there")
    if client.asynchronous:
        return await future
    return await asyncio.to_thread(future.result)


def _end(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
