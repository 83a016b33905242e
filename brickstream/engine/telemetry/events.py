"""What is remembered of every chunk, request, view and piece of work of the render thread: one tuple each, at its end.

Times are nanoseconds of the clock of the :class:`~brickstream.engine.telemetry.Telemetry`; 0 stands for "never".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from brickstream.chunks.source import Index

# That add events: the event loop and the render thread.
_THREADS = 2


class Decoded(NamedTuple):
    """Work of a decode thread for a chunk."""

    thread: str
    start: int
    end: int


class ChunkEvent(NamedTuple):
    """A read of a chunk, from the queue to its end.

    Attributes
    ----------
    number : int
        Of the event, from 1.
    image : int
        Number of the image, from 1; 0 where it is none that was shown.
    level : int
        -1 where the image is not known.
    chunk : tuple of int
        Its index in the grid of the level.
    tier : int
        0 for what is visible, 1 for what is fetched ahead.
    queued, requested, receiving, decoding, end : int
        When it came into each state; 0 where it never did.
    outcome : str
        "loaded", "missing", "failed", or "given up".
    nbytes : int
        Bytes of the requests that were made for it.
    wanted : bool
        Whether somebody still waited for it in the end.
    decoded : tuple of Decoded
        What the decode threads did for it.
    """

    number: int
    image: int
    level: int
    chunk: Index
    tier: int
    queued: int
    requested: int
    receiving: int
    decoding: int
    end: int
    outcome: str
    nbytes: int
    wanted: bool
    decoded: tuple[Decoded, ...]


class RequestEvent(NamedTuple):
    """A request: of HTTP, or a read of a file or a store.

    Attributes
    ----------
    number : int
        Of the event.
    image, level : int
        Of the chunk that it was made for; as for a chunk.
    where : str
        What was asked for: no secrets.
    asked, began, end : int
        When it was sent (or began to wait for a connection), when its answer began, when it ended.
    status : int or None
        Of HTTP.
    nbytes : int
        Bytes of the answer's body.
    outcome : str
        "done", "failed" or "cancelled".
    failed : int
        How often the same was asked before, and failed.
    hedge : bool
        Whether it was the second request for a late read.
    reason : str
        Why it failed; empty otherwise.
    """

    number: int
    image: int
    level: int
    where: str
    asked: int
    began: int
    end: int
    status: int | None
    nbytes: int
    outcome: str
    failed: int
    hedge: bool
    reason: str


class ViewEvent(NamedTuple):
    """A view, from being asked for until it was complete, or was left for another one.

    Attributes
    ----------
    number : int
        Of the event.
    image : int
        Number of the image.
    level : int
        That the view is complete with; -1 where nothing of the image is in view.
    request_id, generation : int
        As in an :class:`~brickstream.engine.Update`.
    start, first, end : int
        When it was asked for, when its first pixels were handed over, when it was complete or left.
    wanted, held, known : int
        Chunks planned; of these, shown already; and of the others, here already.
    complete : bool
    """

    number: int
    image: int
    level: int
    request_id: int
    generation: int
    start: int
    first: int
    end: int
    wanted: int
    held: int
    known: int
    complete: bool


class RenderEvent(NamedTuple):
    """Work of the render thread: "plan", "poll", "commit", "draw", or a "frame" around them."""

    number: int
    what: str
    start: int
    end: int


Event = ChunkEvent | RequestEvent | ViewEvent | RenderEvent


class Ring:
    """The newest events. Any thread adds, any thread looks; there is no lock.

    Parameters
    ----------
    capacity : int
        Events that are kept; older ones are forgotten.
    clock : callable
        Gives nanoseconds.
    """

    def __init__(self, capacity: int, clock: Callable[[], int]) -> None:
        self.now = clock
        self._numbers = count(1)
        self._events: deque[Event] = deque(maxlen=capacity)

    def number(self) -> int:
        """Give a new event its number."""
        return next(self._numbers)

    def add(self, event: Event) -> None:
        """Remember an event; the oldest one may be forgotten."""
        self._events.append(event)

    @property
    def kept(self) -> int:
        """Events that are remembered now."""
        return len(self._events)

    @property
    def recorded(self) -> int:
        """Events that were ever added. The newest may be of another thread, and one earlier."""
        events, last = self._events, min(len(self._events), _THREADS)
        return max((events[-place].number for place in range(1, last + 1)), default=0)

    def events(self) -> list[Event]:
        """List what is remembered, as it was added. Two threads may have added in another order than they counted."""
        return list(self._events.copy())
