"""What a thick slice shows: mean, max, min or sum of its planes, taken together in any order.

| projection | bool | integers | floats |
|---|---|---|---|
| max, min | bool | as they are | as they are |
| sum | int64, a count | int64 or uint64 | float64 |
| mean | float64 | float64 | as they are |

The type never depends on how many planes there are, be it one: a coarser level has fewer of them, and what is shown
must not change its type, nor its contrast, from one level to the next. Integers are added exactly, whatever their size,
and divided once; a sum that does not fit its type stops at the type's end. Floats are added with twice the digits of
float64, and rounded once. A pixel that is not a number in one of the planes is not a number in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from brickstream.errors import ViewError
from brickstream.multiscale.view import PROJECTIONS

Array = NDArray[Any]
# Where in a picture a part of it belongs: an index that names no place twice.
Place = Any
_LOW = (1 << 32) - 1


def projected_dtype(dtype: DTypeLike, projection: str) -> np.dtype[Any]:
    """Type of the pixels that a projection gives.

    Raises
    ------
    ViewError
        If there is no such projection, or pixels of this type have none.
    """
    dtype = np.dtype(dtype)
    if projection not in PROJECTIONS:
        raise ViewError(f"no projection {projection!r}", "", f"the projections are {', '.join(PROJECTIONS)}")
    if dtype.kind not in "biuf":
        raise ViewError("only numbers and bool can be projected", f"dtype={dtype}")
    if projection in {"max", "min"} or (projection == "mean" and dtype.kind == "f"):
        return dtype
    if projection == "mean":
        return np.dtype(np.float64)
    if dtype.kind == "f":
        return np.result_type(dtype, np.float64)
    return np.dtype(np.uint64 if dtype.kind == "u" else np.int64)


def project(block: Array, axes: int | Sequence[int], projection: str) -> Array:
    """Take the planes of a block together.

    Parameters
    ----------
    block : ndarray
    axes : int or sequence of int
        The axes that vanish; the others stay in their order. With none at all the block comes back as it is.
    projection : {"mean", "max", "min", "sum"}

    Returns
    -------
    ndarray
        Of the type :func:`projected_dtype`.

    Raises
    ------
    ViewError
        If there is no such projection, axis or plane, or pixels of this type have none.
    """
    block = np.asarray(block)
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    dtype = projected_dtype(block.dtype, projection)
    gone = _axes(axes, block.ndim)
    if not gone:
        return block
    if not all(block.shape[axis] for axis in gone):
        raise ViewError("a projection takes at least one plane", f"shape {block.shape}, axes {axes}")
    if dtype == block.dtype and projection in {"max", "min"}:
        return np.asarray(getattr(block, projection)(axis=gone), dtype=dtype)
    shape = [n for axis, n in enumerate(block.shape) if axis not in gone]
    parts = Projection(shape, block.dtype, projection)
    parts.merge(block, gone)
    return parts.result()


def filling(fill: Any, dtype: np.dtype[Any]) -> Array:
    """A number as an array of no axes and a given type.

    Raises
    ------
    ViewError
        If it is no number of that type.
    """
    try:
        return np.array(fill, dtype=dtype).reshape(())
    except (TypeError, ValueError, OverflowError) as error:
        raise ViewError(f"nothing of {dtype} can be filled with this", f"fill={fill!r}") from error


class Projection:
    """Planes of a thick slice as they come in: part by part, in any order, each plane of a place once.

    Parameters
    ----------
    shape : sequence of int
        Of the picture.
    dtype : dtype
        Of the planes.
    projection : {"mean", "max", "min", "sum"}

    Attributes
    ----------
    counts : ndarray of the picture's shape, int64
        How many planes have been merged at each pixel.

    Notes
    -----
    The result is the same in whatever order and in whatever parts the planes come. For floats that holds as long as the
    numbers that meet in one pixel differ in size by less than 40 powers of two; beyond, the last digit may differ.
    """

    def __init__(self, shape: Sequence[int], dtype: DTypeLike, projection: str) -> None:
        self.dtype = projected_dtype(dtype, projection)
        self.projection = projection
        self.counts: NDArray[np.int64] = np.zeros(tuple(shape), dtype=np.int64)
        self._state = _state(self.counts.shape, np.dtype(dtype), projection)

    @classmethod
    def begin(cls, shape: Sequence[int], dtype: DTypeLike, projection: str) -> Projection:
        """A picture of which no plane is there yet."""
        return cls(shape, dtype, projection)

    def merge(self, block: Array, axes: int | Sequence[int] = (), at: Place = ...) -> None:
        """Add planes.

        Parameters
        ----------
        block : ndarray
        axes : int or sequence of int
            Axes of the block that run across planes; without any the block is a part of one plane.
        at : index, default everything
            Where in the picture the other axes of the block belong: slices, or a mask of bool.

        Raises
        ------
        ViewError
            If the block does not fit there, or there is no such axis.
        """
        block = np.asarray(block)
        gone = _axes((axes,) if isinstance(axes, int) else tuple(axes), block.ndim)
        planes = np.moveaxis(block, gone, range(len(gone)))
        rest = planes.shape[len(gone) :]
        place = self.counts[at].shape
        if rest != place:
            raise ViewError("planes fit the part of the picture that they belong to", f"{rest} into {place}")
        if planes.size:
            planes = planes.reshape(-1, *rest)
            self._state.add(planes, at)
            self.counts[at] += len(planes)

    def result(self, fill: Any = 0) -> Array:
        """The picture of the planes so far; `fill` where there are none.

        Returns
        -------
        ndarray of the picture's shape
            Of the type :func:`projected_dtype`.

        Raises
        ------
        ViewError
            If `fill` is no number of that type.
        """
        picture = np.full(self.counts.shape, filling(fill, self.dtype))
        np.copyto(picture, self._state.value(self.counts), where=self.counts > 0)
        return picture


class _State(Protocol):
    """What has been gathered of the planes."""

    def add(self, planes: Array, at: Place) -> None:
        """Take in planes, shape (n, ...)."""

    def value(self, counts: NDArray[np.int64]) -> Array:
        """The picture; whatever where nothing was taken in."""


def _state(shape: tuple[int, ...], dtype: np.dtype[Any], projection: str) -> _State:
    if projection in {"max", "min"}:
        return _Extreme(shape, dtype, projection == "max")
    mean = projection == "mean"
    return _Floats(shape, dtype, mean) if dtype.kind == "f" else _Integers(shape, dtype, mean)


class _Extreme:
    """The largest or the smallest."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], largest: bool) -> None:
        self.reduce = np.maximum if largest else np.minimum
        self.best = np.full(shape, _end(dtype, lower=largest), dtype=dtype)

    def add(self, planes: Array, at: Place) -> None:
        self.best[at] = self.reduce(self.best[at], self.reduce.reduce(planes, axis=0))

    def value(self, counts: NDArray[np.int64]) -> Array:
        return self.best


