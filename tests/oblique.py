"""Oblique cuts, and the pixels that they show by a model that looks at every pixel of the plane grid."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray
from placed import askew_maps
from scenes import Scene, scenes

from brickstream.multiscale import Oblique, Plan, Pyramid, View, find_oblique
from brickstream.multiscale.slicing import across
from brickstream.multiscale.view import PROJECTIONS, HasPyramid

TILTED = ((0.5, 1.0, 0.2), (0.1, 0.3, 1.0))
"""Down and right, across z, y and x."""
# Samples that are so near to an edge, in pixels, may be either side's.
NEAR = 1e-6


def tilted(image: HasPyramid | Pyramid, **options: Any) -> View:
    """A cut through the middle, along no axis."""
    return View.oblique(image, TILTED, ("z", "y", "x"), **{"canvas": (40, 30), **options})


def naive_pixels(oblique: Oblique, level: int) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """For every pixel of the plane grid of a level, and every place across a slice of a rotated image: what it shows.

    Returns
    -------
    pixels : ndarray of shape (..., depth, ndim), int64
        Pixel of the image that holds its centre, clamped; of several planes the first.
    inside : ndarray of shape (..., depth), bool
        Whether that is within the image.
    clear : ndarray of shape (..., depth), bool
        Whether both are beyond doubt.
    """
    grid, image = oblique.pyramid, oblique.image
    shape = [grid.levels[level].shape[axis] for axis in oblique.axes]
    numbers = np.zeros((*shape, grid.ndim))
    numbers[..., list(oblique.axes)] = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    away = _depths(oblique, level)
    world = grid.to_world(level)(numbers)[..., None, :] + away
    shape = [*shape, len(away)]
    axes = list(oblique.local.axes)
    inside = np.ones(shape, dtype=bool)
    clear = np.ones(shape, dtype=bool)
    for k in (0, level):
        places = image.pixels_at(world, k) + 0.5
        clear &= (np.abs(places - np.rint(places)) > NEAR)[..., axes].all(axis=-1)
        inside &= ((places >= 0) & (places < image.shapes[k]))[..., axes].all(axis=-1)
    pixels = np.floor(places + NEAR / 2).astype(np.int64).clip(0, image.shapes[level] - 1)
    others, first, _ = oblique.planes(level)
    pixels[..., others] = first
    return pixels, inside, clear


def _depths(oblique: Oblique, level: int) -> NDArray[np.float64]:
    """World offsets of the places across a slice of a rotated image, (depth, ndim); zero where there are none."""
    names, view = oblique.image.axis_names, oblique.view
    found = np.zeros((1, len(names)))
    deep = across(oblique.image, view, oblique.local, level)
    thick = [name for name, reach in view.margins if name in names and sum(reach) > 0]
    for name, (first, count, step) in zip(thick, deep, strict=False):
        steps = np.zeros((count, len(names)))
        steps[:, names.index(name)] = first + step * np.arange(count)
        found = (found[:, None] + steps).reshape(-1, len(names))
    return found


def naive_picture(
    oblique: Oblique, level: int, array: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
    """The whole plane grid of a level, out of the image's array; what shows the image; what is beyond doubt."""
    pixels, inside, clear = naive_pixels(oblique, level)
    others, first, last = oblique.planes(level)
    axes = [axis for axis in range(oblique.image.ndim) if axis not in others]
    planes = tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))
    block = array.transpose(*others, *axes)[planes]
    block = block.reshape(-1, *block.shape[len(others) :])
    # Planes, then rows and columns, then the places across a rotated image.
    values = block[(slice(None), *np.moveaxis(pixels[..., axes], -1, 0))]
    shown = inside.any(axis=-1)
    if not any(low + high for _, (low, high) in oblique.view.margins):
        return np.where(shown, values[0, ..., 0], 0), shown, clear.all(axis=-1)
    there = np.broadcast_to(inside, values.shape)
    over, counts = (0, -1), np.maximum(there.sum(axis=(0, -1)), 1)
    wide = values.astype(np.float64)
    picture = {
        "max": lambda: np.where(there, wide, -np.inf).max(axis=over),
        "min": lambda: np.where(there, wide, np.inf).min(axis=over),
        "sum": lambda: np.where(there, wide, 0).sum(axis=over),
        "mean": lambda: np.where(there, wide, 0).sum(axis=over) / counts,
    }[oblique.view.projection]()
    return np.where(shown, picture, 0), shown, clear.all(axis=-1)


@dataclass
class Cuts(Scene):
    """Images that lie anyhow, and views that cut across their pixels."""

    def expected(self, plan: Plan, level: int) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        """The pixels in view of a level, which of them show the image, and which are beyond doubt."""
        assert plan.oblique is not None
        part = next(part for part in plan.levels if part.level == level)
        first, last = part.corner_pixels[:, list(plan.displayed)]
        box = tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))
        picture, inside, clear = naive_picture(plan.oblique, level, self.arrays[level])
        return picture[box], inside[box], clear[box]

    def compare(self, plan: Plan, picture: NDArray[Any]) -> None:
        """The finished picture is what NumPy indexing says, where that is beyond doubt."""
        expected, _, clear = self.expected(plan, plan.target.level)
        np.testing.assert_array_equal(picture[clear], expected[clear])


@st.composite
def cut_scenes(draw: st.DrawFn, *, views: int = 1, holes: bool = False) -> Cuts:
    scene = draw(scenes(views=0, volume=True, holes=holes))
    image = scene.image
    if draw(st.booleans()):
        placement = draw(askew_maps(image.pyramid.axis_names))
        image = replace(image, pyramid=replace(image.pyramid, placement=placement))
    made = [draw(_views(image)) for _ in range(views)]
    return Cuts(image, scene.arrays, made)


@st.composite
def _views(draw: st.DrawFn, image: Any) -> View:
    low, high = image.pyramid.extent()
    center = dict(zip("zyx", (low + (high - low) * draw(st.sampled_from([0.3, 0.5, 0.61]))).tolist(), strict=True))
    canvas = draw(st.tuples(st.integers(4, 30), st.integers(4, 30)))
    zoom = draw(st.sampled_from([0.5, 1.0, 2.0, 5.0])) * min(canvas) / float((high - low).max())
    if image.pyramid.placement is not None and draw(st.booleans()):
        thick = {"z": float(draw(st.sampled_from([0.0, 1.3, 4.0])))}
        shown = {name: center[name] for name in "yx"}
        projection = draw(st.sampled_from(PROJECTIONS))
        view = View.plane(
            image, ("y", "x"), {"z": center["z"]}, canvas, center=shown, zoom=zoom, margins=thick, projection=projection
        )
    else:
        parts = st.tuples(*[st.integers(-3, 3)] * 3)
        down, right = draw(parts), draw(parts)
        assume(np.linalg.matrix_rank(np.array([down, right])) == 2)
        view = View.oblique(image, [down, right], "zyx", canvas=canvas, center=center, zoom=zoom)
    assume(find_oblique(image.pyramid, view) is not None)
    return view
