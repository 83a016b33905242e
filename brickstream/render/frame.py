"""What a shader has to know of the page table: a frozen value, in numbers small enough for float32."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from brickstream.multiscale import Oblique
from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.samples import Samples
from brickstream.render.page_table import PageTable

# Axes of an image that a shader can bound: two half-spaces each, in two matrices.
MOST_AXES = 4


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
    draft : float
        Pixels of the target in one pixel of the finest level that is shown: 1 once the target itself is.
    sides : ndarray of shape (8, 4), float64, or None
        Of an oblique cut, where it leaves the image: a pixel is drawn if ``sides @ (x, y, 1, 0)`` of its centre is not
        below zero.
    target : int
        Position of the target level in the page table.
    """

    scale: FloatArray
    shift: FloatArray
    box: FloatArray
    window: FloatArray
    draft: float
    sides: FloatArray | None = None
    target: int = 0


def make_frame(
    table: PageTable,
    reach: tuple[FloatArray, FloatArray],
    shown: list[int],
    oblique: Oblique | None = None,
) -> Frame:
    """Describe a page table.

    Parameters
    ----------
    table : PageTable
    reach : tuple of ndarray of shape (3,)
        Box around the finished picture, in own coordinates.
    shown : list of int
        Positions of the levels that are drawn.
    oblique : Oblique, optional
        The cut that is shown.
    """
    target = table.windows[table.target]
    grid = target.grid
    origin = target.low * grid.brick
    shift = grid.shift + origin * grid.scale
    box = np.stack([np.full(3, -0.5), grid.shape - 0.5]) - origin
    # A coarser level may end a little beyond this one.
    window = np.clip((np.stack(reach) - shift) / grid.scale, box[0], box[1])
    sides = None if oblique is None else _sides(oblique.samples(grid.layer.level), origin)
    scale, box, window = grid.scale[::-1], box[:, ::-1], window[:, ::-1]
    return Frame(scale, shift[::-1], box, window, _draft(table, shown), sides, table.target)


def drafted(frame: Frame, table: PageTable, shown: list[int]) -> Frame:
    """Describe the same page table with other levels shown: the very frame where that changes nothing of it."""
    draft = _draft(table, shown)
    return frame if draft == frame.draft else replace(frame, draft=draft)


def _draft(table: PageTable, shown: list[int]) -> float:
    target = table.windows[table.target].grid.scale
    ratios = [float((table.windows[i].grid.scale / target).max()) for i in shown]
    return max(1.0, min(ratios, default=1.0))


def _sides(samples: Samples, origin: IntArray) -> FloatArray | None:
    """Half-spaces of the image that a cut lies in, for pixels relative to `origin` (z, y, x).

    None where there are more than a shader takes, and for thick slices of rotated images, of which any part may show.
    """
    if len(samples.axes) > MOST_AXES or samples.steps.shape[1] != 2:
        return None
    sides = np.tile([0.0, 0.0, 1.0, 0.0], (2 * MOST_AXES, 1))
    place = samples.offset + samples.steps @ origin[1:]
    n = len(samples.axes)
    sides[:n, :2], sides[:n, 2] = samples.steps[:, ::-1], place - samples.low + samples.noise
    sides[n : 2 * n, :2], sides[n : 2 * n, 2] = -samples.steps[:, ::-1], samples.high - samples.noise - place
    return sides
