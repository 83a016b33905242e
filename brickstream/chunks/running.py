"""Reads that have not ended, counted by kind: a decision comes with every answer, and must not look at every read."""

from __future__ import annotations

from collections.abc import Set

from brickstream.chunks.entry import IN_FLIGHT, PREFETCH, RUNNING, VISIBLE, ChunkState, Entry

Kind = tuple[int, int, ChunkState, bool]
"""Tier, place of the level, state, and whether the request is another read's."""

# The tier of reads that nobody waits for: behind all others.
NOBODY = PREFETCH + 1


class Running:
    """The reads of a table; kept right by :meth:`note` after every change of an entry.

    Attributes
    ----------
    slots : int
        Reads whose bytes are not all here and that have a request of their own.
    decoding : int
        Reads whose bytes are here, and that somebody waits for.
    riding : set of Entry
        Reads whose bytes come by the request of another one.
    orphans : dict of Entry to None
        Reads that nobody waits for.
    """

    def __init__(self) -> None:
        self.slots = self.decoding = 0
        self.riding: set[Entry] = set()
        self.orphans: dict[Entry, None] = {}
        self._kinds: dict[Entry, Kind] = {}
        self._count: dict[Kind, int] = {}

    def __len__(self) -> int:
        return len(self._kinds)

    def inflight(self) -> list[Entry]:
        """List the reads whose bytes are not all here."""
        return [entry for entry, kind in self._kinds.items() if kind[2] in IN_FLIGHT]

    def slots_after(self, gone: Set[Entry]) -> int:
        """Slots taken once some reads are gone: of a request whose first read is gone, the others take one each."""
        if not gone:
            return self.slots
        left = (entry for entry in self.inflight() if entry not in gone)
        return sum(entry.rides_on is None or entry.rides_on in gone for entry in left)

    def note(self, entry: Entry) -> None:
        """Take down what an entry is now."""
        kind = _kind(entry) if entry.state in RUNNING else None
        old = self._kinds.get(entry)
        if kind == old:
            return
        if old is not None:
            self._add(-1, old)
            del self._kinds[entry]
            self.riding.discard(entry)
            self.orphans.pop(entry, None)
        if kind is not None:
            self._add(1, kind)
            self._kinds[entry] = kind
            if kind[3]:
                self.riding.add(entry)
            if kind[0] == NOBODY:
                self.orphans[entry] = None

    def _add(self, number: int, kind: Kind) -> None:
        tier, _, state, rides = kind
        if state in IN_FLIGHT:
            self.slots += 0 if rides else number
        elif tier < NOBODY:
            self.decoding += number
        count = self._count.get(kind, 0) + number
        if count:
            self._count[kind] = count
        else:
            del self._count[kind]

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
    def beside_first(self) -> int | None:
        """Slots taken beside the first level of some view while that arrives, and nothing else does; else None."""
        slots = dict.fromkeys((True, False), 0)
        for (tier, place, state, rides), count in self._count.items():
            first = (tier, place) == (VISIBLE, 0)
            if not first and tier < NOBODY and state is not ChunkState.REQUESTED:
                return None
            slots[first] += count * (state in IN_FLIGHT and not rides)
        return slots[False] if slots[True] else None

    @property
    def worst(self) -> tuple[int, int]:
        """Tier and place of the least urgent request that is waited for; before everything where there is none."""
        kinds = (kind for kind in self._count if kind[0] < NOBODY and kind[2] in IN_FLIGHT and not kind[3])
        return max((kind[:2] for kind in kinds), default=(VISIBLE, -1))


def _kind(entry: Entry) -> Kind:
    rides = entry.state in IN_FLIGHT and entry.rides_on is not None
    if entry.rank is None or not entry.unread:
        # Wanting is not waiting: who had the chunk before it was evicted keeps no read of it alive.
        return NOBODY, 0, entry.state, rides
    return entry.rank[0], entry.rank[1], entry.state, rides
