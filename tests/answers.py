"""Servers on 127.0.0.1 that answer as a test wants, and readers of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from brickstream.chunks import HttpOptions, RetryPolicy, Traffic, make_reader, open_client
from brickstream.chunks.reader import Reader

BODY = bytes(range(100))
AT_ONCE = HttpOptions(retry=RetryPolicy(first_s=0.0, longest_s=0.0))
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on 127.0.0.1 that answers everything with one handler; its URL."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def reading(
    handler: Handler, path: str = "", connections: int = 8, options: HttpOptions = AT_ONCE
) -> AsyncIterator[tuple[Reader, Traffic]]:
    traffic = Traffic()
    async with serving(handler) as url, open_client(connections, traffic, options) as client:
        yield await asyncio.to_thread(make_reader, url + path, client), traffic


def with_status(status: int) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=b"a page about it")

    return handler


class Gate:
    """Its handler holds every request until the gate is opened, and counts."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)
        self.cancelled = asyncio.Event()
        self.now = self.most = 0
        self.connections: set[Any] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        self.now += 1
        self.most = max(self.most, self.now)
        self.arrived.release()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.now -= 1
        return web.Response(body=BODY)
