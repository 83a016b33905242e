"""What is asked of servers, files and stores, and what comes of it: counted, and told to whoever observes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self


@dataclass
class Traffic:
    """What was asked for and what came, counted for a whole engine.

    Attributes
    ----------
    requests : int
        Requests begun: every HTTP request, every file or store read.
    bytes_read : int
        Bytes of the answers' bodies, as they came over the wire; of answers that were broken off, what had come.
    retries : int
        Requests that were sent again after a failure.
    observer : ExchangeObserver or None
        Who is told of every request.
    """

    requests: int = 0
    bytes_read: int = 0
    retries: int = 0
    observer: ExchangeObserver | None = field(default=None, compare=False, repr=False)


class Arriving(Protocol):
    """Something that comes piece by piece."""

    @property
    def total_bytes(self) -> int:
        """Bytes so far."""


class Exchange:
    """One request and what came of it: a context manager that counts both. Lives on the event loop.

    Parameters
    ----------
    traffic : Traffic
        Counts it.
    where : str
        What is asked for, for people: no secrets.
    failed : int, default 0
        How often it was asked before, and failed.
    hedge : bool, default False
        Whether this is the second request for a late read.

    Attributes
    ----------
    status : int or None
        Of HTTP; None where there is none, or not yet.
    nbytes : int
        Bytes of the answer's body so far.
    began : float or None
        When the answer began, by the loop's clock.
    """

    __slots__ = ("_arriving", "_traffic", "began", "failed", "hedge", "nbytes", "status", "where")

    def __init__(self, traffic: Traffic, where: str, failed: int = 0, hedge: bool = False) -> None:
        self.where, self.failed, self.hedge = where, failed, hedge
        self.status: int | None = None
        self.nbytes = 0
        self.began: float | None = None
        self._traffic = traffic
        self._arriving: Arriving | None = None

    def begins(self, now: float, status: int | None = None) -> None:
        """Note that the answer begins; of answers that redirect, the last one counts."""
        self.began, self.status = now, status
        if self._traffic.observer is not None:
            self._traffic.observer.began(self)

    def arrives(self, arriving: Arriving) -> None:
        """Note where the body comes, so that what has come counts, also if the rest never does."""
        self._arriving = arriving

    def took(self, nbytes: int) -> None:
        """Count bytes of the body."""
        self.nbytes += nbytes
        self._traffic.bytes_read += nbytes

    def __enter__(self) -> Self:
        self._traffic.requests += 1
        if self._traffic.observer is not None:
            self._traffic.observer.asked(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._arriving is not None:
            self.took(self._arriving.total_bytes - self.nbytes)
        if self._traffic.observer is not None:
            self._traffic.observer.ended(self, error)


class ExchangeObserver(Protocol):
    """Is told of requests, on the event loop. Must be quick, and raise nothing."""

    def asked(self, exchange: Exchange) -> None:
        """Hear that a request is sent."""

    def began(self, exchange: Exchange) -> None:
        """Hear that its answer begins."""

    def ended(self, exchange: Exchange, error: BaseException | None) -> None:
        """Hear that it has ended, and of what, if not well: cancelled requests end of a CancelledError."""
