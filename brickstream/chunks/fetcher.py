"""Reads what is wanted: acts on the table's decisions with one task a read, and tells the clients what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

from numpy.typing import NDArray

from brickstream.chunks.entry import IN_FLIGHT, READING, RUNNING, SETTLED, ChunkKey, ChunkState, Entry, Rank
from brickstream.chunks.source import ChunkSource, SteppedSource, chunk_nbytes, clip_chunk
from brickstream.chunks.table import ChunkTable, Limits
from brickstream.errors import BrickstreamError, BudgetError, CodecError, StoreError


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


OnSettled = Callable[[Entry], None]


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
        self._listeners: dict[Hashable, OnSettled] = {}
        self._wanted: dict[Hashable, dict[ChunkKey, Entry]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Fetcher:
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for client in list(self._wanted):
            self.forget(client)
        for task in list(self._tasks.values()):
            task.cancel()
        group, self._group = self._group, None
        if group is not None:
            await group.__aexit__(None, None, None)
        # Reads that never ran could not give their slots back.
        for entry in self._tasks:
            self.table.move(entry, ChunkState.ABSENT)
        self._tasks.clear()
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
            task = self._tasks.pop(entry, None)
            if task is not None:
                task.cancel()
            if entry.state not in (ChunkState.ABSENT, ChunkState.QUEUED):
                self.table.move(entry, ChunkState.ABSENT)
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
            asyncio.get_running_loop().call_soon(self._act)

    def _act(self) -> None:
        self._due = False
        if self._group is None:
            return
        window = None if self._window is None else self._window(len(self.table.queue))
        decision = self.table.decide(window, first_only=self._paused)
        for entry in (*decision.cancel, *decision.abort):
            task = self._tasks.pop(entry, None)
            if task is not None:
                task.cancel()
            # The slot is free at once: the task's own end only closes the request.
            self.table.move(entry, ChunkState.ABSENT)
        for entry in decision.evict:
            self.table.move(entry, ChunkState.ABSENT)
        for entry in decision.start:
            self.table.move(entry, ChunkState.REQUESTED)
        for entry, leader in decision.ride:
            self.table.move(entry, ChunkState.REQUESTED, rides_on=leader)
        if decision.abort:
            self._requeue()
        # With an eager task factory a read runs within `_start`, and must not decide in the middle of this.
        self._acting = True
        try:
            for entry in (*decision.start, *(rider for rider, _ in decision.ride)):
                self._start(entry)
        finally:
            self._acting = False
        if not (self.table.queue or self.table.running or self._working or self.planning()):
            self.idle.set()

    def _start(self, entry: Entry) -> None:
        if self._group is None or entry.state is not ChunkState.REQUESTED or entry in self._tasks:
            return
        task = self._group.create_task(self._read(entry))
        # With an eager task factory the read may have ended within that line.
        if not task.done():
            self._tasks[entry] = task

    async def _read(self, entry: Entry) -> None:
        me = asyncio.current_task()
        if me is not None:
            self._tasks[entry] = me
        if self.table.observer is not None:
            READING.set(entry)

        def reached(state: ChunkState) -> None:
            if self._tasks.get(entry) is me and entry.state in IN_FLIGHT and entry.state is not state:
                self.table.move(entry, state)
                if state is ChunkState.DECODING and not self._acting:
                    # A slot is free: while many answers arrive at once a turn of the loop takes long.
                    self._act()
                else:
                    self._pump()

        state, data, failure = ChunkState.ABSENT, None, None
        try:
            data = await _read_chunk(entry, reached)
            state = ChunkState.MISSING if data is None else ChunkState.LOADED
        except BrickstreamError as error:
            state, failure = ChunkState.FAILED, error
        except asyncio.CancelledError as error:
            if me is None or me.cancelling():
                raise
            # Not we cancelled this, but the source itself: nobody would ask for the chunk again.
            state, failure = ChunkState.FAILED, _blame(entry, error)
        except Exception as error:  # noqa: BLE001 - sources are other people's code: one chunk fails, not the engine
            state, failure = ChunkState.FAILED, _blame(entry, error)
        finally:
            # A read that a decision cancelled has left the table already; any other end gives its slot back here.
            if self._tasks.get(entry) is me:
                del self._tasks[entry]
                self._settle(entry, state, data, failure)

    def _settle(
        self, entry: Entry, state: ChunkState, data: NDArray[Any] | None, error: BrickstreamError | None
    ) -> None:
        self.table.move(entry, state, data, error)
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


async def _read_chunk(entry: Entry, reached: Callable[[ChunkState], None]) -> NDArray[Any] | None:
    """Read a chunk and check that it is what its source says."""
    source, index = entry.source, entry.key[1]
    started = partial(reached, ChunkState.RECEIVING)
    if _in_steps(type(source)):
        stepped, chunk = cast(SteppedSource, source), None
        encoded = await stepped.read_encoded(index, started)
        if encoded is not None:
            reached(ChunkState.DECODING)
            chunk = await stepped.decode(encoded)
    else:
        chunk = await source.read(index, started)
    try:
        return None if chunk is None else clip_chunk(chunk, index, entry.source)
    except CodecError as error:
        # What a chunk is called takes a while to say, and nearly all are as they should be.
        raise CodecError(error.what, entry.name) from error


def _blame(entry: Entry, error: BaseException) -> StoreError:
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return StoreError(f"the source failed ({what})", entry.name)
