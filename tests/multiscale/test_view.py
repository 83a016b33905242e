"""Views, cameras, and what of the world they see."""

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from placed import askew_maps, image
from viewed import askew_scenes, camera_scenes

from brickstream.errors import BrickstreamError, ViewError
from brickstream.multiscale import Affine, Axis, Budget, Camera, Level, Pyramid, View, localize, plan_view
from brickstream.multiscale.corners import corner_pixels
from brickstream.multiscale.dims import Dims
from brickstream.multiscale.slicing import resample
from brickstream.multiscale.world import World

AXES = tuple(Axis(n, t) for n, t in [("t", "time"), ("c", "channel"), ("z", "space"), ("y", "space"), ("x", "space")])
IMAGE = Pyramid(
    "movie",
    AXES,
    (
        Level(
            "0", (5, 2, 10, 40, 80), np.dtype("u1"), (1, 1, 5, 16, 16), (0.5, 1.0, 4.0, 1.0, 1.0), (1.0, 0, 2, 0.5, 0.5)
        ),
    ),
)
FLAT = Pyramid("flat", AXES[3:], (Level("0", (40, 80), np.dtype("u1"), (16, 16), (1.0, 1.0), (0.5, 0.5)),))


def test_a_plane_without_wishes_fits_the_canvas() -> None:
    view = View.plane(IMAGE, canvas=(800, 600))
    assert view.displayed == ("y", "x")
    assert view.center == (20.0, 40.0)
    assert view.zoom == 10.0
    assert view.world_size == (80.0, 60.0)
    assert view.region().box.tolist() == [[-10.0, 0.0], [50.0, 80.0]]
    # Time and channel start at their first pixel, space at the centre of its middle pixel.
    assert dict(view.point) == {"t": 1.0, "c": 0.0, "z": 22.0}


def test_a_plane_can_show_any_two_axes_in_any_order() -> None:
    view = View.plane(IMAGE, displayed=("x", "z"), canvas=(100, 200), zoom=2.0, center={"x": 7.0})
    assert view.center == (7.0, 20.0)
    assert view.region().box.tolist() == [[-43.0, -5.0], [57.0, 45.0]]


@pytest.mark.parametrize(("canvas", "pixels"), [((400, 100), 100 / 40), ((200, 400), 200 / 80)])
def test_a_volume_without_wishes_fits_the_canvas(canvas: tuple[int, int], pixels: float) -> None:
    view = View.volume(IMAGE, canvas=canvas, camera=Camera(0.0, 0.0))
    assert view.displayed == ("z", "y", "x")
    assert view.center == (20.0, 20.0, 40.0)
    # From the front: 80 wide and 40 high, with a little air.
    assert view.zoom == pytest.approx(pixels / 1.04)


