"""Bytes by key over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from time import time
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp
from yarl import URL

from brickstream.chunks.http.client import SHEDDING, TRANSIENT, HttpClient, Reply, Request
from brickstream.chunks.http.pages import MAX_PAGE, folders_in_page
from brickstream.chunks.reader import AtMost, ByteRange, Span, Suffix, check_key, nothing_started, too_long
from brickstream.chunks.traffic import Exchange
from brickstream.errors import AccessDeniedError, BrickstreamError, StoreError, TimedOutError, TransientError, redact

MAX_REDIRECTS = 5
# No value of a store is longer; an answer without end must not fill the memory.
MAX_BODY = 1 << 32
_URL_SAFE = "%/:?@!$&'()*+,;=~"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class HttpReader:
    """Keys under an HTTP URL.

    The query of the URL (a pre-signed one, say) is kept on every key and never shown.

    Parameters
    ----------
    url : str
    client : HttpClient
    """

    def __init__(self, url: str, client: HttpClient) -> None:
        parts = urlsplit(url)
        # People write spaces and umlauts; what is encoded already stays as it is.
        path, query = (quote(part, safe=_URL_SAFE) for part in (parts.path.rstrip("/"), parts.query))
        self._base = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        self._query = f"?{query}" if query else ""
        self._client = client
        self.url = redact(url).rstrip("/")

    def _url(self, key: str) -> URL:
        # Encoded already: yarl must not quote a pre-signed query a second time.
        return URL(f"{self._base}/{quote(key)}{self._query}" if key else f"{self._base}{self._query}", encoded=True)

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read over HTTP; see :meth:`brickstream.chunks.reader.Reader.read`. Cancelling closes the request."""
        return (await self.read_tagged(key, span, None, started)).body

    async def read_tagged(
        self, key: str, span: ByteRange | None, tag: str | None, started: Callable[[], None] = nothing_started
    ) -> Reply:
        """Read what may be known already, by the tag of an earlier answer.

        Raises
        ------
        BrickstreamError
            As :meth:`read`.
        """
        where = f"{self.url}/{key}"
        check_key(key, where)
        return await _HttpRequest(self._client, self._url(key), where, span, tag).settled(started)

    async def names(self, folder: str = "") -> tuple[str, ...]:
        """Read the page that many servers make of a folder; see :meth:`Lister.names`."""
        try:
            page = await self.read(f"{folder}/" if folder else "", AtMost(MAX_PAGE))
        except StoreError:
            return ()  # a help for people, which most servers do not give
        return folders_in_page(page or b"")


class _HttpRequest(Request):
    """A GET of one URL."""

    def __init__(self, client: HttpClient, url: URL, where: str, span: ByteRange | None, tag: str | None) -> None:
        super().__init__(client, url, where)
        self._span = span
        self._tag = tag

    async def _send(self, exchange: Exchange, started: Callable[[], None]) -> Reply:
        """Send the request, and again wherever the server redirects to."""
        client, where = self._client, self._where
        url, headers, secrets = self._url, self._headers(), client.secrets
        client.connect_ahead(self._host)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                way = (self._host.way if url is self._url else None) or await client.way(url)
                login = way.login if url.user is None else {}
                answer = await self._get(url, {**headers, **secrets, **login}, way.proxy, exchange, started)
                if not isinstance(answer, URL):
                    return answer
                # What was meant for one server is not for another.
                secrets = secrets if answer.origin() == url.origin() else {}
                url = answer
        except Exception as error:
            raise _told(error, where) from error
        raise StoreError(f"more than {MAX_REDIRECTS} redirects", where)

    async def _get(
        self, url: URL, headers: dict[str, str], proxy: str | None, exchange: Exchange, started: Callable[[], None]
    ) -> Reply | URL:
        """Ask one server: its answer, or where it redirects to."""
        client = self._client
        async with client.gate:
            sent = client.session.get(url, headers=headers, proxy=proxy, allow_redirects=False)
            with client.patience.waiting() as wait:
                async with sent as response:
                    began = asyncio.get_running_loop().time()
                    wait.arrives(response.content, began)
                    exchange.begins(began, response.status)
                    if response.status in _REDIRECTS:
                        return _target(response, url, self._where)
                    return await self._take(response, exchange, started)

    def _headers(self) -> dict[str, str]:
        headers = {} if self._span is None or isinstance(self._span, AtMost) else {"Range": _range_header(self._span)}
        if self._tag is not None:
            headers["If-None-Match" if self._tag.startswith(('"', "W/")) else "If-Modified-Since"] = self._tag
        return headers

    async def _take(self, response: aiohttp.ClientResponse, exchange: Exchange, started: Callable[[], None]) -> Reply:
        status, where = response.status, self._where
        if status in self._client.options.missing_statuses:
            return Reply(None)
        if status == 304 and self._tag is not None:
            return Reply(None, self._tag, unchanged=True)
        _raise_for_status(response, where)
        started()
        body = await self._body(response, exchange)
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
        return Reply(_cut(body, self._span, status, where), tag)

    async def _body(self, response: aiohttp.ClientResponse, exchange: Exchange) -> bytes:
        """Take an answer, as much of it as is allowed."""
        exchange.arrives(response.content)
        limit = self._span.length if isinstance(self._span, AtMost) else MAX_BODY
        promised = response.content_length
        if promised is not None and promised <= limit:
            body = await response.read()
            exchange.took(len(body))
            return body
        pieces = bytearray()
        if promised is None:
            async for piece in response.content.iter_any():
                exchange.took(len(piece))
                pieces += piece
                if len(pieces) > limit:
                    break
        if promised is not None or len(pieces) > limit:
            response.close()
            raise too_long(limit, self._where)
        return bytes(pieces)


