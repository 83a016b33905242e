"""How long a host's thread was held up. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def frame_times(frames: Sequence[float]) -> dict[str, float]:
    """Spread of the time that an engine took of each frame, in milliseconds, and the longest stall.

    Parameters
    ----------
    frames : sequence of float
        Seconds, one for each frame.
    """
    p50, p95, p99 = np.percentile(frames, [50, 95, 99]).tolist()
    longest = max(frames)
    return {
        "frame_p50_ms": 1e3 * p50,
        "frame_p95_ms": 1e3 * p95,
        "frame_p99_ms": 1e3 * p99,
        "frame_max_ms": 1e3 * longest,
        "stall_ms": 1e3 * longest,
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
