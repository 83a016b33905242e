"""The plan: what a view needs of a pyramid, in which order. Pure, and its cost follows what is visible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import BudgetError
from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.corners import seen_box
from brickstream.multiscale.detail import Detail, OneLevel, by_depth
from brickstream.multiscale.grids import column_keys, distance, make_grids
from brickstream.multiscale.layers import find_layers
from brickstream.multiscale.levels import choose_level
from brickstream.multiscale.local import LocalView, level_window, localize
from brickstream.multiscale.needs import Needs, chunks_in_brick, find_needs
from brickstream.multiscale.oblique import Oblique
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.search import BoolArray, Found, Search
from brickstream.multiscale.standins import affordable, worthwhile
from brickstream.multiscale.stock import Stock, chunks_between
from brickstream.multiscale.view import View

# A plan lists no more chunks than about this: beyond, nobody waits for them one by one.
MAX_CHUNKS = 1 << 17
NONE = slice(0, 0)


@dataclass(frozen=True)
class Budget:
    """What a plan must fit into.

    Attributes
    ----------
    max_bricks : int
        Bricks over all planned levels.
    brick_shape : tuple of int
        Interior of a brick in pixels, in the order of the axes that vary within the view (:attr:`LocalView.axes`: the
        displayed axes, or more of them for a cut through a rotated image).
    mixed : bool
        Whether the finished picture may be of several levels, near bricks finer than far ones. A host whose picture is
        one array says no: then one level is planned everywhere, fine enough at the centre of the view.

    Raises
    ------
    BudgetError
        If it holds less than one brick, or a brick has no pixels.
    """

    max_bricks: int
    brick_shape: tuple[int, ...]
    mixed: bool = True

    def __post_init__(self) -> None:
        if self.max_bricks < 1:
            raise BudgetError("the GPU budget holds less than one brick", "", "raise the budget")
        if any(n < 1 for n in self.brick_shape):
            raise BudgetError("a brick has at least one pixel along every axis", f"brick_shape={self.brick_shape}")


@dataclass(frozen=True, eq=False)
class Sources:
    """Chunks of an image that the tiles of a cut are made of.

    Attributes
    ----------
    owner : ndarray of shape (s,), int64
        Row of each tile among :attr:`LevelPlan.chunks`, ascending.
    chunks : ndarray of shape (s, ndim), int64
        Indices in the chunk grid of the image's level.
    """

    owner: IntArray
    chunks: IntArray


@dataclass(frozen=True, eq=False)
class LevelPlan:
    """What is needed of one level.

    Attributes
    ----------
    level : int
    corner_pixels : ndarray of shape (2, ndim), int64
        First and last pixel in view, both inclusive, in pixels of this level, clamped to it; on axes that are not
        displayed both rows are the pixel at the view's point, or the first and last plane of a thick slice. Where the
        finished picture is of several levels, only around what is planned of this one: the finest may be needed in one
        corner of a view that is too large to have all of it.
    chunks : ndarray of shape (n, ndim), int64
        Indices of the needed chunks, nearest to the focus first.
    distances : ndarray of shape (n,), float64
        From the focus to the nearest point of each chunk, in own units of the image; in a thick slice also from its
        middle.
    bricks : ndarray of shape (m, d), int64
        Indices of the needed bricks on the axes of the view, nearest to the focus first. Each needs at least one of the
        chunks.
    brick_distances : ndarray of shape (m,), float64
        From the focus to the nearest point of each brick.
    final : ndarray of shape (m,), bool
        Whether the brick is part of the finished picture; else it only stands in for finer ones on the way.
    sources : Sources or None
        Of an oblique cut, whose `chunks` are tiles, what these are made of.
    """

    level: int
    corner_pixels: IntArray
    chunks: IntArray
    distances: FloatArray
    bricks: IntArray
    brick_distances: FloatArray
    final: NDArray[np.bool_]
    sources: Sources | None = None

    def reads(self) -> tuple[IntArray, FloatArray]:
        """Chunks of the image that are read for it, nearest first, shape (r, ndim), and their distances, shape (r,)."""
        if self.sources is None:
            return self.chunks, self.distances
        # The first tile that needs a chunk is the nearest one.
        _, first = np.unique(column_keys(self.sources.chunks.T), return_index=True)
        first.sort()
        return self.sources.chunks[first], self.distances[self.sources.owner[first]]


@dataclass(frozen=True, eq=False)
class Plan:
    """The answer to "what does this view need, in which order".

    Attributes
    ----------
    view : View
    pyramid : Pyramid
        Whose pixels, levels and chunks the plan speaks of: the image's own, or of an oblique cut its plane grid.
    levels : tuple of LevelPlan
        Coarsest first. Empty where nothing of the image is in view.
    brick_shape : tuple of int
        Interior of a brick in pixels, in the order of the axes of the view.
    local : LocalView
        The view in the image's own coordinates.
    partial : bool
        True where even the coarsest level exceeds the budget: only the bricks nearest to the focus are planned.
    cover : int
        So many of the first `levels` together show everything in view (of a partial plan: everything planned).
    oblique : Oblique or None
        The cut, where the picture is none of the image's arrays.
    """

    view: View
    pyramid: Pyramid
    levels: tuple[LevelPlan, ...]
    brick_shape: tuple[int, ...]
    local: LocalView
    partial: bool = False
    cover: int = 0
    oblique: Oblique | None = None

    @property
    def image(self) -> Pyramid:
        """The image that is shown: `pyramid`, unless that is the plane grid of a cut."""
        return self.pyramid if self.oblique is None else self.oblique.image

    @property
    def empty(self) -> bool:
        """Whether nothing of the image is in view."""
        return not self.levels

    @property
    def target(self) -> LevelPlan:
        """The finest planned level: what the finished picture shows, or the finest part of it."""
        return self.levels[-1]

    @property
    def displayed(self) -> tuple[int, ...]:
        """Positions of the axes that vary within the view among the pyramid's axes."""
        return self.local.axes

    @property
    def chunk_count(self) -> int:
        """Number of chunks over all planned levels."""
        return sum(len(level.chunks) for level in self.levels)

    def regions(self, part: LevelPlan) -> IntArray:
        """Pixels that are needed of each chunk of a level.

        Returns
        -------
        ndarray of shape (n, 2, ndim), int64
            For each of ``part.chunks`` start and stop, half-open, in pixels of the level: the chunk within the corner
            pixels.
        """
        size = self.pyramid.chunk_shapes[part.level]
        start = np.maximum(part.chunks * size, part.corner_pixels[0])
        stop = np.minimum((part.chunks + 1) * size, part.corner_pixels[1] + 1)
        return np.stack([start, stop], axis=1)


