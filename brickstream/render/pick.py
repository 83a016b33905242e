"""What lies under a place on the canvas: the pixel that is drawn there, of the level that it is drawn from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale import Plan, View, localize
from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.canvas import world_at
from brickstream.render.grid import three


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


def pick_plane(plan: Plan, view: View, x: float, y: float, level_at: Callable[[FloatArray], int | None]) -> Pick | None:
    """Find the pixel of a plane under a place on the canvas.

    Parameters
    ----------
    plan : Plan
        What is drawn.
    view : View
        Where the camera is now.
    x, y : float
        Physical canvas pixels from the top left corner.
    level_at : callable
        Gives the level that is drawn at an own position on three axes (z, y, x), or None.

    Returns
    -------
    Pick or None
        None outside the image, and where nothing is drawn yet.

    Raises
    ------
    ViewError
        If the view is no plane along the image's axes.
    """
    if view.ndisplay != 2 or plan.oblique is not None:
        raise ViewError("only planes along the axes can be picked from", ", ".join(view.displayed))
    pyramid, names = plan.image, plan.image.axis_names
    shown = zip(view.displayed, world_at(view, x, y).tolist(), strict=True)
    known = {**dict(zip(names, pyramid.origin.tolist(), strict=True)), **dict(view.point), **dict(shown)}
    point = {name: known[name] for name in names}
    world = np.array(list(point.values()))
    own = pyramid.placed.solve(world)[list(localize(pyramid, view).axes)]
    level = level_at(np.array(three(own.tolist(), 0.0)))
    if level is None:
        return None
    pixel = np.floor(pyramid.pixels_at(world, level) + 0.5).astype(np.int64)
    inside = bool(((pixel >= 0) & (pixel < pyramid.shapes[level])).all())
    return Pick(point, level, tuple(pixel.tolist())) if inside else None
