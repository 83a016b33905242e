"""Which chunks bricks need: the two grids have nothing to do with each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.grids import Grids, column_keys, groups, points
from brickstream.multiscale.search import BoolArray, Found


@dataclass(frozen=True, eq=False)
class Needs:
    """Chunks of all levels that some bricks need, coarsest level first.

    Attributes
    ----------
    levels : ndarray of shape (n,), int64
    chunks : ndarray of shape (d, n), int64
        On the axes of the view.
    final, standin : ndarray of shape (n,), bool
        Whether a brick of the finished picture needs the chunk, and whether a stand-in does.
    seen : ndarray of shape (m,), bool
        Which bricks need any chunk: the others have no pixel in view.
    brick, chunk : ndarray of shape (p,), int64
        Which brick needs which of the chunks, one pair for each.
    """

    levels: IntArray
    chunks: IntArray
    final: BoolArray
    standin: BoolArray
    seen: BoolArray
    brick: IntArray
    chunk: IntArray

    def bricks_of(self, chunks: BoolArray) -> BoolArray:
        """Which bricks need one of some chunks: shape (m,)."""
        bricks = np.zeros(len(self.seen), dtype=bool)
        bricks[self.brick[chunks[self.chunk]]] = True
        return bricks

    def chunks_of(self, bricks: BoolArray) -> BoolArray:
        """Which chunks some bricks need: shape (n,)."""
        chunks = np.zeros(len(self.levels), dtype=bool)
        chunks[self.chunk[bricks[self.brick]]] = True
        return chunks

    def counts(self, layers: FloatArray) -> tuple[list[float], list[float], list[float]]:
        """Chunks of each level that final bricks need, that stand-ins need, and that either need; finest level first.

        `layers` says, for each level, how many chunks lie behind one another.
        """
        chosen = self.levels[self.final], self.levels[self.standin], self.levels
        final, standin, both = ((np.bincount(rows, minlength=len(layers)) * layers).tolist() for rows in chosen)
        return final, standin, both


def find_needs(grids: Grids, chunk_shapes: IntArray, found: Found) -> Needs:
    """Find the chunks that bricks need: those with a pixel in view of a brick in view.

    Parameters
    ----------
    grids : Grids
    chunk_shapes : ndarray of shape (d, levels), int64
        Pixels of a chunk, on the axes of the view.
    found : Found
    """
    levels, brick = found.levels, grids.brick
    size = chunk_shapes.take(levels, axis=1)
    start = np.maximum(found.bricks * brick, grids.first.take(levels, axis=1))
    stop = np.minimum((found.bricks + 1) * brick, grids.last.take(levels, axis=1) + 1)
    low, high = start // size, (stop - 1) // size
    if (low == high).all():
        owner, chunks = np.arange(len(levels)), low
    else:
        owner, chunks = points(low, high)
        levels, size, start, stop = levels[owner], *(rows.take(owner, axis=1) for rows in (size, start, stop))
        start, stop = np.maximum(start, chunks * size), np.minimum(stop, (chunks + 1) * size)
    ends = grids.pixels(levels, start, stop)
    inside = grids.region.overlaps(ends[0].T, ends[1].T)
    inside &= ((ends[0] < grids.extent[1]) & (ends[1] > grids.extent[0])).all(axis=0)
    kept = np.flatnonzero(inside)
    owner, levels, chunks = owner[kept], levels[kept], chunks.take(kept, axis=1)
    seen = np.zeros(len(found.levels), dtype=bool)
    seen[owner] = True
    final = found.final[owner]
    if not len(kept):
        return Needs(levels, chunks, final, ~final, seen, owner, owner)
    order, starts = groups(column_keys(np.concatenate([-levels[None], chunks])))
    first, final = order[starts], final[order]
    by_final, by_standin = np.logical_or.reduceat(final, starts), np.logical_or.reduceat(~final, starts)
    row = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    return Needs(levels[first], chunks.take(first, axis=1), by_final, by_standin, seen, owner[order], row)


def chunks_in_brick(brick: IntArray, chunk_shapes: IntArray, shapes: IntArray) -> FloatArray:
    """Chunks that one brick of each level touches at most: ndarray of shape (levels,), float64.

    `brick` is (d, 1), the others are (d, levels).
    """
    inside = -(-(brick - 1) // chunk_shapes) + 1
    inside = np.where(brick % chunk_shapes == 0, brick // chunk_shapes, inside)
    inside = np.where(chunk_shapes % brick == 0, 1, inside)
    return np.asarray(np.minimum(inside, -(-shapes // chunk_shapes)).prod(axis=0, dtype=float), dtype=np.float64)
