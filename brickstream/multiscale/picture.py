"""Plans of pictures as they are shown: of the image's own chunks, or of the tiles of an oblique cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale.affine import IntArray
from brickstream.multiscale.corners import seen_box
from brickstream.multiscale.grids import column_keys, points
from brickstream.multiscale.local import localize
from brickstream.multiscale.oblique import Oblique, find_oblique
from brickstream.multiscale.plan import MAX_CHUNKS, Budget, LevelPlan, Plan, Sources, plan_view
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.sampled import find_chunks
from brickstream.multiscale.stock import Stock
from brickstream.multiscale.view import View


def picture_pyramid(pyramid: Pyramid, view: View) -> Pyramid:
    """The pyramid whose pixels a view's picture has: the image's own, or the plane grid of an oblique cut.

    Raises
    ------
    ViewError
        As :func:`plan_picture`.
    """
    oblique = find_oblique(pyramid, view)
    return pyramid if oblique is None else oblique.pyramid


def plan_picture(
    pyramid: Pyramid, view: View, budget: Budget, previous: Plan | None = None, stock: Stock | None = None
) -> Plan:
    """Plan what a view needs, as :func:`plan_view` does; of an oblique cut tiles, and the chunks that they are made of.

    Parameters
    ----------
    pyramid : Pyramid
        The image.
    view : View
    budget : Budget
        Bricks of the picture's own axes, be it a cut or not: see :func:`picture_pyramid`.
    previous : Plan, optional
        Of the view shown until now.
    stock : Stock, optional
        What is in memory or being read of the image; of a cut, whose tiles nobody holds, nothing is asked.

    Raises
    ------
    BudgetError
        If bricks of this budget have another number of axes than the picture.
    ViewError
        If the image has no such axis or level, or the slice is too thick for its pixels.
    """
    oblique = find_oblique(pyramid, view)
    if oblique is None:
        return plan_view(pyramid, view, budget, previous, stock)
    plan = replace(plan_view(oblique.pyramid, view, budget, previous), oblique=oblique)
    if seen_box(pyramid, localize(pyramid, view)) is None:
        return replace(plan, levels=(), cover=0)
    sources = _sources(oblique, plan.levels)
    parts = [_made_of(oblique, *made, budget.brick_shape) for made in zip(plan.levels, sources, strict=True)]
    if not parts or not len(parts[-1].chunks):
        return replace(plan, levels=(), cover=0)
    cover = sum(len(part.chunks) > 0 for part in parts[: plan.cover])
    return replace(plan, levels=tuple(part for part in parts if len(part.chunks)), cover=cover)


def _made_of(oblique: Oblique, part: LevelPlan, sources: Sources, brick_shape: tuple[int, ...]) -> LevelPlan:
    """Say what tiles are made of, and leave out those that show nothing of the image, with their bricks."""
    rows = np.unique(sources.owner)
    owner = np.searchsorted(rows, sources.owner)
    tiles = part.chunks[rows]
    kept = _with_tiles(oblique, part, tiles, brick_shape)
    return replace(
        part,
        chunks=tiles,
        distances=part.distances[rows],
        bricks=part.bricks[kept],
        brick_distances=part.brick_distances[kept],
        final=part.final[kept],
        sources=Sources(owner, sources.chunks),
    )


def _sources(oblique: Oblique, parts: tuple[LevelPlan, ...]) -> list[Sources]:
    """Find the chunks that tiles of several levels are made of."""
    axes, boxes = list(oblique.axes), []
    for part in parts:
        tile, size = oblique.pyramid.chunk_shapes[part.level, axes], oblique.pyramid.shapes[part.level, axes]
        start = part.chunks[:, axes] * tile
        samples = oblique.samples(part.level)
        boxes.append((samples, samples.box(start.T, np.minimum(start + tile, size).T)))
    found = find_chunks(boxes) if boxes else []
    return [_deep(oblique, part.level, *made) for part, made in zip(parts, found, strict=True)]


def _deep(oblique: Oblique, level: int, owner: IntArray, varying: IntArray) -> Sources:
    """Give chunks on the varying axes all their axes: those behind one another in a slice through several planes."""
    image = oblique.image
    others, first, last = oblique.planes(level)
    size = image.chunk_shapes[level, others]
    low, high = first // size, last // size
    if (high - low + 1.0).prod() > MAX_CHUNKS:
        raise ViewError("a slice too thick for its chunks", image.name, "make the margins smaller")
    behind = np.argwhere(np.ones(high - low + 1, dtype=bool)) + low
    chunks = np.empty((len(owner) * len(behind), image.ndim), dtype=np.int64)
    chunks[:, list(oblique.local.axes)] = varying.T.repeat(len(behind), axis=0)
    chunks[:, others] = np.tile(behind, (len(owner), 1))
    return Sources(owner.repeat(len(behind)), chunks)


def _with_tiles(oblique: Oblique, part: LevelPlan, tiles: IntArray, brick_shape: tuple[int, ...]) -> IntArray:
    """Rows of the bricks that have a part of a tile."""
    axes = list(oblique.axes)
    tile, size = oblique.pyramid.chunk_shapes[part.level, axes], oblique.pyramid.shapes[part.level, axes]
    start = part.bricks * brick_shape
    low, high = start // tile, (np.minimum(start + brick_shape, size) - 1) // tile
    owner, cells = points(low.T, high.T)
    keys = column_keys(np.concatenate([cells, tiles[:, axes].T], axis=1))
    there = np.isin(keys[: len(owner)], keys[len(owner) :])
    return np.unique(owner[there])
