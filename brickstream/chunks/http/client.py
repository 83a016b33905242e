"""The way to servers: how they are asked, what is known of each, and a question that is put until it is answered."""

from __future__ import annotations

import asyncio
import base64
import netrc
import os
import warnings
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from brickstream.chunks.http.early import EarlyConnector
from brickstream.chunks.http.hedge import Hedge
from brickstream.chunks.http.pace import FIRST_WINDOW, Answer, Pace
from brickstream.chunks.http.patience import Patience
from brickstream.chunks.http.retry import Circuit, RetryPolicy
from brickstream.chunks.traffic import Exchange, Traffic
from brickstream.errors import BrickstreamError, StoreError, TimedOutError, TransientError

# So often is a server asked that has never given an answer of use.
TRIES_OF_STRANGERS = 3
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
SHEDDING = frozenset({429, 503})


@dataclass(frozen=True)
class HttpOptions:
    """How servers are asked.

    Parameters
    ----------
    headers : mapping of str to str
        Sent with every request, but not to other hosts that a server redirects to.
    token : str, default ""
        Sent as ``Authorization: Bearer ...``, likewise.
    proxy : str, default ""
        URL of a proxy. Without one, those of the environment are used where `trust_env` is set.
    trust_env : bool, default True
        Whether ``.netrc``, ``HTTP_PROXY`` and their like count.
    connect_s, read_s : float
        Seconds to wait for a connection, and for an answer to begin.
    stall_s : float
        Seconds to wait for the next bytes of an answer that has begun; no more than `read_s`.
    missing_statuses : tuple of int
        HTTP statuses that say "there is no such key". A bucket that must not be listed answers 403.
    retry : RetryPolicy
    hedge : bool, default True
        Whether late reads are asked for twice.
    connect_ahead : bool, default True
        Whether connections are made for reads that wait, while the first picture of a view is under way.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    trust_env: bool = True
    connect_s: float = 20.0
    read_s: float = 30.0
    stall_s: float = 8.0
    missing_statuses: tuple[int, ...] = (404, 410)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    hedge: bool = True
    connect_ahead: bool = True

    def credentials(self) -> dict[str, str]:
        """Headers that other hosts must not see."""
        token = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {**self.headers, **token}


@dataclass(frozen=True)
class Way:
    """How a server is reached: through which proxy, as whom."""

    proxy: str | None = field(default=None, repr=False)
    login: Mapping[str, str] = field(default_factory=dict, repr=False)


class Host:
    """What is known of one server."""

    def __init__(self, origin: URL, most: int) -> None:
        self.origin = origin
        self.pace = Pace(most)
        self.hedge = Hedge(self.pace)
        self.circuit = Circuit()
        self.good = False
        self.way: Way | None = None
        self.last_failure: StoreError | None = None


class HttpClient:
    """The way to all servers: one session, and what is known of each server. Made inside the event loop.

    Parameters
    ----------
    session : aiohttp.ClientSession
        Its owner closes it; see :func:`open_client`.
    connector : EarlyConnector
        Of the session.
    traffic : Traffic
    most : int
        Reads of one server at the same time.
    options : HttpOptions
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        connector: EarlyConnector,
        traffic: Traffic,
        most: int,
        options: HttpOptions,
    ) -> None:
        self.session = session
        self.traffic = traffic
        self.options = options
        self.secrets = options.credentials()
        self.dice = Random()
        self.waiting = 0
        # What readers of other kinds of store keep open between reads, by what it is for; closed with the client.
        self.kept: dict[Hashable, Any] = {}
        self.closing = AsyncExitStack()
        self.patience = Patience(options.read_s + options.connect_s, min(options.stall_s, options.read_s))
        # Who waits for a connection does not wait for an answer yet.
        self.gate = asyncio.Semaphore(_connections(most, options))
        self.closing.callback(self.patience.close)
        self._connector = connector
        self.closing.push_async_callback(connector.end_unused)
        self.most = most
        self._hosts: dict[URL, Host] = {}

    def host(self, url: URL) -> Host:
        """Find or make what is known of the server of a URL."""
        origin = url.origin()
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = Host(origin, self.most)
        return host

    async def way(self, url: URL) -> Way:
        """Find out how a server is reached. The environment is asked once for each: that reads files."""
        host = self.host(url)
        if host.way is None:
            way = await asyncio.to_thread(way_of, url) if self.options.trust_env else Way()
            host.way = Way(self.options.proxy or way.proxy, {} if "Authorization" in self.secrets else way.login)
        return host.way

    def connect_ahead(self, host: Host) -> None:
        """Begin the connections to a server that the reads which wait are going to need.

        None to a server that has not been of use yet, and none through a proxy. Who calls this is one of those that
        waited, and has a connection.
        """
        wanted = min(self.waiting - 1, host.pace.window)
        if wanted > 0 and self.options.connect_ahead and host.good and host.way is not None and not host.way.proxy:
            self._connector.connect_ahead(host.origin, wanted)

    def window(self, waiting: int) -> int:
        """Say how many reads to have under way: what the fastest of the servers can do with.

        Parameters
        ----------
        waiting : int
            Reads that are wanted besides.
        """
        self.waiting = waiting
        windows = [host.pace.window for host in self._hosts.values()]
        return max(windows) if windows else min(FIRST_WINDOW, self.most)


@dataclass(frozen=True)
class Reply:
    """An answer; `body` is None where nothing is there, or where what was known is `unchanged`."""

    body: bytes | None
    tag: str | None = None
    unchanged: bool = False


def _tried(error: StoreError, failed: int) -> StoreError:
    """Say how often a read was tried."""
    if failed < 2:
        return error
    return _retold(error, error.where, f"tried {failed} times{f'; {error.hint}' if error.hint else ''}")


