"""Exact pixels of one level, whatever is shown: boxes, averages along an axis, lines, single values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, product
from math import prod
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage, ChunkState, Entry, Fetcher, Want
from brickstream.chunks.entry import VISIBLE
from brickstream.engine.compose import paste
from brickstream.errors import BrickstreamError, BudgetError, ViewError
from brickstream.multiscale import Pyramid, plain
from brickstream.multiscale.affine import FloatArray, IntArray

Index = tuple[int, ...]

# Behind every level of every view.
_LAST = 1 << 16
# So many chunks are wanted at a time: nobody waits for one of many thousands in particular.
BATCH = 4096
MOST_SAMPLES = 1_000_000
# Pixels and world units: beyond that int64 holds no index.
LARGEST = 2.0**60


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
    await read_chunks(
        fetcher, image, level, _chunks(image, level, box), lambda _, first, pixels: paste(out, box[0], pixels, first)
    )
    return out


async def mean_along(fetcher: Fetcher, image: ChunkedImage, level: int, box: IntArray, axis: int) -> FloatArray:
    """Average a box over all axes but one: ndarray of shape (pixels along the axis,), float64. See :func:`read_box`."""
    sums = np.zeros(int(box[1, axis] - box[0, axis]))
    others = tuple(other for other in range(box.shape[1]) if other != axis)

    def add(_: Index, first: IntArray, pixels: NDArray[Any]) -> None:
        low, high = np.maximum(first, box[0]), np.minimum(first + pixels.shape, box[1])
        part = pixels[tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))]
        sums[low[axis] - box[0, axis] : high[axis] - box[0, axis]] += part.sum(axis=others, dtype=np.float64)

    await read_chunks(fetcher, image, level, _chunks(image, level, box), add)
    means: FloatArray = sums / np.delete(box[1] - box[0], axis).prod()
    return means


async def read_pixels(fetcher: Fetcher, image: ChunkedImage, level: int, pixels: IntArray) -> NDArray[Any]:
    """Read single pixels, and no chunk without one of them; see :func:`read_box`.

    Parameters
    ----------
    pixels : ndarray of shape (n, ndim), int64
        All inside the level.

    Returns
    -------
    ndarray of shape (n,)
    """
    out = _empty((len(pixels),), image.sources[level].dtype)
    if not len(pixels):
        return out
    chunks, of = np.unique(pixels // image.sources[level].chunks, axis=0, return_inverse=True)
    rows = dict(zip(map(tuple, chunks.tolist()), _split(of.reshape(-1), len(chunks)), strict=True))

    def pick(index: Index, first: IntArray, data: NDArray[Any]) -> None:
        mine = rows[index]
        out[mine] = data[tuple((pixels[mine] - first).T)]

    await read_chunks(fetcher, image, level, iter(rows), pick)
    return out


def _split(groups: IntArray, count: int) -> list[IntArray]:
    """Places of each group's members."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.searchsorted(groups[order], np.arange(1, count)))


Take = Callable[[Index, IntArray, NDArray[Any]], None]
"""Takes a chunk: its index, its first pixel in the level, and its pixels on all axes."""


async def read_chunks(fetcher: Fetcher, image: ChunkedImage, level: int, indices: Iterator[Index], take: Take) -> None:
    """Read chunks of a level, after what is visible, and hand each over as it comes.

    Raises
    ------
    BrickstreamError
        The failure of the first chunk that failed.
    """
    slot = object()
    with fetcher.working():
        try:
            while some := tuple(islice(indices, BATCH)):
                await _Batch(fetcher, slot, image, level, take).read(some)
        finally:
            fetcher.forget(slot)


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
    """Some chunks on their way to whoever takes them."""

    def __init__(self, fetcher: Fetcher, slot: object, image: ChunkedImage, level: int, take: Take) -> None:
        self._fetcher, self._slot, self._take = fetcher, slot, take
        self._source, self._level = image.sources[level], image.pyramid.levels[level]
        self._waiting: set[Index] = set()
        self._done: asyncio.Future[BrickstreamError | None] = asyncio.get_running_loop().create_future()

    async def read(self, indices: tuple[Index, ...]) -> None:
        """Want chunks and wait until all of them were taken."""
        self._waiting = set(indices)
        source = self._source
        wants = [Want((id(source), i), source, (VISIBLE, _LAST, float(n))) for n, i in enumerate(indices)]
        self._fetcher.want(self._slot, wants, self._settled)
        error = await self._done
        if error is not None:
            raise error

    def _settled(self, entry: Entry) -> None:
        if entry.error is None:
            first, last = np.array(self._level.chunk_box(entry.key[1]))
            self._take(entry.key[1], first, pixels_of(entry, last - first))
        self._waiting.discard(entry.key[1])
        self._fetcher.release(self._slot, [entry.key])
        if not self._done.done() and (entry.error is not None or not self._waiting):
            self._done.set_result(entry.error)


