"""Bricks that are being put together from chunks. Pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from brickstream.multiscale.affine import IntArray
from brickstream.render.apron import Array
from brickstream.render.grid import Index, LevelGrid


@dataclass(eq=False)
class Stage:
    """The interior of a brick, filled chunk by chunk.

    Attributes
    ----------
    index : tuple of int
    grid : LevelGrid
    data : ndarray of shape (z, y, x)
        Texels; only those of `known` chunks mean something.
    known : dict of tuple of int to (int, int, int)
        Chunks that have been put, and where they are on the three axes of the grid.
    """

    index: Index
    grid: LevelGrid
    data: Array
    known: dict[tuple[int, ...], Index] = field(default_factory=dict)

    @classmethod
    def empty(cls, index: Index, grid: LevelGrid, dtype: np.dtype[np.generic]) -> Stage:
        """Start a brick."""
        return cls(index, grid, np.zeros(grid.size(index), dtype=dtype))

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
        """Give the interior; pixels outside the known chunks repeat the edge of the box around those."""
        if whole:
            return self.data
        chunks = np.array(sorted(self.known.values()))
        mine = np.array(self.index) * self.grid.brick
        low = np.maximum(chunks.min(axis=0) * self.grid.chunk - mine, 0)
        high = np.minimum((chunks.max(axis=0) + 1) * self.grid.chunk - mine, self.data.shape)
        box = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
        pads = [(a, n - b) for a, b, n in zip(low.tolist(), high.tolist(), self.data.shape, strict=True)]
        return np.pad(self.data[box], pads, mode="edge")


def value_span(data: Array) -> tuple[float, float]:
    """Smallest and largest finite value; NaN where there is none."""
    if data.dtype.kind != "f":
        return float(data.min()), float(data.max())
    return float(np.fmin.reduce(data, axis=None)), float(np.fmax.reduce(data, axis=None))
