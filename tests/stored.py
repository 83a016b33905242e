"""Small images on disk as OME-Zarr, stored in every way that lets a reader notice damage."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, GzipCodec, ZstdCodec

from brickstream.testing import shrink

SIDE = 8
"""Pixels of a chunk along each axis."""

# crc32c sees every flipped byte, as does the checksum in a frame of zstd and the one at the end of gzip.
KINDS: dict[str, dict[str, Any]] = {
    "crc32c": {"compressors": [Crc32cCodec()]},
    "gzip": {"compressors": [GzipCodec(level=1)]},
    "zstd": {"compressors": [ZstdCodec(level=1, checksum=True)]},
    "sharded": {"compressors": [ZstdCodec(level=1, checksum=True)], "shards": (2 * SIDE, 2 * SIDE)},
}


def write_image(
    path: Path,
    kind: str = "zstd",
    grid: tuple[int, int] = (2, 2),
    levels: int = 2,
    seed: int = 0,
    holes: Collection[tuple[int, int]] = (),
) -> list[NDArray[np.uint16]]:
    """Write an image of noise; return its levels. No pixel is 0 but those of the chunks that are not stored.

    Parameters
    ----------
    path : Path
    kind : str
        One of `KINDS`.
    grid : tuple of int
        Chunks of level 0 along each axis.
    levels : int
        Each has half the pixels of the one before along each axis.
    seed : int
    holes : collection of tuple of int
        Chunks of level 0 that are not stored.
    """
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(1, 1 << 16, [n * SIDE for n in grid], dtype=np.uint16)]
    for _ in range(levels - 1):
        arrays.append(shrink(arrays[-1], 2, "strided"))
    for row, column in holes:
        arrays[0][row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = 0
    group = zarr.create_group(str(path), zarr_format=3, attributes={"ome": _attributes(levels)})
    for k, level in enumerate(arrays):
        array = group.create_array(str(k), shape=level.shape, dtype=level.dtype, chunks=(SIDE, SIDE), **KINDS[kind])
        array[...] = level
    return arrays


def _attributes(levels: int) -> dict[str, Any]:
    datasets = [
        {
            "path": str(k),
            "coordinateTransformations": [
                {"type": "scale", "scale": [2.0**k] * 2},
                {"type": "translation", "translation": [(2.0**k - 1) / 2] * 2},
            ],
        }
        for k in range(levels)
    ]
    axes = [{"name": name, "type": "space"} for name in "yx"]
    return {"version": "0.5", "multiscales": [{"name": "picture", "axes": axes, "datasets": datasets}]}
