"""The engine on an event loop: slices, views through a sink, and an end that leaves nothing behind."""

import asyncio
import threading
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Outcome, Update
from brickstream.engine.update import Prefix
from brickstream.errors import BudgetError, ClosedError, NotFoundError, TimedOutError
from brickstream.multiscale import Plan, View
from brickstream.testing import RecordingSink, SinkConformance, StepSource, memory_image, settle

DATA = np.arange(32 * 48, dtype=np.uint16).reshape(32, 48)


def held_image(data: NDArray[Any] = DATA, chunks: tuple[int, ...] = (8, 8), **options: Any) -> ChunkedImage:
    return memory_image(data, chunks, source=StepSource, **options)


def steps(image: ChunkedImage) -> list[StepSource]:
    return list(image.sources)  # type: ignore[arg-type]


def flow(image: ChunkedImage) -> ChunkedImage:
    for source in steps(image):
        source.flow()
    return image


def whole(image: ChunkedImage) -> View:
    """Every pixel of level 0."""
    return View.plane(image, canvas=(DATA.shape[1], DATA.shape[0]))


async def collected(engine: Engine, image: ChunkedImage, view: View) -> list[Update]:
    return [update async for update in engine.slice(image, view)]


class TestRecordingSink(SinkConformance):
    volumes = True

    def make_sink(self) -> RecordingSink:
        return RecordingSink()


# ---- slices


async def test_a_slice_of_the_example_in_the_readme() -> None:
    image = flow(held_image(levels=3))
    async with Engine(max_ram_bytes=2 << 30, max_inflight=64) as engine:
        view = View.plane(image, displayed=("y", "x"), canvas=(48, 32))
        async for update in engine.slice(image, view):
            assert update.corner_pixels.shape == (2, 2)
        np.testing.assert_array_equal(update.to_array(), DATA)
        assert update.complete
        assert update.corner_pixels.tolist() == [[0, 0], [31, 47]]
        assert update.scale == (1.0, 1.0)


async def test_two_slices_at_once_share_reads_and_do_not_disturb_each_other() -> None:
    image = held_image()
    left = View.plane(image, canvas=(32, 32), center={"y": 15.5, "x": 15.5}, zoom=1.0)
    right = View.plane(image, canvas=(32, 32), center={"y": 15.5, "x": 31.5}, zoom=1.0)
    async with Engine() as engine:
        one = asyncio.create_task(collected(engine, image, left))
        two = asyncio.create_task(collected(engine, image, right))
        source = steps(image)[0]
        await source.requested(24)
        source.release_all(reverse=True)
        first, second = await one, await two
    np.testing.assert_array_equal(first[-1].to_array(), DATA[:, :32])
    np.testing.assert_array_equal(second[-1].to_array(), DATA[:, 16:])
    assert len(first) == len(second) == 16
    assert set(source.completed.values()) == {1}
    assert first[0].request_id != second[0].request_id


async def test_a_second_slice_of_the_same_view_needs_no_read() -> None:
    image = flow(held_image(levels=2))
    async with Engine() as engine:
        first = await collected(engine, image, whole(image))
        before = [len(source.events) for source in steps(image)]
        second = await collected(engine, image, whole(image))
    assert [len(source.events) for source in steps(image)] == before
    np.testing.assert_array_equal(second[-1].to_array(), first[-1].to_array())


async def test_leaving_the_loop_early_cancels_what_only_this_slice_wants() -> None:
    image = held_image()
    source = steps(image)[0]
    async with Engine() as engine:
        left = View.plane(image, canvas=(8, 8), center={"y": 3.5, "x": 3.5}, zoom=1.0)
        other = asyncio.create_task(collected(engine, image, left))
        await source.requested(1)
        async with aclosing(engine.slice(image, whole(image))) as updates:  # type: ignore[type-var]
            task = asyncio.ensure_future(anext(updates))
            await source.requested(24)
            source.release((1, 1))
            await task
        await source.until(lambda: len(source.waiting) == 1)
        assert source.waiting == [(0, 0)]
        source.release_all()
        assert len(await other) == 1
    assert len(source.happened("cancelled")) == 22


