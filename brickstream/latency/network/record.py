"""What the server's log says of a request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from brickstream.latency.network.answers import Asked
    from brickstream.latency.network.faults import Fault, FaultKind

Outcome = Literal["served", "cancelled", "fault"]


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
    first : float or None
        Seconds since the server started: headers handed to the socket, and what follows them at once. None where the
        response had not begun.
    connection : int or None
        Number of the TCP connection, from 0, in the order in which they were accepted.
    waited : float
        Seconds that the request waited because other connections were served.
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
    first: float | None = None
    connection: int | None = None
    waited: float = 0.0


@dataclass
class Course:
    """How far a request has come: what the log says of it when it ends.

    Attributes
    ----------
    began : float
        Loop time at which the request was read.
    admitted, first : float or None
        Loop times at which its connection was served, and its headers were sent.
    status, sent : int
        As in :class:`RequestRecord`.
    fault : Fault or None
        What goes wrong with it.
    """

    began: float
    admitted: float | None = None
    first: float | None = None
    status: int = 0
    sent: int = 0
    fault: Fault | None = None

    def record(self, key: str, asked: Asked, connection: int, outcome: Outcome, since: float) -> RequestRecord:
        """Return the row of the log, now that it has ended.

        Parameters
        ----------
        key, asked, connection, outcome
            As in :class:`RequestRecord`.
        since : float
            Loop time at which the server started.
        """
        now = asyncio.get_running_loop().time()
        return RequestRecord(
            key,
            asked.range,
            self.status,
            self.sent,
            self.began - since,
            now - since,
            outcome,
            asked.method,
            None if self.fault is None else self.fault.kind,
            None if self.first is None else self.first - since,
            connection,
            (now if self.admitted is None else self.admitted) - self.began,
        )
