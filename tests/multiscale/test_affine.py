"""Affine maps: they follow each other, lead back, and know when they mix no axes."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import TransformError
from brickstream.multiscale import Affine

NAMES = ("t", "c", "z", "y", "x")
EPS = np.finfo(np.float64).eps

sizes = st.floats(1e-3, 1e3)
places = st.floats(-1e6, 1e6)
signs = st.sampled_from([-1.0, 1.0])


@st.composite
def orders(draw: st.DrawFn, count: int) -> tuple[str, ...]:
    return tuple(draw(st.permutations(NAMES[:count])))


@st.composite
def aligned(draw: st.DrawFn, count: int | None = None) -> Affine:
    """Scales, flips and swapped axes, and an offset."""
    n = count or draw(st.integers(1, 5))
    linear = np.zeros((n, n))
    for row, column in enumerate(draw(st.permutations(range(n)))):
        linear[row, column] = draw(sizes) * draw(signs)
    return Affine(draw(orders(n)), draw(orders(n)), linear, np.array([draw(places) for _ in range(n)]))


@st.composite
def mixed(draw: st.DrawFn, count: int | None = None) -> Affine:
    """Anything that can be undone: rotated scales, in units that differ by up to a million."""
    n = count or draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    turn, _ = np.linalg.qr(random.normal(size=(n, n)))
    stretch, _ = np.linalg.qr(random.normal(size=(n, n)))
    linear = turn @ np.diag(random.uniform(0.2, 5.0, n)) @ stretch @ np.diag(10.0 ** random.uniform(-3, 3, n))
    return Affine(NAMES[:n], NAMES[:n], linear, random.uniform(-100, 100, n))


def points(affine: Affine, seed: int = 0) -> np.ndarray[Any, Any]:
    """Points whose coordinates are of the size that the axes are in."""
    random = np.random.default_rng(seed)
    return random.uniform(-100, 100, (7, len(affine.inputs))) / np.linalg.norm(affine.linear, axis=0)


# ---- laws


@given(st.data())
def test_a_composition_does_one_after_the_other(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 4))
    first, second = (data.draw(st.one_of(aligned(n), mixed(n))) for _ in range(2))
    where = points(first)
    # Axes between the two are matched by name, in whatever order either has them.
    between = first(where)[:, [first.outputs.index(name) for name in second.inputs]]
    got, want = (second @ first)(where), second(between)
    size = np.abs(second.linear) @ (np.abs(between).max(axis=0) + np.abs(first.offset).max()) + np.abs(second.offset)
    assert (np.abs(got - want) <= 64 * EPS * size).all()
    assert (second @ first).inputs == first.inputs
    assert (second @ first).outputs == second.outputs


@given(st.data())
def test_compositions_can_be_grouped_as_one_likes(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 4))
    a, b, c = (data.draw(mixed(n)) for _ in range(3))
    left, right = (c @ b) @ a, c @ (b @ a)
    np.testing.assert_allclose(left.linear, right.linear, rtol=1e-11, atol=1e-11 * np.abs(left.linear).max())
    np.testing.assert_allclose(left.offset, right.offset, rtol=1e-11, atol=1e-11 * np.abs(left.offset).max())


@given(aligned())
def test_an_aligned_map_leads_back_but_for_the_last_bits(affine: Affine) -> None:
    where = points(affine)
    there = affine(where)
    back = affine.inverse()
    steps = [
        affine.outputs.index(out) for name in affine.inputs for out in affine.outputs if affine.source_of(out) == name
    ]
    scale = np.abs(affine.linear).max(axis=0)
    bound = 8 * EPS * (np.abs(where) + (np.abs(there) + np.abs(affine.offset))[:, steps] / scale)
    assert (np.abs(back(there) - where) <= bound).all()
    assert (np.abs(affine.solve(there) - where) <= bound).all()
    assert back.inputs == affine.outputs
    assert back.outputs == affine.inputs


@given(mixed())
def test_a_mixed_map_leads_back(affine: Affine) -> None:
    where = points(affine)
    size = np.abs(where).max(axis=0) + 300 / np.linalg.norm(affine.linear, axis=0)
    assert (np.abs(affine.inverse()(affine(where)) - where) <= 1e-9 * size).all()
    assert (np.abs(affine.solve(affine(where)) - where) <= 1e-9 * size).all()


@given(st.one_of(aligned(), mixed()), st.data())
def test_another_order_of_axes_is_the_same_map(affine: Affine, data: st.DataObject) -> None:
    inputs = tuple(data.draw(st.permutations(affine.inputs)))
    outputs = tuple(data.draw(st.permutations(affine.outputs)))
    other = affine.reorder(inputs, outputs)
    where = points(affine)
    got = other(where[:, [affine.inputs.index(n) for n in inputs]])
    want = affine(where)[:, [affine.outputs.index(n) for n in outputs]]
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-9)
    assert other.reorder(affine.inputs, affine.outputs) == affine


@given(st.one_of(aligned(), mixed()))
def test_a_map_goes_to_json_and_back_bit_for_bit(affine: Affine) -> None:
    again = Affine.from_dict(json.loads(json.dumps(affine.to_dict())))
    assert again == affine
    assert hash(again) == hash(affine)


@given(aligned())
def test_an_aligned_map_is_known_to_be_one(affine: Affine) -> None:
    assert affine.aligned
    for row, name in enumerate(affine.outputs):
        assert affine.linear[row, affine.inputs.index(affine.source_of(name))] != 0


@given(st.data())
def test_aligned_maps_make_aligned_maps(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    first, second = data.draw(aligned(n)), data.draw(aligned(n))
    both = second @ first
    assert both.aligned
    assert first.inverse().aligned
    assert all(both.source_of(out) == first.source_of(second.source_of(out)) for out in both.outputs)


@given(mixed())
def test_directions_know_no_offset(affine: Affine) -> None:
    where = points(affine)
    np.testing.assert_allclose(affine.vectors(where[0] - where[1]), affine(where[0]) - affine(where[1]), atol=1e-9)


# ---- single cases


def test_noise_of_a_matrix_times_its_inverse_mixes_no_axes() -> None:
    turn = Affine("yx", "yx", np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]]), np.zeros(2))
    assert not turn.aligned
    assert (turn @ turn.inverse()).aligned
    right_angle = Affine("yx", "yx", np.array([[np.cos(np.pi / 2), -1], [1, np.cos(np.pi / 2)]]), np.zeros(2))
    assert right_angle.aligned
    assert right_angle.source_of("y") == "x"


def test_only_scales_are_known_to_be_only_scales() -> None:
    assert Affine.scaling("yx", (2.0, -3.0), (1.0, 1.0)).scales is not None
    assert Affine("yx", "yx", np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2)).scales is None


@pytest.mark.parametrize("size", [1e-200, 1e-9, 1.0, 1e9, 1e200])
def test_units_do_not_make_a_map_singular(size: float) -> None:
    linear = np.array([[np.cos(1) * size, -np.sin(1)], [np.sin(1) * size, np.cos(1)]])
    assert Affine("yx", "yx", linear, np.zeros(2)).invertible
    assert Affine.scaling("yx", (size, 1 / size)).invertible


@pytest.mark.parametrize(
    "linear",
    [
        [[1.0, 2.0], [2.0, 4.0]],
        [[0.0, 0.0], [0.0, 1.0]],
        [[1.0, 0.0], [0.0, 0.0]],
        [[1e-9, 1e9], [1e-9, 1e9]],
        [[1.0, 1.0], [1.0, 1.0 + 1e-15]],
    ],
)
def test_a_flattening_map_has_no_inverse(linear: list[list[float]]) -> None:
    flat = Affine("yx", "yx", np.array(linear), np.zeros(2))
    assert not flat.invertible
    with pytest.raises(TransformError, match="flattens"):
        flat.inverse()
    with pytest.raises(TransformError, match="flattens"):
        flat.solve([1.0, 1.0])


def test_a_map_to_other_axes_has_no_inverse() -> None:
    drop = Affine("zyx", "yx", np.eye(3)[1:], np.zeros(2))
    assert drop([1.0, 2.0, 3.0]).tolist() == [2.0, 3.0]
    assert not drop.invertible
    with pytest.raises(TransformError):
        drop.inverse()


IMPOSSIBLE: dict[str, tuple[Callable[[], object], str]] = {
    "a name twice": (lambda: Affine("yy", "yx", np.eye(2), np.zeros(2)), "different names"),
    "a larger matrix": (lambda: Affine("yx", "yx", np.eye(3), np.zeros(2)), "one number for each axis"),
    "a longer offset": (lambda: Affine("yx", "yx", np.eye(2), np.zeros(3)), "one number for each axis"),
    "not a number": (lambda: Affine("yx", "yx", np.array([[1, np.nan], [0, 1]]), np.zeros(2)), "finite"),
    "without end": (lambda: Affine("yx", "yx", np.eye(2), np.array([0, np.inf])), "finite"),
    "ragged rows": (lambda: Affine("yx", "yx", [[1, 0], [0]], np.zeros(2)), "made of numbers"),  # type: ignore[arg-type]
    "texts in the matrix": (lambda: Affine("yx", "yx", [["a", 0], [0, 1]], np.zeros(2)), "made of numbers"),  # type: ignore[arg-type]
    "names that are none": (lambda: Affine((1, 2), "yx", np.eye(2), np.zeros(2)), "texts"),  # type: ignore[arg-type]
    "a matrix for scales": (lambda: Affine.scaling("yx", [[1.0, 2.0]]), "one number for each axis"),
    "other axes in between": (lambda: Affine.identity("yx") @ Affine.identity("zy"), "follow each other"),
    "scales that overflow": (lambda: Affine.scaling("y", [1e300]) @ Affine.scaling("y", [1e300]), "finite"),
    "an inverse that overflows": (lambda: Affine.scaling("y", [1e-310], [1.0]).inverse(), "finite"),
    "axes it does not have": (lambda: Affine.identity("yx").reorder(inputs="zx"), "other axes"),
    "a source of mixed axes": (
        lambda: Affine("yx", "yx", np.ones((2, 2)) + np.eye(2), np.zeros(2)).source_of("y"),
        "mixes",
    ),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_be_is_refused(case: str) -> None:
    make, words = IMPOSSIBLE[case]
    with pytest.raises(TransformError, match=words):
        make()


NO_MAPS: list[Any] = [
    {},
    None,
    [],
    {"inputs": ["y"], "outputs": ["y"], "linear": [[1.0]]},
    {"inputs": ["y"], "outputs": ["y"], "linear": [[10**400]], "offset": [0]},
    {"inputs": ["y"], "outputs": ["y"], "linear": [[1.0, 2.0]], "offset": [0]},
    {"inputs": ["y"], "outputs": ["y"], "linear": [["x"]], "offset": [0]},
    {"inputs": [["y"]], "outputs": ["y"], "linear": [[1]], "offset": [0]},
    {"inputs": 3, "outputs": ["y"], "linear": [[1]], "offset": [0]},
]


@pytest.mark.parametrize("i", range(len(NO_MAPS)))
def test_what_is_no_map_is_not_read_as_one(i: int) -> None:
    with pytest.raises(TransformError):
        Affine.from_dict(NO_MAPS[i])


def test_a_map_cannot_be_changed() -> None:
    numbers = np.eye(2)
    affine = Affine("yx", "yx", numbers, np.zeros(2))
    numbers[0, 0] = 7.0
    assert affine.linear[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        affine.linear[0, 0] = 7.0


def test_minus_zero_is_zero() -> None:
    one, other = Affine.scaling("y", [1.0], [0.0]), Affine.scaling("y", [1.0], [-0.0])
    assert one == other
    assert hash(one) == hash(other)
