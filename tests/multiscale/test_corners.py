"""Which pixels are in view, against models that look at every pixel or cut the picture by hand."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from brickstream.errors import ViewError
from brickstream.multiscale import Affine, Axis, Budget, Camera, Level, Pyramid, View, localize, plan_view
from brickstream.multiscale.corners import corner_pixels, grow_to_chunks

HALF = Fraction(1, 2)
ZYX = tuple(Axis(name, "space") for name in "zyx")
NAMES = ("z", "y", "x")


@st.composite
def pyramids(draw: st.DrawFn, longest: int = 40) -> Pyramid:
    """Every number is a short binary fraction, ratios differ by axis, levels end where they like."""
    shape = draw(st.tuples(*[st.integers(1, longest)] * 3))
    scale = draw(st.tuples(*[st.sampled_from([0.25, 0.5, 1.0, 1.5, 3.0])] * 3))
    shift = draw(st.tuples(*[st.sampled_from([-7.25, 0.0, 0.5, 100.0])] * 3))
    levels = []
    for k in range(draw(st.integers(1, 4))):
        levels.append(Level(str(k), shape, np.dtype("u1"), (7, 5, 6), scale, shift))
        ratio = draw(st.tuples(*[st.sampled_from([1.0, 1.5, 2.0, 3.0, 5.0])] * 3))
        jitter = draw(st.tuples(*[st.sampled_from([0.0, 0.0, 0.25, -0.5])] * 3))
        shape = tuple(max(1, round(n / r)) for n, r in zip(shape, ratio, strict=True))
        shift = tuple(t + s * ((r - 1) / 2 + j * r) for t, s, r, j in zip(shift, scale, ratio, jitter, strict=True))
        scale = tuple(s * r for s, r in zip(scale, ratio, strict=True))
    return Pyramid("ugly", ZYX, tuple(levels))


def quarters(draw: st.DrawFn, low: float, high: float) -> float:
    return draw(st.integers(int(low * 4), int(high * 4))) / 4


@st.composite
def flat_views(draw: st.DrawFn, pyramid: Pyramid) -> View:
    """Planes and lines, thick and thin, on the image or beside it."""
    low, high = pyramid.extent()
    room = 0.3 * (high - low) + 0.25
    place = {name: quarters(draw, low[a] - room[a], high[a] + room[a]) for a, name in enumerate(NAMES)}
    shown = tuple(draw(st.permutations(NAMES))[: draw(st.integers(1, 2))])
    hidden = [name for name in NAMES if name not in shown]
    thick = draw(st.sets(st.sampled_from(hidden)))
    reach = st.sampled_from([0.0, 0.25, 1.0, 5.5])
    return View(
        shown,
        tuple((name, place[name]) for name in hidden),
        (draw(st.integers(1, 60)), draw(st.integers(1, 60)) if len(shown) == 2 else 1),
        tuple(place[name] for name in shown),
        draw(st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0])),
        margins=tuple((name, (draw(reach), draw(reach))) for name in sorted(thick)),
    )


# ---- lines and planes: every pixel is looked at, in fractions


def interval(view: View, name: str) -> tuple[Fraction, Fraction]:
    """World interval that a flat view takes along an axis; both ends alike where it has no thickness."""
    if name in view.displayed:
        at = view.displayed.index(name)
        pixels = view.canvas[::-1][-len(view.displayed) :][at]
        middle, half = Fraction(view.center[at]), Fraction(pixels) / Fraction(view.zoom) / 2
        return middle - half, middle + half
    point = Fraction(dict(view.point)[name])
    below, above = dict(view.margins).get(name, (0.0, 0.0))
    return point - Fraction(below), point + Fraction(above)


def covered(level: Level, axis: int) -> list[tuple[Fraction, Fraction]]:
    """Half-open world interval of every pixel along an axis."""
    scale, shift = Fraction(level.scale[axis]), Fraction(level.translation[axis])
    return [(shift + (i - HALF) * scale, shift + (i + HALF) * scale) for i in range(level.shape[axis])]


def naive_corners(pyramid: Pyramid, view: View, k: int) -> list[list[int]] | None:
    """First and last pixel in view; None where nothing of level 0 is in view on some axis."""
    corners = []
    for axis, name in enumerate(NAMES):
        low, high = interval(view, name)
        whole = covered(pyramid.levels[0], axis)
        start, stop = whole[0][0], whole[-1][1]
        # A slice without thickness is there up to the very edges of the image.
        if not (start < high and low < stop) and not (low == high and start <= low <= stop):
            return None
        if name in view.displayed:
            low, high = max(low, start), min(high, stop)
        pixels = covered(pyramid.levels[k], axis)
        seen = [i for i, (a, b) in enumerate(pixels) if (a < high and low < b) or (low == high and a <= low < b)]
        nearest = 0 if high <= pixels[0][0] else len(pixels) - 1
        corners.append([seen[0], seen[-1]] if seen else [nearest, nearest])
    return [list(ends) for ends in zip(*corners, strict=True)]


@given(st.data())
@pytest.mark.oracle
def test_corners_of_lines_and_planes_are_the_first_and_last_pixel_that_overlaps(data: st.DataObject) -> None:
    pyramid = data.draw(pyramids())
    view = data.draw(flat_views(pyramid))
    for k in range(len(pyramid.levels)):
        corners = corner_pixels(pyramid, view, k)
        assert corners.dtype == np.int64
        assert (corners.tolist() or None) == naive_corners(pyramid, view, k)


@given(st.data())
def test_nothing_in_view_is_no_corners(data: st.DataObject) -> None:
    pyramid = data.draw(pyramids())
    view = data.draw(flat_views(pyramid))
    name = data.draw(st.sampled_from(NAMES))
    low, high = pyramid.extent()[:, NAMES.index(name)]
    size = max(*view.canvas) / view.zoom + sum(sum(reach) for _, reach in view.margins) + 0.25
    beside = data.draw(st.sampled_from([low - size, high + size]))
    center = tuple(beside if n == name else c for n, c in zip(view.displayed, view.center, strict=True))
    point = tuple((n, beside if n == name else p) for n, p in view.point)
    for k in range(len(pyramid.levels)):
        corners = corner_pixels(pyramid, replace(view, center=center, point=point), k)
        assert corners.shape == (0, 3)
        assert corners.dtype == np.int64


# ---- turned images, cuts, cameras: the field of view as a cloud of corners, cut by one half-space after the other


def hull(spans: list[tuple[float, float]]) -> tuple[np.ndarray, list[frozenset[object]]]:
    """Corners of a box, and the sides that each lies on."""
    sides = [[(axis, end) for end in (0, 1)] for axis in range(len(spans))]
    return np.array(list(product(*spans))), [frozenset(corner) for corner in product(*sides)]


def clipped(points: np.ndarray, on: list[frozenset[object]], planes: np.ndarray) -> np.ndarray:
    """Corners of a convex body less what the half-spaces (a, b, c, e) exclude.

    Two corners are the ends of an edge only if they lie on as many common sides as an edge of the body does.
    """
    common = len(on[0]) - 1
    for number, (*normal, offset) in enumerate(planes):
        slack = points @ np.array(normal) + offset
        kept = {(on[i] | {number} if slack[i] == 0 else on[i]): points[i] for i in np.flatnonzero(slack >= 0)}
        for i, j in product(np.flatnonzero(slack > 0), np.flatnonzero(slack < 0)):
            both = on[i] & on[j]
            if len(both) >= common:
                share = slack[i] / (slack[i] - slack[j])
                kept[both | {number}] = points[i] + share * (points[j] - points[i])
        if not kept:
            return np.empty((0, 3))
        points, on = np.array(list(kept.values())), list(kept)
    return points


def box_sides(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    eye = np.eye(3)
    return np.concatenate([np.column_stack([eye, -low]), np.column_stack([-eye, high])])


def model_box(pyramid: Pyramid, view: View, grow: float) -> np.ndarray | None:
    """Own box around what is seen of the image, of an image that is larger on all sides by `grow`."""
    low, high = pyramid.box()
    low, high = low - grow, high + grow
    if view.camera is not None:
        points = clipped(*hull(list(zip(low.tolist(), high.tolist(), strict=True))), view.region().to_planes())
    else:
        height, width = view.canvas[1] / view.zoom / 2, view.canvas[0] / view.zoom / 2
        names, center = pyramid.axis_names, np.zeros(3)
        for name, value in (*view.point, *zip(view.displayed, view.center, strict=True)):
            center[names.index(name)] = value
        columns = np.zeros((2, 3))
        columns[:, [names.index(name) for name in view.displayed]] = view.frame()
        spans = [(-height, height), (-width, width)]
        for name, reach in view.margins:
            spans.append((-reach[0], reach[1]))
            columns = np.concatenate([columns, np.eye(3)[[names.index(name)]]])
        corners, on = hull(spans)
        world = center + corners @ columns
        points = clipped(pyramid.placement.solve(world) if pyramid.placement else world, on, box_sides(low, high))
    return np.stack([points.min(axis=0), points.max(axis=0)]) if len(points) else None


def check_against_model(pyramid: Pyramid, view: View) -> None:
    """Every end lies between those of a model a hair smaller and a hair larger: float noise decides nothing."""
    hair = 1e-7
    small, large = model_box(pyramid, view, -hair), model_box(pyramid, view, hair)
    assume((small is None) == (large is None))
    for k in range(len(pyramid.levels)):
        corners = corner_pixels(pyramid, view, k)
        if small is None or large is None:
            assert corners.shape == (0, 3)
            continue
        scale, shift, top = pyramid.scales[k], pyramid.translations[k], pyramid.shapes[k] - 1
        ends = [(box - shift) / scale + np.array([[-1], [1]]) * sign * hair for box, sign in ((small, -1), (large, 1))]
        first = [np.clip(np.floor(end[0] + 0.5), 0, top) for end in ends]
        last = [np.clip(np.ceil(end[1] - 0.5), 0, top) for end in ends]
        assert (first[1] <= corners[0]).all()
        assert (corners[0] <= first[0]).all()
        assert (np.minimum(last[0], first[0]) <= corners[1]).all()
        assert (corners[1] <= np.maximum(last[1], first[1])).all()


def turn(axis: int, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    a, b = (i for i in range(3) if i != axis)
    matrix = np.eye(3)
    matrix[[a, a, b, b], [a, b, a, b]] = c, -s, s, c
    return matrix


ANGLES = st.floats(-180, 180)


@st.composite
def placed(draw: st.DrawFn) -> Pyramid:
    pyramid = draw(pyramids(longest=20))
    linear = turn(0, draw(ANGLES)) @ turn(1, draw(ANGLES)) @ turn(2, draw(ANGLES))
    offset = np.array(draw(st.tuples(*[st.integers(-50, 50)] * 3)), dtype=float)
    return replace(pyramid, placement=Affine(NAMES, NAMES, linear, offset))


def middle(draw: st.DrawFn, pyramid: Pyramid) -> dict[str, float]:
    low, high = pyramid.extent()
    where = draw(st.tuples(*[st.floats(-0.2, 1.2)] * 3))
    return dict(zip(NAMES, (low + np.array(where) * (high - low)).tolist(), strict=True))


CANVAS = st.tuples(st.integers(1, 60), st.integers(1, 60))
ZOOM = st.sampled_from([0.3, 1.0, 2.7, 8.0])


@given(st.data())
@pytest.mark.oracle
def test_corners_of_slices_through_turned_images(data: st.DataObject) -> None:
    pyramid = data.draw(placed())
    place = middle(data.draw, pyramid)
    shown = tuple(data.draw(st.permutations(NAMES))[:2])
    (hidden,) = (name for name in NAMES if name not in shown)
    reach = data.draw(st.sampled_from([(0.0, 0.0), (1.5, 0.25), (0.0, 7.0)]))
    view = View(
        shown,
        ((hidden, place[hidden]),),
        data.draw(CANVAS),
        tuple(place[name] for name in shown),
        data.draw(ZOOM),
        margins=((hidden, reach),) if sum(reach) else (),
    )
    check_against_model(pyramid, view)


@given(st.data())
@pytest.mark.oracle
def test_corners_of_oblique_cuts(data: st.DataObject) -> None:
    pyramid = data.draw(st.one_of(placed(), pyramids(longest=20)))
    rows = turn(0, data.draw(ANGLES)) @ turn(1, data.draw(ANGLES)) @ turn(2, data.draw(ANGLES))
    view = View.oblique(
        pyramid,
        rows[:2].tolist(),
        canvas=data.draw(CANVAS),
        center=middle(data.draw, pyramid),
        zoom=data.draw(ZOOM),
    )
    check_against_model(pyramid, view)


@given(st.data())
@pytest.mark.oracle
def test_corners_of_volumes(data: st.DataObject) -> None:
    pyramid = data.draw(pyramids(longest=20))
    view = View.volume(
        pyramid,
        canvas=data.draw(CANVAS),
        center=middle(data.draw, pyramid),
        zoom=data.draw(ZOOM),
        camera=Camera(
            data.draw(ANGLES), data.draw(st.floats(-90, 90)), data.draw(ANGLES), data.draw(st.sampled_from([0.0, 60.0]))
        ),
    )
    check_against_model(pyramid, view)


@given(st.data())
def test_a_plan_names_the_same_corners(data: st.DataObject) -> None:
    pyramid = data.draw(st.one_of(placed(), pyramids(longest=20)))
    flat = data.draw(flat_views(pyramid))
    volume = View.volume(pyramid, canvas=(30, 40), zoom=2.0, camera=Camera(data.draw(ANGLES), 20.0, fov=40.0))
    for view in (flat, volume):
        size = len(localize(pyramid, view).axes)
        plan = plan_view(pyramid, view, Budget(10**6, (8,) * size))
        named = {level.level: level.corner_pixels.tolist() for level in plan.levels}
        assert named == {k: corner_pixels(pyramid, view, k).tolist() for k in named}
        assert plan.empty == (not len(corner_pixels(pyramid, view, 0)))


def test_an_image_without_such_a_level_or_axis_is_refused() -> None:
    pyramid = Pyramid("p", ZYX, (Level("0", (4, 5, 6), np.dtype("u1"), (2, 2, 2), (1.0,) * 3, (0.0,) * 3),))
    view = View.plane(pyramid)
    assert corner_pixels(pyramid, view, 0).tolist() == [[2, 0, 0], [2, 4, 5]]
    for level in (1, -1):
        with pytest.raises(ViewError, match=f"no level {level}"):
            corner_pixels(pyramid, view, level)
    with pytest.raises(ViewError, match="no axis 'lat'"):
        corner_pixels(pyramid, View(("lat", "x"), (), (9, 9), (0.0, 0.0), 1.0), 0)


# ---- whole chunks


@st.composite
def chunked(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int | tuple[int, ...], ...], np.ndarray]:
    """Shape, chunks and corners of a level; chunks of one length or, as dask has them, of any."""
    shape, chunks, corners = [], [], []
    for _ in range(draw(st.integers(1, 4))):
        lengths = draw(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(sum))
        regular = draw(st.booleans())
        shape.append(sum(lengths))
        chunks.append(draw(st.integers(1, 12)) if regular else tuple(lengths))
        corners.append(sorted(draw(st.tuples(*[st.integers(0, shape[-1] - 1)] * 2))))
    return tuple(shape), tuple(chunks), np.array(corners).T


def naive_growth(first: int, last: int, chunks: int | tuple[int, ...], length: int) -> list[int]:
    """The pixels of every chunk that has a pixel between two."""
    lengths = chunks if isinstance(chunks, tuple) else (chunks,) * length
    owner = [i for i, n in enumerate(lengths) for _ in range(n)][:length]
    wanted = {owner[p] for p in range(first, last + 1)}
    pixels = [p for p in range(length) if owner[p] in wanted]
    return [pixels[0], pixels[-1]]


@given(chunked(), st.data())
@pytest.mark.oracle
def test_growing_takes_every_pixel_of_every_chunk_touched(
    level: tuple[tuple[int, ...], tuple[int | tuple[int, ...], ...], np.ndarray], data: st.DataObject
) -> None:
    shape, chunks, corners = level
    before = corners.copy()
    axes = data.draw(st.none() | st.sets(st.integers(0, len(shape) - 1)).map(sorted))
    grown = grow_to_chunks(corners, chunks, shape, axes)
    expected = [
        naive_growth(*corners[:, a].tolist(), chunks[a], shape[a])
        if axes is None or a in axes
        else corners[:, a].tolist()
        for a in range(len(shape))
    ]
    assert grown.T.tolist() == expected
    assert grown.dtype == np.int64
    assert (corners == before).all()
    assert grow_to_chunks(grown, chunks, shape, axes).tolist() == grown.tolist()


def test_nothing_grows_to_nothing() -> None:
    assert grow_to_chunks(np.empty((0, 2), dtype=np.int64), (4, 4), (10, 10)).shape == (0, 2)


def test_a_read_only_array_and_small_integers_may_grow() -> None:
    corners = np.array([[250, 3], [254, 3]], dtype=np.uint8)
    corners.flags.writeable = False
    assert grow_to_chunks(corners, (100, 2), (1000, 4)).tolist() == [[200, 2], [299, 3]]


@pytest.mark.parametrize(
    ("corners", "chunks", "message"),
    [
        ([[0, 0], [10, 3]], (4, 4), "pixels of the level"),
        ([[-1, 0], [3, 3]], (4, 4), "pixels of the level"),
        ([[3, 0], [2, 3]], (4, 4), "pixels of the level"),
        ([[0.5, 0.0], [2.0, 3.0]], (4, 4), "pixels of the level"),
        ([[0, 0, 0], [1, 1, 1]], (4, 4), "one number for each axis"),
        ([[0, 0], [1, 1]], (4,), "one number for each axis"),
        ([[0, 0], [1, 1]], (0, 4), "at least one pixel"),
        ([[0, 0], [1, 1]], ((4, 4), 4), "fill their axis"),
        ([[0, 0], [1, 1]], ((12, -2), 4), "fill their axis"),
    ],
)
def test_corners_and_chunks_that_do_not_fit_are_refused(
    corners: list[list[float]], chunks: tuple[int | tuple[int, ...], ...], message: str
) -> None:
    with pytest.raises(ViewError, match=message):
        grow_to_chunks(corners, chunks, (10, 10))
    with pytest.raises(ViewError, match="no axis 2"):
        grow_to_chunks([[0, 0], [1, 1]], (4, 4), (10, 10), axes=[2])
