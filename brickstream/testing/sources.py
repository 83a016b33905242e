"""A chunk source whose reads a test holds in its hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.reader import nothing_started
from brickstream.chunks.source import ArrayLike, Index
from brickstream.errors import BrickstreamError, StoreError

# More than the longest chain of callbacks between a read's end and the update that it becomes.
_ROUNDS = 24


async def settle(rounds: int = _ROUNDS) -> None:
    """Let every callback that is ready, and those that it makes ready, run on this event loop.

    Needed to say that something does *not* happen; to wait for something that does, wait for it. Threads are not
    waited for.

    Parameters
    ----------
    rounds : int, default 24
        How often the loop goes round: the longest chain of callbacks that is followed.
    """
    for _ in range(rounds):
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Event:
    """One thing that happened to a read of a :class:`StepSource`.

    Attributes
    ----------
    what : str
        ``"begin"``, ``"start"``, ``"done"``, ``"missing"``, ``"failed"`` or ``"cancelled"``.
    index : tuple of int
        The chunk.
    """

    what: str
    index: Index


@dataclass(eq=False)
class _Read:
    index: Index
    started: Callable[[], None]
    answer: asyncio.Future[NDArray[Any] | None]
    has_started: bool = False


class StepSource:
    """A chunk source over an array whose reads stand still until the test lets them go, one at a time, in any order.

    Every method and property belongs to the event loop that reads; a test in another thread calls them through
    ``engine.submit``. Nothing here sleeps or takes the time.

    Parameters
    ----------
    array : array-like
        The whole level.
    chunks : tuple of int
        Pixels of a chunk along each axis.
    fill_value : scalar, default 0
    missing : collection of chunk indices, optional
        Chunks that are answered with None.
    failing : collection of chunk indices, optional
        Chunks that are answered with a StoreError.
    held : bool, default True
        Whether reads wait for the test; see :meth:`hold` and :meth:`flow`.

    Attributes
    ----------
    events : list of Event
        Everything that happened, in order.

    Examples
    --------
    >>> async def test(fetcher):
    ...     source = StepSource(np.arange(64).reshape(8, 8), (4, 4))
    ...     fetcher.want("me", wants_of(source), on_settled)
    ...     (first, *others) = await source.requested(4)
    ...     source.release(first)
    """

    def __init__(
        self,
        array: ArrayLike,
        chunks: tuple[int, ...],
        *,
        fill_value: Any = 0,
        missing: Collection[Index] = (),
        failing: Collection[Index] = (),
        held: bool = True,
    ) -> None:
        self.array = array
        self.chunks = tuple(chunks)
        self.fill_value = fill_value
        self.missing = set(missing)
        self.failing = set(failing)
        self.held = held
        self.events: list[Event] = []
        self._reads: list[_Read] = []
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel, native byte order."""
        return self.array.dtype.newbyteorder("=")

    def key(self, index: Index) -> str:
        """Name a chunk by its grid index."""
        return "/".join(map(str, index))

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        """Read one chunk, when the test says so."""
        answer: asyncio.Future[NDArray[Any] | None] = asyncio.get_running_loop().create_future()
        read = _Read(index, started, answer)
        self._reads.append(read)
        self._happened("begin", index)
        if not self.held:
            self._answer(read)
        try:
            return await answer
        except asyncio.CancelledError:
            self._end(read, "cancelled")
            raise

    @property
    def waiting(self) -> list[Index]:
        """Chunks whose reads wait for the test, the longest waiting first; a chunk read twice at once is there twice.

        The length of the list is the number of reads that are running.
        """
        return [read.index for read in self._reads if not read.answer.done()]

    def happened(self, what: str) -> list[Index]:
        """Chunks that something happened to, in order: ``happened("begin")`` is every read ever begun."""
        return [event.index for event in self.events if event.what == what]

    @property
    def completed(self) -> Counter[Index]:
        """How often each chunk was read to completion (data, missing or failed)."""
        return Counter(event.index for event in self.events if event.what in ("done", "missing", "failed"))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition on this source holds; it is looked at whenever something happens to a read."""
        while not holds():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def requested(self, count: int = 1) -> list[Index]:
        """Wait until at least `count` reads wait for the test; return their chunks as :attr:`waiting` does."""
        await self.until(lambda: len(self.waiting) >= count)
        return self.waiting

    def start(self, index: Index) -> None:
        """Let the answer to a waiting read begin to arrive, and no more."""
        self._start(self._find(index))

    def release(self, *indices: Index) -> None:
        """Answer waiting reads with what the array, `missing` and `failing` say."""
        for index in indices:
            self._answer(self._find(index))

    def release_all(self, reverse: bool = False) -> None:
        """Answer every waiting read, the longest waiting first (or last)."""
        indices = self.waiting
        self.release(*(reversed(indices) if reverse else indices))

    def miss(self, index: Index) -> None:
        """Answer a waiting read with "no such chunk"."""
        read = self._find(index)
        self._start(read)
        self._end(read, "missing")
        read.answer.set_result(None)

    def fail(self, index: Index, error: BaseException | None = None) -> None:
        """Let a waiting read raise an error; default a StoreError."""
        read = self._find(index)
        self._end(read, "failed")
        read.answer.set_exception(error or StoreError("failed on purpose", self.key(index)))

    def hold(self) -> None:
        """Let reads that begin from now on wait for the test."""
        self.held = True

    def flow(self) -> None:
        """Answer everything that waits, and what comes from now on at once."""
        self.held = False
        self.release_all()

    def pixels(self, index: Index) -> NDArray[Any]:
        """Pixels of a chunk, clipped to the level; a new array."""
        box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, self.chunks, strict=True))
        return np.array(self.array[box], dtype=self.dtype)

    def _find(self, index: Index) -> _Read:
        for read in self._reads:
            if read.index == index and not read.answer.done():
                return read
        raise BrickstreamError(f"no read of chunk {index} is waiting", "", f"waiting are {self.waiting}")

    def _start(self, read: _Read) -> None:
        if not read.has_started:
            read.has_started = True
            self._happened("start", read.index)
            read.started()

    def _answer(self, read: _Read) -> None:
        if read.index in self.failing:
            self.fail(read.index)
        elif read.index in self.missing:
            self.miss(read.index)
        else:
            self._start(read)
            self._end(read, "done")
            read.answer.set_result(self.pixels(read.index))

    def _end(self, read: _Read, what: str) -> None:
        if read in self._reads:
            self._reads.remove(read)
            self._happened(what, read.index)

    def _happened(self, what: str, index: Index) -> None:
        self.events.append(Event(what, index))
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def grid_indices(shape: Iterable[int], chunks: Iterable[int]) -> list[Index]:
    """All chunk indices of a level, in C order."""
    grid = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
    return [tuple(int(i) for i in index) for index in np.ndindex(*grid)]
