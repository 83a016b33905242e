"""Pictures that cut across the pixels of an image: planned as an image of their own, which lies in the cut.

Oblique cuts, and planes and lines through a rotated or sheared image, are no slices of its arrays. They are resampled
to the *plane grid*: a regular grid in the cut for each level, a pyramid like any other, placed in the world so that the
view runs along its axes. Its chunks are *tiles*, each made of samples of a few chunks of the image. Everything that
plans and shows planes plans and shows tiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import ViewError
from brickstream.multiscale import framing
from brickstream.multiscale.affine import Affine, FloatArray, IntArray
from brickstream.multiscale.local import LocalView, level_window, localize, pixel_noise
from brickstream.multiscale.pyramid import Channel, Pyramid
from brickstream.multiscale.region import Region
from brickstream.multiscale.samples import Samples
from brickstream.multiscale.slicing import across
from brickstream.multiscale.view import View

# A cut that is this share of the finest pixel away from another one is the same: panning must not make a new one.
SAME = 2.0**-20
SMALLEST_TILE, LARGEST_TILE = 32, 256
# Cuts whose grids are kept: who goes back to one of them finds on screen and in sinks what was there.
KEPT = 64


@dataclass(frozen=True, eq=False)
class Oblique:
    """One cut through one image, wherever on it the canvas lies.

    Attributes
    ----------
    image : Pyramid
    pyramid : Pyramid
        The plane grid: its axes are those of the world, it is one pixel thick on those that the picture has not, and
        its own coordinates run along the picture. A pixel is a sample: the image's pixel that holds its centre.
    axes : tuple of int
        Array axes of `pyramid` that the picture has, down and right.
    view : View
        A view of the cut: directions, point and margins, without a canvas that would mean anything.
    local : LocalView
        The same in the image's own coordinates; its focus is where the plane grid counts from.
    first : ndarray of shape (levels, n), int64
        Place of pixel 0, in steps from the focus.
    """

    image: Pyramid
    pyramid: Pyramid
    axes: tuple[int, ...]
    view: View
    local: LocalView
    first: IntArray

    def samples(self, level: int) -> Samples:
        """Say where the pixels of a level lie in the image.

        Raises
        ------
        ViewError
            If a slice is so thick that nobody waits for all its samples.
        """
        image, axes, local = self.image, list(self.local.axes), self.local
        scale, shift = image.scales[level, axes], image.translations[level, axes]
        spacing = self.pyramid.scales[level, list(self.axes)]
        deep = across(image, self.view, local, level)
        starts = np.append((self.first[level] + 0.5) * spacing, [start for start, _, _ in deep])
        steps = np.append(spacing, [step for _, _, step in deep])
        whole, own = image.box()[:, axes], image.box(level)[:, axes]
        ends = (np.maximum(whole[0], own[0]) - shift) / scale, (np.minimum(whole[1], own[1]) - shift) / scale
        return Samples(
            local.axes,
            (local.focus + local.along @ starts - shift) / scale,
            local.along * steps / scale[:, None],
            tuple(count for _, count, _ in deep),
            *ends,
            pixel_noise(image, level, np.abs(image.box()).max(axis=0))[axes],
            image.shapes[level, axes],
            image.chunk_shapes[level, axes],
        )

    def planes(self, level: int) -> tuple[list[int], IntArray, IntArray]:
        """Positions of the image's other axes, and the first and last pixel that the cut has on them, inclusive."""
        others = [axis for axis in range(self.image.ndim) if axis not in self.local.axes]
        first, last = level_window(self.image, level, *np.nan_to_num(self.local.window))
        return others, first[others], last[others]

    def inside(self, level: int, box: IntArray) -> NDArray[np.bool_]:
        """Say which pixels of a part of the plane grid show the image; the others are 0 in pictures.

        Parameters
        ----------
        level : int
        box : ndarray of shape (2, ndim), int64
            Start and stop, half-open, in pixels of the grid's level, such as the region of an update.

        Returns
        -------
        ndarray of bool
            On the axes of the picture.
        """
        samples = self.samples(level)
        first, last = samples.box(*box[:, list(self.axes), None])
        mesh = np.ix_(*(np.arange(a, b + 1) for a, b in zip(first[:, 0].tolist(), last[:, 0].tolist(), strict=True)))
        there = np.ones([numbers.size for numbers in mesh], dtype=bool)
        for i, length in enumerate(samples.shape.tolist()):
            pixels = samples.pixel(i, mesh)
            there &= (pixels >= 0) & (pixels < length)
        return np.asarray(there.any(axis=tuple(range(len(self.axes), there.ndim))), dtype=bool)

    def covering(self, level: int, box: IntArray) -> IntArray:
        """Find a box of the plane grid outside of which no pixel shows anything of a box of the image.

        Parameters
        ----------
        level : int
        box : ndarray of shape (2, ndim), int64
            Start and stop, half-open, in pixels of the image's level.

        Returns
        -------
        ndarray of shape (2, ndim), int64
            Start and stop, half-open, in pixels of the grid's level; both 0 where it does not meet the cut.
        """
        samples, axes, n = self.samples(level), list(self.axes), len(self.axes)
        others, first, last = self.planes(level)
        found = np.zeros((2, self.image.ndim), dtype=np.int64)
        size = self.pyramid.shapes[level, axes]
        ends = samples.box(np.zeros((n, 1), dtype=np.int64), size[:, None])
        begin, end = samples.narrowed(ends[0][:, 0], ends[1][:, 0], *box[:, list(samples.axes)])
        if (begin <= end).all() and (first < box[1, others]).all() and (last >= box[0, others]).all():
            found[1] = 1
            found[0, axes], found[1, axes] = begin[:n], end[:n] + 1
        return found


