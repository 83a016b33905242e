"""Connections that are begun before there is something to ask on them.

The first picture of a view has the line to itself, since finer chunks would share its bandwidth. Setting up a
connection takes two or three round trips and hardly any bandwidth: it can be done meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace
from yarl import URL

# Servers wait at least 20 s for a first request; what nobody has needed by then costs both sides a socket.
UNUSED_S = 10.0
# Every request asks whether more are needed: so long it is believed that those which were there still are.
BELIEVED_S = 1.0


class _Server:
    """The connections to one server.

    Attributes
    ----------
    made : list of ResponseHandler
        Those that are there, in use or not; some may be closed since they were last looked at.
    making : set of asyncio.Task
        Those that were begun ahead and are not there yet, also if a request waits for them already.
    begun : deque of asyncio.Task
        Those that were begun ahead and that no request has taken, the oldest first.
    unwilling : bool
        Whether some of them were refused, or closed unused.
    """

    def __init__(self) -> None:
        self.made: list[ResponseHandler] = []
        self.making: set[asyncio.Task[ResponseHandler]] = set()
        self.begun: deque[asyncio.Task[ResponseHandler]] = deque()
        self.unwilling = False
        self._looked = float("-inf")

    @property
    def _count(self) -> int:
        return len(self.made) + len(self.making)

    def add(self, connection: ResponseHandler, now: float) -> None:
        """Know of one that is made."""
        if now > self._looked + BELIEVED_S:
            self._look(now)
        self.made.append(connection)

    def begin(self, task: asyncio.Task[ResponseHandler]) -> None:
        """Know of one that was begun ahead."""
        self.begun.append(task)
        self.making.add(task)
        task.add_done_callback(self.making.discard)

    def lacking(self, wanted: int, now: float) -> int:
        """Count those that are to be begun, so that there are as many as wanted."""
        if wanted > self._count or now > self._looked + BELIEVED_S:
            self._look(now)
        return 0 if self.unwilling else max(0, wanted - self._count)

    def _look(self, now: float) -> None:
        """See which are lost."""
        self._looked = now
        self.unwilling = self.unwilling or any(map(_is_lost, self.begun))
        self.made = [connection for connection in self.made if connection.is_connected()]

    def next_begun(self) -> asyncio.Task[ResponseHandler] | None:
        """Take the one that was begun first, if any is still good."""
        while self.begun:
            task = self.begun.popleft()
            if not _is_lost(task):
                return task
            self.unwilling = True
        return None


class EarlyConnector(aiohttp.TCPConnector):
    """Makes connections for requests, and ahead of them: who needs a new one gets one that was begun, if there is any.

    Lives on one event loop. A server that refuses a connection that was begun ahead, or closes it unused, gets no more
    of them until `UNUSED_S` seconds after the last ones.

    Parameters
    ----------
    most : int
        Requests at the same time, in all and to one server.
    connect_s : float
        Seconds to wait for a connection that is made ahead.
    """

    def __init__(self, most: int, connect_s: float) -> None:
        super().__init__(limit=most, limit_per_host=most)
        self._ahead_timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self._servers: dict[URL, _Server] = {}
        self._tidying: asyncio.TimerHandle | None = None

    def connect_ahead(self, url: URL, wanted: int) -> None:
        """Begin connections to the server of a URL until there are as many as wanted, those in use included.

        A request that needs one later is told why it could not be made.
        """
        server, loop = self._server(url), asyncio.get_running_loop()
        lacking = server.lacking(wanted, loop.time())
        if not lacking:
            return
        for _ in range(lacking):
            request = aiohttp.ClientRequest("GET", url, loop=loop)
            server.begin(loop.create_task(self._make(request, [], self._ahead_timeout)))
        if self._tidying is not None:
            self._tidying.cancel()
        self._tidying = loop.call_later(UNUSED_S, self._drop_unused)

    async def end_unused(self) -> None:
        """Close the connections that nobody has needed, and end those that are still being made."""
        if self._tidying is not None:
            self._tidying.cancel()
        await asyncio.gather(*self._drop_unused(), return_exceptions=True)

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
    ) -> ResponseHandler:
        """Make a connection, or take one that was begun; aiohttp calls this where none is idle."""
        begun = None if req.proxy else self._server(req.url).next_begun()
        if begun is None:
            return await self._make(req, traces, timeout)
        try:
            return await begun
        except asyncio.CancelledError:
            _end(begun)
            raise

    async def _make(
        self, req: aiohttp.ClientRequest, traces: list[Trace], patience: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        connection = await super()._create_connection(req, traces, patience)
        self._server(req.url).add(connection, asyncio.get_running_loop().time())
        return connection

    def _server(self, url: URL) -> _Server:
        origin = url.origin()
        server = self._servers.get(origin)
        if server is None:
            server = self._servers[origin] = _Server()
        return server

    def _drop_unused(self) -> list[asyncio.Task[ResponseHandler]]:
        self._tidying = None
        dropped = [task for server in self._servers.values() for task in server.begun]
        for server in self._servers.values():
            server.begun.clear()
            server.unwilling = False
        for task in dropped:
            _end(task)
        return dropped


def _is_lost(begun: asyncio.Task[ResponseHandler]) -> bool:
    """Whether a connection that was begun failed, or is closed again."""
    return begun.done() and (begun.cancelled() or begun.exception() is not None or not begun.result().is_connected())


def _end(begun: asyncio.Task[ResponseHandler]) -> None:
    """Stop making a connection, or close it."""
    if not begun.cancel() and not _is_lost(begun):
        begun.result().close()
