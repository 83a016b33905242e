"""Images out of NumPy arrays, as the engine wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks import ArraySource, ChunkedImage, ChunkSource
from brickstream.multiscale import pyramid_of

Ratio = int | tuple[int, ...]
"""How many pixels along each axis become one; a number stands for all axes."""

ArrayFactory = Callable[[NDArray[Any], tuple[int, ...]], ChunkSource]
"""Makes the source of one level from its array and its chunk shape."""


def shrink(array: NDArray[Any], ratio: Ratio, method: Literal["mean", "strided"] = "mean") -> NDArray[Any]:
    """Make the next coarser level of an array; blocks at the far edges may be cut.

    Parameters
    ----------
    array : ndarray
    ratio : int or tuple of int
        Pixels along each axis that become one.
    method : {"mean", "strided"}
        The mean of a block, rounded to the array's type; or the pixel nearest to the middle of the block.

    Returns
    -------
    ndarray
        Of the array's type; lengths are rounded up.
    """
    ratios = (ratio,) * array.ndim if isinstance(ratio, int) else ratio
    out: NDArray[Any] = array if method == "strided" else array.astype(np.float64)
    for axis, r in enumerate(ratios):
        starts = np.arange(0, out.shape[axis], r)
        if method == "strided":
            out = out.take(np.minimum(starts + (r - 1) // 2, out.shape[axis] - 1), axis)
            continue
        counts = np.diff([*starts, out.shape[axis]])
        shape = [-1 if a == axis else 1 for a in range(out.ndim)]
        out = np.add.reduceat(out, starts, axis) / counts.reshape(shape)
    if array.dtype.kind in "iu":
        out = np.rint(out)
    return out.astype(array.dtype)


def memory_image(
    data: NDArray[Any] | Sequence[NDArray[Any]],
    chunks: tuple[int, ...] | list[tuple[int, ...]],
    *,
    levels: int = 1,
    ratios: Ratio | list[Ratio] = 2,
    method: Literal["mean", "strided"] = "mean",
    axes: Sequence[str] | None = None,
    scale: Sequence[float] | None = None,
    translation: Sequence[float] | None = None,
    name: str = "memory",
    source: ArrayFactory = ArraySource,
) -> ChunkedImage:
    """Make an image out of one array, or out of a pyramid of them.

    Coarser levels have the extent of level 0 (edges aligned): one pixel of a level covers `ratio` pixels of the finer
    one, and its centre is theirs.

    Parameters
    ----------
    data : ndarray, or sequence of ndarray
        Level 0, which is then made coarser; or all levels, finest first.
    chunks : tuple of int, or list of them
        Pixels of a chunk along each axis; the same for all levels, or a list with one for each. May be
        larger than the level.
    levels : int, default 1
        Number of levels; without effect where `data` is a pyramid.
    ratios : Ratio, or list of Ratio, default 2
        From each level to the next; the same for all (a tuple goes by axis), or a list with one for each step.
    method : {"mean", "strided"}
        See :func:`shrink`.
    axes : sequence of str, optional
        Names; default the last of t, c, z, y, x.
    scale, translation : sequence of float, optional
        Of level 0; default 1 and 0.
    name : str, default "memory"
    source : callable, default ArraySource
        Makes the source of a level, for example ``StepSource``.
    """
    arrays, steps = _pyramid(data, levels, ratios, method)
    base = np.ones(arrays[0].ndim) if scale is None else np.array(scale, dtype=np.float64)
    scales = [base, *(base * np.prod(steps[:k], axis=0) for k in range(1, len(arrays)))]
    pyramid = pyramid_of(arrays, axes=axes, scales=scales, translations=translation, chunks=chunks, name=name)
    sources = tuple(source(array, level.chunks) for array, level in zip(arrays, pyramid.levels, strict=True))
    return ChunkedImage(name, "memory", None, pyramid, sources)


def _pyramid(
    data: NDArray[Any] | Sequence[NDArray[Any]],
    levels: int,
    ratios: Ratio | list[Ratio],
    method: Literal["mean", "strided"],
) -> tuple[list[NDArray[Any]], list[tuple[int, ...]]]:
    """All levels, and the ratio of each to the next."""
    arrays = [data] if isinstance(data, np.ndarray) else list(data)
    ndim = arrays[0].ndim
    count = levels - 1 if isinstance(data, np.ndarray) else len(arrays) - 1
    given: list[Ratio] = list(ratios) if isinstance(ratios, list) else [ratios] * count
    steps = [(r,) * ndim if isinstance(r, int) else r for r in given]
    if isinstance(data, np.ndarray):
        for step in steps[:count]:
            arrays.append(shrink(arrays[-1], step, method))
    return arrays, steps
