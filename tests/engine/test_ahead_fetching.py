"""Fetching ahead of what is shown: never before it, never instead of it, and no more than asked for.

Every read is held by the test; one at a time is let go, so that the order of the reads is the order of their ranks.
"""

from dataclasses import replace

import numpy as np
import pytest
from stack import CHUNK, SIDE, Z_ONLY, planes, shown

from brickstream.chunks import ChunkState
from brickstream.engine import Ahead, prefetcher
from brickstream.multiscale import Budget, Plan, Pyramid, View, plan_view
from brickstream.multiscale.navigate import move_point, pan
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

# ---- order


async def test_nothing_is_fetched_ahead_before_everything_visible_is_there() -> None:
    async with shown(Z_ONLY, max_inflight=8) as a:
        await a.see(a.at(z=9))
        wide = replace(a.at(z=10), canvas=(2 * SIDE, SIDE), center=(19.5, 15.5))
        await a.show(wide)
        assert a.source.waiting == [(1, 10, 2, 1), (1, 10, 2, 2)]
        assert a.guessed() == []  # not even planned
        a.source.release((1, 10, 2, 1))
        await settle()
        a.engine.poll()
        await settle()
        assert a.source.waiting == [(1, 10, 2, 2)]
        a.source.release((1, 10, 2, 2))
        await settle()
        assert planes(a.source.waiting) == [11, 11, 12, 12, 13, 13]


async def test_the_view_is_complete_while_chunks_are_fetched_ahead() -> None:
    async with shown(Ahead()) as a:
        await a.see(a.view)
        await a.engine.complete(5)
        assert a.source.waiting
        assert len(a.engine.poll()) == 0


@pytest.mark.parametrize(
    ("first", "second", "then"), [(9, 10, [11, 12, 13]), (11, 10, [9, 8, 7]), (8, 10, [12, 14, 16])]
)
async def test_the_next_planes_come_in_their_order(first: int, second: int, then: list[int]) -> None:
    async with shown(Z_ONLY) as a:
        await a.see(a.at(z=first), a.at(z=second))
        assert planes(await a.drain()) == then


async def test_the_ring_comes_nearest_first_and_after_the_planes() -> None:
    async with shown(replace(Z_ONLY, count=1, ring=1.0)) as a:
        await a.see(a.at(z=9))
        await a.drain()
        await a.see(a.at(z=10))
        first, *ring = await a.drain()
        assert first == (1, 11, 2, 2)
        assert set(ring[:4]) == {(1, 10, 2, 1), (1, 10, 1, 2), (1, 10, 2, 3), (1, 10, 3, 2)}
        assert set(ring[4:]) == {(1, 10, 1, 1), (1, 10, 1, 3), (1, 10, 3, 1), (1, 10, 3, 3)}


async def test_more_comes_in_the_direction_of_a_pan() -> None:
    async with shown(Ahead(ring=1.0)) as a:
        left = pan(a.view, SIDE, 0)
        await a.see(a.view)
        await a.drain()
        await a.see(left)
        assert await a.drain() == [(1, 10, 2, 0), (1, 10, 1, 0), (1, 10, 3, 0)]  # the others are here already
        up = pan(left, 0, SIDE)
        await a.see(up)
        assert (await a.drain())[0] == (1, 10, 0, 1)


async def test_coarse_levels_come_first() -> None:
    async with shown(replace(Z_ONLY, count=2), levels=2, ratios=(1, 1, 2, 2)) as a:
        whole = replace(a.view, canvas=(40, 40))
        await a.see(move_point(whole, "z", 9.0), whole)
        came = []
        while waiting := [(level, index) for level, source in enumerate(a.sources) for index in source.waiting]:
            came += [(index[1], level) for level, index in waiting]
            a.sources[waiting[0][0]].release(waiting[0][1])
            await settle()
    assert came == [(11, 1)] * 9 + [(11, 0)] * 25 + [(12, 1)] * 9 + [(12, 0)] * 25


# ---- a view that comes while chunks are fetched ahead


async def test_another_place_cancels_what_is_fetched_ahead() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        assert planes(a.source.waiting) == [11, 12, 13]
        await a.show(pan(a.at(z=2), 16, 16))
        assert a.source.waiting == [(1, 2, 0, 0)]
        assert sorted(planes(a.source.happened("cancelled"))) == [11, 12, 13]