def pixels_of(entry: Entry, shape: IntArray) -> NDArray[Any]:
    """Pixels of a chunk that has come; the fill value, without memory, where the store has none."""
    if entry.data is not None:
        return entry.data
    fill = np.asarray(entry.source.fill_value, dtype=entry.source.dtype)
    return np.broadcast_to(fill, tuple(shape.tolist()))


def value_in_memory(fetcher: Fetcher, image: ChunkedImage, point: Mapping[str, float]) -> tuple[Any, int] | None:
    """Value at a point of the world in the finest chunk that is in memory, and its level; None where none is."""
    for level, source in enumerate(image.sources):
        pixel = pixel_of(image.pyramid, level, point)
        if pixel is None:
            continue
        index = tuple(p // n for p, n in zip(pixel, source.chunks, strict=True))
        entry = fetcher.table.entries.get((id(source), index))
        if entry is not None and entry.state in (ChunkState.LOADED, ChunkState.MISSING):
            first, last = np.array(image.pyramid.levels[level].chunk_box(index))
            return pixels_of(entry, last - first)[tuple(np.array(pixel) - first)].item(), level
    return None


def sample_line(
    pyramid: Pyramid, level: int, start: Mapping[str, float], stop: Mapping[str, float], samples: int | None
) -> tuple[FloatArray, IntArray, NDArray[np.bool_]]:
    """Place samples along a line, evenly, both ends included.

    Parameters
    ----------
    start, stop : mapping of str to float
        World position on each axis.
    samples : int or None
        None takes so many that the line misses no pixel by more than its diagonal.

    Returns
    -------
    distance : ndarray of shape (n,), float64
        World units from the start.
    pixels : ndarray of shape (n, ndim), int64
        Of the level; half-up.
    inside : ndarray of shape (n,), bool
        Whether the level has the pixel.

    Raises
    ------
    ViewError
        If a point does not have just the image's axes, there is no such level, or a number is not usable.
    """
    ends, shape = np.array([_world(pyramid, start), _world(pyramid, stop)]), box_of(pyramid, level, None)[1]
    with np.errstate(over="ignore", invalid="ignore"):
        apart = float(np.linalg.norm(ends[1] - ends[0])) + float(np.abs(pyramid.pixels_at(ends, level)).max())
    if not np.isfinite(ends).all() or not apart < LARGEST:
        raise ViewError("a line has two ends", f"{dict(start)} to {dict(stop)}", "finite numbers")
    steps = np.abs(np.diff(pyramid.pixels_at(ends, level), axis=0)).max()
    count = int(np.ceil(steps)) + 1 if samples is None else plain.whole(samples, "samples")
    if not 2 <= count <= MOST_SAMPLES and not (count == 1 and samples is None):
        raise ViewError(f"a line has from 2 to {MOST_SAMPLES:,} samples", f"{count:,}", "take a coarser level")
    shares = np.linspace(0.0, 1.0, count)[:, None]
    points = ends[0] + shares * (ends[1] - ends[0])
    pixels = np.floor(pyramid.pixels_at(points, level) + 0.5).astype(np.int64)
    inside = ((pixels >= 0) & (pixels < shape)).all(axis=1)
    return np.linalg.norm(points - ends[0], axis=1), pixels, inside


def _world(pyramid: Pyramid, point: Mapping[str, float]) -> FloatArray:
    """A point of the world on the image's axes, in their order."""
    if set(point) != set(pyramid.axis_names):
        names = ", ".join(pyramid.axis_names)
        raise ViewError("a point has one number for each axis", f"{dict(point)}", f"the axes are {names}")
    try:
        world = np.array([float(point[name]) for name in pyramid.axis_names])
    except (TypeError, ValueError) as error:
        raise ViewError("a point is made of numbers", f"{dict(point)}") from error
    return world


def pixel_of(pyramid: Pyramid, level: int, point: Mapping[str, float]) -> Index | None:
    """Find the pixel of a level that holds a point of the world; None where the level has none there.

    Raises
    ------
    ViewError
        If the point does not have just the image's axes, or there is no such level.
    """
    world = _world(pyramid, point)
    shape = box_of(pyramid, level, None)[1]
    with np.errstate(invalid="ignore", over="ignore"):
        pixel = np.floor(pyramid.pixels_at(world, level) + 0.5)
        inside = bool(((pixel >= 0) & (pixel < shape)).all())
    return tuple(pixel.astype(np.int64).tolist()) if inside else None
