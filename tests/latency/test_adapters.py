"""What the lab's adapters are credited with: no chunk read twice that stayed in view, nothing that is not there."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from shots import PYRAMID

from brickstream.errors import StoreError
from brickstream.latency.engines.ours_drawn import drawn_part
from brickstream.latency.engines.protocol import Box, Shot, Watch, shot_of
from brickstream.latency.engines.reading import ChunkReads
from brickstream.multiscale import Budget, Camera, View, navigate, plan_view

NEAR = View.plane(PYRAMID, canvas=(24, 24), center=(20, 20), zoom=1.0, point={"z": 1.0})
PANNED = navigate.pan(NEAR, -6.0, 0.0)
FAR = View.plane(PYRAMID, canvas=(8, 8), center=(58, 58), zoom=1.0, point={"z": 1.0})
WAIT_S = 20.0


class HeldReader:
    """Answers when a test says so, in the adapter's event loop; remembers what was read and what was cancelled."""

    def __init__(self) -> None:
        self.read_boxes: list[Box] = []
        self.cancelled: list[Box] = []
        self.waiting: dict[Box, Any] = {}
        self.begun = threading.Semaphore(0)
        self.error: Exception | None = None

    async def open(self, url: str) -> None:
        """Nothing to open."""

    async def read(self, level: int, box: Box) -> Any:
        if box == ((0, 0, 0), (1, 1, 1)):
            return np.zeros(1)
        self.read_boxes.append(box)
        self.waiting[box] = asyncio.get_running_loop().create_future()
        self.begun.release()
        try:
            await self.waiting[box]
        except asyncio.CancelledError:
            self.cancelled.append(box)
            self.begun.release()
            raise
        if self.error is not None:
            raise self.error
        return np.zeros(1)


class Reads:
    """An adapter around the held reader, and a host that lets it answer."""

    def __init__(self) -> None:
        self.reader, self.watch = HeldReader(), Watch()
        self.adapter = ChunkReads(self.watch, self.reader)
        self.adapter.warm_up("")

    def show(self, view: View, changes: int) -> Shot:
        """Show a view; wait for so many reads that begin or are cancelled."""
        shot = shot_of(0.0, view, PYRAMID)
        self.adapter.set_view(shot)
        for _ in range(changes):
            assert self.reader.begun.acquire(timeout=WAIT_S)
        return shot

    def answer(self) -> None:
        """Let everything come that is read, and the host have it."""
        done = threading.Event()

        def finish() -> None:
            for future in self.reader.waiting.values():
                if not future.done():
                    future.set_result(None)
            self.adapter._loop.call_soon(self.adapter._loop.call_soon, done.set)

        self.adapter._loop.call_soon_threadsafe(finish)
        assert done.wait(WAIT_S)
        self.adapter.poll()


@pytest.fixture
def reads() -> Any:
    found = Reads()
    yield found
    found.adapter.close()


def test_a_chunk_that_stays_in_view_is_read_once(reads: Reads) -> None:
    first = reads.show(NEAR, 4)
    reads.answer()
    assert reads.adapter.is_complete()
    assert sorted(reads.reader.read_boxes) == sorted(first.whole)
    second = shot_of(0.0, PANNED, PYRAMID)
    new = set(second.whole) - set(first.whole)
    told = len(reads.watch.seen)
    reads.show(PANNED, len(new))
    # What is there already is told again for the new view, at once.
    assert len(reads.watch.seen) - told == len(set(second.whole) & set(first.whole)) > 0
    reads.answer()
    assert len(reads.reader.read_boxes) == len(set(reads.reader.read_boxes)) == len(first.whole) + len(new)
    assert reads.adapter.is_complete()


def test_a_read_goes_on_while_its_chunk_is_in_view_and_is_cancelled_when_it_is_not(reads: Reads) -> None:
    first = reads.show(NEAR, 4)
    new = set(shot_of(0.0, PANNED, PYRAMID).whole) - set(first.whole)
    reads.show(PANNED, len(new))
    assert not set(reads.reader.cancelled) & set(shot_of(0.0, PANNED, PYRAMID).whole)
    before = len(reads.reader.read_boxes)
    left = before - len(reads.reader.cancelled)
    far = reads.show(FAR, left + 1)
    assert sorted(reads.reader.cancelled) == sorted(reads.reader.read_boxes[:before])
    reads.answer()
    assert [seen.box for seen in reads.watch.seen] == far.whole
    assert reads.adapter.is_complete()


def test_a_read_that_fails_is_told_on_the_hosts_thread(reads: Reads) -> None:
    reads.show(FAR, 1)
    reads.reader.error = ValueError("no route")
    with pytest.raises(StoreError, match="no route"):
        reads.answer()


@pytest.mark.parametrize(
    "view",
    [NEAR, View.volume(PYRAMID, canvas=(64, 64), camera=Camera(fov=60), zoom=4.0)],
    ids=["plane", "perspective"],
)
def test_only_bricks_as_fine_as_they_are_going_to_be_count_as_drawn(view: View) -> None:
    plan = plan_view(PYRAMID, view, Budget(100, (8,) * view.ndisplay))
    assert drawn_part(plan, lambda own: None) == 0.0
    assert drawn_part(plan, lambda own: 0) == 1.0
    finest = [part for part in plan.levels if part.final.any()][-1]
    coarser = drawn_part(plan, lambda own: finest.level + 1)
    assert coarser < 1.0
    edge = plan.view.center[-1]
    half = drawn_part(plan, lambda own: finest.level if own[-1] < edge else None)
    assert 0.2 < half < 0.8