async def test_a_break_cancels_too() -> None:
    image = held_image()
    source = steps(image)[0]
    async with Engine() as engine:

        async def first() -> Update:
            async for update in engine.slice(image, whole(image)):
                return update
            raise LookupError

        task = asyncio.create_task(first())
        await source.requested(24)
        source.release((0, 0))
        assert (await task).index == (0, 0)
        await source.until(lambda: not source.waiting)
        assert len(source.happened("cancelled")) == 23


async def test_a_cancelled_consumer_cancels_its_reads() -> None:
    image = held_image()
    source = steps(image)[0]
    async with Engine() as engine:
        task = asyncio.create_task(collected(engine, image, whole(image)))
        await source.requested(24)
        task.cancel()
        await asyncio.wait([task])
        await source.until(lambda: not source.waiting)
        assert engine.stats().ram_bytes == 0


async def test_the_last_update_is_of_the_target_level_even_when_a_coarse_chunk_comes_last() -> None:
    image = held_image(levels=2)
    fine, coarse = steps(image)
    async with Engine() as engine:
        task = asyncio.create_task(collected(engine, image, whole(image)))
        waiting = await coarse.requested(1)
        for index in waiting:
            coarse.start(index)
        for index in await fine.requested(1):
            fine.start(index)
        await fine.requested(24)
        fine.release_all()
        await settle()
        coarse.release_all()
        updates = await task
    assert [update.level for update in updates[-2:]] == [1, 0]
    assert updates[-1].complete
    assert updates[-2].complete
    np.testing.assert_array_equal(updates[-1].to_array(), DATA)


async def test_an_empty_view_ends_at_once_and_says_so() -> None:
    image = held_image()
    beside = View.plane(image, canvas=(8, 8), center={"y": 1000.0, "x": 0.0}, zoom=1.0)
    async with Engine() as engine:
        (update,) = await collected(engine, image, beside)
    assert update.outcome is Outcome.NOTHING
    assert update.complete
    assert update.progress == 1.0
    assert update.corner_pixels.shape == (0, 2)
    assert update.to_array().shape == (0, 0)
    assert steps(image)[0].events == []


async def test_a_view_larger_than_memory_completes_and_is_exact() -> None:
    """Planes out of thick chunks: all chunks of the view are 16 times the budget."""
    data = np.random.default_rng(0).integers(0, 255, (16, 64, 64), dtype=np.uint8)
    image = flow(held_image(data, (16, 16, 16)))
    chunk = 16**3
    async with Engine(max_ram_bytes=chunk * 2) as engine:
        view = View.plane(image, ("y", "x"), {"z": 5.0}, (64, 64))
        assert engine.plan(image, view).chunk_count * chunk == 8 * engine.max_ram_bytes
        updates = await collected(engine, image, view)
        stats = engine.stats()
    assert stats.ram_peak_bytes <= chunk * 2
    np.testing.assert_array_equal(updates[-1].to_array(), data[5])
    assert set(steps(image)[0].completed.values()) == {1}


@pytest.mark.parametrize("displayed", [("y", "x"), ("z", "x"), ("x", "y")])
async def test_a_plane_does_not_keep_the_memory_of_its_chunks(displayed: tuple[str, str]) -> None:
    """What an update holds on to is its own pixels: the rest of the chunk can be evicted for real."""
    image = flow(held_image(np.zeros((8, 8, 8), np.uint8), (8, 8, 8)))
    async with Engine() as engine:
        (update,) = await collected(engine, image, View.plane(image, displayed, canvas=(8, 8)))
    owner: Any = update.data
    while getattr(owner, "base", None) is not None:
        owner = owner.base
    assert owner.nbytes == 64


async def test_a_chunk_larger_than_the_budget_is_one_clear_error() -> None:
    image = held_image(np.zeros((16, 16, 16), np.uint8), (16, 16, 16))
    async with Engine(max_ram_bytes=1000) as engine:
        with pytest.raises(BudgetError, match="one chunk has 4,096 bytes, more than the RAM budget of 1,000"):
            await collected(engine, image, View.plane(image, canvas=(16, 16)))
        engine.show(image, View.plane(image, canvas=(16, 16)))
        with pytest.raises(BudgetError, match="one chunk"):
            await engine.complete()


@pytest.mark.parametrize("limits", [{"max_ram_bytes": 0}, {"max_inflight": 0}])
def test_budgets_are_at_least_one(limits: dict[str, int]) -> None:
    with pytest.raises(BudgetError):
        Engine(**limits)


