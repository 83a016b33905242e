"""Reads that have not ended, counted by kind: a decision comes with every answer, and must not look at every read."""

from __future__ import annotations

from collections.abc import Set

from brickstream.chunks.entry import IN_FLIGHT, RUNNING, VISIBLE, ChunkState, Entry

Kind = tuple[int, int, ChunkState, bool]
"""Tier, place of the level, state, and whether the request is another read's."""


class Running:
    """The reads of a table; kept right by :meth:`note` after every change of an entry.

    Attributes
    ----------
    inflight : set of Entry
        Those whose bytes are not all here.
    decoding : set of Entry
        Those whose bytes are.
    riding : set of Entry
        Those of `inflight` whose bytes come by the request of another one.
    orphans : dict of Entry to None
        Those that nobody waits for.
    """

    def __init__(self) -> None:
        self.inflight: set[Entry] = set()
        self.decoding: set[Entry] = set()
        self.riding: set[Entry] = set()
        self.orphans: dict[Entry, None] = {}
        self._kind_of: dict[Entry, Kind] = {}
        self._count: dict[Kind, int] = {}

    def __len__(self) -> int:
        return len(self.inflight) + len(self.decoding)

    @property
    def slots(self) -> int:
        """Slots that are taken: by reads that have a request of their own."""
        return len(self.inflight) - len(self.riding)

    def slots_after(self, gone: Set[Entry]) -> int:
        """Slots taken once some reads are gone: of a request whose first read is gone, the others take one each."""
        if not gone:
            return self.slots
        riding = (rider for rider in self.riding if rider.rides_on not in gone)
        return len(self.inflight - gone) - sum(rider not in gone for rider in riding)

    def note(self, entry: Entry) -> None:
        """Take down what an entry is now."""
        state, rank = entry.state, entry.rank
        if state not in RUNNING and entry not in self.inflight and entry not in self.decoding:
            return
        rides = state in IN_FLIGHT and entry.rides_on is not None
        (self.inflight.add if state in IN_FLIGHT else self.inflight.discard)(entry)
        (self.decoding.add if state is ChunkState.DECODING else self.decoding.discard)(entry)
        (self.riding.add if rides else self.riding.discard)(entry)
        kind = None
        self.orphans.pop(entry, None)
        if state in RUNNING:
            if not entry.unread:
                # Wanting is not waiting: who had the chunk before it was evicted keeps no read of it alive.
                self.orphans[entry] = None
            elif rank is not None:
                kind = (rank[0], rank[1], state, rides)
        self._recount(entry, kind)

    def _recount(self, entry: Entry, kind: Kind | None) -> None:
        old = self._kind_of.pop(entry, None)
        if old is not None:
            self._count[old] -= 1
            if not self._count[old]:
                del self._count[old]
        if kind is not None:
            self._kind_of[entry] = kind
            self._count[kind] = self._count.get(kind, 0) + 1

    @property
    def visible(self) -> bool:
        """Whether something visible is read or decoded."""
        return any(tier == VISIBLE for tier, *_ in self._count)

    @property
    def first_is_asked(self) -> bool:
        """Whether a chunk of the first level of some view is still without an answer."""
        asked = ChunkState.REQUESTED
        return any(kind[:3] == (VISIBLE, 0, asked) for kind in self._count)

    @property
    def worst(self) -> tuple[int, int]:
        """Tier and place of the least urgent request; before everything where there is none."""
        kinds = (kind for kind in self._count if kind[2] in IN_FLIGHT and not kind[3])
        return max((kind[:2] for kind in kinds), default=(VISIBLE, -1))
