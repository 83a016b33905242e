"""Bytes of a chunk to pixels, once it is known how. Pure; runs in decode threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.reader import Span
from brickstream.chunks.zarr.decompress import BytesStep, Size, too_many
from brickstream.errors import CodecError

ArrayStep = Callable[[NDArray[Any]], NDArray[Any]]
"""Undoes one array-to-array codec."""


class Decoder(Protocol):
    """Turns the bytes of a chunk into pixels; runs in decode threads."""

    @property
    def max_encoded(self) -> int | None:
        """More bytes than that no chunk has before it is decoded; None where that cannot be said."""

    def decode(self, raw: Any) -> NDArray[Any]:
        """Decode one chunk to an array of native byte order; read-only.

        Parameters
        ----------
        raw : bytes-like

        Raises
        ------
        CodecError
            If the bytes are not what the metadata promises.
        """


@dataclass(frozen=True)
class ChunkDecoder:
    """Decodes the bytes of one chunk.

    Attributes
    ----------
    shape : tuple of int
        Of a whole chunk; edge chunks are stored whole.
    dtype : numpy.dtype
        Of the pixels, native byte order.
    steps : tuple of (callable, Size)
        Bytes to bytes, in the order of decoding; with each what may come out.
    unpack : callable
        Bytes to array.
    encoded : Size
        Of a chunk before it is decoded.
    filters : tuple of callable
        Array to array, in the order of decoding.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    steps: tuple[tuple[BytesStep, Size], ...]
    unpack: Callable[[Any], NDArray[Any]]
    encoded: Size
    filters: tuple[ArrayStep, ...] = ()

    @property
    def max_encoded(self) -> int:
        """More bytes than that no chunk has before it is decoded."""
        return self.encoded.most

    def decode(self, raw: Any) -> NDArray[Any]:
        """Decode one chunk; see :meth:`Decoder.decode`."""
        try:
            array = self._decode(raw)
        except CodecError:
            raise
        except Exception as error:
            # Codecs raise what they like (RuntimeError, ValueError, zlib.error ...) on bytes that are no good.
            raise CodecError(f"the chunk cannot be decoded ({_first_line(error)})") from error
        array.flags.writeable = False
        return array

    def _decode(self, value: Any) -> NDArray[Any]:
        for step, size in self.steps:
            value = step(value, size)
            nbytes = memoryview(value).nbytes
            if nbytes > size.most:
                raise too_many(size.most)
            if size.exact and nbytes != size.most:
                raise CodecError(f"the chunk decodes to {nbytes} bytes instead of {size.most}")
        array = self.unpack(value)
        if self.filters:
            # A filter may overflow on purpose (delta), or meet NaN where it makes integers.
            with np.errstate(all="ignore"):
                for undo in self.filters:
                    array = undo(array)
        if array.shape != self.shape:
            raise CodecError(f"the chunk decodes to the shape {array.shape} instead of {self.shape}")
        return np.ascontiguousarray(array, dtype=self.dtype)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__


@dataclass(frozen=True)
class Plain:
    """The pixels of a chunk one after another."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __call__(self, value: Any) -> NDArray[Any]:
        """Look at the bytes as pixels."""
        flat = np.frombuffer(value, dtype=np.uint8)
        expected = prod(self.shape) * self.dtype.itemsize
        if flat.size != expected:
            raise CodecError(f"the chunk decodes to {flat.size} bytes instead of {expected}")
        return flat.view(self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class ShardIndex:
    """How the index of a shard is written: where each of its chunks begins and how long it is.

    Attributes
    ----------
    decoder : ChunkDecoder
        To uint64 of shape (chunks per shard along each axis, 2).
    nbytes : int
        As it is stored.
    at_end : bool
        Of the shard; else it is at the start.
    """

    decoder: ChunkDecoder
    nbytes: int
    at_end: bool

    def decode(self, raw: Any) -> NDArray[np.uint64]:
        """Decode an index.

        Raises
        ------
        CodecError
            If its bytes are no good.
        """
        return self.decoder.decode(raw)

    def span(self, table: NDArray[np.uint64], place: tuple[int, ...], most: int | None) -> Span | None:
        """Find where a chunk is in its shard; None where the shard does not have it.

        Parameters
        ----------
        table : ndarray
            The decoded index.
        place : tuple of int
            Of the chunk inside the shard.
        most : int or None
            Bytes that a chunk can have.

        Raises
        ------
        CodecError
            If no chunk can be there.
        """
        start, length = (int(value) for value in table[place])
        if start == length == 2**64 - 1:
            return None
        if start + length >= 2**63 or (most is not None and length > most) or not length:
            raise CodecError(f"the shard's index is damaged: it says {length:,} bytes from byte {start:,} for a chunk")
        return Span(start, length)


@dataclass(frozen=True)
class Shard:
    """A whole shard as one chunk: what lies inside another shard, or inside another codec."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any
    decoder: ChunkDecoder
    index: ShardIndex

    def __call__(self, value: Any) -> NDArray[Any]:
        """Decode every chunk of the shard."""
        raw = memoryview(value).cast("B")
        table = self.index.decode(raw[-self.index.nbytes :] if self.index.at_end else raw[: self.index.nbytes])
        array = np.full(self.shape, self.fill_value, self.dtype)
        for place in np.ndindex(*table.shape[:-1]):
            span = self.index.span(table, place, self.decoder.max_encoded)
            if span is not None:
                box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(place, self.chunks, strict=True))
                array[box] = self.decoder.decode(raw[span.start : span.start + span.length])
        return array
