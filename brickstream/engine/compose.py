"""A picture as one array: finer pixels over coarser ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale import Level, Plan, picture_dtype
from brickstream.multiscale.affine import IntArray


class Piece(NamedTuple):
    """Pixels of one chunk.

    Attributes
    ----------
    level : int
    region : ndarray of shape (2, ndim), int64
        Where they are, in pixels of the level, half-open.
    data : ndarray
        The displayed axes, in the view's order.
    """

    level: int
    region: IntArray
    data: NDArray[np.generic]


def compose(plan: Plan, level: int, pieces: Iterable[Piece]) -> NDArray[np.generic]:
    """Paint pieces, coarse first, onto the pixels in view of one planned level; zero where there is none.

    Of one level a later piece covers an earlier one.

    Parameters
    ----------
    plan : Plan
    level : int
        Planned; pieces of finer levels are left out.
    pieces : iterable of Piece

    Returns
    -------
    ndarray
        The level's `corner_pixels` on the displayed axes, in the view's order.
    """
    part = next(part for part in plan.levels if part.level == level)
    axes = list(plan.displayed)
    corners = part.corner_pixels[:, axes]
    canvas = np.zeros(tuple(corners[1] - corners[0] + 1), picture_dtype(plan.pyramid, plan.local, plan.view))
    fit = [piece for piece in pieces if piece.level >= level]
    alone = not any(other.final.any() for other in plan.levels if other.level > level)
    whole = alone and sum(piece.level == level for piece in fit) == len(part.chunks)
    for piece in sorted(fit, key=lambda piece: -piece.level):
        if piece.level == level:
            paste(canvas, corners[0], piece.data, piece.region[0, axes])
        elif not whole:
            _paint_coarse(canvas, corners, piece, plan.pyramid.levels, level, axes)
    return canvas


def paste(canvas: NDArray[Any], corner: IntArray, pixels: NDArray[Any], start: IntArray) -> None:
    """Copy pixels of the canvas's own level: what of them lies on it.

    Parameters
    ----------
    canvas, pixels : ndarray
        Of as many axes.
    corner, start : ndarray of shape (axes,), int64
        Where in the level the canvas begins, and where the pixels do.
    """
    low, high = np.maximum(start, corner), np.minimum(start + pixels.shape, corner + canvas.shape)
    if (low < high).all():
        canvas[_box(low - corner, high - corner)] = pixels[_box(low - start, high - start)]


def _paint_coarse(
    canvas: NDArray[np.generic],
    corners: IntArray,
    piece: Piece,
    levels: tuple[Level, ...],
    level: int,
    axes: list[int],
) -> None:
    """Copy a piece of a coarser level: each canvas pixel takes the coarse pixel that its centre lies in."""
    places, sources = [], []
    for d, axis in enumerate(axes):
        pixels = np.arange(corners[0, d], corners[1, d] + 1)
        coarse = _coarse_pixels(pixels, levels[level], levels[piece.level], axis)
        inside = np.flatnonzero((coarse >= piece.region[0, axis]) & (coarse < piece.region[1, axis]))
        places.append(inside)
        sources.append(coarse[inside] - piece.region[0, axis])
    canvas[np.ix_(*places)] = piece.data[np.ix_(*sources)]


def _coarse_pixels(pixels: IntArray, fine: Level, coarse: Level, axis: int) -> IntArray:
    """Pixel of the coarse level, half-up and clamped to it, that holds the centre of each pixel of the fine one."""
    world = pixels * fine.scale[axis] + fine.translation[axis]
    found = np.floor((world - coarse.translation[axis]) / coarse.scale[axis] + 0.5)
    inside: IntArray = np.clip(found, 0, coarse.shape[axis] - 1).astype(np.int64)
    return inside


def _box(low: IntArray, high: IntArray) -> tuple[slice, ...]:
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
