"""One request and its response: waits, sends, and tells how it ended."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from brickstream.latency.network.link import Link, Route
from brickstream.latency.network.record import Course, Outcome

if TYPE_CHECKING:
    from brickstream.latency.network.answers import Answer
    from brickstream.latency.network.connections import Connection
    from brickstream.latency.network.content import Content

# What a thread reads from disk in one go; a slice of it is what the link carries in one go.
_BLOCK = 1 << 20
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag, Retry-After",
    # A simulated network must not be hidden by a browser's cache.
    "Cache-Control": "no-store",
}


class Exchange:
    """One request being answered, in the server's event loop.

    Parameters
    ----------
    request : web.BaseRequest
        The request.
    connection : Connection
        What it came on.
    link : Link
        The line that all bodies go over.
    finished : callable
        Called once with the course and the outcome, before the client can know the end of the response.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        connection: Connection,
        link: Link,
        finished: Callable[[Course, Outcome], None],
    ) -> None:
        self._request = request
        self._connection = connection
        self._shared = link
        self._way = Route(link, connection.link)
        self._crawl: Route | None = None
        self._course = Course(asyncio.get_running_loop().time())
        self._finished = finished
        self._reported = False

    async def run(self, delay: float, decide: Callable[[], Answer]) -> web.StreamResponse:
        """Answer the request.

        Parameters
        ----------
        delay : float
            Seconds before anything is sent, without those of setting up the connection.
        decide : callable
            Returns the answer; runs in a thread, inside the waiting time.
        """
        clock = asyncio.get_running_loop().time
        try:
            await self._connection.admission()
            self._course.admitted = clock()
            set_up, is_last = self._connection.ask()
            answer, head = await asyncio.to_thread(_prepared, decide)
            self._course.fault = fault = answer.fault
            if fault is not None and fault.kind == "trickle":
                self._crawl = Route(self._shared, Link(fault.kbps / 1000))
            await asyncio.sleep(self._course.admitted + set_up + delay - clock())
            return await self._send(answer, head, is_last)
        except (asyncio.CancelledError, ConnectionError):
            self._report("cancelled")
            raise
        finally:
            self._report("fault")

    async def _send(self, answer: Answer, head: bytes, is_last: bool) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers={**_HEADERS, **answer.headers})
        if answer.status not in (204, 304):
            response.content_length = answer.length
        if is_last:
            response.force_close()
        if self._broken_after == 0:
            return await self._break(response)
        self._course.status, self._course.first = answer.status, asyncio.get_running_loop().time()
        await response.prepare(self._request)
        if answer.content is not None:
            await self._send_body(response, answer.content, answer.span, head)
        if self._broken_after is not None:
            return await self._break(response)
        self._report("served" if self._course.fault is None else "fault")
        await response.write_eof()
        return response

    @property
    def _broken_after(self) -> int | None:
        """After how many bytes the response breaks off; None when it does not."""
        fault = self._course.fault
        return fault.after if fault is not None and fault.kind in ("reset", "hang") else None

    async def _send_body(
        self, response: web.StreamResponse, content: Content, span: tuple[int, int], head: bytes
    ) -> None:
        start, stop = span
        if self._broken_after is not None:
            stop = min(stop, start + self._broken_after)
        for low in range(start, stop, _BLOCK):
            if low == start:
                block = head[: stop - start]
            else:
                block = await asyncio.to_thread(content.read, low, min(low + _BLOCK, stop))
            await self._send_block(response, block)

    async def _send_block(self, response: web.StreamResponse, block: bytes) -> None:
        at = 0
        while at < len(block):
            route, most = self._route()
            piece = self._corrupted(block[at : at + most])
            await route.carry(len(piece))
            at += len(piece)
            self._course.sent += len(piece)
            await response.write(piece)

    def _route(self) -> tuple[Route, int]:
        """Return the way of the next bytes, and how many of them go in one piece."""
        fault, sent = self._course.fault, self._course.sent
        if self._crawl is None or fault is None:
            return self._way, self._way.slice
        if sent < fault.after:
            return self._way, min(self._way.slice, fault.after - sent)
        return self._crawl, self._crawl.slice

    def _corrupted(self, piece: bytes) -> bytes:
        fault, sent = self._course.fault, self._course.sent
        if fault is None or fault.kind != "corrupt":
            return piece
        low = max(0, fault.after - sent)
        high = len(piece) if fault.count is None else max(0, fault.after + fault.count - sent)
        return piece[:low] + bytes(b ^ 0xFF for b in piece[low:high]) + piece[high:]

    async def _break(self, response: web.StreamResponse) -> web.StreamResponse:
        if self._course.fault is not None and self._course.fault.kind == "hang":
            await asyncio.Event().wait()
        self._report("fault")
        _reset(self._request)
        return response

    def _report(self, outcome: Outcome) -> None:
        """Say how it ended; only the first word counts."""
        if not self._reported:
            self._reported = True
            self._finished(self._course, outcome)


def _prepared(decide: Callable[[], Answer]) -> tuple[Answer, bytes]:
    """Decide, and read the first block of the body: the disk must not make the latency longer. Blocks."""
    answer = decide()
    if answer.content is None:
        return answer, b""
    start, stop = answer.span
    return answer, answer.content.read(start, min(start + _BLOCK, stop))


def _reset(request: web.BaseRequest) -> None:
    """Break the connection so that the client sees a reset, not an orderly end."""
    if request.transport is None:
        return
    sock = request.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
