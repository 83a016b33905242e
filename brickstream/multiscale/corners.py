"""Which pixels of a level are in view, and the whole chunks around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from brickstream.errors import ViewError
from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.local import LocalView, level_window, localize, pixel_noise
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.view import View


def corner_pixels(pyramid: Pyramid, view: View, level: int) -> IntArray:
    """First and last pixel of a level that a view shows, as :attr:`LevelPlan.corner_pixels` names them.

    Parameters
    ----------
    pyramid : Pyramid
    view : View
    level : int

    Returns
    -------
    ndarray of shape (2, ndim), or (0, ndim) where nothing of the image is in view; int64
        In pixels of the level, in array order, **both inclusive**, clamped to the level; to slice:
        ``first : last + 1``. On axes that are not displayed they are the pixel at the view's point, or the planes of a
        thick slice. Should the level have no pixel in view although the image has (levels that do not end at the same
        place), the nearest border pixel.

    Raises
    ------
    ViewError
        If the image has no such level, or a displayed axis is not one of the image.
    """
    if not 0 <= level < len(pyramid.levels):
        raise ViewError(f"no level {level}", pyramid.name, f"levels are 0 (finest) to {len(pyramid.levels) - 1}")
    local = localize(pyramid, view)
    box = seen_box(pyramid, local)
    return np.empty((0, pyramid.ndim), dtype=np.int64) if box is None else box_corners(pyramid, local, box, level)


def seen_box(pyramid: Pyramid, local: LocalView) -> FloatArray | None:
    """What a view shows of an image, as a box around it.

    Returns
    -------
    ndarray of shape (2, d), float64, or None
        Half-open, in own coordinates, on ``local.axes``. None where nothing is in view, be it on an axis that is not
        displayed.
    """
    whole = pyramid.box()
    noise = pixel_noise(pyramid, 0, np.abs(whole).max(axis=0)) * pyramid.scales[0]
    low, high = local.window
    # A point on the outermost edge is inside; what has a width has to overlap by more than noise.
    reach = np.where(high > low, -noise, noise)
    there = np.isnan(low) | ((low <= whole[1] + reach) & (high >= whole[0] - reach))
    whole, noise = whole[:, list(local.axes)], noise[list(local.axes)]
    box = local.region.box
    if box is not None:
        noise = np.minimum(noise, (box[1] - box[0]) / 4)
        there = np.append(there, (box[0] < whole[1] - noise) & (box[1] > whole[0] + noise))
    return local.region.seen(whole) if there.all() else None


def box_corners(pyramid: Pyramid, local: LocalView, box: FloatArray, level: int) -> IntArray:
    """First and last pixel of a level inside the box of :func:`seen_box`: (2, ndim) int64, inclusive, clamped."""
    low, high = local.window.copy()
    low[list(local.axes)], high[list(local.axes)] = box
    return np.stack(level_window(pyramid, level, low, high))


def grow_to_chunks(
    corners: ArrayLike,
    chunks: Sequence[int | Sequence[int]],
    shape: Sequence[int],
    axes: Sequence[int] | None = None,
) -> IntArray:
    """Grow corner pixels until they are corners of whole chunks.

    Parameters
    ----------
    corners : array_like of shape (2, ndim) or (0, ndim), int
        First and last pixel, both inclusive. Left as it is.
    chunks : sequence of int or sequence of int
        By axis, the length of a chunk, or the lengths of all of them where they differ (as dask has them).
    shape : sequence of int
        Of the level.
    axes : sequence of int, optional
        The axes to grow along; default all.

    Returns
    -------
    ndarray of shape (2, ndim) or (0, ndim), int64
        First and last pixel, both inclusive, never past the level's end. Nothing grows to nothing.

    Raises
    ------
    ViewError
        If the corners are not whole pixels of the level, or the chunks do not fill it, or there is no such axis.
    """
    grown = np.asarray(corners)
    ndim = len(shape)
    if grown.shape not in {(2, ndim), (0, ndim)} or len(chunks) != ndim:
        raise ViewError("corners and chunks have one number for each axis", f"corners {grown.shape}, shape {shape}")
    if not len(grown):
        return grown.astype(np.int64)
    inside = (grown[0] >= 0) & (grown[0] <= grown[1]) & (grown[1] < shape)
    if not (inside.all() and np.issubdtype(grown.dtype, np.integer)):
        raise ViewError("corner pixels are whole pixels of the level, first to last", f"{grown.tolist()}, {shape=}")
    grown = grown.astype(np.int64)
    for axis in range(ndim) if axes is None else axes:
        if not 0 <= axis < ndim:
            raise ViewError(f"no axis {axis} to grow along", f"{shape=}")
        grown[:, axis] = _whole_chunks(int(grown[0, axis]), int(grown[1, axis]), chunks[axis], int(shape[axis]))
    return grown


def _whole_chunks(first: int, last: int, chunks: int | Sequence[int], length: int) -> tuple[int, int]:
    """First and last pixel of the chunks that hold two pixels of an axis."""
    if isinstance(chunks, SupportsIndex):
        size = int(chunks)
        if size < 1:
            raise ViewError("a chunk has at least one pixel", f"{chunks=}")
        return first // size * size, min((last // size + 1) * size, length) - 1
    edges = np.concatenate([[0], np.cumsum(np.array(chunks, dtype=np.int64))])
    if edges[-1] != length or (np.diff(edges) < 0).any():
        raise ViewError("chunks fill their axis", f"{sum(chunks)} pixels of {length}")
    start, stop = np.searchsorted(edges, [first, last], side="right")
    return int(edges[start - 1]), int(edges[stop]) - 1
