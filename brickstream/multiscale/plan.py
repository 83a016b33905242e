"""The plan: what a view needs of a pyramid, in which order. Pure, and its cost follows what is visible.

A level is searched from the coarsest down: the bricks of the next finer level are looked for only inside those that are
in view, so that a volume of a million voxels a side costs what a small one costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import BudgetError
from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.levels import choose_level
from brickstream.multiscale.local import localize, pixel_window
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.view import View

# A coarser level is worth its reads only where it needs at most this share of the chunks of the finer one.
WORTH = 0.5
# So many times the bricks of the budget may be looked at one by one; more are looked at in boxes first.
LISTED = 4
# A point this near to the outermost edge, as a share of its position, is inside.
EDGE = 1e-9


@dataclass(frozen=True)
class Budget:
    """What a plan must fit into.

    Attributes
    ----------
    max_bricks : int
        Bricks over all planned levels.
    brick_shape : tuple of int
        Interior of a brick in pixels, in the order of the displayed axes.
    """

    max_bricks: int
    brick_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.max_bricks < 1:
            raise BudgetError("the GPU budget holds less than one brick", "", "raise the budget")


@dataclass(frozen=True, eq=False)
class LevelPlan:
    """What is needed of one level.

    Attributes
    ----------
    level : int
    corner_pixels : ndarray of shape (2, ndim), int64
        First and last pixel in view, both inclusive, in pixels of this level, clamped to it; on axes that are not
        displayed both rows are the pixel at the view's point.
    chunks : ndarray of shape (n, ndim), int64
        Indices of the needed chunks, nearest to the focus first.
    distances : ndarray of shape (n,), float64
        World distance from the focus to the nearest point of each chunk.
    """

    level: int
    corner_pixels: IntArray
    chunks: IntArray
    distances: FloatArray


@dataclass(frozen=True, eq=False)
class Plan:
    """The answer to "what does this view need, in which order".

    Attributes
    ----------
    view : View
    pyramid : Pyramid
    levels : tuple of LevelPlan
        Coarsest first; the last is the target. Empty where nothing of the image is in view.
    brick_shape : tuple of int
        Interior of a brick in pixels, in the order of the displayed axes.
    partial : bool
        True where even the coarsest level exceeds the budget: only the bricks nearest to the focus are planned.
    """

    view: View
    pyramid: Pyramid
    levels: tuple[LevelPlan, ...]
    brick_shape: tuple[int, ...]
    partial: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing of the image is in view."""
        return not self.levels

    @property
    def target(self) -> LevelPlan:
        """The finest planned level: what the finished picture shows."""
        return self.levels[-1]

    @property
    def displayed(self) -> tuple[int, ...]:
        """Positions of the displayed axes among the pyramid's axes."""
        return tuple(self.pyramid.axis_index(name) for name in self.view.displayed)

    @property
    def chunk_count(self) -> int:
        """Number of chunks over all planned levels."""
        return sum(len(level.chunks) for level in self.levels)


def plan_view(pyramid: Pyramid, view: View, budget: Budget) -> Plan:
    """Plan what a view needs: levels, corner pixels, and chunks in order.

    The target level is the one that fills the canvas, or the finest coarser one that fits the budget together with
    the coarser levels planned before it. Coarser levels are planned where they cost clearly less than the finer one;
    where the target needs no more chunks than the next coarser level, nothing coarser is planned.

    Raises
    ------
    BudgetError
        If the budget is less than one brick.
    """
    search = _Search(pyramid, view, budget)
    target = choose_level(pyramid, view)
    found = search.descend(target)
    if not found:
        return Plan(view, pyramid, (), budget.brick_shape)
    if search.partial:
        return Plan(view, pyramid, (found[0],), budget.brick_shape, partial=True)
    kept = _worthwhile(found)
    return Plan(view, pyramid, tuple(kept), budget.brick_shape)


def _worthwhile(found: list[LevelPlan]) -> list[LevelPlan]:
    """Keep the target and those coarser levels that cost clearly less than the next finer one kept."""
    # Where levels end at different places, a coarser one may have nothing in view.
    target, coarser = found[-1], [level for level in found[:-1] if len(level.chunks)]
    if not coarser or len(target.chunks) <= len(coarser[-1].chunks):
        return [target]
    kept = [target]
    for level in reversed(coarser):
        if len(level.chunks) <= WORTH * len(kept[-1].chunks):
            kept.append(level)
    if kept[-1] is target:
        kept.append(min(coarser, key=lambda level: len(level.chunks)))
    # Of levels that cost the same number of reads, the coarsest has the fewest bytes: the first picture comes soonest.
    if len(coarser[0].chunks) <= len(kept[-1].chunks):
        kept[-1] = coarser[0]
    return kept[::-1]


