"""One level of a pyramid as a grid of bricks on the displayed axes. Pure NumPy; needs no GPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from brickstream.multiscale import LocalView, Oblique, Plan, Pyramid, pixel_window, thick_axes
from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.render.layout import Triple

Index = tuple[int, int, int]


@dataclass(frozen=True)
class Layer:
    """Which picture a brick belongs to: the same place of another plane is another layer.

    Attributes
    ----------
    level : int
    plane : tuple of int
        Pixel of the level on each axis; -1 on displayed axes.
    displayed : tuple of int
        The array axes that the picture shows, in its order.
    last : tuple of int
        Of a thick slice the last pixel on each axis, -1 on displayed axes; `plane` has the first. Else empty.
    projection : str
        Of a thick slice, how its planes are taken together; else empty.
    cut : Oblique or None
        Which oblique cut it is of: each has a plane grid of its own.
    """

    level: int
    plane: tuple[int, ...]
    displayed: tuple[int, ...]
    last: tuple[int, ...] = ()
    projection: str = ""
    cut: Oblique | None = None

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # Bricks are looked up by their layer all the time.
        return hash((self.level, self.plane, self.displayed, self.last, self.projection, self.cut))

    def meets(self, brick: Index, size: Triple, region: IntArray) -> bool:
        """Whether a brick of this layer has a pixel in a box of the level.

        Parameters
        ----------
        brick, size : tuple of int
            Index of the brick, and pixels of its interior; of a plane the first is not looked at.
        region : ndarray of shape (2, ndim), int64
            Start and stop, half-open, on all array axes.
        """
        shown = dict(zip(self.displayed[::-1], zip(brick[::-1], size[::-1], strict=True), strict=False))
        for axis, (start, stop) in enumerate(region.T.tolist()):
            if axis in shown:
                index, n = shown[axis]
                first, last = index * n, index * n + n - 1
            else:
                first, last = self.plane[axis], (self.last or self.plane)[axis]
            if first >= stop or last < start:
                return False
        return True


@dataclass(frozen=True, eq=False)
class LevelGrid:
    """Geometry of one layer; everything has three axes (z, y, x), a plane's first has one pixel.

    Attributes
    ----------
    layer : Layer
    shape, chunk, brick : ndarray of shape (3,), int64
        Pixels of the level, of a chunk and of a brick's interior.
    scale, shift : ndarray of shape (3,), float64
        Own units of the image a pixel; own position of the centre of pixel 0.
    """

    layer: Layer
    shape: IntArray
    chunk: IntArray
    brick: IntArray
    scale: FloatArray
    shift: FloatArray

    @cached_property
    def count(self) -> IntArray:
        """Bricks along each axis, ndarray of shape (3,), int64."""
        return -(-self.shape // self.brick)

    @cached_property
    def counts(self) -> Triple:
        """The same as plain numbers."""
        z, y, x = self.count.tolist()
        return z, y, x

    def at_border(self, index: Index) -> tuple[tuple[bool, bool, bool], tuple[bool, bool, bool]]:
        """Whether a brick is the first, and whether it is the last, along each axis."""
        (z, y, x), (d, h, w) = index, self.counts
        return (z == 0, y == 0, x == 0), (z == d - 1, y == h - 1, x == w - 1)

    def bricks_in(self, low: FloatArray, high: FloatArray) -> tuple[IntArray, IntArray]:
        """First and last brick (inclusive, clamped to the grid) that hold a part of own boxes of shape (..., 3)."""
        return bricks_between(low, high, self.brick, self.shape, self.scale, self.shift)

    def box(self, bricks: IntArray) -> tuple[FloatArray, FloatArray]:
        """Own corners of bricks (..., 3), clipped to the level."""
        start, stop = bricks * self.brick, np.minimum((bricks + 1) * self.brick, self.shape)
        return (start - 0.5) * self.scale + self.shift, (stop - 0.5) * self.scale + self.shift

    def size(self, brick: Index) -> Triple:
        """Pixels of one brick, clipped to the level."""
        (z, y, x), ((d, h, w), (whole_d, whole_h, whole_w)) = brick, self._sizes
        return min(d, whole_d - z * d), min(h, whole_h - y * h), min(w, whole_w - x * w)

    @cached_property
    def _sizes(self) -> tuple[Triple, Triple]:
        """Interior of a brick and shape of the level as plain numbers: they are asked for with every brick."""
        (d, h, w), (whole_d, whole_h, whole_w) = self.brick.tolist(), self.shape.tolist()
        return (d, h, w), (whole_d, whole_h, whole_w)


def bricks_between(low: Any, high: Any, brick: Any, shape: Any, scale: Any, shift: Any) -> tuple[IntArray, IntArray]:
    """First and last brick (inclusive, clamped to the grid) that hold a part of own intervals; all arrays broadcast.

    Parameters
    ----------
    low, high : ndarray, float64
        Own positions.
    brick, shape : ndarray or int
        Pixels of a brick's interior, and of the level.
    scale, shift : ndarray or float
        As those of :class:`LevelGrid`.
    """
    noise = 1e-6
    first = np.floor(((low - shift) / scale + 0.5 + noise) / brick).astype(np.int64)
    last = np.ceil(((high - shift) / scale + 0.5 - noise) / brick).astype(np.int64) - 1
    top = -(-shape // brick) - 1
    first = np.minimum(np.maximum(first, 0), top)
    return first, np.maximum(np.minimum(last, top), first)


def level_grid(plan: Plan, level: int, brick: Triple) -> LevelGrid:
    """Make the grid of a level for a plan, in the image's own coordinates."""
    pyramid, local = plan.pyramid, plan.local
    axes = local.axes
    first, last = _planes(pyramid, local, level)
    thick = (last, plan.view.projection) if thick_axes(local) else ((), "")
    layer = Layer(level, first, axes, *thick, plan.oblique)
    arrays = [pyramid.levels[level].shape, pyramid.levels[level].chunks]
    shape, chunk = (np.array(three([v[a] for a in axes], 1), dtype=np.int64) for v in arrays)
    scale = np.array(three([pyramid.scales[level, a] for a in axes], 1.0))
    shift = np.array(three([pyramid.translations[level, a] for a in axes], 0.0))
    return LevelGrid(layer, shape, chunk, np.array(brick, dtype=np.int64), scale, shift)


