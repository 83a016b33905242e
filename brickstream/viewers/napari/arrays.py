"""Array-likes that answer at once, from what has come: what napari believes to be the levels of a pyramid."""

from __future__ import annotations

from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale import Level
from brickstream.viewers.napari.picture import MOST_PIXELS, Picture

# napari takes boxes that begin and end at multiples of this or of the chunks, so that it rarely asks for another one.
MOST_ALIGNED = 512

Part = slice | int


class StreamedLevel:
    """One level, or a part of it, as napari sees it. Slicing is lazy; making a NumPy array reads what is there.

    On axes that the picture does not show it is always the view's own place, so whatever is asked for there has one
    pixel: of the slice that napari asks for, the plane that is shown.

    Parameters
    ----------
    picture : Picture
    number : int
        Of the level.
    level : Level
    axes : tuple of (int or None)
        Which axis of the pyramid each axis runs along; None for one that it does not have, of one pixel.
    box : tuple of (slice or int), optional
        A part: on each axis a range of pixels, or one of them; default everything.
    """

    def __init__(
        self,
        picture: Picture,
        number: int,
        level: Level,
        axes: tuple[int | None, ...],
        box: tuple[Part, ...] | None = None,
    ) -> None:
        whole = [1 if axis is None else level.shape[axis] for axis in axes]
        self.picture = picture
        self.dtype = level.dtype
        self._number, self._level, self._axes = number, level, axes
        self._box = tuple(slice(0, n) for n in whole) if box is None else box

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each axis that is not indexed by a number."""
        return tuple(part.stop - part.start for part in self._box if isinstance(part, slice))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return prod(self.shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Where napari may begin and end what it asks for."""
        sizes = [1 if axis is None else min(self._level.chunks[axis], MOST_ALIGNED) for axis in self._axes]
        return tuple(n for n, part in zip(sizes, self._box, strict=True) if isinstance(part, slice))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Self | NDArray[Any]:
        wanted = _spelled_out(index, self.ndim)
        if wanted is None:
            array: NDArray[Any] = np.asarray(self)[index]
            return array
        rest = iter(wanted)
        box = tuple(_narrowed(part, next(rest)) if isinstance(part, slice) else part for part in self._box)
        return type(self)(self.picture, self._number, self._level, self._axes, box)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        painting = self.picture.painting
        shown = painting.axes if painting is not None else ()
        ranges = {axis: _range(part) for axis, part in zip(self._axes, self._box, strict=True) if axis in shown}
        fits = len(ranges) == len(shown) and prod(len(r) for r in ranges.values()) <= MOST_PIXELS
        if painting is None or not fits:
            return np.zeros([1] * self.ndim, dtype or self.dtype)
        box = np.array([[ranges[axis].start, ranges[axis].stop] for axis in shown], dtype=np.int64).reshape(-1, 2).T
        pixels = painting.pixels(self._number, box)
        order = [shown.index(axis) for axis in self._axes if axis in shown]
        index = [_place(part, axis in shown) for axis, part in zip(self._axes, self._box, strict=True)]
        array: NDArray[Any] = pixels.transpose(order)[tuple(place for place in index if place is not ...)]
        return array if dtype is None else array.astype(dtype, copy=False)


def _range(part: Part) -> range:
    return range(part.start, part.stop) if isinstance(part, slice) else range(part, part + 1)


def _place(part: Part, shown: bool) -> Any:
    """How an axis of the picture becomes one of the array; ``...`` where neither has it."""
    if shown:
        return slice(None) if isinstance(part, slice) else 0
    return None if isinstance(part, slice) else ...


def _spelled_out(index: Any, ndim: int) -> list[Part] | None:
    """One whole number or plain slice for each axis; None where the index is something else."""
    given = list(index) if isinstance(index, tuple) else [index]
    if ... in [part for part in given if part is ...]:
        place = next(i for i, part in enumerate(given) if part is ...)
        given[place : place + 1] = [slice(None)] * (ndim - len(given) + 1)
    given += [slice(None)] * (ndim - len(given))
    plain = all(
        part.step in (None, 1) if isinstance(part, slice) else isinstance(part, int | np.integer) for part in given
    )
    return given if plain and len(given) == ndim else None


def _narrowed(part: slice, wanted: Part) -> Part:
    """A part of a range of pixels, by the rules of Python's slices."""
    pixels = range(part.start, part.stop)
    if not isinstance(wanted, slice):
        return pixels[int(wanted)]
    start, stop, _ = wanted.indices(len(pixels))
    return slice(part.start + start, part.start + max(start, stop))
