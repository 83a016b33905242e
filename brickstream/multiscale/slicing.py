"""The picture that a view is, out of an array: as an index where pixels lie on the canvas's axes, else resampled.

Both read the pixels that :func:`corner_pixels` names, and nothing else, in one ``array[...]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import ceil
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import ViewError
from brickstream.multiscale import framing
from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.canvas import world_along
from brickstream.multiscale.corners import box_corners, seen_box
from brickstream.multiscale.local import PIXEL_NOISE, LocalView, localize, pixel_at, pixel_noise
from brickstream.multiscale.projections import Array, Projection, filling, project, projected_dtype
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.view import View

ORDERS = ("nearest", "linear")
# Across a thick slice of a rotated image; nobody waits for more.
MAX_SAMPLES = 1 << 20


class ArrayLike(Protocol):
    """Anything that NumPy indexing with integers and slices of step 1 works on."""

    def __getitem__(self, index: tuple[int | slice, ...], /) -> Any:
        """Pixels, as something that :func:`numpy.asarray` takes."""


@dataclass(frozen=True)
class SliceIndex:
    """How to make a picture of an array that lies along the axes of a view.

    ``array[index]``, then a projection over `projected`, then a transposition by `order`, then a reversal of `flipped`:
    the picture's axes are those that the view displays, in its order, and run in the world's direction.

    Attributes
    ----------
    index : tuple of int or slice
        For each axis of the array; slices have a step of 1.
    projected : tuple of int
        Axes of ``array[index]`` along which a thick slice has its planes.
    order : tuple of int
        For each axis of the picture, its axis among those that are left.
    flipped : tuple of int
        Axes of the picture along which pixels run against the world.
    projection : {"mean", "max", "min", "sum"}
        How the planes of a thick slice are taken together; without effect in a thin one.
    empty : bool
        True where nothing of the image is in view: the picture has no pixels.
    """

    index: tuple[int | slice, ...]
    projected: tuple[int, ...]
    order: tuple[int, ...]
    flipped: tuple[int, ...]
    projection: str = "mean"
    empty: bool = False

    @property
    def read_shape(self) -> tuple[int, ...]:
        """Shape of ``array[index]``."""
        return _shape(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the picture."""
        left = [n for axis, n in enumerate(self.read_shape) if axis not in self.projected]
        return tuple(left[axis] for axis in self.order)

    def take(self, array: ArrayLike) -> Array:
        """Make the picture of an array, with one ``array[...]``.

        Parameters
        ----------
        array : array_like
            Of the level: NumPy, zarr, dask, or whatever has ``__getitem__``.

        Returns
        -------
        ndarray of shape :attr:`shape`
            Of the array's dtype, and the array's own pixels bit for bit; of a thick slice of that which
            :func:`projected_dtype` says.

        Raises
        ------
        ViewError
            If the array is not of the level's shape, or its pixels have no projection.
        """
        block = _read(array, self.index)
        picture = project(block, self.projected, self.projection).transpose(self.order)
        return np.flip(picture, self.flipped) if self.flipped else picture


def thick_axes(local: LocalView) -> tuple[int, ...]:
    """Array axes along which a slice has its thickness; none where the image is rotated against it."""
    return tuple(np.flatnonzero(local.window[1] > local.window[0]).tolist())


def picture_dtype(pyramid: Pyramid, local: LocalView, view: View) -> np.dtype[Any]:
    """Type of the pixels of a view's picture: of a thick slice what its projection gives, else the image's own."""
    return projected_dtype(pyramid.dtype, view.projection) if thick_axes(local) else pyramid.dtype


