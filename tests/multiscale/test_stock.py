"""Stand-ins beside what is in memory or being read: they stay while a view moves, and are not read in vain."""

import tracemalloc
from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from brickstream.multiscale import Budget, Camera, Plan, Pyramid, View, corner_pixels, plan_view
from brickstream.multiscale.affine import IntArray
from brickstream.multiscale.stock import COMING, FAR, HERE, Stock
from tests.ugly import cube, planes, volumes

NO_LIMIT = 10**6
CHUNK = 64
# Planes of this one have up to five levels of stand-ins between the first picture and the finished one.
PYRAMID = cube(8192)
Chunk = tuple[int, tuple[int, ...]]


def stocked(near: Callable[[Chunk], int]) -> Stock:
    """A stock in which each chunk is as near as a function says."""

    def stock(level: int, chunks: IntArray) -> IntArray:
        return np.array([near((level, tuple(index))) for index in chunks.tolist()], dtype=np.int64)

    return stock


def by_chance(seed: int, weights: tuple[int, int, int] = (1, 1, 1)) -> Callable[[Chunk], int]:
    return lambda chunk: Random(f"{seed} {chunk}").choices((FAR, COMING, HERE), weights)[0]


def chunks_of(plan: Plan, levels: Collection[int] | None = None) -> set[Chunk]:
    parts = [part for part in plan.levels if levels is None or part.level in levels]
    return {(part.level, tuple(index)) for part in parts for index in part.chunks.tolist()}


def between(plan: Plan) -> set[Chunk]:
    """Stand-ins that are neither of the first picture nor of the finished one."""
    return chunks_of(plan, [part.level for part in plan.levels[plan.cover : -1]])


def finals(plan: Plan) -> set[tuple[int, tuple[int, ...]]]:
    bricks = (zip(part.bricks.tolist(), part.final.tolist(), strict=True) for part in plan.levels)
    found = zip((part.level for part in plan.levels), bricks, strict=True)
    return {(level, tuple(index)) for level, rows in found for index, final in rows if final}


