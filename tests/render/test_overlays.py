"""What is drawn over pictures: its numbers, its places, and that it can be seen."""

from itertools import pairwise
from math import log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import ViewError
from brickstream.multiscale import Axis, Camera, View
from brickstream.multiscale.canvas import canvas_at
from brickstream.render.aim import add_viewbox
from brickstream.render.offscreen import open_canvas, render_opaque
from brickstream.render.overlays import Axes, ColorBar, Overlays, ScaleBar, Shown, Text
from brickstream.render.overlays.axes import directions
from brickstream.render.overlays.drawing import CORNERS, arrange, paste
from brickstream.render.overlays.ink import text_size
from brickstream.render.overlays.numbers import bar_length, round_length, tick_labels, ticks, with_prefix
from brickstream.render.overlays.scale_bar import measure

CANVAS = (160, 120)
PLANE = View(("y", "x"), (), CANVAS, (0.0, 0.0), 4.0)
positive = st.floats(1e-30, 1e30)
values = st.floats(-1e12, 1e12)


def shown(view: View = PLANE, unit: str | None = "micrometer", **look: object) -> Shown:
    count = len(view.displayed)
    return Shown(view, (unit,) * count, (0.5,) * count, **look)  # type: ignore[arg-type]


# -- numbers ---------------------------------------------------------------------------------------------------------


@given(positive)
def test_a_round_length_fits_and_is_not_much_shorter(most: float) -> None:
    length = round_length(most)
    assert 0.39 * most < length <= most
    assert f"{length:.0e}"[0] in "125"
    assert float(f"{length:.0e}") == length


@given(positive, st.sampled_from(["micrometer", "nm", "m", "s", "meter", "\N{ANGSTROM SIGN}"]))
def test_a_label_says_how_long_the_bar_is(most: float, unit: str) -> None:
    length, label = bar_length(most, unit)
    number, _, symbol = label.partition(" ")
    assert 0.39 * most < length <= most * (1 + 1e-12)
    scale = {"micrometer": 1e-6, "nm": 1e-9, "\N{ANGSTROM SIGN}": 1e-10}.get(unit, 1.0)
    prefixes = {"": 0} | {prefix: 3 * (i - 8) for i, prefix in enumerate("yzafpnµm_kMGTPEZY") if prefix != "_"}
    power = prefixes[symbol[:-1]]
    assert float(number) * 10.0**power == pytest.approx(length * scale, rel=1e-5)


@pytest.mark.parametrize(
    ("most", "unit", "label"),
    [
        (70, "micrometer", "50 µm"),
        (0.3, "µm", "200 nm"),
        (3000, "micrometer", "2 mm"),
        (0.0007, "second", "500 µs"),
        (70, None, "50 px"),
        (70, "pixel", "50 px"),
        (12, "inch", "10 inch"),
        (0.3, "furlong", "0.2 furlong"),
        (2e-30, "meter", "2e-06 ym"),
    ],
)
def test_a_bar_has_the_unit_that_suits_it(most: float, unit: str | None, label: str) -> None:
    assert bar_length(most, unit)[1] == label


def test_a_number_has_one_to_three_digits_before_its_prefix() -> None:
    assert [with_prefix(10.0**n, "m") for n in (-6, -5, -4, -3, 0, 2, 3)] == [
        "1 µm", "10 µm", "100 µm", "1 mm", "1 m", "100 m", "1 km",
    ]  # fmt: skip


@given(values, values, st.integers(2, 9))
def test_ticks_are_few_tidy_and_between_the_limits(one: float, other: float, most: int) -> None:
    low, high = sorted((one, other))
    found = ticks(one, other, most)
    noise = 1e-9 * max(abs(low), abs(high))
    assert 1 <= len(found) <= most
    assert all(low - noise <= value <= high + noise for value in found)
    assert all(a < b for a, b in pairwise(found))
    if len(found) > 2:
        step = found[1] - found[0]
        np.testing.assert_allclose(np.diff(found), step, rtol=1e-5)
        assert f"{step:.3e}"[:5] in ("1.000", "2.000", "5.000")


