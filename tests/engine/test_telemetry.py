"""What an engine says that it did: the same as what it did, whatever happens to its reads. A test holds every read."""

import asyncio
import gc
import random
import weakref
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import MODEST, Scene, StrictSink, answer_one, scenes, seeds, shown
from ticking import assert_nested, chunks, lanes, ticking, views, works

from brickstream.chunks import ChunkState
from brickstream.engine import Ahead, Engine, Telemetry
from brickstream.engine.telemetry.histogram import Histogram
from brickstream.errors import BudgetError
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

DATA = np.arange(32 * 48, dtype=np.uint16).reshape(32, 48)
GAUGES = {
    "queued": {ChunkState.QUEUED},
    "in_flight": {ChunkState.REQUESTED, ChunkState.RECEIVING},
    "decoding": {ChunkState.DECODING},
    "in_memory": {ChunkState.LOADED},
}


def held_image(**options: Any) -> Any:
    return memory_image(DATA, (8, 8), source=StepSource, **options)


def whole(image: Any) -> View:
    return View.plane(image, canvas=(48, 32))


def numbers(telemetry: Telemetry) -> dict[str, Any]:
    total: dict[str, Any] = telemetry.summary()["total"]
    return total


def assert_gauges(engine: Engine, telemetry: Telemetry) -> None:
    entries = engine.core.fetcher.table.entries.values()
    now = {name: sum(entry.state in states for entry in entries) for name, states in GAUGES.items()}
    told = numbers(telemetry)["chunks"]
    assert {name: told[name] for name in GAUGES} == now


# ---- laws, under any interleaving


@MODEST
@given(scenes(views=3, holes=True), seeds, st.integers(1, 4))
def test_what_is_told_is_what_happened(scene: Scene, seed: int, inflight: int) -> None:
    async def run() -> None:
        rng, telemetry = random.Random(seed), ticking()
        async with Engine(1 << 16, inflight, sink=StrictSink(), telemetry=telemetry) as engine:
            for view in scene.views:
                engine.show(scene.image, view)
                for _ in range(rng.randrange(6)):
                    await answer_one(scene, rng)
                    assert_gauges(engine, telemetry)
            await shown(engine, scene, rng, lambda: assert_gauges(engine, telemetry))
            assert_same_ends(scene, telemetry)
            assert_views(engine, telemetry, len(scene.views))
        for event in chunks(telemetry):
            stamps = [stamp for stamp in event[5:10] if stamp]
            assert stamps == sorted(set(stamps))
            assert event.queued
            assert event.requested
            assert event.outcome == "given up" or event.wanted
            assert event.receiving or event.outcome != "loaded"
        for spans in lanes(telemetry.trace()):
            assert_nested(spans)

    asyncio.run(run())


def assert_same_ends(scene: Scene, telemetry: Telemetry) -> None:
    ends = Counter(event.what for source in scene.sources for event in source.events)
    told = Counter(event.outcome for event in chunks(telemetry))
    assert told["loaded"] == ends["done"]
    assert told["missing"] == ends["missing"]
    assert told["failed"] == ends["failed"]
    assert told["given up"] == ends["cancelled"]
    total = numbers(telemetry)
    assert {name: total["chunks"][name.replace(" ", "_")] for name in told} == told
    (image,) = telemetry.summary()["images"]
    assert {name: image[name] for name in total} == total


