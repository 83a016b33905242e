"""Views that come in any order while chunks are fetched ahead, in any state of loading."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from scenes import StrictSink

from brickstream.chunks import ChunkKey
from brickstream.chunks.entry import PREFETCH
from brickstream.chunks.source import Index
from brickstream.engine import Ahead, Engine
from brickstream.multiscale import Plan, View
from brickstream.multiscale.navigate import move_point, pan, zoom_at
from brickstream.testing import StepSource, memory_image, settle

SIDE = 4
SHAPE = (3, 6, 16, 16)
OPTIONS = st.builds(
    Ahead,
    count=st.integers(0, 3),
    ring=st.sampled_from([0.0, 0.5]),
    max_bytes=st.sampled_from([0, 40, 200, None]),
    playback=st.sampled_from([None, None, "t", "z"]),
    step=st.sampled_from([1, -1, 2]),
    circular=st.booleans(),
)


class AheadMachine(RuleBasedStateMachine):
    """One window on a stack of planes in two levels; memory for everything, so that no chunk is ever dropped."""

    @initialize(ahead=OPTIONS, inflight=st.integers(1, 5))
    def begin(self, ahead: Ahead, inflight: int) -> None:
        self.loop = asyncio.new_event_loop()
        data = np.arange(np.prod(SHAPE), dtype=np.uint32).reshape(SHAPE).astype(np.uint8)
        self.image = memory_image(
            data, (1, 2, SIDE, SIDE), levels=2, ratios=(1, 1, 2, 2), axes="tzyx", source=StepSource
        )
        self.view = View.plane(self.image, canvas=(6, 6), zoom=1.0)
        self.sink = StrictSink()
        self.ahead: Ahead | None = ahead
        self.engine = Engine(1 << 20, inflight, sink=self.sink, prefetch=ahead)
        self.loop.run_until_complete(self.engine.__aenter__())
        self.plan: Plan | None = None
        self.seen = [0, 0]

    @property
    def sources(self) -> tuple[StepSource, ...]:
        return self.image.sources  # type: ignore[return-value]

    def do(self, action: Callable[[], object]) -> None:
        async def run() -> None:
            action()
            await settle(60)

        self.loop.run_until_complete(run())
        self.check_new_reads()

    def waiting(self) -> list[tuple[int, Index]]:
        return [(level, index) for level, source in enumerate(self.sources) for index in source.waiting]

    def planned(self) -> set[tuple[int, Index]]:
        if self.plan is None:
            return set()
        return {(part.level, tuple(index)) for part in self.plan.levels for index in part.chunks.tolist()}

    @property
    def settled(self) -> bool:
        """Whether everything in view is there, polled or not."""
        return all(session.complete for session in self.engine.core.sessions.values())

    def check_new_reads(self) -> None:
        """What is not in view begins to be read only once everything in view is there."""
        begun = set()
        for level, source in enumerate(self.sources):
            begun |= {(level, event.index) for event in source.events[self.seen[level] :] if event.what == "begin"}
            self.seen[level] = len(source.events)
        if not self.settled:
            assert begun <= self.planned()

    # -- what happens

    def show(self, view: View) -> None:
        self.view = view

        def show() -> None:
            self.plan = self.engine.show(self.image, view)

        self.do(show)

    @rule(axis=st.sampled_from("tz"), step=st.sampled_from([-2, -1, 1, 1, 1, 2]))
    def steps(self, axis: str, step: int) -> None:
        extent = SHAPE["tz".index(axis)]
        self.show(move_point(self.view, axis, float((dict(self.view.point)[axis] + step) % extent)))

    @rule(dx=st.integers(-5, 5), dy=st.integers(-5, 5))
    def pans(self, dx: int, dy: int) -> None:
        self.show(pan(self.view, dx, dy))

    @rule(factor=st.sampled_from([0.5, 2.0]))
    def zooms(self, factor: float) -> None:
        self.show(zoom_at(self.view, factor, 3.0, 3.0))

    @rule()
    def comes_back(self) -> None:
        self.show(View.plane(self.image, canvas=(6, 6), zoom=1.0))

    @precondition(lambda self: hasattr(self, "engine") and self.waiting())
    @rule(number=st.integers(0, 9), what=st.sampled_from(["start", "release", "release", "release"]))
    def is_answered(self, number: int, what: str) -> None:
        waiting = self.waiting()
        level, index = waiting[number % len(waiting)]
        self.do(lambda: getattr(self.sources[level], what)(index))

    @precondition(lambda self: hasattr(self, "engine") and self.waiting())
    @rule()
    def all_in_view_is_answered(self) -> None:
        inside = self.planned()
        while mine := [each for each in self.waiting() if each in inside]:
            self.do(lambda mine=mine: [self.sources[level].release(index) for level, index in mine])  # type: ignore[misc]

    @rule(budget=st.sampled_from([None, 0]))
    def polls(self, budget: float | None) -> None:
        self.do(lambda: self.engine.poll(budget))

    @rule(ahead=st.one_of(st.none(), OPTIONS))
    def something_else_is_fetched_ahead(self, ahead: Ahead | None) -> None:
        self.ahead = ahead
        self.do(lambda: self.engine.set_prefetch(ahead or False))

    # -- what holds

    def ahead_of_view(self) -> dict[ChunkKey, int]:
        """Chunks that are wanted in tier 1 alone, and their bytes."""
        table = self.engine.core.fetcher.table
        ranks = {key: entry.rank for key, entry in table.entries.items()}
        return {k: table.entries[k].nbytes for k, rank in ranks.items() if rank is not None and rank[0] == PREFETCH}

    @precondition(lambda self: hasattr(self, "engine"))
    @invariant()
    def what_is_fetched_ahead_is_bounded(self) -> None:
        limit = 0
        if self.ahead is not None:
            limit = (1 << 18) if self.ahead.max_bytes is None else self.ahead.max_bytes
        assert sum(self.ahead_of_view().values()) <= limit

    @precondition(lambda self: hasattr(self, "engine"))
    @invariant()
    def no_chunk_is_read_twice(self) -> None:
        for source in self.sources:
            assert max(source.completed.values(), default=0) <= 1
            assert len(source.waiting) == len(set(source.waiting))

    @precondition(lambda self: hasattr(self, "engine"))
    @invariant()
    def whatever_is_read_is_in_view_or_guessed(self) -> None:
        ids = [id(source) for source in self.sources]
        ahead = self.ahead_of_view()
        assert all(read in self.planned() or (ids[read[0]], read[1]) in ahead for read in self.waiting())

    @precondition(lambda self: hasattr(self, "engine"))
    @invariant()
    def nothing_ahead_stays_pinned(self) -> None:
        for entry in self.engine.core.fetcher.table.entries.values():
            if entry.data is not None:
                assert entry.unread <= set(self.engine.core.sessions)

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        try:
            self.the_view_completes_without_what_is_fetched_ahead()
        finally:
            self.loop.run_until_complete(self.engine.__aexit__())
            assert not asyncio.all_tasks(self.loop)
            self.loop.close()
        assert not self.waiting()

    def the_view_completes_without_what_is_fetched_ahead(self) -> None:
        if self.plan is None:
            return
        self.all_in_view_is_answered()
        self.do(lambda: self.engine.poll())
        assert self.engine.main.is_complete
        assert self.sink.completed[-1] == len(self.sink.begun)


TestAheadMachine = AheadMachine.TestCase
TestAheadMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestAheadMachine.pytestmark = [pytest.mark.oracle]
