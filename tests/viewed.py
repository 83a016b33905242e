"""Views on images that lie anyhow, and where their canvas pixels are by exact arithmetic."""

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray
from placed import HALF, SAME, ExactLevel, aligned_maps, askew_maps, exact, image, levels, names_of_axes

from brickstream.multiscale import Affine, Axis, Camera, Level, Pyramid, View
from brickstream.multiscale.view import PROJECTIONS

Array = NDArray[Any]
ZYX = tuple(Axis(name, "space") for name in "zyx")
SMALL = st.integers(1, 7)


def halved(placement: Affine | None = None) -> Pyramid:
    """Two levels, the coarser one of half the size along every axis, edges aligned."""
    parts = (
        Level("0", (8, 4, 4), np.dtype("u1"), (1, 4, 4), (1.0,) * 3, (0.0,) * 3),
        Level("1", (4, 2, 2), np.dtype("u1"), (1, 2, 2), (2.0,) * 3, (0.5,) * 3),
    )
    return Pyramid("halved", ZYX, parts, placement=placement)


def flipped(offset: float) -> Affine:
    """Upside down along z."""
    return Affine(("z", "y", "x"), ("z", "y", "x"), np.diag([-1.0, 1.0, 1.0]), np.array([offset, 0.0, 0.0]))


# ---- random views


@st.composite
def positions(draw: st.DrawFn, pyramid: Pyramid, beyond: float = 0.1) -> dict[str, float]:
    """A world position on every axis, now and then beside the image."""
    low, high = pyramid.extent()
    room = beyond * (high - low)
    shares = np.array(draw(st.tuples(*[st.integers(0, 16)] * pyramid.ndim))) / 16
    place = np.clip(low - room + shares * (high - low + 2 * room), low - room, high + room)
    return dict(zip(pyramid.axis_names, place.tolist(), strict=True))


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
        bias=draw(st.sampled_from([0.0, 0.0, 1.0, -0.5])),
    )


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


ANGLES = st.integers(-180, 180).map(float)


@st.composite
def volumes(draw: st.DrawFn, pyramid: Pyramid) -> View:
    """A camera of any kind, before or inside the image."""
    place = draw(positions(pyramid, beyond=0.0))
    shown = tuple(draw(st.permutations(pyramid.axis_names))[:3])
    size = float((pyramid.scales[0] * pyramid.shapes[0]).max())
    camera = Camera(
        draw(ANGLES),
        draw(st.integers(-90, 90)),
        draw(ANGLES),
        draw(st.sampled_from([0.0, 15.0, 80.0])),
        draw(st.none() | st.sampled_from([0.1, 1.0, 5.0]).map(lambda share: share * size)),
    )
    return View(
        shown,
        tuple((name, place[name]) for name in pyramid.axis_names if name not in shown),
        (draw(SMALL), draw(SMALL)),
        tuple(place[name] for name in shown),
        draw(st.sampled_from([0.5, 3.0, 20.0])) / size,
        camera,
        bias=draw(st.sampled_from([0.0, 1.0])),
    )


@st.composite
def aligned_scenes(draw: st.DrawFn) -> tuple[Pyramid, View]:
    """A line or a plane along the axes of an array."""
    names = draw(names_of_axes())
    pyramid = image(names, draw(levels(len(names))), draw(aligned_maps(names)))
    return pyramid, draw(flat_views(pyramid))


@st.composite
def askew_scenes(draw: st.DrawFn) -> tuple[Pyramid, View]:
    """Any line, plane or cut through any image."""
    names = draw(names_of_axes(2, 4))
    placement = draw(st.one_of(aligned_maps(names), askew_maps(names), askew_maps(names)))
    pyramid = image(names, draw(levels(len(names))), placement)
    return pyramid, draw(st.one_of(cuts(pyramid), flat_views(pyramid)))


@st.composite
def camera_scenes(draw: st.DrawFn) -> tuple[Pyramid, View]:
    """Any camera on any image."""
    names = draw(names_of_axes(3, 4))
    pyramid = image(names, draw(levels(len(names))), draw(st.one_of(aligned_maps(names), askew_maps(names))))
    return pyramid, draw(volumes(pyramid))


# ---- canvas pixels in the world


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


# ---- the planes and pixels of a view that lies along the axes


