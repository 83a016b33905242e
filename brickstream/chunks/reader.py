"""Bytes by key: over HTTP, from a folder, or from any Zarr store.

A reader answers None where nothing is there, and raises where it cannot know. Everything runs on the event loop of the
engine; what blocks runs in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit
from urllib.request import url2pathname

import aiohttp
from yarl import URL

from brickstream.errors import AccessDeniedError, BrickstreamError, NotFoundError, StoreError, TimedOutError, redact

if TYPE_CHECKING:
    from zarr.abc.store import Store

CONNECT_S = 20.0
READ_S = 60.0
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


ByteRange = Suffix | Span


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
        """


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
        headers = {"Range": _range_header(span)} if span is not None else {}
        self._traffic.requests += 1
        try:
            # Encoded already: yarl must not quote a pre-signed query a second time.
            async with self._session.get(URL(self._url(key), encoded=True), headers=headers) as response:
                status = response.status
                if status == 404 or status == 410:
                    return None
                _raise_for_status(status, where)
                started()
                body = await response.read()
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
        self._traffic.bytes_read += len(body)
        return _cut(body, span, status, where)


def _range_header(span: ByteRange) -> str:
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
    if span is None:
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
                elif span is not None:
                    file.seek(span.start)
                body = file.read() if span is None else file.read(span.length)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except PermissionError as error:
            raise AccessDeniedError("access denied", str(path), "check the file's permissions") from error
        except OSError as error:
            raise StoreError(f"cannot be read ({error.strerror})", str(path)) from error
        if isinstance(span, Span) and len(body) != span.length:
            raise StoreError(f"the file ends after {len(body)} of {span.length} bytes", str(path))
        return body


class StoreReader:
    """Keys of any ``zarr.abc.store.Store``: memory, zip, object stores, one of your own."""

    def __init__(self, store: Store, traffic: Traffic, url: str = "") -> None:
        self._store = store
        self._traffic = traffic
        self.url = redact(url or str(store))

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read from the store; see :meth:`Reader.read`."""
        from zarr.abc.store import RangeByteRequest, SuffixByteRequest
        from zarr.core.buffer import default_buffer_prototype
        from zarr.storage import StorePath

        request: RangeByteRequest | SuffixByteRequest | None = None
        if isinstance(span, Suffix):
            request = SuffixByteRequest(span.length)
        elif span is not None:
            request = RangeByteRequest(span.start, span.start + span.length)
        self._traffic.requests += 1
        try:
            # Opens a store that its owner has not opened yet (a zip file, say); closing it stays with the owner.
            await StorePath.open(self._store, "", mode=None)
            value = await self._store.get(key, default_buffer_prototype(), request)
        except FileNotFoundError:
            return None
        except BrickstreamError:
            raise
        except Exception as error:
            # A store of somebody else's may raise anything; the chunk has failed, and the reason is told.
            raise StoreError(f"the store failed ({type(error).__name__}: {error})", f"{self.url}/{key}") from error
        started()
        if value is None:
            return None
        body = value.to_bytes()
        self._traffic.bytes_read += len(body)
        return body


def open_session(max_connections: int) -> aiohttp.ClientSession:
    """Make the HTTP session of an engine. Must run inside the event loop; its owner closes it."""
    connector = aiohttp.TCPConnector(limit=max_connections, limit_per_host=max_connections)
    timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=CONNECT_S, sock_read=READ_S)
    # The bytes of a store must come as they are stored: nothing here unpacks what a server has packed for the way.
    headers = {"Accept-Encoding": "identity"}
    return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers, auto_decompress=False)


def make_reader(where: object, session: aiohttp.ClientSession, traffic: Traffic) -> Reader:
    """Choose the reader for a URL, a path or a Zarr store.

    Parameters
    ----------
    where : str, pathlib.Path or zarr.abc.store.Store
        An ``http(s)://`` or ``file://`` URL, any other URL that fsspec knows, a local path, or a store object.
    session : aiohttp.ClientSession
        For HTTP.
    traffic : Traffic
        Where requests and bytes are counted.

    Raises
    ------
    NotFoundError
        If a local path does not exist or is not a folder.
    StoreError
        If the kind of URL is not known here.
    """
    if isinstance(where, Path):
        return LocalReader(_folder(where), traffic)
    if not isinstance(where, str):
        return StoreReader(_zarr_store(where), traffic)
    if not where.strip():
        raise StoreError("the URL is empty", "", "give an http(s) URL or a folder")
    parts = _split(where)
    scheme = parts.scheme.lower()
    if scheme in ("http", "https"):
        if not parts.hostname:
            raise StoreError("the URL has no host", redact(where), "it looks like http://host/path")
        return HttpReader(where, session, traffic)
    if scheme == "file":
        return LocalReader(_folder(Path(url2pathname(parts.path))), traffic)
    if "://" not in where:
        return LocalReader(_folder(Path(where)), traffic)
    return StoreReader(_fsspec_store(where, scheme), traffic, where)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        # What cannot be taken apart cannot be redacted either: the message must do without it.
        raise StoreError("the URL cannot be read", "", "it looks like http://host:8000/path") from error
    return parts


def _folder(path: Path) -> Path:
    if not path.exists():
        raise NotFoundError("no such folder", str(path), "check the spelling; a URL starts with http:// or https://")
    if not path.is_dir():
        raise NotFoundError(
            "not a Zarr folder but a file", str(path), "give the folder that holds zarr.json or .zgroup"
        )
    return path


def _zarr_store(where: object) -> Store:
    from zarr.abc.store import Store

    if not isinstance(where, Store):
        raise StoreError("not a URL, a path or a Zarr store", type(where).__name__)
    return where


def _fsspec_store(url: str, scheme: str) -> Store:
    import fsspec
    from zarr.storage import FsspecStore

    if scheme not in fsspec.available_protocols():
        raise StoreError(f"unknown kind of URL {scheme}://", redact(url), "http(s):// and local paths always work")
    try:
        return FsspecStore.from_url(url, read_only=True)
    except ImportError as error:
        raise StoreError(f"{scheme}:// needs a package that is not installed", redact(url), str(error)) from error