@given(values, values)
def test_labels_tell_ticks_apart_and_say_their_values(one: float, other: float) -> None:
    found = ticks(one, other)
    labels = tick_labels(found)
    assert len(set(labels)) == len(found)
    for label, value in zip(labels, found, strict=True):
        assert float(label) == pytest.approx(value, rel=1e-3, abs=1e-12)


def test_ticks_of_bytes_and_of_small_numbers() -> None:
    assert tick_labels(ticks(0, 255)) == ("0", "100", "200")
    assert tick_labels(ticks(-0.003, 0.0042)) == ("-0.002", "0.000", "0.002", "0.004")
    assert tick_labels(ticks(7, 7)) == ("7",)


# -- places ----------------------------------------------------------------------------------------------------------


@given(st.floats(0.001, 1000), st.floats(1, 90), st.one_of(st.none(), st.floats(10, 1000)))
def test_the_bar_is_true_at_the_centre(zoom: float, fov: float, distance: float | None) -> None:
    """In perspective too: the canvas places of two world positions so far apart are as far apart as the bar is long."""
    view = View(("z", "y", "x"), (), CANVAS, (1.0, 2.0, 3.0), zoom, Camera(0, 0, fov=fov, distance=distance))
    pixels, label = measure(shown(view, "m"))
    assert 0.09 * CANVAS[0] < pixels <= 0.2501 * CANVAS[0]
    number, _, symbol = label.partition(" ")
    length = float(number) * {"m": 1.0, "mm": 1e-3, "µm": 1e-6, "km": 1e3, "Mm": 1e6}[symbol]
    ends = [canvas_at(view, (1.0, 2.0, 3.0 + side * length / 2)) for side in (-1, 1)]
    assert np.hypot(*(ends[1] - ends[0])) == pytest.approx(pixels, rel=1e-5)


def test_without_a_unit_the_bar_counts_pixels_of_level_0() -> None:
    pixels, label = measure(shown(unit=None))
    assert (pixels, label) == (40.0, "20 px")  # 20 pixels of half a world unit, 4 canvas pixels each unit


@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_axes_run_where_the_camera_sees_them(azimuth: float, elevation: float, roll: float) -> None:
    view = View(("z", "y", "x"), (), CANVAS, (0.0, 0.0, 0.0), 1.0, Camera(azimuth, elevation, roll))
    along = directions(view)
    middle = np.array(CANVAS) / 2
    np.testing.assert_allclose(canvas_at(view, np.eye(3)) - middle, along[:, :2], atol=1e-9)


def test_axes_of_planes_run_down_and_to_the_right_and_those_of_cuts_as_they_lie() -> None:
    np.testing.assert_array_equal(directions(PLANE), [[0, 1, 0], [1, 0, 0]])
    half = 0.5**0.5
    cut = View(("z", "y", "x"), (), CANVAS, (0, 0, 0), 1.0, directions=((half, half, 0), (0, 0, 1)))
    np.testing.assert_allclose(directions(cut), [[0, half, 0], [0, half, 0], [1, 0, 0]])


def test_what_is_in_one_corner_stacks_and_overlaps_nothing() -> None:
    overlays = [Text(f"{corner} {n}", corner) for corner in CORNERS for n in range(2)]
    covered = np.zeros(CANVAS[::-1], dtype=int)
    for one in arrange(overlays, shown()):
        tall, wide = one.pixels.shape[:2]
        assert one.x >= 0
        assert one.y >= 0
        covered[one.y : one.y + tall, one.x : one.x + wide] += 1
    assert covered.max() == 1
    assert all(corner.any() for half in np.split(covered, 2) for corner in np.split(half, 2, axis=1))


@given(st.integers(1, 160), st.integers(1, 120))
def test_pasted_in_parts_is_pasted_at_once(x: int, y: int) -> None:
    placed = arrange([ScaleBar(), Axes(), ColorBar(), Text("A title, 3 µm")], shown())
    whole = np.full((*CANVAS[::-1], 4), 90, dtype=np.uint8)
    parts = whole.copy()
    paste(whole, placed)
    for rows in (slice(0, y), slice(y, None)):
        for columns in (slice(0, x), slice(x, None)):
            paste(parts[rows, columns], placed, columns.start, rows.start)
    np.testing.assert_array_equal(whole, parts)


