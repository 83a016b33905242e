"""Levels, pyramids, and which level and plane a view gets."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brickstream.errors import MetadataError, ViewError
from brickstream.multiscale import Affine, Axis, Budget, Camera, Level, Pyramid, View, choose_level, localize, plan_view
from brickstream.multiscale.levels import HYSTERESIS, improvable, level_errors

U1 = np.dtype("u1")
ZYX = tuple(Axis(name, "space") for name in "zyx")


def level(shape: tuple[int, ...], scale: tuple[float, ...], shift: tuple[float, ...], chunk: int = 4) -> Level:
    return Level("0", shape, U1, (chunk,) * len(shape), scale, shift)


def flat(*scales: tuple[float, float]) -> Pyramid:
    """Levels of 64 world units a side, one for each (y, x) scale."""
    levels = tuple(level((int(64 / y), int(64 / x)), (y, x), (y / 2, x / 2)) for y, x in scales)
    return Pyramid("flat", ZYX[1:], levels)


@given(st.integers(1, 200), st.integers(1, 50))
def test_chunks_cover_a_level_once_and_end_at_its_edge(length: int, chunk: int) -> None:
    row = Level("0", (length,), U1, (chunk,), (1.0,), (0.0,))
    boxes = [row.chunk_box((i,)) for i in range(row.grid[0])]
    assert [p for (start,), (stop,) in boxes for p in range(start, stop)] == list(range(length))


def test_sizes_in_bytes() -> None:
    array = Level("0", (3, 5), np.dtype("f4"), (2, 2), (1.0, 1.0), (0.0, 0.0))
    assert (array.nbytes, array.chunk_nbytes) == (60, 16)


def test_an_extent_runs_from_outer_edge_to_outer_edge() -> None:
    pyramid = Pyramid("p", ZYX[1:], (level((10, 20), (2.0, 0.5), (1.0, -3.0)),))
    assert pyramid.extent().tolist() == [[0.0, -3.25], [20.0, 6.75]]


def test_the_arrays_of_a_pyramid_cannot_be_written() -> None:
    pyramid = flat((1.0, 1.0))
    for array in (pyramid.scales, pyramid.translations, pyramid.shapes):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"shape": (8,)}, "levels[0].shape"),
        ({"shape": (0, 8)}, "levels[0].shape"),
        ({"chunks": (0, 4)}, "levels[0].chunks"),
        ({"scale": (1.0, 0.0)}, "levels[0].scale"),
        ({"scale": (1.0, -1.0)}, "levels[0].scale"),
        ({"scale": (1.0, float("nan"))}, "levels[0].scale"),
        ({"translation": (float("inf"), 0.0)}, "levels[0].translation"),
        ({"translation": (0.0,)}, "levels[0].translation"),
    ],
)
def test_levels_that_do_not_fit_are_refused_with_their_place(change: dict[str, tuple[float, ...]], path: str) -> None:
    values = {"shape": (8, 8), "chunks": (4, 4), "scale": (1.0, 1.0), "translation": (0.0, 0.0)} | change
    with pytest.raises(MetadataError) as caught:
        Pyramid("p", ZYX[1:], (Level("0", dtype=U1, **values),))  # type: ignore[arg-type]
    assert caught.value.path == path


def test_a_pyramid_has_levels_and_unique_axes() -> None:
    with pytest.raises(MetadataError, match="from 1 to 64 levels"):
        Pyramid("p", ZYX, ())
    with pytest.raises(MetadataError, match="unique"):
        Pyramid("p", (Axis("x"), Axis("x")), (level((8, 8), (1.0, 1.0), (0.0, 0.0)),))


def test_an_unknown_axis_names_those_there_are() -> None:
    with pytest.raises(ViewError, match="the axes are y, x"):
        flat((1.0, 1.0)).axis_index("z")


@pytest.mark.parametrize(
    ("zoom", "expected"),
    [(4.0, 0), (1.0, 0), (0.5, 1), (0.51, 0), (0.49, 1), (0.25, 2), (0.25 * (1 + 1e-9), 2), (1e-6, 2)],
)
def test_the_coarsest_level_with_a_pixel_for_each_canvas_pixel_is_chosen(zoom: float, expected: int) -> None:
    pyramid = flat((1.0, 1.0), (2.0, 2.0), (4.0, 4.0))
    assert choose_level(pyramid, View.plane(pyramid, zoom=zoom)) == expected


def test_an_axis_that_no_finer_level_resolves_better_does_not_count() -> None:
    """The y axis is never downsampled: going finer would read more and show no more."""
    pyramid = flat((8.0, 1.0), (8.0, 2.0), (8.0, 4.0))
    assert choose_level(pyramid, View.plane(pyramid, zoom=0.25)) == 2
    assert choose_level(pyramid, View.plane(pyramid, zoom=0.5)) == 1


def test_a_level_may_be_named() -> None:
    pyramid = flat((1.0, 1.0), (2.0, 2.0), (4.0, 4.0))
    view = View.plane(pyramid, zoom=4.0, level=2)
    assert choose_level(pyramid, view) == plan_view(pyramid, view, Budget(99, (8, 8))).target.level == 2
    with pytest.raises(ViewError, match="no level 3"):
        View.plane(pyramid, level=3)


@pytest.mark.parametrize(
    ("shift", "planes"),
    [
        (0.5, [0, 0, 1, 1, 2, 2, 3, 3]),  # edges aligned: as where the metadata gives no translation
        (0.0, [0, 1, 1, 2, 2, 3, 3, 3]),  # centres of the first pixels aligned: 0.5 goes up, the last is clamped
    ],
)
def test_a_plane_index_is_rounded_half_up(shift: float, planes: list[int]) -> None:
    fine = level((8, 8, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    coarse = level((4, 4, 4), (2.0, 2.0, 2.0), (shift, 0.5, 0.5))
    pyramid = Pyramid("p", ZYX, (fine, coarse))
    found = []
    for z in range(8):
        view = View.plane(pyramid, point={"z": float(z)}, level=1)
        corners = plan_view(pyramid, view, Budget(99, (8, 8))).target.corner_pixels
        assert corners[0, 0] == corners[1, 0]
        found.append(int(corners[0, 0]))
    assert found == planes


# ---- the rule as laws, over ugly pyramids: ratios by axis, rarely powers of two, some axes never downsampled


@st.composite
def pyramids(draw: st.DrawFn, ndim: int = 3) -> Pyramid:
    """Levels whose scales grow by axis as they like; shapes and translations do not matter for the choice."""
    scale = np.array(draw(st.tuples(*[st.sampled_from([0.25, 0.375, 1.0, 1.5, 3.0, 160.0])] * ndim)))
    levels = []
    for k in range(draw(st.integers(1, 7))):
        shift = draw(st.tuples(*[st.sampled_from([-7.25, 0.0, 0.5, 100.0])] * ndim))
        shape = draw(st.tuples(*[st.integers(1, 90)] * ndim))
        levels.append(Level(str(k), shape, U1, (4,) * ndim, tuple(scale.tolist()), shift))
        scale = scale * draw(st.tuples(*[st.sampled_from([1.0, 1.0, 1.25, 1.5, 2.0, 3.0, 7.0])] * ndim))
    return Pyramid("ugly", ZYX[-ndim:], tuple(levels))


ZOOMS = st.floats(-9, 5).map(lambda octaves: float(2.0**octaves))
SHOWN = st.permutations("zyx").map(lambda names: tuple(names[:2]))


def plane(pyramid: Pyramid, zoom: float, shown: tuple[str, ...] = ("y", "x")) -> View:
    return View.plane(pyramid, displayed=shown, zoom=zoom, canvas=(64, 48))


def naive_level(pyramid: Pyramid, zoom: float, shown: tuple[str, ...]) -> int:
    """Walk down from the coarsest level, axis by axis; the one place where the rule is written out in words."""
    for k in reversed(range(len(pyramid.levels))):
        happy = True
        for name in shown:
            a = pyramid.axis_index(name)
            here = pyramid.levels[k].scale[a]
            could_be_better = any(finer.scale[a] < here for finer in pyramid.levels[:k])
            if could_be_better and here * zoom > 1:
                happy = False
        if happy:
            return k
    raise AssertionError("level 0 is always good enough")


def away_from_borders(pyramid: Pyramid, *zooms: float) -> bool:
    """Float noise decides nothing at these zooms."""
    return all((np.abs(pyramid.scales * zoom - 1) > 1e-5).all() for zoom in zooms)


def ranges(pyramid: Pyramid, shown: tuple[str, ...]) -> dict[int, tuple[float, float]]:
    """Levels that the rule chooses at some zoom, coarsest first, and from which zoom to which."""
    borders = np.unique(1 / pyramid.scales)
    ends = [borders[0] / 2, *borders, borders[-1] * 2]
    found: dict[int, tuple[float, float]] = {}
    for low, high in pairwise(ends):
        if high > low * (1 + 1e-9):
            k = naive_level(pyramid, float(np.sqrt(low * high)), shown)
            found[k] = (found[k][0] if k in found else float(low), float(high))
    return found


@given(pyramids(), ZOOMS, SHOWN)
@pytest.mark.oracle
def test_the_choice_equals_the_naive_rule(pyramid: Pyramid, zoom: float, shown: tuple[str, ...]) -> None:
    assume(away_from_borders(pyramid, zoom))
    assert choose_level(pyramid, plane(pyramid, zoom, shown)) == naive_level(pyramid, zoom, shown)


@given(pyramids(), st.data())
def test_at_the_border_itself_the_coarser_level_is_enough(pyramid: Pyramid, data: st.DataObject) -> None:
    """One pixel for each canvas pixel is at least one, whatever the last digit of the zoom says."""
    k = data.draw(st.sampled_from(list(ranges(pyramid, ("y", "x")))))
    size = float(level_errors(pyramid, plane(pyramid, 1.0))[k])
    assume(size > 0)
    for zoom in (1 / size, np.nextafter(1 / size, 0), np.nextafter(1 / size, 9)):
        assert choose_level(pyramid, plane(pyramid, float(zoom))) == k


@given(pyramids(), ZOOMS, st.floats(1, 50))
def test_zooming_in_never_chooses_a_coarser_level(pyramid: Pyramid, zoom: float, factor: float) -> None:
    far, near = (choose_level(pyramid, plane(pyramid, z)) for z in (zoom, zoom * factor))
    assert near <= far


@given(pyramids(), SHOWN, st.booleans(), st.booleans())
@settings(max_examples=15)
def test_a_slow_zoom_passes_every_useful_level_in_turn(
    pyramid: Pyramid, shown: tuple[str, ...], sticky: bool, out: bool
) -> None:
    """No cliffs, also where the last level is remembered: none is left out that is good for more than the band."""
    useful, step = ranges(pyramid, shown), 1.07
    low, high = next(iter(useful.values()))[0], list(useful.values())[-1][1]
    zooms = low * step ** np.arange(0, np.log(high / low) / np.log(step) + 1)
    previous, seen = None, []
    for zoom in zooms[::-1] if out else zooms:
        previous = choose_level(pyramid, plane(pyramid, float(zoom), shown), previous if sticky else None)
        seen.append(previous)
    assert seen == sorted(seen, reverse=not out)
    band = step * (HYSTERESIS if sticky else 1.0)
    assert {k for k, (a, b) in useful.items() if b > a * band * 1.001} <= set(seen) <= set(useful)


@given(pyramids(), ZOOMS, st.tuples(st.integers(1, 5000), st.integers(1, 5000)), st.tuples(*[st.floats(-99, 99)] * 2))
def test_the_size_of_the_field_of_view_and_its_place_do_not_matter(
    pyramid: Pyramid, zoom: float, canvas: tuple[int, int], center: tuple[float, float]
) -> None:
    view = plane(pyramid, zoom)
    elsewhere = replace(view, canvas=canvas, center=center)
    assert choose_level(pyramid, elsewhere) == choose_level(pyramid, view)


def test_one_more_row_in_view_does_not_change_the_level() -> None:
    """The rule that compares sizes of the field of view goes from level 2 to level 0 here."""
    pyramid = flat((1.0, 1.0), (2.0, 2.0), (4.0, 4.0), (8.0, 8.0))
    view = View.plane(pyramid, zoom=0.25)
    levels = [choose_level(pyramid, replace(view, canvas=(1250, height))) for height in (255, 256, 257)]
    assert levels == [2, 2, 2]


@given(pyramids(), ZOOMS)
def test_views_along_all_axes_agree(pyramid: Pyramid, zoom: float) -> None:
    """The level of a volume is the finest of its planes; of a plane, the finest of its lines."""
    line = {name: choose_level(pyramid, View.line(pyramid, name, zoom=zoom)) for name in "zyx"}
    across = {shown: choose_level(pyramid, plane(pyramid, zoom, tuple(shown))) for shown in ("zy", "zx", "yx")}
    assert across == {shown: min(line[name] for name in shown) for shown in across}
    volume = View.volume(pyramid, zoom=zoom, camera=Camera(17.0, 40.0, fov=0.0))
    assert choose_level(pyramid, volume) == min(across.values())


@given(pyramids(), ZOOMS, st.floats(-4, 4))
def test_a_bias_is_a_zoom_for_the_choice_alone(pyramid: Pyramid, zoom: float, bias: float) -> None:
    view = plane(pyramid, zoom)
    assume(away_from_borders(pyramid, zoom * 2.0**bias))
    assert choose_level(pyramid, replace(view, bias=bias)) == choose_level(pyramid, plane(pyramid, zoom * 2.0**bias))


@given(pyramids(), ZOOMS)
def test_an_axis_that_is_never_downsampled_changes_nothing(pyramid: Pyramid, zoom: float) -> None:
    kept = tuple(replace(level, scale=(300.0, *level.scale[1:])) for level in pyramid.levels)
    shown = View.line(pyramid, "x", zoom=zoom)
    assert choose_level(replace(pyramid, levels=kept), plane(pyramid, zoom, ("z", "x"))) == choose_level(pyramid, shown)


@given(pyramids(), ZOOMS, st.floats(0, 360))
def test_a_turned_image_of_equal_axes_gets_the_level_of_an_upright_one(
    pyramid: Pyramid, zoom: float, degrees: float
) -> None:
    alike = tuple(replace(level, scale=(level.scale[0],) * 3) for level in pyramid.levels)
    pyramid = replace(pyramid, levels=alike)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = Affine(tuple("zyx"), tuple("zyx"), np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), np.array([5.0, -3.0, 99.0]))
    turned = replace(pyramid, placement=turn)
    for shown in (("y", "x"), ("z", "x")):
        assume(away_from_borders(pyramid, zoom))
        view = plane(turned, zoom, shown)
        assert choose_level(turned, view) <= choose_level(pyramid, plane(pyramid, zoom, shown))
        if shown == ("y", "x"):
            assert choose_level(turned, view) == choose_level(pyramid, plane(pyramid, zoom, shown))


@given(pyramids(), ZOOMS, st.floats(0.0, 90.0))
def test_a_cut_looks_at_every_axis_that_it_runs_along(pyramid: Pyramid, zoom: float, degrees: float) -> None:
    """At 0 degrees the plane of y and x, at 90 that of z and x; in between every axis as far as it lies in the cut."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    cut = View.oblique(pyramid, ((s, c, 0.0), (0.0, 0.0, 1.0)), zoom=zoom)
    scales = pyramid.scales * np.array([s, c, 1.0])
    assume((np.abs(scales * zoom - 1) > 1e-5).all() and min(c, s) > 1e-3)
    counts = improvable(pyramid.scales)
    good = [k for k in range(len(scales)) if (scales[k] * zoom <= 1)[counts[k]].all()]
    assert choose_level(pyramid, cut) == max(good)
    upright = View.oblique(pyramid, ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), zoom=zoom)
    assert choose_level(pyramid, upright) == choose_level(pyramid, plane(pyramid, zoom))


