"""Bytes by key: over HTTP or from a folder.

A reader answers None where nothing is there, and raises where it cannot know. Everything runs on the event loop of the
engine; what blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp
from yarl import URL

from brickstream.chunks.pages import MAX_PAGE, folders_in_page
from brickstream.errors import AccessDeniedError, StoreError, TimedOutError, TooLongError, redact

CONNECT_S = 20.0
READ_S = 60.0
# More folders than that are listed for nobody.
MAX_NAMES = 1000
_URL_SAFE = "%/:?@!$&'()*+,;=~"


@dataclass(frozen=True)
class Suffix:
    """The last `length` bytes of a value."""

    length: int


@dataclass(frozen=True)
class Span:
    """`length` bytes of a value from byte `start` on."""

    start: int
    length: int


@dataclass(frozen=True)
class AtMost:
    """All bytes of a value that has no more than `length`; a longer one is refused before it has been read."""

    length: int


ByteRange = Suffix | Span | AtMost


@dataclass
class Traffic:
    """What was asked for and what came, counted for a whole engine.

    Attributes
    ----------
    requests : int
        Requests begun: every HTTP request, every file or store read.
    bytes_read : int
        Bytes of the answers' bodies, as they came over the wire.
    """

    requests: int = 0
    bytes_read: int = 0


def nothing_started() -> None:
    """Do nothing when an answer begins: the default of `started`."""


class Reader(Protocol):
    """Where the bytes of one image come from."""

    @property
    def url(self) -> str:
        """Where this is, for people: no secrets."""

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read one value, or a part of it.

        Parameters
        ----------
        key : str
            Relative to the reader's root, such as ``"0/c/1/2"``.
        span : ByteRange, optional
            The part to read; None reads everything.
        started : callable
            Called once, when the answer begins to arrive.

        Returns
        -------
        bytes or None
            None where there is no such key.

        Raises
        ------
        AccessDeniedError, TimedOutError, StoreError
            If the answer is neither the bytes nor "not there".
        TooLongError
            If the value is longer than `span` allows.
        """


