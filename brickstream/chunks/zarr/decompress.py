"""Decompression that stops at the size that was promised, before the memory for more is taken.

A few kilobytes can decompress to terabytes. Each function here is told how many bytes may come out: formats that say
their size are believed only up to it, the others are unpacked up to it and not further.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import google_crc32c
import numcodecs
import numcodecs.blosc
import numcodecs.lz4
import numcodecs.zstd
import numpy as np

from brickstream.errors import CodecError

# An xz stream may ask for a dictionary of 4 GiB; the strongest preset needs 65 MiB.
_LZMA_MEMORY = 1 << 29
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
_ZSTD_MAGIC, _ZSTD_SKIPPED, _ZSTD_BLOCK = 0xFD2FB528, 0x184D2A50, 128 << 10


@dataclass(frozen=True)
class Size:
    """How many bytes a step of decoding may give.

    Attributes
    ----------
    most : int
    exact : bool
        Whether it must be just as many.
    """

    most: int
    exact: bool


BytesStep = Callable[[Any, Size], Any]
"""Undoes one bytes-to-bytes codec; bytes-likes in and out."""


def too_many(most: int) -> CodecError:
    """Say that more comes out of a chunk than its array declares."""
    return CodecError(f"the chunk decodes to more than {most:,} bytes", "", "its array declares less")


class _Stream(Protocol):
    """A decompressor of the standard library."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: Any, max_length: int, /) -> bytes: ...


def _unpack(make: Callable[[], _Stream], value: Any, size: Size, several: bool = True) -> bytes:
    """Unpack a stream, or several one after another."""
    pieces: list[bytes] = []
    left = size.most
    rest: Any = memoryview(value).cast("B")
    while len(rest):
        stream = make()
        # One byte more than allowed shows that there are too many; without room for it the end would not be seen.
        piece = stream.decompress(rest, left + 1)
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise too_many(size.most)
        if not stream.eof:
            raise CodecError("the chunk is cut off")
        rest = stream.unused_data.lstrip(b"\0") if several else b""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _gzip(value: Any, size: Size) -> bytes:
    return _unpack(lambda: zlib.decompressobj(31), value, size)


def _zlib(value: Any, size: Size) -> bytes:
    return _unpack(zlib.decompressobj, value, size, several=False)


def _bz2(value: Any, size: Size) -> bytes:
    return _unpack(bz2.BZ2Decompressor, value, size)


def _lzma(config: Mapping[str, Any]) -> BytesStep:
    form, filters = config.get("format", lzma.FORMAT_XZ), config.get("filters")
    # A raw stream says nothing about itself and takes no limit.
    memory = None if form == lzma.FORMAT_RAW else _LZMA_MEMORY
    return lambda value, size: _unpack(lambda: lzma.LZMADecompressor(form, memory, filters), value, size)


def _blosc(value: Any, size: Size) -> Any:
    header = bytes(memoryview(value).cast("B")[:16])
    if len(header) < 16:
        raise CodecError("the chunk is cut off")
    if int.from_bytes(header[4:8], "little") > size.most:
        raise too_many(size.most)
    return numcodecs.blosc.decompress(value)


def _lz4(value: Any, size: Size) -> Any:
    if int.from_bytes(memoryview(value).cast("B")[:4], "little") > size.most:
        raise too_many(size.most)
    return numcodecs.lz4.decompress(value)


def _zstd(value: Any, size: Size) -> Any:
    raw = memoryview(value).cast("B")
    if size.exact and raw[:4] == _ZSTD_FRAME and _zstd_header(raw, 4)[1] == size.most:
        # One frame that says just what is expected: a second one would find no room.
        return numcodecs.zstd.decompress(value, np.empty(size.most, np.uint8))
    content, most = _zstd_sizes(raw, size.most)
    if content is None and size.exact:
        return numcodecs.zstd.decompress(value, np.empty(size.most, np.uint8))
    if most > size.most + _ZSTD_BLOCK * (content is None):
        raise too_many(size.most)
    return numcodecs.zstd.decompress(value)


def _zstd_sizes(raw: memoryview, most: int) -> tuple[int | None, int]:
    """Bytes that frames of zstd say they hold, None where one of them does not; and the most that they can hold."""
    at = total = 0
    all_say = True
    while at < len(raw):
        magic = int.from_bytes(raw[at : at + 4], "little")
        if magic & ~0xF == _ZSTD_SKIPPED:
            at += 8 + int.from_bytes(raw[at + 4 : at + 8], "little")
            continue
        if magic != _ZSTD_MAGIC:
            raise CodecError("the chunk is not compressed with zstd")
        at, content, window, has_checksum = _zstd_header(raw, at + 4)
        at, blocks = _zstd_blocks(raw, at, min(window, _ZSTD_BLOCK), most)
        at += 4 * has_checksum
        all_say &= content is not None
        total += blocks if content is None else content
    return (total if all_say else None), total


def _zstd_header(raw: memoryview, at: int) -> tuple[int, int | None, int, bool]:
    """Take a frame's header apart (RFC 8878, 3.1.1.1).

    Returns
    -------
    tuple
        Its end, the size of the content where it is said, the size of the window, and whether a checksum follows.
    """
    descriptor = raw[at]
    single, flag = bool(descriptor & 0x20), descriptor >> 6
    window = 0
    if not single:
        base = 1 << (10 + (raw[at + 1] >> 3))
        window = base + (base >> 3) * (raw[at + 1] & 7)
    at += (1 if single else 2) + (0, 1, 2, 4)[descriptor & 3]
    width = (int(single), 2, 4, 8)[flag]
    content = int.from_bytes(raw[at : at + width], "little") + (256 if width == 2 else 0) if width else None
    return at + width, content, window or content or 0, bool(descriptor & 4)


def _zstd_blocks(raw: memoryview, at: int, largest: int, most: int) -> tuple[int, int]:
    """End of a frame's blocks, and the most that they can hold."""
    total = 0
    # Whole blocks have 128 KiB; many smaller ones come only from who wants us to count.
    for _ in range(1000 + most // 64):
        head = int.from_bytes(raw[at : at + 3], "little")
        last, kind, length = bool(head & 1), head >> 1 & 3, head >> 3
        at += 3 + (1 if kind == 1 else length)
        total += largest if kind == 2 else length
        if at > len(raw):
            raise CodecError("the chunk is cut off")
        if last:
            return at, total
    raise CodecError("the chunk has too many blocks of zstd")


def _crc32c(value: Any, _size: Size) -> Any:
    data = np.frombuffer(value, np.uint8)
    if data.size < 4 or google_crc32c.value(data[:-4]) != int.from_bytes(data[-4:].tobytes(), "little"):
        raise CodecError("the checksum (crc32c) is wrong")
    return data[:-4]


_BOUNDED: dict[str, BytesStep] = {
    "blosc": _blosc,
    "bz2": _bz2,
    "gzip": _gzip,
    "lz4": _lz4,
    "zlib": _zlib,
    "zstd": _zstd,
}
crc32c: BytesStep = _crc32c


def bytes_step(config: Mapping[str, Any], codec: Any) -> BytesStep:
    """Choose the function that undoes a codec of numcodecs.

    Parameters
    ----------
    config : mapping
        The codec as the metadata has it, with its ``id``.
    codec : numcodecs.abc.Codec
        The codec itself, for those that cannot give much more than they get.
    """
    if config["id"] == "lzma":
        return _lzma(config)
    return _BOUNDED.get(config["id"]) or (lambda value, _size: codec.decode(value))
