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
    low, high : ndarray of shape (levels, others), int64
        First and last chunk, both inclusive.
    size, scales, shifts : ndarray of shape (levels, others)
        Pixels of a chunk; own units of a pixel and own position of pixel 0.
    middle : ndarray of shape (others,), float64
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
        return np.asarray((self.high - self.low + 1).prod(axis=1, dtype=float), dtype=np.float64)

    def spread(self, level: int, chunks: IntArray, away: FloatArray) -> tuple[IntArray, FloatArray]:
        """Give chunks on the axes of the view all their axes.

        Parameters
        ----------
        level : int
        chunks : ndarray of shape (n, d), int64
            Nearest first.
        away : ndarray of shape (n,), float64
            Their distances from the focus.

        Returns
        -------
        chunks : ndarray of shape (m, ndim), int64
            Nearest first, in a thick slice to its middle also.
        distances : ndarray of shape (m,), float64
        """
        low, high = self.low[level], self.high[level]
        full = np.empty((len(chunks), len(self.axes) + len(self.others)), dtype=np.int64)
        full[:, self.axes], full[:, self.others] = chunks, low
        if (low == high).all():
            return full, away
        rows = points(low[:, None], high[:, None])[1].T
        start = (rows * self.size[level] - 0.5) * self.scales[level] + self.shifts[level]
        deep = distance(self.middle[:, None], start.T, (start + self.size[level] * self.scales[level]).T)
        full = np.repeat(full, len(rows), axis=0)
        full[:, self.others] = np.tile(rows, (len(chunks), 1))
        away = np.hypot(away[:, None], deep).ravel()
        order = np.argsort(away, kind="stable")
        return full[order], away[order]


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
    size = np.array([level.chunks for level in pyramid.levels], dtype=np.int64)[:, others]
    scales, shifts = pyramid.scales[:, others], pyramid.translations[:, others]
    middle = local.window[:, others].mean(axis=0)
    low, high = corners[0][:, others] // size, corners[1][:, others] // size
    most = int(limit ** (1 / max(1, len(others))))
    whole = bool(((high - low + 1.0).prod(axis=1) <= limit).all())
    if not whole:
        center = np.clip(np.floor((middle - shifts) / scales + 0.5), corners[0][:, others], corners[1][:, others])
        center = center.astype(np.int64) // size
        low = np.maximum(low, np.minimum(center - most // 2, high - most + 1))
        high = np.minimum(high, low + most - 1)
    return Layers(axes, others, low, high, size, scales, shifts, middle, whole)
