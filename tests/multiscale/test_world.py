"""Several images in one world: axes by name or from the right, units brought together, each planned by itself."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import MetadataError, TransformError, ViewError
from brickstream.multiscale import Affine, Axis, Budget, Camera, Level, Pyramid, View, plan_view
from brickstream.multiscale.corners import corner_pixels
from brickstream.multiscale.units import conversion
from brickstream.multiscale.world import World

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
METRES = {
    "micrometer": Fraction(1, 10**6),
    "mm": Fraction(1, 1000),
    "nm": Fraction(1, 10**9),
    "inch": Fraction(254, 10**4),
}
SECONDS = {"second": Fraction(1), "ms": Fraction(1, 1000), "minute": Fraction(60)}
HALF = Fraction(1, 2)


def image(
    axes: str | Sequence[Axis],
    shape: Sequence[int],
    scale: Sequence[float] | None = None,
    shift: Sequence[float] | None = None,
    *,
    units: Sequence[str | None] | None = None,
    levels: int = 1,
    placement: np.ndarray | None = None,
) -> Pyramid:
    """An image whose levels are halved along y and x, edges aligned."""
    given_units = units or [None] * len(shape)
    named = tuple(
        axis if isinstance(axis, Axis) else Axis(axis, TYPES[axis], unit)
        for axis, unit in zip(axes, given_units, strict=True)
    )
    names = tuple(axis.name for axis in named)
    steps, start = np.array(scale or [1.0] * len(shape)), np.array(shift or [0.0] * len(shape))
    made = []
    for k in range(levels):
        ratio = np.where(np.isin(names, ["y", "x"]), 2.0**k, 1.0)
        size = tuple(int(n) for n in np.ceil(np.array(shape) / ratio))
        place = start + steps * (ratio - 1) / 2
        made.append(Level(str(k), size, np.dtype("u1"), (4,) * len(size), tuple(steps * ratio), tuple(place)))
    turn = None if placement is None else Affine(names, names, placement, 0.75 - np.arange(len(names)))
    return Pyramid("-".join(names), named, tuple(made), placement=turn)


def numbered(*shape: int) -> Pyramid:
    return image([Axis(f"dim_{i}") for i in range(len(shape))], shape)


# ---- which axes are the same


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (("yx", "zyx", "tyx"), "tzyx"),
        (("zyx", "tyx"), "tzyx"),
        (("tyx", "zyx"), "tzyx"),
        (("zyx", "yx"), "zyx"),
        (("xy", "zyx"), "zxy"),  # the first image's order stays
        (("zyx", "czyx", "tcyx"), "tczyx"),
        (("yxc", "zyx"), "zyxc"),
        (("yx", "yxc"), "cyx"),
        (("t", "x"), "tx"),
    ],
)
def test_axes_of_the_same_name_are_the_same(images: tuple[str, ...], names: str) -> None:
    world = World.of([image(axes, (5,) * len(axes)) for axes in images])
    assert "".join(world.axis_names) == names
    assert ["".join(pyramid.axis_names) for pyramid in world.pyramids] == list(images)
    assert [axis.type for axis in world.axes] == [TYPES[name] for name in names]


def test_unnamed_axes_are_matched_from_the_right() -> None:
    world = World.of([numbered(8, 9), image("tzyx", (2, 3, 8, 9)), numbered(3, 8, 9)])
    assert world.axis_names == ("t", "z", "y", "x")
    assert [pyramid.axis_names for pyramid in world.pyramids] == [("y", "x"), ("t", "z", "y", "x"), ("z", "y", "x")]


def test_images_without_names_are_matched_with_the_largest_of_them() -> None:
    world = World.of([numbered(8, 9), numbered(3, 8, 9), numbered(2, 8, 9)])
    assert world.axis_names == ("dim_0", "dim_1", "dim_2")
    assert world.pyramids[0].axis_names == ("dim_1", "dim_2")
    assert world.pyramids[2].axis_names == world.axis_names


def test_what_an_unnamed_image_has_more_comes_first_under_a_free_name() -> None:
    odd = (Axis("dim_0", "space"), Axis("y", "space"))  # has a type, so its names mean something
    world = World.of([image(odd, (8, 9)), numbered(2, 3, 8, 9)])
    assert world.axis_names == ("dim_0_2", "dim_1", "dim_0", "y")


def test_numbers_of_axes_that_have_a_type_are_names() -> None:
    typed = image([Axis("0", "space"), Axis("1", "space")], (8, 9))
    assert World.of([image("yx", (8, 9)), typed]).axis_names == ("y", "x", "0", "1")


def test_which_images_are_unnamed_may_be_said() -> None:
    """Names of a plain array may be mere habit: its y is not the latitude of the other one."""
    globe = image([Axis("lat", "space"), Axis("lon", "space")], (18, 36))
    array = image("yx", (18, 36))
    assert World.of([globe, array]).axis_names == ("lat", "lon", "y", "x")
    world = World.of([globe, array], unnamed={1})
    assert world.axis_names == ("lat", "lon")
    assert world.pyramids[1].axis_names == ("lat", "lon")
    apart = World.of([numbered(8, 9), image("yx", (8, 9))], unnamed=())
    assert apart.axis_names == ("dim_0", "dim_1", "y", "x")


def test_matching_from_the_right_passes_colours_by() -> None:
    world = World.of([image("yxc", (8, 9, 3)), numbered(8, 9)])
    assert world.pyramids[1].axis_names == ("y", "x")


# ---- units


def test_the_first_unit_stated_rules_an_axis() -> None:
    world = World.of(
        [
            image("yx", (4, 4), units=(None, "pixel")),
            image("zyx", (4, 4, 4), (2.0, 500.0, 500.0), units=("mm", "nanometer", "nm")),
            image("zx", (4, 4), (3.0, 3.0), units=("micrometer", "micrometer")),
        ]
    )
    assert [axis.unit for axis in world.axes] == ["mm", "nanometer", "nm"]
    assert [pyramid.scales[0].tolist() for pyramid in world.pyramids] == [[1, 1], [2, 500, 500], [0.003, 3000]]
    assert world.maps[2].inverse()([0.003, 3000.0]).tolist() == [3.0, 3.0]


def test_units_that_do_not_go_together_are_refused_with_their_axis_and_image() -> None:
    with pytest.raises(TransformError, match=r"a time cannot be turned into a length: second and mm, axis x of 'y-x'"):
        World.of([image("x", (4,), units=("mm",)), image("yx", (4, 4), units=(None, "second"))])
    same = World.of([image("x", (4,), units=("parrot",))] * 2)
    assert same.axes[0].unit == "parrot"


def test_an_image_alone_in_its_world_is_left_as_it_is() -> None:
    alone = image("zyx", (4, 5, 6), units=("mm", "um", "um"), placement=np.diag([1.0, -1.0, 1.0]))
    assert World.of([alone]).pyramids[0] is alone


@st.composite
def images(draw: st.DrawFn) -> Pyramid:
    """Any of t, z, y, x in any order, each with a unit of its own; some turned, some flipped."""
    names = draw(st.sets(st.sampled_from("tzyx"), min_size=1).map(sorted).flatmap(st.permutations))
    ndim = len(names)
    units = [draw(st.sampled_from(sorted(SECONDS if name == "t" else METRES))) for name in names]
    scale = [draw(st.sampled_from([0.25, 1.0, 3.0, 7.0])) for _ in names]
    shift = [draw(st.sampled_from([-7.5, 0.0, 0.125, 40.0])) for _ in names]
    placement = None
    if draw(st.booleans()):
        placement = np.diag([draw(st.sampled_from([1.0, -1.0])) for _ in names])
        if ndim > 1 and "t" not in names[:2]:
            angle = draw(st.floats(0, 6))
            placement[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    shape = [draw(st.integers(1, 50)) for _ in names]
    return image(names, shape, scale, shift, units=units, levels=draw(st.integers(1, 3)), placement=placement)


@given(st.lists(images(), min_size=1, max_size=4), st.tuples(*[st.floats(-1, 1)] * 4))
def test_a_physical_point_has_one_place_in_the_world_through_every_image(
    several: list[Pyramid], place: tuple[float, ...]
) -> None:
    world = World.of(several)
    base = {"time": SECONDS, "space": METRES}
    physical = dict(zip("tzyx", place, strict=True))  # in seconds and metres
    expected = {a.name: physical[a.name] / float(base[str(a.type)][str(a.unit)]) for a in world.axes}
    for own, shared, along in zip(several, world.pyramids, world.maps, strict=True):
        here = np.array([physical[a.name] / float(base[str(a.type)][str(a.unit)]) for a in own.axes])
        there = np.array([expected[a.name] for a in own.axes])
        assert np.allclose(along(here), there, rtol=1e-12, atol=0)
        assert np.allclose(along.inverse()(there), here, rtol=1e-12, atol=0)
        for k in range(len(own.levels)):
            pixels = own.pixels_at(here, k)
            size = np.abs(shared.to_world(k).linear) @ (np.abs(pixels) + 1) + np.abs(shared.to_world(k).offset)
            assert (np.abs(shared.to_world(k)(pixels) - there) <= 1e-9 * size).all()
            assert np.allclose(shared.pixels_at(there, k), pixels, rtol=1e-7, atol=1e-7 * (1 + np.abs(pixels).max()))
            assert (own.levels[k].shape, own.levels[k].chunks) == (shared.levels[k].shape, shared.levels[k].chunks)


@given(st.lists(images(), min_size=1, max_size=4))
def test_the_extent_holds_every_image_and_no_more(several: list[Pyramid]) -> None:
    world = World.of(several)
    low, high = world.extent()
    for a, axis in enumerate(world.axes):
        ends = []
        for own in several:
            if axis.name in own.axis_names:
                at = own.axis_index(axis.name)
                ends.append(own.extent()[:, at] * conversion(own.axes[at].unit, axis.unit))
        assert isclose(low[a], min(end[0] for end in ends), rel_tol=1e-9, abs_tol=1e-9 * abs(high[a]))
        assert isclose(high[a], max(end[1] for end in ends), rel_tol=1e-9, abs_tol=1e-9 * abs(low[a]))
    size = high - low
    assert np.allclose(world.pyramid.extent(), [low, high], rtol=0, atol=1e-9 * (size + np.abs(low)).max())


@given(st.integers(0, 10**6).map(lambda n: n / 7), st.sampled_from([Fraction(1, 1000), Fraction(1000), Fraction(254)]))
def test_another_unit_everywhere_is_another_zoom_and_nothing_else(degrees: float, factor: Fraction) -> None:
    """A turned image in millimetres, looked at in a world of other units, shows the pixels that it shows alone."""
    unit = {Fraction(1, 1000): "m", Fraction(1000): "um", Fraction(254): None}[factor]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = image("yx", (50, 60), (1.0, 3.0), units=("mm", "mm"), levels=3, placement=np.array([[c, -s], [s, c]]))
    other = image("yx", (2, 2), units=(unit, unit))
    world = World.of([other, turned])
    factor = factor if unit else Fraction(1)
    alone = View.plane(turned, canvas=(20, 30), zoom=0.5)
    together = replace(alone, zoom=alone.zoom / float(factor), center=tuple(v * float(factor) for v in alone.center))
    pixels = (
        corner_pixels(turned, replace(alone, zoom=0.5001), 1),
        corner_pixels(turned, replace(alone, zoom=0.4999), 1),
    )
    shown = corner_pixels(world.pyramids[1], together, 1)
    assert (pixels[1][0] <= shown[0]).all()
    assert (shown[0] <= pixels[0][0]).all()
    assert (pixels[0][1] <= shown[1]).all()
    assert (shown[1] <= pixels[1][1]).all()


# ---- one view, several images


@cache
def covered(level: Level, a: int, base: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Half-open interval of every pixel along an axis, in base units."""
    scale, shift = Fraction(level.scale[a]), Fraction(level.translation[a])
    return [((shift + (i - HALF) * scale) * base, (shift + (i + HALF) * scale) * base) for i in range(level.shape[a])]


