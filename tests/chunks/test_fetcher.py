"""The fetcher: each chunk once, within the limits, for whoever wants it, whatever the order of things."""

import asyncio
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from fetching import Client, step_source, want

from brickstream.chunks import ChunkState, Entry, Fetcher, Limits
from brickstream.chunks.source import Index
from brickstream.chunks.table import BESIDE_FIRST
from brickstream.errors import BudgetError, CodecError, StoreError
from brickstream.testing import StepSource, settle

# ---- one thing at a time


async def test_chunks_come_nearest_first_and_coarse_before_fine() -> None:
    coarse, fine = step_source((2, 2)), step_source()
    async with Fetcher(Limits(1 << 20, 1)) as fetcher:
        client = Client("a", fetcher)
        wants = [want(fine, (i, 0), 1, float(i)) for i in range(3)] + [want(coarse, (0, i), 0, -i) for i in range(2)]
        client.want(wants)
        for source, index in ((coarse, (0, 1)), (coarse, (0, 0)), (fine, (0, 0)), (fine, (1, 0)), (fine, (2, 0))):
            assert await source.requested(1) == [index]
            source.release(index)
        await settle()
    assert client.indices == [(0, 1), (0, 0), (0, 0), (1, 0), (2, 0)]


async def test_the_first_level_has_the_line_to_itself_until_its_answers_begin() -> None:
    coarse, fine = step_source((2, 2)), step_source()
    async with Fetcher(Limits(1 << 20, 8)) as fetcher:
        client = Client("a", fetcher)
        client.want([want(coarse, (0, 0)), want(coarse, (0, 1)), want(fine, (0, 0), 1)])
        await coarse.requested(2)
        await settle()
        assert fine.waiting == []
        coarse.start((0, 0))
        await settle()
        assert fine.waiting == []
        coarse.start((0, 1))
        assert await fine.requested(1) == [(0, 0)]
        assert len(coarse.waiting) == 2


async def test_a_few_others_are_begun_while_the_first_level_arrives_and_all_when_it_is_there_or_others_arrive() -> None:
    for ends in (True, False):
        coarse, fine = step_source((2, 2)), step_source()
        async with Fetcher(Limits(1 << 20, 64)) as fetcher:
            client = Client("a", fetcher)
            client.want([want(coarse, (0, 0)), *(want(fine, (y, x), 1) for y in range(4) for x in range(4))])
            await coarse.requested(1)
            coarse.start((0, 0))
            await settle()
            assert len(fine.waiting) == BESIDE_FIRST
            if ends:
                coarse.release((0, 0))
            else:
                fine.start(fine.waiting[0])
            assert len(await fine.requested(16)) == 16


async def test_law_3_a_read_begun_for_an_older_view_and_still_wanted_is_not_repeated() -> None:
    source = step_source()
    async with Fetcher(Limits(1 << 20, 8)) as fetcher:
        client = Client("a", fetcher)
        client.want([want(source, (0, 0)), want(source, (0, 1))])
        await source.requested(2)
        client.want([want(source, (0, 1), 0, 9.0), want(source, (0, 2))])
        await source.until(lambda: source.happened("cancelled") == [(0, 0)])
        assert await source.requested(2) == [(0, 1), (0, 2)]
        assert source.happened("begin") == [(0, 0), (0, 1), (0, 2)]
        assert fetcher.table.entries[id(source), (0, 1)].rank == (0, 0, 9.0)
        source.release_all()
        await settle()
    assert client.indices == [(0, 1), (0, 2)]


async def test_a_chunk_that_two_want_is_read_once_and_takes_its_best_rank() -> None:
    source = step_source()
    async with Fetcher(Limits(1 << 20, 1)) as fetcher:
        one, two = Client("one", fetcher), Client("two", fetcher)
        one.want([want(source, (0, 0), 0, 1.0), want(source, (1, 1), 0, 3.0), want(source, (2, 2), 0, 2.0)])
        await settle()
        two.want([want(source, (1, 1), 0, 0.5)])
        for index in ((0, 0), (1, 1), (2, 2)):
            assert await source.requested(1) == [index]
            source.release(index)
            await settle()
    assert one.indices == [(0, 0), (1, 1), (2, 2)]
    assert two.indices == [(1, 1)]
    assert source.completed == {(0, 0): 1, (1, 1): 1, (2, 2): 1}