async def test_what_the_next_view_wants_is_read_on_and_what_is_still_guessed_too() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        assert planes(a.source.waiting) == [11, 12, 13]
        await a.show(a.at(z=11))
        assert planes(a.source.waiting) == [11, 12, 13]
        a.source.release((1, 11, 2, 2))
        await settle()
        await a.engine.complete(5)
        await settle()
        assert planes(a.source.waiting) == [12, 13, 14]
        assert a.source.happened("cancelled") == []
        assert len(set(a.begun)) == len(a.begun)


async def test_what_was_fetched_ahead_is_there_at_once_and_the_next_ones_are_read_on() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        a.source.release((1, 11, 2, 2))
        await settle()
        await a.show(a.at(z=11))
        (update,) = a.engine.poll()
        assert update.complete
        assert planes(a.source.waiting) == [12, 13, 14]
        assert a.source.happened("cancelled") == []
        await a.see(a.at(z=10), a.at(z=11))
        stats = a.engine.stats()
        assert (stats.prefetched_bytes, stats.prefetch_hits) == (CHUNK, 1)


async def test_a_turn_back_gives_up_the_other_direction() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        assert planes(a.source.waiting) == [11, 12, 13]
        await a.see(a.at(z=9))  # it is there
        assert planes(a.source.waiting) == [8, 7, 6]
        assert sorted(planes(a.source.happened("cancelled"))) == [11, 12, 13]


async def test_views_in_quick_succession_are_planned_ahead_of_once() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        a.source.flow()
        await a.see(*(a.at(z=z) for z in (4, 5, 6, 7, 8, 9, 10)))
        a.source.hold()
        events = len(a.source.events)
        for z in (3, 4, 5, 6, 7):
            a.engine.show(a.image, a.at(z=z))
        await settle()
        assert set(planes(event.index for event in a.source.events[events:])) <= set(range(3, 11))
        assert planes(a.source.waiting) == ([3] if a.source.waiting else [])


async def test_a_view_that_comes_while_guesses_are_planned_ends_that() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        a.source.flow()
        await a.see(a.at(z=9), a.at(z=10))
        a.source.hold()
        a.engine.show(a.image, a.at(z=9))
        a.engine.show(a.image, pan(a.at(z=7), 16, 16))
        await settle()
        assert a.guessed() == []
        assert a.source.waiting == [(1, 7, 0, 0)]


async def test_another_image_starts_anew() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        other = memory_image(np.zeros((3, 20, 40, 40), np.uint8), (1, 1, SIDE, SIDE), axes="tzyx", source=StepSource)
        source = other.sources[0]
        assert isinstance(source, StepSource)
        a.engine.show(other, a.at(z=12))
        await settle()
        assert a.source.waiting == []
        source.flow()
        await a.engine.complete(5)
        await settle()
        assert source.happened("begin") == [(1, 12, 2, 2)]


