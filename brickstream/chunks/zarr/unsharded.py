"""Chunks of arrays without shards: a value of the store for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.reader import Reader, forget, nothing_started
from brickstream.chunks.source import Index
from brickstream.chunks.zarr.decoding import Decoder


@dataclass(frozen=True, eq=False)
class ZarrSource:
    """Chunks of a Zarr array that has no shards.

    Attributes
    ----------
    reader : Reader
    shape, chunks : tuple of int
    dtype : numpy.dtype
        Native byte order.
    fill_value : scalar
    chunk_key : callable
        Grid index to key.
    decoder : Decoder
    executor : concurrent.futures.Executor
        Threads that decode.
    """

    reader: Reader
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any
    chunk_key: Callable[[Index], str]
    decoder: Decoder
    executor: Executor

    def key(self, index: Index) -> str:
        """Key of a chunk in the store."""
        return self.chunk_key(index)

    def forget(self) -> None:
        """Use nothing unasked that was read before now."""
        forget(self.reader)

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        """Read one chunk with one request."""
        encoded = await self.read_encoded(index, started)
        return None if encoded is None else await self.decode(encoded)

    async def read_encoded(self, index: Index, started: Callable[[], None] = nothing_started) -> bytes | None:
        """Read the bytes of a chunk; see :class:`brickstream.chunks.source.SteppedSource`."""
        return await self.reader.read(self.key(index), None, started)

    def decode(self, encoded: bytes) -> asyncio.Future[NDArray[Any]]:
        """Begin to decode a chunk in a thread."""
        return asyncio.get_running_loop().run_in_executor(self.executor, self.decoder.decode, encoded)