def three(values: list[int] | list[float], first: float) -> list[float]:
    """Put `first` before two values; leave three as they are."""
    return [first, *values] if len(values) == 2 else list(values)


def _planes(pyramid: Pyramid, local: LocalView, level: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First and last pixel of what the view shows on the axes that are not displayed, as plans have it."""
    others = [a for a in range(pyramid.ndim) if a not in local.axes]
    position = (local.window[:, others] - pyramid.translations[level, others]) / pyramid.scales[level, others]
    planes = np.full((2, pyramid.ndim), -1, dtype=np.int64)
    planes[:, others] = pixel_window(position[0], position[1], pyramid.shapes[level, others])
    first, last = planes.tolist()
    return tuple(first), tuple(last)


def expand(low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """All integer points of many inclusive boxes.

    Parameters
    ----------
    low, high : ndarray of shape (n, d), int64

    Returns
    -------
    owner : ndarray of shape (m,), int64
        Which box each point is of.
    points : ndarray of shape (m, d), int64
    """
    sizes = np.maximum(high - low + 1, 0)
    counts = sizes.prod(axis=1)
    owner = np.repeat(np.arange(len(low)), counts)
    rest = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    points = np.empty((len(owner), low.shape[1]), dtype=np.int64)
    for axis in range(low.shape[1])[::-1]:
        size = sizes[owner, axis]
        points[:, axis] = low[owner, axis] + rest % size
        rest = rest // size
    return owner, points


def ravel(points: IntArray, count: IntArray) -> IntArray:
    """One number for each point (n, 3) of a grid of `count` cells."""
    flat: IntArray = (points[:, 0] * count[1] + points[:, 1]) * count[2] + points[:, 2]
    return flat
