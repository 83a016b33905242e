"""Answers of which nothing has come for too long: one timer for all reads; one for each costs a tenth of a read."""

from __future__ import annotations

import asyncio
from typing import Self

from brickstream.chunks.traffic import Arriving

# So often within the time that is allowed is looked at what has come.
LOOKS = 4


class Wait:
    """One read that waits: a context manager."""

    __slots__ = ("_arriving", "_cancelling", "_seen", "_since", "_task", "_waits", "late")

    def __init__(self, task: asyncio.Task[object], now: float, waits: dict[Wait, None]) -> None:
        self._task, self._cancelling, self._waits = task, task.cancelling(), waits
        self._seen, self._since = 0, now
        self._arriving: Arriving | None = None
        self.late = False

    def arrives(self, arriving: Arriving, now: float) -> None:
        """Hear that the answer has begun."""
        self._arriving, self._since = arriving, now

    def look(self, now: float, begin_s: float, next_s: float) -> None:
        """See whether anything has come since the last look; end the read where that was too long ago."""
        came = 0 if self._arriving is None else self._arriving.total_bytes
        if came != self._seen:
            self._seen, self._since = came, now
        elif now - self._since >= (begin_s if self._arriving is None else next_s) and not self.late:
            self.late = True
            self._task.cancel()

    def __enter__(self) -> Self:
        self._waits[self] = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        del self._waits[self]
        if kind is asyncio.CancelledError and self.late and self._task.uncancel() <= self._cancelling:
            raise TimeoutError from error


class Patience:
    """Ends reads that wait too long for the next bytes, by a TimeoutError. Lives on one event loop.

    Parameters
    ----------
    begin_s : float
        To wait until an answer begins, the making of a connection included.
    next_s : float
        To wait for the next bytes of one that has begun. Both may be longer by a quarter of the shorter one.
    """

    def __init__(self, begin_s: float, next_s: float) -> None:
        self._begin_s, self._next_s = begin_s, next_s
        self._every_s = min(begin_s, next_s) / LOOKS
        self._waits: dict[Wait, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def waiting(self) -> Wait:
        """Wait for an answer; inside ``with``, which raises TimeoutError where it is late."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("reads run in tasks")
        if self._timer is None:
            self._timer = loop.call_later(self._every_s, self._look)
        return Wait(task, loop.time(), self._waits)

    def look(self, now: float) -> None:
        """See what has come until a time of the loop's clock."""
        for wait in list(self._waits):
            wait.look(now, self._begin_s, self._next_s)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self.look(loop.time())
        self._timer = loop.call_later(self._every_s, self._look) if self._waits else None

    def close(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
