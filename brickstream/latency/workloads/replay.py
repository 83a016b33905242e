"""Plays a session on an engine of ours, as a host of 60 frames a second does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from brickstream.chunks import ChunkedImage
from brickstream.engine import ThreadedViewport, Viewport
from brickstream.errors import TimedOutError
from brickstream.latency.workloads.session import Session

TICK_S = 1 / 60

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Replayed:
    """What came of a session.

    Attributes
    ----------
    first_s : float or None
        Seconds from its beginning to the first pixels that could be shown; None where none came.
    seconds : float
        From its beginning until the last view was complete.
    settle_s : float
        From the last move until then.
    failed : int
        Chunks that could not be read, of all its views.
    """

    first_s: float | None
    seconds: float
    settle_s: float
    failed: int


def replay(
    viewport: ThreadedViewport,
    image: ChunkedImage,
    session: Session,
    *,
    timeout: float | None = None,
    progress: Progress = lambda done, total: None,
    settled: bool = False,
) -> Replayed:
    """Show every view of a session at its time, and wait for the last one; the render thread, which it blocks.

    A view whose time has passed is shown none the less: a session always asks for the same.

    Parameters
    ----------
    viewport : ThreadedViewport
        ``ThreadedEngine.main``, for example.
    image : ChunkedImage
        The session's, or another one with the same axes.
    session : Session
    timeout : float, optional
        Seconds to wait for the last view; with `settled` for each.
    progress : callable
        Takes views shown and all views.
    settled : bool, default False
        Wait for every view before the next one: then what is asked for does not depend on how quick anything is.

    Raises
    ------
    ViewError
        If the image has no such view.
    TimedOutError
        If a view that is waited for is not complete in time.
    """
    run = _Run(viewport, image, session, time.perf_counter, timeout, progress, settled)
    for nap in run.naps():
        time.sleep(nap)
    return run.result()


async def replay_on_loop(viewport: Viewport, image: ChunkedImage, session: Session) -> Replayed:
    """Do as :func:`replay`, on the engine's event loop and by the loop's clock, which may be a test's.

    Raises
    ------
    ViewError
        If the image has no such view.
    """
    run = _Run(viewport, image, session, asyncio.get_running_loop().time)
    for nap in run.naps():
        await asyncio.sleep(nap)
    return run.result()


class _Run:
    """A session that is being played: says how long to sleep, and looks around after that."""

    def __init__(
        self,
        viewport: Viewport | ThreadedViewport,
        image: ChunkedImage,
        session: Session,
        clock: Callable[[], float],
        timeout: float | None = None,
        progress: Progress = lambda done, total: None,
        settled: bool = False,
    ) -> None:
        self._viewport, self._image, self._session = viewport, image, session
        self._clock, self._timeout, self._progress, self._settled = clock, timeout, progress, settled
        self._began = self._moved = self._ended = clock()
        self._first: float | None = None
        self._failed = 0

    def naps(self) -> Iterator[float]:
        """Show what is due, then yield the seconds until there is something to do; until the last view is complete."""
        steps = self._session.steps
        for number, step in enumerate(steps, 1):
            while (left := self._began + step.at - self._clock()) > 0:
                yield min(left, TICK_S)
                self._poll()
            self._viewport.show(self._image, step.view)
            self._moved = self._clock()
            self._progress(number, len(steps))
            if self._settled or number == len(steps):
                yield from self._until_complete()
        self._ended = self._clock()

    def _until_complete(self) -> Iterator[float]:
        while not self._viewport.is_complete:
            if self._timeout is not None and self._clock() > self._moved + self._timeout:
                raise TimedOutError(f"a view is not complete after {self._timeout:g} s", self._session.title)
            yield TICK_S
            self._poll()

    def result(self) -> Replayed:
        """What came of it."""
        return Replayed(self._first, self._ended - self._began, self._ended - self._moved, self._failed)

    def _poll(self) -> None:
        updates = self._viewport.poll()
        self._failed += sum(update.failure is not None for update in updates)
        if self._first is None and any(update.data is not None for update in updates):
            self._first = self._clock() - self._began
