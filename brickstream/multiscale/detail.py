"""How fine a brick has to be: its error on screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.levels import TOLERANCE, improvable
from brickstream.multiscale.local import Eye

# Errors above this are the same.
HUGE = 1e300


class Detail(Protocol):
    """Says which bricks need finer ones in their place."""

    @property
    def target(self) -> int | None:
        """The level that is needed everywhere; None where near bricks have to be finer than far ones."""

    def errors(self, level: int, low: FloatArray, high: FloatArray) -> FloatArray:
        """Errors of the bricks of a level with these corners (d, n): (n,); 0 where a brick is fine enough.

        At a threshold, bricks with a larger error need finer ones.
        """


@dataclass(frozen=True)
class OneLevel:
    """The same level everywhere: planes, cuts, orthographic cameras, and where the view names a level."""

    target: int

    def errors(self, level: int, low: FloatArray, high: FloatArray) -> FloatArray:
        """Any numbers that grow with the level will do."""
        return np.full(low.shape[1], float(max(level - self.target, 0)))


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
        position = eye.position[:, None]
        low, high = np.maximum(low, self.box[0, :, None]), np.minimum(high, self.box[1, :, None])
        depth = np.maximum(eye.forward, 0.0) @ low + np.minimum(eye.forward, 0.0) @ high - eye.position @ eye.forward
        gap = np.maximum(np.maximum(low - position, position - high), 0.0)
        reach = np.sqrt((gap * gap).sum(axis=0)) * eye.spread
        with np.errstate(over="ignore"):
            found = np.minimum(self.sizes[level] / np.maximum(np.maximum(depth, reach), eye.near), HUGE)
        return np.where(found > 1 + TOLERANCE, found, 0.0)


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