async def test_an_exception_in_a_users_source_fails_one_chunk_only() -> None:
    class Mine(StepSource):
        def pixels(self, index: tuple[int, ...]) -> NDArray[Any]:
            if index == (1, 2):
                raise RuntimeError("bad\nluck")
            return super().pixels(index)

    image = flow(memory_image(DATA, (8, 8), source=Mine))
    async with Engine() as engine:
        updates = await collected(engine, image, whole(image))
        assert len(await collected(engine, image, whole(image))) == 24  # the engine lives on
    (bad,) = [update for update in updates if update.outcome is Outcome.FAILED]
    assert bad.index == (1, 2)
    assert bad.failure is not None
    assert bad.failure.reason == "the source failed (RuntimeError: bad luck)"
    assert bad.failure.key == "1/2"
    assert updates[-1].failed == 1
    expected = DATA.copy()
    expected[8:16, 16:24] = 0
    np.testing.assert_array_equal(updates[-1].to_array(), expected)


def test_a_history_is_the_sequence_that_it_was_while_its_list_grows() -> None:
    items: list[Any] = [1, 2, 3]
    history = Prefix(items, 2)
    items.append(4)
    assert list(history) == [1, 2]
    assert len(history) == 2
    assert history[-1] == 2
    assert history[1:] == [2]
    assert history[-9:9] == [1, 2]
    with pytest.raises(IndexError):
        history[2]


# ---- showing


async def test_show_hands_everything_to_the_sink() -> None:
    image, sink = flow(held_image(levels=2)), RecordingSink()
    async with Engine(sink=sink) as engine:
        plan = engine.show(image, whole(image))
        await engine.complete()
        assert engine.poll() == []
    assert sink.begun == [(1, plan)]
    assert sink.completed == [1]
    assert len(sink.updates) == plan.chunk_count
    np.testing.assert_array_equal(sink.picture(), DATA)


async def test_what_the_sink_holds_is_counted_and_not_read() -> None:
    image, sink = flow(held_image()), RecordingSink()
    async with Engine(sink=sink) as engine:
        engine.show(image, View.plane(image, canvas=(32, 32), center={"y": 15.5, "x": 15.5}, zoom=1.0))
        await engine.complete()
        before = len(steps(image)[0].events)
        engine.show(image, View.plane(image, canvas=(16, 16), center={"y": 15.5, "x": 15.5}, zoom=1.0))
        await engine.complete()
        assert sink.completed == [1, 2]
        assert len(steps(image)[0].events) == before
        engine.show(image, whole(image))
        await engine.complete()
    assert sink.updates[-1].complete
    assert sink.updates[-1].wanted == 24
    # The second view left four chunks on the canvas.
    assert len([update for update in sink.updates if update.generation == 3]) == 20
    np.testing.assert_array_equal(sink.picture(), DATA)


async def test_poll_with_a_budget_of_zero_takes_one_update_at_a_time() -> None:
    image, sink = flow(held_image()), RecordingSink()
    async with Engine(sink=sink) as engine:
        engine.show(image, whole(image))
        await settle(100)
        polled = []
        while not sink.completed:
            polled.append(len(engine.poll(budget_ms=0)))
    assert polled == [1] * 24 + [0]


async def test_a_sink_that_raises_is_heard_and_does_not_hold_up_the_rest() -> None:
    class Moody(RecordingSink):
        def put(self, update: Update) -> None:
            super().put(update)
            if len(self.updates) == 2:
                raise ZeroDivisionError

    image, sink = flow(held_image()), Moody()
    async with Engine(max_ram_bytes=128 * 3, sink=sink) as engine:
        engine.show(image, whole(image))
        await settle()
        with pytest.raises(ZeroDivisionError):
            engine.poll()
        await engine.complete()  # three chunks fit: it would stand still if the first two were not let go
    assert len(sink.updates) == 24


async def test_complete_gives_up_after_its_time_and_keeps_what_has_come() -> None:
    image, sink = held_image(), RecordingSink()
    async with Engine(sink=sink) as engine:
        engine.show(image, whole(image))
        source = steps(image)[0]
        await source.requested(24)
        source.release((0, 0))
        await settle()
        with pytest.raises(TimedOutError, match="not complete after 0 s"):
            await engine.complete(timeout=0)
        engine.poll()
        assert [update.index for update in sink.updates] == [(0, 0)]