def assert_views(engine: Engine, telemetry: Telemetry, count: int) -> None:
    told = numbers(telemetry)
    assert told["views"]["shown"] == count == len(views(telemetry))
    assert told["views"]["complete"] + told["views"]["left"] == count
    sink = engine.main.sink
    assert isinstance(sink, StrictSink)
    assert told["views"]["complete"] == len(sink.completed)
    assert told["updates"]["delivered"] == len(sink.updates) + told["updates"]["stale"]
    assert told["chunks"]["wanted"] == sum(plan.chunk_count for _, plan in sink.begun)
    assert [view.complete for view in views(telemetry)][-1]


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=200))
def test_a_percentile_is_an_eighth_too_much_at_most(values: list[int]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    told = histogram.as_dict()
    assert told["count"] == len(values) == sum(count for _, count in told["buckets"])
    assert told["max"] == max(values)
    assert told["mean"] == pytest.approx(sum(values) / len(values))
    for percent in (50, 95, 99):
        exact = sorted(values)[-(-percent * len(values) // 100) - 1]
        assert exact <= told[f"p{percent}"] <= exact * 9 / 8


@given(st.integers(0, 1 << 40))
def test_a_value_lies_in_the_bucket_that_counts_it(value: int) -> None:
    low, high = Histogram(), Histogram()
    low.add(value)
    ((last, _),) = low.buckets()
    assert value <= last
    high.add(last + 1)
    assert high.buckets()[0][0] > last


def test_without_values_there_are_no_percentiles() -> None:
    nothing = {"count": 0, "mean": None, "p50": None, "p95": None, "p99": None, "max": None, "buckets": []}
    assert Histogram().as_dict() == nothing


# ---- on and off


async def test_off_nobody_observes() -> None:
    image = held_image()
    async with Engine() as engine:
        assert engine.telemetry is None
        assert engine.traffic.observer is None
        assert engine.core.fetcher.table.observer is None
        engine.show(image, whole(image))
        image.sources[0].flow()
        await engine.complete(5)


def test_a_telemetry_keeps_at_least_one_event() -> None:
    with pytest.raises(BudgetError, match="at least one event"):
        Telemetry(0)


async def test_the_capacity_bounds_the_events_and_not_the_counts() -> None:
    image = held_image()
    image.sources[0].flow()
    async with Engine(telemetry=ticking(capacity=5)) as engine:
        assert engine.telemetry is not None
        async for _ in engine.slice(image, whole(image)):
            pass
        summary = engine.telemetry.summary()
    # 24 chunks and one view.
    assert summary["events"] == {"recorded": 25, "kept": 5, "capacity": 5}
    assert [event.number for event in engine.telemetry.events()] == [21, 22, 23, 24, 25]
    assert summary["total"]["chunks"]["loaded"] == 24


async def test_no_read_leaves_anything_behind_in_the_recorders() -> None:
    image = held_image()
    telemetry = ticking()
    async with Engine(telemetry=telemetry, sink=RecordingSink()) as engine:
        engine.show(image, whole(image))
        await image.sources[0].requested(4)
        engine.show(image, View.plane(image, canvas=(8, 8), center={"y": 3.5, "x": 3.5}, zoom=1.0))
        engine.cancel()
        await settle()
    assert not telemetry.chunks.reads
    assert not telemetry.views._open
    assert not telemetry.requests._open


async def test_an_image_is_not_kept_alive() -> None:
    telemetry = ticking()

    async def look() -> weakref.ref[Any]:
        image = held_image()
        image.sources[0].flow()
        async with Engine(telemetry=telemetry) as engine:
            async for _ in engine.slice(image, whole(image)):
                pass
        return weakref.ref(image)

    image = await look()
    gc.collect()
    assert image() is None
    assert telemetry.summary()["images"][0]["chunks"]["loaded"] == 24


class Bare:
    """A source that nobody can refer to weakly."""

    __slots__ = ("array", "chunks")
    fill_value = 0

    def __init__(self, array: Any, chunks: tuple[int, ...]) -> None:
        self.array, self.chunks = array, chunks

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def key(self, index: tuple[int, ...]) -> str:
        return "/".join(map(str, index))

    async def read(self, index: tuple[int, ...], started: Any) -> Any:
        started()
        return np.array(self.array[tuple(slice(8 * i, 8 * i + 8) for i in index)])


async def test_what_is_left_of_an_image_that_is_gone_counts_for_it() -> None:
    telemetry = ticking()
    async with Engine(24 * 8 * 8 * 2, telemetry=telemetry) as engine:

        async def look() -> None:
            image = memory_image(DATA, (8, 8))
            async for _ in engine.slice(image, whole(image)):
                pass

        for k in range(2):
            await look()
            gc.collect()
            told = [
                (image["chunks"]["in_memory"], image["chunks"]["evicted"]) for image in telemetry.summary()["images"]
            ]
            assert told == [[(24, 0)], [(0, 24), (24, 0)]][k]


async def test_a_source_of_any_kind_is_known() -> None:
    telemetry = ticking()
    async with Engine(telemetry=telemetry) as engine:
        image = memory_image(DATA, (8, 8), source=Bare)
        async for _ in engine.slice(image, whole(image)):
            pass
    assert telemetry.summary()["images"][0]["chunks"]["loaded"] == 24


async def test_each_image_has_numbers_of_its_own() -> None:
    left, right = held_image(name="left"), held_image(name="right", levels=2)
    async with Engine(telemetry=True) as engine:
        assert engine.telemetry is not None
        for image in (left, right):
            for source in image.sources:
                source.flow()
            async for _ in engine.slice(image, whole(image)):
                pass
        summary = engine.telemetry.summary()
    assert [image["name"] for image in summary["images"]] == ["left", "right"]
    loaded = [image["chunks"]["loaded"] for image in summary["images"]]
    assert loaded[0] == 24
    assert sum(loaded) == summary["total"]["chunks"]["loaded"]
    assert {event.level for event in chunks(engine.telemetry) if event.image == 2} == {0, 1}


# ---- views


async def test_first_pixels_and_complete_are_when_the_host_has_them() -> None:
    image, sink, telemetry = held_image(), RecordingSink(), ticking()
    async with Engine(sink=sink, telemetry=telemetry) as engine:
        engine.show(image, whole(image))
        (source,) = image.sources
        await source.requested(4)
        source.release((1, 1))
        await settle()
        polled = telemetry.now()
        engine.poll()
        between = telemetry.now()
        source.flow()
        await engine.complete(5)
    (view,) = views(telemetry)
    assert view.start < polled < view.first < between < view.end
    assert (view.wanted, view.held, view.known, view.complete) == (24, 0, 0, True)
    times = numbers(telemetry)["ms"]
    assert times["first_pixels"]["count"] == times["complete"]["count"] == 1
    assert times["first_pixels"]["max"] == pytest.approx((view.first - view.start) / 1e6)


async def test_what_failed_is_no_pixels() -> None:
    image, telemetry = held_image(), ticking()
    image.sources[0].failing.update(np.ndindex(4, 6))
    image.sources[0].flow()
    async with Engine(sink=RecordingSink(), telemetry=telemetry) as engine:
        engine.show(image, whole(image))
        await engine.complete(5)
    (view,) = views(telemetry)
    assert (view.first, view.complete) == (0, True)
    assert numbers(telemetry)["ms"]["first_pixels"]["count"] == 0
    assert numbers(telemetry)["chunks"]["failed"] == 24


async def test_what_is_on_screen_or_in_memory_already_is_told_apart() -> None:
    image, telemetry = held_image(), ticking()
    image.sources[0].flow()
    async with Engine(sink=RecordingSink(), telemetry=telemetry) as engine:
        async for _ in engine.slice(image, whole(image)):
            pass
        engine.show(image, whole(image))
        await engine.complete(5)
        engine.show(image, whole(image))
        await engine.complete(5)
    asked = [(view.wanted, view.held, view.known) for view in views(telemetry)]
    assert asked == [(24, 0, 0), (24, 0, 24), (24, 24, 0)]
    told = numbers(telemetry)["chunks"]
    assert (told["wanted"], told["held"], told["known"], told["loaded"]) == (72, 24, 24, 24)


async def test_an_update_that_is_polled_too_late_is_stale() -> None:
    image, telemetry = held_image(), ticking()
    image.sources[0].flow()
    async with Engine(sink=RecordingSink(), telemetry=telemetry) as engine:
        engine.show(image, View.plane(image, canvas=(8, 8), center={"y": 3.5, "x": 3.5}, zoom=1.0))
        await settle()
        assert engine.main._showing.has_mail
        engine.show(image, whole(image))
        await engine.complete(5)
    told = numbers(telemetry)
    assert told["updates"] == {"delivered": 25, "stale": 1}
    assert told["views"] == {"shown": 2, "complete": 1, "left": 1}


async def test_what_a_view_leaves_is_given_up() -> None:
    image, telemetry = held_image(), ticking()
    async with Engine(max_inflight=4, sink=RecordingSink(), telemetry=telemetry) as engine:
        engine.show(image, whole(image))
        await image.sources[0].requested(4)
        engine.cancel()
        await settle()
        told = numbers(telemetry)["chunks"]
    # Those that were never begun have left no event.
    assert (told["given_up"], told["queued"], told["in_flight"]) == (4, 0, 0)
    assert {event.outcome for event in chunks(telemetry)} == {"given up"}
    assert not any(event.wanted for event in chunks(telemetry))


async def test_the_end_of_the_engine_ends_views_and_reads() -> None:
    image, telemetry = held_image(), ticking()
    async with Engine(sink=RecordingSink(), telemetry=telemetry) as engine:
        engine.show(image, whole(image))
        await image.sources[0].requested(4)
    (view,) = views(telemetry)
    assert (view.complete, view.first) == (False, 0)
    assert {event.outcome for event in chunks(telemetry)} == {"given up"}
    told = numbers(telemetry)
    assert told["views"] == {"shown": 1, "complete": 0, "left": 1}
    assert told["chunks"]["in_flight"] == 0


async def test_what_is_fetched_ahead_is_marked() -> None:
    image = memory_image(np.zeros((8, 8, 8), np.uint8), (1, 8, 8), source=StepSource)
    image.sources[0].flow()
    telemetry = ticking()
    async with Engine(sink=RecordingSink(), telemetry=telemetry, prefetch=Ahead(ring=0.0, count=2)) as engine:
        for z in (1, 2):
            engine.show(image, View.plane(image, point={"z": z}, canvas=(8, 8)))
            await engine.complete(20)
            await engine.idle.wait()
            await settle()
        await engine.idle.wait()
    assert [(event.chunk[0], event.tier) for event in chunks(telemetry)][:2] == [(1, 0), (2, 0)]
    ahead = {event.chunk[0] for event in chunks(telemetry) if event.tier}
    assert ahead == {3, 4}
    assert not any(event.tier for event in chunks(telemetry) if event.chunk[0] not in ahead)


async def test_an_export_counts_for_its_image() -> None:
    telemetry = ticking()
    async with Engine(telemetry=telemetry) as engine:
        image = await engine.open(DATA)
        await engine.export(image)
        await engine.value_at(image, {"y": 1.0, "x": 1.0})
        count = len(engine.core.fetcher.table.entries)
    (told,) = telemetry.summary()["images"]
    assert told["chunks"]["loaded"] == count > 0
    assert told["views"]["shown"] == 0


# ---- the render thread


def test_a_frame_holds_what_was_done_in_it() -> None:
    telemetry = ticking()
    with telemetry.frame():
        with telemetry.work("commit"):
            telemetry.now()
        with telemetry.work("draw"):
            telemetry.now()
    commit, draw, frame = works(telemetry)
    assert (commit.what, draw.what, frame.what) == ("commit", "draw", "frame")
    assert frame.start < commit.start < commit.end < draw.start < draw.end < frame.end
    render = telemetry.summary()["render"]
    assert render["ms"]["frame"]["count"] == 1
    # Drawing is no stall.
    assert render["longest_stall_ms"] == pytest.approx((commit.end - commit.start) / 1e6)


def test_the_longest_stall_adds_what_comes_one_after_the_other_in_a_frame() -> None:
    telemetry = ticking()
    with telemetry.work("poll"):
        pass
    with telemetry.frame():
        for what in ("poll", "commit"):
            with telemetry.work(what):
                pass
    assert telemetry.summary()["render"]["longest_stall_ms"] == pytest.approx(2 / 1e6)


def test_a_frame_without_work_leaves_nothing() -> None:
    telemetry = ticking()
    with telemetry.frame(), telemetry.work("commit", idle=True):
        pass
    assert telemetry.events() == []
    assert telemetry.summary()["render"] == {"longest_stall_ms": 0.0, "ms": {}}


def test_work_that_was_to_be_idle_and_had_work_in_it_is_remembered() -> None:
    telemetry = ticking()
    with telemetry.work("poll", idle=True), telemetry.work("plan"):
        pass
    plan, poll = works(telemetry)
    assert telemetry.summary()["render"]["longest_stall_ms"] == pytest.approx((poll.end - poll.start) / 1e6)
    assert poll.start < plan.start < plan.end < poll.end


async def test_a_poll_that_takes_nothing_leaves_nothing() -> None:
    image, telemetry = held_image(), ticking()
    async with Engine(telemetry=telemetry) as engine:
        engine.show(image, whole(image))
        engine.poll()
        assert [work.what for work in works(telemetry)] == ["plan"]
        image.sources[0].flow()
        await engine.complete(5)
    assert {work.what for work in works(telemetry)} == {"plan", "poll"}