def slice_index(pyramid: Pyramid, view: View, level: int) -> SliceIndex:
    """Find what NumPy indexing gives the picture of a line, a plane, a thick slice, or the box of a volume in view.

    Parameters
    ----------
    pyramid : Pyramid
        Its axes may be flipped, or run along one another.
    view : View
    level : int
        The level whose array is to be indexed.

    Raises
    ------
    ViewError
        If the view cuts across the pixels, as oblique cuts and rotated or sheared images do (:func:`resample` shows
        them); if the image has no such level, or a displayed axis is not one of the image.
    """
    framing.level_of(pyramid, level)
    local = localize(pyramid, view)
    if not local.aligned:
        raise ViewError("the view cuts across the pixels", pyramid.name, "resample shows it")
    box = seen_box(pyramid, local)
    corners = np.zeros((2, pyramid.ndim), np.int64) if box is None else box_corners(pyramid, local, box, level)
    if box is None:
        corners[1, list(local.axes)] = -1
    index = _index(corners, local)
    kept = [axis for axis, part in enumerate(index) if isinstance(part, slice)]
    left = [axis for axis in kept if axis in local.axes]
    return SliceIndex(
        index,
        tuple(i for i, axis in enumerate(kept) if axis not in local.axes),
        tuple(left.index(axis) for axis in local.axes),
        tuple(i for i, sign in enumerate(np.diagonal(local.along)) if sign < 0),
        view.projection,
        box is None,
    )


def _index(corners: IntArray, local: LocalView) -> tuple[int | slice, ...]:
    """Slices along the axes that vary and those with a thickness; the one pixel along the others."""
    several = {*local.axes, *thick_axes(local)}
    return tuple(
        slice(first, last + 1) if axis in several else first for axis, (first, last) in enumerate(corners.T.tolist())
    )


def _read(array: ArrayLike, index: tuple[int | slice, ...]) -> Array:
    block = np.asarray(array[index])
    shape = _shape(index)
    if block.shape != shape:
        raise ViewError("the array has another shape than its level", f"{block.shape} read of {shape}")
    return block


def _shape(index: tuple[int | slice, ...]) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in index if isinstance(part, slice))


def sample_points(view: View) -> FloatArray:
    """World positions of the centres of the canvas's pixels.

    Parameters
    ----------
    view : View
        Any but a volume.

    Returns
    -------
    ndarray of shape (height, width, n), float64
        On the axes of ``view.displayed``, in their order; of a line the height is 1. On the other axes all of them have
        the view's point.

    Raises
    ------
    ViewError
        If the view is a volume.
    """
    down, right = _pixels(view)
    return np.array(view.center) + world_along(view, right, down)


def _pixels(view: View) -> tuple[FloatArray, FloatArray]:
    """Canvas pixels from the middle of the canvas to the centres of all: (h, 1) down and (1, w) to the right."""
    if view.camera is not None:
        raise ViewError("the canvas of a volume has no places in the world", "", "use the view's region")
    width, height = _canvas(view)
    down, right = (np.arange(side, dtype=np.float64) + 0.5 - side / 2 for side in (height, width))
    return down[:, None], right[None, :]


def _canvas(view: View) -> tuple[int, int]:
    """Width and height of the picture; that of a line is one pixel high."""
    return view.canvas[0], 1 if view.ndisplay == 1 else view.canvas[1]


