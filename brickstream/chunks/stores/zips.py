"""Bytes by key out of a zip file, wherever it is: its directory is read once, then one range of bytes for a value."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from struct import Struct, error, unpack_from

from brickstream.chunks.reader import (
    MAX_NAMES,
    AtMost,
    ByteRange,
    Reader,
    Span,
    Suffix,
    check_key,
    nothing_started,
    too_long,
)
from brickstream.errors import CodecError, StoreError

# Endings of the names of zipped Zarr hierarchies.
ENDINGS = (".zip", ".ozx")
# What is read of the end at once: the directory of some thousand chunks fits in.
TAIL = 256 << 10
# A directory of five million chunks; nobody waits for a longer one.
MAX_DIRECTORY = 512 << 20
# No value of a store is longer.
MAX_VALUE = 1 << 32
# Most that stands between a value's header and the value, besides its name; more costs a second read.
_EXTRA = 256

_END, _END64 = b"PK\5\6", b"PK\6\6"
_ENTRY = Struct("<4s4xHH4xIIIHHH8xI")
_HEADER = Struct("<4s22xHH")
_FULL = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One value in a zip file.

    Attributes
    ----------
    offset, room : int
        Where it begins, its header included, and how many bytes there are until the next one.
    packed, size : int
        Bytes in the file, and unpacked.
    crc, method, flags, name_length : int
    """

    offset: int
    room: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int
    name_length: int


class ZipReader:
    """Keys of a zip file that another reader reads.

    Parameters
    ----------
    reader : Reader
    key : str
        Of the zip file, in that reader.
    url : str
        Where the zip file is, for people.
    """

    def __init__(self, reader: Reader, key: str, url: str) -> None:
        self._reader = reader
        self._key = key
        self._lock = asyncio.Lock()
        self._entries: Mapping[str, Entry] | None = None
        self.url = url

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read one value; see :meth:`brickstream.chunks.reader.Reader.read`.

        Raises
        ------
        CodecError
            If the bytes do not have the checksum that the directory says.
        """
        where = f"{self.url}/{key}"
        check_key(key, where)
        entry = (await self._directory()).get(key)
        if entry is None:
            return None
        most = span.length if isinstance(span, AtMost) else MAX_VALUE
        if max(entry.size, entry.packed) > most:
            raise too_long(most, where)
        if entry.flags & 1 or entry.method not in (_STORED, _DEFLATED):
            raise StoreError("encrypted, or packed in a way that is not read here", where, "store it unpacked")
        if entry.method == _STORED and isinstance(span, Span | Suffix):
            return await self._part(entry, span, where, started)
        whole = await self._whole(entry, where, started)
        body = await asyncio.to_thread(_unpack, whole, entry, where)
        if isinstance(span, Span) and len(body) < span.start + span.length:
            raise StoreError(f"the value has {len(body)} bytes, less than wanted", where)
        if isinstance(span, Suffix):
            return body[-span.length :]
        return body[span.start : span.start + span.length] if isinstance(span, Span) else body

    async def _whole(self, entry: Entry, where: str, started: Callable[[], None]) -> bytes:
        """Read a value as it is in the file: one request, as a rule."""
        likely = _HEADER.size + entry.name_length + _EXTRA + entry.packed
        raw = await self._bytes(entry.offset, min(likely, entry.room), where, started)
        begin = _after_header(raw, where)
        if begin + entry.packed > len(raw):
            return await self._bytes(entry.offset + begin, entry.packed, where)
        return raw[begin : begin + entry.packed]

    async def _part(self, entry: Entry, span: Span | Suffix, where: str, started: Callable[[], None]) -> bytes:
        """Read a part of a value that is stored as it is."""
        start = max(0, entry.size - span.length) if isinstance(span, Suffix) else span.start
        length = min(span.length, entry.size) if isinstance(span, Suffix) else span.length
        if start + length > entry.size:
            raise StoreError(f"the value has {entry.size} bytes, less than wanted", where)
        header = await self._bytes(entry.offset, min(_HEADER.size, entry.room), where)
        return await self._bytes(entry.offset + _after_header(header, where) + start, length, where, started)

    async def _bytes(self, start: int, length: int, where: str, started: Callable[[], None] = nothing_started) -> bytes:
        raw = await self._reader.read(self._key, Span(start, length), started) if length else b""
        if raw is None:
            raise StoreError("the zip file vanished between two reads", where)
        return raw

    async def _directory(self) -> Mapping[str, Entry]:
        """Read the directory once; if the first who wants it is cancelled, the next one reads it."""
        if self._entries is None:
            async with self._lock:
                if self._entries is None:
                    self._entries = await self._read_directory()
        return self._entries

    async def _read_directory(self) -> Mapping[str, Entry]:
        tail = await self._reader.read(self._key, Suffix(TAIL))
        if tail is None:
            return {}
        try:
            start, size, end = find_directory(tail, self.url)
            if size > MAX_DIRECTORY:
                raise too_long(MAX_DIRECTORY, self.url)
            raw = tail[end - size : end] if size <= end else await self._bytes(start, size, self.url)
            return await asyncio.to_thread(lambda: dict(read_entries(raw, start)))
        except (error, UnicodeDecodeError) as wrong:
            raise StoreError("the zip file's directory is damaged", self.url) from wrong

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Names of the folders in a folder; see :meth:`brickstream.chunks.reader.Lister.names`."""
        try:
            entries = await self._directory()
        except StoreError:
            return ()
        inside = f"{folder}/" if folder else ""
        below = (name[len(inside) :] for name in entries if name.startswith(inside))
        return tuple(islice({rest.partition("/")[0]: None for rest in below if "/" in rest}, MAX_NAMES))


