"""Views that are shown: one image each, as many as a host likes, over one scheduler, one cache, one budget."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from brickstream.chunks import ChunkedImage
from brickstream.engine.bell import Bell
from brickstream.engine.live import Live, LiveEvents
from brickstream.engine.outdated import Regions
from brickstream.engine.playback import Playback, Wait
from brickstream.engine.showing import Showing
from brickstream.engine.sink import Sink
from brickstream.engine.update import Update
from brickstream.errors import ClosedError, TimedOutError
from brickstream.multiscale import Plan, View
from brickstream.multiscale.affine import FloatArray

Arrived = TypeVar("Arrived", asyncio.Event, Bell)


class _Shown(Generic[Arrived]):
    """What every viewport can do.

    Parameters
    ----------
    showing : Showing
    check : callable
        Raises where the engine does not run any more.
    gone : callable
        Called when the viewport is closed; says whether it is forgotten, and of no use any more.
    arrived : asyncio.Event or Bell
        Set when there is something to poll; who waits for it looks again.
    """

    def __init__(
        self, showing: Showing, check: Callable[[], object], gone: Callable[[Any], bool], arrived: Arrived
    ) -> None:
        self._showing = showing
        self._check: Callable[[], object] = check
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

    def invalidate(self, image: ChunkedImage, regions: Regions) -> None:
        """Show anew what of an image may have been written anew; for the engine, see :meth:`Engine.invalidate`."""
        self._check()
        self._showing.invalidate(image, regions)

    def histogram(
        self, bins: int = 256, limits: tuple[float, float] | None = None
    ) -> tuple[FloatArray, FloatArray] | None:
        """Estimate how many pixels of the chunks in view have which values, from what has come so far; reads nothing.

        Of the finest level that has come wholly; before that, of everything that has come. About a thousand values of
        each chunk are looked at.

        Parameters
        ----------
        bins : int, default 256
        limits : (float, float), optional
            First and last edge; default the smallest and the largest value.

        Returns
        -------
        counts : ndarray of shape (bins,), float64
            Pixels of that level.
        edges : ndarray of shape (bins + 1,), float64
            None in place of both where nothing has come.

        Raises
        ------
        ViewError
            If there are no bins, or the limits are no two numbers, the smaller one first.
        """
        self._check()
        return self._showing.values.histogram(bins, limits)

    def contrast_limits(self, low: float = 0.1, high: float = 99.9) -> tuple[float, float] | None:
        """Find the values below which so many percent of the pixels lie; None where nothing has come.

        From what has streamed so far, as :meth:`histogram`.

        Raises
        ------
        ViewError
            If they are not percentages, the smaller one first.
        """
        self._check()
        return self._showing.values.limits(low, high)

    def play(
        self,
        axis: str,
        fps: float = 10.0,
        *,
        step: int = 1,
        circular: bool = True,
        wait: Wait = "complete",
        ahead: int = 8,
        clock: Callable[[], float] = time.perf_counter,
    ) -> Playback:
        """Play an axis, from where the view is; each :meth:`poll` shows the frame whose time it is.

        The next frames are fetched ahead. Where data come too slowly frames are dropped, and counted: see
        :class:`Playback`. A new view of the same image goes on being played; another image, :meth:`cancel` and hiding
        end it.

        Parameters
        ----------
        axis : str
            Not displayed.
        fps : float, default 10
            Frames a second.
        step : int, default 1
            Pixels of level 0 from frame to frame; below zero it runs backwards.
        circular : bool, default True
            Whether it goes on at the other end; else it ends there.
        wait : {"complete", "first"}
            What of a frame must be there before the next one: all of it, or a first picture.
        ahead : int, default 8
            Frames that are fetched ahead.
        clock : callable
            Seconds; for tests.

        Raises
        ------
        ViewError
            If nothing is shown, the axis is displayed or not there, or a number is not usable.
        """
        self._check()
        return self._showing.play(axis, fps, step=step, circular=circular, wait=wait, ahead=ahead, clock=clock)

    def cancel(self) -> None:
        """Cancel what only this view wants, and wait for it no longer; what is on screen stays.

        A later :meth:`show` begins anew.
        """
        self._check()
        self._showing.cancel()
        self.wake()

    @property
    def visible(self) -> bool:
        """Whether anybody looks.

        While nobody does nothing is planned, read or put; :meth:`show` only notes the view, and becoming visible shows
        the newest one. What is in memory, and on screen, stays.
        """
        return self._showing.visible

    @visible.setter
    def visible(self, visible: bool) -> None:
        self._check()
        self._showing.set_visible(visible)
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._arrived.set()

    def close(self) -> None:
        """Cancel, and be forgotten by the engine; quiet where the engine has ended already."""
        try:
            self.cancel()
        except ClosedError:
            return  # everything has stopped
        if self._gone(self):
            self._check = _closed

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
    def live(self) -> Live:
        """What is shown now: level, corner pixels, progress, failures, the wanted and the shown point."""
        return self._showing.live.now

    @property
    def events(self) -> LiveEvents:
        """Signals (psygnal) of :attr:`live`: ``events.progress.connect(callback)``."""
        return self._showing.live.events

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

    async def complete(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the public name of the wait
        stall: float | None = None,
    ) -> None:
        """Poll until the view that is shown is complete.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; None waits for ever.
        stall : float, optional
            Seconds to wait for the next chunk; for data that takes long, but must not stop.

        Raises
        ------
        TimedOutError
            If it is not complete in time, or nothing comes any more; what has arrived stays.
        ClosedError
            If the engine is closed meanwhile.
        """
        self._check()
        showing = self._showing
        try:
            async with asyncio.timeout(timeout) as limit:
                while not showing.complete:
                    self._arrived.clear()
                    showing.poll()
                    if not showing.complete:
                        await self._next(stall)
        except TimeoutError as error:
            if not limit.expired():
                raise  # of `stall`, or of the sink
            raise TimedOutError(f"the view is not complete after {timeout:g} s") from error

    async def _next(self, stall: float | None) -> None:
        try:
            async with asyncio.timeout(stall) as limit:
                await self._arrived.wait()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise stalled(stall, self.live.progress) from error
        if not self._showing.complete:
            self._check()


class ThreadedViewport(_Shown[Bell]):
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

    def complete(self, timeout: float | None = None, stall: float | None = None) -> None:
        """Poll until the view is complete; see :meth:`Viewport.complete`.

        Raises
        ------
        TimedOutError
            After `timeout` seconds, or `stall` seconds without a chunk; what has arrived stays.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            self.poll()
            if self.is_complete:
                return
            left = None if until is None else until - time.monotonic()
            nap = min((wait for wait in (left, stall) if wait is not None), default=None)
            if (left is None or left > 0) and self.wait(nap):
                continue
            if nap is not None and nap == stall:
                raise stalled(stall, self.live.progress)
            raise TimedOutError(f"the view is not complete after {timeout:g} s")


