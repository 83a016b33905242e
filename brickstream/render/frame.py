"""What a shader has to know of the page table: a frozen value, in numbers small enough for float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.render.grid import Layer
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


def make_frame(table: PageTable, reach: tuple[FloatArray, FloatArray], final: list[tuple[Layer, IntArray]]) -> Frame:
    """Describe a page table.

    Parameters
    ----------
    table : PageTable
    reach : tuple of ndarray of shape (3,)
        Box around the finished picture, in own coordinates.
    final : list of (Layer, ndarray of shape (n, 3))
        The bricks of the finished picture.
    """
    target = table.windows[table.target]
    grid = target.grid
    origin = target.low * grid.brick
    shift = grid.shift + origin * grid.scale
    box = np.stack([np.full(3, -0.5), grid.shape - 0.5]) - origin
    # A coarser level may end a little beyond this one.
    window = np.clip((np.stack(reach) - shift) / grid.scale, box[0], box[1])
    ratios = [float((table.windows[i].grid.scale / grid.scale).max()) for i in table.shown(final)]
    draft = max(1.0, min(ratios, default=1.0))
    return Frame(grid.scale[::-1], shift[::-1], box[:, ::-1], window[:, ::-1], len(table.windows), draft)
