"""What the server is asked for, as its log tells: nothing twice, and what nobody wants any more is broken off."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import stored
from moments import run_and_leave_nothing, until
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage, ChunkSource, HttpOptions
from brickstream.engine import Engine
from brickstream.latency import Network, RequestRecord, ThreadedServer
from brickstream.latency.network.faults import Fault
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, settle

# A machine that stands still for a moment must not make a read late: here every request counts.
PLAIN = HttpOptions(hedge=False)
GRID = (8, 8)
SIZE = GRID[0] * stored.SIDE
OPTIONS = {"crc32c": 1, "gzip": 1, "zstd": 1, "sharded": 2}
"""Requests for one chunk of an image of each kind; the index of a shard is one of them."""


@asynccontextmanager
async def opened(server: ThreadedServer, **options: object) -> AsyncIterator[tuple[Engine, ChunkedImage]]:
    """An engine with a sink, an image of the server's, and a server that has forgotten what it was asked for that."""
    async with Engine(sink=RecordingSink(), http=PLAIN, **options) as engine:  # type: ignore[arg-type]
        image = await engine.open(f"{server.url}/image")
        await asyncio.to_thread(server.idle)
        await asyncio.to_thread(server.clear_log)
        yield engine, image


def near(image: ChunkedImage, y: float, x: float, side: int, zoom: float = 1.0) -> View:
    return View.plane(image, canvas=(side, side), center={"y": y, "x": x}, zoom=zoom)


@pytest.mark.parametrize(("kind", "count"), OPTIONS.items())
def test_a_view_inside_one_chunk_is_one_request(tmp_path: Path, kind: str, count: int) -> None:
    stored.write_image(tmp_path / "image", kind, GRID, 3)

    async def main() -> None:
        async with opened(server) as (engine, image):
            # The middle of a chunk of level 0, nothing of its neighbours.
            engine.show(image, near(image, 2.5 * stored.SIDE - 0.5, 4.5 * stored.SIDE - 0.5, 4))
            await engine.complete()
            await asyncio.to_thread(server.idle)
            keys = [row.key for row in server.log]
            key = "image/0/c/1/2" if kind == "sharded" else "image/0/c/2/4"
            assert keys == [key] * count

    with ThreadedServer(tmp_path) as server:
        run_and_leave_nothing(main)


def random_view(dice: Random, image: ChunkedImage) -> View:
    return near(image, dice.uniform(0, SIZE), dice.uniform(0, SIZE), dice.randrange(4, 50), dice.choice([0.3, 1.0]))


def test_views_one_after_the_other_ask_for_nothing_twice(tmp_path: Path) -> None:
    arrays = stored.write_image(tmp_path / "image", "zstd", GRID, 3)

    async def main() -> None:
        dice = Random(1)
        async with opened(server) as (engine, image):
            for _ in range(40):
                engine.show(image, random_view(dice, image))
                await engine.complete()
            await show_all(engine, image, arrays[0])
            await asyncio.to_thread(server.idle)
        assert set(Counter(row.key for row in server.log).values()) == {1}

    with ThreadedServer(tmp_path) as server:
        run_and_leave_nothing(main)


async def show_all(engine: Engine, image: ChunkedImage, expected: NDArray[np.uint16]) -> None:
    engine.show(image, View.plane(image, canvas=(SIZE, SIZE)))
    await engine.complete()
    sink = engine.main.sink
    assert isinstance(sink, RecordingSink)
    np.testing.assert_array_equal(sink.picture(), expected)