def test_axes_of_space_are_displayed_wherever_they_stand_and_others_where_there_are_too_few() -> None:
    types = {"c": "channel", "t": "time"}
    for names, shown in [("yxc", "yx"), ("ytx", "yx"), ("tcx", "cx"), ("tc", "tc")]:
        axes, n = tuple(Axis(name, types.get(name, "space")) for name in names), len(names)
        level = Level("0", (4,) * n, np.dtype("u1"), (4,) * n, (1.0,) * n, (0.0,) * n)
        assert View.plane(Pyramid(names, axes, (level,))).displayed == tuple(shown)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"displayed": ("y", "q")}, "no axis 'q'"),
        ({"displayed": ("y",)}, "2 axes are displayed"),
        ({"displayed": ("y", "y")}, "displayed axes are different"),
        ({"point": {"q": 1.0}}, "no axis 'q'"),
        ({"point": {"x": 1.0}}, "'x' is displayed"),
        ({"point": {"z": 41.0}}, "z=41 is outside the image.*z runs from 2 to 38"),
        ({"point": {"z": float("nan")}}, "z=nan is outside"),
        ({"canvas": (0, 10)}, "from 1 to 2147483648 pixels"),
        ({"zoom": 0.0}, "above zero"),
        ({"zoom": float("inf")}, "finite"),
        ({"center": (1.0, float("nan"))}, "finite"),
        ({"center": (1.0,)}, "one number for each displayed axis"),
        ({"center": {"z": 1.0}}, "not displayed"),
        ({"level": -1}, "no level -1"),
        ({"level": 0.5}, "level is a whole number"),
        ({"displayed": 5}, "displayed is a list of names"),
        ({"displayed": ("y", None)}, "displayed is a list of names"),
        ({"point": {"z": "far"}}, "z is a number"),
        ({"point": [1.0, 2.0]}, "a point has one value for each of some axes"),
        ({"center": {"y": "far"}}, "y is a number"),
        ({"center": "yx"}, "the centre is a list of numbers"),
        ({"center": 5.0}, "the centre is a list of numbers"),
        ({"canvas": (1.5, 10)}, "width is a whole number"),
        ({"canvas": (10, float("nan"))}, "height is a whole number"),
        ({"canvas": (2**40, 10)}, "from 1 to 2147483648 pixels"),
        ({"zoom": -1.0}, "above zero"),
        ({"zoom": 1e300}, "finite"),
        ({"zoom": 1e-300}, "above zero"),
        ({"zoom": "1"}, "zoom is a number"),
        ({"zoom": True}, "zoom is a number"),
        ({"center": (1e300, 0.0)}, "world positions must be finite"),
        ({"center": (1e60, 0.0), "zoom": 1.0}, "shows too little for its distance"),
        ({"margins": {"z": -1.0}}, "margins are finite and not below zero"),
        ({"margins": {"z": float("nan")}}, "margins are finite"),
        ({"margins": {"z": 1e300}}, "margins are finite"),
        ({"margins": {"z": (1.0, 2.0, 3.0)}}, "one number, or one below"),
        ({"margins": {"z": "thick"}}, "z margin is a number"),
        ({"margins": {"y": 1.0}}, "margins on 'y', which has no point"),
        ({"margins": {"q": 1.0}}, "margins on 'q'"),
        ({"margins": 1.0}, "margins names axes"),
        ({"projection": "median"}, "no projection 'median'"),
        ({"projection": ["max"]}, "no projection"),
        ({"bias": float("nan")}, "bias must be finite"),
        ({"bias": 65.0}, "64 octaves"),
        ({"pixel_ratio": 0.0}, "pixel ratio must be finite and above zero"),
        ({"pixel_ratio": float("inf")}, "pixel ratio must be finite"),
    ],
)
def test_a_view_that_cannot_be_is_refused(wish: dict[str, object], words: str) -> None:
    with pytest.raises(ViewError, match=words):
        View.plane(IMAGE, **wish)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("directions", "words"),
    [
        ([(0, 1, 0)], "two directions"),
        ([(0, 1), (0, 0, 1)], "two directions, with one number for each axis"),
        ([(1,), (2,)], "two directions"),
        ([(0, 0, 0), (0, 0, 1)], "not zero"),
        ([(0, float("nan"), 0), (0, 0, 1)], "finite"),
        ([(0, float("inf"), 0), (0, 0, 1)], "finite"),
        ([(0, 1, 0), (0, 1, 0)], "not parallel"),
        ([(0, 1e300, 1e300), (0, -1e-300, -1e-300)], "not parallel"),
        ([(0, 1, 0), (0, 1, 1e-12)], "not parallel"),
        ([(0, "1", 0), (0, 0, 1)], "directions is a number"),
        (5, "directions are lists of numbers"),
        ([1, 2], "directions is a list of numbers"),
        ([(1, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0)], "6 axes are needed"),
    ],
)
def test_directions_that_make_no_cut_are_refused(directions: Any, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        View.oblique(IMAGE, directions)


@pytest.mark.parametrize("length", [1e-320, 1e-200, 1.0, 1e200, 1e308])
def test_directions_of_any_length_are_brought_to_a_right_angle(length: float) -> None:
    view = View.oblique(IMAGE, [(0.0, length, 0.0), (0.0, length, 1e-3 * length)])
    np.testing.assert_allclose(view.frame(), [[0, 1, 0], [0, 0, 1]], rtol=0, atol=1e-12)
    nearly = View.oblique(IMAGE, [(1.0, 1.0, 0.3), (1.0, 1.0, 0.3 + 1e-8)])
    np.testing.assert_allclose(nearly.frame() @ nearly.frame().T, np.eye(2), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"displayed": ()}, "displayed axes are different"),
        ({"displayed": ("z", "y", "x")}, "one or two axes are displayed without a camera"),
        ({"point": (("y", 1.0),)}, "every axis has one place"),
        ({"point": (("z", 1.0), ("z", 2.0))}, "every axis has one place"),
        ({"camera": Camera()}, "a camera displays three axes"),
        ({"camera": {}}, "a view's camera is a Camera"),
        ({"directions": ((1.0, 0.0), (0.6, 0.8))}, "length 1 at a right angle"),
        ({"directions": ((2.0, 0.0), (0.0, 0.5))}, "length 1 at a right angle"),
        ({"directions": ((1e300, 0.0), (0.0, 1e300))}, "length 1 at a right angle"),
        ({"directions": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))}, "length 1 at a right angle"),
        ({"directions": ((1.0, 0.0),)}, "length 1 at a right angle"),
        ({"displayed": ("x",), "center": (0.0,), "directions": ((1.0,), (1.0,))}, "at least two axes"),
        ({"margins": (("z", (1.0, 1.0)), ("z", (2.0, 2.0)))}, "every axis has margins once"),
        ({"margins": (("z",),)}, "margins has one value for each"),
        ({"point": ((1, 2.0),)}, "a point has one value for each"),
    ],
)
def test_a_view_made_by_hand_is_checked_too(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ViewError, match=words):
        replace(View(("y", "x"), (("z", 5.0),), (9, 9), (1.0, 1.0), 1.0), **changes)


