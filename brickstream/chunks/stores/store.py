"""Bytes by key out of stores of any kind: what they have in common, and what their many errors mean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Protocol

from yarl import URL

from brickstream.chunks.http.client import SHEDDING, TRANSIENT, HttpClient, Reply, Request
from brickstream.chunks.reader import MAX_NAMES, AtMost, ByteRange, Span, check_key, nothing_started, too_long
from brickstream.chunks.traffic import Exchange
from brickstream.errors import (
    AccessDeniedError,
    BrickstreamError,
    StoreError,
    TimedOutError,
    TransientError,
    redact,
)

_URLS = re.compile(r"\w[\w+.-]*://[^\s'\"<>]+")
_NOT_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class Backend(Protocol):
    """One kind of store, as a :class:`StoreReader` sees it: it may raise anything."""

    async def get(self, path: str, span: ByteRange | None, began: Callable[[], None]) -> bytes | None:
        """Read a value, or at least the part that is wanted; None where it is not there.

        Calls `began` when the answer begins, where it can tell.
        """

    async def folders(self, path: str) -> Iterable[str]:
        """Names of the folders in a folder."""


class StoreReader:
    """Keys below a place in a store.

    Parameters
    ----------
    backend : Backend
    client : HttpClient
        Its traffic counts the reads. Of a store that is far away it knows the pace, and asks again as it does for HTTP.
    url : str
        Where the place is, for people; no secrets.
    root : str, default ""
        Path of the place in the store.
    server : str, default ""
        Names the server of a store that is far away.
    """

    def __init__(self, backend: Backend, client: HttpClient, url: str, root: str = "", server: str = "") -> None:
        self._backend = backend
        self._client = client
        self._root = root
        # A name that the bookkeeping of servers takes; no request goes there.
        self._server = URL.build(scheme="store", host=re.sub(r"[^a-z0-9.-]", "-", server.lower())) if server else None
        self.url = url

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if self._root and key else self._root or key

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read from the store; see :meth:`brickstream.chunks.reader.Reader.read`. Cancelling ends the request."""
        where = f"{self.url}/{key}"
        check_key(key, where)
        if self._server is None:
            with Exchange(self._client.traffic, where) as exchange:
                body = await self._get(key, span, where, _Begin(exchange, started))
        else:
            ask = partial(self._get, key, span, where)
            body = (await _StoreRequest(self._client, self._server, where, ask).settled(started)).body
        if body is not None:
            _check_length(body, span, where)
        return body

    async def _get(self, key: str, span: ByteRange | None, where: str, begin: _Begin) -> bytes | None:
        try:
            body = await self._backend.get(self._path(key), span, begin)
        except Exception as error:
            # A store of somebody else's may raise anything; the chunk has failed, and the reason is told.
            told = explain(error, where, self._client.options.missing_statuses)
            if told is None:
                return None
            raise told from error
        if body is not None:
            begin()
            begin.exchange.took(len(body))
        return body

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Ask the store what there is; see :meth:`brickstream.chunks.reader.Lister.names`."""
        try:
            found = await self._backend.folders(self._path(folder))
        except Exception:  # noqa: BLE001 - a store of somebody else's may raise anything; this is only a help
            return ()
        return tuple(islice((name for name in found if not name.startswith(".") and name != "zarr.json"), MAX_NAMES))


class _Begin:
    """Says once that an answer begins, however often it is told so."""

    def __init__(self, exchange: Exchange, started: Callable[[], None]) -> None:
        self.exchange = exchange
        self._started = started

    def __call__(self) -> None:
        if self.exchange.began is None:
            self.exchange.begins(asyncio.get_running_loop().time())
            self._started()


class _StoreRequest(Request):
    """A read of a store that is far away."""

    def __init__(
        self, client: HttpClient, server: URL, where: str, ask: Callable[[_Begin], Awaitable[bytes | None]]
    ) -> None:
        super().__init__(client, server, where)
        self._ask_store = ask

    async def _send(self, exchange: Exchange, started: Callable[[], None]) -> Reply:
        return Reply(await self._ask_store(_Begin(exchange, started)))


def explain(error: Exception, where: str, missing: Collection[int]) -> BrickstreamError | None:
    """Say what the error of a store means; None where it only says that nothing is there.

    Parameters
    ----------
    error : Exception
        Of a file system, a cloud's own library, anybody's store.
    where : str
    missing : collection of int
        HTTP statuses that mean "not there".
    """
    if isinstance(error, BrickstreamError):
        return error
    status, code = _answer(error)
    refused = isinstance(error, PermissionError) or status in (401, 403)
    if isinstance(error, _NOT_THERE) or (status in missing and not refused):
        return None
    # Wrong keys are refused like absent ones, but with another word: they are never "not there".
    if refused and status != 401 and 403 in missing and code in ("", "AccessDenied", "Forbidden"):
        return None
    text = _in_short(error)
    if refused:
        hint = "it may need other credentials; where it only says that a key is absent, set missing_statuses=(404, 403)"
        return AccessDeniedError(f"access denied ({text})", where, hint)
    if isinstance(error, TimeoutError):
        return TimedOutError("no answer in time", where, "the server is slow or gone; try again")
    if status in TRANSIENT or (status is None and _lost(error)):
        hint = "the server could not answer; try again later"
        return TransientError(f"no answer ({text})", where, hint, shedding=status in SHEDDING)
    return StoreError(f"the store failed ({text})", where)


def scrub(text: str) -> str:
    """Redact every URL in a text of somebody else's, and keep one line of it."""
    line = next(iter(text.strip().splitlines()), "")
    line = _URLS.sub(lambda found: redact(found[0]), line)
    return line if len(line) <= 300 else f"{line[:297]}..."


def _in_short(error: Exception) -> str:
    text = scrub(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _answer(error: Exception) -> tuple[int | None, str]:
    """Find the HTTP status behind an error, and the code of S3, if there are any."""
    for cause in _causes(error):
        response = getattr(cause, "response", None)
        if isinstance(response, dict):  # botocore
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return status, str(response.get("Error", {}).get("Code", ""))
        for name in ("status", "status_code", "code"):  # aiohttp, Azure, Google
            value = getattr(cause, name, None)
            if isinstance(value, int) and 400 <= value < 600:
                return value, ""
    return None, ""


def _lost(error: Exception) -> bool:
    """Whether a connection could not be made or was lost; only libraries that are loaded can have raised that."""
    kinds = {"ClientConnectionError", "ClientPayloadError", "HTTPClientError", "ConnectionError", "IncompleteReadError"}
    return any(kind.__name__ in kinds for cause in _causes(error) for kind in type(cause).__mro__)


def _check_length(body: bytes, span: ByteRange | None, where: str) -> None:
    if isinstance(span, AtMost) and len(body) > span.length:
        raise too_long(span.length, where)
    if isinstance(span, Span) and len(body) != span.length:
        raise StoreError(f"the answer has {len(body)} bytes instead of {span.length}", where)