async def test_what_another_still_wants_is_not_cancelled() -> None:
    source = step_source()
    async with Fetcher(Limits(1 << 20, 4)) as fetcher:
        one, two = Client("one", fetcher), Client("two", fetcher)
        one.want([want(source, (0, 0))])
        two.want([want(source, (0, 0))])
        await source.requested(1)
        fetcher.forget("one")
        await settle()
        assert source.waiting == [(0, 0)]
        fetcher.forget("two")
        await source.until(lambda: source.happened("cancelled") == [(0, 0)])
        assert fetcher.table.bytes_held == 0
    assert one.got == two.got == []


async def test_a_chunk_in_memory_is_delivered_at_once_without_a_read() -> None:
    source = step_source(held=False)
    async with Fetcher(Limits(1 << 20, 4)) as fetcher:
        one, two = Client("one", fetcher), Client("two", fetcher)
        one.want([want(source, (0, 0)), want(source, (0, 1))])
        await settle()
        two.want([want(source, (0, 1), 0, 1.0), want(source, (0, 0), 0, 0.0)])
        assert two.indices == [(0, 0), (0, 1)]
    assert source.completed == {(0, 0): 1, (0, 1): 1}


async def test_every_chunk_is_settled_once_for_a_client_even_when_another_makes_it_be_read_again() -> None:
    """Delivered, released, evicted; then someone else wants it: the first client has had it."""
    source = step_source()
    source.flow()
    async with Fetcher(Limits(16, 1)) as fetcher:
        one, two = Client("one", fetcher), Client("two", fetcher)
        one.want([want(source, (0, 0)), want(source, (0, 1), 0, 1.0)])
        await settle()
        assert one.indices == [(0, 0), (0, 1)]
        two.want([want(source, (0, 0))])
        await settle()
        assert two.indices == [(0, 0)]
    assert one.indices == [(0, 0), (0, 1)]
    assert source.completed[0, 0] == 2


async def test_what_is_not_released_is_not_evicted() -> None:
    source = step_source(held=False)
    async with Fetcher(Limits(2 * 16, 4)) as fetcher:
        client = Client("a", fetcher, releases=False)
        client.want([want(source, (0, i), 0, float(i)) for i in range(4)])
        await settle()
        assert client.indices == [(0, 0), (0, 1)]
        assert fetcher.table.bytes_held == 32
        client.release([(id(source), (0, 0))])
        await settle()
        assert client.indices == [(0, 0), (0, 1), (0, 2)]
        assert fetcher.table.bytes_peak == 32


async def test_the_longest_unused_chunk_that_nobody_wants_leaves_first() -> None:
    source = step_source(held=False)
    async with Fetcher(Limits(3 * 16, 4)) as fetcher:
        client = Client("a", fetcher)
        for index in ((0, 0), (0, 1), (0, 2), (0, 0)):
            client.want([want(source, index)])
            await settle()
        client.want([want(source, (3, 3))])
        await settle()
        resident = {key[1] for key, entry in fetcher.table.entries.items() if entry.state is ChunkState.LOADED}
    assert resident == {(0, 0), (0, 2), (3, 3)}
    assert source.completed[0, 0] == 1


