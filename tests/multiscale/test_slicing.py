"""Pictures out of arrays by an index, against the whole level resampled in the world and indexed there."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from placed import ExactLevel, aligned_maps, arrays_of, image, levels, names_of_axes
from viewed import ANGLES, ZYX, WorldGrid, aligned_scenes, flipped, halved, margins, positions

from brickstream.errors import ViewError
from brickstream.multiscale import Affine, Budget, Camera, Level, Pyramid, View, plan_view
from brickstream.multiscale.corners import corner_pixels
from brickstream.multiscale.dims import Dims
from brickstream.multiscale.projections import project, projected_dtype
from brickstream.multiscale.slicing import SliceIndex, resample, slice_index
from brickstream.multiscale.view import PROJECTIONS

Array = NDArray[Any]


# ---- random transforms, axes, dims and margins


@st.composite
def dims_scenes(draw: st.DrawFn) -> tuple[Pyramid, View]:
    """What sliders make of an image: lines, planes, and volumes of which all is in view."""
    names = draw(names_of_axes())
    pyramid = image(names, draw(levels(len(names), longest=6)), draw(aligned_maps(names)))
    ndisplay = draw(st.integers(1, min(3, len(names))))
    dims = Dims.of(pyramid).with_displayed(*draw(st.permutations(names))[:ndisplay])
    dims = dims.with_point(draw(positions(pyramid))).with_margins(dict(draw(margins(pyramid, list(names)))))
    projection = draw(st.sampled_from(PROJECTIONS))
    if ndisplay == 3:
        return pyramid, dims.view(pyramid, camera=Camera(draw(ANGLES), 20.0), projection=projection)
    canvas = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    zoom = draw(st.sampled_from([0.25, 1.0, 3.7])) / float(pyramid.scales[0].min())
    center = {name: value for name, value in draw(positions(pyramid)).items() if name in dims.displayed}
    return pyramid, dims.view(pyramid, canvas, center=center, zoom=zoom, projection=projection)


def expected_picture(pyramid: Pyramid, view: View, level: int, array: Array) -> Array | None:
    """The level resampled in the world, indexed by NumPy; None where nothing is in view."""
    grid = WorldGrid(pyramid, view, level)
    if grid.empty:
        return None
    world = grid.resampled(array)[np.ix_(*(grid.shown[name] for name in grid.names))]
    hidden = tuple(i for i, name in enumerate(grid.names) if name not in view.displayed)
    if view.thick:
        world = getattr(np, view.projection)(world, axis=hidden, keepdims=True)
    left = [name for name in grid.names if name in view.displayed]
    return np.asarray(world.squeeze(hidden).transpose([left.index(name) for name in view.displayed]))


@pytest.mark.oracle
@given(st.one_of(aligned_scenes(), dims_scenes()))
def test_a_slice_is_what_numpy_indexing_of_the_full_world_resampling_says(scene: tuple[Pyramid, View]) -> None:
    pyramid, view = scene
    for level, array in enumerate(arrays_of(pyramid)):
        index = slice_index(pyramid, view, level)
        picture = index.take(array)
        assert picture.shape == index.shape
        assert picture.dtype == (projected_dtype(array.dtype, view.projection) if view.thick else array.dtype)
        expected = expected_picture(pyramid, view, level, array)
        assert index.empty == (expected is None)
        if expected is None:
            assert picture.size == 0
        else:
            np.testing.assert_array_equal(picture, expected, strict=True)


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
    found: dict[str, list[int]] = {"dims": [], "view": [], "plan": [], "resampled": []}
    array = np.broadcast_to(np.arange(4, dtype=np.uint8)[:, None, None], (4, 2, 2))
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
        found["resampled"] += np.unique(resample(array, pyramid, view, 1)[0]).tolist()
    assert found == dict.fromkeys(found, planes)


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
    assert slice_index(pyramid, view, 0).take(array).tolist() == [3, 3, 3]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_an_image_that_is_turned_by_right_angles_is_a_slice_too(turns: int) -> None:
    c, s = np.cos(np.radians(90.0 * turns)), np.sin(np.radians(90.0 * turns))  # with the noise that such numbers have
    linear = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    pyramid = halved(Affine(("z", "y", "x"), ("z", "y", "x"), linear, np.array([0.0, 10.0, 20.0])))
    array = np.random.default_rng(1).integers(0, 255, (8, 4, 4), dtype=np.uint8)
    view = View.plane(pyramid, point={"z": 5.0}, margins={"z": (0.0, 1.0)}, projection="max")
    picture = slice_index(pyramid, view, 0).take(array)
    assert picture.tolist() == np.rot90(array[5:7].max(axis=0), turns).tolist()


def test_nothing_in_view_is_said_so_and_has_no_pixels() -> None:
    pyramid = halved()
    view = View.plane(pyramid, center=(1e3, 0.0), zoom=1.0, canvas=(4, 4), margins={"z": 1.0}, projection="max")
    index = slice_index(pyramid, view, 0)
    assert index.empty
    picture = index.take(np.zeros((8, 4, 4), ">u2"))
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
        picture = index.take(array)
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


# ---- what is read, and of which type


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
    picture = slice_index(pyramid, view, 0).take(array)
    shown, inside = resample(array, pyramid, view, 0)
    thick = View.plane(pyramid, ("x", "z"), canvas=(8, 4), zoom=1.0, margins={"y": 100.0}, projection="max")
    largest = slice_index(pyramid, thick, 0).take(array)
    assert picture.dtype == shown.dtype == largest.dtype == dtype
    assert inside.all()
    assert picture.tobytes() == shown.tobytes() == expected.tobytes()
    assert largest.tobytes() == array[::-1].max(axis=1).T.astype(dtype).tobytes()


@pytest.mark.parametrize("label", [2**24 + 1, 2**53 + 1, 2**64 - 1])
def test_label_ids_above_what_floats_hold_keep_their_last_bit(label: int) -> None:
    array = np.full((8, 4, 4), label, np.uint64)
    pyramid = halved()
    view = View.plane(pyramid, margins={"z": 10.0}, projection="max")
    assert set(slice_index(pyramid, view, 0).take(array).ravel().tolist()) == {label}
    picture, inside = resample(array, pyramid, View.oblique(pyramid, [(1, 1, 0), (0, 0, 1)]), 0)
    assert set(picture[inside].tolist()) == {label}
    assert project(array, (0, 1, 2), "min").item() == label


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p, v: slice_index(p, v, 2), "no level 2"),
        (lambda p, v: resample(np.zeros((8, 4, 4)), p, v, -1), "no level -1"),
        (lambda p, v: resample(np.zeros((8, 4, 4)), p, v, 0, "cubic"), "no order 'cubic'"),
        (lambda p, v: slice_index(p, v, 0).take(np.zeros((8, 3, 4))), "another shape than its level"),
        (lambda p, v: resample(np.zeros((8, 3, 4)), p, v, 0), "another shape"),
        (lambda p, v: slice_index(p, View.oblique(p, [(1, 1, 0), (0, 0, 1)]), 0), "resample shows it"),
        (lambda p, v: slice_index(p, View.plane(p, margins={"z": 1}), 0).take(np.zeros((8, 4, 4), "c8")), "projected"),
    ],
)
def test_what_cannot_be_sliced_is_refused(call: Any, words: str) -> None:
    pyramid = halved()
    with pytest.raises(ViewError, match=words):
        call(pyramid, View.plane(pyramid))


def test_slice_indices_are_values() -> None:
    view = View.plane(halved())
    assert slice_index(halved(), view, 1) == slice_index(halved(), view, 1)
    assert slice_index(halved(), view, 1) == SliceIndex((2, slice(0, 2), slice(0, 2)), (), (0, 1), ())