def find_directory(tail: bytes, where: str) -> tuple[int, int, int]:
    """Find the directory of a zip file in the last bytes of it.

    Parameters
    ----------
    tail : bytes
    where : str
        For people.

    Returns
    -------
    start, size : int
        Of the directory, in the file.
    end : int
        Where it ends, in `tail`.

    Raises
    ------
    StoreError
        If this is the end of no zip file.
    """
    end = tail.rfind(_END)
    # A comment after it may hold anything.
    while end >= 0 and end + 22 + int.from_bytes(tail[end + 20 : end + 22], "little") != len(tail):
        end = tail.rfind(_END, 0, end)
    if end < 0:
        raise StoreError("not a zip file, or cut off", where, "a zip file ends with its directory")
    size, start = unpack_from("<II", tail, end + 12)
    longer = tail.rfind(_END64, 0, end)
    if longer >= 0 and tail[end - 20 : end - 16] == b"PK\6\7":
        size, start = unpack_from("<QQ", tail, longer + 40)
        end = longer
    return start, size, end


def split_zip(path: str) -> tuple[str, str] | None:
    """Split a path at the zip file in it; None where no part of it is named like one.

    Returns
    -------
    file, inside : str
        Path of the zip file, and the path in it, empty at its root.
    """
    steps = path.split("/")
    at = next((k for k, step in enumerate(steps) if step.lower().endswith(ENDINGS) and len(step) > 4), None)
    return None if at is None else ("/".join(steps[: at + 1]), "/".join(steps[at + 1 :]).strip("/"))


def read_entries(raw: bytes, end: int) -> Iterator[tuple[str, Entry]]:
    """Read a directory; of entries of the same name the last one counts.

    Parameters
    ----------
    raw : bytes
    end : int
        Where the directory begins, in the file: the values end there.

    Yields
    ------
    name : str
    entry : Entry
    """
    found, at = [], 0
    while at < len(raw):
        mark, flags, method, crc, packed, size, names, extras, comments, offset = _ENTRY.unpack_from(raw, at)
        if mark != b"PK\1\2":
            raise error("no entry")
        at += _ENTRY.size
        name = raw[at : at + names].decode("utf-8" if flags & 0x800 else "cp437")
        if _FULL in (packed, size, offset):
            size, packed, offset = _long(raw[at + names : at + names + extras], size, packed, offset)
        at += names + extras + comments
        found.append((offset, name, (packed, size, crc, method, flags, names)))
    starts = sorted({offset for offset, _, _ in found} | {end})
    room = {start: after - start for start, after in pairwise(starts)}
    for offset, name, rest in found:
        if not name.endswith("/"):
            yield name, Entry(offset, room.get(offset, 0), *rest)


def _long(extra: bytes, *short: int) -> tuple[int, ...]:
    """Replace numbers that do not fit 32 bits by those beside them."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = unpack_from("<HH", extra, at)
        if kind == 1:
            longs = iter(unpack_from(f"<{length // 8}Q", extra, at + 4))
            return tuple(next(longs, value) if value == _FULL else value for value in short)
        at += 4 + length
    return short


def _after_header(raw: bytes, where: str) -> int:
    """Where a value begins, from its own header: it may say more than the directory does."""
    if len(raw) < _HEADER.size or raw[:4] != b"PK\3\4":
        raise StoreError("the zip file's directory is damaged", where)
    _, names, extras = _HEADER.unpack_from(raw)
    return _HEADER.size + int(names) + int(extras)


def _unpack(raw: bytes, entry: Entry, where: str) -> bytes:
    try:
        # One byte more shows a value that is longer than it says, without unpacking it all.
        body = raw if entry.method == _STORED else zlib.decompressobj(-15).decompress(raw, entry.size + 1)
    except zlib.error as wrong:
        raise CodecError("the value cannot be unpacked", where) from wrong
    if len(body) != entry.size or zlib.crc32(body) != entry.crc:
        raise CodecError("the value does not have the checksum that the zip file says", where)
    return body
