"""Which bricks of which levels a view needs: a descent from coarse to fine, as deep as errors and the budget say.

A brick whose error is above a threshold is *refined*: the bricks of the next finer level under it are needed as well,
and it stays only as a stand-in until they are there. The others are final: they are the finished picture. The threshold
is raised, before anything is fetched, until what is needed fits the budget; bricks of the same error go together.

What is looked at follows what is in view: bricks of a level are looked for only under those that are refined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.detail import Detail
from brickstream.multiscale.grids import Grids, cells, column_keys, distance, groups, points

# So many times the bricks of the budget may be looked at one by one; more are looked at in boxes first.
LISTED = 4
ALWAYS_LISTED = 1024

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Found:
    """Bricks that a view needs, coarsest level first.

    Attributes
    ----------
    levels : ndarray of shape (n,), int64
    bricks : ndarray of shape (d, n), int64
    final : ndarray of shape (n,), bool
        False: only a stand-in for finer ones.
    partial : bool
        True where not even the coarsest level fits: the bricks nearest to the focus.
    """

    levels: IntArray
    bricks: IntArray
    final: BoolArray
    partial: bool = False


@dataclass(frozen=True, eq=False)
class _Layer:
    """Bricks of one level that have been found.

    Attributes
    ----------
    level : int
    bricks : ndarray of shape (d, n), int64
    start, stop : ndarray of shape (d, n), float64
        Corners in own coordinates, stretched to the end of the image.
    until : ndarray of shape (n,), float64
        The brick is needed while the threshold is below this.
    refined : ndarray of shape (n,), float64
        The brick is refined while the threshold is below this; at most `until`, 0 where its error is small enough.
    """

    level: int
    bricks: IntArray
    start: FloatArray
    stop: FloatArray
    until: FloatArray
    refined: FloatArray

    def needed(self, threshold: float) -> _Layer:
        """The bricks that are needed at a threshold."""
        keep = self.until > threshold
        if keep.all():
            return self
        arrays = self.bricks, self.start, self.stop
        bricks, start, stop = (array.compress(keep, axis=1) for array in arrays)
        return _Layer(self.level, bricks, start, stop, self.until[keep], self.refined[keep])


class Search:
    """Finds the bricks of one view.

    Parameters
    ----------
    grids : Grids
    detail : Detail
    limit : int
        Bricks that fit the budget.
    weights : ndarray of shape (levels,), float64
        How many bricks of the budget one of a level counts for; at least 1.
    """

    def __init__(self, grids: Grids, detail: Detail, limit: int, weights: FloatArray) -> None:
        self.grids = grids
        self.detail = detail
        self.limit = limit
        self.weights = weights
        self._listed = LISTED * limit / float(weights.min()) + ALWAYS_LISTED
        self._threshold = 0.0
        self._layers: list[_Layer] = []

    def run(self) -> Found:
        """Search."""
        top = self._top()
        levels, bricks = self._whole(top + 1)
        layer, too_many = self._first(top)
        if too_many or len(layer.until) * self.weights[top] > self.limit:
            return self._nearest(layer)
        coarsest = np.count_nonzero(levels == len(self.weights) - 1) * self.weights[-1]
        self._layers.append(layer)
        for level in range(top - 1, -1, -1):
            low, high, until = self._children(level, self._layers[-1], coarsest)
            if not len(until):
                break
            layer = self._layer(level, low, high, until)
            self._raise(level, layer.until, coarsest)
            self._layers = [it.needed(self._threshold) for it in (*self._layers, layer)]
        return self._found(levels, bricks)

    def _top(self) -> int:
        """The level to begin with.

        Where one level is needed everywhere, the finest one that fits the budget together with all coarser ones: those
        need not be walked through, since every brick of them is refined.
        """
        last = len(self.weights) - 1
        if self.detail.target is None:
            return last
        windows = (self.grids.high - self.grids.low + 1.0).prod(axis=0) * self.weights
        fits = np.flatnonzero(np.cumsum(windows[::-1])[::-1] <= self.limit)
        return max(self.detail.target, int(fits[0])) if len(fits) else last

    def _whole(self, level: int) -> tuple[IntArray, IntArray]:
        """Every brick in view of a level and all coarser ones: their levels and indices, coarsest first."""
        levels = np.arange(len(self.weights) - 1, level - 1, -1)
        owner, bricks = points(self.grids.low[:, levels], self.grids.high[:, levels])
        levels = levels[owner]
        seen = self.grids.look(levels, bricks, bricks)
        return levels.compress(seen), bricks.compress(seen, axis=1)

    def _first(self, level: int) -> tuple[_Layer, bool]:
        """The bricks in view of the level to begin with, and whether there are more of them than can be listed."""
        low, high, too_many = self.grids.low[:, level, None], self.grids.high[:, level, None], False
        one = np.array([level])
        while cells(low, high) > self._listed:
            low, high = _halves(low, high)
            start, stop = self.grids.reach(one, low, high)
            keep = np.flatnonzero(self.grids.region.overlaps(start.T, stop.T))
            if len(keep) > self._listed:
                away = distance(self.grids.focus, start[:, keep], stop[:, keep])
                keep, too_many = keep[np.argsort(away, kind="stable")[: int(self._listed)]], True
            low, high = low[:, keep], high[:, keep]
        return self._layer(level, low, high, np.full(low.shape[1], np.inf)), too_many

    def _nearest(self, layer: _Layer) -> Found:
        count = max(1, int(self.limit // self.weights[layer.level]))
        away = distance(self.grids.focus, layer.start, layer.stop)
        bricks = layer.bricks[:, np.argsort(away, kind="stable")[:count]]
        count = bricks.shape[1]
        return Found(np.full(count, layer.level), bricks, np.ones(count, dtype=bool), partial=True)

    def _children(self, level: int, above: _Layer, coarsest: float) -> tuple[IntArray, IntArray, FloatArray]:
        """Boxes of bricks (both ends inclusive) under those that are refined, few enough to be listed."""
        parents = above.refined > self._threshold
        until = above.refined[parents]
        window = self.grids.low[:, level, None], self.grids.high[:, level, None]
        one_for_all = self.detail.target is not None and len(until) > 0
        if one_for_all and cells(*window) <= self._listed:
            return *window, until[:1]
        corners = above.start.compress(parents, axis=1), above.stop.compress(parents, axis=1)
        low, high = self.grids.under(level, *corners)
        if one_for_all and cells(low, high) > self._listed:
            low, high, until = *window, until[:1]
        while cells(low, high) > self._listed:
            low, high, until = _halves(low, high, until)
            keep = self.grids.look(np.array([level]), low, high)
            self._raise(level, until[keep], coarsest)
            keep &= until > self._threshold
            low, high, until = low[:, keep], high[:, keep], until[keep]
        return low, high, until

    def _layer(self, level: int, low: IntArray, high: IntArray, until: FloatArray) -> _Layer:
        """Those of the bricks in boxes that are in view, each once."""
        owner, bricks = points(low, high)
        until = until.take(owner)
        start, stop = self.grids.reach(np.array([level]), bricks, bricks)
        seen = np.flatnonzero(self.grids.region.overlaps(start.T, stop.T))
        if low.shape[1] > 1:
            order, starts = groups(column_keys(bricks.take(seen, axis=1)))
            seen = seen[order]
            most = np.maximum.reduceat(until[seen], starts) if len(seen) else until[seen]
            seen = seen[starts]
        else:
            most = until[seen]
        bricks, start, stop = (array.take(seen, axis=1) for array in (bricks, start, stop))
        return _Layer(level, bricks, start, stop, most, np.minimum(most, self.detail.errors(level, start, stop)))

    def _raise(self, level: int, until: FloatArray, coarsest: float) -> None:
        """Raise the threshold until the bricks fit, were those of `level`, needed below `until`, all final."""
        weight, layers = self.weights, self._layers
        sizes = [len(it.until) for it in layers]
        total = sum(float(weight[it.level]) * size for it, size in zip(layers, sizes, strict=True))
        if total + weight[level] * len(until) <= self.limit:
            return
        weights = [float(weight[it.level]) for it in layers]
        counts = [*weights, float(weight[level]), *(-weight for weight in weights)]
        ends = np.concatenate([*(it.until for it in layers), until, *(it.refined for it in layers)])
        counts = np.repeat(counts, [*sizes, len(until), *sizes])
        live = ends > self._threshold
        ends, counts = ends[live], counts[live]
        order = np.argsort(-ends, kind="stable")
        ends = ends[order]
        final = np.cumsum(counts[order])
        if layers[0].level == len(weight) - 1:
            refined = np.sort(layers[0].refined)
            cover = (len(refined) - np.searchsorted(refined, ends)) * weight[-1]
        else:
            cover = np.full(len(ends), coarsest)
        # Just below an end, everything that ends there or later is needed; where a cover saves nothing, there is none.
        too_many = final + np.where(cover < final, cover, 0.0) > self.limit
        too_many[:-1] &= ends[:-1] != ends[1:]
        worst = np.flatnonzero(too_many)
        if len(worst):
            self._threshold = float(ends[worst[0]])

    def _found(self, levels: IntArray, bricks: IntArray) -> Found:
        """What is needed at the threshold, after bricks that are all refined."""
        every = [levels, *(np.full(len(it.until), it.level) for it in self._layers)]
        final = [np.zeros(len(levels), dtype=bool), *(it.refined <= self._threshold for it in self._layers)]
        bricks = np.concatenate([bricks, *(it.bricks for it in self._layers)], axis=1)
        return Found(np.concatenate(every), bricks, np.concatenate(final))


def _halves(low: IntArray, high: IntArray, *values: FloatArray) -> tuple[NDArray[Any], ...]:
    """Cut each inclusive box in two along its longest axis, with its values; a box of one point stays as it is."""
    columns = np.arange(low.shape[1])
    axis = np.argmax(high - low, axis=0)
    middle = (low[axis, columns] + high[axis, columns]) // 2
    left_high, right_low = high.copy(), low.copy()
    left_high[axis, columns], right_low[axis, columns] = middle, middle + 1
    cut = (right_low <= high).all(axis=0)
    ends = np.concatenate([low, right_low[:, cut]], axis=1), np.concatenate([left_high, high[:, cut]], axis=1)
    return *ends, *(np.concatenate([value, value[cut]]) for value in values)