# ---- hysteresis and locks


@given(pyramids(), ZOOMS, SHOWN, st.floats(1.0, 3.0), st.data())
@pytest.mark.oracle
def test_the_last_level_stays_exactly_where_a_zoom_that_near_would_choose_it(
    pyramid: Pyramid, zoom: float, shown: tuple[str, ...], factor: float, data: st.DataObject
) -> None:
    previous = data.draw(st.integers(0, len(pyramid.levels) - 1))
    assume(away_from_borders(pyramid, zoom, zoom * factor, zoom / factor))
    borders = [b for b in np.unique(1 / pyramid.scales).tolist() if zoom / factor < b < zoom * factor]
    ends = [zoom / factor, *borders, zoom * factor]
    near = {naive_level(pyramid, z, shown) for z in [*ends, *(float(np.sqrt(a * b)) for a, b in pairwise(ends))]}
    expected = previous if previous in near else naive_level(pyramid, zoom, shown)
    view = plane(pyramid, zoom, shown)
    assert choose_level(pyramid, view, previous, hysteresis=factor) == expected


def test_the_band_is_ten_percent_wide_to_both_sides() -> None:
    pyramid = flat((1.0, 1.0), (3.0, 3.0), (7.0, 7.0))
    for previous, zoom, expected in [
        (1, 1 / 3 * 1.099, 1),  # too coarse, by less than the band
        (1, 1 / 3 * 1.101, 0),
        (0, 1 / 3 / 1.099, 0),  # finer than needed, by less than the band
        (0, 1 / 3 / 1.101, 1),
        (1, 1 / 7 / 1.099, 1),
        (1, 1 / 7 / 1.101, 2),
        (0, 1 / 7, 2),  # two levels off: nothing to hold on to
        (2, 1.0, 0),
    ]:
        assert choose_level(pyramid, plane(pyramid, zoom), previous) == expected, (previous, zoom)
    assert HYSTERESIS == 1.1


