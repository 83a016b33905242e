"""Writes an image and its mean pyramid as Zarr arrays, band by band, in bounded memory."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numcodecs import Blosc, Zstd
from zarr.codecs import BloscCodec, ZstdCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from brickstream.samples.layout import Level

    Region = tuple[slice, ...]
    Reader = Callable[[Iterable[Region]], Iterator[NDArray[Any]]]
    Advance = Callable[[int], None]

_ZSTD_LEVEL = 3
_BLOSC_LEVEL = 5
# For Zarr v2, then v3. The checksum lets a reader tell a damaged chunk from a strange picture, and costs next to
# nothing. Blosc is as the writers of most images have it.
_COMPRESSORS: dict[str, tuple[Any, Any]] = {
    "zstd": (Zstd(level=_ZSTD_LEVEL, checksum=True), ZstdCodec(level=_ZSTD_LEVEL, checksum=True)),
    "blosc": (
        Blosc("lz4", _BLOSC_LEVEL, Blosc.SHUFFLE),
        BloscCodec(cname="lz4", clevel=_BLOSC_LEVEL, shuffle="shuffle"),
    ),
    "none": (None, None),
}
CODECS = tuple(_COMPRESSORS)
"""How chunks can be compressed."""


@dataclass(frozen=True)
class Storage:
    """How the levels of a pyramid lie in files.

    Parameters
    ----------
    zarr_format : {2, 3}
        Version of Zarr.
    chunk : tuple of int
        Shape of a chunk; a level that is smaller than a chunk gets a smaller one.
    shard : tuple of int or None
        Chunks per shard along each axis, None for one file per chunk.
    axis_names : tuple of str
        Names of the axes in storage order.
    stream_axis : int
        The first axis of space: bands are cut along it.
    codec : {"zstd", "blosc", "none"}
        How chunks are compressed.
    """

    zarr_format: int
    chunk: tuple[int, ...]
    shard: tuple[int, ...] | None
    axis_names: tuple[str, ...]
    stream_axis: int
    codec: str = "zstd"

    def chunk_of(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the chunks of a level of this shape."""
        return tuple(min(c, n) for c, n in zip(self.chunk, shape, strict=True))

    def band_of(self, shape: Sequence[int]) -> int:
        """Return how many pixels of the stream axis are written at once: whole chunks, or whole shards."""
        height = self.chunk_of(shape)[self.stream_axis]
        return height * (self.shard[self.stream_axis] if self.shard else 1)


def write_pyramid(
    folder: Path, levels: Sequence[Level], dtype: np.dtype[Any], read: Reader, storage: Storage, advance: Advance
) -> None:
    """Write the arrays ``0``, ``1`` ... of a pyramid into a folder.

    Peak memory is a few bands of level 0: a band is one row of chunks (or shards) across all other spatial axes. Each
    level is made of the one before as it was stored. Blocks; call it in a thread of its own if you have an event loop.

    Parameters
    ----------
    folder : Path
        Where the arrays go; the group's metadata are the caller's.
    levels : sequence of Level
        Finest first.
    dtype : dtype
        An unsigned integer type of at most 32 bits.
    read : callable
        Gets the regions of level 0 (half-open slices, storage order, rising) and yields their pixels in that order.
    storage : Storage
        Chunks, shards, names.
    advance : callable
        Called with the number of decoded bytes after each band that was written.

    Raises
    ------
    OSError
        When the disk cannot be written.
    """
    fine: zarr.Array[Any] | None = None
    # zarr writes in threads of its own, and a Ctrl-C here would leave them writing into a folder that the caller is
    # about to remove. This thread is waited for whatever happens, and it waits for them.
    with ThreadPoolExecutor(1, thread_name_prefix="brickstream-sample") as writer:
        for k, level in enumerate(levels):
            array = writer.submit(_create, folder / str(k), level.shape, dtype, storage).result()
            regions = list(_bands(level.shape, storage))
            bands = read(regions) if fine is None else _downsampled(fine, level, levels[k - 1], regions, storage)
            for region, band in zip(regions, bands, strict=True):
                writer.submit(array.__setitem__, region, band).result()
                advance(band.nbytes)
            fine = array