def find_oblique(pyramid: Pyramid, view: View) -> Oblique | None:
    """Find the cut that a view shows of an image; None where its picture is a part of the image's arrays.

    Views of the same cut get the very same one, as long as not too many others were asked for in between.

    Raises
    ------
    ViewError
        If a displayed axis is not one of the image, or the cut has more pixels than float64 can count.
    """
    local = localize(pyramid, view)
    if view.camera is not None or len(local.axes) == view.ndisplay:
        return None
    return _made(_Same(pyramid), _anchored(pyramid, view))


@dataclass(frozen=True, eq=False)
class _Same:
    """A pyramid that equals itself alone: two images that look alike are two images."""

    pyramid: Pyramid

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.pyramid is other.pyramid

    def __hash__(self) -> int:
        return id(self.pyramid)


def _anchored(pyramid: Pyramid, view: View) -> View:
    """The same for all views of a cut: its centre is the foot of the image's middle on the cut."""
    shown = [pyramid.axis_index(name) for name in view.displayed]
    extent = framing.extent_of(pyramid)[:, shown]
    middle, size = extent.mean(axis=0), extent[1] - extent[0]
    normals = np.linalg.svd(view.frame())[2][view.ndisplay :]
    same = float(pyramid.scales[0, shown].min()) * SAME
    away = np.round(normals @ (np.array(view.center) - middle) / same) * same
    return replace(
        view,
        canvas=(1, 1),
        center=tuple((middle + away @ normals).tolist()),
        zoom=1 / float(np.linalg.norm(size)),
        level=None,
        bias=0.0,
        pixel_ratio=1.0,
        part=None,
    )


@lru_cache(maxsize=KEPT)
def _made(same: _Same, view: View) -> Oblique:
    image = same.pyramid
    local = localize(image, view)
    n = view.ndisplay
    along = local.along[:, :n]
    # A step is as long as a pixel, measured in pixels: it passes over none, whichever way it leads.
    spacing = 1 / np.linalg.norm(along / image.scales[:, list(local.axes), None], axis=1)
    spacing = np.maximum.accumulate(spacing, axis=0)
    low, high = _reach(image, view, local)
    if not (np.maximum(np.abs(low), np.abs(high)) / spacing < framing.MOST_STEPS).all():
        raise ViewError("pixels too small for the size of the image", image.name, "correct its scales")
    first = np.floor(low / spacing).astype(np.int64)
    count = np.maximum(np.ceil(high / spacing).astype(np.int64) - first, 1)
    shown = [image.axis_index(name) for name in view.displayed]
    grid = _plane_grid(image, view, local, spacing, first, count)
    return Oblique(image, grid, tuple(shown[-n:]), view, local, first)


