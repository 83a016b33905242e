"""Pyramids out of what metadata says and arrays are, or out of arrays alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations
from math import ceil, floor, prod
from typing import Any

import numpy as np

from brickstream.errors import MetadataError
from brickstream.multiscale.affine import Affine, FloatArray
from brickstream.multiscale.ome.model import Dataset, Image
from brickstream.multiscale.pyramid import MAX_AXES, Level, Pyramid

# The directions of two levels that differ by less are the same: they were written by different roundings.
SAME = 1e-6
# Entries of a direction that are nothing but rounding: the cosine of 90 degrees is 6e-17.
ROUNDING = 8 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class ArrayShape:
    """What an array is, without its pixels.

    Attributes
    ----------
    path : str
        Where it stands in its group; ``""`` for an array that is its own root.
    shape, chunks : tuple of int
        Pixels; with shards, `chunks` are the inner ones.
    dtype : numpy.dtype
        Native byte order.
    shards : tuple of int or None
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None


def assemble(image: Image, arrays: Sequence[ArrayShape], name: str = "", where: str = "") -> Pyramid:
    """Make a pyramid of what the metadata says and the arrays are.

    Scales that are not given are derived from the shapes; where no translation is given, the levels cover the same
    extent. A flip, a rotation or a shear that is common to all levels becomes the pyramid's placement. Where dimensions
    of the arrays run along the world's axes in another order, the pyramid has its axes in the order of the dimensions.

    Parameters
    ----------
    image : Image
    arrays : sequence of ArrayShape
        One for each dataset, in their order.
    name : str, optional
        Where the image itself has none.
    where : str, optional
        The document, for errors.

    Raises
    ------
    MetadataError
        If the arrays do not fit the metadata or each other, or the levels differ by more than scale and translation.
    """
    image = _with_fewer_axes(image, arrays)
    ndim = len(image.axes)
    if ndim > MAX_AXES:
        raise MetadataError("axes", ndim, f"an image has from 1 to {MAX_AXES} axes", where)
    if len(arrays) != len(image.datasets):
        raise MetadataError("datasets", len(arrays), f"an array for each of the {len(image.datasets)} datasets", where)
    for array in arrays:
        if len(array.shape) != ndim:
            raise MetadataError(f"{array.path}.shape", array.shape, f"one length for each of the {ndim} axes", where)
    datasets = complete(image.datasets, [array.shape for array in arrays])
    try:
        order, placement, datasets = _place(image, datasets)
        levels = tuple(_level(dataset, array) for dataset, array in zip(datasets, arrays, strict=True))
        axes = tuple(image.axes[i] for i in order)
        colors = () if image.label is None else tuple((int(n), c) for n, c in image.label.colors if n == int(n))
        is_labels = image.label is not None
        return Pyramid(image.name or name, axes, levels, image.channels, placement, is_labels, colors)
    except MetadataError as error:
        raise MetadataError(error.path, error.value, error.rule, where) from error


def _with_fewer_axes(image: Image, arrays: Sequence[ArrayShape]) -> Image:
    """Drop the first of the five axes that versions before 0.3 do not name, where arrays have fewer dimensions."""
    ndim = len(arrays[0].shape) if arrays else 0
    said = any(d.scale or d.translation or d.transform for d in image.datasets)
    if image.version in ("0.1", "0.2") and not said and 0 < ndim < len(image.axes):
        return replace(image, axes=image.axes[-ndim:])
    return image


def _level(dataset: Dataset, array: ArrayShape) -> Level:
    scale, translation = dataset.scale or (), dataset.translation or ()
    return Level(array.path, array.shape, array.dtype, array.chunks, scale, translation, array.shards)


