"""Pictures of views that cut across the pixels, against models that carry every canvas pixel into the image."""

from fractions import Fraction
from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from placed import HALF, SAME, ExactLevel, arrays_of, askew_maps, holders, image, levels, names_of_axes
from viewed import ZYX, WorldGrid, aligned_scenes, askew_scenes, halved, positions, world_of

from brickstream.errors import ViewError
from brickstream.multiscale import Affine, Level, Pyramid, View
from brickstream.multiscale.corners import corner_pixels
from brickstream.multiscale.projections import projected_dtype
from brickstream.multiscale.slicing import resample, sample_points, slice_index
from brickstream.multiscale.view import PROJECTIONS

Array = NDArray[Any]


def naive_projection(values: list[Any], projection: str) -> Any:
    if projection == "mean":
        return float(sum(map(Fraction, values)) / len(values))
    return {"max": max, "min": min, "sum": sum}[projection](values)


def naive_values(
    finest: ExactLevel, level: ExactLevel, world: list[Fraction], array: Array, free: list[int]
) -> set[Any]:
    """What may be shown at a place of the world; on `free` axes alone it is asked whether that is in the image."""
    place, level_place = finest.pixel(world), level.pixel(world)
    inside = {pixel is not None for pixel in holders([place[a] for a in free], tuple(finest.shape[a] for a in free))}
    found: set[Any] = {None} if False in inside else set()
    if True in inside:
        for axis, n in enumerate(level.shape):
            if axis not in free:  # the pixel at the point: half-up, clamped
                level_place[axis] = Fraction(min(max(floor(level_place[axis] + HALF + SAME), 0), n - 1))
        found |= {None if pixel is None else array[pixel].item() for pixel in holders(level_place, level.shape)}
    return found


def varying(finest: ExactLevel, pyramid: Pyramid, view: View) -> list[int]:
    """Axes of the array along which a step on the canvas, or through a thickness, makes a difference."""
    start = finest.pixel(world_of(pyramid, view, 0, 0))
    others = [finest.pixel(world_of(pyramid, view, 1, 0)), finest.pixel(world_of(pyramid, view, 0, 1))]
    if view.ndisplay == 1:
        others.pop(0)
    return [a for a in range(pyramid.ndim) if any(abs(other[a] - start[a]) > SAME / 1000 for other in others)]