async def test_without_a_sink_poll_returns_the_updates() -> None:
    image = flow(held_image())
    async with Engine() as engine:
        engine.show(image, whole(image))
        await settle(100)
        updates = engine.poll()
    assert len(updates) == 24
    assert updates[-1].complete


# ---- the end


async def test_closing_with_reads_in_flight_leaves_nothing() -> None:
    image = held_image()
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    async with Engine(max_inflight=8) as engine:
        engine.show(image, whole(image))
        source = steps(image)[0]
        await source.requested(8)
    assert sorted(source.happened("cancelled")) == sorted(source.happened("begin"))
    assert asyncio.all_tasks() == tasks
    left = set(threading.enumerate()) - threads
    assert not [thread for thread in left if thread.name.startswith("brickstream")]


async def test_closing_ends_the_threads_that_decoded(tmp_path: Path) -> None:
    import zarr

    await asyncio.to_thread(zarr.create_array, str(tmp_path / "a"), data=DATA, chunks=(8, 8))
    before = set(threading.enumerate())
    async with Engine() as engine:
        image = await engine.open(tmp_path / "a")
        updates = await collected(engine, image, whole(image))
        names = {thread.name for thread in set(threading.enumerate()) - before}
        assert any(name.startswith("brickstream-decode") for name in names)
        assert engine.stats().requests == 5 + 24
    np.testing.assert_array_equal(updates[-1].to_array(), DATA)
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not any(name.startswith("brickstream-decode") for name in left)


async def test_a_slice_that_is_still_waiting_hears_that_the_engine_was_closed() -> None:
    image = held_image()
    async with Engine() as engine:
        task = asyncio.create_task(collected(engine, image, whole(image)))
        await steps(image)[0].requested(1)
    with pytest.raises(ClosedError, match="closed in the middle of a slice"):
        await task


async def test_a_wait_for_completion_hears_that_the_engine_was_closed() -> None:
    image = held_image()
    async with Engine() as engine:
        engine.show(image, whole(image))
        await steps(image)[0].requested(1)
        task = asyncio.create_task(engine.complete())
        await settle()
    with pytest.raises(ClosedError):
        await task


async def test_an_error_in_the_body_comes_out_as_it_is() -> None:
    image = held_image()

    async def body() -> None:
        async with Engine() as engine:
            engine.show(image, whole(image))
            await steps(image)[0].requested(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    assert steps(image)[0].waiting == []


async def test_before_entering_and_after_leaving_every_use_is_one_clear_error() -> None:
    engine = Engine()
    image = held_image()
    for _ in range(2):
        with pytest.raises(ClosedError, match="the engine is not running"):
            await engine.open("nowhere")
        with pytest.raises(ClosedError):
            engine.show(image, whole(image))
        with pytest.raises(ClosedError):
            await collected(engine, image, whole(image))
        with pytest.raises(ClosedError):
            engine.poll()
        with pytest.raises(ClosedError):
            engine.stats()
        with pytest.raises(ClosedError):
            await engine.complete()
        async with engine:
            with pytest.raises(ClosedError, match="entered already"):
                await engine.__aenter__()


async def test_open_says_what_is_wrong() -> None:
    async with Engine() as engine:
        with pytest.raises(NotFoundError, match="no such folder"):
            await engine.open("/nowhere/at/all")


def test_making_an_engine_starts_nothing() -> None:
    before = threading.enumerate()
    Engine()
    assert threading.enumerate() == before


async def test_a_plan_is_what_a_slice_answers() -> None:
    image = flow(held_image(levels=2))
    async with Engine() as engine:
        plan: Plan = engine.plan(image, whole(image))
        updates = await collected(engine, image, whole(image))
    assert {(u.level, u.index) for u in updates} == {
        (p.level, tuple(i)) for p in plan.levels for i in p.chunks.tolist()
    }


async def test_complete_ends_when_another_task_polls_the_last_update() -> None:
    image = memory_image(np.zeros((8, 8), "u1"), (4, 4), source=StepSource)
    (source,) = image.sources
    async with Engine() as engine:
        engine.show(image, View.plane(image))
        waiting = asyncio.create_task(engine.complete(timeout=20))
        await source.requested(4)
        source.release_all()
        await settle()
        engine.poll()
        await waiting