def _end(dtype: np.dtype[Any], lower: bool) -> Any:
    """The number of a type that every other one is above, or below."""
    if dtype.kind == "b":
        return not lower
    if dtype.kind == "f":
        return -np.inf if lower else np.inf
    return np.iinfo(dtype).min if lower else np.iinfo(dtype).max


class _Integers:
    """Exact sums: of the numbers themselves, or of their upper and lower 32 bits where they have 64."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], mean: bool) -> None:
        self.mean = mean
        self.unsigned = dtype.kind == "u"
        self.low = np.zeros(shape, dtype=np.int64)
        self.high = np.zeros(shape, dtype=np.int64) if dtype.itemsize == 8 else None

    def add(self, planes: Array, at: Place) -> None:
        if self.high is not None:
            self.high[at] += (planes >> 32).sum(axis=0, dtype=np.int64)
            planes = planes & _LOW
        self.low[at] += planes.sum(axis=0, dtype=np.int64)

    def value(self, counts: NDArray[np.int64]) -> Array:
        high = self.low >> 32 if self.high is None else self.high + (self.low >> 32)
        low = self.low & _LOW
        if self.mean:
            return np.asarray((high * 2.0**32 + low) / np.maximum(counts, 1))
        kind = np.uint64 if self.unsigned else np.int64
        ends = np.iinfo(kind)
        whole = (high.astype(kind) << kind(32)) | low.astype(kind)
        whole = np.where(high > ends.max >> 32, ends.max, whole)
        return np.where(high < ends.min >> 32, ends.min, whole).astype(kind)


class _Floats:
    """Sums with what their roundings left over: about 106 binary digits."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], mean: bool) -> None:
        self.dtype = dtype
        self.mean = mean
        wide = np.result_type(dtype, np.float64)
        self.total = np.zeros(shape, dtype=wide)
        self.rest = np.zeros(shape, dtype=wide)

    def add(self, planes: Array, at: Place) -> None:
        total, rest = self.total[at], self.rest[at]
        with np.errstate(over="ignore", invalid="ignore"):
            for narrow in planes:
                plane = narrow.astype(total.dtype)
                new = total + plane
                back = new - total
                rest = rest + ((total - (new - back)) + (plane - back))
                total = new
        self.total[at], self.rest[at] = total, rest

    def value(self, counts: NDArray[np.int64]) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            # Where a sum is infinite or not a number, what was left over says nothing.
            total = np.where(np.isfinite(self.rest), self.total + self.rest, self.total)
            return (total / np.maximum(counts, 1)).astype(self.dtype) if self.mean else total


def _axes(axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Positions of axes from the front, each once.

    Raises
    ------
    ViewError
        If there is no such axis, or one is named twice.
    """
    gone = tuple(axis + ndim if axis < 0 else axis for axis in axes)
    if len(set(gone)) != len(gone) or not all(0 <= axis < ndim for axis in gone):
        raise ViewError("the axes of a projection are different axes of the block", f"{tuple(axes)} of {ndim}")
    return gone
