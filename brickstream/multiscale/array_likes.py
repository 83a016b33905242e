"""Pyramids out of array-likes: NumPy, dask, zarr, tensorstore, or anything with a shape, a type and ``__getitem__``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from brickstream.errors import MetadataError, TransformError
from brickstream.multiscale.affine import Affine
from brickstream.multiscale.assemble import ArrayShape, assemble, complete
from brickstream.multiscale.ome.image_rules import USUAL_TYPES
from brickstream.multiscale.ome.model import Dataset, Image
from brickstream.multiscale.pyramid import MAX_AXES, MAX_LEVELS, Axis, Pyramid

USUAL_AXES = ("t", "c", "z", "y", "x")
# Pixels along an axis of space in one chunk, where the array has no chunks of its own.
_FLAT_CHUNK, _SOLID_CHUNK = 512, 64

Lengths = tuple[int, ...]
Numbers = float | Sequence[float] | Sequence[Sequence[float] | None]


def pyramid_of(
    arrays: Any,
    *,
    axes: Sequence[str | Axis] | None = None,
    scales: Numbers | None = None,
    translations: Numbers | None = None,
    affine: Affine | ArrayLike | None = None,
    units: str | Mapping[str, str] | None = None,
    chunks: Lengths | Sequence[Lengths] | None = None,
    name: str = "",
    is_labels: bool = False,
) -> Pyramid:
    """Describe one array, or a list of them from fine to coarse, as a pyramid. No pixel is read.

    Parameters
    ----------
    arrays : array-like, or sequence of array-like
        Each has `shape`, `dtype` and ``__getitem__``. Types: bool, integers of 8 to 64 bits, floats of 16 to 64 bits,
        in any byte order.
    axes : sequence of str or Axis, optional
        One for each dimension, such as ``"zyx"``; default the last of t, c, z, y, x. The colours of an RGB image are an
        axis like any other: ``"yxc"``.
    scales : number or sequences of numbers, optional
        World units of a pixel, by axis: for level 0 (the others follow from the shapes), or a list with one entry for
        each level, each None or numbers. Below zero for flipped axes. Default: level 0 has 1.
    translations : number or sequences of numbers, optional
        Where the centre of pixel 0 is, in the same forms. Default: level 0 is at 0. Levels that have none cover the
        extent of level 0.
    affine : Affine, or array-like of shape (ndim, ndim + 1) or (ndim + 1, ndim + 1), optional
        From the coordinates that scales and translations give to the world.
    units : str, or mapping of axis names to str, optional
        Of the axes of space, or by name.
    chunks : tuple of int, or sequence of them, optional
        Pixels that are best read at once; default what the arrays say of themselves.
    name : str, optional
    is_labels : bool, default False
        Whether pixels are numbers of things.

    Raises
    ------
    MetadataError
        If something is no array, has another type, or does not fit the rest. Its path names the argument.
    """
    listed = _as_list(arrays)
    shapes = [_shape_of(array, f"arrays[{k}]") for k, array in enumerate(listed)]
    named = _axes(axes, len(shapes[0]), units)
    for k, shape in enumerate(shapes):
        if len(shape) != len(named):
            raise MetadataError(f"arrays[{k}].shape", shape, f"one length for each of the {len(named)} axes")
    given = _by_level(scales, shapes, "scales")
    _check_growth(shapes, given)
    shifts = _by_level(translations, shapes, "translations")
    datasets = [Dataset(str(k), scale, shift) for k, (scale, shift) in enumerate(zip(given, shifts, strict=True))]
    if affine is not None:
        placing = _placing(affine, tuple(axis.name for axis in named))
        datasets = [_placed(dataset, placing) for dataset in complete(datasets, shapes)]
    wanted = _chunks_by_level(chunks, shapes)
    infos = [_describe(array, str(k), named, wanted[k]) for k, array in enumerate(listed)]
    return replace(assemble(Image(name, "", named, tuple(datasets)), infos), is_labels=is_labels)


def usual_axes(ndim: int) -> tuple[Axis, ...]:
    """Axes of an array that names none: the last of t, c, z, y, x, and ``d0``, ``d1`` … before them."""
    more = ndim - len(USUAL_AXES)
    names = [*(f"d{i}" for i in range(more)), *USUAL_AXES[max(-more, 0) :]]
    return tuple(Axis(name, USUAL_TYPES.get(name)) for name in names)


def plain_image(arrays: Sequence[ArrayShape], names: Sequence[object] | None = None, name: str = "") -> Image:
    """Describe arrays that have no metadata: axes by their names where all have one, scales from the shapes.

    Parameters
    ----------
    arrays : sequence of ArrayShape
        Finest first.
    names : sequence, optional
        What the arrays say of their dimensions; of no effect where it cannot be the names of axes.
    name : str, optional
    """
    axes = usual_axes(len(arrays[0].shape))
    texts = [text for text in names or () if isinstance(text, str) and text]
    if len(texts) == len(set(texts)) == len(names or ()) == len(axes):
        axes = tuple(Axis(text, USUAL_TYPES.get(text)) for text in texts)
    return Image(name, "", axes, tuple(Dataset(array.path, None, None) for array in arrays))


def pixel_type(value: object, path: str = "dtype") -> np.dtype[Any]:
    """Give the NumPy type of an array-like's pixels, in native byte order.

    Raises
    ------
    MetadataError
        If the pixels are not numbers that can be shown: text, objects, records, complex numbers, long doubles.
    """
    rule = "bool, an integer of 8 to 64 bits or a float of 16 to 64 bits"
    value = getattr(value, "numpy_dtype", value)
    try:
        dtype = np.dtype(value) if value is not None else np.dtype(object)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise MetadataError(path, value, rule) from error
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise MetadataError(path, str(dtype), rule)
    return np.dtype(dtype.newbyteorder("="))


def _as_list(arrays: Any) -> list[Any]:
    if hasattr(arrays, "shape") and hasattr(arrays, "dtype"):
        arrays = [arrays]
    if not isinstance(arrays, list | tuple) or not 1 <= len(arrays) <= MAX_LEVELS:
        raise MetadataError("arrays", arrays, f"an array, or a list of 1 to {MAX_LEVELS} arrays")
    for k, array in enumerate(arrays):
        missing = [field for field in ("shape", "dtype", "__getitem__") if not hasattr(array, field)]
        if missing:
            raise MetadataError(f"arrays[{k}]", array, f"an array (it has no {missing[0]})")
    return list(arrays)


def _shape_of(array: Any, path: str) -> Lengths:
    lengths = _lengths(array.shape)
    if lengths is None or not lengths:
        raise MetadataError(f"{path}.shape", array.shape, "at least one axis, and whole numbers above zero")
    return lengths


def _lengths(value: Any) -> Lengths | None:
    """Take whole numbers above zero; None where it is anything else (dask has lengths that are not known)."""
    try:
        numbers = [int(n) for n in value]
        whole = all(n == number and number > 0 for n, number in zip(value, numbers, strict=True))
    except (TypeError, ValueError, OverflowError):
        return None
    return tuple(numbers) if whole else None


def _axes(given: Sequence[str | Axis] | None, ndim: int, units: str | Mapping[str, str] | None) -> tuple[Axis, ...]:
    axes = usual_axes(ndim) if given is None else tuple(_axis(item, f"axes[{i}]") for i, item in enumerate(given))
    if len(axes) != ndim or ndim > MAX_AXES:
        rule = (
            f"one name for each of the {ndim} dimensions of the arrays" if ndim <= MAX_AXES else f"at most {MAX_AXES}"
        )
        raise MetadataError("axes", [axis.name for axis in axes], rule)
    if units is None:
        return axes
    if isinstance(units, str):
        return tuple(replace(axis, unit=units) if axis.type == "space" else axis for axis in axes)
    unknown = sorted(set(units) - {axis.name for axis in axes})
    if unknown:
        raise MetadataError("units", unknown, f"names out of {', '.join(axis.name for axis in axes)}")
    return tuple(replace(axis, unit=units.get(axis.name, axis.unit)) for axis in axes)


def _axis(item: object, path: str) -> Axis:
    if isinstance(item, Axis):
        return item
    if not isinstance(item, str) or not item:
        raise MetadataError(path, item, "the name of an axis")
    return Axis(item, USUAL_TYPES.get(item))


def _by_level(value: Any, shapes: Sequence[Lengths], path: str) -> list[tuple[float, ...] | None]:
    """Numbers by level and axis; None where a level has none of its own."""
    none: list[tuple[float, ...] | None] = [None] * len(shapes)
    if value is None:
        return none
    nested = not isinstance(value, str) and _nested(value)
    entries = list(value) if nested else [value]
    if len(entries) not in (1, len(shapes)):
        raise MetadataError(path, value, f"one entry, or one for each of the {len(shapes)} levels")
    read = [_by_axis(entry, len(shapes[0]), f"{path}[{k}]" if nested else path) for k, entry in enumerate(entries)]
    return [*read, *none[len(read) :]]


def _nested(value: Any) -> bool:
    """Whether entries stand for levels (lists of numbers, or None), not for axes."""
    try:
        return any(entry is None or np.ndim(entry) > 0 for entry in value)
    except (TypeError, ValueError):
        return False


def _by_axis(entry: Any, ndim: int, path: str) -> tuple[float, ...] | None:
    if entry is None:
        return None
    try:
        numbers = np.asarray(entry, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise MetadataError(path, entry, "numbers") from error
    if numbers.ndim == 0:
        numbers = np.full(ndim, numbers)
    if numbers.shape != (ndim,):
        raise MetadataError(path, entry, f"one number for each of the {ndim} axes")
    if not np.isfinite(numbers).all() or (path.startswith("scales") and not numbers.all()):
        rule = "finite numbers, none of them zero" if path.startswith("scales") else "finite numbers"
        raise MetadataError(path, entry, rule)
    return tuple(numbers.tolist())


def _check_growth(shapes: Sequence[Lengths], scales: Sequence[object]) -> None:
    for k, (finer, coarser) in enumerate(pairwise(shapes), 1):
        if scales[k] is None and any(b > a for a, b in zip(finer, coarser, strict=True)):
            rule = f"arrays from fine to coarse: no axis longer than in the one before, {finer}"
            raise MetadataError(f"arrays[{k}].shape", coarser, rule)


def _placing(affine: Affine | ArrayLike, names: tuple[str, ...]) -> Affine:
    if not isinstance(affine, Affine):
        affine = _affine_of(affine, names)
    if set(affine.inputs) != set(names) or set(affine.outputs) != set(names):
        raise MetadataError("affine", affine.outputs, f"a map from and to the axes {', '.join(names)}")
    if not affine.invertible:
        raise MetadataError("affine", affine.linear.tolist(), "a map that can be inverted")
    return affine.reorder(names, names)


def _affine_of(matrix: ArrayLike, names: tuple[str, ...]) -> Affine:
    ndim = len(names)
    rule = f"a matrix of {ndim} rows and {ndim + 1} columns, the last the offset"
    try:
        numbers = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise MetadataError("affine", matrix, rule) from error
    if numbers.shape == (ndim + 1, ndim + 1) and numbers[-1].tolist() == [0.0] * ndim + [1.0]:
        numbers = numbers[:-1]
    if numbers.shape != (ndim, ndim + 1) or not np.isfinite(numbers).all():
        raise MetadataError("affine", matrix, rule)
    return Affine(names, names, numbers[:, :-1], numbers[:, -1])


def _placed(dataset: Dataset, placing: Affine) -> Dataset:
    pixels = Affine.scaling(placing.inputs, dataset.scale or (), dataset.translation)
    try:
        return Dataset(dataset.path, None, None, placing @ pixels)
    except TransformError as error:
        raise MetadataError("affine", error.where, error.what) from error


def _chunks_by_level(chunks: Any, shapes: Sequence[Lengths]) -> list[Lengths | None]:
    if chunks is None:
        return [None] * len(shapes)
    one = _lengths(chunks)
    entries: list[Lengths | None] = [_lengths(entry) for entry in chunks] if one is None else [one] * len(shapes)
    if len(entries) != len(shapes) or any(e is None or len(e) != len(shapes[0]) for e in entries):
        rule = f"for each of the {len(shapes)} levels {len(shapes[0])} whole numbers above zero"
        raise MetadataError("chunks", chunks, rule)
    return entries


def _describe(array: Any, path: str, axes: Sequence[Axis], chunks: Lengths | None) -> ArrayShape:
    shape = _shape_of(array, f"arrays[{path}]")
    dtype = pixel_type(array.dtype, f"arrays[{path}].dtype")
    if chunks is None:
        chunks = _own_chunks(array, len(shape)) or _default_chunks(shape, axes)
    shards = _lengths(getattr(array, "shards", None))
    return ArrayShape(path, shape, dtype, chunks, shards if shards and len(shards) == len(shape) else None)


def _own_chunks(array: Any, ndim: int) -> Lengths | None:
    """The chunks that an array tells of: of zarr and h5py, of dask (the largest of each axis), of tensorstore."""
    layout = getattr(getattr(array, "chunk_layout", None), "read_chunk", None)
    told = (getattr(array, "chunks", None), getattr(array, "chunksize", None), getattr(layout, "shape", None))
    for value in told:
        lengths = _lengths(value) or _largest(value)
        if lengths is not None and len(lengths) == ndim:
            return lengths
    return None


def _largest(value: Any) -> Lengths | None:
    try:
        return _lengths([max(along) for along in value])
    except (TypeError, ValueError):
        return None


def _default_chunks(shape: Lengths, axes: Sequence[Axis]) -> Lengths:
    """Chunks of an array in memory: small along axes of space, one pixel along the others, colours whole."""
    side = _SOLID_CHUNK if sum(axis.type == "space" for axis in axes) > 2 else _FLAT_CHUNK
    most = [side if axis.type == "space" else 1 for axis in axes]
    if axes[-1].type != "space":
        most[-1] = _SOLID_CHUNK
    return tuple(min(n, m) for n, m in zip(shape, most, strict=True))
