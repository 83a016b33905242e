"""Exact pixels of one level, whatever is shown: boxes as arrays, and single values."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from itertools import islice, product
from math import prod
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage, Entry, Fetcher, Want
from brickstream.chunks.entry import VISIBLE
from brickstream.engine.compose import paste
from brickstream.errors import BrickstreamError, BudgetError, ViewError
from brickstream.multiscale import Pyramid
from brickstream.multiscale.affine import IntArray

Index = tuple[int, ...]

# Behind every level of every view.
_LAST = 1 << 16
# So many chunks are wanted at a time: nobody waits for one of many thousands in particular.
BATCH = 4096


def box_of(pyramid: Pyramid, level: int, region: Mapping[str, tuple[int, int]] | None) -> IntArray:
    """Find the box that a region means.

    Parameters
    ----------
    pyramid : Pyramid
    level : int
    region : mapping of str to (int, int), optional
        By name of an axis start and stop, half-open, in pixels of the level; axes that are not named are taken whole.

    Returns
    -------
    ndarray of shape (2, ndim), int64
        Start and stop.

    Raises
    ------
    ViewError
        If there is no such level or axis, or the level does not have all of these pixels.
    """
    if level not in range(len(pyramid.levels)):
        raise ViewError(f"no level {level}", pyramid.name, f"levels are 0 (finest) to {len(pyramid.levels) - 1}")
    shape = pyramid.levels[level].shape
    box = np.array([np.zeros_like(shape), shape], dtype=np.int64)
    for name, ends in (region or {}).items():
        axis = pyramid.axis_index(name)
        try:
            start, stop = map(index, ends)
        except (TypeError, ValueError) as error:
            raise ViewError("a part of an axis is two whole numbers", f"{name}: {ends!r}", "start and stop") from error
        if not 0 <= start < stop <= shape[axis]:
            raise ViewError(
                f"level {level} has no pixels {start} to {stop} along {name}",
                pyramid.name,
                f"start and stop, half-open, within 0 to {shape[axis]}",
            )
        box[:, axis] = start, stop
    return box


async def read_box(fetcher: Fetcher, image: ChunkedImage, level: int, box: IntArray) -> NDArray[Any]:
    """Read all pixels of a box, after what is visible.

    Parameters
    ----------
    fetcher : Fetcher
    image : ChunkedImage
    level : int
    box : ndarray of shape (2, ndim), int64
        Start and stop, half-open, in pixels of the level.

    Returns
    -------
    ndarray
        On all axes, in array order; missing chunks have their fill value.

    Raises
    ------
    BudgetError
        If there is no memory for that many pixels.
    BrickstreamError
        The failure of the first chunk that failed: an exact array has no gaps.
    """
    out = _empty(tuple((box[1] - box[0]).tolist()), image.sources[level].dtype)
    slot = object()
    try:
        chunks = _chunks(image, level, box)
        while some := tuple(islice(chunks, BATCH)):
            await _Batch(fetcher, slot, image, level, box, out).read(some)
    finally:
        fetcher.forget(slot)
    return out


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError) as error:
        nbytes = prod(shape) * dtype.itemsize
        raise BudgetError(
            f"no memory for an array of {nbytes:,} bytes", f"shape {shape}", "take a region, or a coarser level"
        ) from error


def _chunks(image: ChunkedImage, level: int, box: IntArray) -> Iterator[Index]:
    size = image.sources[level].chunks
    return product(*(range(a // n, (b - 1) // n + 1) for a, b, n in zip(*box.tolist(), size, strict=True)))


class _Batch:
    """Some chunks on their way into an array."""

    def __init__(
        self, fetcher: Fetcher, slot: object, image: ChunkedImage, level: int, box: IntArray, out: NDArray[Any]
    ) -> None:
        self._fetcher, self._slot, self._out = fetcher, slot, out
        self._source, self._level, self._start = image.sources[level], image.pyramid.levels[level], box[0]
        self._waiting: set[Index] = set()
        self._done: asyncio.Future[BrickstreamError | None] = asyncio.get_running_loop().create_future()

    async def read(self, indices: tuple[Index, ...]) -> None:
        """Want chunks and wait until all of them are in the array."""
        self._waiting = set(indices)
        source = self._source
        wants = [Want((id(source), i), source, (VISIBLE, _LAST, float(n))) for n, i in enumerate(indices)]
        self._fetcher.want(self._slot, wants, self._settled)
        error = await self._done
        if error is not None:
            raise error

    def _settled(self, entry: Entry) -> None:
        if entry.error is None:
            self._paste(entry)
        self._waiting.discard(entry.key[1])
        self._fetcher.release(self._slot, [entry.key])
        if not self._done.done() and (entry.error is not None or not self._waiting):
            self._done.set_result(entry.error)

    def _paste(self, entry: Entry) -> None:
        first, last = np.array(self._level.chunk_box(entry.key[1]))
        pixels = entry.data
        if pixels is None:
            fill = np.asarray(self._source.fill_value, self._out.dtype)
            pixels = np.broadcast_to(fill, tuple((last - first).tolist()))
        paste(self._out, self._start, pixels, first)


def pixel_of(pyramid: Pyramid, level: int, point: Mapping[str, float]) -> Index | None:
    """Find the pixel of a level that holds a point of the world; None where the level has none there.

    Raises
    ------
    ViewError
        If the point does not have just the image's axes, or there is no such level.
    """
    if set(point) != set(pyramid.axis_names):
        names = ", ".join(pyramid.axis_names)
        raise ViewError("a point has one number for each axis", f"{dict(point)}", f"the axes are {names}")
    shape = box_of(pyramid, level, None)[1]
    try:
        world = np.array([float(point[name]) for name in pyramid.axis_names])
    except (TypeError, ValueError) as error:
        raise ViewError("a point is made of numbers", f"{dict(point)}") from error
    with np.errstate(invalid="ignore", over="ignore"):
        pixel = np.floor(pyramid.pixels_at(world, level) + 0.5)
        inside = bool(((pixel >= 0) & (pixel < shape)).all())
    return tuple(pixel.astype(np.int64).tolist()) if inside else None