async def test_what_is_wanted_again_before_it_is_evicted_stays() -> None:
    source = step_source(held=False)
    async with Fetcher(Limits(3 * 16, 4)) as fetcher:
        client, other = Client("a", fetcher), Client("b", fetcher)
        for index in ((0, 0), (0, 1), (0, 2)):
            client.want([want(source, index)])
            await settle()
        other.want([want(source, (0, 0), 0, 5.0)])
        client.want([want(source, (3, 3)), want(source, (3, 2), 0, 1.0)])
        await settle()
        resident = {key[1] for key, entry in fetcher.table.entries.items() if entry.state is ChunkState.LOADED}
        assert resident == {(0, 0), (3, 3), (3, 2)}
        client.want([want(source, (3, 3)), want(source, (3, 2), 0, 1.0), want(source, (3, 1), 0, 2.0)])
        await settle()
        resident = {key[1] for key, entry in fetcher.table.entries.items() if entry.state is ChunkState.LOADED}
    assert resident == {(3, 1), (3, 2), (3, 3)}  # all are wanted: the least urgent goes


async def test_nothing_is_evicted_for_a_chunk_that_cannot_be_started() -> None:
    small, large = step_source(side=4, held=False), step_source((1, 1), side=8, held=False)
    async with Fetcher(Limits(64, 4)) as fetcher:
        keeper, client = Client("keeper", fetcher, releases=False), Client("a", fetcher)
        client.want([want(small, (0, 0))])
        await settle()
        keeper.want([want(small, (0, 1))])
        await settle()
        client.want([want(large, (0, 0))])
        await settle()
        assert fetcher.table.entries[id(small), (0, 0)].state is ChunkState.LOADED
        keeper.release([(id(small), (0, 1))])
        await settle()
    assert client.indices == [(0, 0), (0, 0)]


async def test_a_chunk_larger_than_the_budget_is_refused_and_nothing_changes() -> None:
    small, large = step_source(), step_source((1, 1), side=100)
    async with Fetcher(Limits(64, 4)) as fetcher:
        client = Client("a", fetcher)
        client.want([want(small, (0, 0))])
        await small.requested(1)
        with pytest.raises(BudgetError, match="one chunk has 10,000 bytes, more than the RAM budget of 64"):
            client.want([want(large, (0, 0))])
        assert small.waiting == [(0, 0)]
        assert len(fetcher.table.entries) == 1


async def test_nobody_reads_again_what_only_those_want_who_had_it() -> None:
    """Evicted, then wanted by another who changes his mind: in the queue, and in the middle of the read."""
    source = step_source(held=False)
    async with Fetcher(Limits(16, 1)) as fetcher:
        one, two = Client("one", fetcher), Client("two", fetcher)
        one.want([want(source, (0, 0)), want(source, (0, 1), 0, 1.0)])
        await settle()
        source.hold()
        two.want([want(source, (0, 2), 0, -1.0), want(source, (0, 0))])
        assert await source.requested(1) == [(0, 2)]
        two.want([want(source, (0, 2))])
        assert fetcher.table.queue == []
        source.release((0, 2))
        two.want([want(source, (0, 0))])
        assert await source.requested(1) == [(0, 0)]
        two.want([])
        await source.until(lambda: source.happened("cancelled") == [(0, 0)])
        assert fetcher.table.bytes_held == 0


# ---- what goes wrong in a source


async def test_an_error_of_ours_fails_the_chunk_with_that_error() -> None:
    source = step_source()
    async with Fetcher(Limits(1 << 20, 4)) as fetcher:
        client = Client("a", fetcher)
        client.want([want(source, (0, 0)), want(source, (0, 1))])
        await source.requested(2)
        error = CodecError("damaged")
        source.fail((0, 0), error)
        source.release((0, 1))
        await settle()
        assert fetcher.table.entries[id(source), (0, 0)].error is error
    assert client.got == [((0, 0), ChunkState.FAILED), ((0, 1), ChunkState.LOADED)]


@pytest.mark.parametrize("error", [ValueError("oh"), asyncio.CancelledError(), TimeoutError(), StopAsyncIteration()])
async def test_an_error_of_somebody_elses_source_fails_one_chunk(error: BaseException) -> None:
    source = step_source()
    async with Fetcher(Limits(1 << 20, 4)) as fetcher:
        client = Client("a", fetcher)
        client.want([want(source, (0, 0)), want(source, (0, 1))])
        await source.requested(2)
        source.fail((0, 0), error)
        source.release((0, 1))
        await settle()
        entry = fetcher.table.entries[id(source), (0, 0)]
        assert isinstance(entry.error, StoreError)
        assert type(error).__name__ in str(entry.error)
        assert "0/0" in str(entry.error)
    assert client.got == [((0, 0), ChunkState.FAILED), ((0, 1), ChunkState.LOADED)]