def plan_view(
    pyramid: Pyramid, view: View, budget: Budget, previous: Plan | None = None, stock: Stock | None = None
) -> Plan:
    """Plan what a view needs: levels, corner pixels, bricks and chunks in order.

    One level fills a plane, a cut and a picture without perspective; in perspective each brick is as fine as it has to
    be. Where that exceeds the budget, what is too fine gives way, the least needed first. Coarser bricks are planned as
    stand-ins where they cost clearly less than the finer ones.

    Parameters
    ----------
    pyramid : Pyramid
    view : View
    budget : Budget
    previous : Plan, optional
        Of the view shown until now: a level stays at the border between two.
    stock : Stock, optional
        What is in memory or being read: no stand-ins are begun beside it (see :mod:`~brickstream.multiscale.stock`).
        None plans as if nothing were.

    Raises
    ------
    BudgetError
        If bricks of this budget have another number of axes than the view varies along.
    ViewError
        If the image has no such axis or level.
    """
    with np.errstate(over="ignore", under="ignore"):
        local = localize(pyramid, view)
        _check_brick(budget, local, pyramid)
        box = seen_box(pyramid, local)
        if box is None:
            return Plan(view, pyramid, (), budget.brick_shape, local)
        scene = _Scene(pyramid, view, local, box, budget)
        found = Search(scene.grids, scene.detail(previous), budget.max_bricks, scene.weights).run()
        needs = find_needs(scene.grids, scene.chunk_shapes, found)
        standins, kept = scene.standins(found, needs, stock)
        levels = scene.levels(found, needs, standins)
        cover = sum(part.level >= kept[-1] for part in levels) if kept else len(levels)
        partial = found.partial or not scene.layers.whole
        return Plan(view, pyramid, levels, budget.brick_shape, local, partial, cover)