Port = TypeVar("Port", Viewport, ThreadedViewport)


class HasMain(ABC, Generic[Port]):
    """What an engine does with the viewport of its own sink; on the thread of `show` and `poll`."""

    @property
    @abstractmethod
    def main(self) -> Port:
        """The viewport of the engine's own sink: the one that these methods speak of."""

    def show(self, image: ChunkedImage, view: View) -> Plan:
        """Start to show a view through the sink, instead of the view shown before; see :meth:`Showing.show`."""
        return self.main.show(image, view)

    def poll(self, budget_ms: float | None = None) -> list[Update]:
        """Hand what has arrived to the sink, within a time budget; call it once a frame. See :meth:`Showing.poll`."""
        return self.main.poll(budget_ms)

    def cancel(self) -> None:
        """Stop waiting for the view that is shown; see :meth:`Viewport.cancel`."""
        self.main.cancel()

    def play(self, axis: str, fps: float = 10.0, **how: Any) -> Playback:
        """Play an axis; see :meth:`Viewport.play`."""
        return self.main.play(axis, fps, **how)

    def retry_failed(self) -> Plan | None:
        """Read again what has failed; see :meth:`Viewport.retry_failed`."""
        return self.main.retry_failed()

    @property
    def is_complete(self) -> bool:
        """Whether everything of the newest view was polled, or is held, or failed."""
        return self.main.is_complete

    @property
    def latest(self) -> Update | None:
        """The last update that was polled of the newest view."""
        return self.main.latest

    @property
    def live(self) -> Live:
        """What is shown now; see :attr:`Viewport.live`."""
        return self.main.live

    @property
    def events(self) -> LiveEvents:
        """Signals of :attr:`live`."""
        return self.main.events


def _closed() -> None:
    raise ClosedError("the viewport is closed", "", "make another: engine.viewport(sink)")


def stalled(seconds: float | None, progress: float) -> TimedOutError:
    """Make the error that says that nothing comes any more."""
    return TimedOutError(f"nothing has come for {seconds:g} s", f"{progress:.0%} of the view is there")
