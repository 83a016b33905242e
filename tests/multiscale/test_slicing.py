"""Pictures out of arrays, against models that carry every pixel into the world and back in exact arithmetic."""

from fractions import Fraction
from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from placed import (
    HALF,
    SAME,
    ExactLevel,
    aligned_maps,
    arrays_of,
    askew_maps,
    exact,
    holders,
    image,
    levels,
    names_of_axes,
)

from brickstream.errors import ViewError
from brickstream.multiscale import Affine, Axis, Budget, Camera, Level, Pyramid, View, plan_view
from brickstream.multiscale.corners import corner_pixels
from brickstream.multiscale.dims import Dims
from brickstream.multiscale.projections import project, projected_dtype
from brickstream.multiscale.slicing import SliceIndex, resample, sample_points, slice_index, take
from brickstream.multiscale.view import PROJECTIONS

Array = NDArray[Any]
ZYX = tuple(Axis(name, "space") for name in "zyx")
SMALL = st.integers(1, 7)


# ---- random views


@st.composite
def positions(draw: st.DrawFn, pyramid: Pyramid, beyond: float = 0.1) -> dict[str, float]:
    """A world position on every axis, now and then beside the image."""
    low, high = pyramid.extent()
    shares = draw(st.tuples(*[st.integers(0, 16)] * pyramid.ndim))
    size = (high - low) * (1 + 2 * beyond)
    return dict(
        zip(pyramid.axis_names, (low - beyond * (high - low) + size * np.array(shares) / 16).tolist(), strict=True)
    )


@st.composite
def margins(draw: st.DrawFn, pyramid: Pyramid, names: list[str]) -> tuple[tuple[str, tuple[float, float]], ...]:
    """Thickness in halves of a pixel of level 0, on some axes."""
    reach = st.tuples(*[st.sampled_from([0, 1, 2, 3, 7])] * 2)
    thick = {name: draw(reach) for name in names if draw(st.booleans())}
    scales = {name: float(pyramid.scales[0, pyramid.axis_index(name)]) / 2 for name in thick}
    return tuple((name, (b * scales[name], a * scales[name])) for name, (b, a) in thick.items())


@st.composite
def flat_views(draw: st.DrawFn, pyramid: Pyramid) -> View:
    """A line or a plane on any axes."""
    shown = draw(st.permutations(pyramid.axis_names))[: draw(st.integers(1, min(2, pyramid.ndim)))]
    place = draw(positions(pyramid))
    others = [name for name in pyramid.axis_names if name not in shown]
    scale = float(pyramid.scales[0].min())
    return View(
        tuple(shown),
        tuple((name, place[name]) for name in others),
        (draw(SMALL), draw(SMALL) if len(shown) > 1 else 1),
        tuple(place[name] for name in shown),
        draw(st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.7])) / scale,
        margins=draw(margins(pyramid, others)),
        projection=draw(st.sampled_from(PROJECTIONS)),
    )


@st.composite
def aligned_scenes(draw: st.DrawFn) -> tuple[Pyramid, View]:
    names = draw(names_of_axes())
    pyramid = image(names, draw(levels(len(names))), draw(aligned_maps(names)))
    return pyramid, draw(flat_views(pyramid))


# ---- the naive picture of an aligned view


def overlap(one: tuple[Fraction, Fraction], other: tuple[Fraction, Fraction]) -> Fraction:
    return min(one[1], other[1]) - max(one[0], other[0])


