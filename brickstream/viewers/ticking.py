"""How long a host with a timer takes what has arrived, in each tick."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

TICK_MS = 16
# A share of the time since the last tick: where frames take long anyway, more of it between two. On a software
# rasteriser, whose frames take 0.7 s, 4 ms of each left a picture unfinished for seconds after its last chunk.
SHARE, LEAST_MS, MOST_MS = 0.25, 3.0, 200.0


class TickBudget:
    """Milliseconds for each of the two halves of a tick, `poll` and `commit`.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._last = clock()

    def next_ms(self) -> float:
        """Say how long this tick may take; call it once a tick."""
        now = self._clock()
        last, self._last = self._last, now
        return min(max(SHARE * 1e3 * (now - last), LEAST_MS), MOST_MS)
