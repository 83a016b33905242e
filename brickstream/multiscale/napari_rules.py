"""How napari chooses a level: the same names, the same results as napari 0.9.2, for those who must match it.

A level is judged by the size of the field of view in its pixels, and an axis counts only where the field of view is
larger than the canvas. So the level jumps as an axis begins to count: with levels 1, 2, 4, ... and a canvas of 1024 x
1024, a field of view of (1024, 5000) gets level 2 and one of (1025, 5000) level 0. What the planner uses,
:func:`brickstream.multiscale.choose_level`, does not jump.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from brickstream.multiscale.affine import IntArray


def compute_multiscale_level(
    requested_shape: ArrayLike, shape_threshold: ArrayLike, downsample_factors: ArrayLike
) -> int:
    """Choose the coarsest level that still has more pixels than the canvas.

    Parameters
    ----------
    requested_shape : array_like of shape (d,)
        Field of view in pixels of level 0.
    shape_threshold : array_like of shape (d,)
        Canvas in pixels.
    downsample_factors : array_like of shape (levels, d)
        How many pixels of level 0 a pixel of each level is long.

    Returns
    -------
    int
        The last level where each axis that counts has more pixels (exactly as many are too few); 0 where there is none.
        An axis counts where the field of view is larger than the canvas and some factor is above 1.
    """
    requested, threshold, factors = (np.asarray(v) for v in (requested_shape, shape_threshold, downsample_factors))
    counts = (requested > threshold) & (factors > 1).any(axis=0)
    if not counts.any():
        return 0
    enough = (requested / factors > threshold)[:, counts].all(axis=1)
    return int(np.flatnonzero(enough).max(initial=0))


def compute_multiscale_level_and_corners(
    corner_pixels: ArrayLike, shape_threshold: ArrayLike, downsample_factors: ArrayLike
) -> tuple[int, IntArray]:
    """Choose a level by :func:`compute_multiscale_level`, and give the corners of the field of view in its pixels.

    Parameters
    ----------
    corner_pixels : array_like of shape (2, d)
        Corners of the field of view in pixels of level 0; its size is their difference.
    shape_threshold, downsample_factors
        As for :func:`compute_multiscale_level`.

    Returns
    -------
    level : int
    corners : ndarray of shape (2, d), int64
        Divided by the level's factors, the first rounded down and the last up. Not clamped to the level.
    """
    corners, factors = np.asarray(corner_pixels), np.asarray(downsample_factors)
    level = compute_multiscale_level(corners[1] - corners[0], shape_threshold, factors)
    low, high = corners / factors[level]
    return level, np.stack([np.floor(low), np.ceil(high)]).astype(np.int64)
