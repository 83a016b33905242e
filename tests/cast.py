"""What the method "surfaces" draws, in NumPy and float64: every surface, cap and slice on each ray, from front to back.

The volume has pixels of one world unit, pixel 0 at the origin. Places and directions are x, y, z.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale import View
from brickstream.render.colors import resolve_colormap
from brickstream.render.look import Look
from brickstream.render.surfaces import is_drawn

Floats = NDArray[np.float64]
# What lies on rays: their numbers, how far along, (red, green, blue, alpha).
Things = tuple[NDArray[np.intp], Floats, Floats]
STEP = 0.25
BISECTIONS = 30


def rays(view: View) -> tuple[Floats, Floats]:
    """Origins and directions of the rays through all canvas pixels, row by row: ndarrays of shape (pixels, 3)."""
    width, height = view.canvas
    right, forward, up = view.camera.rotation().T
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = 1 - (np.arange(height) + 0.5) / height * 2
    aside = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    center = np.array(view.center[::-1])
    if view.camera.fov == 0:
        origins = center - 1000 * forward + aside * (np.array(view.canvas) / view.zoom / 2) @ np.stack([right, up])
        return origins, np.broadcast_to(forward, origins.shape)
    _, slopes = view.camera.lens(width, height)
    directions = forward + aside * slopes @ np.stack([right, up])
    eye = center - view.camera.eye_distance(min(view.canvas) / view.zoom) * forward
    return np.broadcast_to(eye, directions.shape), directions / np.linalg.norm(directions, axis=1)[:, None]


def trilinear(array: NDArray[Any], places: Floats) -> Floats:
    """Values at places of shape (..., 3), in pixels; the border repeats."""
    most = np.array(array.shape[::-1]) - 1
    places = places.clip(0, most)
    low = np.minimum(places.astype(int), most - 1)
    share = places - low
    value = np.zeros(places.shape[:-1])
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, share, 1 - share).prod(axis=-1)
        x, y, z = np.moveaxis(low + corner, -1, 0)
        value += weight * array[z, y, x]
    return value


class Cast:
    """The rays of one view through one volume.

    Parameters
    ----------
    array : ndarray of shape (z, y, x)
    view : View
    """

    def __init__(self, array: NDArray[Any], view: View) -> None:
        self.array, self.view = array, view
        self.origins, directions = rays(view)
        self.directions = np.where(np.abs(directions) < 1e-12, 1e-12, directions)
        sides = np.stack([np.full(3, -0.5), np.array(array.shape[::-1]) - 0.5])
        at = (sides[:, None] - self.origins) / self.directions
        self.begin = np.maximum(at.min(axis=0).max(axis=1), 0)
        self.end = at.max(axis=0).min(axis=1)

    def places(self, ray: NDArray[np.intp], at: Floats) -> Floats:
        """Places on some rays, so far along."""
        return self.origins[ray] + self.directions[ray] * at[:, None]

    @cached_property
    def samples(self) -> tuple[NDArray[np.intp], Floats, Floats]:
        """Numbers of the rays that meet the volume, how far along there are samples, and their values."""
        ray = np.flatnonzero(self.begin < self.end)
        count = int(np.ceil((self.end - self.begin).max() / STEP)) + 1
        at = np.minimum(self.begin[ray, None] + STEP * np.arange(count), self.end[ray, None])
        return ray, at, trilinear(self.array, self.origins[ray, None] + self.directions[ray, None] * at[..., None])

    def crossings(self, level: float) -> tuple[NDArray[np.intp], Floats]:
        """Numbers of rays, and how far along each the value crosses a level."""
        rays, at, values = self.samples
        above = values >= level
        row, sample = np.nonzero(above[:, 1:] != above[:, :-1])
        low, high, rising = at[row, sample], at[row, sample + 1], above[row, sample + 1]
        ray = rays[row]
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            beyond = (trilinear(self.array, self.places(ray, middle)) >= level) == rising
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        return ray, low

    def normals(self, places: Floats) -> Floats:
        """Differences of the values around places, over two pixels."""
        aside = np.eye(3)
        pairs = [trilinear(self.array, places - a) - trilinear(self.array, places + a) for a in aside]
        return np.stack(pairs, axis=-1)


def surfaces_of(cast: Cast, look: Look, clim: tuple[float, float]) -> Floats:
    """Draw: ndarray of shape (height, width, 3), float64, 0 to 255, on black."""
    things = [*_surfaces(cast, look, clim), *_sheets(cast, look, clim)]
    ray, at, colour = (np.concatenate(parts) for parts in zip(*things, strict=True))
    mixed, left = np.zeros((len(cast.begin), 3)), np.ones(len(cast.begin))
    for k in np.argsort(at, kind="stable"):
        mixed[ray[k]] += colour[k, :3] * colour[k, 3] * left[ray[k]]
        left[ray[k]] *= 1 - colour[k, 3]
    width, height = cast.view.canvas
    return mixed.reshape(height, width, 3) * 255


def _surfaces(cast: Cast, look: Look, clim: tuple[float, float]) -> Iterator[Things]:
    for level in look.surfaces.levels(clim):
        ray, at = cast.crossings(float(level))
        places = cast.places(ray, at)
        normals = cast.normals(places)
        facing = np.abs((normals * cast.directions[ray]).sum(axis=1)) / np.linalg.norm(normals, axis=1)
        colour = _coloured(np.full(len(ray), level), look, clim)
        colour[:, :3] = (colour[:, :3] * (0.2 + facing)[:, None] + facing[:, None] ** 40).clip(0, 1)
        drawn = is_drawn(places, normals, look.surfaces.fill, look.surfaces.pattern)
        yield ray[drawn], at[drawn], colour[drawn]


def _sheets(cast: Cast, look: Look, clim: tuple[float, float]) -> Iterator[Things]:
    planes = []
    for axis, cap in enumerate(look.surfaces.caps):
        for face in (-0.5, cast.array.shape[axis] - 0.5) if cap.show else ():
            normal = np.eye(3)[axis]
            planes.append((normal * face, normal, cap.fill))
    planes += [(np.array(s.position), np.array(s.normal), s.fill) for s in look.surfaces.slices]
    for position, normal, fill in planes:
        position, normal = position[::-1], normal[::-1]
        at = ((position - cast.origins) @ normal) / (cast.directions @ normal)
        ray = np.flatnonzero((at >= cast.begin - 1e-6) & (at <= cast.end + 1e-6))
        places = cast.places(ray, at[ray])
        values = trilinear(cast.array, places)
        low, high = look.surfaces.span(clim)
        drawn = is_drawn(places, np.broadcast_to(normal, places.shape), fill) & (values >= low) & (values <= high)
        yield ray[drawn], at[ray[drawn]], _coloured(values[drawn], look, clim)


def _coloured(values: Floats, look: Look, clim: tuple[float, float]) -> Floats:
    """Colours of values, with the opacity of the surfaces: ndarray of shape (n, 4)."""
    low, high = look.limits(clim)
    level = ((values - low) / (high - low)).clip(0, 1) ** look.gamma
    colour = np.asarray(resolve_colormap(look.colormap).map(level.astype(np.float32)), dtype=np.float64).reshape(-1, 4)
    least, most = look.surfaces.span(clim)
    place = ((values - least) / max(most - least, 1e-30)).clip(0, 1)
    colour[:, 3] *= look.surfaces.opacity * look.surfaces.opacities(place)
    return colour
