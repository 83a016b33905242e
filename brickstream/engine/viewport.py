"""Views that are shown: one image each, as many as a host likes, over one scheduler, one cache, one budget."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from brickstream.chunks import ChunkedImage
from brickstream.engine.showing import Showing
from brickstream.engine.sink import Sink
from brickstream.engine.update import Update
from brickstream.errors import ClosedError, TimedOutError
from brickstream.multiscale import Plan, View

Arrived = TypeVar("Arrived", asyncio.Event, threading.Event)


class _Shown(Generic[Arrived]):
    """What every viewport can do.

    Parameters
    ----------
    showing : Showing
    check : callable
        Raises where the engine does not run any more.
    gone : callable
        Called when the viewport is closed.
    arrived : asyncio.Event or threading.Event
        Set when there is something to poll; who waits for it looks again.
    """

    def __init__(
        self, showing: Showing, check: Callable[[], object], gone: Callable[[Any], object], arrived: Arrived
    ) -> None:
        self._showing = showing
        self._check = check
        self._gone = gone
        self._arrived: Arrived = arrived

    def show(self, image: ChunkedImage, view: View) -> Plan:
        """Start to show a view instead of the last one; see :meth:`Showing.show`."""
        self._check()
        return self._showing.show(image, view)

    def retry_failed(self) -> Plan | None:
        """Read again what has failed, of the view that is shown and of any that is asked for later.

        Chunks that have failed are not read again by themselves. Returns the plan of the view that is shown, or None.
        """
        self._check()
        return self._showing.retry_failed()

    def stop(self) -> None:
        """Cancel what only this view wants, and wait for it no longer; what is on screen stays.

        A later :meth:`show` begins anew.
        """
        self._check()
        self._showing.stop()
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._arrived.set()

    def close(self) -> None:
        """Stop, and be forgotten by the engine; quiet where the engine has ended already."""
        try:
            self.stop()
        except ClosedError:
            return  # everything has stopped
        self._gone(self)

    @property
    def sink(self) -> Sink | None:
        """Who shows the updates."""
        return self._showing.sink

    @property
    def is_complete(self) -> bool:
        """Whether everything of the newest view was polled, or is held, or failed."""
        self._check()
        return self._showing.complete

    @property
    def latest(self) -> Update | None:
        """The last update that was polled of the newest view."""
        self._check()
        return self._showing.latest


class Viewport(_Shown[asyncio.Event]):
    """One image in one view, for a host on the engine's event loop; made by :meth:`Engine.viewport`.

    Each viewport has its own sink and its own generations, and completes by itself: an image that fails in one holds up
    no other. A chunk that several want is read once, at the best of their priorities.
    """

    def poll(self, budget_ms: float | None = None) -> list[Update]:
        """Hand what has arrived to the sink; call it once a frame. See :meth:`Showing.poll`."""
        self._check()
        try:
            return self._showing.poll(budget_ms)
        finally:
            # Somebody else may wait in `complete` for what was taken here.
            if self._showing.complete:
                self._arrived.set()

    async def complete(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the public name of the wait
        """Poll until the view that is shown is complete.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; None waits for ever.

        Raises
        ------
        TimedOutError
            If it is not complete in time; what has arrived stays.
        ClosedError
            If the engine is closed meanwhile.
        """
        self._check()
        showing = self._showing
        try:
            async with asyncio.timeout(timeout):
                while not showing.complete:
                    self._arrived.clear()
                    showing.poll()
                    if not showing.complete:
                        await self._arrived.wait()
                        self._check()
        except TimeoutError as error:
            raise TimedOutError(f"the view is not complete after {timeout:g} s") from error


class ThreadedViewport(_Shown[threading.Event]):
    """One image in one view, for a host without an event loop; made by :meth:`ThreadedEngine.viewport`.

    As :class:`Viewport`; everything belongs to the render thread. No lock is held while the sink is called.
    """

    def poll(self, budget_ms: float | None = None) -> list[Update]:
        """Hand what has arrived to the sink, within a time budget; once a frame."""
        self._check()
        self._arrived.clear()
        try:
            return self._showing.poll(budget_ms)
        finally:
            # What the time budget left over must not be slept over.
            if self._showing.has_mail:
                self._arrived.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until something arrives to be polled; False where `timeout` seconds passed first."""
        return self._arrived.wait(timeout)

    def complete(self, timeout: float | None = None) -> None:
        """Poll until the view is complete.

        Raises
        ------
        TimedOutError
            After `timeout` seconds; what has arrived stays.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            self.poll()
            if self.is_complete:
                return
            left = None if until is None else until - time.monotonic()
            if (left is not None and left <= 0) or not self.wait(left):
                raise TimedOutError(f"the view is not complete after {timeout:g} s")
