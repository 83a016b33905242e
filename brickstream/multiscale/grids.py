"""The brick grids of all levels over what a view shows of an image.

Many bricks, boxes or points are columns here and in the modules that plan: arrays of shape (d, n). With long rows NumPy
is several times faster than with long columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.local import LocalView
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.region import Region

# Two bricks must share this much of the child's length to be parent and child; less is float noise.
SLIVER = 1e-7
# So many cells can be numbered.
MOST = 1e18
# The indices of boxes of so few points are kept.
FEW = 64


@dataclass(frozen=True, eq=False)
class Grids:
    """Geometry of every level on the axes of a view; the levels are the columns, finest first.

    A brick is a box of pixels of one level, counted from pixel 0. Levels need not end at the same place: for
    :meth:`reach` the bricks at the border of a level extend to the end of the image, so that the bricks of every level
    fill it and a brick in view always lies under a coarser one in view.

    Attributes
    ----------
    region : Region
        Field of view, in own coordinates on the axes of the view, as everything here.
    focus : ndarray of shape (d, 1), float64
    brick : ndarray of shape (d, 1), int64
        Interior of a brick in pixels.
    extent : ndarray of shape (2, d, 1), float64
        Of the whole image.
    scales, shifts : ndarray of shape (d, levels), float64
        Own units from pixel to pixel, and centres of pixel 0.
    shapes : ndarray of shape (d, levels), int64
    first, last : ndarray of shape (d, levels), int64
        Pixels in view, both inclusive.
    """

    region: Region
    focus: FloatArray
    brick: IntArray
    extent: FloatArray
    scales: FloatArray
    shifts: FloatArray
    shapes: IntArray
    first: IntArray
    last: IntArray

    @cached_property
    def low(self) -> IntArray:
        """First brick of each level that holds pixels in view: (d, levels)."""
        return np.asarray(self.first // self.brick, dtype=np.int64)

    @cached_property
    def high(self) -> IntArray:
        """The last one."""
        return np.asarray(self.last // self.brick, dtype=np.int64)

    @cached_property
    def top(self) -> IntArray:
        """Last brick of each level: (d, levels)."""
        return np.asarray((self.shapes - 1) // self.brick, dtype=np.int64)

    def pixels(self, levels: IntArray, start: IntArray, stop: IntArray) -> tuple[FloatArray, FloatArray]:
        """Lower and upper corners of half-open boxes of pixels, clipped to their levels.

        `levels` has one number, or one for each box.
        """
        scale, shift = self.scales.take(levels, axis=1), self.shifts.take(levels, axis=1)
        shift = shift - 0.5 * scale
        return start * scale + shift, np.minimum(stop, self.shapes.take(levels, axis=1)) * scale + shift

    def reach(self, levels: IntArray, low: IntArray, high: IntArray) -> tuple[FloatArray, FloatArray]:
        """Lower and upper corners of boxes of bricks, both ends inclusive; stretched at the border of the level."""
        step, edge = self._steps.take(levels, axis=1), self._edges.take(levels, axis=2)
        start = low * step
        start += edge[0]
        stop = start + step if low is high else (high + 1) * step + edge[0]
        np.copyto(start, edge[1], where=low == 0)
        np.copyto(stop, edge[2], where=high >= self.top.take(levels, axis=1))
        return start, stop

    @cached_property
    def _steps(self) -> FloatArray:
        """Length of a brick: (d, levels)."""
        return np.asarray(self.scales * self.brick, dtype=np.float64)

    @cached_property
    def _edges(self) -> FloatArray:
        """Where pixel 0 begins, and where the stretched bricks at the level's border do and end: (3, d, levels)."""
        begin = self.shifts - 0.5 * self.scales
        end = begin + self.shapes * self.scales
        return np.stack([begin, np.minimum(begin, self.extent[0]), np.maximum(end, self.extent[1])])

    def look(self, levels: IntArray, low: IntArray, high: IntArray) -> NDArray[np.bool_]:
        """Which boxes of bricks are in view."""
        start, stop = self.reach(levels, low, high)
        return self.region.overlaps(start.T, stop.T)

    def under(self, level: int, low: FloatArray, high: FloatArray) -> tuple[IntArray, IntArray]:
        """Bricks of a level (both ends inclusive) that lie in boxes, within the level's window; empty boxes there are.

        Beyond the end of the level it is the brick at its border that lies there.
        """
        step, edge, top = self._steps[:, level, None], self._edges[0, :, level, None], self.top[:, level, None]
        first = np.floor((low - edge) / step + SLIVER)
        last = np.ceil((high - edge) / step - SLIVER) - 1
        first = np.maximum(np.minimum(first, top), 0)
        last = np.maximum(np.minimum(last, top), first)
        bottom, top = self.low[:, level, None], self.high[:, level, None]
        return np.maximum(first.astype(np.int64), bottom), np.minimum(last.astype(np.int64), top)

    def chunks_under(
        self, levels: IntArray, size: IntArray, low: FloatArray, high: FloatArray
    ) -> tuple[IntArray, IntArray]:
        """Chunks in view (both ends inclusive) that lie in boxes (d, n), where none do an empty box.

        `levels` (n,) says of which level, `size` (d, n) how many pixels a chunk of it has.
        """
        step, edge = self.scales.take(levels, axis=1) * size, self._edges[0].take(levels, axis=1)
        first = np.maximum(np.floor((low - edge) / step + SLIVER), self.first.take(levels, axis=1) // size)
        last = np.minimum(np.ceil((high - edge) / step - SLIVER) - 1, self.last.take(levels, axis=1) // size)
        return first.astype(np.int64), last.astype(np.int64)

    @cached_property
    def nested(self) -> list[bool]:
        """For each level, whether each of its bricks lies in one of the next coarser level's; the last one's do not."""
        ratio = self.scales[:, 1:] / self.scales[:, :-1]
        whole = np.rint(ratio)
        start = (self.shifts[:, 1:] - self.shifts[:, :-1]) / self.scales[:, :-1] - 0.5 * (ratio - 1)
        off = (np.abs(start) + np.abs(ratio - whole) * self.shapes[:, 1:]) / self.brick
        inside = (off < SLIVER / 2) & (self.top[:, 1:] * whole <= self.top[:, :-1])
        return [*np.atleast_1d(inside.all(axis=0)).tolist(), False]


def make_grids(pyramid: Pyramid, local: LocalView, corners: IntArray, brick: tuple[int, ...]) -> Grids:
    """Lay the grids of a pyramid over what is in view.

    Parameters
    ----------
    pyramid : Pyramid
    local : LocalView
    corners : ndarray of shape (2, levels, ndim), int64
        First and last pixel in view of each level.
    brick : tuple of int
        Pixels, on the axes of the view.
    """
    axes = list(local.axes)
    return Grids(
        local.region,
        local.focus[:, None],
        np.array(brick, dtype=np.int64)[:, None],
        pyramid.box()[:, axes, None],
        pyramid.scales.T[axes],
        pyramid.translations.T[axes],
        pyramid.shapes.T[axes],
        corners[0].T[axes],
        corners[1].T[axes],
    )


def cells(low: IntArray, high: IntArray) -> float:
    """Integer points in many inclusive boxes; a float, since it may be larger than any integer here."""
    return float((high - low + 1.0).prod(axis=0).sum())


def points(low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """All integer points of many inclusive boxes, box by box, each box in index order.

    Parameters
    ----------
    low, high : ndarray of shape (d, n), int64
        An empty box has a `high` below its `low`.

    Returns
    -------
    owner : ndarray of shape (m,), int64
        Which box each point is of.
    points : ndarray of shape (d, m), int64
    """
    d, n = low.shape
    sizes = np.maximum(high - low + 1, 0)
    largest = sizes.max(axis=1, initial=0)
    alike = bool((sizes == largest[:, None]).all())
    counts = sizes.prod(axis=0, dtype=float)
    total = float(counts.sum())
    if alike or n * float(largest.prod(dtype=float)) <= 4 * total + 64:
        return _points_of_similar(low, None if alike else sizes, largest.tolist())
    steps = counts.astype(np.int64)
    owner = np.repeat(np.arange(n), steps)
    rest = np.arange(int(total)) - np.repeat(np.cumsum(steps) - steps, steps)
    found = np.empty((d, len(owner)), dtype=np.int64)
    for axis in range(d - 1, -1, -1):
        rest, along = np.divmod(rest, sizes[axis].take(owner))
        found[axis] = low[axis].take(owner) + along
    return owner, found


def _points_of_similar(low: IntArray, sizes: IntArray | None, largest: list[int]) -> tuple[IntArray, IntArray]:
    """The points of boxes of almost one size (of that very size: None): those of the largest, where they are inside."""
    d, n = low.shape
    steps = _few(*largest) if prod(largest) <= FEW else _indices(*largest)
    found = (low[:, :, None] + steps).reshape(d, -1)
    owner = np.repeat(np.arange(n), steps.shape[2])
    if sizes is None:
        return owner, found
    inside = (steps < sizes[:, :, None]).all(axis=0).ravel()
    return owner.compress(inside), found.compress(inside, axis=1)


def _indices(*sizes: int) -> IntArray:
    """All indices of an array of this shape: (d, 1, n)."""
    return np.indices(sizes, dtype=np.int64).reshape(len(sizes), 1, -1)


# Most boxes are the few bricks under one.
_few = lru_cache(maxsize=64)(_indices)


def distance(point: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Distance from a point (d, 1) to the nearest point of each box (d, n): shape (n,)."""
    gap = np.maximum(np.maximum(low - point, point - high), 0.0)
    return np.asarray(np.sqrt((gap * gap).sum(axis=0)), dtype=np.float64)


def column_keys(columns: IntArray) -> IntArray:
    """One number for each column of an array (d, n): the same for the same columns."""
    if columns.shape[1] < 2:
        return np.zeros(columns.shape[1], dtype=np.int64)
    low = columns.min(axis=1)
    sizes = columns.max(axis=1) - low + 1
    if sizes.prod(dtype=float) > MOST:
        return np.asarray(np.unique(columns, axis=1, return_inverse=True)[1].ravel(), dtype=np.int64)
    keys: IntArray = columns[0] - low[0]
    for row, first, size in zip(columns[1:], low[1:].tolist(), sizes[1:].tolist(), strict=True):
        keys = keys * size + (row - first)
    return keys


def groups(keys: IntArray) -> tuple[IntArray, IntArray]:
    """Sort keys (n,): the order (n,), and where in it each new key begins (m,)."""
    order = np.argsort(keys, kind="stable")
    ordered = keys.take(order)
    new = np.ones(len(keys), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return order, np.flatnonzero(new)


def halves(low: IntArray, high: IntArray, *values: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Cut each inclusive box in two along its longest axis, with its values; a box of one point stays as it is."""
    columns = np.arange(low.shape[1])
    axis = np.argmax(high - low, axis=0)
    middle = (low[axis, columns] + high[axis, columns]) // 2
    left_high, right_low = high.copy(), low.copy()
    left_high[axis, columns], right_low[axis, columns] = middle, middle + 1
    cut = (right_low <= high).all(axis=0)
    ends = np.concatenate([low, right_low[:, cut]], axis=1), np.concatenate([left_high, high[:, cut]], axis=1)
    return *ends, *(np.concatenate([value, value[cut]]) for value in values)
