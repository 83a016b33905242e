"""The axes that a view does not run along: one chunk deep in a thin slice, many in a thick one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.grids import distance, points
from brickstream.multiscale.local import LocalView
from brickstream.multiscale.pyramid import Pyramid


@dataclass(frozen=True, eq=False)
class Layers:
    """Chunks on the axes that do not vary within a view, for every level.

    Attributes
    ----------
    axes, others : list of int
        Positions of the axes of the view, and of all others.
    low, high : ndarray of shape (others, levels), int64
        First and last chunk, both inclusive.
    size, scales, shifts : ndarray of shape (others, levels)
        Pixels of a chunk; own units of a pixel and own position of pixel 0.
    middle : ndarray of shape (others, 1), float64
        The middle of the slice, in own coordinates.
    whole : bool
        False where a slice is so thick that not all of its chunks are listed: those in the middle are.
    """

    axes: list[int]
    others: list[int]
    low: IntArray
    high: IntArray
    size: IntArray
    scales: FloatArray
    shifts: FloatArray
    middle: FloatArray
    whole: bool

    @property
    def counts(self) -> FloatArray:
        """Chunks that lie behind one another in each level: (levels,)."""
        return np.asarray((self.high - self.low + 1).prod(axis=0, dtype=float), dtype=np.float64)

    def spread(self, levels: IntArray, chunks: IntArray, away: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Give chunks on the axes of the view all their axes.

        Parameters
        ----------
        levels : ndarray of shape (n,), int64
        chunks : ndarray of shape (d, n), int64
        away : ndarray of shape (n,), float64
            Their distances from the focus.

        Returns
        -------
        levels : ndarray of shape (m,), int64
            In the same order.
        chunks : ndarray of shape (m, ndim), int64
        away : ndarray of shape (m,), float64
            In a thick slice also from its middle.
        """
        low, high = self.low.take(levels, axis=1), self.high.take(levels, axis=1)
        deep = low
        if (low != high).any():
            owner, deep = points(low, high)
            levels, chunks, away = levels[owner], chunks.take(owner, axis=1), away[owner]
            size, scale = self.size.take(levels, axis=1), self.scales.take(levels, axis=1)
            start = (deep * size - 0.5) * scale + self.shifts.take(levels, axis=1)
            away = np.hypot(away, distance(self.middle, start, start + size * scale))
        full = np.empty((len(levels), len(self.axes) + len(self.others)), dtype=np.int64)
        full[:, self.axes], full[:, self.others] = chunks.T, deep.T
        return levels, full, away


def find_layers(pyramid: Pyramid, local: LocalView, corners: IntArray, limit: int) -> Layers:
    """Find the chunks behind one another.

    Parameters
    ----------
    pyramid : Pyramid
    local : LocalView
    corners : ndarray of shape (2, levels, ndim), int64
        First and last pixel in view of each level.
    limit : int
        List at most so many.
    """
    axes = list(local.axes)
    others = [axis for axis in range(pyramid.ndim) if axis not in axes]
    first, last = corners[0].T[others], corners[1].T[others]
    size = pyramid.chunk_shapes.T[others]
    scales, shifts = pyramid.scales.T[others], pyramid.translations.T[others]
    middle = local.window[:, others].mean(axis=0)[:, None]
    low, high = first // size, last // size
    whole = bool(((high - low + 1.0).prod(axis=0) <= limit).all())
    if not whole:
        most = int(limit ** (1 / len(others)))
        center = np.clip(np.floor((middle - shifts) / scales + 0.5), first, last).astype(np.int64) // size
        low = np.maximum(low, np.minimum(center - most // 2, high - most + 1))
        high = np.minimum(high, low + most - 1)
    return Layers(axes, others, low, high, size, scales, shifts, middle, whole)
