"""Views: how long people wait for the first pixels and for the whole picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from brickstream.chunks import ChunkedImage
from brickstream.engine.telemetry.events import Ring, ViewEvent
from brickstream.engine.telemetry.tally import Book, Place

if TYPE_CHECKING:
    from brickstream.engine.core import Request
    from brickstream.engine.update import Update


@dataclass(eq=False, slots=True)
class _Open:
    """A view that is not complete."""

    start: int
    first: int = 0
    place: Place | None = None
    held: int = 0
    known: int = 0


class ViewRecorder:
    """Hears of every view: on the render thread of what it asks for and gets, on the event loop of what is read for it.

    Parameters
    ----------
    ring : Ring
    book : Book
    """

    def __init__(self, ring: Ring, book: Book) -> None:
        self._ring = ring
        self._book = book
        self._open: dict[Request, _Open] = {}

    def planned(self, request: Request, start: int) -> None:
        """Hear of a view when it is planned, and since when its host waits; render thread, before :meth:`began`."""
        self._open[request] = _Open(start)

    def learn(self, image: ChunkedImage) -> None:
        """Hear of an image that was opened; event loop."""
        self._book.learn(image)

    def began(self, request: Request, held: int, known: int) -> None:
        """Hear that the chunks of a view are about to be wanted; event loop.

        Parameters
        ----------
        request : Request
        held, known : int
            Chunks that are shown already; and of the others those that are here already.
        """
        opened = self._open.setdefault(request, _Open(self._ring.now()))
        opened.place, opened.held, opened.known = self._book.learn(request.image), held, known
        for tally in opened.place.tallies:
            tally.loop.views += 1
            tally.loop.wanted += request.plan.chunk_count
            tally.loop.held += held
            tally.loop.known += known

    def delivered(self, request: Request, fresh: bool) -> None:
        """Hear that an update is ready, or that it was dropped because nobody waits for it; event loop."""
        for tally in self._book.tallies(request.image):
            tally.loop.delivered += fresh
            tally.loop.stale += not fresh

    def dropped(self, request: Request) -> None:
        """Hear that an update was dropped when it was polled: another view is shown by now; render thread."""
        for tally in self._book.tallies(request.image):
            tally.host.stale += 1

    def taken(self, request: Request, update: Update) -> None:
        """Hear that an update was handed over; render thread, or the loop of a slice."""
        opened = self._open.get(request)
        if opened is None or opened.place is None:
            return
        if not opened.first and update.data is not None:
            opened.first = self._ring.now()
            for tally in opened.place.tallies:
                tally.host.times["first_pixels"].add(opened.first - opened.start)
        if update.complete:
            self.finished(request)

    def finished(self, request: Request) -> None:
        """Hear that a view is complete, and that its host knows; twice is fine."""
        opened = self._open.pop(request, None)
        if opened is None or opened.place is None:
            return
        now = self._ring.now()
        for tally in opened.place.tallies:
            tally.host.complete += 1
            tally.host.times["complete"].add(now - opened.start)
        self._close(request, opened, now, complete=True)

    def left(self, request: Request) -> None:
        """Hear that a view is not shown any more; event loop. Quiet where it was complete."""
        opened = self._open.pop(request, None)
        if opened is None or opened.place is None:
            return
        for tally in opened.place.tallies:
            tally.loop.left += 1
        self._close(request, opened, self._ring.now(), complete=False)

    def _close(self, request: Request, opened: _Open, now: int, *, complete: bool) -> None:
        plan = request.plan
        level = -1 if plan.empty else plan.target.level
        image = opened.place.image if opened.place is not None else 0
        times = (opened.start, opened.first, now)
        counts = (plan.chunk_count, opened.held, opened.known)
        ids = (request.request_id, request.generation)
        self._ring.add(ViewEvent(self._ring.number(), image, level, *ids, *times, *counts, complete))
