"""How much of the picture is at its final quality, over time. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from brickstream.latency.engines.protocol import Box, Seen, Shot
from brickstream.multiscale.affine import FloatArray, IntArray

Shapes = Sequence[tuple[int, ...]]
"""Pixels of each level along each axis of the store."""


@dataclass(frozen=True)
class Curve:
    """A step function: from each time on, this part (0 to 1) of the view of that time is at its final quality.

    Attributes
    ----------
    times : tuple of float
        Seconds, rising.
    parts : tuple of float
    """

    times: tuple[float, ...]
    parts: tuple[float, ...]

    def at(self, t: float) -> float:
        """Part at a time; 0 before the first step."""
        row = bisect_right(self.times, t) - 1
        return self.parts[row] if row >= 0 else 0.0

    def reached(self, part: float, since: float) -> float | None:
        """First time from `since` on at which at least this part is there; None if never."""
        if self.at(since) >= part:
            return since
        steps = zip(self.times, self.parts, strict=True)
        return next((t for t, there in steps if t >= since and there >= part), None)

    def missing(self, begin: float, end: float) -> float:
        """Integral of what is missing of a whole picture, from `begin` to `end`, in seconds."""
        inner = [t for t in self.times if begin < t < end]
        edges = [begin, *inner, end]
        return sum((1 - self.at(low)) * (high - low) for low, high in pairwise(edges))


def measure_curve(
    shots: Sequence[Shot], shown: Sequence[tuple[int, float]], seen: Sequence[Seen], shapes: Shapes
) -> Curve:
    """Follow the quality of what is in view through a session.

    Parameters
    ----------
    shots : sequence of Shot
    shown : sequence of (int, float)
        Number of each shot that was shown, and when.
    seen : sequence of Seen
        What an engine told, in order of time. It counts for the view of its time, and only for that.
    shapes : sequence of tuple of int
        Shape of each level: pixels of a finer level count as well as those of the level that fills the canvas.
    """
    times, parts = [], []
    ends = [t for _, t in shown[1:]] + [float("inf")]
    rows = iter(seen)
    event = next(rows, None)
    for (number, begin), end in zip(shown, ends, strict=True):
        covered = _Covered(shots[number], shapes)
        times.append(begin)
        parts.append(covered.part)
        while event is not None and event.t < end:
            if event.t >= begin:
                times.append(event.t)
                parts.append(covered.add(event))
            event = next(rows, None)
    return Curve(tuple(times), tuple(parts))


class _Covered:
    """Which part of the regions of a shot has been covered by boxes."""

    def __init__(self, shot: Shot, shapes: Shapes) -> None:
        self._shot = shot
        self._shapes = shapes
        self._regions = shot.regions.astype(np.float64)
        self._sizes = (self._regions[:, 1] - self._regions[:, 0]).prod(axis=1)
        self._there = np.zeros(len(self._sizes))
        self._known: set[tuple[int, Box]] = set()
        self._share = 0.0

    @property
    def part(self) -> float:
        """Covered part, 0 to 1; of a view with nothing in it everything is there."""
        total = self._sizes.sum()
        # The sum of thousands of regions may miss 1 by a rounding.
        covered = min(1.0, float((self._there / total).sum()) + 1e-9) if total else 1.0
        return max(self._share, covered if covered > 2e-9 else 0.0)

    def add(self, event: Seen) -> float:
        """Take what an engine told; return the covered part. Different boxes of a level are taken to be disjoint."""
        if event.level is None or event.box is None:
            self._share = event.share
        elif event.level <= self._shot.level and (event.level, event.box) not in self._known:
            self._known.add((event.level, event.box))
            self._there = np.minimum(self._sizes, self._there + self._inside(event.level, np.array(event.box)))
        return self.part

    def _inside(self, level: int, box: IntArray) -> FloatArray:
        """Pixels of each region that a box of a level covers."""
        ratio = np.array(self._shapes[level]) / np.array(self._shapes[self._shot.level])
        low, high = box / np.round(ratio)
        overlap = np.minimum(self._regions[:, 1], high) - np.maximum(self._regions[:, 0], low)
        volume: FloatArray = overlap.clip(min=0).prod(axis=1)
        return volume


def first_seen(seen: Sequence[Seen], since: float) -> float | None:
    """When anything, at whatever quality, could be seen."""
    return next((event.t for event in seen if event.t >= since), None)
