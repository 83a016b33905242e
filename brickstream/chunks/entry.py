"""One chunk: where it is, who wants it, how urgently."""

from __future__ import annotations

from collections.abc import Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from numpy.typing import NDArray

from brickstream.chunks.source import ChunkSource, Index
from brickstream.errors import BrickstreamError

ChunkKey = tuple[int, Index]
"""A source (its ``id``; the entry keeps it alive) and a chunk index."""

Rank = tuple[int, int, float]
"""Tier, place of the level from coarse to fine, distance to the focus: smaller is more urgent."""

VISIBLE = 0
PREFETCH = 1

READING: ContextVar[Entry | None] = ContextVar("READING", default=None)
"""The chunk that the running task reads, where somebody observes: requests and decoding are done for it."""


class ChunkState(Enum):
    """Where a chunk is; every chunk is in exactly one state."""

    # There is one object of each; the hash of an Enum is made of its name, in Python.
    __hash__ = object.__hash__

    ABSENT = "absent"
    QUEUED = "queued"
    REQUESTED = "requested"
    """Asked for; nothing has arrived."""
    RECEIVING = "receiving"
    """The answer arrives; of a source whose reads have one step only, it is decoded besides."""
    DECODING = "decoding"
    """Everything has arrived: the read's slot is free."""
    LOADED = "loaded"
    MISSING = "missing"
    FAILED = "failed"


IN_FLIGHT = frozenset({ChunkState.REQUESTED, ChunkState.RECEIVING})
RUNNING = IN_FLIGHT | {ChunkState.DECODING}
SETTLED = frozenset({ChunkState.LOADED, ChunkState.MISSING, ChunkState.FAILED})
HOLDS_BYTES = RUNNING | {ChunkState.LOADED}


@dataclass(eq=False, slots=True)
class Entry:
    """One chunk that somebody wants or that is still held.

    Attributes
    ----------
    key : ChunkKey
    source : ChunkSource
    nbytes : int
        Decoded size of the whole chunk; reserved when the read begins.
    state : ChunkState
        Changed by :meth:`ChunkTable.move` alone.
    ranks : dict
        Rank by client that wants the chunk now. Changed by :meth:`ChunkTable.want` and :meth:`ChunkTable.unwant` alone.
    rank : tuple or None
        The best of them; None where nobody wants the chunk.
    unread : set
        Clients that still wait for the answer or hold its data. Changed by the table's methods alone.
    used : int
        When it was last wanted or delivered, for recency.
    rides_on : Entry or None
        The running read whose request brings the bytes of this one too: it takes no slot of its own. Changed by
        :meth:`ChunkTable.move` alone.
    """

    key: ChunkKey
    source: ChunkSource
    nbytes: int
    state: ChunkState = ChunkState.ABSENT
    data: NDArray[Any] | None = None
    error: BrickstreamError | None = None
    ranks: dict[Hashable, Rank] = field(default_factory=dict)
    rank: Rank | None = None
    unread: set[Hashable] = field(default_factory=set)
    used: int = 0
    rides_on: Entry | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name of the chunk for people, even where its source fails to give one."""
        try:
            return self.source.key(self.key[1])
        except Exception:  # noqa: BLE001 - sources are other people's code, and this is asked while telling of an error
            return "/".join(map(str, self.key[1]))
