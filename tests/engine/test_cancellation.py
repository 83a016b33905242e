"""An engine that is disturbed at every moment of what it does: nothing stays, and what comes next is right."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stored
from moments import Moments, at_every_moment, every_file_closed, run_and_leave_nothing, until
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage, HttpOptions, RetryPolicy
from brickstream.engine import Engine, Update
from brickstream.errors import ClosedError
from brickstream.latency import Fault, ThreadedServer
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, settle

AT_ONCE = HttpOptions(retry=RetryPolicy(first_s=0.0, longest_s=0.0), hedge=False)
SIDE = 2 * stored.SIDE


class Place:
    """A served image, what it holds, and views of it."""

    def __init__(self, url: str, arrays: list[NDArray[np.uint16]]) -> None:
        self.url = url
        self.arrays = arrays

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Engine, ChunkedImage, RecordingSink]]:
        sink = RecordingSink()
        async with Engine(1 << 20, 2, sink=sink, http=AT_ONCE) as engine:
            yield engine, await engine.open(self.url), sink

    def whole(self, image: ChunkedImage) -> View:
        return View.plane(image, canvas=(SIDE, SIDE))


def corner(image: ChunkedImage) -> View:
    """A view inside the last chunk of level 0."""
    return View.plane(image, canvas=(4, 4), center={"y": 11.5, "x": 11.5}, zoom=1.0)


def connections(engine: Engine) -> int:
    """Connections that are in use."""
    return len(engine._run().client.session.connector._acquired)  # type: ignore[union-attr]


@pytest.fixture(params=["zstd", "sharded"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def with_place(tmp_path: Path, kind: str, main: Callable[[Place], Any], **server: Any) -> None:
    arrays = stored.write_image(tmp_path / "image", kind)
    with every_file_closed(), ThreadedServer(tmp_path, **server) as running:
        run_and_leave_nothing(lambda: main(Place(f"{running.url}/image", arrays)))


@pytest.mark.parametrize("at_the_end", [False, True], ids=["while it waits", "as the wait ends"])
def test_an_image_that_opens_is_given_up(tmp_path: Path, at_the_end: bool) -> None:
    async def attempt(place: Place, number: int) -> bool:
        async with Engine(http=AT_ONCE) as engine:
            tasks: list[asyncio.Task[ChunkedImage]] = []
            moments = Moments(number, lambda: tasks[0].cancel(), at_the_end)
            with moments.counting():
                tasks.append(asyncio.create_task(engine.open(place.url)))
                await asyncio.wait(tasks)
            assert tasks[0].cancelled() or tasks[0].result().pyramid.levels[0].shape == (SIDE, SIDE)
            assert moments.came or not tasks[0].cancelled()
            await settle()
            assert connections(engine) == 0
        return moments.came

    async def main(place: Place) -> None:
        assert await at_every_moment(lambda number: attempt(place, number)) > 10

    with_place(tmp_path, "zstd", main)


def test_an_engine_is_left_while_an_image_opens(tmp_path: Path) -> None:
    async def attempt(place: Place, number: int) -> bool:
        ended = asyncio.Event()
        moments = Moments(number, ended.set)
        async with Engine(http=AT_ONCE) as engine:
            with moments.counting():
                task = asyncio.create_task(engine.open(place.url))
                task.add_done_callback(lambda _: ended.set())
                await ended.wait()
        await asyncio.wait([task])
        error = task.exception()
        assert error is None or isinstance(error, ClosedError), repr(error)
        assert moments.came or error is None
        return moments.came

    async def main(place: Place) -> None:
        assert await at_every_moment(lambda number: attempt(place, number)) > 10

    with_place(tmp_path, "zstd", main)


async def collected(engine: Engine, image: ChunkedImage, view: View, into: list[Update]) -> None:
    async for update in engine.slice(image, view):
        into.append(update)  # noqa: PERF401 - seen while it runs


@pytest.mark.parametrize("at_the_end", [False, True], ids=["while it waits", "as the wait ends"])
def test_a_slice_is_given_up(tmp_path: Path, kind: str, at_the_end: bool) -> None:
    async def attempt(place: Place, number: int) -> bool:
        async with place.opened() as (engine, image, _):
            tasks, updates = list[asyncio.Task[None]](), list[Update]()
            moments = Moments(number, lambda: tasks[0].cancel(), at_the_end)
            with moments.counting():
                tasks.append(asyncio.create_task(collected(engine, image, place.whole(image), updates)))
                await asyncio.wait(tasks)
            assert tasks[0].cancelled() or updates[-1].complete
            assert moments.came or not tasks[0].cancelled()
            await assert_idle(engine)
            again: list[Update] = []
            await collected(engine, image, place.whole(image), again)
            np.testing.assert_array_equal(again[-1].to_array(), place.arrays[0])
        return moments.came

    async def main(place: Place) -> None:
        assert await at_every_moment(lambda number: attempt(place, number)) > 10

    with_place(tmp_path, kind, main)


async def assert_idle(engine: Engine) -> None:
    """Nobody waits for anything: what is in memory is the cache."""
    await settle()
    assert connections(engine) == 0
    table = engine.core.fetcher.table
    assert table.running == 0
    assert table.queue == []
    held = [entry for entry in table.entries.values() if entry.data is not None]
    assert table.bytes_held == sum(entry.nbytes for entry in held)
    assert not any(entry.unread or entry.ranks for entry in table.entries.values())


@pytest.mark.parametrize("way", ["break", "aclose", "raise"])
def test_a_slice_is_left_after_any_update(tmp_path: Path, kind: str, way: str) -> None:
    async def some(engine: Engine, image: ChunkedImage, view: View, count: int) -> bool:
        """Take some updates; whether there were so many."""
        seen = 0
        updates = engine.slice(image, view)
        if way == "aclose":
            async with aclosing(updates):  # type: ignore[type-var]
                while seen < count and await anext(updates, None) is not None:
                    seen += 1
            return seen == count
        async for _ in updates:
            seen += 1
            if seen == count and way == "raise":
                raise ZeroDivisionError
            if seen == count:
                break
        return seen == count

    async def attempt(place: Place, number: int) -> bool:
        async with place.opened() as (engine, image, _):
            try:
                came = await some(engine, image, place.whole(image), number)
            except ZeroDivisionError:
                came = True
            # Also what a `break` has left, which the loop closes soon.
            await assert_idle(engine)
        return came

    async def main(place: Place) -> None:
        assert await at_every_moment(lambda number: attempt(place, number)) == 5

    with_place(tmp_path, kind, main)


def test_an_engine_is_left_in_the_middle_of_a_slice(tmp_path: Path, kind: str) -> None:
    async def attempt(place: Place, number: int) -> bool:
        ended, updates = asyncio.Event(), list[Update]()
        moments = Moments(number, ended.set)
        async with place.opened() as (engine, image, _):
            with moments.counting():
                task = asyncio.create_task(collected(engine, image, place.whole(image), updates))
                task.add_done_callback(lambda _: ended.set())
                await ended.wait()
        await asyncio.wait([task])
        assert isinstance(task.exception(), ClosedError) or updates[-1].complete
        assert moments.came or task.exception() is None
        return moments.came

    async def main(place: Place) -> None:
        assert await at_every_moment(lambda number: attempt(place, number)) > 10

    with_place(tmp_path, kind, main)


def test_another_view_is_shown(tmp_path: Path, kind: str) -> None:
    async def attempt(place: Place, number: int) -> bool:
        async with place.opened() as (engine, image, sink):
            moments = Moments(number, lambda: engine.show(image, corner(image)))
            with moments.counting():
                engine.show(image, place.whole(image))
                await asyncio.create_task(engine.complete())
                await until(lambda: not moments.came or len(sink.begun) == 2)
                await asyncio.create_task(engine.complete())
            assert sink.completed[-1] == len(sink.begun)
            expected = place.arrays[0][10:14, 10:14] if moments.came else place.arrays[0]
            np.testing.assert_array_equal(sink.picture(), expected)
            await settle()
            assert engine.core.fetcher.table.running == connections(engine) == 0
        return moments.came

    async def main(place: Place) -> None:
        assert await at_every_moment(lambda number: attempt(place, number)) > 10

    with_place(tmp_path, kind, main)


def test_an_engine_is_left_while_it_shows(tmp_path: Path, kind: str) -> None:
    async def attempt(place: Place, number: int) -> bool:
        ended = asyncio.Event()
        moments = Moments(number, ended.set)
        async with place.opened() as (engine, image, sink):
            with moments.counting():
                engine.show(image, place.whole(image))
                task = asyncio.create_task(engine.complete())
                task.add_done_callback(lambda _: ended.set())
                await ended.wait()
        await asyncio.wait([task])
        assert isinstance(task.exception(), ClosedError) or sink.completed == [1]
        assert moments.came or task.exception() is None
        return moments.came

    async def main(place: Place) -> None:
        assert await at_every_moment(lambda number: attempt(place, number)) > 10

    with_place(tmp_path, kind, main)


def test_an_engine_in_a_thread_is_closed_in_mid_load(tmp_path: Path) -> None:
    """With reads before their headers and in their bodies, and an image that opens: all of them are broken off."""
    stored.write_image(tmp_path / "image")
    hangs = {"image/0/c/0/0": Fault("hang"), "image/0/c/0/1": Fault("hang", after=9), "other/zarr.json": Fault("hang")}
    arrived = {key: threading.Event() for key in hangs}

    def faults(key: str, number: int) -> Fault | None:
        if key in arrived:
            arrived[key].set()
        return hangs.get(key)

    with every_file_closed(), ThreadedServer(tmp_path, faults=faults) as server:
        with Engine.in_thread(sink=RecordingSink(), http=AT_ONCE) as engine:
            image = engine.open(f"{server.url}/image")
            opening = engine.open_soon(f"{server.url}/other")
            engine.show(image, View.plane(image, canvas=(SIDE, SIDE)))
            for event in arrived.values():
                event.wait()
        assert opening.cancelled()
        server.idle()
        assert {row.key for row in server.log if row.outcome == "cancelled"} >= set(hangs)
