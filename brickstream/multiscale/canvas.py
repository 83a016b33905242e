"""The canvas and the world: what lies under a pixel, and where on the canvas a place is.

Canvas positions are physical pixels from the top left corner, x to the right and y down: the first pixel covers 0 to 1,
its centre is at 0.5. World positions are on the axes that the view displays, in its order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from brickstream.errors import ViewError
from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.view import View


def world_at(view: View, x: ArrayLike, y: ArrayLike = 0.0) -> FloatArray:
    """World positions under places on the canvas.

    Of a volume, those on the plane through the centre that faces the camera; what else lies under a pixel,
    :func:`ray_at` says.

    Parameters
    ----------
    view : View
    x, y : array_like, float
        They broadcast. Along a line `y` has no effect.

    Returns
    -------
    ndarray of shape (..., n), float64
        On the axes of ``view.displayed``; on the others all have the view's point.
    """
    dx, dy = np.asarray(x, dtype=np.float64) - view.canvas[0] / 2, np.asarray(y, dtype=np.float64) - view.canvas[1] / 2
    return np.array(view.center) + world_along(view, dx, dy)


def world_along(view: View, dx: ArrayLike, dy: ArrayLike = 0.0) -> FloatArray:
    """World vectors of distances on the canvas; of a volume, on the plane through the centre that faces the camera.

    Parameters
    ----------
    view : View
    dx, dy : array_like, float
        Canvas pixels to the right and down; they broadcast. Along a line `dy` has no effect.

    Returns
    -------
    ndarray of shape (..., n), float64
        On the axes of ``view.displayed``.
    """
    pixels = np.stack(np.broadcast_arrays(dy, dx), axis=-1) / center_zoom(view)
    sides = _sides(view)
    return np.asarray(pixels[..., -len(sides) :] @ sides, dtype=np.float64)


def canvas_at(view: View, world: ArrayLike) -> FloatArray:
    """Where on the canvas places in the world are, be it outside of it.

    Parameters
    ----------
    view : View
    world : array_like of shape (..., n), float
        On the axes of ``view.displayed``. Places beside a cut are seen along its normal.

    Returns
    -------
    ndarray of shape (..., 2), float64
        x and y; of a line y is 0.5. Not a number for what is behind a camera with perspective.

    Raises
    ------
    ViewError
        If the places have another number of axes.
    """
    places = np.asarray(world, dtype=np.float64)
    if places.shape[-1:] != (len(view.displayed),):
        where = f"{places.shape}, for {', '.join(view.displayed)}"
        raise ViewError("a place has one number for each displayed axis", where)
    away = places - np.array(view.center)
    offsets = away @ _sides(view).T * _scale(view, away)
    if offsets.shape[-1] == 1:
        offsets = np.concatenate([np.zeros_like(offsets), offsets], axis=-1)
    return np.asarray(offsets[..., ::-1] + np.array(view.canvas) / 2, dtype=np.float64)


def ray_at(view: View, x: float, y: float) -> tuple[FloatArray, FloatArray]:
    """What is seen of a volume under a place on the canvas: every place ``start + t * direction`` with t above zero.

    Returns
    -------
    start, direction : ndarray of shape (3,), float64
        On the axes of ``view.displayed``; the direction has length 1. In perspective the start is the eye; orthographic
        cameras have none, so there it is the place of :func:`world_at`, and t may be below zero too.

    Raises
    ------
    ViewError
        If the view has no camera.
    """
    if view.camera is None:
        raise ViewError("only a volume is seen along rays", ", ".join(view.displayed), "see world_at")
    forward = view.camera.rotation()[::-1, 1]
    start = place = world_at(view, x, y)
    if view.camera.fov:
        start = np.array(view.center) - view.camera.eye_distance(view.world_size[1]) * forward
        forward = (place - start) / np.linalg.norm(place - start)
    return start, forward


def center_zoom(view: View) -> float:
    """Canvas pixels along one world unit at the centre: ``view.zoom``, unless a camera keeps a distance of its own."""
    if view.camera is None or not view.camera.fov or not view.camera.distance:
        return view.zoom
    # The canvas fixes the angle; from a distance of its own the camera sees more or less than the zoom says.
    return view.camera.focal(view.canvas[1]) / view.camera.distance


def _sides(view: View) -> FloatArray:
    """World directions, of length 1, that run down and to the right on the canvas; of a line to the right alone."""
    if view.camera is None:
        return view.frame()
    right, _, up = view.camera.rotation().T
    return np.stack([-up, right])[:, ::-1]


def _scale(view: View, away: FloatArray) -> FloatArray | float:
    """Canvas pixels along one world unit at places relative to the centre: an array of shape (..., 1)."""
    if view.camera is None or not view.camera.fov:
        return view.zoom
    depth = away @ view.camera.rotation()[::-1, 1] + view.camera.eye_distance(view.world_size[1])
    return np.asarray(view.camera.focal(view.canvas[1]) / np.where(depth > 0, depth, np.nan))[..., None]