def _check_brick(budget: Budget, local: LocalView, pyramid: Pyramid) -> None:
    if len(budget.brick_shape) != len(local.axes):
        names = ", ".join(pyramid.axis_names[axis] for axis in local.axes)
        raise BudgetError(
            f"a brick of {len(budget.brick_shape)} axes in a view along {len(local.axes)}",
            f"brick_shape={budget.brick_shape}",
            f"one number for each of {names}",
        )


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Bricks or chunks of all levels: where each level is, their indices (n, axes) and their distances (n,)."""

    places: dict[int, slice]
    rows: IntArray
    away: FloatArray


class _Scene:
    """One view of one image: what the steps of planning share."""

    def __init__(self, pyramid: Pyramid, view: View, local: LocalView, box: FloatArray, budget: Budget) -> None:
        self.pyramid, self.view, self.local, self.box, self.budget = pyramid, view, local, box, budget
        axes = list(local.axes)
        low, high = local.window.copy()
        low[axes], high[axes] = box
        self.corners = np.stack(level_window(pyramid, slice(None), low, high))
        self.grids = make_grids(pyramid, local, self.corners, budget.brick_shape)
        self.layers = find_layers(pyramid, local, self.corners, MAX_CHUNKS)
        self.chunk_shapes = pyramid.chunk_shapes.T[axes]
        chunks = chunks_in_brick(self.grids.brick, self.chunk_shapes, self.grids.shapes) * self.layers.counts
        self.weights = np.maximum(1.0, chunks * (budget.max_bricks / MAX_CHUNKS))

    @property
    def mixed(self) -> bool:
        """Whether the finished picture may be of several levels."""
        return self.local.eye is not None and self.budget.mixed and self.view.level is None

    def detail(self, previous: Plan | None) -> Detail:
        """Say how fine bricks have to be."""
        if self.mixed and self.local.eye is not None:
            return by_depth(self.pyramid.scales[:, list(self.local.axes)], self.local.eye, self.box)
        until_now = None
        if previous is not None and previous.pyramid is self.pyramid and not previous.empty:
            until_now = previous.target.level
        return OneLevel(choose_level(self.pyramid, self.view, until_now, local=self.local))

    def standins(self, found: Found, needs: Needs, stock: Stock | None) -> tuple[BoolArray, list[int]]:
        """Choose the stand-ins that are planned: which bricks; and the levels that are worth it, finest first.

        Of the last of these levels, the first picture, all are planned.
        """
        standin = needs.seen & ~found.final
        whole = self._weigh(found, standin)
        room = self.budget.max_bricks - sum(self._weigh(found, needs.seen & found.final))
        kept = affordable(worthwhile(*needs.counts(self.layers.counts)), whole, room)
        if stock is None or not kept:
            return standin & np.isin(found.levels, kept), kept
        chunks = chunks_between(stock, needs, kept, self.grids, self.layers, self.chunk_shapes)
        between = standin & needs.bricks_of(chunks)
        weights = self._weigh(found, between)
        fits = affordable(np.flatnonzero(weights).tolist(), weights, room - whole[kept[-1]])
        return standin & (found.levels == kept[-1]) | between & np.isin(found.levels, fits), kept

    def _weigh(self, found: Found, bricks: BoolArray) -> list[float]:
        """What some bricks take of the budget, by level."""
        weights: list[float] = (np.bincount(found.levels[bricks], minlength=len(self.weights)) * self.weights).tolist()
        return weights

    def levels(self, found: Found, needs: Needs, standins: BoolArray) -> tuple[LevelPlan, ...]:
        """Plan final bricks, and some stand-ins."""
        chunks = self._chunks(needs, np.flatnonzero(needs.final | needs.chunks_of(standins)))
        bricks, final = self._bricks(found, np.flatnonzero(needs.seen & (found.final | standins)))
        corners = self._corners(bricks)
        plans = []
        for level in bricks.places or [int(found.levels[-1])]:
            mine, yours = bricks.places.get(level, NONE), chunks.places.get(level, NONE)
            rows, away = bricks.rows[mine], bricks.away[mine]
            box = np.ascontiguousarray(corners[:, level])
            plans.append(LevelPlan(level, box, chunks.rows[yours], chunks.away[yours], rows, away, final[mine]))
        return tuple(plans)

    def _bricks(self, found: Found, chosen: IntArray) -> tuple[_Ranked, NDArray[np.bool_]]:
        """Rank some of the bricks that were found, and say which of them are final."""
        levels, bricks = found.levels[chosen], found.bricks.take(chosen, axis=1)
        brick = self.grids.brick
        away = distance(self.grids.focus, *self.grids.pixels(levels, bricks * brick, (bricks + 1) * brick))
        ranked, order = _rank(levels, bricks.T, away)
        return ranked, found.final[chosen[order]]

    def _chunks(self, needs: Needs, chosen: IntArray) -> _Ranked:
        """Rank some of the chunks that bricks need, on all axes."""
        levels, chunks = needs.levels[chosen], needs.chunks.take(chosen, axis=1)
        size = self.chunk_shapes.take(levels, axis=1)
        away = distance(self.grids.focus, *self.grids.pixels(levels, chunks * size, (chunks + 1) * size))
        return _rank(*self.layers.spread(levels, chunks, away))[0]

    def _corners(self, bricks: _Ranked) -> IntArray:
        """First and last pixel of each level in view; where levels are mixed, around the planned bricks."""
        if not self.mixed or not bricks.places:
            return self.corners
        corners, brick = self.corners.copy(), self.grids.brick[:, 0]
        starts = [place.start for place in bricks.places.values()]
        levels, axes = np.array(list(bricks.places))[:, None], list(self.local.axes)
        first = np.minimum.reduceat(bricks.rows, starts) * brick
        last = (np.maximum.reduceat(bricks.rows, starts) + 1) * brick - 1
        corners[0, levels, axes] = np.maximum(corners[0, levels, axes], first)
        corners[1, levels, axes] = np.minimum(corners[1, levels, axes], last)
        return corners


def _rank(levels: IntArray, rows: IntArray, away: FloatArray) -> tuple[_Ranked, IntArray]:
    """Sort what begins with the coarsest level by distance within each level; also return the order."""
    new = (np.flatnonzero(levels[1:] != levels[:-1]) + 1).tolist()
    starts = [0, *new] if len(levels) else []
    places = dict(zip(levels[starts].tolist(), map(slice, starts, [*new, len(levels)]), strict=True))
    order = np.lexsort((away, -levels))
    return _Ranked(places, rows.take(order, axis=0), away[order]), order
