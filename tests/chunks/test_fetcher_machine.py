"""The fetcher against a naive model: everything at once, in any order."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from fetching import Client, step_source, want
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brickstream.chunks import ChunkKey, ChunkState, Fetcher, Limits
from brickstream.chunks.entry import HOLDS_BYTES, IN_FLIGHT, RUNNING, SETTLED
from brickstream.chunks.source import Index
from brickstream.chunks.table import Decision
from brickstream.errors import CodecError
from brickstream.testing import settle

CLIENTS = ("a", "b", "c")
LEVELS = ((1, 2), (2, 2))
CHUNKS = [(level, index) for level, grid in enumerate(LEVELS) for index in np.ndindex(*grid)]
clients = st.sampled_from(CLIENTS)


class FetcherMachine(RuleBasedStateMachine):
    """Several clients, two levels with chunks of different sizes, a small budget; a test holds every read."""

    @initialize(chunks=st.integers(1, 3), inflight=st.integers(1, 4), steps=st.integers(1, 2))
    def begin(self, chunks: int, inflight: int, steps: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.limits = Limits(36 * chunks, inflight)
        self.sources = [step_source(LEVELS[0], 6, steps), step_source(LEVELS[1], 4, steps)]
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

    def decoding(self) -> list[tuple[int, Index]]:
        return [(i, index) for i, source in enumerate(self.sources) for index in getattr(source, "decoding", ())]

    @precondition(lambda self: hasattr(self, "fetcher") and self.decoding())
    @rule(number=st.integers(0, 7), broken=st.booleans())
    def is_decoded(self, number: int, broken: bool) -> None:
        decoding = self.decoding()
        level, index = decoding[number % len(decoding)]
        gate = self.sources[level].decoding[index]
        # How it ends is remembered; only of a few the bytes are no good.
        if broken and (level, index) == (1, (1, 0)):
            self.do(lambda: gate.set_exception(CodecError("no pixels")))
        else:
            self.do(lambda: gate.set_result(None))

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
        held = [entry for entry in table.entries.values() if entry.state in HOLDS_BYTES]
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
        decoding = [(ids[level], index) for level, index in self.decoding()]
        assert sorted(decoding) == sorted(k for k, e in table.entries.items() if e.state is ChunkState.DECODING)
        assert set(decoding) <= self.pending()
        assert len(running) + len(decoding) == table.running <= 2 * self.limits.max_inflight

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
                assert client.settled[key] or state in RUNNING | {ChunkState.QUEUED}

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
        assert self.fetcher.table.running == 0
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
TestFetcherMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestFetcherMachine.pytestmark = [pytest.mark.oracle]