def _reach(image: Pyramid, view: View, local: LocalView) -> tuple[FloatArray, FloatArray]:
    """How far the image reaches along the directions of the picture, in world units from the focus; 0 where it misses.

    Returns
    -------
    low, high : ndarray of shape (n,), float64
    """
    n = view.ndisplay
    box = image.box()[:, list(local.axes)]
    rows = np.column_stack([local.along, local.focus - box[0]])
    rows = np.concatenate([rows, np.column_stack([-local.along, box[1] - local.focus])])
    extent = framing.extent_of(image)[:, [image.axis_index(name) for name in view.displayed]]
    far = np.full(n, float(np.linalg.norm(extent[1] - extent[0])))
    deep = [(start, start + count * step) for start, count, step in across(image, view, local, len(image.levels) - 1)]
    ends = np.array(deep).reshape(-1, 2).T
    around = np.concatenate([[-far, far], np.sort(ends, axis=0)], axis=1)
    seen = Region(None, rows).seen(around)
    return (np.zeros(n), np.zeros(n)) if seen is None else (seen[0, :n], seen[1, :n])


def _plane_grid(
    image: Pyramid, view: View, local: LocalView, spacing: FloatArray, first: IntArray, count: IntArray
) -> Pyramid:
    """The pyramid of a cut, from its pixels' size, the place of pixel 0 and the number of pixels: (levels, n) each."""
    n, names = view.ndisplay, image.axis_names
    shown = [names.index(name) for name in view.displayed]
    world = image.origin.copy()
    for name, value in (*view.point, *zip(view.displayed, view.center, strict=True)):
        if name in names:
            world[names.index(name)] = value
    frame = np.eye(len(names))
    directions = view.frame()
    frame[np.ix_(shown, shown)] = np.concatenate([np.linalg.svd(directions)[2][n:], directions]).T
    plain = (frame == np.eye(len(names))).all()
    placement = None if plain else Affine(names, names, frame, np.zeros(len(names)))
    own = world if placement is None else placement.solve(world)
    picture = shown[-n:]
    tile = _tile(image, local, spacing[0])
    levels = []
    for level, steps, start, size in zip(image.levels, spacing, first, count, strict=True):
        shape, chunks = np.ones((2, len(names)), dtype=np.int64)
        scale, shift = np.full(len(names), spacing[0].max()), own.copy()
        shape[picture], chunks[picture], scale[picture] = size, tile, steps
        shift[picture] += (start + 0.5) * steps
        levels.append(
            replace(
                level,
                shape=tuple(shape.tolist()),
                chunks=tuple(chunks.tolist()),
                scale=tuple(scale.tolist()),
                translation=tuple(shift.tolist()),
                shards=None,
            )
        )
    return Pyramid(image.name, image.axes, tuple(levels), _channels(image, view, local), placement)


def _tile(image: Pyramid, local: LocalView, spacing: FloatArray) -> IntArray:
    """Pixels of a tile: about as many as lie in one chunk, a power of two."""
    steps = np.abs(local.along[:, : len(spacing)]) * spacing / image.scales[0, list(local.axes), None]
    with np.errstate(divide="ignore"):
        inside = (image.chunk_shapes[0, list(local.axes), None] / steps).min(axis=0)
    return np.asarray(2 ** np.round(np.log2(np.clip(inside, SMALLEST_TILE, LARGEST_TILE))), dtype=np.int64)


def _channels(image: Pyramid, view: View, local: LocalView) -> tuple[Channel, ...]:
    """The channel that is shown, where an axis that the view does not run along chooses one."""
    for axis, name in enumerate(image.axis_names):
        if image.axes[axis].type == "channel" and name not in view.displayed and axis not in local.axes:
            number = int(level_window(image, 0, *np.nan_to_num(local.window))[0][axis])
            return image.channels[number : number + 1]
    return image.channels
