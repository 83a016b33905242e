"""The plane grid of an oblique cut, and the chunks of its tiles, against a model that looks at every pixel."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oblique import naive_pixels, tilted
from viewed import ZYX, askew_scenes, halved

from brickstream.errors import ViewError
from brickstream.multiscale import (
    Affine,
    Axis,
    Budget,
    Channel,
    Level,
    Oblique,
    Plan,
    Pyramid,
    View,
    directions_across,
    find_oblique,
    navigate,
    picture_pyramid,
    plan_picture,
)


@st.composite
def oblique_scenes(draw: st.DrawFn) -> tuple[Pyramid, View]:
    """Cuts, planes and lines across the pixels of an image, with or without a thickness."""
    pyramid, view = draw(askew_scenes())
    assume(find_oblique(pyramid, view) is not None)
    return pyramid, view


def planned(pyramid: Pyramid, view: View, most: int = 10_000) -> tuple[Oblique, Plan]:
    oblique = find_oblique(pyramid, view)
    assert oblique is not None
    bricks = tuple(oblique.pyramid.levels[0].chunks[axis] for axis in oblique.axes)
    return oblique, plan_picture(pyramid, view, Budget(most, bricks, mixed=False))


def rows(array: NDArray[Any]) -> set[tuple[int, ...]]:
    return set(map(tuple, array.tolist()))


def between(first: NDArray[Any], last: NDArray[Any]) -> set[tuple[int, ...]]:
    """All chunks from the first to the last of each row."""
    found = set()
    for low, high in zip(first.tolist(), last.tolist(), strict=True):
        found |= set(product(*(range(a, b + 1) for a, b in zip(low, high, strict=True))))
    return found


@pytest.mark.oracle
@given(oblique_scenes())
def test_just_the_chunks_that_hold_a_sample_are_read(scene: tuple[Pyramid, View]) -> None:
    oblique, plan = planned(*scene)
    # Where pixels of one axis are ten thousand times as long as those of another, a model cannot look at all of them.
    assume(oblique.pyramid.shapes[0].prod() < 40_000)
    for part in plan.levels:
        pixels, inside, clear = naive_pixels(oblique, part.level)
        assert part.sources is not None
        pixels = [pixels, pixels.copy()]
        others, *planes = oblique.planes(part.level)
        pixels[1][..., others] = planes[1]
        size = oblique.image.chunk_shapes[part.level]
        shown = set()
        for row, tile in enumerate(part.chunks.tolist()):
            start, stop = oblique.pyramid.levels[part.level].chunk_box(tuple(tile))
            box = tuple(slice(start[axis], stop[axis]) for axis in oblique.axes)
            shown.add(tuple(tile))
            read = rows(part.sources.chunks[part.sources.owner == row])
            ends = [p[box] // size for p in pixels]
            sure = between(*(end[inside[box] & clear[box]] for end in ends))
            assert sure <= read
            assert read
            if clear[box].all():
                assert sure == read
        corners = part.corner_pixels // oblique.pyramid.chunk_shapes[part.level]
        for tile in np.ndindex(*(corners[1] - corners[0] + 1).tolist()):
            place = tuple((corners[0] + tile).tolist())
            start, stop = oblique.pyramid.levels[part.level].chunk_box(place)
            box = tuple(slice(start[axis], stop[axis]) for axis in oblique.axes)
            assert place in shown or not (inside[box] & clear[box]).any()


@given(oblique_scenes())
def test_tiles_and_reads_come_nearest_first(scene: tuple[Pyramid, View]) -> None:
    _, plan = planned(*scene)
    for part in plan.levels:
        assert (np.diff(part.distances) >= 0).all()
        chunks, distances = part.reads()
        assert (np.diff(distances) >= 0).all()
        assert part.sources is not None
        assert rows(chunks) == rows(part.sources.chunks)
        assert len(chunks) == len(rows(chunks))
        assert rows(part.sources.owner[:, None]) == {(row,) for row in range(len(part.chunks))}


@given(oblique_scenes(), st.tuples(*[st.integers(-40, 40)] * 2), st.sampled_from([0.5, 1.0, 3.0]))
def test_panning_and_zooming_stay_on_the_grid(scene: tuple[Pyramid, View], pan: tuple[int, int], factor: float) -> None:
    pyramid, view = scene
    moved = navigate.zoom_at(navigate.pan(view, *pan), factor, 1.5, 0.5)
    assert find_oblique(pyramid, moved) is find_oblique(pyramid, view)


@given(oblique_scenes())
def test_the_view_runs_along_the_axes_of_the_plane_grid(scene: tuple[Pyramid, View]) -> None:
    oblique, plan = planned(*scene)
    assert plan.local.aligned
    assert plan.displayed == oblique.axes
    assert plan.pyramid is oblique.pyramid
    assert (plan.image, plan.view) == scene
    assert plan.pyramid.axis_names == scene[0].axis_names


@given(oblique_scenes())
def test_no_step_of_the_plane_grid_passes_over_a_pixel(scene: tuple[Pyramid, View]) -> None:
    oblique, _ = planned(*scene)
    for level in range(len(oblique.image.levels)):
        samples = oblique.samples(level)
        assert (np.abs(samples.steps) <= 1 + 1e-5).all()


def test_the_pixels_of_an_image_of_cubes_are_as_large_in_every_cut() -> None:
    oblique, _ = planned(halved(), tilted(halved()))
    np.testing.assert_allclose([[level.scale[a] for a in (1, 2)] for level in oblique.pyramid.levels], [[1, 1], [2, 2]])


def test_sliding_along_the_normal_keeps_the_pixels_in_line() -> None:
    view = tilted(halved())
    grids = [planned(halved(), navigate.slide(view, by))[0].pyramid for by in (0.0, 1.0, 1.3)]
    starts = np.array([grid.translations[:, 1:] / grid.scales[:, 1:] for grid in grids])
    np.testing.assert_allclose(starts - starts[0], np.round(starts - starts[0]), atol=1e-9)


def test_slices_of_the_array_have_no_grid_of_their_own() -> None:
    pyramid = halved()
    upright = View.oblique(pyramid, [(0, 1, 0), (0, 0, 1)])
    for view in (View.plane(pyramid), View.line(pyramid), View.volume(pyramid), upright):
        assert find_oblique(pyramid, view) is None
        assert picture_pyramid(pyramid, view) is pyramid


def test_two_images_that_look_alike_have_grids_of_their_own() -> None:
    one, other = halved(), halved()
    assert find_oblique(one, tilted(one)) is not find_oblique(other, tilted(one))


def test_another_thickness_or_point_is_another_grid() -> None:
    axes = (Axis("t", "time"), *ZYX)
    levels = tuple(
        replace(level, **{n: (2, *getattr(level, n)) for n in ("shape", "chunks", "scale", "translation")})
        for level in halved().levels
    )
    pyramid = Pyramid("film", axes, levels)
    view = tilted(pyramid)
    grids = [
        find_oblique(pyramid, other)
        for other in (view, replace(view, point=(("t", 3.0),)), replace(view, margins=(("t", (1.0, 1.0)),)))
    ]
    assert len(set(map(id, grids))) == 3


@pytest.mark.parametrize("center", [(100.0, 2.0, 2.0), (3.5, -90.0, 1.0)])
def test_a_cut_beside_the_image_is_an_empty_plan(center: tuple[float, ...]) -> None:
    _, plan = planned(halved(), replace(tilted(halved()), center=center))
    assert plan.empty
    assert plan.cover == 0


def test_a_place_of_the_cut_where_the_image_has_ended_is_an_empty_plan() -> None:
    # Within the rectangle around what the cut shows of the image, but in its corner.
    pyramid = halved()
    view = View.oblique(pyramid, [(1, 0.5, 0.5), (0, 1, -1)], canvas=(1, 1), zoom=20.0)
    box = planned(pyramid, view)[0].pyramid.box()
    corner = view.frame().T @ (box[0, 1:] + 0.1) + (np.array(view.center) - view.frame().T @ view.frame() @ view.center)
    plan = planned(pyramid, replace(view, center=tuple(corner.tolist())))[1]
    assert plan.empty


def test_the_grid_has_the_channel_that_is_shown() -> None:
    axes = (Axis("c", "channel"), *ZYX)
    levels = (Level("0", (3, 8, 4, 4), np.dtype("u1"), (1, 4, 4, 4), (1.0,) * 4, (0.0,) * 4),)
    pyramid = Pyramid("three", axes, levels, tuple(Channel(name) for name in "abc"))
    view = replace(tilted(pyramid), point=(("c", 2.0),))
    assert [channel.label for channel in planned(pyramid, view)[0].pyramid.channels] == ["c"]


def test_a_plane_of_a_rotated_image_lies_straight_in_the_world() -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    turned = Affine(tuple("zyx"), tuple("zyx"), np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.zeros(3))
    oblique, plan = planned(halved(turned), View.plane(halved(turned)))
    assert oblique.pyramid.placement is None
    assert oblique.axes == (1, 2)
    assert not plan.empty


def test_an_enormous_image_costs_what_is_in_view() -> None:
    levels = tuple(
        Level(str(k), (2**20 >> k,) * 3, np.dtype("u1"), (64,) * 3, (2.0**k,) * 3, ((2.0**k - 1) / 2,) * 3)
        for k in range(15)
    )
    pyramid = Pyramid("enormous", ZYX, levels)
    view = tilted(pyramid, canvas=(800, 600))
    for zoom in (view.zoom, 0.01, 1.0, 10.0):
        plan = planned(pyramid, replace(view, zoom=zoom))[1]
        assert 0 < plan.chunk_count < 600
        assert sum(len(part.reads()[0]) for part in plan.levels) < 2000
        assert plan.target.level == max(0, int(np.floor(np.log2(1 / zoom) + 1e-6)))


def test_a_slice_of_very_many_chunks_is_refused() -> None:
    axes = (Axis("t", "time"), *ZYX)
    levels = (Level("0", (10**7, 8, 4, 4), np.dtype("u1"), (1, 4, 4, 4), (1.0,) * 4, (0.0,) * 4),)
    pyramid = Pyramid("long", axes, levels)
    with pytest.raises(ViewError, match="too thick for its chunks"):
        planned(pyramid, replace(tilted(pyramid), margins=(("t", (0.0, 1e7)),)))


@given(st.tuples(*[st.integers(-5, 5) | st.sampled_from([1e-9, 1e200])] * 3))
def test_a_cut_stands_across_its_normal_and_the_last_axis_runs_right(normal: tuple[float, ...]) -> None:
    assume(any(normal))
    down, right = directions_across(normal)
    view = View.oblique(halved(), (down, right))
    wanted = np.array(normal) / np.abs(normal).max()
    np.testing.assert_allclose(navigate.normal(view), wanted / np.linalg.norm(wanted), atol=1e-9)
    assert max(right) > 0.4


def test_across_an_axis_a_cut_is_the_usual_plane() -> None:
    assert directions_across((2, 0, 0)) == ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@pytest.mark.parametrize("normal", [(0, 0, 0), (1, 2), (1, 2, float("nan")), (float("inf"), 0, 0)])
def test_a_normal_that_is_none_is_refused(normal: tuple[float, ...]) -> None:
    with pytest.raises(ViewError, match="normal"):
        directions_across(normal)