def under(standin: Chunk, plan: Plan) -> list[Chunk]:
    """Chunks of the finished picture that lie under one of a stand-in, in an image of nested halves."""
    level, index = standin
    ratio = 2 ** (level - plan.target.level)
    rows = (tuple(row) for row in plan.target.chunks.tolist())
    return [(plan.target.level, row) for row in rows if tuple(i // ratio for i in row) == index]


def plan_of(view: View, stock: Stock | None = None) -> Plan:
    return plan_view(PYRAMID, view, Budget(NO_LIMIT, (CHUNK, CHUNK)), stock=stock)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Planes of the regular image, of 60 chunks and more."""
    center = {name: float(draw(st.integers(1000, 7000))) for name in "yx"}
    canvas = draw(st.tuples(st.integers(400, 1200), st.integers(400, 900)))
    zoom = draw(st.sampled_from([0.3, 0.5, 1.0]))
    return View.plane(PYRAMID, canvas=canvas, center=center, zoom=zoom, point={"z": 100.0})


@given(views(), st.tuples(st.integers(-200, 200), st.integers(-200, 200)), st.integers(0, 99))
def test_a_pan_keeps_its_stand_ins(view: View, step: tuple[int, int], seed: int) -> None:
    """Those that are here or coming stay as long as they are in view and something under them is not here."""
    near = by_chance(seed)
    had = between(plan_of(view))
    moved = replace(view, center=(view.center[0] + step[0], view.center[1] + step[1]))
    plan = plan_of(moved, stocked(lambda chunk: near(chunk) if chunk in had else FAR))
    for level, index in had:
        low, high = corner_pixels(PYRAMID, moved, level) // CHUNK
        in_view = all(a <= i <= b for a, i, b in zip(low, index, high, strict=True))
        if in_view and near((level, index)) != FAR:
            assert (level, index) in between(plan)


@given(views())
def test_a_pan_within_what_is_here_plans_no_stand_ins_but_the_first_picture(view: View) -> None:
    plan = plan_of(view, stocked(lambda chunk: HERE))
    assert between(plan) == set()
    assert chunks_of(plan) == chunks_of(plan_of(view)) - between(plan_of(view))


@given(views())
def test_no_stand_ins_are_begun_where_the_finished_picture_is_being_read(view: View) -> None:
    target = plan_of(view).target.level
    plan = plan_of(view, stocked(lambda chunk: COMING if chunk[0] == target else FAR))
    assert between(plan) == set()


@given(views(), st.integers(0, 99))
def test_every_stand_in_stands_for_something(view: View, seed: int) -> None:
    """One that is here or coming for what is not here; one that has to be read for what is not even coming."""
    near = by_chance(seed, (4, 1, 4))
    plan, fresh = plan_of(view, stocked(near)), plan_of(view)
    for chunk in between(plan):
        assert near(chunk) > FAR or chunk in between(fresh)
        assert min(near(final) for final in under(chunk, plan)) < (FAR + 1 if near(chunk) == FAR else HERE)


@given(views(), st.tuples(st.integers(-64, 64), st.integers(-64, 64)))
def test_a_strip_that_comes_into_view_reads_clearly_fewer_stand_ins_than_it_has_chunks(
    view: View, step: tuple[int, int]
) -> None:
    before = chunks_of(plan_of(view))
    moved = replace(view, center=(view.center[0] + step[0], view.center[1] + step[1]))
    plan = plan_of(moved, stocked(lambda chunk: HERE if chunk in before else FAR))
    strip = chunks_of(plan, [plan.target.level]) - before
    assert 2 * len(between(plan) - before) <= len(strip)


@given(planes() | planes(ndim=3) | volumes(), st.integers(0, 99), st.sampled_from([NO_LIMIT, 40]), st.booleans())
def test_what_is_here_adds_no_read_and_changes_no_finished_picture(
    case: tuple[Pyramid, View], seed: int, most: int, mixed: bool
) -> None:
    pyramid, view = case
    # Larger bricks than chunks are whole or not there, and read what lies beside the chunk that is here as well.
    near, budget = by_chance(seed), Budget(most, (1,) * view.ndisplay, mixed)
    fresh, plan = plan_view(pyramid, view, budget), plan_view(pyramid, view, budget, stock=stocked(near))
    assert finals(plan) == finals(fresh)
    first, before = ([part.level for part in each.levels[: each.cover]] for each in (plan, fresh))
    assert chunks_of(plan, first) == chunks_of(fresh, before)
    assert {near(chunk) for chunk in chunks_of(plan) - chunks_of(fresh)} <= {COMING, HERE}
    assert plan.partial or sum(len(part.bricks) for part in plan.levels) <= most


def test_a_thick_slice_needs_stand_ins_until_its_last_plane_is_here() -> None:
    view = View.plane(PYRAMID, canvas=(800, 600), zoom=1.0, point={"z": 100.0})
    view = replace(view, margins=(("z", (60.0, 60.0)),))
    fresh = plan_of(view)
    deepest = fresh.target.chunks[:, 0].max()
    assert deepest > fresh.target.chunks[:, 0].min()
    there = {chunk for chunk in chunks_of(fresh, [fresh.target.level]) if chunk[1][0] < deepest}
    assert between(fresh)
    assert chunks_of(plan_of(view, stocked(lambda chunk: HERE if chunk in there else FAR))) == chunks_of(fresh)


def test_of_an_image_of_which_nothing_is_here_all_stand_ins_are_planned() -> None:
    view = View.plane(PYRAMID, canvas=(800, 600), zoom=1.0, point={"z": 100.0})
    plan, fresh = plan_of(view, stocked(lambda chunk: FAR)), plan_of(view)
    assert [part.level for part in plan.levels] == [part.level for part in fresh.levels]
    assert len(between(fresh)) > 10
    assert chunks_of(plan) == chunks_of(fresh)


def test_stand_ins_that_are_here_do_not_exceed_the_budget() -> None:
    view = View.plane(PYRAMID, canvas=(800, 600), zoom=1.0, point={"z": 100.0})
    target = plan_of(view).target
    stock = stocked(lambda chunk: FAR if chunk[0] == target.level else HERE)
    room = [
        sum(len(part.bricks) for part in plan_view(PYRAMID, view, Budget(most, (CHUNK, CHUNK)), stock=stock).levels)
        - len(target.bricks)
        for most in range(len(target.bricks) + 1, len(target.bricks) + 80)
    ]
    assert all(taken <= extra for extra, taken in enumerate(room, 1))
    assert room[-1] > 30


def test_what_is_here_of_a_huge_volume_takes_little_memory() -> None:
    """Coarse chunks of the finished picture, far away, lie beside billions of fine ones."""
    pyramid = cube(1 << 20)
    view = View.volume(pyramid, canvas=(800, 600), zoom=1.0, camera=Camera(30.0, 20.0, 0.0, 45.0))
    stock = stocked(by_chance(1))
    tracemalloc.start()
    plan = plan_view(pyramid, view, Budget(2000, (32, 32, 32)), stock=stock)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < plan.chunk_count <= 2000
    assert peak < 64 << 20
