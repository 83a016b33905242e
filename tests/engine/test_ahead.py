"""Guesses of the views that come next: pure, so that nothing is fetched here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import MODEST, Scene, scenes

from brickstream.chunks import ChunkedImage
from brickstream.engine import Ahead
from brickstream.engine.ahead import MEMORY, ahead_views, footprint, last_moves, remember
from brickstream.errors import ViewError
from brickstream.multiscale import Affine, Budget, Camera, Plan, View, plan_view
from brickstream.multiscale.navigate import move_point, orbit, pan, zoom_at
from brickstream.testing import memory_image

AHEAD = Ahead(count=3)


def stack(shape: tuple[int, ...] = (3, 20, 64, 64), chunks: tuple[int, ...] = (1, 1, 16, 16), **options: Any) -> Any:
    return memory_image(np.zeros(shape, np.uint8), chunks, axes="tzyx"[-len(shape) :], **options)


STACK: ChunkedImage = stack()
VIEW = View.plane(STACK, point={"t": 1.0, "z": 10.0}, canvas=(20, 10), center=(31.5, 31.5), zoom=1.0)


def planned(image: ChunkedImage, view: View, max_bricks: int = 10_000) -> Plan:
    return plan_view(image.pyramid, view, Budget(max_bricks, image.pyramid.levels[0].chunks[-view.ndisplay :]))


def guesses(views: Sequence[View], ahead: Ahead = AHEAD, image: ChunkedImage = STACK) -> list[View]:
    known: tuple[View, ...] = ()
    for view in views:
        known = remember(known, view)
    return ahead_views(planned(image, views[-1]), known, ahead)


def along(views: Sequence[View], axis: str) -> list[float]:
    """Positions on an axis of all guesses but the ring."""
    return [dict(view.point)[axis] for view in views if view.level is None]


def at(axis: str, *positions: float, view: View = VIEW) -> list[View]:
    return [move_point(view, axis, position) for position in positions]


# ---- along the axes


@pytest.mark.parametrize(
    ("axis", "moved", "expected"),
    [
        ("z", (9, 10), [11, 12, 13]),
        ("z", (10, 9), [8, 7, 6]),
        ("z", (4, 7), [10, 13, 16]),
        ("z", (12, 8), [4, 0]),
        ("z", (17, 18), [19]),
        ("z", (18, 19), []),
        ("t", (0, 1), [2]),
        ("t", (1, 0), []),
        ("z", (3, 4, 9, 8), [7, 6, 5]),
    ],
)
def test_the_next_positions_follow_the_last_step_as_far_as_the_image_goes(
    axis: str, moved: tuple[float, ...], expected: list[float]
) -> None:
    views = guesses(at(axis, *moved))
    assert along(views, axis) == expected
    other = {"z": "t", "t": "z"}[axis]
    assert {dict(view.point)[other] for view in views} == {dict(VIEW.point)[other]}
    assert views[-1].canvas != VIEW.canvas  # last of all the ring


def test_what_never_moved_stays() -> None:
    (ring,) = guesses([VIEW])
    assert ring.point == VIEW.point
    assert ring.center == VIEW.center


def test_what_moved_last_comes_first() -> None:
    t_then_z = [*at("t", 0, 1), *at("z", 11)]
    z_then_t = [*at("z", 9, 10), *at("t", 2), *at("t", 1)]
    assert [dict(view.point) for view in guesses(t_then_z)[:-1]] == [
        {"t": 1, "z": 12},
        {"t": 1, "z": 13},
        {"t": 1, "z": 14},
        {"t": 2, "z": 11},
    ]
    assert [dict(view.point) for view in guesses(z_then_t)[:-1]] == [
        {"t": 0, "z": 10},
        {"t": 1, "z": 11},
        {"t": 1, "z": 12},
        {"t": 1, "z": 13},
    ]


def test_positions_that_need_no_other_chunk_are_passed_over_and_the_first_that_does_is_not() -> None:
    image = stack((2, 40, 16, 16), (1, 8, 16, 16))
    view = View.plane(image, point={"t": 0.0, "z": 1.0}, canvas=(16, 16))
    assert along(guesses(at("z", 1, 2, view=view), image=image), "z") == [8]
    assert along(guesses(at("z", 5, 6, view=view), image=image), "z") == [8]
    assert along(guesses(at("z", 2, 5, view=view), image=image), "z") == [8]
    assert along(guesses(at("z", 2, 10, view=view), image=image), "z") == [18, 26, 34]
    assert along(guesses(at("z", 30, 29, view=view), image=image), "z") == [23]
    assert along(guesses(at("z", 1, 2, view=view), Ahead(count=0), image), "z") == []


def test_the_chunks_that_count_are_those_of_the_levels_in_view() -> None:
    image = memory_image(np.zeros((16, 32, 32), np.uint8), [(8, 16, 16), (2, 16, 16)], levels=2, ratios=(1, 2, 2))
    fine = View.plane(image, point={"z": 1.0}, canvas=(8, 8), center=(7.5, 7.5), zoom=1.0)
    coarse = replace(fine, level=1)
    for view, expected in ((fine, [8.0]), (coarse, [2.0, 4.0])):
        found = ahead_views(planned(image, view), at("z", 0, 1, view=view), Ahead(3, ring=0))
        assert [dict(guess.point)["z"] for guess in found] == expected


def test_an_image_that_lies_the_other_way_round_has_its_next_positions_too() -> None:
    flip = Affine(("z", "y", "x"), ("z", "y", "x"), np.diag([-1.0, 1.0, 1.0]), np.array([100.0, 0.0, 0.0]))
    image = stack((20, 16, 16), (4, 16, 16))
    image = replace(image, pyramid=replace(image.pyramid, placement=flip))
    view = View.plane(image, point={"z": 95.0}, canvas=(16, 16))  # pixel 5
    assert along(guesses(at("z", 94, 95, view=view), image=image), "z") == [97]
    assert along(guesses(at("z", 96, 95, view=view), image=image), "z") == [92]


# ---- around a plane


def test_the_ring_is_half_a_canvas_wide_and_of_the_same_level() -> None:
    image = stack((64, 64), (8, 8), levels=3)
    view = View.plane(image, canvas=(20, 10), zoom=0.5)
    (ring,) = guesses([view], image=image)
    assert ring == replace(view, canvas=(40, 20), level=1)
    tight = Budget(4, (8, 8))
    coarse = plan_view(image.pyramid, view, tight)
    assert coarse.target.level == 2
    assert ahead_views(coarse, [view], AHEAD)[-1].level == 2  # not the level that so many bricks would be too many of
    assert guesses([view], Ahead(ring=0), image) == []


@pytest.mark.parametrize(
    ("dx", "dy", "toward"), [(5, 0, (0, -10)), (-5, 0, (0, 10)), (0, 3, (-5, 0)), (0, -1, (5, 0)), (2, 1, (-5, -10))]
)
def test_a_pan_goes_on_in_its_direction(dx: float, dy: float, toward: tuple[float, float]) -> None:
    """The image moves to the right with the pointer, so that what lies to the left comes into view."""
    near, ring, far = guesses([VIEW, pan(VIEW, dx, dy)])
    now = np.array(pan(VIEW, dx, dy).center)
    np.testing.assert_allclose(near.center, now + toward)
    np.testing.assert_allclose(far.center, now + 2 * np.array(toward))
    assert near.canvas == far.canvas == VIEW.canvas
    assert ring.canvas == (40, 20)
    assert ring.center == tuple(now)


def test_a_pan_of_a_turned_plane_and_of_a_line_goes_on() -> None:
    image = stack((64, 64), (8, 8))
    c, s = np.cos(0.3), np.sin(0.3)
    turned = View.oblique(image, [(c, s), (-s, c)], canvas=(20, 10), zoom=1.0)
    near, _, _ = guesses([turned, pan(turned, 1.0, 0.0)], image=image)
    np.testing.assert_allclose(np.subtract(near.center, pan(turned, 1.0, 0.0).center), [10 * s, -10 * c])
    line = View.line(image, "x", length=30, zoom=1.0)
    near, ring, _ = guesses([line, pan(line, -2.0, 0.0)], image=image)
    assert near.center == (31.5 + 2 + 15,)
    assert ring.canvas == (60, 1)


def test_a_zoom_is_no_pan() -> None:
    assert len(guesses([VIEW, zoom_at(VIEW, 1.2, 0.0, 0.0)])) == 1


def test_a_pan_before_a_step_and_behind_one() -> None:
    panned = pan(VIEW, 1, 0)
    sizes = [view.center != panned.center for view in guesses([VIEW, panned, move_point(panned, "z", 11)])]
    assert sizes == [False, False, False, True, False, True]
    stepped = [VIEW, move_point(VIEW, "z", 11), move_point(panned, "z", 11)]
    assert [dict(view.point)["z"] for view in guesses(stepped)] == [11, 11, 11, 12, 13, 14]


def test_a_volume_has_no_ring_and_moves_in_time() -> None:
    view = View.volume(STACK, point={"t": 0.0}, canvas=(20, 10))
    assert guesses([view, orbit(view, 5, 0), pan(view, 5, 0)]) == []
    (after,) = guesses([view, move_point(view, "t", 1.0)])
    assert after == move_point(view, "t", 2.0)


# ---- playback


@pytest.mark.parametrize(
    ("now", "options", "expected"),
    [
        (1, {}, [2, 3, 4]),
        (4, {}, [5, 0, 1]),
        (4, {"circular": False}, [5]),
        (5, {"circular": False}, []),
        (1, {"step": -1}, [0, 5, 4]),
        (1, {"step": -1, "circular": False}, [0]),
        (1, {"step": 2}, [3, 5]),
        (1, {"step": 4}, [5, 3]),
        (1, {"step": 6}, []),
        (2.4, {}, [3, 4, 5]),
        (3, {"count": 8}, [4, 5, 0, 1, 2]),
        (-50, {}, [1, 2, 3]),
    ],
)
def test_playback_goes_on_and_round(now: float, options: dict[str, Any], expected: list[int]) -> None:
    image = stack((6, 2, 16, 16), (1, 1, 16, 16), scale=(0.5, 1, 1, 1), translation=(7, 0, 0, 0))
    view = move_point(View.plane(image, point={"z": 0.0}, canvas=(8, 8), zoom=1.0), "t", 7 + 0.5 * now)
    views = [move_point(view, "z", 1.0), pan(view, 1, 0), view]
    found = guesses(views, replace(Ahead(count=3, playback="t"), **options), image)
    assert [(dict(guess.point)["t"] - 7) / 0.5 for guess in found] == expected
    assert {(guess.center, dict(guess.point)["z"]) for guess in found} <= {(view.center, 0.0)}


def test_playback_of_an_axis_that_is_displayed_or_not_there_has_no_effect() -> None:
    assert guesses(at("z", 9, 10), replace(AHEAD, playback="x")) == guesses(at("z", 9, 10))
    assert guesses(at("z", 9, 10), replace(AHEAD, playback="q")) == guesses(at("z", 9, 10))


# ---- what is remembered


def test_of_a_movement_that_goes_on_the_last_step_is_remembered_and_movements_before_it_too() -> None:
    views: tuple[View, ...] = ()
    steps = [*at("t", 0, 1), *at("z", *range(10)), *(pan(VIEW, n, 0) for n in range(1, 50))]
    for view in steps:
        views = remember(views, view)
        assert views[-1] == view
        assert len(views) <= MEMORY
    assert [move.axis for move in last_moves(views)] == [None, "z", "t"]
    assert remember(views, views[-1]) == views
    for n in range(100):
        views = remember(views, move_point(views[-1], "tz"[n % 2], n % 3))
    assert len(views) == MEMORY


def test_other_axes_on_display_are_a_new_start() -> None:
    other = View.plane(STACK, ("z", "x"), point={"t": 1.0, "y": 3.0}, canvas=(20, 10), center=(10.0, 31.5), zoom=1.0)
    assert last_moves([*at("t", 0, 1), other]) == []
    assert [move.axis for move in last_moves([*at("t", 0, 1), other, move_point(other, "y", 4.0)])] == ["y"]


def test_nothing_is_guessed_where_not_even_this_view_has_room() -> None:
    plan = planned(STACK, VIEW, max_bricks=1)
    assert plan.partial
    assert ahead_views(plan, at("z", 9, 10), AHEAD) == []


def test_where_nothing_is_in_view_the_way_back_is_guessed() -> None:
    beside = View.plane(STACK, canvas=(20, 10), center=(31.5, -30.0), zoom=1.0, point={"z": 1.0, "t": 0.0})
    views = guesses([pan(beside, 5, 0), beside])
    assert planned(STACK, beside).empty
    assert [planned(STACK, view).empty for view in views] == [True, True, False]
    above = guesses(at("z", -2, -1, view=beside))
    assert along(above[:-1], "z") == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"count": -1}, "count=-1"),
        ({"count": 1.5}, "count is a whole number"),
        ({"count": 1000}, "from 0 to 256 positions"),
        ({"ring": -0.5}, "ring=-0.5"),
        ({"ring": float("nan")}, "ring=nan"),
        ({"ring": 5}, "from 0 to 4 canvases"),
        ({"max_bytes": -1}, "not below zero"),
        ({"step": 0}, "at least one pixel"),
        ({"step": 0.5}, "step is a whole number"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ViewError, match=text):
        Ahead(**options)


# ---- laws


def needed(plan: Plan) -> set[tuple[int, tuple[int, ...]]]:
    return {(part.level, tuple(index)) for part in plan.levels for index in part.chunks.tolist()}


def scene_plan(scene: Scene, view: View) -> Plan:
    chunks = scene.image.pyramid.levels[0].chunks
    shape = tuple(chunks[scene.image.pyramid.axis_index(name)] for name in view.displayed)
    return plan_view(scene.image.pyramid, view, Budget(1000, shape, mixed=False))


@given(scenes(), st.sampled_from([1.0, -1.0, 0.5, -2.5, 7.0]), st.integers(1, 4))
@MODEST
def test_the_next_positions_need_nothing_that_is_not_guessed(scene: Scene, step: float, count: int) -> None:
    """However cleverly positions are passed over: whoever takes the next steps finds everything fetched."""
    for name, position in scene.view.point:
        plan = scene_plan(scene, scene.view)
        views = (move_point(scene.view, name, position - step), scene.view)
        guessed = needed(plan).union(
            *(needed(scene_plan(scene, view)) for view in ahead_views(plan, views, Ahead(count, ring=0)))
        )
        for n in range(1, count + 1):
            assert needed(scene_plan(scene, move_point(scene.view, name, position + n * step))) <= guessed


@given(scenes(), st.sampled_from([-0.5, -0.25, 0.25, 0.5]), st.sampled_from([-0.5, -0.1, 0.0, 0.5]))
@MODEST
def test_a_pan_of_half_a_canvas_needs_nothing_that_is_not_in_the_ring(scene: Scene, dx: float, dy: float) -> None:
    plan = scene_plan(scene, scene.view)
    (ring,) = ahead_views(plan, [scene.view], Ahead())
    width, height = scene.view.canvas
    there = scene_plan(scene, pan(scene.view, dx * width, dy * height))
    target = {chunk for chunk in needed(there) if plan.empty or chunk[0] == plan.target.level}
    if plan.empty or there.empty or there.target.level == plan.target.level:
        assert target <= needed(scene_plan(scene, ring)) | needed(plan)


@given(
    scenes(volume=False), st.lists(st.sampled_from([-3.0, -1.0, -1e-9, 0.0, 1e-9, 0.4, 2.0]), min_size=3, max_size=3)
)
@MODEST
def test_views_of_one_footprint_need_the_same_chunks(scene: Scene, away: tuple[float, ...]) -> None:
    view = scene.view
    other = pan(view, away[0], away[1])
    for name, position in view.point:
        other = move_point(other, name, position + away[2])
    one, two = (scene_plan(scene, each) for each in (view, other))
    if footprint(scene.image.pyramid, view) == footprint(scene.image.pyramid, other):
        assert needed(one) == needed(two)
    else:
        assert view != other


def test_footprints_forgive_what_needs_no_other_chunk_and_nothing_else() -> None:
    image = stack((8, 20, 64, 64), (1, 4, 16, 16), levels=2)
    view = View.plane(image, point={"t": 1.0, "z": 9.0}, canvas=(20, 10), center=(31.5, 31.5), zoom=1.0)

    def same(other: View) -> bool:
        return footprint(image.pyramid, view) == footprint(image.pyramid, other)

    assert same(pan(view, 1.0, 1.0))
    assert same(move_point(view, "z", 9.0 + 1e-12))
    assert same(move_point(view, "z", 8.0))
    assert not same(move_point(view, "z", 12.0))
    assert not same(move_point(view, "t", 2.0))
    assert not same(pan(view, 8.0, 0.0))
    assert not same(zoom_at(view, 1.01, 10.0, 5.0))
    assert not same(replace(view, level=1))
    volume = View.volume(image, point={"t": 1.0}, canvas=(20, 10))
    assert footprint(image.pyramid, volume) != footprint(image.pyramid, pan(volume, 0.1, 0.0))
    turned = replace(volume, camera=Camera(azimuth=1.0))
    assert footprint(image.pyramid, volume) != footprint(image.pyramid, turned)
