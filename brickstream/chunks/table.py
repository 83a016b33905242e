"""The states of chunks, the one place that changes them, and the pure decision what to do next.

::

    ABSENT ──> QUEUED ──> REQUESTED ──> RECEIVING ──> DECODING ──> LOADED ──> (evicted: ABSENT)
                  ^            │             ├────────────┼──────> MISSING
                  └─ cancelled ┴─────────────┴────────────┴──────> FAILED

Counters and byte totals change only in :meth:`ChunkTable.move`, so they cannot drift from the states.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any

from numpy.typing import NDArray

from brickstream.chunks.entry import HOLDS_BYTES, IN_FLIGHT, PREFETCH, VISIBLE, ChunkKey, ChunkState, Entry, Rank
from brickstream.chunks.running import Running
from brickstream.chunks.source import ChunkSource, Index, chunk_nbytes
from brickstream.errors import BrickstreamError

Beside = Callable[[Index, Callable[[Index], bool]], Sequence[Index]]
"""See :class:`brickstream.chunks.source.BundlingSource`."""

Observer = Callable[[Entry, ChunkState], None]
"""Is told of a chunk that is about to change, and of its next state. Must be quick, and change nothing."""

# Missing and failed chunks hold no data, only the memory of how they ended.
MAX_REMEMBERED = 50_000
# So many answers may wait to be decoded, for each read that may run: memory for them is reserved, but who looks
# elsewhere wants other ones.
BACKLOG = 1
# So many other reads are begun while the first level arrives, for a round trip at most: its bytes tell how slow the
# link is, and what is asked for on a slow one cannot be overtaken any more.
BESIDE_FIRST = 4


@dataclass(frozen=True)
class Limits:
    """Budgets of a table.

    Attributes
    ----------
    max_bytes : int
        Bytes of decoded chunks, those being read included.
    max_inflight : int
        Reads at the same time.
    """

    max_bytes: int
    max_inflight: int


@dataclass(frozen=True)
class Decision:
    """What should happen now.

    Attributes
    ----------
    start : tuple of Entry
        Reads to begin.
    cancel : tuple of Entry
        Reads that nobody waits for any more.
    evict : tuple of Entry
        Chunks to drop from memory.
    abort : tuple of Entry
        Reads that give way to much more urgent ones, and wait again.
    ride : tuple of (Entry, Entry)
        Reads to begin together with one that is in `start`, because its request brings their bytes too.
    """

    start: tuple[Entry, ...] = ()
    cancel: tuple[Entry, ...] = ()
    evict: tuple[Entry, ...] = ()
    abort: tuple[Entry, ...] = ()
    ride: tuple[tuple[Entry, Entry], ...] = ()


class ChunkTable:
    """All chunks that are wanted or held, with their counters.

    Lives on the event loop; holds no task and does no I/O.

    Attributes
    ----------
    entries : dict of ChunkKey to Entry
    bytes_held : int
        Decoded bytes, reservations of running reads included.
    bytes_peak, inflight_max, queue_max : int
        The highest values so far.
    observer : Observer or None
        Who is told of every change of a state.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.observer: Observer | None = None
        self.entries: dict[ChunkKey, Entry] = {}
        self.bytes_held = self.bytes_peak = 0
        self.inflight_max = 0
        self.queue_max = 0
        self._clock = 0
        self._queue: list[Entry] = []
        self._running = Running()
        # Loaded chunks that nobody wants, the longest unused first: a dict is a set with an order.
        self._loose: dict[Entry, None] = {}

    @property
    def inflight(self) -> int:
        """Number of running reads that take a slot: of those that have a request of their own."""
        return self._running.slots

    @property
    def running(self) -> int:
        """Number of reads that have not ended, what is decoded included."""
        return len(self._running)

    def get(self, key: ChunkKey, source: ChunkSource) -> Entry:
        """Find or make the entry of a chunk."""
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = Entry(key, source, chunk_nbytes(source))
        return entry

    def want(self, entry: Entry, client: Hashable, rank: Rank) -> None:
        """Take down a client's wish."""
        entry.ranks[client] = rank
        entry.rank = min(entry.ranks.values())
        entry.unread.add(client)
        if entry.state is not ChunkState.ABSENT:
            self._loose.pop(entry, None)
            self._running.note(entry)
        self.touch(entry)

    def take(self, entry: Entry, client: Hashable) -> None:
        """Note that a client has taken the answer, and no longer holds its data."""
        entry.unread.discard(client)
        self._running.note(entry)

    def touch(self, entry: Entry) -> None:
        """Mark an entry as used just now."""
        self._clock += 1
        entry.used = self._clock

    def move(
        self,
        entry: Entry,
        state: ChunkState,
        data: NDArray[Any] | None = None,
        error: BrickstreamError | None = None,
        rides_on: Entry | None = None,
    ) -> None:
        """Change the state of a chunk: the only place where states, counters and byte totals change."""
        if self.observer is not None:
            self.observer(entry, state)
        if entry.state is ChunkState.ABSENT and state is ChunkState.QUEUED:
            # A new view moves hundreds of chunks like this, and none of the numbers changes.
            entry.state = state
            return
        held = (state in HOLDS_BYTES) - (entry.state in HOLDS_BYTES)
        if held:
            self.bytes_held += held * entry.nbytes
            self.bytes_peak = max(self.bytes_peak, self.bytes_held)
        if state is ChunkState.ABSENT:
            for rider in [rider for rider in self._running.riding if rider.rides_on is entry]:
                rider.rides_on = None
                self._running.note(rider)
        entry.rides_on = (rides_on or entry.rides_on) if state in IN_FLIGHT else None
        entry.state, entry.data, entry.error = state, data, error
        self._running.note(entry)
        self.inflight_max = max(self.inflight_max, self._running.slots)
        self._loose.pop(entry, None)
        if state is ChunkState.LOADED and not entry.ranks:
            # The answer came before the read was cancelled.
            self._loose[entry] = None
        while self._queue and self._queue[-1].state is not ChunkState.QUEUED:
            self._queue.pop()
        if state is ChunkState.ABSENT and not entry.ranks and not entry.unread:
            self.entries.pop(entry.key, None)

    def requeue(self, wanted: Iterable[Entry]) -> None:
        """Rebuild the queue from the chunks that clients still wait for: never appended to, so never longer than plans.

        A chunk that was delivered and then evicted is not read again: nobody waits for it.
        """
        self._forget_old()
        queued: list[tuple[Rank, int, Entry]] = []
        for entry in wanted:
            if entry.state is ChunkState.ABSENT and entry.unread:
                self.move(entry, ChunkState.QUEUED)
            if entry.state is ChunkState.QUEUED:
                queued.append((entry.rank or (VISIBLE, 0, 0.0), len(queued), entry))
        queued.sort(key=lambda item: item[:2], reverse=True)
        self._queue = [entry for *_, entry in queued]
        self.queue_max = max(self.queue_max, len(self._queue))

    def unwant(self, entry: Entry, client: Hashable) -> None:
        """Take back a client's wish.

        A chunk that nobody waits for leaves the queue; one that nobody wants leaves the table, unless it holds data.
        """
        entry.ranks.pop(client, None)
        entry.rank = min(entry.ranks.values(), default=None)
        self.take(entry, client)
        if not entry.unread and entry.state in (ChunkState.QUEUED, ChunkState.ABSENT):
            self.move(entry, ChunkState.ABSENT)
        elif not entry.ranks and entry.state is ChunkState.LOADED:
            self._loose[entry] = None

    def _forget_old(self) -> None:
        """Bound the memory of chunks that hold no data any more, the longest unused first."""
        if len(self.entries) <= 2 * MAX_REMEMBERED:
            return
        empty = [e for e in self.entries.values() if not e.ranks and e.state not in HOLDS_BYTES]
        for entry in sorted(empty, key=lambda e: e.used)[: max(0, len(empty) - MAX_REMEMBERED)]:
            del self.entries[entry.key]

    @property
    def queue(self) -> list[Entry]:
        """Queued chunks, the most urgent last; some in between may have left the queue."""
        return self._queue

    @property
    def _head(self) -> Rank | None:
        """Rank of what is queued first."""
        return self._queue[-1].rank if self._queue else None

    def decide(self, window: int | None = None, *, first_only: bool = False) -> Decision:
        """Decide what to start, cancel, abort and evict. Pure: nothing changes here.

        Coarse comes first, and the first level of a view has the line to itself until its answers begin to arrive: on
        a slow link the finer chunks would only share the bandwidth that the first picture needs. Until they are here,
        or others begin to arrive, only a few other reads are begun.

        Parameters
        ----------
        window : int, optional
            Reads that the link can do with now; ``limits.max_inflight`` at most.
        first_only : bool, default False
            Start nothing but what the first picture of a view needs.
        """
        running = self._running
        cancel = tuple(running.orphans)
        if self._head is None:
            return Decision(cancel=cancel)
        most = self.limits.max_inflight if window is None else min(window, self.limits.max_inflight)
        most = min(most, (1 + BACKLOG) * self.limits.max_inflight - running.decoding)
        abort = self._worse(most - running.slots_after(set(cancel)))
        slots = most - running.slots_after({*cancel, *abort})
        beside = running.beside_first
        if beside is not None and self._head[:2] != (VISIBLE, 0):
            slots = min(slots, BESIDE_FIRST - beside)
        if slots <= 0:
            return Decision(cancel=cancel, abort=abort)
        free = self.limits.max_bytes - self.bytes_held + sum(e.nbytes for e in (*cancel, *abort))
        start: list[Entry] = []
        ride: dict[Entry, Entry] = {}
        evict: list[Entry] = []
        victims: Iterator[Entry] | None = None
        only_first = first_only or running.first_is_asked or (self._head or (PREFETCH, 0))[:2] == (VISIBLE, 0)
        # What is fetched ahead waits until everything visible is there.
        last_tier = VISIBLE if running.visible else PREFETCH
        for entry in reversed(self._queue):
            rank = entry.rank
            if len(start) >= slots or rank is None or (only_first and rank[:2] > (VISIBLE, 0)) or rank[0] > last_tier:
                break
            if entry.state is not ChunkState.QUEUED or entry in ride:
                continue
            last_tier = min(last_tier, rank[0])
            leaving: list[Entry] = []
            while free < entry.nbytes:
                victims = victims if victims is not None else self._victims()
                victim = next(victims, None)
                if victim is None or (rank[0] > VISIBLE and victim.rank is not None and victim.rank <= rank):
                    # Dropping some would not make enough room: they stay.
                    return Decision(tuple(start), cancel, tuple(evict), abort, tuple(ride.items()))
                leaving.append(victim)
                free += victim.nbytes
            free -= entry.nbytes
            evict += leaving
            start.append(entry)
            for rider in self._beside(entry, {*start, *ride}):
                if free < rider.nbytes:
                    break
                free -= rider.nbytes
                ride[rider] = entry
        return Decision(tuple(start), cancel, tuple(evict), abort, tuple(ride.items()))

    def _beside(self, entry: Entry, begun: Set[Entry]) -> list[Entry]:
        """Queued chunks of the same view and level that the request for a chunk brings along."""
        rank = entry.rank
        beside: Beside | None = getattr(entry.source, "beside", None)
        if rank is None or beside is None:
            return []

        def queued(index: Index) -> Entry | None:
            other = self.entries.get((entry.key[0], index))
            if other is None or other.state is not ChunkState.QUEUED or other in begun or other.rank is None:
                return None
            return other if other.rank[:2] == rank[:2] else None

        try:
            found = [queued(index) for index in beside(entry.key[1], lambda index: queued(index) is not None)]
        except Exception:  # noqa: BLE001 - sources are other people's code, and this only saves requests
            return []
        return list(dict.fromkeys(other for other in found if other is not None))

    def _worse(self, slots: int) -> tuple[Entry, ...]:
        """Running reads that much more urgent ones should have the slots of, the least urgent first.

        Much more urgent is what a view needs, where the other is only fetched ahead; and the first picture, where of
        the other nothing has arrived. Anything less is not worth another round trip.
        """
        head, worst = self._head, self._running.worst
        if head is None or head[0] > VISIBLE or worst <= head[:2] or (head[1] > 0 and worst[0] == VISIBLE):
            return ()
        running = [
            (e.rank, e) for e in self._running.inflight() if e.unread and e.rank is not None and e.rides_on is None
        ]
        # By the time of the wish besides: the order of a set differs from run to run.
        running.sort(key=lambda item: (item[0], item[1].used), reverse=True)
        queue = (e.rank for e in reversed(self._queue) if e.state is ChunkState.QUEUED)
        waiting = islice((rank for rank in queue if rank is not None), max(slots, 0), None)
        worse: list[Entry] = []
        for (rank, entry), better in zip(running, waiting, strict=False):
            ahead = rank[0] > better[0]
            first = better[:2] == (VISIBLE, 0) and rank[1] > 0 and entry.state is ChunkState.REQUESTED
            if not (ahead or first):
                break
            worse += [entry, *(e for e in self._running.riding if e.rides_on is entry and e.unread)]
        return tuple(worse)

    def _victims(self) -> Iterator[Entry]:
        """Loaded chunks that may be dropped: unwanted ones first, the longest unused first; then the least urgent.

        The unwanted ones are at hand: a read must not cost more where the cache is larger.
        """
        yield from self._loose
        held = (e for e in self.entries.values() if e.state is ChunkState.LOADED and e.ranks and not e.unread)
        yield from sorted(held, key=lambda e: e.rank or (0, 0, 0.0), reverse=True)
