"""Sliders as values: ranges, points, margins, order, and the views they make."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from placed import aligned_maps, askew_maps, image, levels, names_of_axes

from brickstream.errors import BrickstreamError, TransformError, ViewError
from brickstream.multiscale import Affine, Axis, Camera, Level, Pyramid, View
from brickstream.multiscale.dims import Dims, DimsAxis
from brickstream.multiscale.slicing import slice_index
from brickstream.multiscale.world import World

U1 = np.dtype("u1")
MOVIE = Pyramid(
    "movie",
    tuple(
        Axis(n, t, u)
        for n, t, u in [("z", "space", "um"), ("t", "time", "s"), ("y", "space", "um"), ("x", "space", "um")]
    ),
    (Level("0", (10, 5, 40, 80), U1, (1, 1, 16, 16), (4.0, 0.5, 1.0, 1.0), (2.0, 1.0, 0.5, 0.5)),),
)
DIMS = Dims.of(MOVIE)


def axis(name: str, **numbers: float) -> DimsAxis:
    return DimsAxis(name, **({"start": 0.0, "stop": 9.0, "step": 1.0, "point": 4.0} | numbers))  # type: ignore[arg-type]


# ---- of an image


def test_dims_of_an_image_have_its_pixels_for_steps() -> None:
    assert DIMS.names == ("z", "t", "y", "x")
    assert [(a.start, a.stop, a.step) for a in DIMS.axes] == [
        (2.0, 38.0, 4.0),
        (1.0, 3.0, 0.5),
        (0.5, 39.5, 1.0),
        (0.5, 79.5, 1.0),
    ]
    assert DIMS.nsteps == {"z": 10, "t": 5, "y": 40, "x": 80}
    # Space begins in the middle, time at its first pixel.
    assert DIMS.point == {"z": 22.0, "t": 1.0, "y": 20.5, "x": 40.5}
    assert [a.unit for a in DIMS.axes] == ["um", "s", "um", "um"]
    assert (DIMS.ndisplay, DIMS.order) == (2, ("t", "z", "y", "x"))
    assert (DIMS.displayed, DIMS.not_displayed) == (("y", "x"), ("t", "z"))
    assert DIMS.with_ndisplay(3).displayed == ("z", "y", "x")
    assert DIMS.with_ndisplay(1).displayed == ("x",)


def test_dims_are_taken_from_whatever_has_a_pyramid() -> None:
    class Opened:
        pyramid = MOVIE

    assert Dims.of(Opened()) == DIMS
    assert DIMS.view(Opened()) == DIMS.view(MOVIE)
    row = Pyramid("row", (Axis("x"),), (Level("0", (4,), U1, (4,), (1.0,), (0.0,)),))
    assert Dims.of(row).ndisplay == 1


def stack(names: str, shape: tuple[int, ...], scale: tuple[float, ...], shift: tuple[float, ...]) -> Pyramid:
    types = {"t": "time", "c": "channel"}
    axes = tuple(Axis(name, types.get(name, "space"), "um" if name in "zyx" else None) for name in names)
    return Pyramid(names, axes, (Level("0", shape, U1, shape, scale, shift),))


def test_dims_of_several_images_have_what_all_of_them_have() -> None:
    """Steps are the smallest pixels; a range goes from the outermost pixel to the outermost one."""
    series = stack("tyx", (10, 40, 20), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    volume = stack("zyx", (8, 20, 10), (5.0, 2.0, 2.0), (100.0, 0.5, -19.5))
    dims = Dims.of(World.of([series, volume]))
    assert dims.names == dims.order == ("t", "z", "y", "x")
    assert dims.range == {
        "t": (0.0, 18.0, 2.0),
        "z": (100.0, 135.0, 5.0),
        "y": (0.0, 39.0, 1.0),
        "x": (-20.0, 19.0, 1.0),
    }
    assert dims.point["t"] == 0.0
    assert dims.displayed == ("y", "x")
    assert dims.moved_to(Dims.of(World.of([series]))).names == ("t", "y", "x")


@given(st.data())
def test_steps_through_a_world_pass_over_no_pixel_of_any_image(data: st.DataObject) -> None:
    several = []
    for _ in range(data.draw(st.integers(1, 3))):
        names = data.draw(names_of_axes(1, 3))
        maps = [aligned_maps(names), askew_maps(names)] if len(names) > 1 else [aligned_maps(names)]
        several.append(image(names, data.draw(levels(len(names), most=1)), data.draw(st.one_of(maps))))
    world = World.of(several)
    dims = Dims.of(world)
    low, high = world.extent()
    for i, slider in enumerate(dims.axes):
        for pyramid in world.pyramids:
            if slider.name in pyramid.axis_names:
                per_unit = pyramid.to_world(0).inverse().linear[:, pyramid.axis_index(slider.name)]
                assert slider.step * np.abs(per_unit).max() <= 1 + 1e-6
        assert slider.nsteps * slider.step == pytest.approx(high[i] - low[i])
        assert low[i] < slider.start <= slider.point <= slider.stop < high[i]


@pytest.mark.oracle
@given(st.data())
def test_each_step_of_an_aligned_image_is_one_of_its_pixels_in_turn(data: st.DataObject) -> None:
    names = data.draw(names_of_axes(2, 4))
    pyramid = image(names, data.draw(levels(len(names))), data.draw(aligned_maps(names)))
    dims = Dims.of(pyramid)
    name = data.draw(st.sampled_from(dims.not_displayed)) if dims.not_displayed else None
    if name is None:
        dims = dims.with_ndisplay(1)
        (name,) = dims.not_displayed
    found = []
    for step in range(dims.nsteps[name]):
        moved = dims.with_step(name, step)
        assert moved.current_step[name] == step
        found.append([i for i in slice_index(pyramid, moved.view(pyramid), 0).index if isinstance(i, int)])
    changing = [column for column in zip(*found, strict=True) if len(set(column)) > 1]
    count = dims.nsteps[name]
    if count > 1:
        assert changing in ([tuple(range(count))], [tuple(range(count))[::-1]])


@pytest.mark.oracle
@given(st.data())
def test_the_steps_across_a_rotated_image_pass_over_no_pixel_and_fill_its_extent(data: st.DataObject) -> None:
    names = data.draw(names_of_axes(2, 4))
    pyramid = image(names, data.draw(levels(len(names))), data.draw(askew_maps(names)))
    dims = Dims.of(pyramid)
    low, high = pyramid.extent()
    inverse = pyramid.to_world(0).inverse().linear
    for i, name in enumerate(names):
        slider = dims.axis(name)
        assert np.abs(inverse[:, i] * slider.step).max() == pytest.approx(1.0)
        assert slider.start - low[i] == pytest.approx(high[i] - slider.stop)
        assert abs(slider.nsteps * slider.step - (high[i] - low[i])) <= slider.step * (0.5 + 1e-6)
        assert slider.start <= slider.point <= slider.stop


def test_a_flipped_axis_runs_upwards_all_the_same() -> None:
    flip = Affine(("y", "x"), ("y", "x"), np.diag([-1.0, 1.0]), np.zeros(2))
    pyramid = Pyramid("flip", MOVIE.axes[2:], (Level("0", (5, 4), U1, (5, 4), (2.0, 1.0), (0.0, 0.0)),), placement=flip)
    slider = Dims.of(pyramid).axis("y")
    assert (slider.start, slider.stop, slider.step, slider.point) == (-8.0, 0.0, 2.0, -4.0)


# ---- steps and points


@pytest.mark.parametrize(
    ("point", "step"), [(0.0, 0), (0.49, 0), (0.5, 1), (1.5, 2), (2.5, 3), (2.4999, 2), (8.5, 9), (9.0, 9)]
)
def test_half_way_between_two_steps_is_the_upper_one(point: float, step: int) -> None:
    assert axis("z", point=point).current_step == step


def test_half_a_step_is_found_through_float_noise_and_past_the_last_step_is_the_last() -> None:
    assert 0.35 / 0.1 < 3.5
    assert axis("z", stop=1.0, step=0.1, point=0.35).current_step == 4
    odd = axis("z", stop=2.5, point=2.5)
    assert (odd.nsteps, odd.current_step) == (3, 2)


@pytest.mark.parametrize(
    ("start", "stop", "step", "count"),
    [(0, 9, 1, 10), (0, 0.3, 0.1, 4), (0, 2.5, 1, 3), (5, 5, 1, 1), (-1, 1, 3, 1), (1e6, 1e6 + 0.007, 1e-3, 8)],
)
def test_steps_are_counted_with_both_ends(start: float, stop: float, step: float, count: int) -> None:
    slider = axis("z", start=start, stop=stop, step=step, point=start)
    assert slider.nsteps == count
    assert [slider.at_step(i).current_step for i in range(count)] == list(range(count))
    assert slider.at_step(count).point <= stop


def test_points_are_clipped_to_their_range() -> None:
    assert DIMS.with_point("z", 1e9).point["z"] == 38.0
    assert DIMS.with_point("z", -float("inf")).point["z"] == 2.0
    assert DIMS.with_point({"z": 7.5, "t": 2.0}).point | {"y": 0, "x": 0} == {"z": 7.5, "t": 2.0, "y": 0, "x": 0}
    assert DIMS.with_step("z", 99).current_step["z"] == 9
    assert DIMS.with_step({"z": -5, "t": 1}).current_step["z"] == 0


def test_moving_goes_from_step_to_step_and_stops_at_the_ends() -> None:
    dims = DIMS.with_point("z", 7.9)
    assert dims.current_step["z"] == 1
    assert dims.move("z", 2).point["z"] == 14.0
    assert dims.move("z", 2).move("z", -2).point["z"] == 6.0
    assert dims.move("z", -99).point["z"] == 2.0
    assert dims.move("z", 99).point["z"] == 38.0


def test_margins_make_a_thickness() -> None:
    dims = DIMS.with_margins("z", (1.0, 3.0)).with_thickness("t", 1.0)
    assert dims.margins == {"z": (1.0, 3.0), "t": (0.5, 0.5), "y": (0.0, 0.0), "x": (0.0, 0.0)}
    assert dims.thickness == {"z": 4.0, "t": 1.0, "y": 0.0, "x": 0.0}
    assert dims.with_margins({"z": 0.0}).thickness["z"] == 0.0
    view = dims.view(MOVIE, projection="max")
    assert dict(view.margins) == {"z": (1.0, 3.0), "t": (0.5, 0.5)}
    assert view.projection == "max"


# ---- order


def test_axes_can_be_put_in_any_order() -> None:
    assert DIMS.transpose().displayed == ("x", "y")
    assert DIMS.with_ndisplay(3).transpose().displayed == ("z", "x", "y")
    assert DIMS.with_ndisplay(1).transpose() == DIMS.with_ndisplay(1)
    assert DIMS.roll().order == ("x", "t", "z", "y")
    assert DIMS.roll(4) == DIMS == DIMS.roll(1).roll(-1)
    assert DIMS.swap("t", "x").order == ("x", "z", "y", "t")
    assert DIMS.with_order("z").order == ("t", "y", "x", "z")
    assert DIMS.with_displayed("t", "z", "x").displayed == ("t", "z", "x")
    assert DIMS.with_displayed("z").order == ("t", "y", "x", "z")


@given(st.permutations(DIMS.order), st.integers(1, 3), st.integers(-9, 9))
def test_whatever_the_order_every_axis_is_displayed_or_not(order: list[str], ndisplay: int, steps: int) -> None:
    dims = DIMS.with_ndisplay(ndisplay).with_order(*order).roll(steps)
    assert len(dims.displayed) == ndisplay
    assert (*dims.not_displayed, *dims.displayed) == dims.order
    assert sorted(dims.order) == sorted(DIMS.order)
    assert dims.transpose().transpose() == dims
    assert dims.swap("t", "x").swap("x", "t") == dims
    assert dims.point == DIMS.point


# ---- axes come and go


def test_axes_come_and_go_and_the_others_keep_their_points_by_name() -> None:
    dims = DIMS.with_point({"z": 6.0, "t": 2.5}).with_margins("z", 1.0)
    more = dims.with_axes(axis("c", stop=3.0, point=2.0))
    assert (more.names, more.order) == (("c", "z", "t", "y", "x"), ("c", "t", "z", "y", "x"))
    assert more.displayed == dims.displayed
    assert more.point == {"c": 2.0} | dims.point
    assert more.margins["z"] == (1.0, 1.0)
    assert more.without("c") == dims
    less = dims.without("t", "y")
    assert (less.names, less.displayed) == (("z", "x"), ("z", "x"))
    assert less.point == {"z": 6.0, "x": 40.5}
    assert less.without("z").ndisplay == 1


def test_a_new_range_clips_the_point() -> None:
    dims = DIMS.with_range("z", 30.0, 50.0)
    assert (dims.axis("z").step, dims.point["z"], dims.nsteps["z"]) == (4.0, 30.0, 6)
    assert DIMS.with_range("z", 0.0, 100.0, 5.0).point["z"] == 22.0
    replaced = DIMS.with_axes(axis("z"))
    assert (replaced.names, replaced.point["z"]) == (DIMS.names, 4.0)


def test_another_world_is_shown_at_the_same_place() -> None:
    flat = Pyramid(
        "flat",
        (Axis("y", "space", "mm"), Axis("x", "space", "mm"), Axis("c", "channel")),
        (Level("0", (400, 800, 3), U1, (400, 800, 3), (1e-3, 1e-3, 1.0), (0.0, 0.0, 0.0)),),
    )
    dims = DIMS.with_point({"y": 10.0, "z": 6.0}).with_margins("x", 2.0).transpose()
    there = dims.moved_to(Dims.of(flat))
    assert there.displayed == ("x", "y")
    assert there.point["y"] == pytest.approx(0.01)
    assert there.margins["x"] == (pytest.approx(0.002), pytest.approx(0.002))
    assert there.order == ("c", "x", "y")
    assert DIMS.with_ndisplay(3).moved_to(Dims.of(flat).without("c")).displayed == ("y", "x")
    back = there.moved_to(DIMS)
    assert back.point["y"] == pytest.approx(10.0)
    assert back.point["z"] == DIMS.point["z"]
    with pytest.raises(TransformError):
        DIMS.moved_to(Dims((axis("z", point=0.0),), ("z",), 1).with_axes(DimsAxis("t", 0, 1, 1, 0, unit="um")))


# ---- views


def test_dims_make_lines_planes_and_volumes() -> None:
    dims = DIMS.with_point({"z": 6.0, "t": 2.5})
    plane = View.plane(MOVIE, ("y", "x"), point={"t": 2.5, "z": 6.0})
    assert dims.view(MOVIE).center == plane.center
    assert dims.view(MOVIE).zoom == plane.zoom
    assert dict(dims.view(MOVIE).point) == dict(plane.point)
    line = dims.with_ndisplay(1).view(MOVIE, (300, 200))
    assert (line.displayed, line.canvas, line.zoom) == (("x",), (300, 1), View.line(MOVIE, "x", length=300).zoom)
    volume = dims.with_ndisplay(3).view(MOVIE, camera=Camera(0.0, 0.0))
    assert (volume.camera, volume.zoom) == (Camera(0.0, 0.0), View.volume(MOVIE, camera=Camera(0.0, 0.0)).zoom)
    assert dims.with_ndisplay(3).view(MOVIE).camera == Camera()
    placed = dims.view(MOVIE, (10, 20), center={"x": 3.0}, zoom=2.0, level=0, bias=1.0, pixel_ratio=2.0)
    assert (placed.canvas, placed.center, placed.zoom) == ((10, 20), (20.0, 3.0), 2.0)
    assert (placed.level, placed.bias, placed.pixel_ratio) == (0, 1.0, 2.0)


def test_an_image_may_lack_axes_that_are_not_displayed() -> None:
    flat = Pyramid("flat", MOVIE.axes[2:], (Level("0", (40, 80), U1, (40, 80), (1.0, 1.0), (0.5, 0.5)),))
    view = DIMS.view(flat)
    assert slice_index(flat, view, 0).shape == (40, 80)
    with pytest.raises(ViewError, match="no axis 'z'"):
        DIMS.with_ndisplay(3).view(flat)


# ---- what cannot be


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"step": 0.0}, "longer than zero"),
        ({"step": -1.0}, "longer than zero"),
        ({"step": float("nan")}, "finite"),
        ({"step": 1e-320}, "longer than zero"),
        ({"stop": -1.0}, "upwards"),
        ({"stop": float("inf")}, "finite"),
        ({"point": 10.0}, "outside its range"),
        ({"point": float("nan")}, "finite"),
        ({"below": -1.0}, "below zero"),
        ({"above": float("inf")}, "finite"),
        ({"point": "4"}, "is a number"),
        ({"start": None}, "start is a number"),
        ({"unit": 5}, "names are texts"),
    ],
)
def test_an_axis_that_cannot_be_is_refused(numbers: dict[str, Any], words: str) -> None:
    with pytest.raises(ViewError, match=words):
        axis("z", **numbers)


@pytest.mark.parametrize(
    "name",
    ["axis", "with_point", "with_step", "move", "with_margins", "with_thickness", "without", "swap", "with_range"],
)
def test_an_axis_that_is_not_there_is_refused_by_name(name: str) -> None:
    more: tuple[Any, ...] = {"axis": (), "without": (), "swap": ("x",), "with_range": (0.0, 1.0)}.get(name, (1,))
    with pytest.raises(ViewError, match="no axis 'q'"):
        getattr(DIMS, name)("q", *more)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: DIMS.with_point("z"), "no value"),
        (lambda: DIMS.with_point({"z": 1.0}, 2.0), "values by name"),
        (lambda: DIMS.with_point("z", float("nan")), "finite"),
        (lambda: DIMS.with_point("z", "far"), "z is a number"),  # type: ignore[arg-type]
        (lambda: DIMS.with_step("z", 1.5), "whole number"),  # type: ignore[arg-type]
        (lambda: DIMS.with_margins("z", -1.0), "not below zero"),
        (lambda: DIMS.with_margins("z", (1.0, 2.0, 3.0)), "one number, or one"),  # type: ignore[arg-type]
        (lambda: DIMS.with_thickness("z", float("nan")), "numbers of an axis are finite"),
        (lambda: DIMS.with_order("q"), "names every axis once: t, z, y, x, q"),
        (lambda: DIMS.with_order("x", "x"), "names every axis once: t, z, y, x, x"),
        (lambda: DIMS.with_ndisplay(0), "0 axes cannot"),
        (lambda: DIMS.with_ndisplay(4), "4 axes cannot"),
        (lambda: DIMS.with_ndisplay(1.5), "ndisplay is a whole number"),  # type: ignore[arg-type]
        (lambda: DIMS.without("z", "t", "y").with_ndisplay(2), "2 axes cannot"),
        (lambda: DIMS.without(*DIMS.names), "cannot be displayed"),
        (lambda: DIMS.with_range("z", 5.0, 4.0), "upwards"),
        (lambda: DIMS.with_range("z", 0.0, 4.0, 0.0), "longer than zero"),
        (lambda: Dims((axis("z"), axis("z")), ("z", "z")), "different names"),
        (lambda: Dims.of(MOVIE, 7), "7 axes cannot"),
        (lambda: DIMS.view(MOVIE, camera=Camera()), "a camera displays three"),
        (lambda: DIMS.view(MOVIE, (10,)), "a width and a height"),  # type: ignore[arg-type]
        (lambda: DIMS.view(MOVIE, zoom=0.0), "above zero"),
        (lambda: DIMS.view(MOVIE, level=1), "no level 1"),
        (lambda: DIMS.view(MOVIE, projection="median"), "no projection 'median'"),
    ],
)
def test_dims_that_cannot_be_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        call()


# ---- plain values


@st.composite
def any_dims(draw: st.DrawFn) -> Dims:
    finite = st.floats(-1e30, 1e30)
    names = draw(st.lists(st.text(max_size=4), min_size=1, max_size=6, unique=True))
    axes = []
    for name in names:
        start, point, stop = sorted(draw(st.tuples(finite, finite, finite)))
        step, reach = draw(st.floats(1e-30, 1e30)), st.floats(0, 1e75)
        unit = draw(st.none() | st.text(max_size=4))
        axes.append(DimsAxis(name, start, stop, step, point, draw(reach), draw(reach), unit))
    return Dims(tuple(axes), tuple(draw(st.permutations(names))), draw(st.integers(1, min(3, len(names)))))


@pytest.mark.oracle
@given(any_dims())
def test_dims_go_to_json_and_back_to_the_last_bit(dims: Dims) -> None:
    text = json.dumps(dims.to_dict(), allow_nan=False)
    assert Dims.from_dict(json.loads(text)) == dims
    assert hash(Dims.from_dict(json.loads(text))) == hash(dims)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.oracle
@given(st.data())
def test_a_document_that_is_not_dims_is_refused_with_an_error_of_ours(data: st.DataObject) -> None:
    document: Any = DIMS.to_dict()
    place: Any = data.draw(st.sampled_from([document, document["axes"][0]]))
    key = data.draw(st.sampled_from([*place, "more"]))
    place[key] = data.draw(JSON)
    try:
        dims = Dims.from_dict(document)
    except ViewError:
        return
    assert Dims.from_dict(json.loads(json.dumps(dims.to_dict()))) == dims


@pytest.mark.parametrize("document", [None, [], {}, {"axes": [], "order": [], "ndisplay": 2}, {"axes": [1]}])
def test_a_document_of_another_shape_is_refused(document: Any) -> None:
    with pytest.raises(BrickstreamError):
        Dims.from_dict(document)


def test_numbers_of_numpy_become_plain_ones() -> None:
    slider = DimsAxis("z", np.int64(0), np.float32(9), np.uint8(1), np.float64(4))  # type: ignore[arg-type]
    assert slider == axis("z")
    dims = Dims((slider, axis("y")), ("z", "y"), np.float64(2.0))  # type: ignore[arg-type]
    assert dims.displayed == ("z", "y")
    assert json.dumps(dims.to_dict())