def _target(response: aiohttp.ClientResponse, url: URL, where: str) -> URL:
    """Where a redirect leads to; only other HTTP servers are followed to."""
    try:
        target = url.join(URL(response.headers.get("Location", ""), encoded=True))
    except ValueError as error:
        raise StoreError("a redirect to something that is no URL", where) from error
    if target.scheme not in ("http", "https") or not target.host:
        raise StoreError(f"a redirect to a URL of kind {target.scheme}", where)
    if target.origin() == url.origin() and target.user is None:
        target = target.with_user(url.user).with_password(url.password)
    return target


def _told(error: Exception, where: str) -> BrickstreamError:
    """Say what went wrong with a request, without what it carried."""
    if isinstance(error, BrickstreamError):
        return error
    if isinstance(error, TimeoutError):
        return TimedOutError("no answer in time", where, "the server is slow or gone; try again")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return StoreError("no such host", where, "check the spelling and the network")
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return StoreError(
            f"no secure connection ({type(error).__name__})", where, "the server's certificate is no good"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return TransientError("cannot connect", where, f"{error.strerror or error.os_error}; is the server running?")
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return StoreError("not a usable URL", where, "check the spelling")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | ConnectionError):
        return TransientError("the answer broke off", where, "the connection was lost")
    if isinstance(error, aiohttp.ClientError):
        return StoreError(f"the request failed ({type(error).__name__})", where)
    raise error


def _range_header(span: Span | Suffix) -> str:
    if isinstance(span, Suffix):
        return f"bytes=-{span.length}"
    return f"bytes={span.start}-{span.start + span.length - 1}"


def _raise_for_status(response: aiohttp.ClientResponse, where: str) -> None:
    status = response.status
    if status in (401, 403):
        hint = "this may need a login or a signed URL"
        if status == 403:
            hint += "; where it only says that a key is absent, set missing_statuses=(404, 403)"
        raise AccessDeniedError(f"access denied (HTTP {status})", where, hint)
    if status in TRANSIENT:
        asked = _retry_after(response.headers.get("Retry-After", ""))
        hint = "the server could not answer; try again later"
        raise TransientError(f"HTTP {status}", where, hint, retry_after_s=asked, shedding=status in SHEDDING)
    if status not in (200, 206):
        raise StoreError(f"HTTP {status}", where, "the server does not answer such a request")


def _retry_after(text: str) -> float | None:
    """Seconds that a server asks to wait: a number, or a date."""
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except ValueError:
        return None


def _cut(body: bytes, span: ByteRange | None, status: int, where: str) -> bytes:
    """Take the wanted part out of a whole answer: servers may ignore Range."""
    if span is None or isinstance(span, AtMost):
        return body
    if status == 200:
        body = body[-span.length :] if isinstance(span, Suffix) else body[span.start : span.start + span.length]
    if len(body) != span.length and not isinstance(span, Suffix):
        raise StoreError(f"the answer has {len(body)} bytes instead of {span.length}", where)
    return body