def naive_corners(pyramid: Pyramid, intervals: dict[str, tuple[Fraction, Fraction]], k: int) -> list[list[int]]:
    """First and last pixel of a level whose extent, in base units, meets the view's; [] where nothing does.

    An interval whose ends are alike is a point.
    """
    corners = []
    for a, axis in enumerate(pyramid.axes):
        base = (SECONDS if axis.type == "time" else METRES)[str(axis.unit)]
        low, high = intervals[axis.name]
        whole = covered(pyramid.levels[0], a, base)
        if not (whole[0][0] < high and low < whole[-1][1]):
            return []
        pixels = enumerate(covered(pyramid.levels[k], a, base))
        seen = [i for i, (p, q) in pixels if (p < high and low < q) or (low == high and p <= low < q)]
        corners.append([seen[0], seen[-1]])
    return [list(ends) for ends in zip(*corners, strict=True)]


@given(
    st.tuples(st.integers(-40, 700), st.integers(-40, 700), st.integers(-9, 150), st.integers(-3, 33)),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from([0.125, 0.25, 0.5, 1.0]),
    st.permutations([0, 1, 2]),
)
@pytest.mark.oracle
def test_a_time_series_a_stack_and_a_plane_meet_in_one_view(
    at: tuple[int, ...], canvas: tuple[int, int], zoom: float, order: list[int]
) -> None:
    """Each is asked by itself which pixels it shows; the model knows nothing of worlds, only of metres and seconds."""
    three = [
        image("tyx", (10, 256, 200), (2.0, 2.0, 2.0), units=("second", "micrometer", "micrometer"), levels=3),
        image("zyx", (40, 100, 120), (3.0, 4.0, 4.0), (0.0, 5.0, 50.0), units=("micrometer",) * 3, levels=2),
        image("yx", (300, 300), (2000.0, 1500.0), (-1000.0, 250.0), units=("nm", "nm"), levels=3),
    ]
    world = World.of([three[i] for i in order])
    y, x, z, t = (n + 0.375 for n in at)  # micrometres and seconds, on no pixel's edge
    unit = {axis.name: conversion("second" if axis.name == "t" else "micrometer", axis.unit) for axis in world.axes}
    assert unit["y"] == unit["x"]
    view = View(
        ("y", "x"),
        (("z", z * unit["z"]), ("t", t * unit["t"])),
        canvas,
        (y * unit["y"], x * unit["x"]),
        zoom / unit["y"],
    )
    half = [Fraction(n) / Fraction(zoom) / 2 for n in canvas]
    micro = Fraction(1, 10**6)
    intervals = {
        "y": ((Fraction(y) - half[1]) * micro, (Fraction(y) + half[1]) * micro),
        "x": ((Fraction(x) - half[0]) * micro, (Fraction(x) + half[0]) * micro),
        "z": (Fraction(z) * micro,) * 2,
        "t": (Fraction(t),) * 2,
    }
    for place, i in enumerate(order):
        seen = world.view_of(place, view)
        assert seen is not None
        plan = plan_view(world.pyramids[place], seen, Budget(10**6, (16, 16)))
        expected = [naive_corners(three[i], intervals, k) for k in range(len(three[i].levels))]
        assert plan.empty == (not expected[0])
        assert [corner_pixels(world.pyramids[place], seen, k).tolist() for k in range(len(expected))] == expected
        assert all(part.corner_pixels.tolist() == expected[part.level] for part in plan.levels)