class Nameless(StepSource):
    def key(self, index: Index) -> str:
        raise LookupError("no name")


async def test_a_source_that_cannot_even_name_its_chunks_fails_them() -> None:
    source = Nameless(np.zeros((4, 4), "u1"), (2, 2), held=False, failing=[(0, 1)])
    async with Fetcher(Limits(1 << 20, 4)) as fetcher:
        client = Client("a", fetcher)
        client.want([want(source, (0, 0)), want(source, (0, 1))])
        await settle()
    assert sorted(client.got) == [((0, 0), ChunkState.LOADED), ((0, 1), ChunkState.FAILED)]


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4), "u2"), np.zeros((3, 4), "u1"), np.zeros(16, "u1"), [[0] * 4] * 4, 5], ids=str
)
async def test_an_answer_that_is_not_the_promised_chunk_fails(wrong: Any) -> None:
    class Wrong(StepSource):
        def pixels(self, index: Index) -> Any:
            return wrong

    source = Wrong(np.zeros((8, 8), "u1"), (4, 4), held=False)
    async with Fetcher(Limits(1 << 20, 4)) as fetcher:
        client = Client("a", fetcher)
        client.want([want(source, (0, 0))])
        await settle()
        assert fetcher.table.bytes_held == 0
    assert client.got == [((0, 0), ChunkState.FAILED)]


async def test_edge_chunks_may_come_whole_or_clipped_and_are_kept_clipped() -> None:
    class Whole(StepSource):
        def pixels(self, index: Index) -> Any:
            return np.full(self.chunks, 7, self.dtype)

    for kind in (StepSource, Whole):
        source = kind(np.full((5, 6), 7, "u1"), (4, 4), held=False)
        async with Fetcher(Limits(1 << 20, 4)) as fetcher:
            client = Client("a", fetcher, releases=False)
            client.want([want(source, (1, 1))])
            await settle()
            data = fetcher.table.entries[id(source), (1, 1)].data
            assert data is not None
            np.testing.assert_array_equal(data, np.full((1, 2), 7, "u1"))


async def test_leaving_cancels_every_read_and_waits_for_its_end() -> None:
    source = step_source()
    before = asyncio.all_tasks()
    async with Fetcher(Limits(1 << 20, 3)) as fetcher:
        client = Client("a", fetcher)
        client.want([want(source, (0, i)) for i in range(4)])
        await source.requested(3)
    assert sorted(source.happened("cancelled")) == [(0, 0), (0, 1), (0, 2)]
    assert asyncio.all_tasks() == before
    assert client.got == []


async def test_reads_that_never_ran_are_cancelled_too() -> None:
    source = step_source()
    async with Fetcher(Limits(1 << 20, 3)) as fetcher:
        client = Client("a", fetcher)
        client.want([want(source, (0, 0))])
        client.want([want(source, (0, 1))])
        client.want([])
        await settle()
        assert fetcher.table.bytes_held == fetcher.table.running == 0
    assert source.events == []


async def test_a_listener_that_raises_ends_the_fetcher_and_is_not_lost() -> None:
    source = step_source()

    def broken(entry: Entry) -> None:
        raise ZeroDivisionError

    async def fetch() -> None:
        async with Fetcher(Limits(1 << 20, 3)) as fetcher:
            fetcher.want("a", [want(source, (0, 0))], broken)
            await source.requested(1)
            source.release((0, 0))
            with suppress(asyncio.CancelledError):  # the group tells its owner
                await asyncio.Event().wait()

    with pytest.raises(BaseExceptionGroup) as caught:
        await fetch()
    assert caught.group_contains(ZeroDivisionError)
