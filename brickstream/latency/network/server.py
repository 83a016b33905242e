"""An HTTP server on the loopback that can behave like a far and bad network."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

from aiohttp import web

from brickstream.errors import BrickstreamError, ClosedError, NotFoundError, StoreError
from brickstream.latency.network.answers import Answer, Asked, Quirks, answer
from brickstream.latency.network.connections import Connection, Listener
from brickstream.latency.network.content import Content, file_content
from brickstream.latency.network.exchange import Exchange
from brickstream.latency.network.faults import Fault, Faults, fault_for
from brickstream.latency.network.link import Link
from brickstream.latency.network.record import Course, Outcome, RequestRecord
from brickstream.latency.network.shaping import Network
from brickstream.latency.network.synthetic import synthetic_content

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Fault", "Faults", "Network", "Quirks", "RequestRecord", "Server", "ThreadedServer"]

_CONTROL = "/_serve/"
_SYNTHETIC = "synthetic/"
_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
# A request that slips in while the server stops is broken off as well.
_SHUTDOWN_S = 0.1


class Server:
    """Serves a folder, and computed volumes below ``/synthetic/ZxYxX/``, over HTTP on the loopback.

    An async context manager; it lives in the event loop in which it is entered. Range, HEAD and CORS work; there are no
    listings of folders and nothing outside the root is served. ``GET /_serve/log`` returns the log as JSON
    (``?since=N`` leaves out the first N rows), ``DELETE /_serve/log`` clears it, ``GET /_serve/clock`` tells the time
    on the clock of the log; these are neither delayed nor logged.

    Parameters
    ----------
    root : Path or None
        The folder to serve; None serves only the computed volumes. A folder ``synthetic`` in it is hidden by them.
    network : Network
        The network to pretend.
    host : str, default "127.0.0.1"
        Address to listen on, of the loopback.
    port : int, default 0
        Port to listen on; 0 takes any free one.
    faults : Faults or None, default None
        What shall go wrong, for tests: ``faults(key, n)`` for the n-th request (from 0) of a key, or a mapping of keys.
    quirks : Quirks
        How this server differs from a plain one.

    Examples
    --------
    >>> async with Server(Path("data"), Network(latency_ms=50)) as server:  # doctest: +SKIP
    ...     image = await engine.open(f"{server.url}/brain.ome.zarr")
    """

    def __init__(
        self,
        root: Path | None,
        network: Network = Network(),  # noqa: B008 - frozen
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        quirks: Quirks = Quirks(),  # noqa: B008 - frozen
    ) -> None:
        self._root = None if root is None else Path(root)
        self._network = network
        self._host = host
        self._port = port
        self._faults = faults
        self._quirks = quirks
        self._log: list[RequestRecord] = []
        self._asked: Counter[tuple[str, str | None]] = Counter()
        self._running: set[asyncio.Task[object]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._link = Link(network.bandwidth_mbps)
        self._runner: web.ServerRunner | None = None
        self._started_at = 0.0
        self._url = ""

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises
        ------
        NotFoundError
            When the root is not a folder.
        BrickstreamError
            When the host is not of the loopback.
        StoreError
            When the port is taken.
        """
        _check_loopback(self._host)
        if self._root is not None and not await asyncio.to_thread(self._root.is_dir):
            raise NotFoundError("there is no such folder to serve", str(self._root))
        self._runner = web.ServerRunner(Listener(self._serve, self._network), shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        self._started_at = asyncio.get_running_loop().time()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self._host}:{self._port}"
            raise StoreError(f"cannot listen: {error.strerror}", where, "choose another port") from error
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._url = f"http://{host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and break off what is still being sent."""
        if self._runner is None:
            return
        for site in list(self._runner.sites):
            await site.stop()
        for task in self._running:
            task.cancel()
        await self._idle.wait()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where the root is, such as ``http://127.0.0.1:8000``, without a slash at the end.

        Raises
        ------
        ClosedError
            When the server was not entered.
        """
        if not self._url:
            raise ClosedError("the server has no URL before it is entered")
        return self._url

    @property
    def log(self) -> list[RequestRecord]:
        """A copy of the log, one row per request in the order in which they ended. Safe in any thread."""
        return list(self._log)

    def clear_log(self) -> None:
        """Forget the log and which requests came before: jitter, errors and faults begin anew."""
        self._log.clear()
        self._asked.clear()

    async def idle(self) -> None:
        """Wait until no request is being answered: then the log is complete."""
        await self._idle.wait()

    def _control(self, request: web.BaseRequest) -> web.Response:
        """Answer what is asked of the server itself."""
        wanted = (request.method, request.rel_url.raw_path)
        if wanted == ("GET", "/_serve/log"):
            return self._log_from(request.query.get("since", "0"))
        if wanted == ("GET", "/_serve/clock"):
            now = asyncio.get_running_loop().time() - self._started_at
            return web.json_response({"now": now}, headers=_ANY_ORIGIN)
        if wanted == ("DELETE", "/_serve/log"):
            self.clear_log()
            return web.Response(status=204, headers=_ANY_ORIGIN)
        raise web.HTTPNotFound(text="there is only GET and DELETE /_serve/log, and GET /_serve/clock\n")

    def _log_from(self, since: str) -> web.Response:
        if not (since.isascii() and since.isdigit()):
            raise web.HTTPBadRequest(text="since must be a whole number, such as /_serve/log?since=10\n")
        return web.json_response([asdict(row) for row in self._log[int(since) :]], headers=_ANY_ORIGIN)

    async def _serve(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        if request.rel_url.raw_path.startswith(_CONTROL):
            return self._control(request)
        task = asyncio.current_task()
        if task is None:  # pragma: no cover - a coroutine of aiohttp always runs in a task
            raise web.HTTPInternalServerError
        self._running.add(task)
        self._idle.clear()
        try:
            return await self._answer(request, connection)
        finally:
            self._running.discard(task)
            if not self._running:
                self._idle.set()

    async def _answer(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        key = unquote(request.rel_url.raw_path).removeprefix("/")
        asked = Asked.of(request.method, request.headers)
        delay, fault = self._fate(key, asked.range)

        def finished(course: Course, outcome: Outcome) -> None:
            self._log.append(course.record(key, asked, connection.number, outcome, self._started_at))

        exchange = Exchange(request, connection, self._link, finished)
        return await exchange.run(delay, partial(_decide, self._root, key, asked, fault, self._quirks))

    def _fate(self, key: str, range_header: str | None) -> tuple[float, Fault | None]:
        """Return the latency in seconds and the fault of this request, and count it."""
        of_key, of_range = (key, None), (key, range_header or "")
        scripted = fault_for(self._faults, key, self._asked[of_key])
        delay, random = self._network.draw(*of_range, self._asked[of_range])
        self._asked.update((of_key, of_range))
        return delay, scripted or random


def _decide(root: Path | None, key: str, asked: Asked, fault: Fault | None, quirks: Quirks) -> Answer:
    return answer(asked, _find(root, key), fault, quirks)


def _find(root: Path | None, key: str) -> Content | None:
    if key.startswith(_SYNTHETIC):
        return synthetic_content(key.removeprefix(_SYNTHETIC))
    return None if root is None else file_content(root, key)


def _check_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise BrickstreamError("the server listens on this machine only", host, "use 127.0.0.1")


class ThreadedServer:
    """A :class:`Server` in a thread and event loop of its own, for callers without an event loop.

    A context manager. Its parameters are those of :class:`Server`; :attr:`url`, :attr:`log`, :meth:`idle` and
    :meth:`clear_log` may be used from any thread.

    Parameters
    ----------
    root : Path or None
        The folder to serve; None serves only the computed volumes.
    network : Network
        The network to pretend.
    host, port, faults, quirks
        As in :class:`Server`.
    """

    def __init__(
        self,
        root: Path | None,
        network: Network = Network(),  # noqa: B008 - frozen
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        quirks: Quirks = Quirks(),  # noqa: B008 - frozen
    ) -> None:
        self._server = Server(root, network, host=host, port=port, faults=faults, quirks=quirks)
        self._thread = threading.Thread(target=self._run, name="brickstream-serve", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        """Start the thread and wait until the server listens; raises what :class:`Server` raises."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and wait for its thread."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._error is not None:
            raise self._error

    @property
    def url(self) -> str:
        """As :attr:`Server.url`."""
        return self._server.url

    @property
    def log(self) -> list[RequestRecord]:
        """As :attr:`Server.log`."""
        return self._server.log

    def clear_log(self) -> None:
        """As :meth:`Server.clear_log`; returns when it is done."""
        loop = self._require_loop()
        asyncio.run_coroutine_threadsafe(self._clear(), loop).result()

    def idle(self) -> None:
        """Wait until no request is being answered: then the log is complete."""
        loop = self._require_loop()
        asyncio.run_coroutine_threadsafe(self._server.idle(), loop).result()

    async def _clear(self) -> None:
        self._server.clear_log()

    def _require_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise ClosedError("the server is not running")
        return self._loop

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that started this one
            self._error = error
        finally:
            self._loop = None
            self._ready.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._server:
            self._ready.set()
            await self._stop.wait()