def box_mean(fine: NDArray[Any], factor: Sequence[int]) -> NDArray[Any]:
    """Return the mean over boxes of 1 or 2 pixels along each axis, rounded half up; odd edges are repeated.

    Parameters
    ----------
    fine : ndarray of an unsigned integer type
        At most 32 bits, any number of axes.
    factor : sequence of {1, 2}
        Box size along each axis.

    Returns
    -------
    ndarray
        Same dtype; shape ``ceil(shape / factor)``.
    """
    total = fine
    wide = np.dtype(f"u{2 * fine.dtype.itemsize}")
    for axis in (a for a, f in enumerate(factor) if f == 2):
        even = _every_second(total, axis, 0)
        odd = _every_second(total, axis, 1)
        summed = even.astype(wide)
        inner = tuple(slice(n) for n in odd.shape)
        summed[inner] += odd
        if odd.shape != even.shape:
            edge = (*(slice(None),) * axis, slice(-1, None))
            summed[edge] += even[edge]
        total = summed
    count = math.prod(factor)
    mean: NDArray[Any] = (total + wide.type(count // 2)) // wide.type(count)
    return mean.astype(fine.dtype)


def _every_second(array: NDArray[Any], axis: int, first: int) -> NDArray[Any]:
    return array[(*(slice(None),) * axis, slice(first, None, 2))]


def _create(path: Path, shape: Sequence[int], dtype: np.dtype[Any], storage: Storage) -> zarr.Array[Any]:
    chunk = storage.chunk_of(shape)
    shared: dict[str, Any] = {"shape": tuple(shape), "chunks": chunk, "dtype": dtype, "fill_value": 0}
    older, newer = _COMPRESSORS[storage.codec]
    if storage.zarr_format == 2:
        return zarr.create_array(
            path,
            zarr_format=2,
            compressors=older,
            chunk_key_encoding={"name": "v2", "separator": "/"},
            **shared,
        )
    shards = None
    if storage.shard is not None:
        # A level of one shard needs no shard larger than itself.
        shards = tuple(c * min(s, -(-n // c)) for c, s, n in zip(chunk, storage.shard, shape, strict=True))
    return zarr.create_array(
        path,
        zarr_format=3,
        shards=shards,
        compressors=newer,
        dimension_names=storage.axis_names,
        **shared,
    )


def _bands(shape: Sequence[int], storage: Storage) -> Iterator[Region]:
    """Cut a level into bands along the first axis of space, for each time and channel, in storage order."""
    axis = storage.stream_axis
    size, height = shape[axis], storage.band_of(shape)
    rest = tuple(slice(0, n) for n in shape[axis + 1 :])
    for lead in product(*(range(n) for n in shape[:axis])):
        for start in range(0, size, height):
            yield (*(slice(i, i + 1) for i in lead), slice(start, min(start + height, size)), *rest)


def _downsampled(
    fine: zarr.Array[Any], level: Level, finer: Level, regions: Iterable[Region], storage: Storage
) -> Iterator[NDArray[Any]]:
    """Yield the pixels of each region of a level, from the next finer level as it was stored."""
    factor = tuple(f // g for f, g in zip(level.factor, finer.factor, strict=True))
    axis = storage.stream_axis
    # Piece by piece, because the wide integers of a mean need more room than the band itself.
    step = storage.chunk_of(level.shape)[axis]
    for region in regions:
        band = np.empty([s.stop - s.start for s in region], dtype=fine.dtype)
        for start in range(region[axis].start, region[axis].stop, step):
            stop = min(start + step, region[axis].stop)
            piece = (*region[:axis], slice(start, stop), *region[axis + 1 :])
            source = tuple(
                slice(s.start * f, min(s.stop * f, n)) for s, f, n in zip(piece, factor, fine.shape, strict=True)
            )
            target = (*(slice(None),) * axis, slice(start - region[axis].start, stop - region[axis].start))
            band[target] = box_mean(np.asarray(fine[source]), factor)
        yield band