def resample(
    array: ArrayLike, pyramid: Pyramid, view: View, level: int, order: str = "nearest", fill: Any = 0
) -> tuple[Array, NDArray[np.bool_]]:
    """Make the picture of any view but a volume, on the pixels of the canvas.

    The centre of each canvas pixel is carried into pixels of the level; the pixel there is the one that holds it. A
    thick slice takes the same planes as :func:`slice_index` where these lie along an axis of the array. Where the image
    is rotated against its thickness, samples are taken across what of it the image's extent reaches: the fewest, in the
    middles of equal parts, that pass over no pixel; those inside the image count.

    Parameters
    ----------
    array : array_like
        Of the level.
    pyramid : Pyramid
    view : View
    level : int
    order : {"nearest", "linear"}, default "nearest"
        ``"linear"`` weighs the nearest pixels along each axis that varies; it gives float64. Not for labels.
    fill : number, default 0
        What is outside the image, or outside the level where that does not reach to the image's end.

    Returns
    -------
    picture : ndarray of shape (height, width)
        Of the array's dtype, or that of :func:`projected_dtype` for a thick slice; of a line the height is 1.
    inside : ndarray of shape (height, width), bool
        Which pixels show the image.

    Raises
    ------
    ViewError
        If the view is a volume, there is no such order or level, the array is not of the level's shape, or a displayed
        axis is not one of the image.
    """
    if order not in ORDERS:
        raise ViewError(f"no order {order!r}", "", f"the orders are {', '.join(ORDERS)}")
    framing.level_of(pyramid, level)
    local = localize(pyramid, view)
    offsets = [pixels / view.zoom for pixels in _pixels(view)[-view.ndisplay :]]
    shape = _canvas(view)[::-1]
    depths = _depths(pyramid, view, local, level)
    box = seen_box(pyramid, local)
    if box is None:
        dtype = pyramid.levels[level].dtype
        if depths is not None or (local.window[1] > local.window[0]).any():
            dtype = projected_dtype(dtype, view.projection)
        return np.full(shape, filling(fill, _gathered(dtype, order))), np.zeros(shape, dtype=bool)
    lattice = _Lattice(pyramid, local, level, order == "linear")
    block, first = lattice.read(array, box, view.projection)
    if depths is None:
        positions, inside = lattice.positions(offsets)
        picture = np.full(shape, filling(fill, _gathered(block.dtype, order)))
        np.copyto(picture, lattice.gather(block, positions, first), where=inside)
        return picture, np.broadcast_to(inside, shape).copy()
    parts = Projection(shape, _gathered(block.dtype, order), view.projection)
    for depth in depths:
        positions, inside = lattice.positions((*offsets, *depth))
        parts.merge(lattice.gather(block, positions, first)[inside], at=inside)
    return parts.result(fill), parts.counts > 0


def _gathered(dtype: np.dtype[Any], order: str) -> np.dtype[Any]:
    return dtype if order == "nearest" else np.dtype(np.float64)


def across(pyramid: Pyramid, view: View, local: LocalView, level: int) -> list[tuple[float, int, float]]:
    """Places along each margin of a rotated image at which samples are taken; none where planes are the array's own.

    Returns
    -------
    list of (float, int, float)
        World distance from the point to the first sample, how many there are, and from one to the next.

    Raises
    ------
    ViewError
        If there are more than anybody waits for.
    """
    directions = local.along[:, view.ndisplay :]
    if not directions.shape[1]:
        return []
    pixels = np.abs(directions / pyramid.scales[level, list(local.axes), None]).max(axis=0)
    margins = [(name, reach) for name, reach in view.margins if name in pyramid.axis_names and sum(reach) > 0]
    point, extent = dict(view.point), pyramid.extent()
    depths = []
    for (name, (below, above)), per_unit in zip(margins, pixels.tolist(), strict=True):
        # No sample outside the image's extent can show anything, and margins may be far larger.
        first, last = (extent[:, pyramid.axis_index(name)] - point[name]).tolist()
        first, last = max(first, -below), min(last, above)
        count = max(1.0, (last - first) * per_unit - PIXEL_NOISE)
        if count > MAX_SAMPLES:
            raise ViewError("a slice too thick for its pixels", f"{name}: {count:.3g} samples", "take a coarser level")
        count = ceil(count)
        step = (last - first) / count
        depths.append((first + 0.5 * step, count, step))
    return depths


def _depths(pyramid: Pyramid, view: View, local: LocalView, level: int) -> list[tuple[FloatArray, ...]] | None:
    """World distances from the point, along each margin of a rotated image, at which samples are taken; else None."""
    depths = across(pyramid, view, local, level)
    return list(product(*(first + np.arange(count) * step for first, count, step in depths))) if depths else None


