"""What a volume of nearest pixels looks like, in NumPy and float64: samples and methods are those of vispy's Volume.

The volume has pixels of one world unit, pixel 0 at the origin. Places and directions are x, y, z.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cast import Cast, Floats
from numpy.typing import NDArray

from brickstream.render.colors import resolve_colormap
from brickstream.render.look import Look

WHITE = 65535.0  # the largest value of a texel
NEAR = 0.2 * WHITE
FINE = 0.1 * np.arange(10)
# Float32 cannot tell places that are closer to each other, in pixels.
GRAZE = 1e-5


class DenseRays:
    """Rays through some pixels of a view.

    Parameters
    ----------
    cast : Cast
    look : Look
        With contrast limits.
    pixels : ndarray of shape (n,)
        Numbers of canvas pixels, row by row.
    """

    def __init__(self, cast: Cast, look: Look, pixels: NDArray[np.intp]) -> None:
        self.array, self.look = cast.array, look
        view, begin = cast.view, cast.begin[pixels]
        self.directions = cast.directions[pixels]
        if view.camera.fov:
            near, _ = view.camera.lens(*(np.array(view.canvas) / view.zoom))
            begin = np.maximum(begin, near / (self.directions @ view.camera.rotation()[:, 1]))
        length = cast.end[pixels] - begin
        count = np.floor(length / look.step + 0.5).clip(0)
        self.start = cast.places(pixels, begin)
        self.stride = self.directions * (length / count.clip(1))[:, None]
        self.index = np.arange(int(count.max(initial=1)))
        self.samples = self.places(self.index[None])
        self.taken = self.index < count[:, None]
        for half in look.clip:
            position, normal = np.array(half.position[::-1]), np.array(half.normal[::-1])
            self.taken &= (self.samples - position) @ normal >= 0

    def places(self, index: NDArray[Any]) -> Floats:
        """Places of samples of shape (n or 1, m): ndarray of shape (n, m, 3)."""
        return self.start[:, None] + self.stride[:, None] * index[..., None]

    def values(self, places: Floats) -> Floats:
        """Values of the pixels that places lie in; the border repeats."""
        most = np.array(self.array.shape[::-1]) - 1
        x, y, z = np.moveaxis(np.floor(places + 0.5).clip(0, most).astype(int), -1, 0)
        return self.array[z, y, x].astype(np.float64)

    def colours(self, values: Floats) -> Floats:
        """Red, green, blue, opacity: ndarray of shape (..., 4)."""
        low, high = self.look.clim or (0.0, WHITE)
        level = ((values - low) / (high - low)).clip(0, 1) ** self.look.gamma
        colours = np.asarray(resolve_colormap(self.look.colormap).map(level.reshape(-1, 1)), dtype=np.float64)
        return colours.reshape(*values.shape, 4)

    def grazing(self) -> NDArray[np.intp]:
        """How many samples of each ray lie in the face of a pixel, where rounding says which of two they are in."""
        away = np.abs(np.abs(self.samples - np.round(self.samples)) - 0.5).min(axis=-1)
        return ((away < GRAZE) & self.taken).sum(axis=1)


def draw(rays: DenseRays) -> Floats:
    """Draw the rays on black: ndarray of shape (n, 3), 0 to 255, whole numbers."""
    seen = METHODS[rays.look.method](rays)
    return np.floor(np.where(rays.taken.any(axis=1)[:, None], seen, 0) * 255 + 0.5)


def _minip(rays: DenseRays) -> Floats:
    values = np.where(rays.taken, rays.values(rays.samples), np.inf)
    # The ray ends where nothing darker can come.
    ended = np.minimum.accumulate(values, axis=1) <= (rays.look.clim or (0.0, WHITE))[0]
    values[:, 1:][ended[:, :-1]] = np.inf
    around = rays.values(rays.places(values.argmin(axis=1)[:, None] - 0.5 + FINE))
    return rays.colours(np.minimum(values.min(axis=1), around.min(axis=1)))[:, :3]


def _translucent(rays: DenseRays) -> Floats:
    colours = rays.colours(rays.values(rays.samples))
    mixed, opacity = np.zeros((len(colours), 3)), np.zeros(len(colours))
    for i in rays.index:
        behind = np.where(rays.taken[:, i] & (opacity <= 0.99), colours[:, i, 3] * (1 - opacity), 0)
        mixed += colours[:, i, :3] * behind[:, None]
        opacity += behind
    return mixed


def _iso(rays: DenseRays) -> Floats:
    threshold, count = rays.look.threshold or 0.0, len(rays.start)
    near = rays.taken & (rays.values(rays.samples) > threshold - NEAR)
    index = (rays.index[:, None] - 1 + FINE).ravel()
    values = rays.values(rays.places(index[None]))
    hits = near.repeat(len(FINE), axis=1) & (values > threshold)
    first = hits.argmax(axis=1)
    value, place = values[np.arange(count), first], rays.places(index[first][:, None])[:, 0]
    normal = np.zeros((count, 3))
    for axis, aside in enumerate(1.5 * np.eye(3)):
        before, after = rays.values(place - aside), rays.values(place + aside)
        value, normal[:, axis] = np.max([value, before, after], axis=0), before - after
    normal /= np.linalg.norm(normal, axis=1).clip(1e-9)[:, None]
    facing = np.abs((normal * rays.directions).sum(axis=1))
    lit = value * (0.2 + facing) + WHITE * facing**40
    return np.where(hits.any(axis=1)[:, None], rays.colours(lit)[:, :3], 0)


METHODS: dict[str, Callable[[DenseRays], Floats]] = {"minip": _minip, "translucent": _translucent, "iso": _iso}
