"""How fine a brick has to be: its error on screen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.levels import TOLERANCE, improvable
from brickstream.multiscale.local import Eye
from brickstream.multiscale.region import Region

# Errors above this are the same.
HUGE = 1e300
# Samples from which a threshold is guessed, in so many steps.
RAYS, DEPTHS = 24, 32
STEPS = 8


class Detail(Protocol):
    """Says which bricks need finer ones in their place."""

    @property
    def target(self) -> int | None:
        """The level that is needed everywhere; None where near bricks have to be finer than far ones."""

    def errors(self, level: int, low: FloatArray, high: FloatArray) -> FloatArray:
        """Errors of the bricks of a level with these corners (d, n): (n,); 0 where a brick is fine enough.

        At a threshold, bricks with a larger error need finer ones.
        """

    def guess(self, region: Region, sizes: FloatArray, limit: float) -> float:
        """A threshold at which more than `limit` bricks are probably needed still; 0 where there is none.

        `sizes` is the volume, in own units, that a brick of each level fills: (levels,).
        """


@dataclass(frozen=True)
class OneLevel:
    """The same level everywhere: planes, cuts, orthographic cameras, and where the view names a level."""

    target: int

    def errors(self, level: int, low: FloatArray, high: FloatArray) -> FloatArray:
        """Any numbers that grow with the level will do."""
        return np.full(low.shape[1], float(max(level - self.target, 0)))

    def guess(self, region: Region, sizes: FloatArray, limit: float) -> float:
        """There are as many thresholds as levels: nothing to guess."""
        return 0.0


@dataclass(frozen=True, eq=False)
class ByDepth:
    """Canvas pixels along one pixel of the level, where the brick is nearest to the eye.

    Attributes
    ----------
    sizes : ndarray of shape (levels,), float64
        Canvas pixels along one pixel of each level, at depth 1.
    eye : Eye
    box : ndarray of shape (2, d), float64
        What of the image is in view.
    """

    sizes: FloatArray
    eye: Eye
    box: FloatArray
    target: None = None

    def errors(self, level: int, low: FloatArray, high: FloatArray) -> FloatArray:
        """The nearest depth is not less than that of any corner, the near plane's, or what the distance says."""
        eye = self.eye
        ahead, behind, here = self._sides
        low, high = low - here, high - here
        depth = ahead @ low
        depth += behind @ high
        gap = np.maximum(np.maximum(low, -high), 0.0)
        reach = np.sqrt((gap * gap).sum(axis=0)) * eye.spread
        with np.errstate(over="ignore"):
            found = np.minimum(self.sizes[level] / np.maximum(np.maximum(depth, reach), eye.near), HUGE)
        found[found <= 1 + TOLERANCE] = 0.0
        return np.asarray(found, dtype=np.float64)

    @cached_property
    def _sides(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Forward as far as it rises along each axis, as far as it falls, and the eye's position (d, 1)."""
        return np.maximum(self.eye.forward, 0.0), np.minimum(self.eye.forward, 0.0), self.eye.position[:, None]

    def guess(self, region: Region, sizes: FloatArray, limit: float) -> float:
        """From samples of what is in view; none where a rotated image makes it flat: all rays would miss it."""
        if len(self.eye.forward) != 3:
            return 0.0
        depth, volume = self._samples(region)
        # A brick's nearest point decides, and along the rim of the view bricks are seen in part.
        side = np.cbrt(sizes) * np.abs(self.eye.forward).sum()
        width = depth * np.sqrt(2 / self.eye.spread**2 - 2)

        def count(threshold: float) -> float:
            nearest = self.sizes / threshold + side / 2
            levels = np.maximum(np.searchsorted(nearest, depth, side="right") - 1, 0)
            return float((volume / sizes.take(levels) * (1 + side.take(levels) / width) ** 2).sum())

        threshold = 1.0
        for _ in range(STEPS):
            # Bricks twice as large along every axis are an eighth as many.
            threshold *= np.cbrt(count(threshold) / limit)
            if not threshold > 1:
                return 0.0
        return float(threshold)

    def _samples(self, region: Region) -> tuple[FloatArray, FloatArray]:
        """Depths of points in view, and the volume that each stands for."""
        eye = self.eye
        corners = (self.box - eye.position) * eye.forward
        ends = np.maximum([corners.min(axis=0).sum(), corners.max(axis=0).sum()], eye.near)
        steps = (np.arange(DEPTHS) + 0.5) / DEPTHS
        span = np.log(ends[1] / ends[0])
        depth = ends[0] * np.exp(span * steps)
        # Rays over the cone around what is in view, spread evenly by the golden angle.
        slope = np.sqrt(1 / eye.spread**2 - 1)
        number = np.arange(RAYS) + 0.5
        across = np.linalg.svd(eye.forward[None])[2][1:].T
        turn = number * np.pi * (3 - np.sqrt(5))
        rays = eye.forward[:, None] + across @ (slope * np.sqrt(number / RAYS) * np.stack([np.cos(turn), np.sin(turn)]))
        found = (eye.position[:, None, None] + rays[:, :, None] * depth).reshape(len(rays), -1)
        inside = region.overlaps(found.T, found.T)
        inside &= ((found > self.box[0, :, None]) & (found < self.box[1, :, None])).all(axis=0)
        volume = depth**3 * (span / DEPTHS * np.pi * slope**2 / RAYS)
        return np.tile(depth, RAYS)[inside], np.tile(volume, RAYS)[inside]


def by_depth(scales: FloatArray, eye: Eye, box: FloatArray) -> ByDepth:
    """Measure errors by depth.

    Parameters
    ----------
    scales : ndarray of shape (levels, d), float64
        Own units per pixel. An axis that no finer level resolves better does not count: going finer would not help it.
    eye : Eye
    box : ndarray of shape (2, d), float64
        What of the image is in view.
    """
    with np.errstate(over="ignore"):
        return ByDepth(np.where(improvable(scales), scales, 0.0).max(axis=1) * eye.focal, eye, box)
