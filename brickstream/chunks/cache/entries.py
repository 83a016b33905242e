"""Files of the disk cache: one for each answer, whole and right or not there. Everything here blocks.

A file is written under a name of its own and then renamed, so that it is never seen half done; whatever a crash, a full
disk or somebody else leaves behind is found out by its lengths and checksums. It begins, in little-endian order, with::

    8 bytes         a mark
    uint32, uint64  length of the description, and of the body
    uint32          crc32c of both lengths, the description and the body
    float64         when the answer was last known to be right, in seconds since 1970
    uint32          crc32c of that time and the crc32c before

Then come the description (JSON: the full name of the answer, its tag, whether there is a body at all) and the body. The
time is the only thing that is ever changed in place; where that goes wrong the answer counts as never checked.
"""

from __future__ import annotations

import json
import os
import re
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time

import google_crc32c

MAGIC = b"\x93bricks1"
_HEAD = struct.Struct("<8sIQI")
_LENGTHS = struct.Struct("<IQ")
_STAMP = struct.Struct("<dI")
_NAME = re.compile(r"[0-9a-f]{32}")
_TEMPORARY = "tmp-"
# Nobody takes that long to write a file: whoever began it is gone.
_ABANDONED_S = 3600.0
_MAX_TAG = 1000
# What a file takes on most disks is a multiple of this.
_BLOCK = 4096


class DamagedError(Exception):
    """Internal: a file is not a whole and right answer of the name that was looked for."""


@dataclass(frozen=True)
class Entry:
    """An answer that is known.

    Attributes
    ----------
    body : bytes or None
        None where the server said that nothing is there.
    tag : str or None
        What the server called this version.
    checked : float
        When it was last known to be right; 0 where that is not known.
    crc : int
        Checksum that tells it from other answers of its name.
    """

    body: bytes | None
    tag: str | None
    checked: float
    crc: int


def encode(name: str, body: bytes | None, tag: str | None, checked: float) -> tuple[bytes, bytes]:
    """Write an answer as bytes: the head with the description, and the body."""
    tag = None if tag is None or len(tag) > _MAX_TAG else tag
    about = json.dumps({"name": name, "tag": tag, "there": body is not None}).encode()
    body = body or b""
    crc = _checksum(about, body)
    return _HEAD.pack(MAGIC, len(about), len(body), crc) + _stamp(checked, crc) + about, body


def _stamp(checked: float, crc: int) -> bytes:
    return _STAMP.pack(checked, google_crc32c.value(_STAMP.pack(checked, crc)))


def decode(raw: bytes, name: str) -> Entry:
    """Read an answer.

    Raises
    ------
    DamagedError
        If the bytes are not just what :func:`encode` makes for this name.
    """
    begin = _HEAD.size + _STAMP.size
    if len(raw) < begin:
        raise DamagedError("no head")
    magic, about_length, body_length, crc = _HEAD.unpack_from(raw)
    start = begin + about_length
    if magic != MAGIC or len(raw) != start + body_length:
        raise DamagedError("not as long as it says")
    about, body = raw[begin:start], raw[start:]
    if crc != _checksum(about, body):
        raise DamagedError("wrong checksum")
    said = json.loads(about)
    if said["name"] != name:
        raise DamagedError("of another name")
    checked, _ = _STAMP.unpack_from(raw, _HEAD.size)
    if raw[_HEAD.size : begin] != _stamp(checked, crc):
        checked = 0.0
    return Entry(body if said["there"] else None, said["tag"], checked, crc)


def _checksum(about: bytes, body: bytes) -> int:
    crc = google_crc32c.value(_LENGTHS.pack(len(about), len(body)))
    return int(google_crc32c.extend(google_crc32c.extend(crc, about), body))


def load(path: Path, name: str) -> Entry | None:
    """Read an answer from a file, and mark the file as used; None where there is none.

    Raises
    ------
    DamagedError
        If the file is no good, and is removed; or if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError(str(error)) from error
    try:
        entry = decode(raw, name)
    except (DamagedError, ValueError, LookupError, TypeError) as error:
        remove(path)
        raise DamagedError(str(error)) from error
    with suppress(OSError):
        os.utime(path)
    return entry


def store(path: Path, head: bytes, body: bytes) -> int:
    """Put an answer in the place of what was there; return the bytes that it takes.

    Raises
    ------
    OSError
        If it could not be written; what was there before is there still.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.parent / f"{_TEMPORARY}{os.urandom(8).hex()}"
    try:
        with open(temporary, "xb") as file:
            file.write(head)
            file.write(body)
        _put(temporary, path)
    except OSError:
        remove(temporary)
        raise
    return on_disk(len(head) + len(body))


def _put(temporary: Path, path: Path) -> None:
    try:
        os.replace(temporary, path)
    except PermissionError:
        if sys.platform != "win32":
            raise
        remove(temporary)  # somebody reads what is there: that stays


def on_disk(nbytes: int) -> int:
    """Bytes that a file of this length takes on a disk."""
    return -(-nbytes // _BLOCK) * _BLOCK


def restamp(path: Path, crc: int, checked: float) -> None:
    """Note in a file that its answer was right at some time, unless there is another answer in it by now."""
    # Where that fails it will be asked for once more.
    with suppress(OSError), open(path, "r+b") as file:
        head = file.read(_HEAD.size)
        if len(head) == _HEAD.size and head[:8] == MAGIC and _HEAD.unpack(head)[3] == crc:
            file.seek(_HEAD.size)
            file.write(_stamp(checked, crc))


def remove(path: Path) -> None:
    """Remove a file, if that is possible."""
    # Where somebody holds it open, or has locked the folder, it stays and does no harm.
    with suppress(OSError):
        path.unlink(missing_ok=True)


def scan(folder: Path) -> list[tuple[str, int]]:
    """List the answers in a folder, the longest unused first, and remove what crashes have left behind.

    Returns
    -------
    list of (str, int)
        Name of the file, and the bytes that it takes.
    """
    found: list[tuple[float, str, int]] = []
    for sub in _entries(folder):
        if len(sub.name) == 2 and sub.is_dir(follow_symlinks=False):
            found += [one for file in _entries(Path(sub.path)) if (one := _look(file)) is not None]
    return [(name, size) for _, name, size in sorted(found)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _look(file: os.DirEntry[str]) -> tuple[float, str, int] | None:
    try:
        status = file.stat(follow_symlinks=False)
    except OSError:
        return None  # another process was faster
    if file.name.startswith(_TEMPORARY) and time() - status.st_mtime > _ABANDONED_S:
        remove(Path(file.path))
    if not _NAME.fullmatch(file.name):
        return None
    return status.st_mtime, file.name, on_disk(status.st_size)


def read_salt(folder: Path) -> bytes:
    """Read the secret that makes the names of a folder's files, and make it where there is none.

    Two processes that make it at once may end with two; then each does not find what the other has written.

    Raises
    ------
    OSError
        If the folder can be neither read nor written.
    """
    path = folder / "salt"
    for _ in range(2):
        try:
            salt = path.read_bytes()
        except FileNotFoundError:
            salt = b""
        if len(salt) == 16:
            return salt
        store(path, os.urandom(16), b"")
    raise OSError(f"no salt in {folder}")
