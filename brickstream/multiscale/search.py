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
from brickstream.multiscale.detail import Detail, OneLevel
from brickstream.multiscale.grids import Grids, cells, column_keys, distance, groups, halves, points

# So many times the bricks of the budget may be looked at one by one; more are looked at in boxes first.
LISTED = 4
ALWAYS_LISTED = 1024
# A threshold is guessed for a budget this much larger, and lowered by so much more: from one that is too high the
# search would have to begin anew.
LARGER, LOWER = 1.1, 0.92

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


class _Tally:
    """What final bricks take of the budget at a threshold, and at any one above it.

    A brick is needed until the threshold reaches one end, and refined, so not final, until it reaches another one.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.total = 0.0
        self._parts: list[tuple[FloatArray, float]] = []

    def add(self, ends: FloatArray, weight: float) -> None:
        """Add bricks that count until the threshold reaches these ends, all of them above it now."""
        self._parts.append((ends, weight))
        self.total += weight * len(ends)

    def steps(self, ends: FloatArray, weight: float) -> tuple[FloatArray, FloatArray]:
        """Each higher threshold at which something changes, falling, and what is taken there with further bricks."""
        parts = [*self._parts, (ends, weight)]
        ends = np.concatenate([ends for ends, _ in parts])
        change = np.repeat([weight for _, weight in parts], [len(ends) for ends, _ in parts])
        order = np.argsort(-ends)
        ends, taken = ends.take(order), np.cumsum(change.take(order))
        places = np.flatnonzero((ends[1:] < ends[:-1]) & (ends[1:] > self.threshold))
        return ends[places + 1], taken[places]

    def raise_to(self, threshold: float) -> None:
        """Forget the ends that are reached."""
        self.threshold = threshold
        parts = [(ends.compress(ends > threshold), weight) for ends, weight in self._parts]
        self._parts = [(ends, weight) for ends, weight in parts if len(ends)]
        self.total = sum(weight * len(ends) for ends, weight in self._parts)


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
        self._windows = (grids.high - grids.low + 1.0).prod(axis=0) * weights
        self._listed = LISTED * limit / float(weights.min()) + ALWAYS_LISTED
        self._tally = _Tally(0.0)
        self._layers: list[_Layer] = []
        self._tops = np.empty(0)
        self._above = Found(np.empty(0, np.int64), np.empty((len(grids.brick), 0), np.int64), np.empty(0, np.bool_))

    def run(self) -> Found:
        """Search."""
        grids = self.grids
        reach = np.minimum(grids.scales * grids.brick, grids.extent[1] - grids.extent[0]).prod(axis=0)
        guess = LOWER * self.detail.guess(grids.region, reach / self.weights, LARGER * self.limit)
        self.detail = self._feasible()
        found = self._descend(guess if guess > 1 else 0.0)
        if guess > 1 and self._tally.threshold == guess:
            found = self._descend(0.0)
        return found

    def _feasible(self) -> Detail:
        """The detail, without levels of which all is in view and too much for the budget: they need not be listed."""
        target = self.detail.target
        if target is None or self.grids.region.box is None:
            return self.detail
        too_many = np.flatnonzero(self._windows > self.limit)
        return OneLevel(max(target, int(too_many[-1]) + 1)) if len(too_many) else self.detail

    def _descend(self, threshold: float) -> Found:
        """What is needed at the lowest threshold that fits, from a given one on."""
        self._tally = _Tally(threshold)
        weights = self.weights.tolist()
        top, fits = self._top()
        layer, too_many = (self._whole(top), False) if fits else self._first(top)
        if too_many or len(layer.until) * weights[top] > self.limit:
            return self._nearest(layer)
        self._layers, self._tops = [layer], np.sort(layer.refined)
        self._tally.add(layer.until, weights[top])
        for level in range(top - 1, -1, -1):
            parents = np.flatnonzero(layer.refined > self._tally.threshold)
            if not len(parents):
                break
            self._tally.add(layer.refined.take(parents), -weights[level + 1])
            low, high, until = self._children(level, layer, parents)
            if not len(until):
                break
            layer = self._layer(level, low, high, until)
            self._raise(level, layer.until)
            self._tally.add(layer.until.compress(layer.until > self._tally.threshold), weights[level])
            self._layers.append(layer)
        return self._found()

    def _top(self) -> tuple[int, bool]:
        """The level to begin with, and whether its window and those of all coarser levels fit the budget.

        Where one level is needed everywhere, it is the finest for which they do: all bricks of the coarser levels are
        refined, and need not be walked through.
        """
        fits = np.flatnonzero(np.cumsum(self._windows[::-1])[::-1] <= self.limit)
        last = len(self.weights) - 1
        if not len(fits) or self.detail.target is None:
            return last, len(fits) > 0
        return max(self.detail.target, int(fits[0])), True

    def _whole(self, top: int) -> _Layer:
        """The bricks in view of a level; those of all coarser ones are noted as its stand-ins."""
        levels = np.arange(len(self.weights) - 1, top - 1, -1)
        owner, bricks = points(self.grids.low[:, levels], self.grids.high[:, levels])
        levels = levels[owner]
        start, stop = self.grids.reach(levels, bricks, bricks)
        seen = self.grids.region.overlaps(start.T, stop.T)
        levels = levels.compress(seen)
        bricks, start, stop = (array.compress(seen, axis=1) for array in (bricks, start, stop))
        count = np.count_nonzero(levels > top)
        self._above = Found(levels[:count], bricks[:, :count], np.zeros(count, dtype=bool))
        until = np.full(len(levels) - count, np.inf)
        return self._made(top, bricks[:, count:], start[:, count:], stop[:, count:], until)

    def _first(self, level: int) -> tuple[_Layer, bool]:
        """The bricks of a level in view; and whether they are too many to be listed: then the nearest ones."""
        low, high, too_many = self.grids.low[:, level, None], self.grids.high[:, level, None], False
        while cells(low, high) > self._listed:
            low, high = halves(low, high)
            start, stop = self.grids.reach(np.array([level]), low, high)
            keep = np.flatnonzero(self.grids.region.overlaps(start.T, stop.T))
            if len(keep) > self._listed:
                away = distance(self.grids.focus, start[:, keep], stop[:, keep])
                keep, too_many = keep[np.argsort(away, kind="stable")[: int(self._listed)]], True
            low, high = low[:, keep], high[:, keep]
        return self._layer(level, low, high, np.full(low.shape[1], np.inf)), too_many

    def _nearest(self, layer: _Layer) -> Found:
        """As many bricks of a level as fit."""
        away = distance(self.grids.focus, layer.start, layer.stop)
        nearest = np.argsort(away, kind="stable")[: max(1, int(self.limit // self.weights[layer.level]))]
        levels = np.full(len(nearest), layer.level)
        return Found(levels, layer.bricks[:, nearest], np.ones(len(nearest), dtype=bool), partial=True)

    def _children(self, level: int, above: _Layer, parents: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Boxes of bricks (both ends inclusive) under those that are refined, few enough to be listed."""
        until = above.refined.take(parents)
        window = self.grids.low[:, level, None], self.grids.high[:, level, None]
        one_for_all = self.detail.target is not None
        if one_for_all and cells(*window) <= self._listed:
            return *window, until[:1]
        low, high = self.grids.under(level, above.start.take(parents, axis=1), above.stop.take(parents, axis=1))
        if one_for_all and not self.grids.nested[level] and cells(low, high) > self._listed:
            # Bricks under two of the parents would count twice.
            low, high, until = *window, until[:1]
        while cells(low, high) > self._listed:
            low, high, until = halves(low, high, until)
            seen = self.grids.look(np.array([level]), low, high)
            self._raise(level, until[seen])
            seen &= until > self._tally.threshold
            low, high, until = low[:, seen], high[:, seen], until[seen]
        return low, high, until

    def _layer(self, level: int, low: IntArray, high: IntArray, until: FloatArray) -> _Layer:
        """Those of the bricks in boxes that are in view, each once."""
        owner, bricks = points(low, high)
        start, stop = self.grids.reach(np.array([level]), bricks, bricks)
        seen = np.flatnonzero(self.grids.region.overlaps(start.T, stop.T))
        most = until.take(owner.take(seen))
        if low.shape[1] > 1 and not self.grids.nested[level]:
            order, starts = groups(column_keys(bricks.take(seen, axis=1)))
            if len(starts) < len(seen):
                most = np.maximum.reduceat(most.take(order), starts)
                seen = seen[order[starts]]
        return self._made(level, bricks.take(seen, axis=1), start.take(seen, axis=1), stop.take(seen, axis=1), most)

    def _made(self, level: int, bricks: IntArray, start: FloatArray, stop: FloatArray, until: FloatArray) -> _Layer:
        errors = self.detail.errors(level, start, stop)
        return _Layer(level, bricks, start, stop, until, np.minimum(until, errors))

    def _raise(self, level: int, until: FloatArray) -> None:
        """Raise the threshold until the bricks fit, were those of `level`, needed below `until`, all final."""
        weight, tally = float(self.weights[level]), self._tally
        now = tally.total + weight * len(until)
        cover = self._cover(tally.threshold)
        if now + (cover if cover < now else 0.0) > self.limit:
            thresholds, final = tally.steps(until, weight)
            cover = self._cover(thresholds)
            fits = np.flatnonzero(final + np.where(cover < final, cover, 0.0) <= self.limit)
            tally.raise_to(float(thresholds[fits[-1]]))

    def _cover(self, thresholds: Any) -> Any:
        """What the coarsest stand-ins would take of the budget at one threshold, or at each of many."""
        last = len(self.weights) - 1
        if self._layers[0].level == last:
            return (len(self._tops) - self._tops.searchsorted(thresholds, side="right")) * self.weights[last]
        return np.count_nonzero(self._above.levels == last) * self.weights[last]

    def _found(self) -> Found:
        """What is needed at the threshold."""
        counts = [len(it.until) for it in self._layers]
        until = np.concatenate([it.until for it in self._layers])
        refined = np.concatenate([it.refined for it in self._layers])
        levels = np.repeat([it.level for it in self._layers], counts)
        bricks = np.concatenate([it.bricks for it in self._layers], axis=1)
        needed = np.flatnonzero(until > self._tally.threshold)
        return Found(
            np.concatenate([self._above.levels, levels[needed]]),
            np.concatenate([self._above.bricks, bricks.take(needed, axis=1)], axis=1),
            np.concatenate([self._above.final, refined[needed] <= self._tally.threshold]),
        )