class _Lattice:
    """The pixels of a level, for places on the varying axes of a view."""

    def __init__(self, pyramid: Pyramid, local: LocalView, level: int, linear: bool) -> None:
        self.pyramid = pyramid
        self.local = local
        self.level = level
        self.linear = linear
        self.axes = list(local.axes)
        largest = np.abs(pyramid.box()).max(axis=0)
        self.noise = {k: pixel_noise(pyramid, k, largest)[self.axes] for k in (0, level)}

    def read(self, array: ArrayLike, box: FloatArray, projection: str) -> tuple[Array, IntArray]:
        """The pixels of the level that a box in view needs, with the varying axes in their order, and the first one."""
        corners = box_corners(self.pyramid, self.local, box, self.level)
        if self.linear:
            last = self.pyramid.shapes[self.level, self.axes] - 1
            corners[:, self.axes] = np.clip(corners[:, self.axes] + [[-1], [1]], 0, last)
        index = _index(corners, self.local)
        kept = [axis for axis, part in enumerate(index) if isinstance(part, slice)]
        planes = [i for i, axis in enumerate(kept) if axis not in self.axes]
        block = project(_read(array, index), planes, projection)
        return block.transpose([sorted(self.axes).index(axis) for axis in self.axes]), corners[0, self.axes]

    def positions(self, offsets: Sequence[Any]) -> tuple[list[FloatArray], NDArray[np.bool_]]:
        """Own coordinates along each varying axis of places on the canvas, and which of them lie in the image.

        Arrays that broadcast to (height, width): an axis that runs along one side of the canvas varies along it alone.
        """
        own, inside = [], np.ones((1, 1), dtype=bool)
        for i, axis in enumerate(self.axes):
            along = self.local.along[i]
            place = self.local.focus[i] + sum(part * by for part, by in zip(along, offsets, strict=True) if part)
            own.append(np.asarray(place, dtype=np.float64))
            for k in (0, self.level):
                pixel = self._pixels(own[i], i, k)
                inside = inside & (pixel >= 0) & (pixel < self.pyramid.shapes[k, axis])
        return own, inside

    def _pixels(self, own: FloatArray, i: int, level: int) -> IntArray:
        axis = self.axes[i]
        place = (own - self.pyramid.translations[level, axis]) / self.pyramid.scales[level, axis]
        return pixel_at(place, self.pyramid.shapes[level, axis], self.noise[level][i])

    def gather(self, block: Array, own: list[FloatArray], first: IntArray) -> Array:
        """Pixels of a block at places in own coordinates; outside it, those at its border."""
        if self.linear:
            return self._mixed(block, own, first)
        pixels = [self._pixels(place, i, self.level) - first[i] for i, place in enumerate(own)]
        return np.asarray(block[tuple(np.clip(p, 0, n - 1) for p, n in zip(pixels, block.shape, strict=True))])

    def _mixed(self, block: Array, own: list[FloatArray], first: IntArray) -> Array:
        scale, shift = (a[self.level, self.axes] for a in (self.pyramid.scales, self.pyramid.translations))
        places = [(place - shift[i]) / scale[i] - first[i] for i, place in enumerate(own)]
        places = [np.clip(place, 0, n - 1) for place, n in zip(places, block.shape, strict=True)]
        lower = [place.astype(np.int64) for place in places]
        picture = np.zeros((1, 1))
        for corner in product((0, 1), repeat=len(own)):
            at = tuple(np.minimum(low + up, n - 1) for low, up, n in zip(lower, corner, block.shape, strict=True))
            parts = [1 - np.abs(p - low - up) for p, low, up in zip(places, lower, corner, strict=True)]
            weight = reduce(np.multiply, parts)
            # A neighbour without weight has no say, be it infinite or not a number.
            picture = picture + weight * np.where(weight > 0, block[at], 0)
        return picture
