"""Which stand-ins are worth it beside what is here already, or being read. Pure.

A stand-in that is here costs nothing, and one that is being read has cost something: both stay until all that they
stand for is here. Another one is begun only where something that it stands for is neither here nor being read, and only
as long as its level needs clearly fewer reads than that. So a view that is panned keeps what stands in, and reads
nothing coarse where the finished picture is on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.grids import Grids, column_keys, points
from brickstream.multiscale.layers import Layers
from brickstream.multiscale.needs import Needs
from brickstream.multiscale.search import BoolArray
from brickstream.multiscale.standins import cheap

FAR, COMING, HERE = 0, 1, 2
"""How near a chunk is: not asked for (or failed), being read, in memory (or known to be missing)."""

Stock = Callable[[int, IntArray], IntArray]
"""Says how near chunks of a level are: takes its number and indices (n, ndim), gives one of the three for each (n,)."""


def chunks_between(
    stock: Stock, needs: Needs, kept: Sequence[int], grids: Grids, layers: Layers, chunk_shapes: IntArray
) -> BoolArray:
    """Choose the chunks of stand-ins between the first picture and the finished one.

    Parameters
    ----------
    stock : Stock
    needs : Needs
    kept : sequence of int
        Levels whose stand-ins are worth it where nothing is here, finest first; the last one is the first picture.
    grids : Grids
    layers : Layers
    chunk_shapes : ndarray of shape (d, levels), int64
        Pixels of a chunk, on the axes of the view.

    Returns
    -------
    ndarray of shape (n,), bool
        For each of the chunks of `needs`.
    """
    between = needs.standin & (needs.levels < kept[-1])
    if not between.any():
        return between
    near = _nearness(stock, layers, needs)
    if not near.any():
        return between & np.isin(needs.levels, kept)
    if (near[needs.final] == HERE).all():
        return np.zeros_like(between)
    under = _farthest_under(between, near, needs, grids, chunk_shapes)
    begun = between & (near == FAR) & (under == FAR)
    final = needs.final & (near == FAR)
    worth = cheap(*(_count(needs.levels[rows], layers.counts) for rows in (final, begun, final | begun)))
    begun &= np.isin(needs.levels, list(set(worth).intersection(kept)))
    return np.asarray(begun | (between & (near > FAR) & (under < HERE)), dtype=np.bool_)


def _count(levels: IntArray, layers: FloatArray) -> list[float]:
    counts: list[float] = (np.bincount(levels, minlength=len(layers)) * layers).tolist()
    return counts


def _nearness(stock: Stock, layers: Layers, needs: Needs) -> IntArray:
    """How near each chunk is; where several lie behind one another, the farthest."""
    levels, chunks, _ = layers.spread(needs.levels, needs.chunks, np.zeros(len(needs.levels)))
    starts = [0, *(np.flatnonzero(levels[1:] != levels[:-1]) + 1).tolist()]
    runs = zip(starts, [*starts[1:], len(levels)], strict=True)
    near = np.concatenate([stock(int(levels[start]), chunks[start:stop]) for start, stop in runs])
    deep = layers.counts[needs.levels].astype(np.int64)
    return near if len(near) == len(deep) else np.minimum.reduceat(near, np.cumsum(deep) - deep)


def _farthest_under(between: BoolArray, near: IntArray, needs: Needs, grids: Grids, chunk_shapes: IntArray) -> IntArray:
    """How near the farthest chunk of the finished picture is that lies under each stand-in's chunk."""
    away, standins = np.flatnonzero(needs.final & (near < HERE)), np.flatnonzero(between)
    levels = np.unique(needs.levels[standins])
    above, below = np.nonzero(levels[:, None] > needs.levels[away])
    levels, rows = levels[above], away[below]
    own, chunks = needs.levels[rows], needs.chunks.take(rows, axis=1)
    size = chunk_shapes.take(own, axis=1)
    box = grids.pixels(own, chunks * size, (chunks + 1) * size)
    owner, places = points(*grids.chunks_under(levels, chunk_shapes.take(levels, axis=1), *box))
    over = np.concatenate([needs.levels[None], needs.chunks]).take(standins, axis=1)
    keys = column_keys(np.concatenate([over, np.concatenate([levels[owner][None], places])], axis=1))
    known, found = keys[: len(standins)], keys[len(standins) :]
    order = np.argsort(known)
    place = order.take(np.minimum(known.searchsorted(found, sorter=order), len(standins) - 1))
    there = known[place] == found
    under = np.full(len(near), HERE)
    np.minimum.at(under, standins[place[there]], near[rows[owner[there]]])
    return under
