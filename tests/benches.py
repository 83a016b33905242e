"""A server, a client of it and a test between them, after which nothing may be left."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from moments import every_file_closed, run_and_leave_nothing

from brickstream.chunks import HttpClient, HttpOptions, Traffic, make_reader, open_client
from brickstream.chunks.reader import Reader
from brickstream.latency import Fault, RequestRecord, ThreadedServer


class Bench:
    """A server in a thread of its own, what it was asked, and a client of it."""

    def __init__(self, server: ThreadedServer, arrived: list[str], client: HttpClient) -> None:
        self.server = server
        self.arrived = arrived
        self.client = client

    def reader(self, path: str = "") -> Reader:
        return make_reader(self.server.url + path, self.client)

    @property
    def connections(self) -> int:
        """Connections that are in use."""
        return len(self.client.session.connector._acquired)  # type: ignore[union-attr]

    async def rows(self) -> list[RequestRecord]:
        """The log, when the server has nothing to do any more: it ends only if the sockets were closed."""
        await asyncio.to_thread(self.server.idle)
        return self.server.log


Faults = Callable[[str, int], Fault | None]


def sound(key: str, number: int) -> Fault | None:
    return None


def with_bench(
    root: Path,
    main: Callable[[Bench], Awaitable[None]],
    faults: Faults,
    options: HttpOptions,
    connections: int = 1,
) -> None:
    """Run with a server and a client; whatever is left then is an error."""
    arrived: list[str] = []

    def told(key: str, number: int) -> Fault | None:
        arrived.append(key)
        return faults(key, number)

    async def run() -> None:
        async with open_client(connections, Traffic(), options) as client:
            await main(Bench(server, arrived, client))

    with every_file_closed(), ThreadedServer(root, faults=told) as server:
        run_and_leave_nothing(run)
