"""Fields of view, against exact elimination of one unknown after the other, and clouds of points."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from brickstream.multiscale.region import Region, box_planes, place_planes

Rows = list[list[Fraction]]
Array = NDArray[np.float64]
DIGITS = st.integers(-4, 4)


# ---- bounds of a polytope in exact arithmetic


def tightest(rows: Rows) -> Rows:
    """One row for each direction, the one that excludes most; rows without a direction stay."""
    kept: dict[tuple[Fraction, ...], list[Fraction]] = {}
    for row in rows:
        scale = next((abs(a) for a in row[:-1] if a), Fraction(1))
        row = [a / scale for a in row]
        old = kept.get(tuple(row[:-1]))
        kept[tuple(row[:-1])] = row if old is None or row[-1] < old[-1] else old
    return list(kept.values())


def without(rows: Rows, axis: int) -> Rows:
    """What half-spaces ``a p + e >= 0`` say of the other unknowns (Fourier and Motzkin)."""
    above, below = ([row for row in rows if row[axis] * sign > 0] for sign in (1, -1))
    kept = [row for row in rows if not row[axis]]
    for one, other in product(above, below):
        kept += [[a * -other[axis] + b * one[axis] for a, b in zip(one, other, strict=True)]]
    return tightest(kept)


def bounds(rows: Rows, axis: int) -> tuple[Fraction, Fraction] | None:
    """Least and greatest value of one unknown inside bounded half-spaces; None where nothing is inside."""
    for other in range(len(rows[0]) - 1):
        if other != axis:
            rows = without(rows, other)
    if any(not row[axis] and row[-1] < 0 for row in rows):
        return None
    low = max(-row[-1] / row[axis] for row in rows if row[axis] > 0)
    high = min(-row[-1] / row[axis] for row in rows if row[axis] < 0)
    return (low, high) if low <= high else None


def exact_rows(planes: Array) -> Rows:
    return [[Fraction(a) for a in row] for row in planes.tolist()]


@st.composite
def boxes(draw: st.DrawFn, d: int) -> Array:
    low = np.array(draw(st.tuples(*[DIGITS] * d)), dtype=float)
    return np.stack([low, low + np.array(draw(st.tuples(*[st.integers(1, 6)] * d))) / 2])


@st.composite
def half_spaces(draw: st.DrawFn, d: int) -> Array:
    """Some planes with short numbers; together with a box they may leave nothing."""
    row = st.tuples(*[DIGITS] * (d + 1)).filter(lambda row: any(row[:-1]))
    return np.array(draw(st.lists(row, min_size=1, max_size=4)), dtype=float)


@pytest.mark.oracle
@given(st.data())
def test_the_seen_box_is_the_smallest_around_what_is_inside(data: st.DataObject) -> None:
    d = data.draw(st.integers(1, 3))
    box, planes = data.draw(boxes(d)), data.draw(half_spaces(d))
    found = Region(None, planes).seen(box)
    rows = exact_rows(np.concatenate([planes, box_planes(box)]))
    expected = [bounds(rows, axis) for axis in range(d)]
    if found is None:
        assert None in expected
    else:
        assert None not in expected
        np.testing.assert_allclose(found, np.array(expected, dtype=float).T, rtol=0, atol=1e-7)


@pytest.mark.oracle
@given(st.data())
def test_far_from_the_origin_and_at_any_size_the_same_is_seen(data: st.DataObject) -> None:
    d = data.draw(st.integers(1, 3))
    box, planes = data.draw(boxes(d)), data.draw(half_spaces(d))
    size = 2.0 ** data.draw(st.integers(-30, 30))
    origin = np.array(data.draw(st.tuples(*[st.integers(-(2**12), 2**12)] * d))) * size
    there = planes.copy()
    there[:, d] = planes[:, d] * size - planes[:, :d] @ origin  # exact: all numbers are short
    here, found = Region(None, planes).seen(box), Region(None, there).seen(box * size + origin)
    # What only just touches may be seen here and not there.
    expected = [bounds(exact_rows(np.concatenate([planes, box_planes(box)])), axis) for axis in range(d)]
    assume(all(ends is None or ends[0] < ends[1] for ends in expected))
    assert (here is None) == (found is None)
    if here is not None and found is not None:
        assert (found[0] >= box[0] * size + origin).all()
        assert (found[1] <= box[1] * size + origin).all()
        np.testing.assert_allclose((found - origin) / size, here, rtol=0, atol=1e-6)


@given(st.floats(0, 360), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.floats(0.5, 8))
def test_what_only_touches_a_box_is_not_lost_to_rounding(degrees: float, x: float, y: float, size: float) -> None:
    """A line through the corner that lies farthest along its normal, wherever in the world."""
    normal = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    box = np.array([[x, y], [x + size, y + size]])
    corner = np.where(normal > 0, box[1], box[0])
    for sign in (1, -1):
        found = Region(None, np.array([[*(sign * normal), -sign * normal @ corner]])).seen(box)
        assert found is not None
        assert (found[0] >= box[0]).all()
        assert (found[1] <= box[1]).all()
        expected = np.stack([corner, corner]) if sign > 0 else box
        assert np.abs(found - expected).max() <= 1e-5 * size + 1e-6 or np.abs(normal).min() < 1e-3
    beside = corner + 1e-3 * normal
    assert Region(None, np.array([[*normal, -normal @ beside]])).seen(box) is None


@pytest.mark.oracle
@given(st.integers(0, 2**32 - 1), st.integers(2, 3))
@example(139, 3)
def test_of_a_sliver_through_a_corner_nothing_is_lost(seed: int, d: int) -> None:
    """Two planes at a millionth of a right angle, where rounding moves their meeting most."""
    rng = np.random.default_rng(seed)
    low = rng.random(d)
    box = np.stack([low, low + 10 ** rng.uniform(-2, 3, d)])
    normal = rng.normal(size=d)
    normals = np.array([normal, 1e-6 * rng.normal(size=d) - normal])
    corner = np.where(rng.random(d) < 0.5, *box)
    planes = np.column_stack([normals, -normals @ corner])
    found = Region(None, planes).seen(box)
    rows = exact_rows(np.concatenate([planes, box_planes(box)]))
    expected = [bounds(rows, axis) for axis in range(d)]
    if None not in expected:
        assert found is not None
        inner = np.array(expected, dtype=float).T
        assert (found[0] <= inner[0] + 1e-5 * (box[1] - box[0])).all()
        assert (found[1] >= inner[1] - 1e-5 * (box[1] - box[0])).all()


@pytest.mark.parametrize("slope", [0.1, 1e-3, 1e-6])
def test_where_two_planes_meet_at_a_small_angle_they_meet(slope: float) -> None:
    wedge = np.array([[0.0, 1.0, 0.0], [slope, -1.0, -5 * slope]])
    found = Region(None, wedge).seen(np.array([[0.0, -5.0], [10.0, 5.0]]))
    np.testing.assert_allclose(found, [[5.0, 0.0], [10.0, 5 * slope]], rtol=0, atol=1e-8)


def test_half_spaces_without_a_direction_hold_everything_or_nothing() -> None:
    box = np.array([[0.0, 0.0], [2.0, 3.0]])
    assert Region(None, np.array([[0.0, 0.0, -1.0]])).seen(box) is None
    for planes in ([[0.0, 0.0, 1.0]], [[0.0, 0.0, 0.0]]):
        np.testing.assert_array_equal(Region(None, np.array(planes)).seen(box), box)
    along_x = np.array([[0.0, 1e-300, 1.0], [1.0, 0.0, -1.0]])
    np.testing.assert_allclose(Region(None, along_x).seen(box), [[1, 0], [2, 3]], atol=1e-9)


@given(st.data())
def test_a_box_is_half_open(data: st.DataObject) -> None:
    d = data.draw(st.integers(1, 3))
    box, other = data.draw(boxes(d)), data.draw(boxes(d))
    cells = np.stack(np.meshgrid(*[np.arange(-12, 24) / 2 + 0.25] * d, indexing="ij"), axis=-1).reshape(-1, d)
    both = ((cells >= box[0]) & (cells < box[1]) & (cells >= other[0]) & (cells < other[1])).all(axis=1)
    region = Region(box, None)
    assert region.overlaps(other[:1], other[1:]).tolist() == [bool(both.any())]
    found = region.seen(other)
    if found is None:
        assert not both.any()
    else:
        assert found.tolist() == [(cells[both].min(axis=0) - 0.25).tolist(), (cells[both].max(axis=0) + 0.25).tolist()]


@pytest.mark.oracle
@given(st.data())
def test_no_box_with_a_point_inside_is_left_out(data: st.DataObject) -> None:
    """Only half-spaces that the whole of a box lies outside of exclude it, so some stay that are just beside."""
    d = data.draw(st.integers(1, 3))
    planes = data.draw(half_spaces(d))
    several = [data.draw(boxes(d)) for _ in range(5)]
    low, high = (np.array(ends) for ends in zip(*several, strict=True))
    found = Region(None, planes).overlaps(low, high)
    for box, kept in zip(several, found.tolist(), strict=True):
        corners = np.array(np.meshgrid(*box.T)).reshape(d, -1).T
        slack = corners @ planes[:, :d].T + planes[:, d]
        assert kept == bool((slack.max(axis=0) >= 0).all())
        if bounds(exact_rows(np.concatenate([planes, box_planes(box)])), 0) is not None:
            assert kept


@given(st.data())
def test_a_box_and_its_half_spaces_are_the_same(data: st.DataObject) -> None:
    d = data.draw(st.integers(1, 4))
    box, other = data.draw(boxes(d)), data.draw(boxes(d))
    region, planes = Region(box, None), Region(None, box_planes(box))
    assert (region.to_planes() == box_planes(box)).all()
    assert planes.to_planes() is planes.planes
    points = box[0] + np.array(data.draw(st.tuples(*[st.floats(-0.5, 1.5)] * d))) * (box[1] - box[0])
    inside = bool(((points >= box[0]) & (points <= box[1])).all())
    assert bool((region.to_planes() @ [*points, 1] >= 0).all()) == inside
    found, expected = planes.seen(other), region.seen(other)
    if expected is not None:
        np.testing.assert_allclose(found, expected, atol=1e-9)


# ---- carried over a linear map


@pytest.mark.oracle
@given(st.data())
def test_a_point_is_inside_before_a_map_as_it_is_after_it(data: st.DataObject) -> None:
    d = data.draw(st.integers(1, 3))
    s = data.draw(st.integers(d, min(d + 1, 3)))
    planes = data.draw(half_spaces(d))
    directions = np.array(data.draw(st.tuples(*[st.tuples(*[DIGITS] * d)] * s)), dtype=float)
    assume(np.linalg.matrix_rank(directions) == d)
    origin = np.array(data.draw(st.tuples(*[DIGITS] * s)), dtype=float)
    carried = place_planes(planes, directions, origin)
    assert carried.shape == (len(planes) + 2 * (s - d), s + 1)
    for b in data.draw(st.lists(st.tuples(*[DIGITS] * d), min_size=1, max_size=8)):
        slack = planes[:, :d] @ b + planes[:, d]
        place = origin + directions @ b
        after = carried[:, :s] @ place + carried[:, s]
        np.testing.assert_allclose(after[: len(planes)], slack, atol=1e-9)
        # Up to what is rounded here: at the origin of the place, no point of it may be outside.
        assert (np.abs(after[len(planes) :]) < 1e-9).all()
        assert (after[len(planes) :] >= -1e-15 * np.abs(directions @ b).max()).all()


@given(st.data())
def test_what_lies_beside_a_flat_place_is_outside(data: st.DataObject) -> None:
    directions = np.array(data.draw(st.tuples(*[st.tuples(DIGITS, DIGITS)] * 3)), dtype=float)
    assume(np.linalg.matrix_rank(directions) == 2)
    origin = np.array(data.draw(st.tuples(*[st.integers(-1000, 1000)] * 3)), dtype=float)
    across = np.cross(*directions.T)
    carried = place_planes(box_planes(np.array([[-9.0, -9.0], [9.0, 9.0]])), directions, origin)
    for step, inside in [(0.0, True), (1e-6, False), (-1e-6, False)]:
        place = origin + step * across / np.linalg.norm(across)
        assert bool((carried @ [*place, 1] >= 0).all()) == inside


def test_a_flat_region_cuts_a_box_where_it_passes() -> None:
    """A square at 45 degrees through a cube: it reaches as far along two axes as its side does along each."""
    c = np.sqrt(0.5)
    planes = place_planes(
        box_planes(np.array([[-1.0, -1.0], [1.0, 1.0]])), np.array([[c, 0], [c, 0], [0, 1]]), np.full(3, 5.0)
    )
    found = Region(None, planes).seen(np.array([[0.0] * 3, [10.0] * 3]))
    np.testing.assert_allclose(found, [[5 - c, 5 - c, 4], [5 + c, 5 + c, 6]], atol=1e-6)
    assert Region(None, planes).seen(np.array([[0.0, 6.0, 0.0], [4.0, 10.0, 10.0]])) is None


def test_the_model_finds_the_bounds_of_a_triangle() -> None:
    """x and y above zero, x + 2 y below 4."""
    rows = exact_rows(np.array([[1.0, 0, 0], [0, 1, 0], [-1, -2, 4]]))
    assert [bounds(rows, axis) for axis in (0, 1)] == [(0, 4), (0, 2)]
    assert bounds([*rows, [Fraction(1), Fraction(0), Fraction(-5)]], 1) is None
