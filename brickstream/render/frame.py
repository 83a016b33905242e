"""What a shader has to know of the page table: a frozen value, in numbers small enough for float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.render.page_table import PageTable


@dataclass(frozen=True, eq=False)
class Frame:
    """Geometry of one state of the page table.

    Local coordinates are pixels of the target level in x, y, z, relative to the first pixel of its window: small
    numbers, however large the level is.

    Attributes
    ----------
    scale, shift : ndarray of shape (3,), float64
        World units a local unit, and world position of the local origin; x, y, z.
    box : ndarray of shape (2, 3), float64
        The whole target level, local.
    window : ndarray of shape (2, 3), float64
        The part of it that has bricks in view, local.
    levels : int
        Levels in the page table.
    draft : float
        Pixels of the target in one pixel of the finest level that is shown: 1 once the target itself is.
    """

    scale: FloatArray
    shift: FloatArray
    box: FloatArray
    window: FloatArray
    levels: int
    draft: float


def make_frame(table: PageTable, cells: IntArray) -> Frame:
    """Describe a page table; `cells` are the bricks of the target level in view, shape (n, 3)."""
    target = table.windows[table.target]
    grid = target.grid
    origin = target.low * grid.brick
    shift = grid.shift + origin * grid.scale
    box = np.stack([np.full(3, -0.5), grid.shape - 0.5]) - origin
    low, high = cells.min(axis=0) * grid.brick, np.minimum((cells.max(axis=0) + 1) * grid.brick, grid.shape)
    window = np.stack([low - 0.5, high - 0.5]) - origin
    shown = table.shown(cells)
    ratios = [float((table.windows[i].grid.scale / grid.scale).max()) for i in shown]
    draft = max(1.0, min(ratios, default=1.0))
    return Frame(grid.scale[::-1], shift[::-1], box[:, ::-1], window[:, ::-1], len(table.windows), draft)