@given(pyramids(), ZOOMS)
def test_zooming_by_a_hair_does_not_flip_levels(pyramid: Pyramid, zoom: float) -> None:
    level = choose_level(pyramid, plane(pyramid, zoom))
    for factor in (1.04, 1 / 1.04, 1.09, 1 / 1.09, 1.0) * 2:
        level_now = choose_level(pyramid, plane(pyramid, zoom * factor), level)
        assert level_now == level


@pytest.mark.parametrize("zoom", [3.0, 0.95, 1.05])
def test_a_level_that_differs_on_hidden_axes_alone_is_not_held(zoom: float) -> None:
    """Levels 1 and 2 look the same in this plane; the coarser one is cheaper and shows as much."""
    levels = tuple(level((8, 8, 8), scale, (0.0,) * 3) for scale in ((1.0, 0.5, 0.5), (1.0, 1.0, 1.0), (2.0, 1.0, 1.0)))
    pyramid = Pyramid("p", ZYX, levels)
    assert level_errors(pyramid, plane(pyramid, zoom)).tolist() == [0.0, zoom, zoom]
    assert choose_level(pyramid, plane(pyramid, zoom), previous=1) == (2 if zoom <= 1 else 0)
    hidden = replace(pyramid, levels=levels[1:])
    assert level_errors(hidden, plane(hidden, zoom)).tolist() == [0.0, 0.0]
    assert choose_level(hidden, plane(hidden, zoom), previous=0) == 1


