"""A computed OME-Zarr 0.5 pyramid of any size, served without a byte on disk.

Everything is a pure function of the shape of level 0: the documents, and each chunk of each level. The cost of a chunk
is the same in a volume of 512^3 and in one of 1,048,576^3: what depends on the size of a dataset is the client's doing.

Pixels are uint8: after compression a chunk is a fifth of what uint16 needs, and the few lattices that can be seen at
one zoom have some forty grey values each, enough for the eye.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import Zstd

from brickstream.errors import BrickstreamError
from brickstream.latency.network.content import Content, bytes_content, json_content
from brickstream.samples.layout import Axis, Level, channel, group_attributes, halved_levels
from brickstream.samples.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CHUNK = 64
"""Edge of a chunk in voxels; the coarsest level is one chunk."""

MAX_SIZE = 1 << 20
"""Longest axis of a volume in voxels."""

_NAME = re.compile(r"([1-9]\d{0,6})x([1-9]\d{0,6})x([1-9]\d{0,6})", re.ASCII)
_CHUNK_KEY = re.compile(r"(0|[1-9]\d?)/c/(0|[1-9]\d{0,5})/(0|[1-9]\d{0,5})/(0|[1-9]\d{0,5})", re.ASCII)
_ARRAY_KEY = re.compile(r"(0|[1-9]\d?)/zarr\.json", re.ASCII)
_AXES = tuple(Axis(name, "space", 1.0, "micrometer") for name in "zyx")
# Level 1 is as small as higher ones on this picture and the fastest; the checksum lets a client notice damage.
_ZSTD = {"level": 1, "checksum": True}


@lru_cache(maxsize=64)
def synthetic_levels(shape0: tuple[int, int, int]) -> tuple[Level, ...]:
    """Return the levels of a volume, finest first.

    Parameters
    ----------
    shape0 : tuple of int
        Shape of level 0 (z, y, x), each 1 .. 1,048,576.

    Raises
    ------
    BrickstreamError
        When an axis is out of these bounds.
    """
    if not all(1 <= n <= MAX_SIZE for n in shape0):
        raise BrickstreamError(f"a synthetic volume has three axes of 1 to {MAX_SIZE} voxels", f"shape {shape0}")
    return halved_levels(shape0, (True, True, True), CHUNK)


def synthetic_region(
    shape0: tuple[int, int, int], level: int, start: Sequence[int], stop: Sequence[int]
) -> NDArray[np.uint8]:
    """Return any box of any level: the oracle for what a client should have read.

    Parameters
    ----------
    shape0 : tuple of int
        Shape of level 0 (z, y, x).
    level : int
        Which level, 0 is the finest.
    start, stop : sequence of int
        The box in level-`level` pixels (z, y, x), half-open, inside the level.

    Returns
    -------
    ndarray of uint8
        Shape ``stop - start`` (z, y, x).

    Raises
    ------
    BrickstreamError
        When there is no such level, or the box is not inside it.
    """
    found = _level(shape0, level)
    if not all(0 <= a <= b <= n for a, b, n in zip(start, stop, found.shape, strict=True)):
        raise BrickstreamError(f"a region must lie inside {found.shape}", f"{tuple(start)} to {tuple(stop)}")
    return pattern(start, stop, factor=found.factor, extent=shape0)


def synthetic_chunk(shape0: tuple[int, int, int], level: int, chunk_index: Sequence[int]) -> NDArray[np.uint8]:
    """Return a chunk as it is stored: full shape, filled with 0 beyond the edges of the level.

    Parameters
    ----------
    shape0 : tuple of int
        Shape of level 0 (z, y, x).
    level : int
        Which level, 0 is the finest.
    chunk_index : sequence of int
        Place of the chunk in the grid of the level (z, y, x).

    Returns
    -------
    ndarray of uint8
        Shape (64, 64, 64) in (z, y, x).

    Raises
    ------
    BrickstreamError
        When there is no such level or no such chunk.
    """
    found = _level(shape0, level)
    if not all(0 <= i * CHUNK < n for i, n in zip(chunk_index, found.shape, strict=True)):
        raise BrickstreamError(f"level {level} of {found.shape} has no such chunk", str(tuple(chunk_index)))
    start = [i * CHUNK for i in chunk_index]
    stop = [min(a + CHUNK, n) for a, n in zip(start, found.shape, strict=True)]
    inside = pattern(start, stop, factor=found.factor, extent=shape0)
    if inside.shape == (CHUNK, CHUNK, CHUNK):
        return inside
    chunk = np.zeros((CHUNK, CHUNK, CHUNK), dtype=np.uint8)
    chunk[tuple(slice(n) for n in inside.shape)] = inside
    return chunk


def synthetic_content(path: str) -> Content | None:
    """Return what lies at a path of the synthetic tree; a few milliseconds of computing.

    Parameters
    ----------
    path : str
        ``ZxYxX/zarr.json``, ``ZxYxX/<level>/zarr.json`` or ``ZxYxX/<level>/c/<z>/<y>/<x>``.

    Returns
    -------
    Content or None
        None for everything else, also for sizes, levels and chunks that do not exist.
    """
    name, _, key = path.partition("/")
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    shape0 = (int(match[1]), int(match[2]), int(match[3]))
    if max(shape0) > MAX_SIZE:
        return None
    if key == "zarr.json":
        return json_content(_group_document(name, synthetic_levels(shape0)))
    array = _ARRAY_KEY.fullmatch(key)
    if array is not None:
        return _array_content(shape0, int(array[1]))
    chunk = _CHUNK_KEY.fullmatch(key)
    return None if chunk is None else _chunk_content(shape0, int(chunk[1]), [int(i) for i in chunk.groups()[1:]])


def _level(shape0: tuple[int, int, int], level: int) -> Level:
    levels = synthetic_levels(shape0)
    if not 0 <= level < len(levels):
        raise BrickstreamError(f"the volume has the levels 0 to {len(levels) - 1}", f"level {level}")
    return levels[level]


def _array_content(shape0: tuple[int, int, int], level: int) -> Content | None:
    levels = synthetic_levels(shape0)
    return json_content(_array_document(levels[level])) if level < len(levels) else None


def _chunk_content(shape0: tuple[int, int, int], level: int, index: list[int]) -> Content | None:
    levels = synthetic_levels(shape0)
    if level >= len(levels) or any(i * CHUNK >= n for i, n in zip(index, levels[level].shape, strict=True)):
        return None
    return bytes_content(bytes(Zstd(**_ZSTD).encode(synthetic_chunk(shape0, level, index))))


def _group_document(name: str, levels: Sequence[Level]) -> dict[str, Any]:
    view = channel("synthetic", (0, 255), (0, 160), "FFFFFF")
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": group_attributes(f"synthetic {name}", _AXES, levels, [view]),
    }


def _array_document(level: Level) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(level.shape),
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [CHUNK] * 3}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes"}, {"name": "zstd", "configuration": _ZSTD}],
        "attributes": {},
        "dimension_names": [axis.name for axis in _AXES],
    }