class NaiveSlice:
    """By axis of the world: which pixels, each as (position in the world, index), in the world's direction."""

    def __init__(self, pyramid: Pyramid, view: View, level: int) -> None:
        self.finest, self.exact = ExactLevel(pyramid, 0), ExactLevel(pyramid, level)
        self.names = pyramid.axis_names
        width, height = (Fraction(side) / Fraction(view.zoom) for side in view.canvas)
        sizes = dict(zip(view.displayed, (height, width)[-view.ndisplay :], strict=True))
        middles = dict(zip(view.displayed, view.center, strict=True))
        point, margins = dict(view.point), dict(view.margins)
        self.centers: dict[str, list[Fraction]] = {}
        for axis, name in enumerate(self.names):
            if name in sizes:
                middle = Fraction(middles[name])
                window = middle - sizes[name] / 2, middle + sizes[name] / 2
            else:
                below, above = margins.get(name, (0.0, 0.0))
                window = Fraction(point[name]) - Fraction(below), Fraction(point[name]) + Fraction(above)
            self.centers[name] = self.find(axis, window)

    @property
    def empty(self) -> bool:
        return not all(self.centers.values())

    def unit(self, name: str) -> Fraction:
        """World length of a pixel."""
        axis = self.names.index(name)
        return self.exact.scale[next(j for j, factor in enumerate(self.exact.linear[axis]) if factor)]

    def find(self, axis: int, window: tuple[Fraction, Fraction]) -> list[Fraction]:
        source = next(j for j, factor in enumerate(self.exact.linear[axis]) if factor)
        unit = self.exact.scale[source]
        whole = self.span(self.finest, axis, source, -HALF, self.finest.shape[source] - HALF)
        if window[0] == window[1]:
            if not whole[0] - SAME * unit <= window[0] <= whole[1] + SAME * unit:
                return []
            place = self.place(self.exact, axis, source, window[0])
            pixel = min(max(floor(place + HALF + SAME), 0), self.exact.shape[source] - 1)
            return [self.span(self.exact, axis, source, Fraction(pixel), Fraction(pixel))[0]]
        seen = max(window[0], whole[0]), min(window[1], whole[1])
        if seen[1] - seen[0] <= SAME * unit:
            return []
        count = self.exact.shape[source]
        spans = [self.span(self.exact, axis, source, i - HALF, i + HALF) for i in range(count)]
        shown = [span for span in spans if overlap(span, seen) > SAME * unit]
        if not shown:
            shown = [max(spans, key=lambda span: overlap(span, seen))]
        return sorted((low + high) / 2 for low, high in shown)

    @staticmethod
    def span(level: ExactLevel, axis: int, source: int, first: Fraction, last: Fraction) -> tuple[Fraction, Fraction]:
        pixel = [Fraction(0)] * len(level.shape)
        ends = []
        for pixel[source] in (first, last):
            ends.append(level.world(pixel)[axis])
        return min(ends), max(ends)

    @staticmethod
    def place(level: ExactLevel, axis: int, source: int, position: Fraction) -> Fraction:
        world = level.world([Fraction(0)] * len(level.shape))
        world[axis] = position
        return level.pixel(world)[source]

    def picture(self, array: Array, view: View) -> list[Any]:
        """Values of every place (a list where planes are taken together), nested as the displayed axes are."""
        hidden = [name for name in self.names if name not in view.displayed]

        def values(fixed: dict[str, Fraction]) -> list[Any]:
            found = []
            for planes in product(*(self.centers[name] for name in hidden)):
                world = fixed | dict(zip(hidden, planes, strict=True))
                pixel = self.exact.pixel([world[name] for name in self.names])
                found.append(array[tuple(floor(p + HALF) for p in pixel)].item())
            return found

        return [
            values(dict(zip(view.displayed, place, strict=True)))
            for place in product(*(self.centers[name] for name in view.displayed))
        ]


def naive_projection(values: list[Any], projection: str) -> Any:
    if projection == "mean":
        return float(sum(map(Fraction, values)) / len(values))
    return {"max": max, "min": min, "sum": sum}[projection](values)


