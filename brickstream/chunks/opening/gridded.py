"""Images of values on a grid that come with their coordinates, as plotly's volumes and isosurfaces take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brickstream.chunks.opening.image import ChunkedImage, image_of
from brickstream.errors import MetadataError

# Steps may differ by so much of their mean: coordinates come out of sums and texts.
UNEVEN = 1e-4


def grid_image(x: ArrayLike, y: ArrayLike, z: ArrayLike, value: ArrayLike, **description: Any) -> ChunkedImage:
    """Make an image of values and their places on an even grid.

    Parameters
    ----------
    x, y, z, value : array-like
        A mesh grid: one entry for each point of it, in any order and of any shape, as ``numpy.mgrid`` gives them, flat
        or not. Or x, y and z with the places along one axis each, rising or falling, and a value of shape
        ``(len(x), len(y), len(z))``. World units; places are those of pixel centres.
    **description
        `name`, `units` and `chunks` of :func:`brickstream.chunks.image_of`.

    Returns
    -------
    ChunkedImage
        With axes z, y, x, and the grid's scale and translation.

    Raises
    ------
    MetadataError
        If the lengths do not fit, the steps along an axis differ, or points of the grid are missing or given twice.

    Examples
    --------
    >>> X, Y, Z = np.mgrid[-1:1:30j, -1:1:30j, -1:1:30j]
    >>> image = grid_image(X.ravel(), Y.ravel(), Z.ravel(), (X**2 + Y**2 + Z**2).ravel())
    """
    given = [np.asarray(part) for part in (x, y, z)]
    values = np.asarray(value)
    along = [axis.size for axis in given]
    if values.shape == tuple(along) and all(axis.ndim == 1 for axis in given):
        grid, axes = _rising(given, values)
    else:
        grid, axes = _meshed(given, values.ravel())
    starts, steps = zip(*(_even(axis, name) for axis, name in zip(axes, "xyz", strict=True)), strict=True)
    array = np.ascontiguousarray(grid.transpose(2, 1, 0))
    return image_of(array, axes="zyx", scales=steps[::-1], translations=starts[::-1], **description)


def _rising(axes: list[NDArray[Any]], values: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """The same with axes that rise."""
    turns = [slice(None, None, -1 if len(axis) > 1 and axis[0] > axis[-1] else 1) for axis in axes]
    return values[tuple(turns)], [axis[turn] for axis, turn in zip(axes, turns, strict=True)]


def _meshed(points: list[NDArray[Any]], values: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """Put the points of a mesh grid in order: values of shape (x, y, z), and the places along each axis."""
    for name, part in zip("xyz", points, strict=True):
        if part.size != values.size:
            rule = f"a place for each of the {values.size} values, or for each of one axis"
            raise MetadataError(name, f"{part.size} places", rule)
    pairs = [np.unique(part.ravel(), return_inverse=True) for part in points]
    axes, index = [pair[0] for pair in pairs], [pair[1].ravel() for pair in pairs]
    shape = tuple(axis.size for axis in axes)
    if np.prod([float(n) for n in shape]) != values.size:
        rule = "every point of a grid once; round places that should be the same, or resample scattered points"
        raise MetadataError("value", f"{values.size} values for {' x '.join(map(str, shape))} places", rule)
    where = np.ravel_multi_index(tuple(index), shape)
    if (np.bincount(where, minlength=values.size) != 1).any():
        raise MetadataError("value", "a point given twice", "every point of a grid once")
    grid = np.empty(values.size, dtype=values.dtype)
    grid[where] = values
    return grid.reshape(shape), axes


def _even(axis: NDArray[Any], name: str) -> tuple[float, float]:
    """First place and step of an axis, which rises."""
    places = axis.astype(np.float64)
    if len(places) == 1:
        return float(places[0]), 1.0
    step = (places[-1] - places[0]) / max(len(places) - 1, 1) if len(places) else 0.0
    steps = np.diff(places)
    if not (np.isfinite(step) and step > 0 and (np.abs(steps - step) <= UNEVEN * step).all()):
        found = "no places" if not len(places) else f"steps from {steps.min():g} to {steps.max():g}"
        rule = "even steps; resample first, for example with scipy.interpolate.RegularGridInterpolator"
        raise MetadataError(name, found, rule)
    return float(places[0]), float(step)
