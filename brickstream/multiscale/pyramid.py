"""What the data is: named axes, levels, and the pyramid they make.

Pixel centres are at integers: pixel i of a level covers ``[i - 0.5, i + 0.5)`` in pixels of that level, and its centre
is at ``scale * i + translation`` in the image's own coordinates. Those are the world's, unless the image is placed in
it by a map of its own (flipped, rotated, sheared): then ``placement`` leads from the one to the other. Level 0 is the
finest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite, prod

import numpy as np
from numpy.typing import ArrayLike

from brickstream.errors import MetadataError, ViewError
from brickstream.multiscale.affine import Affine, FloatArray, IntArray

# More levels than halvings fit into the largest axis there can be.
MAX_LEVELS = 64
MAX_AXES = 6
# Scales of one axis that differ by less are the same: they were written by different roundings.
NOISE = 1e-6


@dataclass(frozen=True)
class Axis:
    """One named axis of the world.

    Attributes
    ----------
    name : str
        Such as ``"z"``; unique within an image.
    type : str or None
        ``"space"``, ``"time"``, ``"channel"``, or None where the metadata does not say.
    unit : str or None
        A UDUNITS name such as ``"micrometer"``; None where unknown.
    """

    name: str
    type: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Channel:
    """How one channel likes to be shown.

    Attributes
    ----------
    label : str
        Its name for people.
    color : str or None
        Six hexadecimal digits, RGB.
    window : tuple of (float, float) or None
        Contrast limits in data values.
    active : bool, default True
        Whether it is shown at first.
    """

    label: str
    color: str | None = None
    window: tuple[float, float] | None = None
    active: bool = True


@dataclass(frozen=True)
class Level:
    """One array of a pyramid.

    Attributes
    ----------
    path : str
        Where it stands in its group; ``""`` for an array that is its own root.
    shape : tuple of int
        Pixels along each axis of the pyramid.
    dtype : numpy.dtype
    chunks : tuple of int
        The unit of storage, in pixels; with shards, the inner chunk.
    scale : tuple of float
        Own units of the image from one pixel to the next, along each axis; above zero.
    translation : tuple of float
        Position of the centre of pixel 0 in the image's own coordinates.
    shards : tuple of int or None
        The shape of a shard in pixels, where there are shards.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    chunks: tuple[int, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    shards: tuple[int, ...] | None = None

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True))

    @property
    def nbytes(self) -> int:
        """Bytes of the whole level, decoded."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def chunk_nbytes(self) -> int:
        """Bytes of one whole chunk, decoded."""
        return prod(self.chunks) * self.dtype.itemsize

    def chunk_box(self, index: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Pixels of a chunk as (start, stop), half-open, clipped to the level."""
        start = tuple([i * c for i, c in zip(index, self.chunks, strict=True)])
        stop = tuple([min(s + c, n) for s, c, n in zip(start, self.chunks, self.shape, strict=True)])
        return start, stop


