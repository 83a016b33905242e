"""napari's rules, by the values that napari 0.9.2 gives, and by its rule written out as loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.multiscale.napari_rules import compute_multiscale_level, compute_multiscale_level_and_corners

HALVED = np.array([(2.0**k, 2.0**k) for k in range(6)])
CANVAS = (1024, 1024)


@pytest.mark.parametrize(
    ("requested", "level"),
    [
        ((1024, 5000), 2),  # the first axis fits the canvas and does not count
        ((1025, 5000), 0),  # one row more, and it does: two levels at once
        ((1024, 1024), 0),
        ((2048, 2048), 0),  # exactly as many pixels as the canvas are too few
        ((2049, 2049), 1),
        ((4097, 5000), 2),
        ((700, 20000), 4),
        ((700, 32769), 5),
        ((100000, 100000), 5),
        ((1024.5, 1024.5), 0),
    ],
)
def test_the_level_is_that_of_napari(requested: tuple[float, float], level: int) -> None:
    for shape in (requested, list(requested), np.array(requested)):
        assert compute_multiscale_level(shape, CANVAS, HALVED) == level
        assert compute_multiscale_level(shape, list(CANVAS), HALVED.tolist()) == level


def test_an_axis_that_is_never_downsampled_does_not_count() -> None:
    factors = [(1, 1, 1), (1, 2, 2), (1, 4, 4)]
    assert compute_multiscale_level((50, 5000, 5000), (10, 1000, 1000), factors) == 2
    assert compute_multiscale_level((5000,), (10,), [(1,)]) == 0


@pytest.mark.parametrize(
    ("requested", "level", "corners"),
    [
        ([(0, 0), (5000, 5000)], 2, [[0, 0], [1250, 1250]]),
        ([(-7, 3), (4999, 6001)], 2, [[-2, 0], [1250, 1501]]),
        ([(10, 20), (30, 40)], 0, [[10, 20], [30, 40]]),
        ([(-3001, 1), (2222, 9000)], 2, [[-751, 0], [556, 2250]]),  # not clamped
    ],
)
def test_the_corners_are_those_of_napari(
    requested: list[tuple[int, int]], level: int, corners: list[list[int]]
) -> None:
    for given_corners in (requested, np.array(requested)):
        found, pixels = compute_multiscale_level_and_corners(given_corners, CANVAS, HALVED)
        assert (found, pixels.tolist(), pixels.dtype) == (level, corners, np.int64)


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[list[int]], list[int], list[list[float]]]:
    ndim = draw(st.integers(1, 4))
    factors = [[1.0] * ndim]
    for _ in range(draw(st.integers(0, 5))):
        ratio = draw(st.tuples(*[st.sampled_from([1.0, 1.5, 2.0, 3.0, 2.9])] * ndim))
        factors.append([f * r for f, r in zip(factors[-1], ratio, strict=True)])
    canvas = draw(st.tuples(*[st.integers(1, 300)] * ndim))
    low = draw(st.tuples(*[st.integers(-500, 500)] * ndim))
    larger = [draw(st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, 9.0, 40.0])) * n for n in canvas]
    size = [max(0, int(n) + draw(st.integers(-1, 1))) for n in larger]
    return [list(low), [a + n for a, n in zip(low, size, strict=True)]], list(canvas), factors


@given(questions())
def test_the_rule_in_loops(question: tuple[list[list[int]], list[int], list[list[float]]]) -> None:
    (low, high), canvas, factors = question
    size = [b - a for a, b in zip(low, high, strict=True)]
    counts = [a for a in range(len(size)) if size[a] > canvas[a] and any(f[a] > 1 for f in factors)]
    level = 0
    for k, factor in enumerate(factors):
        if counts and all(size[a] / factor[a] > canvas[a] for a in counts):
            level = k
    corners = [
        [math.floor(a / f) for a, f in zip(low, factors[level], strict=True)],
        [math.ceil(b / f) for b, f in zip(high, factors[level], strict=True)],
    ]
    assert compute_multiscale_level(size, canvas, factors) == level
    found, pixels = compute_multiscale_level_and_corners([low, high], canvas, factors)
    assert (found, pixels.tolist()) == (level, corners)
