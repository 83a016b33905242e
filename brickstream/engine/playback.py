"""An axis that is played: which frame is due, and what was dropped to keep the time. Decides purely; others act."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import floor
from typing import Literal

from brickstream.engine.live import Live
from brickstream.errors import ViewError
from brickstream.multiscale import Pyramid, View, framing, plain
from brickstream.multiscale.navigate import move_point

Wait = Literal["complete", "first"]
FASTEST = 1000.0


class Playback:
    """Plays an axis that is not displayed, at a given rate, as far as the data keep up; made by `play`.

    The time is kept: a frame that is not there when the next one is due stays until it is, and then the playback goes
    on with the frame whose time it is by then. Those in between are dropped, and counted. :meth:`Viewport.poll` moves
    it, so that a host that polls once a frame need do nothing else. Render thread.

    Parameters
    ----------
    pyramid : Pyramid
    view : View
        Where it begins.
    axis : str
    fps : float
        Frames a second.
    step : int
        Pixels of level 0 from frame to frame; below zero it runs backwards.
    circular : bool
        Whether it goes on at the other end; else it ends there.
    wait : {"complete", "first"}
        What of a frame must be there before the next one: all of it, or a first picture.
    clock : callable
        Seconds.

    Attributes
    ----------
    shown : int
        Frames that were on screen, the one on screen now included.
    dropped : int
        Frames whose time passed while another one was waited for.
    is_running : bool

    Raises
    ------
    ViewError
        If the axis is displayed or not there, or a number is not usable.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        view: View,
        axis: str,
        fps: float,
        *,
        step: int = 1,
        circular: bool = True,
        wait: Wait = "complete",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.axis, self.circular = axis, circular
        self.fps, self.step = plain.number(fps, "fps"), plain.whole(step, "step")
        self._start, self._width, self._count = _steps(pyramid, view, axis)
        if not 0 < self.fps <= FASTEST:
            raise ViewError(f"from above 0 to {FASTEST:g} frames a second are played", f"fps={fps:g}")
        if not self.step:
            raise ViewError("playback goes on by at least one pixel", f"step={step}")
        if wait not in ("complete", "first"):
            raise ViewError("playback waits for 'complete' or 'first'", f"wait={wait!r}")
        self.shown = self.dropped = 0
        self.is_running = True
        self._wait, self._clock = wait, clock
        self._begun: float | None = None
        self._frames = 0
        self._seen = False
        now = round((dict(view.point)[axis] - self._start) / self._width)
        self._first = min(max(now, 0), self._count - 1)

    def next_view(self, view: View, live: Live) -> View | None:
        """Say what to show now; None while the frame on screen stays.

        Parameters
        ----------
        view : View
            The one that is shown; what of it is not the axis that is played stays.
        live : Live
        """
        if not self.is_running or not (live.loaded if self._wait == "complete" else not live.is_old):
            return None
        now = self._clock()
        self.shown += not self._seen
        self._seen = True
        if self._begun is None:
            self._begun = now
        last = self._last()
        if self._frames == last:
            self.is_running = False
            return None
        due = floor((now - self._begun) * self.fps)
        due = due if last is None else min(due, last)
        if due <= self._frames or self._count == 1:
            return None
        self.dropped += due - self._frames - 1
        self._frames, self._seen = due, False
        place = (self._first + due * self.step) % self._count
        return move_point(view, self.axis, self._start + place * self._width)

    def _last(self) -> int | None:
        """Number of the frame at the end; None where there is no end."""
        if self.circular:
            return None
        room = self._count - 1 - self._first if self.step > 0 else self._first
        return room // abs(self.step)

    def stop(self) -> None:
        """End it; the frame on screen stays. What was fetched ahead for it is given up at the next poll."""
        self.is_running = False


def _steps(pyramid: Pyramid, view: View, axis: str) -> tuple[float, float, int]:
    """World position of the first frame, world units from one to the next, number of frames."""
    if axis not in dict(view.point) or axis not in pyramid.axis_names:
        known = ", ".join(name for name, _ in view.point) or "none"
        raise ViewError(f"axis {axis!r} cannot be played", pyramid.name, f"those that are not displayed: {known}")
    start, step, count = framing.steps_of(pyramid, pyramid.axis_index(axis))
    return min(start, start + step * (count - 1)), abs(step), count