@runtime_checkable
class Lister(Protocol):
    """A reader that may be able to say what there is."""

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Names of the folders in a folder, without their order; empty where it cannot be told."""


def too_long(limit: int, where: str) -> TooLongError:
    """Say that a document is longer than anything that describes an image."""
    return TooLongError(f"longer than {limit:,} bytes", where, "nothing that describes an image is that long")


class HttpReader:
    """Keys under an HTTP URL, through a session that the engine owns and closes.

    The query of the URL (a pre-signed one, say) is kept on every key and never shown.
    """

    def __init__(self, url: str, session: aiohttp.ClientSession, traffic: Traffic) -> None:
        parts = urlsplit(url)
        # People write spaces and umlauts; what is encoded already stays as it is.
        path, query = (quote(part, safe=_URL_SAFE) for part in (parts.path.rstrip("/"), parts.query))
        self._base = (parts.scheme, parts.netloc, path, query)
        self._session = session
        self._traffic = traffic
        self.url = redact(url).rstrip("/")

    def _url(self, key: str) -> str:
        scheme, netloc, path, query = self._base
        return urlunsplit((scheme, netloc, f"{path}/{quote(key)}" if key else path, query, ""))

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read over HTTP; see :meth:`Reader.read`. Cancelling closes the request."""
        where = f"{self.url}/{key}"
        headers = {} if span is None or isinstance(span, AtMost) else {"Range": _range_header(span)}
        self._traffic.requests += 1
        try:
            # Encoded already: yarl must not quote a pre-signed query a second time.
            async with self._session.get(URL(self._url(key), encoded=True), headers=headers) as response:
                status = response.status
                if status == 404 or status == 410:
                    return None
                _raise_for_status(status, where)
                started()
                body = await self._body(response, span, where)
        except TimeoutError as error:
            raise TimedOutError("no answer in time", where, "the server is slow or gone; try again") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise StoreError("no such host", where, "check the spelling and the network") from error
        except aiohttp.ClientConnectorError as error:
            raise StoreError("cannot connect", where, f"{error.strerror or error}; is the server running?") from error
        except aiohttp.InvalidURL as error:
            raise StoreError("not a usable URL", where, "check the spelling") from error
        except (aiohttp.ClientPayloadError, ConnectionError) as error:
            raise StoreError("the answer broke off", where, "the connection was lost") from error
        except aiohttp.ClientError as error:
            raise StoreError(f"the request failed ({type(error).__name__})", where) from error
        return _cut(body, span, status, where)

    async def _body(self, response: aiohttp.ClientResponse, span: ByteRange | None, where: str) -> bytes:
        """Take an answer, as much of it as is allowed."""
        if not isinstance(span, AtMost):
            body = await response.read()
            self._traffic.bytes_read += len(body)
            return body
        promised, pieces = response.content_length or 0, bytearray()
        if promised <= span.length:
            async for piece in response.content.iter_any():
                self._traffic.bytes_read += len(piece)
                pieces += piece
                if len(pieces) > span.length:
                    break
        if max(promised, len(pieces)) > span.length:
            response.close()
            raise too_long(span.length, where)
        return bytes(pieces)

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Read the page that many servers make of a folder; see :meth:`Lister.names`."""
        try:
            page = await self.read(f"{folder}/" if folder else "", AtMost(MAX_PAGE))
        except StoreError:
            return ()  # a help for people, which most servers do not give
        return folders_in_page(page or b"")


def _range_header(span: Span | Suffix) -> str:
    if isinstance(span, Suffix):
        return f"bytes=-{span.length}"
    return f"bytes={span.start}-{span.start + span.length - 1}"


def _raise_for_status(status: int, where: str) -> None:
    if status in (401, 403):
        raise AccessDeniedError(f"access denied (HTTP {status})", where, "this may need a login or a signed URL")
    if status not in (200, 206):
        raise StoreError(f"HTTP {status}", where, "the server could not answer; try again later")


def _cut(body: bytes, span: ByteRange | None, status: int, where: str) -> bytes:
    """Take the wanted part out of a whole answer: servers may ignore Range."""
    if span is None or isinstance(span, AtMost):
        return body
    if status == 200:
        body = body[-span.length :] if isinstance(span, Suffix) else body[span.start : span.start + span.length]
    if len(body) != span.length and not isinstance(span, Suffix):
        raise StoreError(f"the answer has {len(body)} bytes instead of {span.length}", where)
    return body


class LocalReader:
    """Keys under a folder. Reads run in threads."""

    def __init__(self, root: Path, traffic: Traffic) -> None:
        self._root = root
        self._traffic = traffic
        self.url = str(root)

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read a file; see :meth:`Reader.read`."""
        self._traffic.requests += 1
        body = await asyncio.to_thread(self._read, key, span)
        started()
        if body is not None:
            self._traffic.bytes_read += len(body)
        return body

    def _read(self, key: str, span: ByteRange | None) -> bytes | None:
        if "\0" in key:
            return None
        path = self._root / key
        try:
            with path.open("rb") as file:
                if isinstance(span, Suffix):
                    file.seek(0, 2)
                    file.seek(max(0, file.tell() - span.length))
                elif isinstance(span, Span):
                    file.seek(span.start)
                body = file.read() if span is None else file.read(_most(span))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except PermissionError as error:
            raise AccessDeniedError("access denied", str(path), "check the file's permissions") from error
        except OSError as error:
            raise StoreError(f"cannot be read ({error.strerror})", str(path)) from error
        if isinstance(span, AtMost) and len(body) > span.length:
            raise too_long(span.length, str(path))
        if isinstance(span, Span) and len(body) != span.length:
            raise StoreError(f"the file ends after {len(body)} of {span.length} bytes", str(path))
        return body

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Look which folders are there, a thousand at most; see :meth:`Lister.names`."""
        return await asyncio.to_thread(self._names, self._root / folder)

    def _names(self, folder: Path) -> tuple[str, ...]:
        try:
            with os.scandir(folder) as entries:
                return tuple(entry.name for entry in islice(entries, MAX_NAMES) if entry.is_dir())
        except OSError:
            return ()  # a help for people, where the folder can be listed


def _most(span: ByteRange) -> int:
    """Bytes to take of a file; one more than allowed shows that there are too many."""
    return span.length + 1 if isinstance(span, AtMost) else span.length


def open_session(max_connections: int) -> aiohttp.ClientSession:
    """Make the HTTP session of an engine. Must run inside the event loop; its owner closes it."""
    connector = aiohttp.TCPConnector(limit=max_connections, limit_per_host=max_connections)
    timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=CONNECT_S, sock_read=READ_S)
    # The bytes of a store must come as they are stored: nothing here unpacks what a server has packed for the way.
    headers = {"Accept-Encoding": "identity"}
    return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers, auto_decompress=False)
