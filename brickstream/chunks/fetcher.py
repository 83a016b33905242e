"""Reads what is wanted: acts on the table's decisions with a task for each slot, and tells the clients what came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.entry import READING, RUNNING, SETTLED, ChunkKey, ChunkState, Entry, Rank
from brickstream.chunks.source import ChunkSource, SteppedSource, chunk_nbytes, clip_chunk
from brickstream.chunks.table import ChunkTable, Limits
from brickstream.errors import BrickstreamError, BudgetError, CodecError, StoreError
from brickstream.multiscale.stock import COMING, FAR, HERE


class Want(NamedTuple):
    """A client's wish for one chunk.

    Attributes
    ----------
    key : ChunkKey
    source : ChunkSource
    rank : Rank
        Its urgency; the lowest over all clients counts.
    """

    key: ChunkKey
    source: ChunkSource
    rank: Rank


T = TypeVar("T")
OnSettled = Callable[[Entry], None]
_NEAR = dict.fromkeys(RUNNING, COMING) | {ChunkState.LOADED: HERE, ChunkState.MISSING: HERE}


class Fetcher:
    """Fetches chunks for several clients, each chunk once, within the limits.

    Lives on one event loop. Use it as an async context manager: leaving cancels every read and waits for its end.

    Parameters
    ----------
    limits : Limits
    window : callable, optional
        Is told how many chunks are queued, and says how many reads to have under way; ``limits.max_inflight`` at most.

    Attributes
    ----------
    idle : asyncio.Event
        Set while nothing is queued or read, and nobody is about to want more.
    planning : callable
        Says whether somebody is about to want more.
    """

    def __init__(self, limits: Limits, window: Callable[[int], int] | None = None) -> None:
        self.table = ChunkTable(limits)
        self._window = window
        self.idle = asyncio.Event()
        self.idle.set()
        self.planning: Callable[[], bool] = lambda: False
        self._due = self._acting = self._paused = False
        self._working = 0
        self._tasks: dict[Entry, asyncio.Task[None]] = {}
        # What was begun for tasks that have not run yet.
        self._decoding: dict[Entry, Awaitable[NDArray[Any]]] = {}
        self._listeners: dict[Hashable, OnSettled] = {}
        self._wanted: dict[Hashable, dict[ChunkKey, Entry]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Fetcher:
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for client in list(self._wanted):
            self.forget(client)
        for entry in list(self._tasks):
            self._cancel(entry)
        group, self._group = self._group, None
        if group is not None:
            await group.__aexit__(None, None, None)
        # Whoever waits for idleness waits for nothing now.
        self.idle.set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Not idle within this, though nothing may be queued for a moment."""
        self._working += 1
        self.idle.clear()
        try:
            yield
        finally:
            self._working -= 1
            self._pump()

    def want(self, client: Hashable, wants: Iterable[Want], on_settled: OnSettled) -> None:
        """Replace everything a client wants; what it no longer wants is cancelled unless another client wants it.

        Parameters
        ----------
        client : hashable
        wants : iterable of Want
        on_settled : callable
            Called on the event loop once for each chunk, when it is loaded, missing or failed; loaded chunks stay in
            memory until the client calls :meth:`release`.

        Raises
        ------
        BudgetError
            If one chunk alone is larger than the whole budget.
        """
        wants = list(wants)
        self._check_sizes(wants)
        entries = {}
        for want in wants:
            entry = self.table.get(want.key, want.source)
            entries[want.key] = entry
            self.table.want(entry, client, want.rank)
        for key, entry in self._wanted.get(client, {}).items():
            if key not in entries:
                self.table.unwant(entry, client)
        self._wanted[client] = entries
        self._listeners[client] = on_settled
        self._requeue()
        ready = sorted((e for e in entries.values() if e.state in SETTLED), key=lambda e: e.ranks[client])
        for entry in ready:
            on_settled(entry)
        self._pump()

    def _check_sizes(self, wants: Iterable[Want]) -> None:
        limit = self.table.limits.max_bytes
        for source in {id(want.source): want.source for want in wants}.values():
            if chunk_nbytes(source) > limit:
                raise BudgetError(
                    f"one chunk has {chunk_nbytes(source):,} bytes, more than the RAM budget of {limit:,}",
                    "",
                    "raise the budget (max_ram_bytes)",
                )

    def release(self, client: Hashable, keys: Iterable[ChunkKey]) -> None:
        """Say that a client has taken the data of some chunks and no longer holds on to them."""
        for key in keys:
            entry = self.table.entries.get(key)
            if entry is not None:
                self.table.take(entry, client)
        self._pump()

    def forget(self, client: Hashable) -> None:
        """Drop a client and everything that only it wants."""
        for entry in self._wanted.pop(client, {}).values():
            self.table.unwant(entry, client)
        self._listeners.pop(client, None)
        self._requeue()
        self._pump()

    def known(self, wants: Iterable[Want]) -> int:
        """Count those of some chunks whose answer is here already: in memory, or known to be missing or failed."""
        entries = (self.table.entries.get(want.key) for want in wants)
        return sum(entry is not None and entry.state in SETTLED for entry in entries)

    def nearness(self, source: ChunkSource, chunks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Say how near chunks of a source are, for plans: see :data:`brickstream.multiscale.stock.Stock`.

        Any thread may ask, since nothing is changed; what it hears may be a moment old.
        """
        number, entries = id(source), self.table.entries
        found = (entries.get((number, tuple(index))) for index in chunks.tolist())
        return np.array([FAR if entry is None else _NEAR.get(entry.state, FAR) for entry in found], dtype=np.int64)

    def retry_failed(self) -> None:
        """Forget which chunks have failed: who wants one again causes another read."""
        for entry in [e for e in self.table.entries.values() if e.state is ChunkState.FAILED and not e.unread]:
            self.table.move(entry, ChunkState.ABSENT)

    def invalidate(self, is_stale: Callable[[ChunkKey], bool], sources: Collection[int]) -> None:
        """Drop chunks that may have been written anew; who still waits for one gets what is read from now on.

        Parameters
        ----------
        is_stale : callable
        sources : collection of int
            ``id`` of the sources that have them: all that is being read of these begins anew, wherever it lies, since
            it may go by an index that is out of date.
        """

        def concerns(entry: Entry) -> bool:
            return is_stale(entry.key) or (entry.state in RUNNING and entry.key[0] in sources)

        for entry in [entry for entry in self.table.entries.values() if concerns(entry)]:
            if entry.state in SETTLED:
                # They have it already, and do not hear of it twice.
                for client in list(entry.unread):
                    self.table.take(entry, client)
            if entry.state not in (ChunkState.ABSENT, ChunkState.QUEUED):
                self._cancel(entry)
        self._requeue()
        self._pump()

    @property
    def paused(self) -> bool:
        """Whether only what the first picture of a view needs is read; what runs already goes on."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self._pump()

    def _requeue(self) -> None:
        merged = {entry.key: entry for entries in self._wanted.values() for entry in entries.values()}
        self.table.requeue(merged.values())
        if self.table.queue:
            self.idle.clear()

    def _pump(self) -> None:
        """Decide when everything of this turn of the loop has happened: many changes are one decision."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        self._act()

    def _act(self, goes_on: bool = False) -> Entry | None:
        """Decide and act; says what a read that `goes_on` with another chunk should read next."""
        if self._group is None:
            return None
        window = None if self._window is None else self._window(len(self.table.queue))
        decision = self.table.decide(window, first_only=self._paused)
        for entry in (*decision.cancel, *decision.abort):
            self._cancel(entry)
        for entry in decision.evict:
            self.table.move(entry, ChunkState.ABSENT)
        for entry in decision.start:
            self.table.move(entry, ChunkState.REQUESTED)
        for entry, leader in decision.ride:
            self.table.move(entry, ChunkState.REQUESTED, rides_on=leader)
        if decision.abort:
            self._requeue()
        # Reads that come by one request begin in one turn.
        following = decision.start[0] if goes_on and decision.start and not decision.ride else None
        # With an eager task factory a read runs within `_start`, and must not decide in the middle of this.
        self._acting = True
        try:
            for entry in (*decision.start, *(rider for rider, _ in decision.ride)):
                if entry is not following:
                    self._start(entry)
        finally:
            self._acting = False
        if not (self.table.queue or self.table.running or self._working or self.planning()):
            self.idle.set()
        return following

    def _cancel(self, entry: Entry) -> None:
        """End a read. Its slot is free at once: the task's own end only closes the request."""
        task, unawaited = self._tasks.pop(entry, None), self._decoding.pop(entry, None)
        if task is not None:
            task.cancel()
        if unawaited is not None:
            _give_up(unawaited)
        self.table.move(entry, ChunkState.ABSENT)

    def _start(self, entry: Entry) -> None:
        if self._group is None or entry.state is not ChunkState.REQUESTED or entry in self._tasks:
            return
        self._own(entry, self._group.create_task(self._read(entry)))

    def _own(self, entry: Entry, task: asyncio.Task[None]) -> None:
        # With an eager task factory it may have ended within the line that began it.
        if not task.done():
            self._tasks[entry] = task

    async def _read(self, entry: Entry) -> None:
        """Read a chunk, then others with the slot that is free again: in the same turn, since turns may take long."""
        following: Entry | None = entry
        while following is not None:
            self._tasks[following] = me = _this_task()
            if self.table.observer is not None:
                READING.set(following)
            if _in_steps(type(following.source)):
                following = await self._read_bytes(following, me)
            else:
                await self._finish(following, me, _whole(following, partial(self._begins, following, me)))
                return

    async def _read_bytes(self, entry: Entry, me: asyncio.Task[Any]) -> Entry | None:
        """Read the bytes of a chunk, and hand them on to be decoded; says what to read next."""
        decoding, failure = await self._awaited(entry, me, self._encoded(entry, me))
        if decoding is None or self._group is None:
            self._end(entry, me, None, failure)
            return None
        self._decoding[entry] = decoding
        self._own(entry, self._group.create_task(self._decode(entry)))
        if not self._acting:
            return self._act(goes_on=True)
        self._pump()
        return None

    async def _encoded(self, entry: Entry, me: asyncio.Task[Any]) -> Awaitable[NDArray[Any]] | None:
        """Read the bytes of a chunk, and begin to decode them."""
        source = cast(SteppedSource, entry.source)
        encoded = await source.read_encoded(entry.key[1], partial(self._begins, entry, me))
        if encoded is None or self._tasks.get(entry) is not me:
            return None
        self.table.move(entry, ChunkState.DECODING)
        return source.decode(encoded)

    async def _decode(self, entry: Entry) -> None:
        self._tasks[entry] = me = _this_task()
        await self._finish(entry, me, self._decoding.pop(entry))

    async def _finish(self, entry: Entry, me: asyncio.Task[Any], pixels: Awaitable[NDArray[Any] | None]) -> None:
        """Await the pixels of a chunk, and tell of them."""
        chunk, failure = await self._awaited(entry, me, _checked(entry, pixels))
        self._end(entry, me, chunk, failure)

    def _begins(self, entry: Entry, me: asyncio.Task[Any]) -> None:
        """Hear that an answer begins to arrive."""
        if self._tasks.get(entry) is me and entry.state is ChunkState.REQUESTED:
            self.table.move(entry, ChunkState.RECEIVING)
            self._pump()

    async def _awaited(
        self, entry: Entry, me: asyncio.Task[Any], step: Awaitable[T]
    ) -> tuple[T | None, BrickstreamError | None]:
        """Await a step of a read: what it gave, or why the chunk has failed."""
        try:
            return await step, None
        except BrickstreamError as error:
            return None, error
        except Exception as error:  # noqa: BLE001 - sources are other people's code: one chunk fails, not the engine
            return None, _blame(entry, error)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and not me.cancelling():
                # Not we cancelled this, but the source itself: nobody would ask for the chunk again.
                return None, _blame(entry, error)
            self._leave(entry, me, ChunkState.ABSENT, None, None)
            raise

    def _end(
        self, entry: Entry, me: asyncio.Task[Any], chunk: NDArray[Any] | None, failure: BrickstreamError | None
    ) -> None:
        """End a read with what it gave: pixels, a failure, or neither where the store has no such chunk."""
        state = ChunkState.MISSING if chunk is None else ChunkState.LOADED
        self._leave(entry, me, ChunkState.FAILED if failure is not None else state, chunk, failure)

    def _leave(
        self,
        entry: Entry,
        me: asyncio.Task[Any],
        state: ChunkState,
        chunk: NDArray[Any] | None,
        failure: BrickstreamError | None,
    ) -> None:
        """Give the slot of a read back, and tell of it; one that a decision cancelled has left the table already."""
        if self._tasks.get(entry) is not me:
            return
        del self._tasks[entry]
        self.table.move(entry, state, chunk, failure)
        self.table.touch(entry)
        if state in SETTLED:
            # Not for everyone who wants it: who had it before it was evicted does not hear of it again.
            for client in list(entry.unread):
                self._listeners[client](entry)
        self._pump()


@lru_cache
def _in_steps(kind: type) -> bool:
    """Whether a class reads in two steps; one that overrides `read` alone, or passes all on, sees every read."""
    return any("read_encoded" in base.__dict__ for base in kind.__mro__[: _place_of("read", kind) + 1])


def _place_of(name: str, kind: type) -> int:
    """Which of its bases gives a class an attribute."""
    return next((place for place, base in enumerate(kind.__mro__) if name in base.__dict__), len(kind.__mro__))


async def _whole(entry: Entry, started: Callable[[], None]) -> NDArray[Any] | None:
    return await entry.source.read(entry.key[1], started)


async def _checked(entry: Entry, pixels: Awaitable[NDArray[Any] | None]) -> NDArray[Any] | None:
    """Await pixels, and check that they are what the source says."""
    chunk = await pixels
    try:
        return None if chunk is None else clip_chunk(chunk, entry.key[1], entry.source)
    except CodecError as error:
        # What a chunk is called takes a while to say, and nearly all are as they should be.
        raise CodecError(error.what, entry.name) from error


def _give_up(unawaited: Awaitable[Any]) -> None:
    """End what was begun, and what the task that was to await it never will."""
    if isinstance(unawaited, asyncio.Future):
        unawaited.cancel()
    elif isinstance(unawaited, Coroutine):
        unawaited.close()


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("reads run in tasks")
    return task


def _blame(entry: Entry, error: BaseException) -> StoreError:
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return StoreError(f"the source failed ({what})", entry.name)