@pytest.mark.oracle
@given(aligned_scenes())
def test_a_slice_is_what_every_pixel_of_it_is_when_carried_into_the_world_and_back(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    for level, array in enumerate(arrays_of(pyramid)):
        naive = NaiveSlice(pyramid, view, level)
        index = slice_index(pyramid, view, level)
        picture = take(array, index, view.projection)
        assert index.empty == naive.empty
        assert picture.shape == index.shape
        assert picture.dtype == (projected_dtype(array.dtype, view.projection) if view.thick else array.dtype)
        if index.empty:
            assert picture.size == 0
            continue
        assert index.shape == tuple(len(naive.centers[name]) for name in view.displayed)
        expected = [naive_projection(values, view.projection) for values in naive.picture(array, view)]
        assert picture.ravel().tolist() == expected


@pytest.mark.oracle
@given(aligned_scenes())
def test_a_slice_reads_the_corner_pixels(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    for level in range(len(pyramid.levels)):
        index = slice_index(pyramid, view, level)
        corners = corner_pixels(pyramid, view, level)
        assert index.empty == (not len(corners))
        if not index.empty:
            parts = [(p.start, p.stop - 1) if isinstance(p, slice) else (p, p) for p in index.index]
            assert corners.T.tolist() == [list(part) for part in parts]


@given(aligned_scenes())
def test_a_plan_names_the_pixels_of_the_slice(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    assume(view.ndisplay == 2)
    plan = plan_view(pyramid, view, Budget(10**6, (64, 64)))
    assert plan.empty == slice_index(pyramid, view, 0).empty
    for part in plan.levels:
        index = slice_index(pyramid, view, part.level)
        first, last = part.corner_pixels
        whole = tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))
        array = arrays_of(pyramid)[part.level]
        assert sorted(array[whole].ravel()) == sorted(array[index.index].ravel())


# ---- the planes of a coarser level


def halved(placement: Affine | None = None) -> Pyramid:
    parts = (
        Level("0", (8, 4, 4), np.dtype("u1"), (1, 4, 4), (1.0,) * 3, (0.0,) * 3),
        Level("1", (4, 2, 2), np.dtype("u1"), (1, 2, 2), (2.0,) * 3, (0.5,) * 3),
    )
    return Pyramid("halved", ZYX, parts, placement=placement)


def flipped(offset: float) -> Affine:
    return Affine(("z", "y", "x"), ("z", "y", "x"), np.diag([-1.0, 1.0, 1.0]), np.array([offset, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("placement", "planes"),
    [
        (None, [0, 0, 1, 1, 2, 2, 3, 3]),
        (flipped(7.0), [3, 3, 2, 2, 1, 1, 0, 0]),
    ],
)
def test_the_planes_of_a_level_of_half_the_size_are_each_shown_twice(
    placement: Affine | None, planes: list[int]
) -> None:
    pyramid = halved(placement)
    dims = Dims.of(pyramid)
    found: dict[str, list[int]] = {"dims": [], "view": [], "plan": []}
    for step in range(8):
        view = dims.with_step("z", step).view(pyramid, (4, 4))
        part = slice_index(pyramid, view, 1).index[0]
        assert isinstance(part, int)
        found["dims"].append(part)
        view = View.plane(pyramid, point={"z": float(step)}, canvas=(4, 4), level=1)
        part = slice_index(pyramid, view, 1).index[0]
        assert isinstance(part, int)
        found["view"].append(part)
        first, last = plan_view(pyramid, view, Budget(100, (8, 8))).target.corner_pixels[:, 0].tolist()
        assert first == last
        found["plan"].append(first)
    assert found == {"dims": planes, "view": planes, "plan": planes}


@pytest.mark.parametrize(
    ("point", "margins", "planes"),
    [
        (3.0, (0.0, 0.0), 3),
        (3.0, (0.5, 0.5), [3]),
        (3.0, (1.0, 1.0), [2, 3, 4]),
        (3.0, (0.0, 0.6), [3, 4]),
        (3.5, (0.0, 0.0), 4),
        (3.5, (0.5, 0.0), [3]),
        (3.5, (0.0, 0.25), [4]),
        (0.0, (5.0, 0.5), [0]),
        (7.0, (0.25, 100.0), [7]),
    ],
)
@pytest.mark.parametrize("negative", [False, True])
def test_a_thick_slice_has_the_planes_that_it_overlaps(
    point: float, margins: tuple[float, float], planes: int | list[int], negative: bool
) -> None:
    pyramid = halved(flipped(0.0) if negative else None)
    # The mirror image of the point, and of what lies on either side of it.
    point, margins = (-point, margins[::-1]) if negative else (point, margins)
    view = View.plane(pyramid, point={"z": point}, margins={"z": margins})
    part = slice_index(pyramid, view, 0).index[0]
    assert (list(range(8)[part]) if isinstance(part, slice) else part) == planes


def test_a_negative_scale_has_a_thick_slice_too() -> None:
    linear = Affine(("z", "y"), ("z", "y"), np.diag([-1.0, 1.0]), np.zeros(2))
    parts = (Level("0", (10, 3), np.dtype("u1"), (5, 3), (2.0, 1.0), (0.0, 0.0)),)
    pyramid = Pyramid("negative", ZYX[:2], parts, placement=linear)
    view = View.line(pyramid, "y", point={"z": -4.0}, margins={"z": 2.0}, projection="sum")
    array = np.ones((10, 3), np.uint8)
    assert take(array, slice_index(pyramid, view, 0), "sum").tolist() == [3, 3, 3]


def test_nothing_in_view_is_said_so_and_has_no_pixels() -> None:
    pyramid = halved()
    view = View.plane(pyramid, center=(1e3, 0.0), zoom=1.0, canvas=(4, 4), margins={"z": 1.0})
    index = slice_index(pyramid, view, 0)
    assert index.empty
    picture = take(np.zeros((8, 4, 4), ">u2"), index, "max")
    assert (picture.shape, picture.dtype) == ((0, 0), np.dtype(">u2"))


@pytest.mark.oracle
@given(st.data())
def test_a_volume_is_the_box_around_what_is_in_view(data: st.DataObject) -> None:
    names = data.draw(names_of_axes(3, 4))
    pyramid = image(names, data.draw(levels(len(names), longest=6)), data.draw(aligned_maps(names)))
    shown = tuple(data.draw(st.permutations(names))[:3])
    zoom = data.draw(st.sampled_from([1.0, 4.0])) / float(pyramid.scales[0].max())
    view = View.volume(pyramid, shown, canvas=(5, 4), camera=Camera(data.draw(st.integers(-180, 180)), 20.0), zoom=zoom)
    for level, array in enumerate(arrays_of(pyramid)):
        index = slice_index(pyramid, view, level)
        picture = take(array, index)
        # The world's direction along each axis of the picture, by the pixels themselves.
        naive = ExactLevel(pyramid, level)
        corner = np.argwhere(array == picture[0, 0, 0]).tolist()
        assert len(corner) == 1
        world = naive.world([Fraction(i) for i in corner[0]])
        for axis, name in enumerate(shown):
            if picture.shape[axis] > 1:
                other = np.argwhere(array == picture[tuple(int(a == axis) for a in range(3))]).tolist()
                moved = naive.world([Fraction(i) for i in other[0]])
                change = [b - a for a, b in zip(world, moved, strict=True)]
                assert change[names.index(name)] > 0
                assert [n for n, c in zip(names, change, strict=True) if c] == [name]


# ---- whatever lies askew


@st.composite
def cuts(draw: st.DrawFn, pyramid: Pyramid) -> View:
    """An oblique cut through two or three axes."""
    count = draw(st.integers(2, min(3, pyramid.ndim)))
    shown = tuple(draw(st.permutations(pyramid.axis_names))[:count])
    place = draw(positions(pyramid, beyond=0.0))
    parts = st.integers(-3, 3)
    down, right = draw(st.tuples(*[parts] * count)), draw(st.tuples(*[parts] * count))
    assume(np.linalg.matrix_rank(np.array([down, right])) == 2)
    return View.oblique(
        pyramid,
        [down, right],
        shown,
        point={name: place[name] for name in pyramid.axis_names if name not in shown},
        canvas=(draw(SMALL), draw(SMALL)),
        center={name: place[name] for name in shown},
        zoom=draw(st.sampled_from([0.5, 1.0, 3.7])) / float(pyramid.scales[0].min()),
    )


@st.composite
def askew_scenes(draw: st.DrawFn) -> tuple[Pyramid, View]:
    names = draw(names_of_axes(2, 4))
    placement = draw(st.one_of(aligned_maps(names), askew_maps(names), askew_maps(names)))
    pyramid = image(names, draw(levels(len(names))), placement)
    view = draw(st.one_of(cuts(pyramid), flat_views(pyramid)))
    return pyramid, view


def world_of(pyramid: Pyramid, view: View, row: int, column: int) -> list[Fraction]:
    """World position of the centre of a canvas pixel, on the axes of the image."""
    frame, zoom = [exact(direction) for direction in view.frame()], Fraction(view.zoom)
    by = [(row + HALF - Fraction(view.canvas[1], 2)) / zoom, (column + HALF - Fraction(view.canvas[0], 2)) / zoom]
    known = {name: Fraction(value) for name, value in view.point}
    for i, name in enumerate(view.displayed):
        known[name] = Fraction(view.center[i])
        for step, direction in zip(by[-view.ndisplay :], frame, strict=True):
            known[name] += step * direction[i]
    return [known[name] for name in pyramid.axis_names]


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


@pytest.mark.oracle
@given(aligned_scenes())
def test_resampling_an_aligned_view_finds_the_pixels_of_its_slice(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    for level, array in enumerate(arrays_of(pyramid)):
        index = slice_index(pyramid, view, level)
        picture, inside = resample(array, pyramid, view, level)
        sliced = take(array, index, view.projection)
        assert picture.dtype == sliced.dtype
        if index.empty:
            assert not inside.any()
            continue
        naive = NaiveSlice(pyramid, view, level)
        halves = [naive.unit(name) / 2 for name in view.displayed]
        for place in zip(*np.nonzero(inside), strict=True):
            world = dict(zip(pyramid.axis_names, world_of(pyramid, view, *map(int, place)), strict=True))
            near = [
                [i for i, c in enumerate(naive.centers[name]) if abs(world[name] - c) <= half * (1 + SAME)]
                for name, half in zip(view.displayed, halves, strict=True)
            ]
            assert picture[place].item() in {sliced[index].item() for index in product(*near)}


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


DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2", ">i4", ">u8", ">f4", ">f8"]


@pytest.mark.parametrize("code", DTYPES)
def test_pixels_of_every_type_come_through_bit_for_bit(code: str) -> None:
    dtype = np.dtype(code)
    rng = np.random.default_rng(3)
    array = np.frombuffer(rng.bytes(8 * 4 * 4 * dtype.itemsize), np.dtype(f"u{dtype.itemsize}")).reshape(8, 4, 4)
    array = (array & 1).astype(bool) if dtype.kind == "b" else np.nan_to_num(array.view(dtype)).astype(dtype)
    pyramid = halved(flipped(7.0))
    view = View.plane(pyramid, ("x", "z"), canvas=(8, 4), zoom=1.0)
    expected = array[::-1, 2].T
    picture = take(array, slice_index(pyramid, view, 0))
    shown, inside = resample(array, pyramid, view, 0)
    thick = View.plane(pyramid, ("x", "z"), canvas=(8, 4), zoom=1.0, margins={"y": 100.0}, projection="max")
    largest = take(array, slice_index(pyramid, thick, 0), "max")
    assert picture.dtype == shown.dtype == largest.dtype == dtype
    assert inside.all()
    assert picture.tobytes() == shown.tobytes() == expected.tobytes()
    assert largest.tobytes() == array[::-1].max(axis=1).T.astype(dtype).tobytes()


@pytest.mark.parametrize("label", [2**24 + 1, 2**53 + 1, 2**64 - 1])
def test_label_ids_above_what_floats_hold_keep_their_last_bit(label: int) -> None:
    array = np.full((8, 4, 4), label, np.uint64)
    pyramid = halved()
    view = View.plane(pyramid, margins={"z": 10.0})
    assert set(take(array, slice_index(pyramid, view, 0), "max").ravel().tolist()) == {label}
    picture, inside = resample(array, pyramid, View.oblique(pyramid, [(1, 1, 0), (0, 0, 1)]), 0)
    assert set(picture[inside].tolist()) == {label}
    assert project(array, (0, 1, 2), "min").item() == label


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p, v: slice_index(p, v, 2), "no level 2"),
        (lambda p, v: resample(np.zeros((8, 4, 4)), p, v, -1), "no level -1"),
        (lambda p, v: resample(np.zeros((8, 4, 4)), p, v, 0, "cubic"), "no order 'cubic'"),
        (lambda p, v: take(np.zeros((8, 3, 4)), slice_index(p, v, 0)), "another shape than its level"),
        (lambda p, v: resample(np.zeros((8, 3, 4)), p, v, 0), "another shape"),
        (lambda p, v: slice_index(p, View.oblique(p, [(1, 1, 0), (0, 0, 1)]), 0), "resample shows it"),
        (lambda p, v: take(np.zeros((8, 4, 4), "c8"), slice_index(p, View.plane(p, margins={"z": 1}), 0)), "projected"),
    ],
)
def test_what_cannot_be_sliced_is_refused(call: Any, words: str) -> None:
    pyramid = halved()
    with pytest.raises(ViewError, match=words):
        call(pyramid, View.plane(pyramid))


def test_margins_beyond_all_bounds_cost_no_more_than_the_image() -> None:
    c = np.cos(np.radians(30.0))
    linear = np.array([[c, -0.5, 0.0], [0.5, c, 0.0], [0.0, 0.0, 1.0]])
    pyramid = halved(Affine(("z", "y", "x"), ("z", "y", "x"), linear, np.zeros(3)))
    view = View.plane(pyramid, canvas=(6, 6), margins={"z": 1e70}, projection="sum")
    picture, inside = resample(np.ones((8, 4, 4), np.uint8), pyramid, view, 0)
    assert inside.any()
    assert picture.max() <= 12
    assert slice_index(halved(), view, 0).index[0] == slice(0, 8)


def test_slice_indices_are_values() -> None:
    view = View.plane(halved())
    assert slice_index(halved(), view, 1) == slice_index(halved(), view, 1)
    assert slice_index(halved(), view, 1) == SliceIndex((2, slice(0, 2), slice(0, 2)), (), (0, 1), ())