@pytest.mark.parametrize(("reach", "thick"), [((0.0, 0.0), False), ((1.0, 0.0), True), ((0.0, 1.0), True)])
def test_a_slice_is_thick_where_it_reaches_to_any_side(reach: tuple[float, float], thick: bool) -> None:
    assert View.plane(IMAGE, margins={"t": 0.0, "z": reach}).thick == thick


def test_names_of_one_letter_may_be_one_text() -> None:
    assert View.plane(IMAGE, "zx") == View.plane(IMAGE, ("z", "x"))


# ---- plain values


@given(st.one_of(askew_scenes(), camera_scenes()), st.booleans())
@pytest.mark.oracle
def test_views_go_to_json_and_back_to_the_last_bit(scene: tuple[Pyramid, View], locked: bool) -> None:
    view = replace(scene[1], level=3 if locked else None, pixel_ratio=4 / 3)
    again = View.from_dict(json.loads(json.dumps(view.to_dict(), allow_nan=False)))
    assert (again, hash(again)) == (view, hash(view))


def test_numbers_of_numpy_become_plain_ones() -> None:
    view = View.plane(
        IMAGE,
        canvas=np.array([30, 20]),  # type: ignore[arg-type]
        center=np.array([1.5, 2.5]),  # type: ignore[arg-type]
        zoom=np.float32(0.5),
        point={"t": np.float64(1.5)},
        level=np.int64(0),
        margins={"z": (np.float32(0.5), np.int8(2))},
    )
    assert View.from_dict(json.loads(json.dumps(view.to_dict()))) == view
    assert view.canvas == (30, 20)


