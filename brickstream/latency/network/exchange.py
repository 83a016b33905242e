"""One request and its response: waits, sends, and tells how it ended."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aiohttp import web

if TYPE_CHECKING:
    from brickstream.latency.network.answers import Answer
    from brickstream.latency.network.content import Content
    from brickstream.latency.network.faults import Fault, FaultKind
    from brickstream.latency.network.shaping import Link

Outcome = Literal["served", "cancelled", "fault"]

# What a thread reads from disk in one go; a slice of it is what the link carries in one go.
_BLOCK = 1 << 20
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag, Retry-After",
    # A simulated network must not be hidden by a browser's cache.
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class RequestRecord:
    """One row of the server's log.

    Parameters
    ----------
    key : str
        Path below the root, decoded, without the leading "/".
    range : str or None
        The Range header as it came.
    status : int
        HTTP status; 0 when the response had not begun.
    bytes : int
        Bytes of the body that were handed to the socket.
    start, end : float
        Seconds since the server started: request read; last byte handed over, or given up.
    outcome : {"served", "cancelled", "fault"}
        ``cancelled``: the client went away first. ``fault``: the server failed, on purpose or not. Everything else, a
        404 too, is ``served``.
    method : str
        HTTP method.
    fault : str or None
        Kind of the fault that the response was given on purpose.
    """

    key: str
    range: str | None
    status: int
    bytes: int
    start: float
    end: float
    outcome: Outcome
    method: str = "GET"
    fault: FaultKind | None = None


Finished = Callable[[int, int, Outcome, "FaultKind | None"], None]


class Exchange:
    """One request being answered, in the server's event loop.

    Parameters
    ----------
    request : web.Request
        The request.
    link : Link
        The line that the body goes over.
    finished : callable
        Called once with the status, the bytes sent, the outcome and the kind of the fault, before the client can know
        the end of the response.
    """

    def __init__(self, request: web.Request, link: Link, finished: Finished) -> None:
        self._request = request
        self._link = link
        self._fault: Fault | None = None
        self._finished = finished
        self._reported = False
        self._status = 0
        self._sent = 0

    async def run(self, respond_at: float, decide: Callable[[], Answer]) -> web.StreamResponse:
        """Answer the request.

        Parameters
        ----------
        respond_at : float
            Loop time before which nothing is sent.
        decide : callable
            Returns the answer; runs in a thread, inside the waiting time.
        """
        try:
            answer, head = await asyncio.to_thread(_prepared, decide)
            self._fault = answer.fault
            await asyncio.sleep(respond_at - asyncio.get_running_loop().time())
            return await self._send(answer, head)
        except (asyncio.CancelledError, ConnectionError):
            self._report("cancelled")
            raise
        finally:
            self._report("fault")

    async def _send(self, answer: Answer, head: bytes) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers={**_HEADERS, **answer.headers})
        if answer.status not in (204, 304):
            response.content_length = answer.length
        if self._broken_after == 0:
            return await self._break(response)
        self._status = answer.status
        await response.prepare(self._request)
        if answer.content is not None:
            await self._send_body(response, answer.content, answer.span, head)
        if self._broken_after is not None:
            return await self._break(response)
        self._report("served" if self._fault is None else "fault")
        await response.write_eof()
        return response

    @property
    def _broken_after(self) -> int | None:
        """After how many bytes the response breaks off; None when it does not."""
        fault = self._fault
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
            for at in range(0, len(block), self._link.slice):
                piece = self._corrupted(block[at : at + self._link.slice])
                await self._link.carry(len(piece))
                self._sent += len(piece)
                await response.write(piece)

    def _corrupted(self, piece: bytes) -> bytes:
        fault = self._fault
        if fault is None or fault.kind != "corrupt":
            return piece
        low = max(0, fault.after - self._sent)
        high = len(piece) if fault.count is None else max(0, fault.after + fault.count - self._sent)
        return piece[:low] + bytes(b ^ 0xFF for b in piece[low:high]) + piece[high:]

    async def _break(self, response: web.StreamResponse) -> web.StreamResponse:
        if self._fault is not None and self._fault.kind == "hang":
            await asyncio.Event().wait()
        self._report("fault")
        _reset(self._request)
        return response

    def _report(self, outcome: Outcome) -> None:
        """Say how it ended; only the first word counts."""
        if not self._reported:
            self._reported = True
            self._finished(self._status, self._sent, outcome, self._fault.kind if self._fault is not None else None)


def _prepared(decide: Callable[[], Answer]) -> tuple[Answer, bytes]:
    """Decide, and read the first block of the body: the disk must not make the latency longer. Blocks."""
    answer = decide()
    if answer.content is None:
        return answer, b""
    start, stop = answer.span
    return answer, answer.content.read(start, min(start + _BLOCK, stop))


def _reset(request: web.Request) -> None:
    """Break the connection so that the client sees a reset, not an orderly end."""
    if request.transport is None:
        return
    sock = request.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