def test_a_named_level_wins_over_the_last_one_and_must_exist() -> None:
    pyramid = flat((1.0, 1.0), (2.0, 2.0), (4.0, 4.0))
    view = View.plane(pyramid, zoom=4.0, level=2)
    assert choose_level(pyramid, view, previous=0) == 2
    smaller = flat((1.0, 1.0), (2.0, 2.0))
    for wrong in (2, -1):
        with pytest.raises(ViewError, match=f"no level {wrong}"):
            choose_level(smaller, replace(view, level=wrong))
        with pytest.raises(ViewError, match=f"no level {wrong}"):
            choose_level(smaller, replace(view, level=None), previous=wrong)


@pytest.mark.parametrize("factor", [0.99, 0.0, float("nan"), float("inf")])
def test_a_hysteresis_that_is_no_factor_is_refused(factor: float) -> None:
    pyramid = flat((1.0, 1.0), (2.0, 2.0))
    with pytest.raises(ViewError, match="at least 1"):
        choose_level(pyramid, plane(pyramid, 1.0), 0, hysteresis=factor)


def test_the_report_names_the_axis_that_wants_most() -> None:
    pyramid = Pyramid("p", ZYX[1:], tuple(level((9, 9), s, (0.0, 0.0)) for s in ((5.0, 1.0), (5.0, 1.5), (6.0, 4.5))))
    assert improvable(pyramid.scales).tolist() == [[False, False], [False, True], [True, True]]
    view = plane(pyramid, 0.5)
    assert level_errors(pyramid, view).tolist() == [0.0, 0.75, 3.0]
    assert level_errors(pyramid, view, localize(pyramid, view)).tolist() == [0.0, 0.75, 3.0]


def test_more_canvas_pixels_than_a_float_can_count_are_too_many() -> None:
    pyramid = Pyramid("p", ZYX[1:], tuple(level((9, 9), (s, s), (0.0, 0.0)) for s in (1.0, 1e300)))
    view = View(("y", "x"), (), (9, 9), (0.0, 0.0), 1e70)
    assert level_errors(pyramid, view).tolist() == [0.0, np.inf]
    assert choose_level(pyramid, view) == choose_level(pyramid, view, previous=1) == 0