def test_what_does_not_concern_an_image_leaves_its_view_alone() -> None:
    world = World.of([image("tyx", (9, 8, 8)), image("zyx", (9, 8, 8)), image("yx", (8, 8))])
    views = [View.plane(world, point={"t": t, "z": 4.0}, margins={"z": 1.0}, zoom=1.0) for t in (3.0, 4.0)]
    seen = [[world.view_of(i, view) for view in views] for i in range(3)]
    assert seen[0][0] != seen[0][1]
    assert seen[1][0] == seen[1][1]
    assert seen[2][0] == seen[2][1]
    (series, _), (stack, _), (flat, _) = seen
    assert series is not None
    assert stack is not None
    assert flat is not None
    assert (series.point, series.margins) == ((("t", 3.0),), ())
    assert (stack.point, stack.margins) == ((("z", 4.0),), (("z", (1.0, 1.0)),))
    assert (flat.point, flat.margins, flat.zoom) == ((), (), 1.0)


def test_an_image_that_lacks_a_displayed_axis_is_not_shown() -> None:
    world = World.of([image("zyx", (8, 8, 8)), image("yx", (8, 8))])
    for view in (View.volume(world), View.plane(world, ("z", "x")), View.oblique(world, ((1, 1, 0), (0, 0, 1)))):
        assert world.view_of(0, view) == view
        assert world.view_of(1, view) is None