# -- ink -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("background", [0, 128, 255])
@pytest.mark.parametrize("overlay", [ScaleBar(), Axes(), ColorBar(), Text("20 µm")])
def test_it_can_be_seen_on_dark_and_on_bright(overlay: object, background: int) -> None:
    picture = np.full((*CANVAS[::-1], 4), background, dtype=np.uint8)
    paste(picture, arrange([overlay], shown(colormap="viridis")))  # type: ignore[list-item]
    spread = np.ptp(picture[..., :3].astype(int).max(axis=-1))
    assert spread > 80
    assert (picture[..., 3] == background).all()


def test_a_mu_is_written_though_the_font_has_none() -> None:
    pixels = [Text(text, size=40).draw(shown()).pixels[..., :3].max(axis=-1) for text in ("u", "µ", "μ")]  # type: ignore[union-attr]
    np.testing.assert_array_equal(pixels[1], pixels[2])
    rows = [np.flatnonzero((p > 200).any(axis=1)) for p in pixels]
    assert rows[0][0] == rows[1][0]
    assert rows[1][-1] > rows[0][-1] + 4, "it has a tail"
    assert text_size("20 µm", 20) == text_size("20 um", 20)


def test_the_colour_bar_follows_colours_and_limits() -> None:
    def bar(**look: object) -> np.ndarray:
        drawing = ColorBar(corner="top-left").draw(shown(**look))
        assert drawing is not None
        return drawing.pixels

    gray, hot = bar(clim=(0, 10)), bar(clim=(0, 10), colormap="hot")
    column = 4
    levels = gray[8:-9, column, :3].astype(int)
    assert (np.diff(levels[:, 0]) <= 0).all()
    np.testing.assert_array_equal(levels[:, 0], levels[:, 2])
    assert (hot[..., 0].astype(int) - hot[..., 2]).max() > 150
    assert bar(clim=(0, 1000)).shape != gray.shape, "longer numbers"
    assert bar(clim=(10, 0)).shape[0] == gray.shape[0]


def test_there_is_no_fifth_corner() -> None:
    for overlay in (Text, ScaleBar, Axes, ColorBar):
        with pytest.raises(ViewError, match="no corner 'middle'"):
            overlay(corner="middle", **({"text": "a"} if overlay is Text else {}))
    assert Text(" ").draw(shown()) is None


# -- on a canvas -----------------------------------------------------------------------------------------------------


def test_a_canvas_of_vispy_shows_what_is_pasted_into_pictures() -> None:
    canvas = open_canvas(CANVAS)
    viewbox = add_viewbox(canvas)
    overlays = Overlays([ScaleBar(), Axes(), Text("one\ntwo")], parent=viewbox)
    black = render_opaque(canvas)
    assert overlays.show(shown())
    assert not overlays.show(shown())
    for overlays.overlays in ([ScaleBar(), Axes(), Text("one\ntwo")], [ColorBar()], []):
        overlays.show(shown())
        expected = black.copy()
        paste(expected, arrange(overlays.overlays, shown()))
        assert np.abs(render_opaque(canvas).astype(int) - expected).max() <= 1
    canvas.close()


def test_units_and_pixels_come_from_the_image(kit: object) -> None:
    pyramid = kit.make_pyramid([np.zeros((4, 6, 8), np.uint8)], (4, 6, 8), [(2.0, 0.5, 0.25)])  # type: ignore[attr-defined]
    named = tuple(Axis(axis.name, axis.type, unit) for axis, unit in zip(pyramid.axes, ("m", "nm", None), strict=True))
    pyramid = type(pyramid)(pyramid.name, named, pyramid.levels)
    made = Shown.of(pyramid, View.plane(pyramid, canvas=CANVAS), name="DAPI")
    assert (made.units, made.pixels, made.name) == (("nm", None), (0.5, 0.25), "DAPI")
    assert log10(made.letter_size) > 1