class Counted:
    """A source that counts how often a chunk is begun and finished to be read."""

    def __init__(self, source: ChunkSource) -> None:
        self._source = source
        self.begun = Counter[str]()
        self.finished = Counter[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    async def read(self, index: tuple[int, ...], started: Callable[[], None]) -> Any:
        self.begun[self._source.key(index)] += 1
        chunk = await self._source.read(index, started)
        self.finished[self._source.key(index)] += 1
        return chunk


@pytest.mark.parametrize("kind", ["zstd", "sharded"])
def test_views_that_interrupt_each_other_read_nothing_to_its_end_twice(tmp_path: Path, kind: str) -> None:
    """What comes is kept, and what was begun and is still wanted goes on."""
    arrays = stored.write_image(tmp_path / "image", kind, GRID, 3)

    async def main() -> None:
        dice = Random(1)
        async with opened(server) as (engine, image):
            counted = [Counted(source) for source in image.sources]
            image = replace(image, sources=tuple(counted))
            for _ in range(60):
                engine.show(image, random_view(dice, image))
                await settle(dice.randrange(40))
                engine.poll()
            await show_all(engine, image, arrays[0])
            await asyncio.to_thread(server.idle)
        begun, finished = (sum((getattr(c, name) for c in counted), Counter()) for name in ("begun", "finished"))
        assert set(finished.values()) == {1}
        assert max(begun.values()) > 1, "no read was interrupted: this shows nothing"
        if kind == "zstd":
            asked = Counter(row.key.removeprefix("image/") for row in server.log)
            assert all(count <= begun[key] for key, count in asked.items())

    with ThreadedServer(tmp_path) as server:
        run_and_leave_nothing(main)


# ---- a jump in mid-load


class Far(Network):
    """Chunks of the left half of level 0 are far away; everything else is here."""

    def draw(self, key: str, range_header: str, number: int) -> tuple[float, Fault | None]:
        far = key.startswith("image/0/c/") and int(key.rsplit("/", 1)[1]) < GRID[1] // 2
        return (self.latency_ms / 1000 if far else 0.0), None


def is_left(key: str) -> bool:
    return key.startswith("image/0/c/") and int(key.rsplit("/", 1)[1]) < GRID[1] // 2


@dataclass
class Jump:
    """What happened in a jump from the left half of an image to the right one."""

    open_before: list[str]
    begun_after: list[str]
    rows: list[RequestRecord]

    @property
    def cancelled(self) -> float:
        """Share of the old view's open requests that were broken off."""
        ends = [row.outcome for row in self.rows if is_left(row.key)]
        return ends.count("cancelled") / len(self.open_before)


async def jump(server: ThreadedServer, arrived: list[str], by: str) -> Jump:
    """Show the left half until its requests are under way and others wait for their turn; then look to the right."""
    async with opened(server, max_inflight=8) as (engine, image):
        arrived.clear()
        left, right = (near(image, SIZE / 2 - 0.5, SIZE * share - 0.5, SIZE // 2) for share in (0.25, 0.75))
        before = engine.stats().requests
        looking = await look(engine, image, left, by)
        table = engine.core.fetcher.table

        def stands_still() -> bool:
            """Whether all that was sent is at the server, and only what is far away is under way."""
            sent = engine.stats().requests - before == len(arrived)
            return sent and sum(map(is_left, arrived)) == table.inflight > 0

        now = -1
        while now != len(arrived):
            now = len(arrived)
            await until(stands_still)
            await settle()
        assert table.queue
        looking.cancel()
        if by == "slice":
            await asyncio.wait([looking])
        await (await look(engine, image, right, by))
        await asyncio.to_thread(server.idle)
        return Jump([key for key in arrived[:now] if is_left(key)], arrived[now:], server.log)


async def look(engine: Engine, image: ChunkedImage, view: View, by: str) -> asyncio.Task[None]:
    """Begin to look at a view; the task ends when it is complete."""

    async def slice_all() -> None:
        async for _ in engine.slice(image, view):
            pass

    if by == "slice":
        return asyncio.create_task(slice_all())
    engine.show(image, view)
    return asyncio.create_task(engine.complete())


@pytest.mark.parametrize("by", ["show", "slice"])
@pytest.mark.parametrize("latency_ms", [500, 60_000])
def test_after_a_jump_the_old_requests_are_broken_off_and_no_others_begin(
    tmp_path: Path, latency_ms: float, by: str
) -> None:
    """Of a link of half a second at least nine in ten; where nothing can be served in time, all of them."""
    stored.write_image(tmp_path / "image", "zstd", GRID, 3)
    arrived: list[str] = []

    def bell(key: str, number: int) -> None:
        arrived.append(key)

    with ThreadedServer(tmp_path, Far(latency_ms=latency_ms), faults=bell) as server:
        happened = run_and_leave_nothing(lambda: jump(server, arrived, by))
    assert len(happened.open_before) >= 4
    assert happened.cancelled >= (0.9 if latency_ms == 500 else 1.0)
    assert happened.begun_after
    assert not [key for key in happened.begun_after if is_left(key)]
