"""Tiers: what is fetched ahead never costs what is visible anything; what failed is read again only when asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fetching import Client, step_source

from brickstream.chunks import ChunkState, Fetcher, Limits, Want
from brickstream.chunks.entry import PREFETCH, VISIBLE
from brickstream.chunks.source import Index
from brickstream.testing import StepSource, settle

CHUNK = 16


@asynccontextmanager
async def fetching(chunks: int, inflight: int, window: int | None = None) -> AsyncIterator[Fetcher]:
    async with Fetcher(Limits(CHUNK * chunks, inflight), None if window is None else lambda queued: window) as fetcher:
        yield fetcher


def wants(source: StepSource, tier: int, *indices: Index, place: int = 1) -> list[Want]:
    return [Want((id(source), index), source, (tier, place, float(i))) for i, index in enumerate(indices)]


async def test_nothing_is_fetched_ahead_before_everything_visible_is_there() -> None:
    source = step_source()
    async with fetching(16, 4) as fetcher:
        ahead, view = Client("ahead", fetcher), Client("view", fetcher)
        view.want(wants(source, VISIBLE, (0, 0), (0, 1)))
        ahead.want(wants(source, PREFETCH, (1, 0), (1, 1)))
        await settle()
        assert source.waiting == [(0, 0), (0, 1)]
        source.release((0, 0))
        await settle()
        assert source.waiting == [(0, 1)]
        source.release((0, 1))
        await settle()
        assert source.waiting == [(1, 0), (1, 1)]
        source.release_all()
        await settle()
    assert ahead.indices == [(1, 0), (1, 1)]


async def test_what_is_fetched_ahead_gives_way_and_is_fetched_later() -> None:
    source = step_source()
    async with fetching(16, 2) as fetcher:
        ahead, view = Client("ahead", fetcher), Client("view", fetcher)
        ahead.want(wants(source, PREFETCH, (1, 0), (1, 1)))
        await settle()
        assert source.waiting == [(1, 0), (1, 1)]
        view.want(wants(source, VISIBLE, (0, 0)))
        await settle()
        assert source.waiting == [(1, 0), (0, 0)]  # one slot was needed, and the less urgent one was given up
        view.want(wants(source, VISIBLE, (0, 0), (0, 1), (0, 2)))
        await settle()
        assert source.waiting == [(0, 0), (0, 1)]
        source.flow()
        await settle()
    assert view.indices == [(0, 0), (0, 1), (0, 2)]
    assert ahead.indices == [(1, 0), (1, 1)]
    assert [event.what for event in source.events if event.index == (1, 1)] == [
        "begin",
        "cancelled",
        "begin",
        "start",
        "done",
    ]


async def test_the_first_picture_gets_the_slots_of_reads_without_an_answer() -> None:
    source = step_source()
    async with fetching(16, 2) as fetcher:
        old, new = Client("old", fetcher), Client("new", fetcher)
        old.want(wants(source, VISIBLE, (1, 0), (1, 1)))
        await settle()
        source.start((1, 0))
        new.want(wants(source, VISIBLE, (0, 0), (0, 1), place=0))
        await settle()
        assert source.waiting == [(1, 0), (0, 0)]  # what has begun to arrive goes on
        source.flow()
        await settle()
    assert set(old.indices) == {(1, 0), (1, 1)}
    assert new.indices == [(0, 0), (0, 1)]


async def test_a_chunk_that_becomes_visible_is_not_read_again() -> None:
    source = step_source()
    async with fetching(16, 4) as fetcher:
        ahead, view = Client("ahead", fetcher), Client("view", fetcher)
        ahead.want(wants(source, PREFETCH, (1, 0), (1, 1)))
        await settle()
        view.want(wants(source, VISIBLE, (1, 1)))
        fetcher.forget("ahead")
        await settle()
        assert source.waiting == [(1, 1)]
        source.flow()
        await settle()
    assert view.indices == [(1, 1)]
    assert sum(event.what == "begin" and event.index == (1, 1) for event in source.events) == 1


async def test_nothing_visible_leaves_memory_for_what_is_fetched_ahead() -> None:
    source = step_source()
    async with fetching(2, 4) as fetcher:
        ahead, view = Client("ahead", fetcher), Client("view", fetcher)
        view.want(wants(source, VISIBLE, (0, 0), (0, 1)))
        source.flow()
        await settle()
        ahead.want(wants(source, PREFETCH, (1, 0)))
        await settle()
        assert ahead.indices == []
        assert fetcher.table.entries[id(source), (0, 0)].state is ChunkState.LOADED
        view.want(wants(source, VISIBLE, (0, 0)))
        await settle()
        assert ahead.indices == [(1, 0)]


async def test_the_window_of_the_link_limits_the_reads() -> None:
    source = step_source()
    async with fetching(16, 8, window=3) as fetcher:
        client = Client("view", fetcher)
        client.want(wants(source, VISIBLE, *((0, i) for i in range(4)), *((1, i) for i in range(4))))
        await settle()
        assert len(source.waiting) == 3
        source.flow()
        await settle()
        assert fetcher.table.inflight_max == 3
    assert len(client.indices) == 8


async def test_what_failed_is_read_again_when_asked_and_not_before() -> None:
    source = step_source()
    async with fetching(16, 4) as fetcher:
        client = Client("view", fetcher)
        client.want(wants(source, VISIBLE, (0, 0), (0, 1)))
        await settle()
        source.fail((0, 0))
        source.release((0, 1))
        await settle()
        client.want(wants(source, VISIBLE, (0, 0), (0, 1)))
        await settle()
        assert source.waiting == []
        fetcher.retry_failed()
        await settle()
        assert source.waiting == []  # nobody waits for it yet
        client.want(wants(source, VISIBLE, (0, 0), (0, 1)))
        await settle()
        assert source.waiting == [(0, 0)]
        source.release((0, 0))
        await settle()
    assert client.got[-1] == ((0, 0), ChunkState.LOADED)


async def test_a_chunk_that_comes_in_the_turn_in_which_it_is_given_up_can_leave_memory() -> None:
    """Nobody wants it when it comes, and its read would be cancelled at the end of that turn: it must not stay."""
    source = step_source()
    async with fetching(1, 4) as fetcher:
        old, new = Client("old", fetcher), Client("new", fetcher)
        old.want(wants(source, VISIBLE, (0, 0)))
        await settle()
        source.start((0, 0))
        await settle()
        source.release((0, 0))
        fetcher.forget("old")
        await settle()
        assert fetcher.table.entries[id(source), (0, 0)].state is ChunkState.LOADED
        new.want(wants(source, VISIBLE, (1, 1)))
        source.flow()
        await settle()
    assert new.indices == [(1, 1)]
