"""Voxels of one level, chunk by chunk: what a user implements to bring data of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.reader import nothing_started
from brickstream.errors import CodecError

Index = tuple[int, ...]


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


@runtime_checkable
class BundlingSource(Protocol):
    """A source of which one request can bring several chunks, if their reads begin in the same turn of the loop."""

    def beside(self, index: Index, wanted: Callable[[Index], bool]) -> Sequence[Index]:
        """Say which chunks a request for one chunk can bring along at little cost.

        Parameters
        ----------
        index : tuple of int
            The chunk that is about to be read.
        wanted : callable
            Whether another chunk is wanted and may be read too.
        """


@runtime_checkable
class SteppedSource(Protocol):
    """A source that brings the bytes of a chunk first and makes pixels of them later: other reads begin in between."""

    async def read_encoded(self, index: Index, started: Callable[[], None] = nothing_started) -> Any | None:
        """Read the bytes of a chunk; as :meth:`ChunkSource.read`, but for the decoding."""

    def decode(self, encoded: Any) -> Awaitable[NDArray[Any]]:
        """Begin to make pixels of what :meth:`read_encoded` gave; awaited once, in another task.

        Raises
        ------
        BrickstreamError
            If they are no pixels.
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


def clip_chunk(chunk: NDArray[Any], index: Index, source: ChunkSource, where: str = "") -> NDArray[Any]:
    """Cut a chunk to the level's edge and check that it is what the level says.

    Raises
    ------
    CodecError
        If shape or type are other than promised.
    """
    want = tuple([min(c, n - i * c) for i, c, n in zip(index, source.chunks, source.shape, strict=True)])
    if chunk.shape == want and chunk.dtype == source.dtype:
        return chunk
    if chunk.ndim != len(want) or any(have < need for have, need in zip(chunk.shape, want, strict=True)):
        raise CodecError(f"the chunk has the shape {chunk.shape} instead of {source.chunks}", where)
    if chunk.dtype != source.dtype:
        raise CodecError(f"the chunk has the type {chunk.dtype} instead of {source.dtype}", where)
    return chunk[tuple(slice(0, n) for n in want)]


def chunk_nbytes(source: ChunkSource) -> int:
    """Bytes of one whole decoded chunk."""
    return prod(source.chunks) * source.dtype.itemsize