def derive_steps(shapes: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
    """Pixels of level 0 along each axis in one pixel of every level, from the shapes alone.

    From each level to the next, a whole number is taken where one gives the length, the last pixel being cut off or
    filled up: writers make a pixel out of whole ones. Otherwise it is the ratio of the lengths.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Finest first.
    """
    steps = [(1.0,) * len(shapes[0])]
    for finer, coarser in pairwise(shapes):
        ratios = (_ratio(a, b) for a, b in zip(finer, coarser, strict=True))
        steps.append(tuple(step * ratio for step, ratio in zip(steps[-1], ratios, strict=True)))
    return steps


def _ratio(finer: int, coarser: int) -> float:
    if finer < 1 or coarser < 1:
        return 1.0  # no pyramid has such a level; saying so is its business
    ratio = finer / coarser
    for whole in sorted((floor(ratio), ceil(ratio)), key=lambda whole: abs(whole - ratio)):
        if whole and coarser in (finer // whole, -(-finer // whole)):
            return float(whole)
    return ratio


def complete(datasets: Sequence[Dataset], shapes: Sequence[tuple[int, ...]]) -> tuple[Dataset, ...]:
    """Give every dataset a scale and a translation, or a transform.

    Parameters
    ----------
    datasets : sequence of Dataset
        Finest first.
    shapes : sequence of tuple of int
        Of their arrays.
    """
    steps = derive_steps(shapes)
    completed: list[Dataset] = []
    for dataset, step in zip(datasets, steps, strict=True):
        base = completed[0] if completed else None
        if dataset.transform is None:
            completed.append(_complete_one(dataset, step, base))
        else:
            completed.append(dataset)
    return tuple(completed)


def _complete_one(dataset: Dataset, step: tuple[float, ...], base: Dataset | None) -> Dataset:
    if base is not None and base.transform is not None and dataset.scale is None:
        # The same map as level 0, of larger pixels.
        pixels = Affine.scaling(base.transform.inputs, step, (np.array(step) - 1) / 2)
        return replace(dataset, transform=base.transform @ pixels)
    first = base.scale if base is not None and base.scale is not None else (1.0,) * len(step)
    scale = dataset.scale or tuple(s * n for s, n in zip(first, step, strict=True))
    translation = dataset.translation
    if translation is None and base is not None and base.translation is not None:
        # Writers that give none mean levels of the same extent.
        translation = tuple(t + (s - s0) / 2 for t, s, s0 in zip(base.translation, scale, first, strict=True))
    return replace(dataset, scale=scale, translation=translation or (0.0,) * len(scale))


def _place(image: Image, datasets: tuple[Dataset, ...]) -> tuple[list[int], Affine | None, tuple[Dataset, ...]]:
    """Part the maps of the levels into scales and translations, and what all have in common.

    Returns
    -------
    order : list of int
        The place, among the image's axes, of the axis that each dimension runs along.
    placement : Affine or None
    datasets : tuple of Dataset
        With scales above zero, and without transforms.
    """
    natural = list(range(len(image.axes)))
    if all(d.transform is None and min(d.scale or (1.0,)) > 0 for d in datasets):
        return natural, None, datasets
    names = tuple(axis.name for axis in image.axes)
    maps = [_full_map(dataset, names) for dataset in datasets]
    directions = _directions(maps[0], datasets[0])
    order = _order(directions)
    ordered = tuple(names[i] for i in order)
    directions = directions[order]
    # Of an aligned image the own axes are the world's, but for their signs, and nothing is rounded. Of another one they
    # begin at pixel 0 of level 0, so that only the small distances between levels are.
    aligned = bool(((directions == 0) | (np.abs(directions) == 1)).all())
    origin = np.zeros(len(names)) if aligned else maps[0].offset[order]
    parted = tuple(
        _part(m, d, order, directions, origin, k) for k, (m, d) in enumerate(zip(maps, datasets, strict=True))
    )
    placement = Affine(ordered, ordered, directions, origin)
    return order, None if placement == Affine.identity(ordered) else placement, parted


def _full_map(dataset: Dataset, names: tuple[str, ...]) -> Affine:
    if dataset.transform is None:
        return Affine.scaling(names, dataset.scale or (), dataset.translation)
    if set(dataset.transform.inputs) != set(names) or set(dataset.transform.outputs) != set(names):
        raise MetadataError(dataset.path, dataset.transform.outputs, f"a map between the axes {', '.join(names)}")
    return dataset.transform.reorder(names, names)


def _directions(first: Affine, dataset: Dataset) -> FloatArray:
    """World directions of the dimensions: the columns have length 1, and what is nothing but rounding is gone."""
    if not first.invertible:
        raise MetadataError(dataset.path, first.linear.tolist(), "a map that can be inverted")
    largest = np.abs(first.linear).max(axis=0)
    columns = first.linear / largest
    directions = columns / np.linalg.norm(columns, axis=0)
    directions[np.abs(directions) < ROUNDING] = 0.0
    # A column along one axis is exactly that.
    alone = (directions != 0).sum(axis=0) == 1
    directions[:, alone] = np.sign(directions[:, alone])
    return np.asarray(directions, dtype=np.float64)


def _order(directions: FloatArray) -> list[int]:
    """The world axis that each dimension runs along, or mostly along; as they come where that is as good."""
    strength: list[list[float]] = np.abs(directions).tolist()
    orders = list(permutations(range(len(strength))))
    fits = [round(prod(strength[axis][i] for i, axis in enumerate(axes)), 9) for axes in orders]
    return list(orders[fits.index(max(fits))])


def _part(
    full: Affine, dataset: Dataset, order: list[int], directions: FloatArray, origin: FloatArray, k: int
) -> Dataset:
    """Scale and translation of one level in own coordinates."""
    linear, offset = full.linear[order], full.offset[order]
    scale = (directions * linear).sum(axis=0)
    lengths = np.abs(linear).max(axis=0)
    if (scale <= 0).any() or (np.abs(linear - directions * scale) > SAME * lengths).any():
        rule = "the levels of an image differ by scale and translation alone"
        raise MetadataError(f"datasets[{k}].coordinateTransformations", full.linear.tolist(), rule)
    translation = Affine(full.inputs, full.inputs, directions, origin).solve(offset)
    return replace(
        dataset, scale=tuple(scale.tolist()), translation=tuple((translation + 0.0).tolist()), transform=None
    )
