"""How long a host's thread was held up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def frame_times(frames: Sequence[float], begun: Sequence[float]) -> dict[str, float]:
    """Spread of the time that an engine took of each frame, in milliseconds, and the longest stall.

    A stall is the time from the beginning of one frame to that of the next: an engine's threads can keep a host from
    its next frame without taking anything of the last one.

    Parameters
    ----------
    frames : sequence of float
        Seconds, one for each frame.
    begun : sequence of float
        When each frame began.
    """
    p50, p95, p99 = np.percentile(frames, [50, 95, 99]).tolist()
    stall = max([later - earlier for earlier, later in pairwise(begun)], default=frames[-1])
    return {
        "frame_p50_ms": 1e3 * p50,
        "frame_p95_ms": 1e3 * p95,
        "frame_p99_ms": 1e3 * p99,
        "frame_max_ms": 1e3 * max(frames),
        "stall_ms": 1e3 * max(stall, frames[-1]),
    }


def dropped(count: int, complete: Sequence[float | None]) -> int:
    """Views of a playback that were never shown in full: left out by a host that was held up, or left too early.

    Parameters
    ----------
    count : int
        Views there are.
    complete : sequence of float or None
        For each view that was set, when all of it was there; None: it never was.
    """
    return count - sum(when is not None for when in complete)
