"""What a server has under a key, and the answer that HTTP makes of it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

from brickstream.errors import StoreError
from brickstream.latency.faults import Fault
from brickstream.latency.ranges import parse_range

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


@dataclass(frozen=True)
class Answer:
    """One HTTP response, decided before anything is sent.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : dict
        All headers but the ones of the connection.
    length : int
        The Content-Length.
    content : Content or None, default None
        Where the body comes from.
    span : tuple of int, default (0, 0)
        The bytes of the content that are the body, half-open; empty for HEAD and for errors.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    length: int = 0
    content: Content | None = None
    span: tuple[int, int] = (0, 0)


def answer(method: str, range_header: str | None, content: Content | None, fault: Fault | None = None) -> Answer:
    """Decide the answer to a request.

    Parameters
    ----------
    method : str
        ``GET`` and ``HEAD`` read; ``OPTIONS`` is a browser asking for permission; others are refused with 405.
    range_header : str or None
        Value of the Range header; heeded for GET only, as RFC 9110 says.
    content : Content or None
        What is there; None is 404.
    fault : Fault or None, default None
        Only the kinds ``status`` and ``truncate`` change the answer.
    """
    if fault is not None and fault.kind == "status":
        return Answer(fault.status)
    if method == "OPTIONS":
        return Answer(204, {"Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Allow-Headers": "Range"})
    if method not in ("GET", "HEAD"):
        return Answer(405, {"Allow": "GET, HEAD, OPTIONS"})
    if content is None:
        return Answer(404)
    if fault is not None and fault.kind == "truncate":
        content = _truncated(content, fault.after)
    return _whole_or_part(method, range_header, content)


def _whole_or_part(method: str, range_header: str | None, content: Content) -> Answer:
    headers = {"Accept-Ranges": "bytes", "Content-Type": content.media_type, "ETag": content.etag}
    if content.modified is not None:
        headers["Last-Modified"] = formatdate(content.modified, usegmt=True)
    if method == "HEAD":
        return Answer(200, headers, content.size)
    span = parse_range(range_header, content.size)
    if span is None:
        return Answer(200, headers, content.size, content, (0, content.size))
    start, stop = span
    if start == stop:
        return Answer(416, {"Content-Range": f"bytes */{content.size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    return Answer(206, headers, stop - start, content, span)


def _truncated(content: Content, size: int) -> Content:
    return Content(min(size, content.size), content.etag, content.read, content.modified, content.media_type)