class _Search:
    """Walks a pyramid from coarse to fine inside one field of view."""

    def __init__(self, pyramid: Pyramid, view: View, budget: Budget) -> None:
        self.pyramid = pyramid
        self.view = view
        self.budget = budget
        self.local = localize(pyramid, view)
        self.axes = list(self.local.axes)
        self.region = self.local.region
        self.focus = self.local.focus
        self.brick = np.array(budget.brick_shape, dtype=np.int64)
        self.extent = pyramid.box()[:, self.axes]
        self.listed = LISTED * budget.max_bricks + 1024
        self.too_large = False
        self.partial = False

    def descend(self, target: int) -> list[LevelPlan]:
        """Levels from the coarsest to `target`, or to the finest one that fits the budget."""
        box = self._seen()
        if box is None:
            return []
        found: list[LevelPlan] = []
        bricks: IntArray | None = None
        used = 0
        for k in range(len(self.pyramid.levels) - 1, target - 1, -1):
            first, last = self._window(k, box)
            bricks = self._bricks(k, bricks, first, last)
            if self.too_large or used + len(bricks) > self.budget.max_bricks:
                if found:
                    break
                self.partial = True
                bricks = bricks[: self.budget.max_bricks]
            used += len(bricks)
            found.append(self._level_plan(k, bricks, first, last))
            if self.partial:
                break
        return found

    def _seen(self) -> FloatArray | None:
        """Box of what is in view of the image; None where nothing is, on some axis."""
        whole = self.pyramid.box()
        low, high = self.local.window
        noise = EDGE * (1 + np.abs(whole))
        there = np.isnan(low) | ((low < whole[1] + noise[1]) & (high > whole[0] - noise[0]))
        return self.region.seen(self.extent) if there.all() else None

    def _window(self, k: int, box: FloatArray) -> tuple[IntArray, IntArray]:
        """First and last pixel (inclusive) of level k inside a half-open world box, clamped to the level."""
        scale, shift = self.pyramid.scales[k, self.axes], self.pyramid.translations[k, self.axes]
        pixels = (box - shift) / scale
        return pixel_window(pixels[0], pixels[1], self.pyramid.shapes[k, self.axes])

    def _bricks(self, k: int, coarser: IntArray | None, first: IntArray, last: IntArray) -> IntArray:
        """Bricks of level k in view, nearest first: shape (n, d). `coarser` are those of level k + 1, if any."""
        low, high = first // self.brick, last // self.brick
        boxes = low[None], high[None]
        if coarser is not None:
            boxes = self._children(k, coarser, low, high)
        if _cells(*boxes) > self.listed:
            boxes = self._narrow(k, low, high)
        bricks = _cover(*boxes, high + 1)
        seen, distance = self._look(k, bricks, bricks)
        return bricks[seen][np.argsort(distance[seen], kind="stable")]

    def _narrow(self, k: int, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
        """Halve a box of bricks and drop the parts out of view, until few enough bricks are left to be listed.

        Where more parts than that are in view, those nearest to the focus stay and the level counts as too large.
        """
        lows, highs = low[None], high[None]
        while _cells(lows, highs) > self.listed:
            lows, highs = _halves(lows, highs)
            seen, distance = self._look(k, lows, highs)
            lows, highs, distance = lows[seen], highs[seen], distance[seen]
            if len(lows) > self.listed:
                self.too_large = True
                nearest = np.argsort(distance, kind="stable")[: self.listed]
                lows, highs = lows[nearest], highs[nearest]
        return lows, highs

    def _children(self, k: int, coarser: IntArray, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
        """Boxes of bricks (both ends inclusive) of level k under the bricks of the next coarser level, in a window."""
        start, stop = self._brick_world(k + 1, coarser, coarser)
        scale, shift = self.pyramid.scales[k, self.axes], self.pyramid.translations[k, self.axes]
        noise = 1e-6
        first = np.floor(((start - shift) / scale + 0.5 - noise) / self.brick).astype(np.int64)
        last = np.floor(((stop - shift) / scale + 0.5 + noise) / self.brick).astype(np.int64)
        return np.clip(first, low, high), np.clip(last, low, high)

    def _look(self, k: int, low: IntArray, high: IntArray) -> tuple[NDArray[np.bool_], FloatArray]:
        """Which boxes of bricks (both ends inclusive) of level k are in view, and how far from the focus."""
        start, stop = self._brick_world(k, low, high)
        return self.region.overlaps(start, stop), _distance(self.focus, start, stop)

    def _brick_world(self, k: int, low: IntArray, high: IntArray) -> tuple[FloatArray, FloatArray]:
        """World corners of boxes of bricks; those at the border of a level reach to the end of the image.

        Levels need not end at the same place. So stretched, the bricks of every level fill the image, and a brick in
        view always lies under a coarser one in view.
        """
        start, stop = self._world(k, low * self.brick, (high + 1) * self.brick)
        top = (self.pyramid.shapes[k, self.axes] - 1) // self.brick
        start = np.where(low == 0, np.minimum(start, self.extent[0]), start)
        stop = np.where(high == top, np.maximum(stop, self.extent[1]), stop)
        return start, stop

    def _world(self, k: int, start: IntArray, stop: IntArray) -> tuple[FloatArray, FloatArray]:
        """World corners of half-open pixel boxes of level k, clipped to the level."""
        scale, shift = self.pyramid.scales[k, self.axes], self.pyramid.translations[k, self.axes]
        stop = np.minimum(stop, self.pyramid.shapes[k, self.axes])
        return (start - 0.5) * scale + shift, (stop - 0.5) * scale + shift

    def _level_plan(self, k: int, bricks: IntArray, first: IntArray, last: IntArray) -> LevelPlan:
        level = self.pyramid.levels[k]
        size = np.array([level.chunks[a] for a in self.axes], dtype=np.int64)
        start = np.maximum(bricks * self.brick, first)
        stop = np.minimum((bricks + 1) * self.brick - 1, last)
        chunks = _cover(start // size, stop // size, last // size + 1)
        low, high = self._world(k, chunks * size, (chunks + 1) * size)
        seen = self.region.overlaps(low, high) & ((low < self.extent[1]) & (high > self.extent[0])).all(axis=1)
        chunks, distance = chunks[seen], _distance(self.focus, low[seen], high[seen])
        order = np.argsort(distance, kind="stable")
        corners = np.zeros((2, self.pyramid.ndim), dtype=np.int64)
        low, high = (self.local.window - self.pyramid.translations[k]) / self.pyramid.scales[k]
        others = [a for a in range(self.pyramid.ndim) if a not in self.axes]
        corners[:, others] = pixel_window(low[others], high[others], self.pyramid.shapes[k, others])
        corners[:, self.axes] = first, last
        indices = np.empty((len(chunks), self.pyramid.ndim), dtype=np.int64)
        indices[:] = corners[0] // np.array(level.chunks)
        indices[:, self.axes] = chunks[order]
        return LevelPlan(k, corners, indices, distance[order])


def _cells(low: IntArray, high: IntArray) -> float:
    """Number of integer points in many inclusive boxes; a float, since it may be larger than any integer here."""
    return float((high - low + 1.0).prod(axis=1).sum())


def _halves(low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """Cut each inclusive box in two along its longest axis; a box of one point stays as it is."""
    rows = np.arange(len(low))
    axis = np.argmax(high - low, axis=1)
    middle = (low[rows, axis] + high[rows, axis]) // 2
    left_high, right_low = high.copy(), low.copy()
    left_high[rows, axis], right_low[rows, axis] = middle, middle + 1
    whole = (right_low <= high).all(axis=1)
    return np.concatenate([low, right_low[whole]]), np.concatenate([left_high, high[whole]])


def _cover(low: IntArray, high: IntArray, limit: IntArray) -> IntArray:
    """All integer points of many inclusive boxes, each point once, in index order: shape (n, d).

    `limit` is above every coordinate, by axis.
    """
    keep = (low <= high).all(axis=1)
    low, high = low[keep], high[keep]
    if not len(low):
        return low
    sizes = high - low + 1
    counts = sizes.prod(axis=1)
    box = np.repeat(np.arange(len(low)), counts)
    rest = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    points = np.empty((len(box), low.shape[1]), dtype=np.int64)
    for axis in range(low.shape[1] - 1, -1, -1):
        size = sizes[box, axis]
        points[:, axis] = low[box, axis] + rest % size
        rest = rest // size
    if (counts == 1).all() and len(points) == 1:
        return points
    keys = points[:, 0].copy()
    for axis in range(1, low.shape[1]):
        keys = keys * limit[axis] + points[:, axis]
    return points[np.unique(keys, return_index=True)[1]]


def _distance(focus: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Distance from a point to the nearest point of each box, shape (n,)."""
    gap = np.maximum(np.maximum(low - focus, focus - high), 0.0)
    return np.asarray(np.sqrt((gap * gap).sum(axis=1)), dtype=np.float64)
