"""From what napari shows of a layer to a view: the pixels that it asks for and no others. Needs no napari."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.multiscale import Affine, Axis, Channel, Pyramid, View, plan_view
from brickstream.multiscale.plan import Budget
from brickstream.testing import memory_image
from brickstream.viewers.napari.layers import layer_sources
from brickstream.viewers.napari.state import NOTHING, read_state
from brickstream.viewers.napari.views import Eye, LayerAxes, Slice, is_inside, plane_view, turntable, volume_view

IMAGE = memory_image(
    np.zeros((20, 60, 80), np.uint8), (8, 8, 8), levels=3, scale=(3.7, 0.3, 1.1), translation=(1e4, -5.0, 0.25)
)
WHERE = LayerAxes(IMAGE.pyramid, (0, 1, 2), {})

direction = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(st.data())
def test_the_view_of_a_plane_has_just_the_pixels_that_napari_asks_for(data: st.DataObject) -> None:
    level = data.draw(st.integers(0, 2))
    order = data.draw(st.permutations([0, 1, 2]))
    shape = IMAGE.pyramid.levels[level].shape
    first = [data.draw(st.integers(0, n - 1)) for n in shape]
    last = [data.draw(st.integers(a, n - 1)) for a, n in zip(first, shape, strict=True)]
    point = tuple(float(data.draw(st.integers(0, n - 1))) for n in IMAGE.pyramid.levels[0].shape)
    cut = Slice(tuple(order[1:]), point)
    view = plane_view(WHERE, cut, level, [first, last])
    plan = plan_view(IMAGE.pyramid, view, Budget(10_000, (8, 8), mixed=False))
    shown = list(cut.displayed)
    assert plan.target.level == level
    np.testing.assert_array_equal(plan.target.corner_pixels[:, shown], np.array([first, last])[:, shown])
    own = IMAGE.pyramid.translations[0] + np.array(point) * IMAGE.pyramid.scales[0]
    assert dict(view.point) == {IMAGE.pyramid.axis_names[order[0]]: pytest.approx(own[order[0]])}


@given(direction, direction)
def test_a_camera_looks_where_napari_looks(forward: tuple[float, ...], up: tuple[float, ...]) -> None:
    if np.linalg.norm(np.cross(forward, up)) < 1e-3:
        return
    ahead, above = np.array(forward), np.array(up)
    rotation = turntable(ahead, above).rotation()
    np.testing.assert_allclose(rotation[:, 1], ahead[::-1] / np.linalg.norm(ahead), atol=1e-9)
    assert rotation[:, 2] @ above[::-1] > 0
    assert abs(rotation[:, 0] @ above[::-1]) < 1e-9


@pytest.mark.parametrize("forward", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1)])
@pytest.mark.parametrize("up", [(0, 1, 0), (0, -1, 0), (1, 0, 0)])
def test_a_camera_may_look_along_an_axis(forward: tuple[int, ...], up: tuple[int, ...]) -> None:
    if np.abs(forward) @ np.abs(up):
        up = (0, 0, 1)
    rotation = turntable(np.array(forward, float), np.array(up, float)).rotation()
    np.testing.assert_allclose(rotation[:, 1:], np.array([forward[::-1], up[::-1]]).T, atol=1e-12)


def test_a_volume_is_seen_in_the_images_own_units() -> None:
    eye = Eye((10.0, 20.0, 30.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0), 4.0, 2.0, 30.0, (400, 300), 1.5)
    view = volume_view(WHERE, Slice((0, 1, 2), (0.0, 0.0, 0.0)), eye)
    assert view.center == pytest.approx((1e4 + 37, 1.0, 33.25))
    assert (view.zoom, view.canvas, view.pixel_ratio) == (2.0, (400, 300), 1.5)
    assert view.camera is not None
    assert view.camera.fov == 30.0


def test_a_thick_slice_has_its_margins_in_the_images_own_units() -> None:
    cut = Slice((1, 2), (5.0, 0.0, 0.0), ((1.0, 2.0), (0.0, 0.0), (0.0, 0.0)), "max")
    view = plane_view(WHERE, cut, 0, [[0, 0, 0], [0, 59, 79]])
    assert dict(view.margins)["z"] == pytest.approx((3.7, 7.4))
    assert view.projection == "max"


@pytest.mark.parametrize(
    ("z", "margins", "inside"),
    [
        (-0.5, (0, 0), True),
        (-0.6, (0, 0), False),
        (19.4, (0, 0), True),
        (19.6, (0, 0), False),
        (-3.0, (0, 2.6), True),
        (-3.0, (0, 2.0), False),
        (22.0, (3.0, 0), True),
    ],
)
def test_a_slice_is_inside_where_napari_says_so(z: float, margins: tuple[float, float], inside: bool) -> None:
    thick = (margins, (0.0, 0.0), (0.0, 0.0)) if any(margins) else ()
    cut = Slice((1, 2), (z, 0.0, 0.0), thick)
    assert is_inside(WHERE, cut) is inside
    if inside:
        assert isinstance(plane_view(WHERE, cut, 0, [[0, 0, 0], [0, 59, 79]]), View)


def with_axes(pyramid: Pyramid, names: str, **changes: object) -> Pyramid:
    kinds = {"c": "channel", "t": "time"}
    return replace(pyramid, axes=tuple(Axis(name, kinds.get(name, "space"), None) for name in names), **changes)  # type: ignore[arg-type]


def test_an_image_becomes_one_layer_where_its_metadata_say() -> None:
    pyramid = replace(IMAGE.pyramid, axes=tuple(Axis(name, "space", "micrometer") for name in "zyx"), name="brain")
    (source,) = layer_sources(replace(IMAGE, pyramid=pyramid))
    options = source.options
    assert options["scale"] == pyramid.levels[0].scale
    assert options["translate"] == pyramid.levels[0].translation
    assert options["axis_labels"] == ("z", "y", "x")
    assert options["units"] == ("micrometer",) * 3
    assert (options["name"], options["colormap"], options["contrast_limits"]) == ("brain", "gray", (0.0, 255.0))
    assert [level.shape for level in source.levels] == [level.shape for level in pyramid.levels]


def test_each_channel_becomes_a_layer_of_its_own() -> None:
    image = memory_image(np.zeros((2, 5, 40, 40), np.uint16), (1, 5, 8, 8), axes="czyx", levels=2, ratios=(1, 1, 2, 2))
    channels = (Channel("DNA", "0000FF", (10.0, 900.0)), Channel("", None, None, active=False))
    image = replace(image, pyramid=with_axes(image.pyramid, "czyx", channels=channels, name="cell"))
    first, second = layer_sources(image)
    assert (first.options["name"], second.options["name"]) == ("DNA", "cell 1")
    assert (first.options["colormap"], second.options["colormap"]) == ("#0000FF", "gray")
    assert (first.options["contrast_limits"], first.knows_range) == ((10.0, 900.0), True)
    assert not second.knows_range
    assert (first.options["visible"], second.options["visible"]) == (True, False)
    assert (first.where.fixed, second.where.fixed) == ({"c": 0.0}, {"c": 1.0})
    assert first.levels[1].shape == (5, 20, 20)


def test_labels_are_not_interpolated() -> None:
    kinds = [layer_sources(replace(IMAGE, pyramid=replace(IMAGE.pyramid, is_labels=kind)))[0] for kind in (True, False)]
    assert [source.options["interpolation3d"] for source in kinds] == ["nearest", "linear"]


def test_many_channels_stay_an_axis() -> None:
    image = memory_image(np.zeros((40, 8, 8), np.uint8), (1, 8, 8), axes="cyx")
    (source,) = layer_sources(replace(image, pyramid=with_axes(image.pyramid, "cyx")))
    assert source.levels[0].shape == (40, 8, 8)
    assert source.where.fixed == {}


def test_an_image_of_two_axes_gets_one_of_one_pixel_in_front() -> None:
    image = memory_image(np.zeros((8, 9), np.uint8), (8, 8))
    (source,) = layer_sources(image)
    assert source.where.axes == (None, 0, 1)
    assert source.levels[0].shape == (1, 8, 9)
    assert len(source.options["scale"]) == len(source.options["units"]) == 3


def test_where_the_world_places_an_image_the_layers_affine_says() -> None:
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    image = memory_image(np.zeros((8, 9), np.uint8), (8, 8))
    names = image.pyramid.axis_names
    placed = replace(image.pyramid, placement=Affine(names, names, turn, np.array([5.0, 6.0])))
    (source,) = layer_sources(replace(image, pyramid=placed))
    assert source.image.pyramid.placement is None
    expected = np.eye(4)
    expected[1:3, 1:3], expected[1:3, 3] = turn, (5.0, 6.0)
    np.testing.assert_array_equal(source.options["affine"], expected)


BOX = np.array([[0, 8, 16], [0, 23, 31]])


def napari_shows(**changes: Any) -> tuple[Any, Any]:
    """What a viewer and its layer say of themselves while they show a plane of `IMAGE`."""
    dims = {"ndim": 4, "displayed": (2, 3), "point": (0.0, 5.0, 0.0, 0.0)}
    dims |= {"margin_left": (0.0,) * 4, "margin_right": (0.0,) * 4}
    layer: dict[str, Any] = {"visible": True, "ndim": 3, "projection_mode": "mean", "data_level": 0}
    layer |= {"world_to_data": lambda world: np.array(world[1:]), "corner_pixels": BOX}
    dims |= {name: value for name, value in changes.items() if name in dims}
    layer |= {name: value for name, value in changes.items() if name in layer}
    return SimpleNamespace(dims=SimpleNamespace(**dims)), SimpleNamespace(**layer)


def test_what_napari_shows_of_a_layer_is_read_from_its_last_axes() -> None:
    state = read_state(*napari_shows(), WHERE, 1.0)
    assert state.cut == Slice((1, 2), (5.0, 0.0, 0.0))
    assert (state.level, state.corner_pixels, state.eye) == (0, ((0, 8, 16), (0, 23, 31)), None)


def test_a_thick_slice_is_read_with_its_projection_and_none_without() -> None:
    margins = {"margin_left": (0.0, 2.0, 0.0, 0.0), "margin_right": (0.0, 1.0, 0.0, 0.0)}
    thick = read_state(*napari_shows(projection_mode="max", **margins), WHERE, 1.0)
    assert thick.cut == Slice((1, 2), (5.0, 0.0, 0.0), ((2.0, 1.0), (0.0, 0.0), (0.0, 0.0)), "max")
    flat = read_state(*napari_shows(projection_mode="none", **margins), WHERE, 1.0)
    assert flat.cut == Slice((1, 2), (5.0, 0.0, 0.0))


@pytest.mark.parametrize(
    "changes",
    [
        {"visible": False},
        {"point": (0.0, 50.0, 0.0, 0.0)},
        {"displayed": (0, 3)},
        {"corner_pixels": np.array([[0, 0, 0], [0, 9999, 9999]])},
    ],
    ids=["hidden", "beside", "other axes", "too large"],
)
def test_nothing_is_asked_for_where_nothing_is_shown(changes: dict[str, Any]) -> None:
    assert read_state(*napari_shows(**changes), WHERE, 1.0) == NOTHING