def places(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    if not isinstance(document, dict | list):
        return []
    inner = list(document.items() if isinstance(document, dict) else enumerate(document))
    return [*((*at, key) for key, _ in inner), *(place for key, value in inner for place in places(value, (*at, key)))]


def put(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A document with another value at a place."""
    changed = copy.deepcopy(document)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.one_of(askew_scenes(), camera_scenes()), JSON, st.data())
@pytest.mark.oracle
def test_a_document_with_something_else_somewhere_is_a_view_or_refused_with_an_error_of_ours(
    scene: tuple[Pyramid, View], junk: Any, data: st.DataObject
) -> None:
    document = scene[1].to_dict()
    changed = put(document, data.draw(st.sampled_from([*places(document), ("more",)])), junk)
    try:
        view = View.from_dict(changed)
    except ViewError:
        return
    assert "more" not in changed
    assert View.from_dict(json.loads(json.dumps(view.to_dict(), allow_nan=False))) == view


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (None, "names and values"),
        ([], "names and values"),
        ({}, "a view lacks a key: displayed, point, canvas, center, zoom"),
        (View.plane(IMAGE).to_dict() | {"colour": "red"}, "a view has no such key: colour"),
        (View.plane(IMAGE).to_dict() | {"zoom": float("nan")}, "zoom must be finite"),
        (View.plane(IMAGE).to_dict() | {"center": [float("inf"), 0.0]}, "world positions must be finite"),
        (View.plane(IMAGE).to_dict() | {"zoom": 10**5000}, "zoom is a number"),
        (View.plane(IMAGE).to_dict() | {"zoom": None}, "zoom is a number"),
        (View.volume(IMAGE).to_dict() | {"camera": {"fov": float("nan")}}, "finite"),
        (View.volume(IMAGE).to_dict() | {"camera": {"zoom": 1.0}}, "a camera has no such key: zoom"),
        (View.volume(IMAGE).to_dict() | {"camera": 5}, "a camera is made of names"),
    ],
)
def test_a_document_of_another_shape_is_refused(document: Any, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        View.from_dict(document)


# ---- numbers beyond all bounds

EXTREMES = (0.0, 5e-324, 1e-300, 1e-75, 1e-60, 1e-12, 1.0, 1e12, 1e60, 1e75, 1e150, 1e300, 1.7e308)


@given(st.one_of(askew_scenes(), camera_scenes()), st.sampled_from(EXTREMES), st.sampled_from([1, -1]), st.data())
@pytest.mark.oracle
def test_a_view_of_extreme_numbers_is_refused_or_planned(
    scene: tuple[Pyramid, View], size: float, sign: int, data: st.DataObject
) -> None:
    """Warnings are errors in tests: nothing overflows on the way."""
    pyramid, view = scene
    document = view.to_dict()
    numbers = [place for place in places(document) if isinstance(value_at(document, place), float)]
    for place in data.draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=2)):
        document = put(document, place, size * sign)
    try:
        view = View.from_dict(document)
        local = localize(pyramid, view)
    except ViewError:
        return
    for level in range(len(pyramid.levels)):
        corners = corner_pixels(pyramid, view, level)
        assert len(corners) == 0 or ((corners >= 0) & (corners < pyramid.shapes[level])).all()
    plan_view(pyramid, view, Budget(100, (4,) * len(local.axes)))
    if view.camera is None:
        resample(np.ones(pyramid.levels[0].shape, pyramid.dtype), pyramid, view, 0)


@st.composite
def extreme_images(draw: st.DrawFn) -> Pyramid:
    names = ("z", "y", "x")
    number = st.sampled_from([0.5, 1.0, 3.0]) | st.sampled_from(EXTREMES[1:])
    shape = draw(st.tuples(*[st.sampled_from([1, 4, 9, 2**20, 2**53])] * 3))
    scale, shift = draw(st.tuples(*[number] * 3)), draw(st.tuples(*[number] * 3))
    placement = draw(askew_maps(names))
    offset = np.array(draw(st.tuples(*[number] * 3)))
    parts = (Level("0", shape, np.dtype("u1"), (4, 4, 4), scale, shift),)
    return image(names, parts, draw(st.sampled_from([None, replace(placement, offset=offset)])))


@given(extreme_images(), st.sampled_from(["plane", "line", "volume", "dims", "world"]), st.sampled_from(EXTREMES))
@pytest.mark.oracle
def test_a_view_of_an_image_of_extreme_numbers_is_refused_or_has_corners(
    pyramid: Pyramid, kind: str, reach: float
) -> None:
    make = {"plane": View.plane, "line": View.line, "volume": View.volume}
    try:
        if kind == "dims":
            view = Dims.of(pyramid).with_margins("z", reach).view(pyramid)
        elif kind == "world":
            world = World.of([pyramid, IMAGE])
            view, pyramid = View.plane(world, margins={"z": reach}), world.pyramids[0]
        else:
            view = make[kind](pyramid) if kind == "volume" else make[kind](pyramid, margins={"z": reach})
        corners = corner_pixels(pyramid, view, 0)
    except BrickstreamError:
        return
    assert not len(corners) or ((corners >= 0) & (corners < pyramid.shapes[0])).all()


def value_at(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        document = document[key]
    return document


def row(scale: float, shift: float) -> Level:
    return Level("0", (9, 9), np.dtype("u1"), (9, 9), (1.0, scale), (0.0, shift))


def test_images_that_float64_cannot_resolve_are_refused() -> None:
    far = Pyramid("far", FLAT.axes, (row(1.0, 1e15),))  # its pixels are eight of what float64 tells apart there
    c = np.sqrt(0.5)
    turned = Affine(("y", "x"), ("y", "x"), np.array([[c, -c], [c, c]]), np.zeros(2))
    fine = Pyramid("fine", FLAT.axes, (row(1e-20, 0.0),), placement=turned)
    huge = Pyramid("huge", FLAT.axes, (row(1e80, 0.0),))
    for make in (View.plane, Dims.of):
        with pytest.raises(ViewError, match=r"reaches farther than 1e.75"):
            make(huge)
    with pytest.raises(ViewError, match=r"too small for its distance from the origin: .*x from 1e.15 to 1e.15"):
        View.plane(far)
    with pytest.raises(ViewError, match=r"pixels too small for the size of the image: 1.4.*e-20"):
        Dims.of(fine)


def test_a_flat_image_has_no_volume() -> None:
    with pytest.raises(ViewError, match="3 axes are needed"):
        View.volume(FLAT)


def test_views_are_values() -> None:
    one, same = View.plane(IMAGE, canvas=(10, 10)), View.plane(IMAGE, canvas=(10, 10))
    assert one == same
    assert hash(one) == hash(same)
    assert one != View.plane(IMAGE, canvas=(10, 11))


def test_overlaps_is_half_open_in_a_plane() -> None:
    region = View.plane(FLAT, canvas=(10, 10), zoom=1.0, center=(5.0, 5.0)).region()
    low = np.array([[10.0, 0.0], [-1.0, 0.0], [-2.0, 0.0], [3.0, 9.999]])
    assert region.overlaps(low, low + 1.0).tolist() == [False, False, False, True]
