"""Planes taken together: against NumPy and Python's own exact sums, in any order and in any parts."""

from fractions import Fraction
from itertools import pairwise
from math import fsum, prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray

from brickstream.errors import ViewError
from brickstream.multiscale.projections import Projection, project, projected_dtype
from brickstream.multiscale.view import PROJECTIONS

Array = NDArray[Any]
WHOLE = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">u2", ">i8", ">u8"]
FLOATS = ["f2", "f4", "f8", ">f4"]
EXACT = st.sampled_from(WHOLE)
# Numbers with few digits: their sums are exact in any order.
SHORT = st.integers(-64, 64).map(lambda n: n / 8)


@st.composite
def blocks(draw: st.DrawFn, codes: list[str] = WHOLE + FLOATS) -> tuple[Array, tuple[int, ...]]:
    """A block of any type, and some of its axes in any order."""
    dtype = np.dtype(draw(st.sampled_from(codes)))
    shape = draw(nps.array_shapes(min_dims=1, max_dims=4, max_side=4))
    elements = SHORT if dtype.kind == "f" else None
    axes = draw(st.permutations(range(len(shape))))[: draw(st.integers(1, len(shape)))]
    return draw(nps.arrays(dtype, shape, elements=elements)), tuple(axes)


def naive(block: Array, axes: tuple[int, ...], projection: str) -> list[Any]:
    """Value by value, in Python."""
    planes = np.moveaxis(block, axes, range(len(axes)))
    count = prod(planes.shape[: len(axes)])
    columns = planes.reshape(count, -1).T.tolist()
    if projection in {"max", "min"}:
        return [max(column) if projection == "max" else min(column) for column in columns]
    sums = [sum(map(Fraction, column)) for column in columns]
    if projection == "mean":
        return [float(Fraction(total) / count) for total in sums]
    ends = np.iinfo(np.uint64 if block.dtype.kind == "u" else np.int64)
    return [min(max(total, ends.min), ends.max) for total in sums]


@pytest.mark.oracle
@given(blocks(), st.sampled_from(PROJECTIONS))
def test_a_projection_is_what_python_makes_of_every_pixel(sample: tuple[Array, tuple[int, ...]], kind: str) -> None:
    block, axes = sample
    picture = project(block, axes, kind)
    assert picture.dtype == projected_dtype(block.dtype, kind)
    assert picture.shape == tuple(n for axis, n in enumerate(block.shape) if axis not in axes)
    expected = naive(block, axes, kind)
    if kind == "mean" and block.dtype.kind == "f":
        expected = np.array(expected).astype(block.dtype).tolist()
    if kind == "mean" and block.dtype.itemsize == 8 and block.dtype.kind != "f":
        # A sum of more than 53 bits is rounded before it is divided.
        np.testing.assert_allclose(picture.ravel(), expected, rtol=3e-16)
    else:
        assert picture.ravel().tolist() == expected


@given(blocks(), st.sampled_from(PROJECTIONS))
def test_a_projection_is_what_numpy_says_where_numpy_does_not_overflow(
    sample: tuple[Array, tuple[int, ...]], kind: str
) -> None:
    block, axes = sample
    block = block if block.dtype.itemsize < 8 or block.dtype.kind == "f" else block >> 8
    wide = block if kind in {"max", "min"} or block.dtype.kind != "f" else block.astype(np.float64)
    np.testing.assert_array_equal(
        project(block, axes, kind),
        np.asarray(getattr(wide, kind)(axis=axes), dtype=projected_dtype(block.dtype, kind)),
        strict=True,
    )


