"""What a server has under a key."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brickstream.errors import StoreError

_JSON_NAMES = frozenset({"zarr.json", ".zattrs", ".zgroup", ".zarray", ".zmetadata"})


@dataclass(frozen=True)
class Content:
    """Bytes that can be read piece by piece.

    Parameters
    ----------
    size : int
        Bytes in all.
    etag : str
        Changes when the bytes change; with its quotes.
    read : callable
        ``read(start, stop)`` returns these bytes, half-open. It may block; it may be called in any thread.
    modified : float or None, default None
        Unix time of the last change.
    media_type : str
        For the Content-Type header.
    """

    size: int
    etag: str
    read: Callable[[int, int], bytes]
    modified: float | None = None
    media_type: str = "application/octet-stream"


def bytes_content(data: bytes, media_type: str = "application/octet-stream") -> Content:
    """Return bytes in memory as content."""
    digest = hashlib.blake2b(data, digest_size=8).hexdigest()
    return Content(len(data), f'"{digest}"', lambda start, stop: data[start:stop], media_type=media_type)


def json_content(document: Any) -> Content:
    """Return a JSON document as content."""
    return bytes_content(json.dumps(document).encode(), "application/json")


def file_content(root: Path, key: str) -> Content | None:
    """Look a file up. Blocks.

    Parameters
    ----------
    root : Path
        The folder that is served.
    key : str
        Path below it, with "/".

    Returns
    -------
    Content or None
        None when there is no regular file, or only one outside of `root` (by ``..`` or through a symbolic link).
    """
    if any(part in ("", ".", "..") for part in key.split("/")) or "\0" in key or "\\" in key:
        return None
    try:
        top = root.resolve(strict=True)
        path = (top / key).resolve(strict=True)
        if not path.is_relative_to(top):
            return None
        status = path.stat()
    except (OSError, RuntimeError):
        # Not there, not readable, a loop of links: to a client of this server all of it is "nothing here".
        return None
    if not stat.S_ISREG(status.st_mode) or not os.access(path, os.R_OK):
        return None
    return Content(
        status.st_size,
        f'"{status.st_mtime_ns:x}-{status.st_size:x}"',
        lambda start, stop: _read_file(path, start, stop),
        status.st_mtime,
        "application/json" if path.name in _JSON_NAMES else "application/octet-stream",
    )


def _read_file(path: Path, start: int, stop: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        data = file.read(stop - start)
    if len(data) != stop - start:
        raise StoreError("the file became shorter while it was served", str(path))
    return data