def test_a_point_beside_an_image_is_an_empty_plan() -> None:
    world = World.of([image("tyx", (4, 8, 8)), image("tyx", (9, 8, 8))])
    view = View.plane(world, point={"t": 6.0})
    empty = []
    for i, pyramid in enumerate(world.pyramids):
        seen = world.view_of(i, view)
        assert seen is not None
        empty.append(plan_view(pyramid, seen, Budget(99, (8, 8))).empty)
    assert empty == [True, False]


def test_a_named_level_is_at_most_the_coarsest_of_each_image() -> None:
    world = World.of([image("yx", (64, 64), levels=4), image("yx", (64, 64), levels=2)])
    view = View.plane(world, level=3)
    named = [world.view_of(i, view) for i in range(2)]
    assert [seen.level for seen in named if seen is not None] == [3, 1]
    with pytest.raises(ViewError, match="no level 4"):
        View.plane(world, level=4)
    with pytest.raises(ViewError, match="no level 4"):
        world.view_of(0, replace(view, level=4))


def test_a_world_stands_in_for_an_image_where_views_are_made() -> None:
    world = World.of([image("tyx", (10, 40, 20), (2.0, 1.0, 1.0)), image("zyx", (8, 10, 10), (5.0, 1.0, 9.0))])
    plane = View.plane(world, canvas=(90, 90))
    assert (plane.displayed, plane.center, plane.zoom) == (("y", "x"), (19.5, 40.5), 1.0)
    assert dict(plane.point) == {"t": 0.0, "z": 20.0}
    assert world.pyramid.scales.tolist() == [[2.0, 5.0, 1.0, 1.0]]
    assert world.pyramid.shapes.tolist() == [[10, 8, 40, 90]]
    volume = View.volume(world, camera=Camera())
    assert volume.displayed == ("z", "y", "x")
    assert dict(volume.point) == {"t": 0.0}
    with pytest.raises(ViewError, match="outside the image"):
        View.plane(world, point={"t": 20.0})


