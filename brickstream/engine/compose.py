"""The picture so far as one array: finer pixels over coarser ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brickstream.engine.update import Outcome, Update
from brickstream.multiscale import Level
from brickstream.multiscale.pyramid import IntArray

_PIXELS = (Outcome.LOADED, Outcome.MISSING)


def compose(update: Update) -> NDArray[np.generic]:
    """Paint the updates of a request, coarse first, onto the pixels in view of one level; see `Update.to_array`."""
    dtype = update.plan.pyramid.dtype
    part = update.level_plan
    axes = list(update.plan.displayed)
    if part is None:
        return np.zeros((0,) * len(axes), dtype)
    corners = part.corner_pixels[:, axes]
    canvas = np.zeros(tuple(corners[1] - corners[0] + 1), dtype)
    brought = [u for u in update.history or (update,) if u.outcome in _PIXELS and u.level >= update.level]
    whole = sum(u.level == update.level for u in brought) == len(part.chunks)
    for step in sorted(brought, key=lambda u: -u.level):
        if step.level == update.level:
            _paint(canvas, corners, step, axes)
        elif not whole:
            _paint_coarse(canvas, corners, step, update.level, axes)
    return canvas


def _paint(canvas: NDArray[np.generic], corners: IntArray, step: Update, axes: list[int]) -> None:
    """Copy a chunk of the canvas's own level."""
    start, stop = step.region[0, axes], step.region[1, axes]
    low, high = np.maximum(start, corners[0]), np.minimum(stop, corners[1] + 1)
    if (low >= high).any() or step.data is None:
        return
    canvas[_box(low - corners[0], high - corners[0])] = step.data[_box(low - start, high - start)]


def _paint_coarse(canvas: NDArray[np.generic], corners: IntArray, step: Update, level: int, axes: list[int]) -> None:
    """Copy a chunk of a coarser level: each canvas pixel takes the coarse pixel that its centre lies in."""
    levels = step.plan.pyramid.levels
    if step.data is None:
        return
    places, sources = [], []
    for d, axis in enumerate(axes):
        pixels = np.arange(corners[0, d], corners[1, d] + 1)
        coarse = _coarse_pixels(pixels, levels[level], levels[step.level], axis)
        inside = np.flatnonzero((coarse >= step.region[0, axis]) & (coarse < step.region[1, axis]))
        places.append(inside)
        sources.append(coarse[inside] - step.region[0, axis])
    canvas[np.ix_(*places)] = step.data[np.ix_(*sources)]


def _coarse_pixels(pixels: IntArray, fine: Level, coarse: Level, axis: int) -> IntArray:
    """Pixel of the coarse level, half-up and clamped to it, that holds the centre of each pixel of the fine one."""
    world = pixels * fine.scale[axis] + fine.translation[axis]
    found = np.floor((world - coarse.translation[axis]) / coarse.scale[axis] + 0.5)
    inside: IntArray = np.clip(found, 0, coarse.shape[axis] - 1).astype(np.int64)
    return inside


def _box(low: IntArray, high: IntArray) -> tuple[slice, ...]:
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
