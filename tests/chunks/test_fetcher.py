"""The fetcher: each chunk once, within the limits, for whoever wants it, whatever the order of things."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brickstream.chunks import ChunkKey, ChunkSource, ChunkState, Entry, Fetcher, Limits, Want
from brickstream.chunks.source import Index
from brickstream.chunks.table import IN_FLIGHT, SETTLED, Decision, Rank
from brickstream.errors import BudgetError, CodecError, StoreError
from brickstream.testing import StepSource, settle

HOLDING = IN_FLIGHT | {ChunkState.LOADED}


def step_source(grid: tuple[int, int] = (4, 4), side: int = 4, **options: Any) -> StepSource:
    shape = tuple(n * side for n in grid)
    return StepSource(np.arange(np.prod(shape), dtype="u1").reshape(shape), (side, side), **options)


def want(source: ChunkSource, index: Index, place: int = 0, distance: float = 0.0) -> Want:
    return Want((id(source), index), source, (0, place, distance))


class Client:
    """Wants chunks and writes down what comes."""

    def __init__(self, name: str, fetcher: Fetcher, releases: bool = True) -> None:
        self.name = name
        self.fetcher = fetcher
        self.releases = releases
        self.got: list[tuple[Index, ChunkState]] = []
        self.wanted: dict[ChunkKey, Rank] = {}
        self.settled: Counter[ChunkKey] = Counter()
        self.held: set[ChunkKey] = set()

    def want(self, wants: Iterable[Want]) -> None:
        wants = list(wants)
        self.wanted = {w.key: w.rank for w in wants}
        self.settled.clear()
        self.held &= set(self.wanted)
        self.fetcher.want(self.name, wants, self.on_settled)

    def on_settled(self, entry: Entry) -> None:
        assert entry.state in SETTLED
        assert (entry.data is not None) == (entry.state is ChunkState.LOADED)
        assert (entry.error is not None) == (entry.state is ChunkState.FAILED)
        self.got.append((entry.key[1], entry.state))
        self.settled[entry.key] += 1
        self.held.add(entry.key)
        if self.releases:
            self.release([entry.key])

    def release(self, keys: Iterable[ChunkKey]) -> None:
        keys = list(keys)
        self.held -= set(keys)
        self.fetcher.release(self.name, keys)

    @property
    def indices(self) -> list[Index]:
        return [index for index, _ in self.got]


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
        assert fetcher.table.bytes_held == fetcher.table.inflight == 0
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


# ---- everything at once, in any order

CLIENTS = ("a", "b", "c")
LEVELS = ((1, 2), (2, 2))
CHUNKS = [(level, index) for level, grid in enumerate(LEVELS) for index in np.ndindex(*grid)]
clients = st.sampled_from(CLIENTS)


class FetcherMachine(RuleBasedStateMachine):
    """Several clients, two levels with chunks of different sizes, a small budget; a test holds every read."""

    @initialize(chunks=st.integers(1, 3), inflight=st.integers(1, 4))
    def begin(self, chunks: int, inflight: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.limits = Limits(36 * chunks, inflight)
        self.sources = [step_source(LEVELS[0], 6), step_source(LEVELS[1], 4)]
        self.fetcher = Fetcher(self.limits)
        self.loop.run_until_complete(self.fetcher.__aenter__())
        self.clients = {name: Client(name, self.fetcher, releases=name != "c") for name in CLIENTS}
        self.seen = [0, 0]

    def do(self, action: Callable[[], object]) -> None:
        """Do something on the loop, and let everything that follows from it happen."""

        async def run() -> None:
            action()
            await settle()

        self.loop.run_until_complete(run())
        self.check_new_reads()

    def waiting(self) -> list[tuple[int, Index]]:
        return [(level, index) for level, source in enumerate(self.sources) for index in source.waiting]

    @rule(name=clients, chunks=st.lists(st.tuples(st.sampled_from(CHUNKS), st.integers(0, 3)), min_size=1, max_size=6))
    def wants(self, name: str, chunks: list[tuple[tuple[int, Index], int]]) -> None:
        wants = [want(self.sources[level], index, level, float(d)) for (level, index), d in chunks]
        self.do(lambda: self.clients[name].want({w.key: w for w in wants}.values()))

    @rule(name=clients)
    def forgets(self, name: str) -> None:
        client = self.clients[name]

        def forget() -> None:
            client.wanted, client.held = {}, set()
            client.settled.clear()
            self.fetcher.forget(name)

        self.do(forget)

    @rule(name=clients, count=st.integers(1, 4))
    def releases(self, name: str, count: int) -> None:
        client = self.clients[name]
        keys = [(id(self.sources[level]), index) for level, index in CHUNKS]
        self.do(lambda: client.release([key for key in keys if key in client.held][:count]))

    @precondition(lambda self: hasattr(self, "fetcher") and self.waiting())
    @rule(number=st.integers(0, 7), how=st.sampled_from(["start", "release", "release", "release", "other"]))
    def is_answered(self, number: int, how: str) -> None:
        waiting = self.waiting()
        level, index = waiting[number % len(waiting)]
        if how == "other":
            # How these end is remembered, and then they take no part any more: only a few may.
            how = {(0, 0): "fail", (0, 1): "miss"}.get(index, "release") if level else "release"
        self.do(lambda: getattr(self.sources[level], how)(index))

    @precondition(lambda self: hasattr(self, "fetcher") and self.waiting())
    @rule(reverse=st.booleans())
    def all_are_answered(self, reverse: bool) -> None:
        self.do(lambda: [source.release_all(reverse) for source in self.sources])

    def check_new_reads(self) -> None:
        """No chunk of a finer level begins to be read while one of a first level waits for its answer to begin."""
        fine = False
        for level, source in enumerate(self.sources):
            begun = [event for event in source.events[self.seen[level] :] if event.what == "begin"]
            fine = fine or (level > 0 and bool(begun))
            self.seen[level] = len(source.events)
        if fine:
            waits = (ChunkState.QUEUED, ChunkState.REQUESTED)
            first = [e for e in self.fetcher.table.entries.values() if e.rank is not None and e.rank[1] == 0]
            assert not [e for e in first if e.state in waits]

    def pending(self) -> set[ChunkKey]:
        """What somebody still waits for."""
        return {key for c in self.clients.values() for key in c.wanted if not c.settled[key]}

    @precondition(lambda self: hasattr(self, "fetcher"))
    @invariant()
    def bytes_are_the_sum_over_the_states_and_within_the_budget(self) -> None:
        table = self.fetcher.table
        held = [entry for entry in table.entries.values() if entry.state in HOLDING]
        assert table.bytes_held == sum(entry.nbytes for entry in held)
        assert table.bytes_held <= table.bytes_peak <= self.limits.max_bytes
        assert sum(e.data.nbytes for e in held if e.data is not None) <= table.bytes_held

    @precondition(lambda self: hasattr(self, "fetcher"))
    @invariant()
    def a_read_runs_once_for_every_chunk_in_flight_and_somebody_waits_for_it(self) -> None:
        table = self.fetcher.table
        ids = [id(source) for source in self.sources]
        running = [(ids[level], index) for level, index in self.waiting()]
        inflight = [key for key, entry in table.entries.items() if entry.state in IN_FLIGHT]
        assert sorted(running) == sorted(inflight)
        assert len(running) == table.inflight <= table.inflight_max <= self.limits.max_inflight
        assert set(running) <= self.pending()

    @precondition(lambda self: hasattr(self, "fetcher"))
    @invariant()
    def the_queue_holds_what_is_wanted_and_not_there(self) -> None:
        table = self.fetcher.table
        pending = self.pending()
        loose = {e for e in table.entries.values() if e.state is ChunkState.LOADED and not e.ranks}
        assert set(table._loose) == loose  # kept by hand, so that a read costs no look at the whole cache
        queued = {entry.key for entry in table.queue if entry.state is ChunkState.QUEUED}
        assert queued == {key for key, entry in table.entries.items() if entry.state is ChunkState.QUEUED}
        assert len(table.queue) <= len(pending)
        assert queued <= pending

    @precondition(lambda self: hasattr(self, "fetcher"))
    @invariant()
    def every_client_hears_of_every_chunk_once(self) -> None:
        for client in self.clients.values():
            assert set(client.settled) <= set(client.wanted)
            assert all(count == 1 for count in client.settled.values())
            for key in client.wanted:
                state = self.fetcher.table.entries[key].state
                assert client.settled[key] or state in IN_FLIGHT | {ChunkState.QUEUED}

    @precondition(lambda self: hasattr(self, "fetcher"))
    @invariant()
    def what_a_client_holds_stays_in_memory(self) -> None:
        for client in self.clients.values():
            assert all(self.fetcher.table.entries[key].state in SETTLED for key in client.held)

    @precondition(lambda self: hasattr(self, "fetcher"))
    @invariant()
    def nothing_more_can_be_done_now(self) -> None:
        assert self.fetcher.table.decide() == Decision()

    def teardown(self) -> None:
        if not hasattr(self, "fetcher"):
            return
        self.everything_wanted_comes_in_the_end()
        self.loop.run_until_complete(self.fetcher.__aexit__())
        assert not asyncio.all_tasks(self.loop)
        assert self.fetcher.table.inflight == 0
        self.loop.close()

    def everything_wanted_comes_in_the_end(self) -> None:
        for client in self.clients.values():
            client.releases = True

        def let_go() -> None:
            for source in self.sources:
                source.flow()
            for client in self.clients.values():
                client.release(client.held)

        self.do(let_go)
        for client in self.clients.values():
            assert set(client.settled) == set(client.wanted)


TestFetcherMachine = FetcherMachine.TestCase
TestFetcherMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestFetcherMachine.pytestmark = [pytest.mark.oracle]