@dataclass(frozen=True)
class Pyramid:
    """An image at several resolutions, finest first, in one world.

    Attributes
    ----------
    name : str
    axes : tuple of Axis
        Of the world, in the order of the arrays' dimensions: each dimension runs along the axis of its place, or, where
        the image is rotated, mostly along it.
    levels : tuple of Level
        Level 0 is the finest.
    channels : tuple of Channel
        Empty where the metadata names none.
    placement : Affine or None
        From the image's own coordinates to the world, both with the names of `axes`; None where they are the same. Its
        columns have length 1: how long a pixel is, the levels say.
    is_labels : bool
        Whether pixels are numbers of things, not intensities: then they are never interpolated.
    label_colors : tuple of (int, (int, int, int, int))
        Of labels that the metadata gives a colour: red, green, blue and alpha from 0 to 255.

    Raises
    ------
    MetadataError
        If the levels do not fit together: other numbers of dimensions, scales that are not finite and above zero, a
        level finer than the one before it, no levels or more than 64; more than 6 axes; a placement that cannot be
        undone.
    """

    name: str
    axes: tuple[Axis, ...]
    levels: tuple[Level, ...]
    channels: tuple[Channel, ...] = ()
    placement: Affine | None = None
    is_labels: bool = False
    label_colors: tuple[tuple[int, tuple[int, int, int, int]], ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.levels) <= MAX_LEVELS:
            raise MetadataError("levels", len(self.levels), f"a pyramid has from 1 to {MAX_LEVELS} levels")
        names = [axis.name for axis in self.axes]
        if len(set(names)) != len(names):
            raise MetadataError("axes", names, "axis names are unique")
        if not 1 <= len(names) <= MAX_AXES:
            raise MetadataError("axes", names, f"an image has from 1 to {MAX_AXES} axes")
        for k, level in enumerate(self.levels):
            _check_level(level, len(self.axes), f"levels[{k}]")
        _check_order(self.levels)
        if self.placement is not None:
            _check_placement(self.placement, tuple(names))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @cached_property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes, in array order."""
        return tuple(axis.name for axis in self.axes)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the pixels of level 0."""
        return self.levels[0].dtype

    def axis_index(self, name: str) -> int:
        """Position of an axis by name.

        Raises
        ------
        ViewError
            If the image has no such axis.
        """
        if name not in self.axis_names:
            raise ViewError(f"no axis {name!r}", self.name, f"the axes are {', '.join(self.axis_names)}")
        return self.axis_names.index(name)

    @cached_property
    def placed(self) -> Affine:
        """Map from own coordinates to the world: `placement`, or the identity where there is none."""
        return Affine.identity(self.axis_names) if self.placement is None else self.placement

    @cached_property
    def scales(self) -> FloatArray:
        """Own units per pixel, ndarray of shape (levels, ndim), float64, read-only."""
        return _frozen([level.scale for level in self.levels])

    @cached_property
    def translations(self) -> FloatArray:
        """Centres of pixel 0 in own coordinates, ndarray of shape (levels, ndim), float64, read-only."""
        return _frozen([level.translation for level in self.levels])

    @cached_property
    def shapes(self) -> IntArray:
        """Shapes of the levels, ndarray of shape (levels, ndim), int64, read-only."""
        shapes = np.array([level.shape for level in self.levels], dtype=np.int64)
        shapes.flags.writeable = False
        return shapes

    @cached_property
    def chunk_shapes(self) -> IntArray:
        """Pixels of a chunk of each level, ndarray of shape (levels, ndim), int64, read-only."""
        shapes = np.array([level.chunks for level in self.levels], dtype=np.int64)
        shapes.flags.writeable = False
        return shapes

    def box(self, level: int = 0) -> FloatArray:
        """Box of a level in own coordinates: ndarray of shape (2, ndim), float64, half-open, with the outer edges."""
        return np.array(self._boxes[level])

    @cached_property
    def _boxes(self) -> FloatArray:
        ends = self.translations - 0.5 * self.scales, self.translations + (self.shapes - 0.5) * self.scales
        return np.stack(ends, axis=1)

    def extent(self, level: int = 0) -> FloatArray:
        """World box around a level: ndarray of shape (2, ndim), float64, half-open, from outer edge to outer edge."""
        box = self.box(level)
        if self.placement is None:
            return box
        # The corner that lies farthest along a world axis has, on each own axis, the end that the sign picks.
        ends = self.placement.linear[None] * box[:, None, :]
        return np.stack([ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)]) + self.placement.offset

    def to_world(self, level: int = 0) -> Affine:
        """Map from pixels of a level to the world; both spaces have the names of `axes`."""
        pixels = Affine.scaling(self.axis_names, self.scales[level], self.translations[level])
        return pixels if self.placement is None else self.placement @ pixels

    @cached_property
    def origin(self) -> FloatArray:
        """Centre of pixel 0 of level 0 in the world: ndarray of shape (ndim,), float64, read-only."""
        return _frozen(self.to_world(0).offset)

    def pixels_at(self, world: FloatArray, level: int = 0) -> FloatArray:
        """Positions in pixels of a level of world points, both of shape (..., ndim), float64; not rounded."""
        own = world if self.placement is None else self.placement.solve(world)
        return np.asarray((own - self.translations[level]) / self.scales[level], dtype=np.float64)


def _frozen(rows: ArrayLike) -> FloatArray:
    array = np.array(rows, dtype=np.float64)
    array.flags.writeable = False
    return array


def _check_level(level: Level, ndim: int, where: str) -> None:
    for name in ("shape", "chunks", "scale", "translation"):
        value = getattr(level, name)
        if len(value) != ndim:
            raise MetadataError(f"{where}.{name}", value, f"one number for each of the {ndim} axes")
    if any(n < 1 for n in level.shape):
        raise MetadataError(f"{where}.shape", level.shape, "every axis has at least one pixel")
    if any(c < 1 for c in level.chunks):
        raise MetadataError(f"{where}.chunks", level.chunks, "a chunk has at least one pixel along every axis")
    if not all(isfinite(s) and s > 0 for s in level.scale):
        raise MetadataError(f"{where}.scale", level.scale, "scales are finite and above zero; flips are a placement")
    if not all(isfinite(t) for t in level.translation):
        raise MetadataError(f"{where}.translation", level.translation, "translations are finite")


def _check_order(levels: tuple[Level, ...]) -> None:
    for k, (finer, coarser) in enumerate(pairwise(levels)):
        if any(c < f * (1 - NOISE) for f, c in zip(finer.scale, coarser.scale, strict=True)):
            raise MetadataError(f"levels[{k + 1}].scale", coarser.scale, f"no finer than level {k}, {finer.scale}")


def _check_placement(placement: Affine, names: tuple[str, ...]) -> None:
    if placement.inputs != names or placement.outputs != names:
        raise MetadataError("placement", placement.outputs, f"from and to the axes {', '.join(names)}")
    if not placement.invertible:
        raise MetadataError("placement", placement.linear.tolist(), "a map that can be undone")
    if not np.allclose(np.linalg.norm(placement.linear, axis=0), 1.0, rtol=0, atol=1e-9):
        raise MetadataError("placement", placement.linear.tolist(), "columns of length 1; lengths belong to the levels")