def test_float_noise_makes_a_world_no_pixel_longer() -> None:
    low, high = World.of([image("x", (15,), (0.1,))]).extent()[:, 0]
    assert (high - low) / 0.1 > 15
    assert World.of([image("x", (15,), (0.1,))]).pyramid.shapes.tolist() == [[15]]


def test_a_view_on_a_world_of_one_image_is_that_on_the_image() -> None:
    alone = image("tzyx", (3, 8, 40, 50), (2.0, 5.0, 1.5, 0.25), (1.0, -7.0, 3.0, 0.0), levels=3)
    world = World.of([alone])
    assert View.plane(world) == View.plane(alone)
    assert View.volume(world, level=2) == View.volume(alone, level=2)
    assert View.line(world, "z") == View.line(alone, "z")


@pytest.mark.parametrize("step", [1e-18, 1e300])
def test_pixels_of_very_different_sizes_can_meet(step: float) -> None:
    world = World.of([image("yx", (9, 9)), image("yx", (9, 9), (step, step))])
    assert np.allclose(world.pyramid.extent(), world.extent(), rtol=1e-9, atol=1e-9)
    assert world.pyramid.shapes.max() <= 2**53


def test_worlds_that_cannot_be_are_refused() -> None:
    flat = image("yx", (8, 8))
    with pytest.raises(ViewError, match="at least one image"):
        World.of([])
    with pytest.raises(ViewError, match="no image at this place"):
        World.of([flat], unnamed={1})
    others = image([Axis(name) for name in "abcde"], (2,) * 5)
    with pytest.raises(MetadataError, match="from 1 to 6 axes"):
        World.of([flat, others])
    world = World.of([flat])
    with pytest.raises(ViewError, match="no image 1"):
        world.view_of(1, View.plane(world))
    with pytest.raises(ViewError, match="no axis 'q'"):
        world.view_of(0, View(("y", "x"), (("q", 1.0),), (9, 9), (0.0, 0.0), 1.0))


def test_equal_worlds_are_equal() -> None:
    worlds = [World.of([image("yx", (8, 8), units=("mm", "mm")), image("zyx", (3, 8, 8))]) for _ in range(2)]
    assert worlds[0] == worlds[1]
    assert len(set(worlds)) == 1
