"""Chunk bytes to arrays, for the codec chains that nearly every store uses. Pure; runs in decode threads.

What is not here (nested shards, rare codecs, structured types) is read through zarr-python instead: slower, complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import google_crc32c
import numcodecs
import numpy as np
from numpy.typing import NDArray

from brickstream.errors import CodecError

BytesStep = Callable[[Any], Any]


class UnusualCodecError(Exception):
    """Internal: the fast path does not know this chain; zarr-python may."""


@dataclass(frozen=True)
class ChunkDecoder:
    """Decodes the bytes of one chunk.

    Attributes
    ----------
    shape : tuple of int
        Of a whole chunk; edge chunks are stored whole.
    dtype : numpy.dtype
        As stored, byte order included.
    steps : tuple of callable
        Bytes to bytes, in the order of decoding.
    transpose : tuple of int or None
        Order of the axes in storage: stored axis i is array axis ``transpose[i]``.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    steps: tuple[BytesStep, ...]
    transpose: tuple[int, ...] | None = None

    def decode(self, raw: bytes) -> NDArray[Any]:
        """Decode one chunk to an array of native byte order; read-only.

        Raises
        ------
        CodecError
            If the bytes are not what the metadata promises.
        """
        value: Any = raw
        for step in self.steps:
            try:
                value = step(value)
            except CodecError:
                raise
            except Exception as error:
                # Codecs raise what they like (RuntimeError, ValueError, zlib.error ...) on bytes that are no good.
                raise CodecError(f"the chunk cannot be decoded ({_first_line(error)})") from error
        flat = np.frombuffer(value, dtype=np.uint8)
        expected = prod(self.shape) * self.dtype.itemsize
        if flat.size != expected:
            raise CodecError(f"the chunk decodes to {flat.size} bytes instead of {expected}")
        array = flat.view(self.dtype)
        if self.transpose is None:
            array = array.reshape(self.shape)
        else:
            array = array.reshape([self.shape[axis] for axis in self.transpose])
            array = np.ascontiguousarray(array.transpose(np.argsort(self.transpose)))
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        array.flags.writeable = False
        return array


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__


def decoder_v2(
    codecs: Sequence[Mapping[str, Any]], dtype: np.dtype[Any], chunks: tuple[int, ...], fortran: bool
) -> ChunkDecoder:
    """Decoder of a Zarr v2 array from its filters and its compressor, in the order of encoding.

    Raises
    ------
    CodecError
        If numcodecs has no such codec.
    """
    steps = tuple(_numcodec(config) for config in reversed(codecs))
    return ChunkDecoder(chunks, dtype, steps, tuple(range(len(chunks)))[::-1] if fortran else None)


def _numcodec(config: Mapping[str, Any]) -> BytesStep:
    try:
        codec = numcodecs.get_codec(dict(config))
    except (ValueError, TypeError, KeyError) as error:
        raise CodecError(f"unknown codec {config.get('id')!r}", "", "numcodecs does not have it") from error
    decode: BytesStep = codec.decode
    return decode


def decoder_v3(codecs: Sequence[Mapping[str, Any]], dtype: np.dtype[Any], chunks: tuple[int, ...]) -> ChunkDecoder:
    """Decoder of a Zarr v3 chunk from its ``codecs``.

    Raises
    ------
    UnusualCodecError
        If the chain has a codec that is not among the common ones, or in another order.
    """
    order: tuple[int, ...] | None = None
    steps: list[BytesStep] = []
    endian: str | None = None
    serialized = False
    for codec in codecs:
        name, config = codec.get("name"), codec.get("configuration") or {}
        if name == "transpose" and not serialized and order is None:
            order = _transpose(config, len(chunks))
        elif name == "bytes" and not serialized:
            serialized, endian = True, config.get("endian")
        elif serialized and name in _BYTES_TO_BYTES:
            steps.append(_BYTES_TO_BYTES[name])
        else:
            raise UnusualCodecError(str(name))
    if not serialized:
        raise UnusualCodecError("no bytes codec")
    stored = dtype.newbyteorder(">") if endian == "big" else dtype.newbyteorder("<")
    return ChunkDecoder(chunks, stored, tuple(steps[::-1]), order)


def _transpose(config: Mapping[str, Any], ndim: int) -> tuple[int, ...]:
    order = config.get("order")
    if not isinstance(order, list) or sorted(order) != list(range(ndim)):
        raise UnusualCodecError(f"transpose {order!r}")
    return tuple(order)


def _crc32c(value: Any) -> bytes:
    data = bytes(value)
    if len(data) < 4 or google_crc32c.value(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise CodecError("the checksum (crc32c) is wrong")
    return data[:-4]


_BYTES_TO_BYTES: dict[object, BytesStep] = {
    "blosc": numcodecs.Blosc().decode,
    "crc32c": _crc32c,
    "gzip": numcodecs.GZip().decode,
    "zstd": numcodecs.Zstd().decode,
}
