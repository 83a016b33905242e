"""Images that lie anyhow in the world, and their pixels by exact arithmetic: for the tests of coordinates."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import cos, floor, radians, sin

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from brickstream.multiscale import Affine, Axis, Level, Pyramid

HALF = Fraction(1, 2)
# Below this share of a pixel two exact numbers count as one: the floats they are made of were rounded.
SAME = Fraction(1, 10**7)

DYADIC = (0.25, 0.5, 1.0, 1.5, 3.0)
UGLY = (0.1, 0.325, 1 / 3, 0.65, 2.7, 1e3)
TYPES = {"t": "time", "c": "channel"}
NAMES = "tcwzyx"


@st.composite
def names_of_axes(draw: st.DrawFn, low: int = 1, high: int = 6) -> tuple[str, ...]:
    """Some names in any order."""
    return tuple(draw(st.permutations(NAMES))[: draw(st.integers(low, high))])


@st.composite
def levels(draw: st.DrawFn, ndim: int, longest: int = 9, most: int = 3) -> tuple[Level, ...]:
    """Ratios that differ by axis and need not be whole, sizes rounded up or down, levels with their own translation."""
    shape = draw(st.tuples(*[st.integers(1, longest)] * ndim))
    scale = draw(st.tuples(*[st.sampled_from(DYADIC + UGLY)] * ndim))
    shift = draw(st.tuples(*[st.sampled_from([-7.25, 0.0, 0.5, 100.0, 0.3])] * ndim))
    made = []
    for k in range(draw(st.integers(1, most))):
        made.append(Level(str(k), shape, np.dtype("u2"), (4,) * ndim, scale, shift))
        ratio = draw(st.tuples(*[st.sampled_from([1.0, 1.5, 2.0, 3.0, 2.2])] * ndim))
        up = draw(st.booleans())
        jitter = draw(st.tuples(*[st.sampled_from([0.0, 0.0, 0.25, -0.5])] * ndim))
        shape = tuple(max(1, -int(-n // r) if up else int(n // r)) for n, r in zip(shape, ratio, strict=True))
        shift = tuple(t + s * ((r - 1) / 2 + j * r) for t, s, r, j in zip(shift, scale, ratio, jitter, strict=True))
        scale = tuple(s * r for s, r in zip(scale, ratio, strict=True))
    return tuple(made)


@st.composite
def aligned_maps(draw: st.DrawFn, names: tuple[str, ...], permuted: bool = True) -> Affine | None:
    """Flips, translations, and axes that run along one another; None now and then."""
    ndim = len(names)
    if draw(st.booleans()):
        return None
    order = draw(st.permutations(range(ndim))) if permuted else range(ndim)
    linear = np.zeros((ndim, ndim))
    linear[range(ndim), list(order)] = draw(st.tuples(*[st.sampled_from([1.0, -1.0])] * ndim))
    offset = draw(st.tuples(*[st.sampled_from([0.0, 0.0, 12.5, -3.0, 0.7])] * ndim))
    return Affine(names, names, linear, np.array(offset))


@st.composite
def askew_maps(draw: st.DrawFn, names: tuple[str, ...]) -> Affine:
    """A rotation in one or two planes, or a shear, after a flip."""
    ndim = len(names)
    linear = np.diag(draw(st.tuples(*[st.sampled_from([1.0, 1.0, -1.0])] * ndim)))
    for _ in range(draw(st.integers(1, 2))):
        i, j = draw(st.permutations(range(ndim)))[:2]
        angle = radians(draw(st.sampled_from([30.0, 45.0, -63.0, 12.3, 90.0, 0.01])))
        turn = np.eye(ndim)
        if draw(st.booleans()):
            turn[i, j] = 0.3
        else:
            turn[i, i], turn[i, j], turn[j, i], turn[j, j] = cos(angle), -sin(angle), sin(angle), cos(angle)
        linear = turn @ linear
    linear /= np.linalg.norm(linear, axis=0)
    return Affine(names, names, linear, np.array(draw(st.tuples(*[st.sampled_from([0.0, 12.5, -3.0])] * ndim))))


def image(names: tuple[str, ...], parts: tuple[Level, ...], placement: Affine | None) -> Pyramid:
    return Pyramid("placed", tuple(Axis(n, TYPES.get(n, "space")) for n in names), parts, placement=placement)


def arrays_of(pyramid: Pyramid) -> list[NDArray[np.uint16]]:
    """Arrays whose pixels all differ, as far as 16 bits go; none is 0."""
    return [
        (np.arange(np.prod(level.shape)) * 7919 % 65521 + 1).astype(np.uint16).reshape(level.shape)
        for level in pyramid.levels
    ]


# ---- exact arithmetic


def solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Gauss and Jordan."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        best = max(range(i, len(rows)), key=lambda r: abs(rows[r][i]))
        rows[i], rows[best] = rows[best], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for r in range(len(rows)):
            if r != i and rows[r][i]:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]


def exact(values: object) -> list[Fraction]:
    return [Fraction(float(value)) for value in np.asarray(values).ravel()]


@dataclass
class ExactLevel:
    """One level of a pyramid, in fractions."""

    pyramid: Pyramid
    level: int

    def __post_init__(self) -> None:
        part = self.pyramid.levels[self.level]
        self.shape = part.shape
        self.scale, self.shift = exact(part.scale), exact(part.translation)
        placement = self.pyramid.placement or Affine.identity(self.pyramid.axis_names)
        self.linear = [exact(row) for row in placement.linear]
        self.offset = exact(placement.offset)

    def world(self, pixel: list[Fraction]) -> list[Fraction]:
        """World position, in array order of the axes' names, of a place in pixels."""
        own = [s * p + t for s, p, t in zip(self.scale, pixel, self.shift, strict=True)]
        sums = [sum((a * b for a, b in zip(row, own, strict=True)), Fraction(0)) for row in self.linear]
        return [total + o for total, o in zip(sums, self.offset, strict=True)]

    def pixel(self, world: list[Fraction]) -> list[Fraction]:
        """Place in pixels of a world position."""
        own = solve(self.linear, [w - o for w, o in zip(world, self.offset, strict=True)])
        return [(p - t) / s for p, t, s in zip(own, self.shift, self.scale, strict=True)]


def holders(place: list[Fraction], shape: tuple[int, ...]) -> set[tuple[int, ...] | None]:
    """Pixels that may hold a place, of which more than one where it lies on an edge; None stands for outside."""
    sides = [sorted({floor(p + HALF - SAME), floor(p + HALF + SAME)}) for p in place]
    inside = (all(0 <= i < n for i, n in zip(index, shape, strict=True)) for index in product(*sides))
    return {index if good else None for index, good in zip(product(*sides), inside, strict=True)}