def overlap(one: tuple[Fraction, Fraction], other: tuple[Fraction, Fraction]) -> Fraction:
    """How much two intervals have in common."""
    return min(one[1], other[1]) - max(one[0], other[0])


class WorldGrid:
    """A whole level on the grid that its pixels make in the world, and what of it a view shows.

    The view is a line, a plane, or a camera that has all of the image in view.

    Attributes
    ----------
    centers : dict of str to list of Fraction
        World positions of all pixels along each axis of the world, upwards.
    shown : dict of str to list of int
        By axis, which of them the view shows.
    """

    def __init__(self, pyramid: Pyramid, view: View, level: int) -> None:
        self.finest, self.exact = ExactLevel(pyramid, 0), ExactLevel(pyramid, level)
        self.names, self.view = pyramid.axis_names, view
        self.centers: dict[str, list[Fraction]] = {}
        self.shown: dict[str, list[int]] = {}
        for axis, name in enumerate(self.names):
            self._find(axis, name)

    @property
    def empty(self) -> bool:
        """Whether nothing is in view."""
        return not all(self.shown.values())

    def source(self, axis: int) -> int:
        """The axis of the array that runs along an axis of the world."""
        return next(j for j, factor in enumerate(self.exact.linear[axis]) if factor)

    def unit(self, name: str) -> Fraction:
        """World length of a pixel."""
        return self.exact.scale[self.source(self.names.index(name))]

    def _window(self, name: str) -> tuple[Fraction, Fraction] | None:
        """World interval that the view takes along an axis; both ends are the point where it has no thickness."""
        view = self.view
        if name not in view.displayed:
            below, above = map(Fraction, dict(view.margins).get(name, (0.0, 0.0)))
            return Fraction(dict(view.point)[name]) - below, Fraction(dict(view.point)[name]) + above
        if view.camera is not None:
            return None
        at = view.displayed.index(name)
        half = Fraction(view.canvas[::-1][-view.ndisplay :][at]) / Fraction(view.zoom) / 2
        return Fraction(view.center[at]) - half, Fraction(view.center[at]) + half

    def _find(self, axis: int, name: str) -> None:
        source = self.source(axis)
        noise = SAME * self.exact.scale[source]
        whole = self._span(self.finest, axis, -HALF, self.finest.shape[source] - HALF)
        spans = sorted(self._span(self.exact, axis, i - HALF, i + HALF) for i in range(self.exact.shape[source]))
        self.centers[name] = [(low + high) / 2 for low, high in spans]
        window = self._window(name) or whole
        if window[0] == window[1]:
            if not whole[0] - noise <= window[0] <= whole[1] + noise:
                self.shown[name] = []
                return
            # The pixel that holds the point: its lower edge along the array is its own.
            place = self._place(axis, window[0])
            pixel = Fraction(min(max(floor(place + HALF + SAME), 0), self.exact.shape[source] - 1))
            self.shown[name] = [self.centers[name].index(self._span(self.exact, axis, pixel, pixel)[0])]
            return
        seen = max(window[0], whole[0]), min(window[1], whole[1])
        if seen[1] - seen[0] <= noise:
            self.shown[name] = []
            return
        shown = [i for i, span in enumerate(spans) if overlap(span, seen) > noise]
        self.shown[name] = shown or [max(range(len(spans)), key=lambda i: overlap(spans[i], seen))]

    def _span(self, level: ExactLevel, axis: int, first: Fraction, last: Fraction) -> tuple[Fraction, Fraction]:
        """World interval along an axis between two places in pixels."""
        pixel, ends = [Fraction(0)] * len(level.shape), []
        for pixel[self.source(axis)] in (first, last):
            ends.append(level.world(pixel)[axis])
        return min(ends), max(ends)

    def _place(self, axis: int, position: Fraction) -> Fraction:
        world = self.exact.world([Fraction(0)] * len(self.exact.shape))
        world[axis] = position
        return self.exact.pixel(world)[self.source(axis)]

    def resampled(self, array: Array) -> Array:
        """The array on the world's grid: axes as in the world, upwards; each place is carried back by itself."""
        grid = np.empty([len(self.centers[name]) for name in self.names], dtype=array.dtype)
        for place in np.ndindex(grid.shape):
            world = [self.centers[name][i] for name, i in zip(self.names, place, strict=True)]
            grid[place] = array[tuple(floor(p + HALF) for p in self.exact.pixel(world))]
        return grid
