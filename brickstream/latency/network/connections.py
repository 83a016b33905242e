"""The TCP connections of a server: their numbers, who is served, what each may still ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from aiohttp import web

from brickstream.latency.network.link import Link

if TYPE_CHECKING:
    from brickstream.latency.network.shaping import Network

# An hour, as long as the connections of a client that does nothing may stay.
_KEEP_ALIVE_S = 3600.0


class Connection:
    """One TCP connection, from the side of the server.

    Parameters
    ----------
    number : int
        How many came before it since the server started.
    network : Network
        The network to pretend.
    """

    def __init__(self, number: int, network: Network) -> None:
        self.number = number
        self.link = Link(network.connection_mbps)
        self._network = network
        self._asked = 0
        self._ready_at = inf
        self._admitted = asyncio.Event()

    def admit(self) -> None:
        """Let it be set up, and its requests be served."""
        if not self._admitted.is_set():
            self._ready_at = asyncio.get_running_loop().time() + self._network.connect_s
            self._admitted.set()

    async def admission(self) -> None:
        """Wait until it is served."""
        await self._admitted.wait()

    def ask(self) -> tuple[float, bool]:
        """Count a request; return the seconds of setting up that are left, and whether it is the last one here.

        A connection that was made before it was needed is ready sooner.
        """
        self._asked += 1
        most = self._network.requests_per_connection
        left = self._ready_at - asyncio.get_running_loop().time()
        return max(0.0, left), most is not None and self._asked >= most


Serve = Callable[[web.BaseRequest, Connection], Awaitable[web.StreamResponse]]


class Listener(web.Server):
    """Accepts connections and knows each of them until it closes. It lives in one event loop.

    Parameters
    ----------
    serve : callable
        A coroutine function that answers a request on a connection.
    network : Network
        The network to pretend.
    """

    def __init__(self, serve: Serve, network: Network) -> None:
        keep_alive = _KEEP_ALIVE_S if network.keep_alive_s is None else network.keep_alive_s
        # Without handler_cancellation aiohttp would send the rest of a response into the void and call it served.
        super().__init__(self._pass_on, handler_cancellation=True, access_log=None, keepalive_timeout=keep_alive)
        self._serve = serve
        self._network = network
        self._open: dict[asyncio.BaseProtocol, Connection] = {}
        self._accepted = 0

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Know a connection from now on; aiohttp calls this."""
        super().connection_made(handler, transport)
        self._open[handler] = Connection(self._accepted, self._network)
        self._accepted += 1
        self._admit()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection, and serve one that waited; aiohttp calls this."""
        super().connection_lost(handler, exc)
        self._open.pop(handler, None)
        self._admit()

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._serve(request, self._open[request.protocol])

    def _admit(self) -> None:
        """Admit those that came first, as many as are served at once."""
        for connection in islice(self._open.values(), self._network.max_connections):
            connection.admit()
