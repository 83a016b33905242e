"""Levels, pyramids, and which level and plane a view gets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import MetadataError, ViewError
from brickstream.multiscale import Axis, Budget, Level, Pyramid, View, choose_level, plan_view

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
