"""What lies under a place on the canvas: the pixel that is drawn there, of the level it is drawn from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from brickstream.multiscale import Plan, Pyramid, View, localize
from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.canvas import world_at
from brickstream.render.grid import three

# A ray's best place may lie a little beyond the image, where its last pixel is repeated: it is taken so far inside.
INSIDE = 1e-3


@dataclass(frozen=True)
class Pick:
    """A pixel of an image.

    Attributes
    ----------
    point : mapping of str to float
        World position on each axis of the image, as ``engine.value_shown`` and ``engine.value_at`` take it.
    level : int
        The level that is drawn there.
    index : tuple of int
        The pixel of that level, on each axis of the image.
    """

    point: Mapping[str, float]
    level: int
    index: tuple[int, ...]


LevelAt = Callable[[FloatArray], int | None]
"""Gives the level that is drawn at an own position on three axes (z, y, x), or None."""


def pick_plane(plan: Plan, view: View, x: float, y: float, level_at: LevelAt) -> Pick | None:
    """Find the pixel of a plane, or of an oblique cut, under a place on the canvas.

    Parameters
    ----------
    plan : Plan
        What is drawn.
    view : View
        Where the camera is now.
    x, y : float
        Physical canvas pixels from the top left corner.
    level_at : callable

    Returns
    -------
    Pick or None
        None outside the image, and where nothing is drawn yet.
    """
    image, local = plan.image, localize(plan.pyramid, view)
    shown = dict(zip(view.displayed, world_at(view, x, y).tolist(), strict=True))
    known = {**dict(zip(image.axis_names, image.origin.tolist(), strict=True)), **dict(plan.view.point), **shown}
    away = (np.array([y, x]) - np.array(view.canvas[::-1]) / 2) / view.zoom
    drawn = local.focus + local.along[:, :2] @ away
    world = np.array([known[name] for name in image.axis_names])
    return _pick(image, lambda level: _of_plane(plan, world, drawn, level), drawn, level_at)


def _of_plane(plan: Plan, world: FloatArray, drawn: FloatArray, level: int) -> FloatArray:
    """What is drawn at a place of a plane, in pixels of a level: of a cut it is the place of its nearest sample."""
    place = plan.image.pixels_at(world, level)
    if plan.oblique is not None:
        cut, axes, samples = plan.pyramid, list(plan.local.axes), plan.oblique.samples(level)
        sample = np.floor((drawn - cut.translations[level, axes]) / cut.scales[level, axes] + 0.5)
        middle = np.array(samples.depth) // 2
        place[list(samples.axes)] = samples.offset + samples.steps @ np.append(sample, middle)
    return place


def pick_volume(plan: Plan, place: FloatArray, level_at: LevelAt) -> Pick | None:
    """Find the pixel of a volume that a ray has found.

    Parameters
    ----------
    plan : Plan
        What is drawn.
    place : ndarray of shape (3,), float64
        Own position (z, y, x) on the displayed axes.
    level_at : callable
    """
    image, axes = plan.image, list(plan.local.axes)
    scale, first = image.scales[0, axes], image.translations[0, axes]
    reach = (0.5 - INSIDE) * scale
    place = np.clip(place, first - reach, first + (image.shapes[0, axes] - 1) * scale + reach)
    own = plan.local.window[0].copy()
    own[axes] = place
    world = image.placed(own)
    return _pick(image, lambda level: image.pixels_at(world, level), place, level_at)


def _pick(image: Pyramid, place_at: Callable[[int], FloatArray], drawn: FloatArray, level_at: LevelAt) -> Pick | None:
    level = level_at(np.array(three(drawn.tolist(), 0.0)))
    if level is None:
        return None
    place = place_at(level)
    pixel = np.floor(place + 0.5).astype(np.int64)
    if not ((pixel >= 0) & (pixel < image.shapes[level])).all():
        return None
    world = image.placed(image.translations[level] + image.scales[level] * place)
    return Pick(dict(zip(image.axis_names, world.tolist(), strict=True)), level, tuple(pixel.tolist()))