async def test_a_view_that_cannot_be_read_ends_what_was_fetched_ahead() -> None:
    async with shown(Z_ONLY, max_ram_bytes=CHUNK * 10, max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        huge = memory_image(np.zeros((64, 64), np.uint8), (64, 64), source=StepSource)
        a.engine.show(huge, View.plane(huge, canvas=(8, 8)))
        await settle()
        assert a.source.waiting == []


# ---- bounds


@pytest.mark.parametrize(("max_bytes", "expected"), [(0, []), (CHUNK * 2 - 1, [11]), (CHUNK * 2, [11, 12])])
async def test_bytes_fetched_ahead_are_bounded(max_bytes: int, expected: list[int]) -> None:
    async with shown(replace(Z_ONLY, max_bytes=max_bytes)) as a:
        await a.see(a.at(z=9), a.at(z=10))
        assert planes(await a.drain()) == expected
        assert a.engine.stats().prefetched_bytes == CHUNK * len(expected)


async def test_a_quarter_of_the_memory_is_the_bound_where_none_is_given() -> None:
    async with shown(replace(Z_ONLY, count=9), max_ram_bytes=CHUNK * 8) as a:
        await a.see(a.at(z=9), a.at(z=10))
        assert planes(await a.drain()) == [11, 12]


async def test_what_is_held_counts_and_is_not_fetched_again() -> None:
    async with shown(replace(Z_ONLY, max_bytes=CHUNK * 2)) as a:
        await a.see(a.at(z=12), a.at(z=9), a.at(z=10))
        await a.drain()
        before = len(a.begun)
        assert planes(a.begun[-1:]) == [11]
        await a.see(a.at(z=10))
        assert len(a.begun) == before


async def test_what_is_in_view_does_not_count_and_is_not_read_again_when_it_has_left_memory() -> None:
    """The sink has it, and asks for it no more."""
    async with shown(Ahead(max_bytes=CHUNK * 2)) as a:
        await a.see(a.view)
        await a.drain()
        assert len(a.begun) == 3
        table = a.engine.core.fetcher.table
        table.move(table.entries[id(a.source), (1, 10, 2, 2)], ChunkState.ABSENT)
        await a.see(a.view)
        await a.drain()
        assert a.begun.count((1, 10, 2, 2)) == 1


async def test_a_ring_may_have_more_bricks_than_a_picture() -> None:
    async with shown(Ahead()) as a:
        sink = a.engine.main.sink
        assert isinstance(sink, RecordingSink)
        sink.max_bricks = 1
        await a.see(a.view)
        assert len(await a.drain()) == 8


async def test_nothing_visible_leaves_memory_for_what_is_fetched_ahead_and_it_leaves_first() -> None:
    ahead = replace(Z_ONLY, max_bytes=CHUNK * 9)
    async with shown(ahead, max_ram_bytes=CHUNK * 3) as a:
        wide = replace(a.view, canvas=(2 * SIDE, SIDE), center=(19.5, 15.5))
        await a.see(move_point(wide, "z", 9.0), wide)
        await a.drain()
        assert {(1, 10, 2, 1), (1, 10, 2, 2)} < a.resident()
        assert sorted(planes(a.resident())) == [10, 10, 11]
        await a.see(move_point(wide, "t", 0.0))
        assert {(0, 10, 2, 1), (0, 10, 2, 2)} <= a.resident()
        assert a.engine.stats().ram_peak_bytes <= CHUNK * 3


async def test_there_is_no_ring_where_everything_is_in_view() -> None:
    async with shown(Ahead()) as a:
        a.source.flow()
        await a.see(replace(a.view, canvas=(40, 40)))
        assert len(a.begun) == 25


async def test_nothing_is_pinned_by_fetching_it_ahead() -> None:
    async with shown(Z_ONLY) as a:
        await a.see(a.at(z=9), a.at(z=10))
        await a.drain()
        for view in (a.at(z=10), a.at(z=11)):
            await a.see(view)
            await a.drain()
            entries = a.engine.core.fetcher.table.entries.values()
            assert {entry.key[1][1] for entry in entries if entry.ranks} >= {12, 13}
            assert [entry for entry in entries if entry.unread] == []


async def test_however_small_chunks_are_only_so_many_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetcher, "MOST_CHUNKS", 2)
    async with shown(Ahead()) as a:
        await a.see(a.view)
        assert len(await a.drain()) == 2


# ---- what it costs


async def test_a_pan_by_a_pixel_causes_no_plan_and_plans_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[View] = []

    def plan(pyramid: Pyramid, view: View, budget: Budget) -> Plan:
        planned.append(view)
        return plan_view(pyramid, view, budget)

    monkeypatch.setattr(prefetcher, "plan_picture", plan)
    monkeypatch.setattr(prefetcher, "MOST_PLANS", 4)
    async with shown(replace(Z_ONLY, ring=0.5)) as a:
        small = replace(a.view, canvas=(2, 2))
        await a.see(move_point(small, "z", 9.0), small, pan(small, 0.25, 0.0))
        before = len(planned)
        assert before > 4
        await a.see(pan(small, 0.5, 0.0), pan(small, 1.0, 0.0))
        assert len(planned) == before
        (trail,) = a.engine.core.prefetcher._trails.values()
        a.source.flow()
        await a.see(*(move_point(small, "z", float(z)) for z in range(4, 16)))
        assert len(trail.plans) <= 8
        assert len(planned) > before + 8