@st.composite
def parts(draw: st.DrawFn, shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Boxes that fill a shape, each place once, in any order."""
    boxes: list[tuple[slice, ...]] = [()]
    for n in shape:
        cuts = sorted({0, n, *draw(st.lists(st.integers(0, n), max_size=2))})
        boxes = [(*box, slice(a, b)) for box in boxes for a, b in pairwise(cuts)]
    return list(draw(st.permutations(boxes)))


def in_parts(block: Array, axes: tuple[int, ...], kind: str, boxes: list[tuple[slice, ...]]) -> Projection:
    kept = [axis for axis in range(block.ndim) if axis not in axes]
    gathered = Projection.begin([block.shape[axis] for axis in kept], block.dtype, kind)
    for box in boxes:
        gathered.merge(block[box], axes, tuple(box[axis] for axis in kept))
    return gathered


@pytest.mark.oracle
@given(st.data(), st.sampled_from(PROJECTIONS))
def test_in_parts_and_in_any_order_it_is_the_same_to_the_last_bit(data: st.DataObject, kind: str) -> None:
    block, axes = data.draw(blocks())
    gathered = in_parts(block, axes, kind, data.draw(parts(block.shape)))
    assert (gathered.counts == prod(block.shape[axis] for axis in axes)).all()
    np.testing.assert_array_equal(gathered.result(), project(block, axes, kind), strict=True)


REAL = st.floats(-1e9, 1e9, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-2)


@pytest.mark.oracle
@given(st.lists(REAL, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_floats_add_up_to_the_correctly_rounded_sum_in_any_order(numbers: list[float], random: Any) -> None:
    random.shuffle(numbers)
    block = np.array(numbers)
    assert project(block, 0, "sum").item() == fsum(numbers)
    assert project(block, 0, "mean").item() == fsum(numbers) / len(numbers)


def test_floats_that_cancel_leave_what_is_left() -> None:
    assert project(np.array([1e16, 1.0, -1e16]), 0, "sum").item() == 1.0
    assert project(np.array([1e30, 1.0, -1e30, 1e-3], np.float32), 0, "sum").item() == 1.0 + float(np.float32(1e-3))


def test_small_floats_do_not_overflow_on_the_way_to_their_mean() -> None:
    assert project(np.full(100, 65504, np.float16), 0, "mean").item() == 65504.0
    assert project(np.full(100, np.finfo(np.float32).max), 0, "mean").item() == np.finfo(np.float32).max
    assert project(np.full(2, 65504, np.float16), 0, "sum").item() == 131008.0


@pytest.mark.parametrize(
    ("code", "numbers", "total"),
    [
        ("u8", [2**64 - 1, 1], 2**64 - 1),
        ("u8", [2**63, 2**63 - 1], 2**64 - 1),
        ("i8", [2**63 - 1, 1], 2**63 - 1),
        ("i8", [-(2**63), -1], -(2**63)),
        ("i8", [2**63 - 1, 5, -6], 2**63 - 2),
        ("i8", [-(2**63), -7, 9], -(2**63) + 2),
        ("u4", [2**32 - 1] * 3, 3 * (2**32 - 1)),
        ("i1", [-128] * 3, -384),
        ("?", [True, True, False], 2),
    ],
)
def test_sums_do_not_wrap_around(code: str, numbers: list[int], total: int) -> None:
    block = np.array(numbers, dtype=code)
    assert project(block, 0, "sum").item() == total
    assert project(block, 0, "mean").item() == pytest.approx(sum(numbers) / len(numbers), rel=1e-15)


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_what_is_not_a_number_stays_so_and_infinity_is_infinite(kind: str) -> None:
    inf, nan = np.inf, np.nan
    block = np.array([[1.0, 1.0, inf, 1.0], [nan, 2.0, 2.0, -inf], [3.0, 3.0, 3.0, 3.0]])
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        picture = project(block[order], 0, kind)
        expected = getattr(block, kind)(axis=0)
        np.testing.assert_array_equal(picture, expected)
        gathered = Projection((4,), block.dtype, kind)
        for row in order:
            gathered.merge(block[row])
        np.testing.assert_array_equal(gathered.result(), expected)
    assert np.isnan(project(np.array([inf, -inf]), 0, "sum"))


@pytest.mark.parametrize("kind", PROJECTIONS)
@pytest.mark.parametrize("code", WHOLE + FLOATS)
def test_the_type_does_not_depend_on_how_many_planes_there_are(kind: str, code: str) -> None:
    one, many = np.ones((1, 2), code), np.ones((5, 2), code)
    assert project(one, 0, kind).dtype == project(many, 0, kind).dtype == projected_dtype(code, kind)


@pytest.mark.parametrize(
    ("code", "mean", "total"),
    [
        ("?", "f8", "i8"),
        ("u1", "f8", "u8"),
        (">u2", "f8", "u8"),
        ("u8", "f8", "u8"),
        ("i4", "f8", "i8"),
        ("f2", "f2", "f8"),
        ("f4", "f4", "f8"),
        (">f4", ">f4", "f8"),
        (">f8", ">f8", "f8"),
    ],
)
def test_the_type_is_wide_enough(code: str, mean: str, total: str) -> None:
    assert projected_dtype(code, "max") == projected_dtype(code, "min") == np.dtype(code)
    assert (projected_dtype(code, "mean"), projected_dtype(code, "sum")) == (np.dtype(mean), np.dtype(total))


def test_a_picture_of_which_parts_are_missing_says_which() -> None:
    gathered = Projection.begin((2, 3), np.uint8, "mean")
    gathered.merge(np.array([[2, 4]], np.uint8), at=(slice(0, 1), slice(1, 3)))
    gathered.merge(np.array([5], np.uint8), at=np.array([[False, False, True], [False, False, False]]))
    assert gathered.counts.tolist() == [[0, 1, 2], [0, 0, 0]]
    assert gathered.result(fill=-1).tolist() == [[-1.0, 2.0, 4.5], [-1.0, -1.0, -1.0]]


def test_without_axes_a_block_is_its_own_projection() -> None:
    block = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert project(block, (), "mean") is block
    assert project(block, -1, "sum").tolist() == [3, 12]


@pytest.mark.parametrize(
    ("block", "axes", "kind", "words"),
    [
        (np.zeros((2, 2)), 0, "median", "no projection 'median'"),
        (np.zeros((2, 2), complex), 0, "mean", "only numbers"),
        (np.zeros((2, 2), "M8[s]"), 0, "max", "only numbers"),
        (np.zeros((2, 2)), 2, "mean", "axes of a projection"),
        (np.zeros((2, 2)), (0, -2), "max", "axes of a projection"),
        (np.zeros((0, 2)), 0, "max", "at least one plane"),
    ],
)
def test_what_cannot_be_projected_is_refused(block: Array, axes: Any, kind: str, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        project(block, axes, kind)


def test_a_part_that_does_not_fit_is_refused() -> None:
    gathered = Projection((2, 2), np.uint8, "sum")
    with pytest.raises(ViewError, match="fit"):
        gathered.merge(np.zeros((3, 1), np.uint8))
    with pytest.raises(ViewError, match="fill"):
        gathered.result(fill="x")