def _elsewhere(error: StoreError, where: str) -> StoreError:
    """Say that another read failed in the same way: the server was not asked."""
    return _retold(error, where, error.hint)


def _retold(error: StoreError, where: str, hint: str) -> StoreError:
    """Make the same error anew, with what a server asked for."""
    if isinstance(error, TransientError):
        return TransientError(error.what, where, hint, retry_after_s=error.retry_after_s, shedding=error.shedding)
    return type(error)(error.what, where, hint)


def way_of(url: URL) -> Way:
    """Look up in the environment how a server is reached: proxy variables, ``.netrc``. Blocks."""
    host = url.host or ""
    proxy = None if proxy_bypass(host) else getproxies().get(url.scheme)
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        found = netrc.netrc(path).authenticators(host) if path.is_file() else None
    except (OSError, netrc.NetrcParseError) as error:
        warnings.warn(f"{path} cannot be read ({type(error).__name__}): no passwords from there", stacklevel=2)
        found = None
    word = base64.b64encode(f"{found[0]}:{found[2]}".encode()).decode() if found else ""
    return Way(proxy, {"Authorization": f"Basic {word}"} if word else {})


class Request:
    """One question to one server, which is put again where it failed, and twice where the answer is late.

    Parameters
    ----------
    client : HttpClient
    url : yarl.URL
        Its origin says which server.
    where : str
        For people.
    """

    def __init__(self, client: HttpClient, url: URL, where: str) -> None:
        self._client = client
        self._url = url
        self._where = where
        self._host = client.host(url)
        self._failed = self._running = 0

    async def _send(self, exchange: Exchange, started: Callable[[], None]) -> Reply:
        """Put the question once, and note in the exchange what comes."""
        raise NotImplementedError

    async def settled(self, started: Callable[[], None]) -> Reply:
        """Ask until there is an answer, or no sense in asking.

        Raises
        ------
        BrickstreamError
        """
        loop, policy = asyncio.get_running_loop(), self._client.options.retry
        begun = loop.time()
        while True:
            try:
                return await self.answered(started, policy.deadline_s - (loop.time() - begun))
            except (TransientError, TimedOutError) as error:
                self._failed += 1
                asked = error.retry_after_s if isinstance(error, TransientError) else None
                wait = policy.wait(self._failed, loop.time() - begun, asked, self._client.dice)
                if wait is None or not self.promising(self._failed):
                    raise _tried(error, self._failed) from error
            self._client.traffic.retries += 1
            await asyncio.sleep(wait)

    def promising(self, failed: int) -> bool:
        """Whether another try makes sense: a server that has never been of use is more likely a wrong address."""
        return self._host.good or failed < TRIES_OF_STRANGERS

    async def answered(self, started: Callable[[], None], seconds: float) -> Reply:
        """Ask, twice where the answer is late; wait up to some seconds while the server rests."""
        host, loop = self._host, asyncio.get_running_loop()
        until = loop.time() + max(seconds, 0.0)
        while (rest := host.circuit.admit(loop.time())) > 0:
            if not host.good and host.last_failure is not None:
                raise _elsewhere(host.last_failure, self._where)
            if loop.time() + rest > until:
                raise StoreError("the server has failed many times in a row", self._where, "try again later")
            await asyncio.sleep(rest)
        if self._client.options.hedge:
            return await host.hedge.race(self._ask, started)
        return await self._ask(started)

    async def _ask(self, started: Callable[[], None]) -> Reply:
        host, loop = self._host, asyncio.get_running_loop()
        host.pace.requests += 1
        host.pace.running += 1
        asked = loop.time()
        exchange = Exchange(self._client.traffic, self._where, self._failed, hedge=self._running > 0)
        self._running += 1
        try:
            with exchange:
                reply = await self._send(exchange, started)
        except (TransientError, TimedOutError) as error:
            host.circuit.failed(loop.time())
            host.last_failure = error
            if isinstance(error, TransientError) and error.shedding:
                host.pace.shed(loop.time())
            raise
        except BrickstreamError:
            # Refused, too long, not a place: the server itself is well.
            host.circuit.succeeded()
            raise
        except asyncio.CancelledError:
            host.circuit.gave_up()
            raise
        finally:
            self._running -= 1
            host.pace.running -= 1
        host.circuit.succeeded()
        host.good = True
        if reply.body is not None:
            full = self._client.waiting > 0 and host.pace.busy
            now = loop.time()
            began = now if exchange.began is None else exchange.began
            host.pace.answered(Answer(asked, began, now, len(reply.body), full))
            host.hedge.learned()
        return reply


@asynccontextmanager
async def open_client(
    most: int, traffic: Traffic | None = None, options: HttpOptions | None = None
) -> AsyncIterator[HttpClient]:
    """Open the way to all servers, and close its connections in the end.

    Parameters
    ----------
    most : int
        Reads of one server at the same time.
    traffic : Traffic, optional
        Counters to add to.
    options : HttpOptions, optional
    """
    traffic, options = traffic or Traffic(), options or HttpOptions()
    connector = EarlyConnector(_connections(most, options), options.connect_s)
    async with _session(connector, options) as session:
        client = HttpClient(session, connector, traffic, most, options)
        async with client.closing:
            yield client


def _connections(most: int, options: HttpOptions) -> int:
    """Connections at the same time: second requests for late reads need some beside those of the reads."""
    return most + (max(2, most // 8) if options.hedge else 0)


def _session(connector: EarlyConnector, options: HttpOptions) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=options.connect_s)
    # The bytes of a store must come as they are stored: nothing here unpacks what a server has packed for the way.
    headers = {"Accept-Encoding": "identity"}
    return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers, auto_decompress=False)
