"""Connections that are made before there is something to ask on them: then who waits does not wait for that as well.

The first picture of a view has the line to itself, since finer chunks would share its bandwidth. Setting up a
connection takes two or three round trips and no bandwidth: it can be done meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import aiohttp
from yarl import URL

# For so long a connection that was in use is taken to be still there; aiohttp keeps idle ones for 15 s.
KEPT_S = 10.0


class InUse:
    """How many connections to one server there should be, by how many were in use at once. Pure."""

    def __init__(self) -> None:
        self._running = self._known = 0
        self._since = -inf

    @contextmanager
    def asking(self, now: float) -> Iterator[None]:
        """Count a request."""
        self._running += 1
        self._learn(self._running, now)
        try:
            yield
        finally:
            self._running -= 1

    def lacking(self, wanted: int, now: float) -> int:
        """Say how many there should be beside the one in use, if there are fewer; they are taken for made then.

        None while more than one request is under way: then connections are made as they are needed.
        """
        if self._running > 1 or (wanted <= self._known and now < self._since + KEPT_S):
            return 0
        self._learn(wanted, now)
        return max(0, wanted - self._running)

    def _learn(self, count: int, now: float) -> None:
        if count >= self._known or now >= self._since + KEPT_S:
            self._known, self._since = count, now


class EarlyConnections:
    """Makes connections of a session ahead. Lives on one event loop; :meth:`close` ends what is not made yet.

    Parameters
    ----------
    session : aiohttp.ClientSession
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._tasks: set[asyncio.Task[None]] = set()

    def make(self, url: URL, count: int) -> None:
        """See to it that there are so many connections to the server of a URL that are not in use."""
        for _ in range(count):
            task = asyncio.get_running_loop().create_task(self._connect(url))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, url: URL) -> None:
        connector = self._session.connector
        if connector is None:
            return
        request = aiohttp.ClientRequest("GET", url, loop=asyncio.get_running_loop())
        try:
            connection = await connector.connect(request, [], self._session.timeout)
        except (aiohttp.ClientError, TimeoutError, OSError):
            # The request that is going to need one meets the same, and tells.
            return
        # An idle one is had at once: it must not be given back before the others have begun, or they would have it too.
        await asyncio.sleep(0)
        connection.release()
