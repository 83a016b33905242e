"""Fetching ahead turned on, off and to playback; what is missing, what fails, and how it ends."""

import asyncio
from dataclasses import replace

import numpy as np
from stack import CHUNK, Z_ONLY, planes, shown

from brickstream.chunks.entry import PREFETCH
from brickstream.engine import Ahead, Engine, Outcome
from brickstream.multiscale import View
from brickstream.multiscale.navigate import move_point
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

# ---- on and off


async def test_off_means_that_a_view_inside_one_chunk_reads_one_chunk() -> None:
    async with shown(False) as a:
        await a.see(a.view)
        assert a.begun == [(1, 10, 2, 2)]
    async with Engine() as engine:
        engine.show(a.image, a.at(z=11))
        await settle()
        a.source.flow()
        await engine.complete(5)
        await settle()
    assert planes(a.begun) == [10, 11]


async def test_slices_fetch_nothing_ahead() -> None:
    async with shown(Ahead()) as a:
        a.source.flow()
        updates = [update async for update in a.engine.slice(a.image, a.view)]
        await settle()
        assert a.begun == [(1, 10, 2, 2)]
        assert updates[-1].complete


async def test_a_slice_comes_before_what_is_fetched_ahead() -> None:
    async with shown(Z_ONLY) as a:
        await a.see(a.at(z=9), a.at(z=10))
        assert planes(a.source.waiting) == [11]
        task = asyncio.ensure_future(anext(a.engine.slice(a.image, a.at(z=3))))
        await settle()
        assert planes(a.source.waiting) == [3]
        a.source.release_all()
        await task
        await settle()
        assert planes(a.source.waiting) == [11]


async def test_what_a_slice_wants_meanwhile_was_not_read_ahead() -> None:
    async with shown(Z_ONLY) as a:
        await a.see(a.at(z=9), a.at(z=10))
        assert planes(a.source.waiting) == [11]
        task = asyncio.ensure_future(anext(a.engine.slice(a.image, a.at(z=11))))
        await settle()
        a.source.release((1, 11, 2, 2))
        await task
        await settle()
        assert a.engine.stats().prefetched_bytes == 0
        assert a.begun.count((1, 11, 2, 2)) == 1


async def test_turned_off_and_on_and_to_playback() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        assert len(a.source.waiting) == 3
        a.engine.set_prefetch(False)
        await settle()
        assert a.source.waiting == []
        a.engine.set_prefetch(Ahead(playback="t"))
        await settle()
        assert a.source.waiting == [(2, 10, 2, 2), (0, 10, 2, 2)]
        a.engine.set_prefetch(Z_ONLY)
        await settle()
        assert planes(a.source.waiting) == [11, 12, 13]


async def test_less_is_less_at_once() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        await a.show(a.at(z=11))
        assert planes(a.source.waiting) == [11, 12, 13]
        a.engine.set_prefetch(replace(Z_ONLY, max_bytes=0))
        await settle()
        assert planes(a.source.waiting) == [11]


async def test_what_is_shown_while_it_is_off_is_fetched_ahead_of_once_it_is_on() -> None:
    async with shown(False, max_inflight=4) as a:
        await a.see(a.at(z=9))
        await a.show(a.at(z=10))
        a.engine.set_prefetch(Z_ONLY)
        await settle()
        assert planes(a.source.waiting) == [10]
        a.source.release_all()
        await settle()
        assert planes(a.source.waiting) == [11, 12, 13]


async def test_playback_runs_round() -> None:
    async with shown(Ahead(playback="t", count=8)) as a:
        for t, then in ((0, [1, 2]), (1, []), (2, [])):
            await a.see(a.at(t=t))
            assert planes(await a.drain(), 0) == then
        assert a.engine.stats().prefetch_hits == 2


# ---- what ends otherwise


async def test_chunks_that_are_known_to_be_missing_are_not_asked_for_again() -> None:
    async with shown(replace(Z_ONLY, max_bytes=CHUNK * 2)) as a:
        a.source.missing.add((1, 11, 2, 2))
        await a.see(a.at(z=9), a.at(z=10))
        await a.drain()
        await a.see(a.at(z=10))
        assert planes(await a.drain()) == [13]  # what is missing takes no room
        await a.show(a.at(z=11))
        (update,) = a.engine.poll()
        assert update.outcome is Outcome.MISSING
        assert a.begun.count((1, 11, 2, 2)) == 1


async def test_what_fails_ahead_is_not_tried_again_ahead_but_is_when_it_is_in_view() -> None:
    async with shown(Z_ONLY) as a:
        await a.see(a.at(z=9), a.at(z=10))
        a.source.fail((1, 11, 2, 2))
        await settle()
        assert planes(a.source.waiting) == [12]
        await a.drain()
        await a.see(a.at(z=9), a.at(z=10))
        await a.drain()
        assert a.begun.count((1, 11, 2, 2)) == 1
        assert a.engine.main.is_complete
        await a.show(a.at(z=11))
        assert planes(a.source.waiting) == [11]
        a.source.release_all()
        await settle()
        (update,) = a.engine.poll()
        assert (update.outcome, update.failed) == (Outcome.LOADED, 0)


async def test_what_fails_in_view_stays_failed() -> None:
    async with shown(Z_ONLY) as a:
        a.source.failing.add((1, 11, 2, 2))
        await a.see(a.at(z=9), a.at(z=10))
        await a.drain()
        for _ in range(2):
            await a.see(a.at(z=11))
        await a.drain()
        assert a.begun.count((1, 11, 2, 2)) == 2
        await a.show(a.at(z=11))
        (update,) = a.engine.poll()
        assert update.outcome is Outcome.FAILED


async def test_stopping_to_show_ends_it() -> None:
    async with shown(Z_ONLY, max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        a.engine.main.cancel()
        await settle()
        assert a.source.waiting == []
        table = a.engine.core.fetcher.table
        assert not [entry for entry in table.entries.values() if entry.ranks]


async def test_everything_fetched_ahead_is_of_the_second_tier() -> None:
    async with shown(Ahead(), max_inflight=4) as a:
        await a.see(a.at(z=9), a.at(z=10))
        table = a.engine.core.fetcher.table
        ahead = [entry for entry in table.entries.values() if entry.rank is not None and entry.key[1] != (1, 10, 2, 2)]
        assert ahead
        assert {entry.rank[0] for entry in ahead if entry.rank is not None} == {PREFETCH}


def test_in_a_thread() -> None:
    image = memory_image(
        np.zeros((20, 8, 8), np.uint8), (1, 8, 8), source=lambda array, chunks: StepSource(array, chunks, held=False)
    )
    view = View.plane(image, point={"z": 9.0}, canvas=(8, 8))
    with Engine.in_thread(sink=RecordingSink(), prefetch=True) as engine:
        engine.set_prefetch(Z_ONLY)
        for z in (9.0, 10.0):
            engine.show(image, move_point(view, "z", z))
            engine.complete(30)
        source = image.sources[0]
        assert isinstance(source, StepSource)
        engine.submit(source.until(lambda: len(source.happened("done")) == 5)).result(30)
        engine.show(image, move_point(view, "z", 11.0))
        engine.complete(30)
        assert engine.stats().prefetch_hits == 1
    assert planes(source.happened("begin"), 0)[:5] == [9, 10, 11, 12, 13]