@pytest.mark.oracle
@given(askew_scenes())
def test_a_resampled_pixel_is_the_one_that_holds_its_centre(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    view = View.from_dict(view.to_dict() | {"margins": {}})
    finest = ExactLevel(pyramid, 0)
    free = varying(finest, pyramid, view)
    hidden = [a for a in range(pyramid.ndim) if a not in free]
    center = finest.pixel(world_of(pyramid, view, 0, 0))
    beside = any(not -HALF - SAME <= center[a] <= finest.shape[a] - HALF + SAME for a in hidden)
    for level, array in enumerate(arrays_of(pyramid)):
        picture, inside = resample(array, pyramid, view, level)
        assert picture.dtype == array.dtype
        assert picture.shape == inside.shape == (1 if view.ndisplay == 1 else view.canvas[1], view.canvas[0])
        part = ExactLevel(pyramid, level)
        for row, column in np.ndindex(picture.shape):
            world = world_of(pyramid, view, row, column)
            expected = {None} if beside else naive_values(finest, part, world, array, free)
            assert (picture[row, column].item() if inside[row, column] else None) in expected
            assert inside[row, column] or picture[row, column] == 0


@pytest.mark.oracle
@given(st.data())
def test_a_thick_slice_of_a_rotated_image_is_taken_from_samples_across_it(data: st.DataObject) -> None:
    names = data.draw(names_of_axes(3, 3))
    pyramid = image(names, data.draw(levels(3, most=2)), data.draw(askew_maps(names)))
    place, shown = data.draw(positions(pyramid, beyond=0.0)), names[:2]
    linear = pyramid.placement.linear if pyramid.placement is not None else np.eye(3)
    across = np.linalg.inv(linear)[:, 2]
    pixel = 1 / float(np.abs(across / pyramid.scales[0]).max())
    reach = tuple(r * pixel for r in data.draw(st.tuples(*[st.sampled_from([0.4, 1.3, 3.1])] * 2)))
    view = View(
        shown,
        ((names[2], place[names[2]]),),
        (4, 3),
        (place[shown[0]], place[shown[1]]),
        1 / float(pyramid.scales[0].min()),
        margins=((names[2], reach),),
        projection=data.draw(st.sampled_from(PROJECTIONS)),
    )
    # Only where the thickness is no axis of the array's own are there samples.
    assume((np.abs(across) > 1e-9).sum() > 1 or (np.abs(linear[2]) > 1e-9).sum() > 1)
    finest = ExactLevel(pyramid, 0)
    for level, array in enumerate(arrays_of(pyramid)):
        picture, inside = resample(array, pyramid, view, level)
        assert picture.dtype == projected_dtype(array.dtype, view.projection)
        low, high = pyramid.extent()[:, 2] - place[names[2]]
        low, high = max(low, -reach[0]), min(high, reach[1])
        count = ceil((high - low) * np.abs(across / pyramid.scales[level]).max() - 1e-9)
        part = ExactLevel(pyramid, level)
        for row, column in np.ndindex(picture.shape):
            world = world_of(pyramid, view, row, column)
            middle = world[2]
            samples = []
            for i in range(count):
                world[2] = middle + Fraction(low) + (i + HALF) * Fraction(high - low) / count
                samples.append(naive_values(finest, part, world, array, [0, 1, 2]))
            if any(len(sample) > 1 for sample in samples):
                continue  # a sample on an edge may be of either pixel
            values = [value for sample in samples for value in sample if value is not None]
            assert inside[row, column] == bool(values)
            if values:
                assert picture[row, column].item() == naive_projection(values, view.projection)


def near_pixels(grid: WorldGrid, view: View, world: dict[str, Fraction]) -> list[tuple[int, ...]]:
    """Indices into the picture of an aligned view of the pixels that a place may lie in."""
    near = []
    for name in view.displayed:
        half, shown = grid.unit(name) / 2 * (1 + SAME), [grid.centers[name][i] for i in grid.shown[name]]
        near.append([i for i, center in enumerate(shown) if abs(world[name] - center) <= half])
    return list(product(*near))


@pytest.mark.oracle
@given(aligned_scenes())
def test_resampling_an_aligned_view_finds_the_pixels_of_its_slice(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    for level, array in enumerate(arrays_of(pyramid)):
        index = slice_index(pyramid, view, level)
        picture, inside = resample(array, pyramid, view, level)
        sliced = index.take(array)
        assert picture.dtype == sliced.dtype
        if index.empty:
            assert not inside.any()
            continue
        grid = WorldGrid(pyramid, view, level)
        for place in zip(*np.nonzero(inside), strict=True):
            world = dict(zip(pyramid.axis_names, world_of(pyramid, view, *map(int, place)), strict=True))
            assert picture[place].item() in {sliced[near].item() for near in near_pixels(grid, view, world)}


@given(askew_scenes())
def test_sample_points_are_where_the_canvas_pixels_are(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    points = sample_points(view)
    assert points.shape == (1 if view.ndisplay == 1 else view.canvas[1], view.canvas[0], len(view.displayed))
    for row, column in np.ndindex(points.shape[:2]):
        world = dict(zip(pyramid.axis_names, world_of(pyramid, view, row, column), strict=True))
        expected = [float(world[name]) for name in view.displayed]
        np.testing.assert_allclose(points[row, column], expected, rtol=1e-12, atol=1e-9)


def test_a_volume_has_no_canvas_in_the_world() -> None:
    view = View.volume(halved())
    with pytest.raises(ViewError, match="volume"):
        sample_points(view)
    with pytest.raises(ViewError, match="volume"):
        resample(np.zeros((8, 4, 4)), halved(), view, 0)


# ---- the whole world at once


@pytest.mark.oracle
@given(st.data())
def test_a_plane_is_what_numpy_indexing_of_the_full_world_resampling_says(data: st.DataObject) -> None:
    """A lattice over the world, along its axes: every plane of it is the picture of a view, and every column a line's.

    Lattice points near an edge of the image or of a pixel may be either side's, and are left out. A level that ends
    early shows nothing there, but on axes that the picture does not vary along it has its last pixel.
    """
    names = data.draw(names_of_axes(2, 3))
    pyramid = image(names, data.draw(levels(len(names), longest=6, most=2)), data.draw(askew_maps(names)))
    low, high = pyramid.extent()
    spacing = data.draw(st.sampled_from([0.31, 0.77])) * float((high - low).max()) / 5
    counts = np.minimum(np.ceil((high - low) / spacing), 12).astype(int) + 2
    lattice = np.stack(np.meshgrid(*[np.arange(n) for n in counts], indexing="ij"), axis=-1)
    start = (low + high - (counts - 1) * spacing) / 2
    placement = pyramid.placement
    assert placement is not None
    own = (lattice * spacing + start - placement.offset) @ np.linalg.inv(placement.linear).T
    shown = data.draw(st.permutations(names))[: data.draw(st.integers(1, 2))]
    steps = np.linalg.inv(placement.linear)[:, [names.index(name) for name in shown]]
    still = (np.abs(steps) < 1e-12).all(axis=1)
    at = {name: data.draw(st.integers(0, int(n) - 1)) for name, n in zip(names, counts, strict=True)}
    sides = dict(zip(names, counts.tolist(), strict=True))
    where = dict(zip(names, start.tolist(), strict=True))
    view = View(
        tuple(shown),
        tuple((name, where[name] + at[name] * spacing) for name in names if name not in shown),
        (sides[shown[-1]], sides[shown[0]] if len(shown) == 2 else 1),
        tuple(where[name] + (sides[name] - 1) / 2 * spacing for name in shown),
        1 / spacing,
    )
    for level, array in enumerate(arrays_of(pyramid)):
        places = [(own - pyramid.translations[k]) / pyramid.scales[k] + 0.5 for k in (0, level)]
        clear = np.all([np.abs(place - np.rint(place)) > 1e-6 for place in places], axis=(0, -1))
        within = [(p >= 0) & (p < pyramid.shapes[k]) for p, k in zip(places, (0, level), strict=True)]
        inside = (within[0] & (within[1] | still)).all(axis=-1)
        pixels = np.clip(np.floor(places[1]).astype(int), 0, pyramid.shapes[level] - 1)
        world = np.where(inside, array[tuple(np.moveaxis(pixels, -1, 0))], 0)
        index = tuple(slice(None) if name in shown else at[name] for name in names)
        order = np.argsort(np.argsort([names.index(name) for name in shown]))
        picture, seen = resample(array, pyramid, view, level)
        expected, there, sure = (np.atleast_2d(a[index].transpose(order)) for a in (world, inside, clear))
        np.testing.assert_array_equal(picture[sure], expected[sure])
        np.testing.assert_array_equal(seen[sure], there[sure])


# ---- linear


def test_linear_resampling_is_exact_for_a_ramp_and_flat_beyond_the_last_centres() -> None:
    z, y, x = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in (8, 4, 4)], indexing="ij")
    pyramid = halved()
    view = View.oblique(pyramid, [(1.0, 0.3, 0.0), (0.0, 0.2, 1.0)], canvas=(40, 50), zoom=8.0)
    picture, inside = resample(100 * z + 10 * y + x, pyramid, view, 0, "linear", fill=np.nan)
    points = np.clip(sample_points(view), 0, [7, 3, 3])
    assert (picture.dtype, 0 < inside.sum() < inside.size) == (np.float64, True)
    np.testing.assert_allclose(picture[inside], (points @ [100, 10, 1])[inside], rtol=0, atol=1e-9)
    assert np.isnan(picture[~inside]).all()


@pytest.mark.oracle
@given(askew_scenes(), st.integers(0, 2**32 - 1))
def test_linear_resampling_weighs_the_nearest_centres_along_every_axis(scene: tuple[Pyramid, View], seed: int) -> None:
    """As many neighbours as the array has, each with the weight that its distance along the axes gives it."""
    pyramid, view = scene
    view = View.from_dict(view.to_dict() | {"margins": {}})
    array = np.random.default_rng(seed).random(pyramid.shapes[0])
    picture, inside = resample(array, pyramid, view, 0, "linear")
    assert picture.dtype == np.float64
    finest = ExactLevel(pyramid, 0)
    free = varying(finest, pyramid, view)
    for row, column in zip(*(places.tolist() for places in np.nonzero(inside)), strict=True):
        weights = []
        for axis, place in enumerate(finest.pixel(world_of(pyramid, view, row, column))):
            n = pyramid.levels[0].shape[axis]
            near = min(max(float(place), 0.0), n - 1) if axis in free else float(floor(place + HALF + SAME))
            weights.append(np.maximum(0, 1 - np.abs(np.arange(n) - min(max(near, 0.0), n - 1))))
        expected = array
        for weight in weights:
            expected = np.tensordot(weight, expected, axes=(0, 0))
        assert picture[row, column] == pytest.approx(float(expected), abs=1e-7)


@pytest.mark.parametrize("far", [0.0, 1e7, -1e7])
def test_places_on_the_edges_of_pixels_are_all_taken_to_the_same_side(far: float) -> None:
    """Canvas pixels half a pixel off: float noise must not show one pixel twice and another not at all."""
    pyramid = Pyramid("row", ZYX[2:], (Level("0", (90,), np.dtype("i8"), (9,), (0.1,), (far,)),))
    view = View.line(pyramid, "x", length=80, zoom=10.0, center=far + 4.0)
    picture, inside = resample(np.arange(90), pyramid, view, 0)
    assert inside.all()
    assert picture.tolist() == [list(range(1, 81))]


def test_a_neighbour_without_weight_has_no_say() -> None:
    pyramid = Pyramid("row", ZYX[2:], (Level("0", (3,), np.dtype("f4"), (3,), (1.0,), (0.0,)),))
    picture, _ = resample(np.array([1.0, 2.0, np.nan]), pyramid, View.line(pyramid, "x", length=3), 0, "linear")
    assert picture.tolist()[0][:2] == [1.0, 2.0]
    assert np.isnan(picture[0, 2])


# ---- what is read, and of which type


class OneRead:
    """An array that says which pixels were asked for."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.asked: list[tuple[int | slice, ...]] = []

    def __getitem__(self, index: tuple[int | slice, ...]) -> Array:
        self.asked.append(index)
        return np.asarray(self.array[index])


@given(askew_scenes())
def test_one_read_of_the_corner_pixels_and_none_where_nothing_is_in_view(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    for level, array in enumerate(arrays_of(pyramid)):
        corners = corner_pixels(pyramid, view, level)
        source = OneRead(array)
        resample(source, pyramid, view, level)
        if not len(corners):
            assert source.asked == []
            continue
        (index,) = source.asked
        parts = [[p.start, p.stop - 1] if isinstance(p, slice) else [p, p] for p in index]
        assert parts == corners.T.tolist()


def test_fill_is_what_lies_outside() -> None:
    pyramid = halved()
    view = View.plane(pyramid, canvas=(8, 8), zoom=1.0)
    picture, inside = resample(np.ones((8, 4, 4), np.int16), pyramid, view, 0, fill=-7)
    assert (picture == np.where(inside, 1, -7)).all()
    assert inside.sum() == 16
    with pytest.raises(ViewError, match="fill"):
        resample(np.ones((8, 4, 4), np.uint8), pyramid, view, 0, fill=float("nan"))


def test_a_coarser_level_that_ends_early_or_late_shows_nothing_beside_itself_nor_beside_the_image() -> None:
    parts = (
        Level("0", (7,), np.dtype("u1"), (7,), (1.0,), (0.0,)),
        Level("1", (3,), np.dtype("u1"), (3,), (2.0,), (0.5,)),
        Level("2", (2,), np.dtype("u1"), (2,), (4.0,), (1.5,)),
    )
    pyramid = Pyramid("ends", ZYX[2:], parts)
    view = View.line(pyramid, "x", length=10, zoom=1.0, center=3.5)
    seen = [resample(np.ones(n, np.uint8), pyramid, view, level)[1][0].sum() for level, n in enumerate((7, 3, 2))]
    assert seen == [7, 6, 7]


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_planes_that_lie_along_an_axis_are_taken_together_as_they_are_however_the_rest_is_turned(
    projection: str,
) -> None:
    c, s = np.cos(np.radians(30.0)), np.sin(np.radians(30.0))
    linear = np.array([[-1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    pyramid = halved(Affine(("z", "y", "x"), ("z", "y", "x"), linear, np.zeros(3)))
    array = np.random.default_rng(2).integers(0, 255, (8, 4, 4), dtype=np.uint8)
    view = View.plane(pyramid, canvas=(9, 9), point={"z": -3.0}, margins={"z": (0.6, 1.5)}, projection=projection)
    picture, inside = resample(array, pyramid, view, 0)
    # From z = -3.6 to -1.5: planes 2, 3 and 4, where plane i covers from -i - 0.5 to -i + 0.5.
    planes = np.broadcast_to(getattr(array[2:5], projection)(axis=0), (8, 4, 4))
    thin = View.plane(pyramid, canvas=(9, 9), point={"z": -3.0})
    expected, there = resample(planes, pyramid, thin, 0)
    np.testing.assert_array_equal(inside, there)
    np.testing.assert_array_equal(picture, expected, strict=True)


def test_margins_beyond_all_bounds_cost_no_more_than_the_image() -> None:
    c = np.cos(np.radians(30.0))
    linear = np.array([[c, -0.5, 0.0], [0.5, c, 0.0], [0.0, 0.0, 1.0]])
    pyramid = halved(Affine(("z", "y", "x"), ("z", "y", "x"), linear, np.zeros(3)))
    view = View.plane(pyramid, canvas=(6, 6), margins={"z": 1e70}, projection="sum")
    picture, inside = resample(np.ones((8, 4, 4), np.uint8), pyramid, view, 0)
    assert inside.any()
    assert picture.max() <= 12
    assert slice_index(halved(), view, 0).index[0] == slice(0, 8)
