"""Chunks and requests as the event loop sees them. Everything runs there, but for the decoding that is timed."""

from __future__ import annotations

import threading
from asyncio import CancelledError
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from brickstream.chunks import ChunkState, Entry
from brickstream.chunks.entry import READING, RUNNING, SETTLED
from brickstream.chunks.traffic import Exchange
from brickstream.engine.telemetry.events import ChunkEvent, Decoded, RequestEvent, Ring
from brickstream.engine.telemetry.tally import Book, Place
from brickstream.errors import BrickstreamError

T = TypeVar("T")
DECODE_THREAD = "brickstream-decode"


@dataclass(eq=False, slots=True)
class _Read:
    """A chunk that is queued or being read."""

    place: Place
    queued: int
    tier: int = 0
    requested: int = 0
    receiving: int = 0
    decoding: int = 0
    nbytes: int = 0
    decoded: list[Decoded] = field(default_factory=list)

    def decode_time(self, now: int) -> int:
        """Nanoseconds of work of the decode threads; where another thread decodes, the time until it is done."""
        return sum(work.end - work.start for work in self.decoded) if self.decoded else now - self.decoding


class ChunkRecorder:
    """Hears of every change of a chunk's state.

    Parameters
    ----------
    ring : Ring
    book : Book
    """

    def __init__(self, ring: Ring, book: Book) -> None:
        self.reads: dict[Entry, _Read] = {}
        # An image may be learned of while it has chunks already: those go on counting where they began to.
        self._places: dict[Entry, Place] = {}
        self._ring = ring
        self._book = book

    def moved(self, entry: Entry, state: ChunkState) -> None:
        """Hear that a chunk is about to change; see :data:`brickstream.chunks.table.Observer`."""
        now, before = self._ring.now(), entry.state
        read = self.reads.get(entry)
        place = self._places.get(entry)
        if place is None:
            place = self._places[entry] = self._book.place(entry.key[0])
        if state is ChunkState.ABSENT:
            del self._places[entry]
        for tally in place.tallies:
            tally.loop.now[before] -= 1
            tally.loop.now[state] += 1
        if state is ChunkState.QUEUED:
            self.reads[entry] = _Read(place, now)
        elif state is ChunkState.ABSENT and before is ChunkState.LOADED:
            for tally in place.tallies:
                tally.loop.ended["evicted"] += 1
        elif read is not None:
            self._goes_on(entry, read, state, now)

    def _goes_on(self, entry: Entry, read: _Read, state: ChunkState, now: int) -> None:
        if state is ChunkState.REQUESTED:
            read.requested, read.tier = now, entry.rank[0] if entry.rank is not None else 0
            for tally in read.place.tallies:
                tally.loop.times["queued"].add(now - read.queued)
        elif state is ChunkState.RECEIVING:
            read.receiving = now
        elif state is ChunkState.DECODING:
            read.decoding = now
        else:
            del self.reads[entry]
            if entry.state in RUNNING:
                self._ended(entry, read, state, now)

    def _ended(self, entry: Entry, read: _Read, state: ChunkState, now: int) -> None:
        outcome = state.value if state in SETTLED else "given up"
        wanted = bool(entry.unread)
        used = wanted and state in (ChunkState.LOADED, ChunkState.MISSING)
        for tally in read.place.tallies:
            loop = tally.loop
            loop.ended[outcome] += 1
            loop.bytes_wasted += 0 if used else read.nbytes
            if state is ChunkState.LOADED:
                loop.bytes_decoded += entry.nbytes
                if read.decoding or read.decoded:
                    loop.times["decode"].add(read.decode_time(now))
        place, key = read.place, entry.key[1]
        times = (read.queued, read.requested, read.receiving, read.decoding, now)
        tail = (outcome, read.nbytes, wanted, tuple(read.decoded))
        self._ring.add(ChunkEvent(self._ring.number(), place.image, place.level, key, read.tier, *times, *tail))


class RequestRecorder:
    """Hears of every request: an :class:`brickstream.chunks.traffic.ExchangeObserver`.

    Parameters
    ----------
    ring : Ring
    book : Book
    chunks : ChunkRecorder
        Knows which chunks are being read.
    """

    def __init__(self, ring: Ring, book: Book, chunks: ChunkRecorder) -> None:
        self._ring = ring
        self._book = book
        self._chunks = chunks
        self._open: dict[Exchange, tuple[int, Entry | None, Place]] = {}
        self._began: dict[Exchange, int] = {}

    def asked(self, exchange: Exchange) -> None:
        """Hear that a request is sent."""
        entry = READING.get()
        # What belongs to no chunk (metadata) counts in all.
        place = self._book.place(0 if entry is None else entry.key[0])
        self._open[exchange] = self._ring.now(), entry, place
        for tally in place.tallies:
            tally.loop.requests += 1
            tally.loop.retries += exchange.failed > 0
            tally.loop.hedges += exchange.hedge

    def began(self, exchange: Exchange) -> None:
        """Hear that its answer begins."""
        self._began[exchange] = self._ring.now()

    def ended(self, exchange: Exchange, error: BaseException | None) -> None:
        """Hear that it has ended, and of what."""
        now, (asked, entry, place) = self._ring.now(), self._open.pop(exchange)
        began = self._began.pop(exchange, 0)
        outcome = "done" if error is None else "cancelled" if isinstance(error, CancelledError) else "failed"
        read = self._chunks.reads.get(entry) if entry is not None and error is None else None
        if read is not None:
            read.nbytes += exchange.nbytes
        for tally in place.tallies:
            loop = tally.loop
            loop.requests_ended[outcome] += 1
            loop.bytes_read += exchange.nbytes
            loop.bytes_wasted += exchange.nbytes if error is not None else 0
            if exchange.status is not None:
                status = str(exchange.status)
                loop.statuses[status] = loop.statuses.get(status, 0) + 1
            if began:
                loop.times["wait"].add(began - asked)
                loop.times["receive"].add(now - began)
        said = (exchange.where, asked, began, now, exchange.status, exchange.nbytes, outcome)
        tail = (exchange.failed, exchange.hedge, _reason(error) if outcome == "failed" else "")
        self._ring.add(RequestEvent(self._ring.number(), place.image, place.level, *said, *tail))


def _reason(error: BaseException | None) -> str:
    return error.what if isinstance(error, BrickstreamError) else type(error).__name__


class DecodeThreads(ThreadPoolExecutor):
    """Threads that note with a chunk how long they worked for it.

    Parameters
    ----------
    threads : int
    now : callable
        Gives nanoseconds.
    chunks : ChunkRecorder
        Knows which chunks are being read.
    """

    def __init__(self, threads: int, now: Callable[[], int], chunks: ChunkRecorder) -> None:
        super().__init__(threads, DECODE_THREAD)
        self._now = now
        self._chunks = chunks

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run something in a thread; on the event loop, where it is known for which chunk."""
        entry = READING.get()
        read = None if entry is None else self._chunks.reads.get(entry)
        if read is None:
            return super().submit(fn, *args, **kwargs)
        return super().submit(self._timed, read, fn, *args, **kwargs)

    def _timed(self, read: _Read, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        start = self._now()
        try:
            return fn(*args, **kwargs)
        finally:
            read.decoded.append(Decoded(threading.current_thread().name, start, self._now()))
