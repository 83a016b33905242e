"""Bricks that are being put together from chunks. Pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from brickstream.multiscale.affine import IntArray
from brickstream.render.apron import Array, extend, interior_of
from brickstream.render.grid import Index, LevelGrid
from brickstream.render.layout import AtlasLayout


@dataclass(eq=False)
class Stage:
    """A brick, filled chunk by chunk.

    Attributes
    ----------
    index : tuple of int
    grid : LevelGrid
    texels : ndarray of shape (z, y, x)
        A whole slot, in which the brick has its place: so it is uploaded without being copied.
    data : ndarray of shape (z, y, x)
        The interior of it, a view; only texels of `known` chunks mean something.
    known : dict of tuple of int to (int, int, int)
        Chunks that have been put, and where they are on the three axes of the grid.
    missing : bool
        Whether the store has none of them.
    """

    index: Index
    grid: LevelGrid
    texels: Array
    data: Array
    known: dict[tuple[int, ...], Index] = field(default_factory=dict)
    missing: bool = True

    @classmethod
    def empty(cls, index: Index, grid: LevelGrid, layout: AtlasLayout) -> Stage:
        """Start a brick."""
        texels: Array = np.zeros(layout.slot, dtype=layout.dtype)
        return cls(index, grid, texels, interior_of(texels, layout.apron, grid.size(index)))

    def put(self, chunk: tuple[int, ...], cell: Index, start: IntArray, data: Array) -> None:
        """Copy what a chunk has of this brick; `start` is the chunk's first pixel in the level."""
        mine = np.array(self.index) * self.grid.brick
        low = np.maximum(mine, start)
        high = np.minimum(mine + self.data.shape, start + data.shape)
        here = tuple(slice(a, b) for a, b in zip((low - mine).tolist(), (high - mine).tolist(), strict=True))
        there = tuple(slice(a, b) for a, b in zip((low - start).tolist(), (high - start).tolist(), strict=True))
        self.data[here] = data[there]
        self.known[chunk] = cell

    def finished(self, whole: bool) -> Array:
        """Give the slot; pixels outside the known chunks repeat the edge of the box around those."""
        if not whole:
            chunks = np.array(sorted(self.known.values()))
            mine = np.array(self.index) * self.grid.brick
            low = np.maximum(chunks.min(axis=0) * self.grid.chunk - mine, 0)
            high = np.minimum((chunks.max(axis=0) + 1) * self.grid.chunk - mine, self.data.shape)
            (z, y, x), (d, h, w) = low.tolist(), (high - low).tolist()
            extend(self.data, (z, y, x), (d, h, w))
        return self.texels


def value_span(data: Array) -> tuple[float, float]:
    """Smallest and largest finite value; NaN where there is none."""
    if data.dtype.kind != "f":
        return float(data.min()), float(data.max())
    return float(np.fmin.reduce(data, axis=None)), float(np.fmax.reduce(data, axis=None))
