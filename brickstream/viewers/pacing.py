"""Coarser while moving, fine when still: how long the steps of rays are, so that a moving volume keeps up. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, inf, log

RATIO, MOST = 1.5, 4
# A frame is too slow above the first share of the target; finer steps are tried below the second.
SLOW, QUICK = 1.25, 0.8
# Frames in a row that must agree: one late frame is no reason, and haste is worse than patience on the way back.
SLOW_FRAMES, QUICK_FRAMES = 2, 4
REST_S = 0.15


@dataclass(frozen=True)
class Pace:
    """What is known of how fast a moving picture can be drawn.

    Attributes
    ----------
    target_ms : float
        Time for a frame that is wished for.
    rung : int
        Steps are ``RATIO ** rung`` times as long as those of the finished picture while it moves.
    votes : int
        Frames in a row that were too slow, or, below zero, quick enough for finer steps.
    moved_at : float
        When the picture moved last, in seconds.
    """

    target_ms: float = 33.0
    rung: int = 0
    votes: int = 0
    moved_at: float = -inf

    @property
    def steps(self) -> float:
        """How many times longer steps are, while moving, than those of the finished picture."""
        return RATIO**self.rung

    def is_moving(self, now: float) -> bool:
        """Whether the picture has not come to rest."""
        return now - self.moved_at < REST_S

    def coarseness(self, now: float) -> float:
        """The same at a moment: 1 at rest, always."""
        return self.steps if self.is_moving(now) else 1.0


def after_frame(pace: Pace, took_ms: float) -> Pace:
    """Learn from a frame that was drawn while moving.

    A frame takes some time in any case, and some for its steps. So steps that are `RATIO` times shorter make it take no
    more than `RATIO` times as long: if that is well below the target, the finer frame is not too slow, and what was
    decided is not taken back by the next frames.

    Parameters
    ----------
    pace : Pace
    took_ms : float
    """
    too_slow = pace.rung < MOST and took_ms > SLOW * pace.target_ms
    quick = pace.rung > 0 and took_ms * RATIO < QUICK * pace.target_ms
    votes = max(pace.votes, 0) + 1 if too_slow else min(pace.votes, 0) - 1 if quick else 0
    if votes >= SLOW_FRAMES:
        rungs = ceil(log(took_ms / pace.target_ms) / log(RATIO))
        return replace(pace, rung=min(pace.rung + rungs, MOST), votes=0)
    if votes <= -QUICK_FRAMES:
        return replace(pace, rung=pace.rung - 1, votes=0)
    return replace(pace, votes=votes)
