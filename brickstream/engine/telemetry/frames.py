"""What holds the render thread: plans, polls, commits, drawing, and frames around them."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from brickstream.engine.telemetry.events import RenderEvent, Ring
from brickstream.engine.telemetry.histogram import Histogram

FRAME = "frame"
# Drawing is what the thread is for: only what comes before it can be a stall.
_NO_STALL = (FRAME, "draw")


class Work:
    """Some work of the render thread: a context manager.

    Attributes
    ----------
    idle : bool
        Nothing was done: it leaves no trace. False as soon as other work has ended within it.
    """

    __slots__ = ("_frames", "idle", "start", "what")

    def __init__(self, frames: FrameRecorder, what: str, idle: bool) -> None:
        self._frames = frames
        self.what = what
        self.idle = idle
        self.start = 0

    def __enter__(self) -> Self:
        self._frames.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frames.end(self)


class FrameRecorder:
    """Hears of the work of the render thread, and lives there.

    Parameters
    ----------
    ring : Ring
    """

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._times: dict[str, Histogram] = {}
        self._open: list[Work] = []
        self._held = self._longest = 0

    def begin(self, work: Work) -> None:
        """Begin a piece of work, perhaps within another one."""
        self._open.append(work)
        work.start = self._ring.now()

    def end(self, work: Work) -> None:
        """End the piece of work that was begun last."""
        now = self._ring.now()
        self._open.pop()
        if not work.idle:
            self.took(work.what, work.start, now)
        elif not self._open:
            self._held = 0

    def took(self, what: str, start: int, end: int) -> None:
        """Hear of a piece of work that has ended, within those that were begun."""
        self._remember(what, start, end)
        for outer in self._open:
            outer.idle = False
        if not self._open:
            self._longest, self._held = max(self._longest, self._held), 0

    def _remember(self, what: str, start: int, end: int) -> None:
        if what not in _NO_STALL and all(outer.what == FRAME for outer in self._open):
            self._held += end - start
        times = self._times.get(what)
        if times is None:
            times = Histogram()
            # A new dict, so that who looks from another thread never sees one change.
            self._times = {**self._times, what: times}
        times.add(end - start)
        self._ring.add(RenderEvent(self._ring.number(), what, start, end))

    def as_dict(self) -> dict[str, Any]:
        """Say it as JSON; the keys are in ``docs/telemetry.md``."""
        times = {what: self._times[what].as_dict(1e6) for what in sorted(self._times)}
        return {"longest_stall_ms": self._longest / 1e6, "ms": times}
