"""Data that is still being written: what may have changed is read again, nothing else, and the screen stays full."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks import ChunkedImage, DiskCache
from brickstream.engine import Engine
from brickstream.engine.outdated import outdated, touches
from brickstream.errors import ViewError
from brickstream.latency import ThreadedServer
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

SIDE = 32


def image_of(pixels: np.ndarray[Any, Any], levels: int = 1, held: bool = False) -> ChunkedImage:
    return memory_image(
        pixels,
        (8, 8),
        levels=levels,
        ratios=[(2, 2)] * (levels - 1),
        method="strided",
        source=lambda array, chunks, **rest: StepSource(array, chunks, held=held, **rest),
    )


def whole(image: ChunkedImage) -> View:
    return View.plane(image, canvas=(SIDE, SIDE), zoom=1.0)


def pixels() -> np.ndarray[Any, Any]:
    return np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE)


async def answer_all(engine: Engine, source: StepSource) -> None:
    """Answer every read that waits now, and see the view completed by that."""
    await settle()
    for index in source.waiting:
        source.release(index)
    await engine.complete(10)


async def test_only_what_may_have_changed_is_read_again() -> None:
    data = pixels()
    image, sink = image_of(data), RecordingSink()
    source: Any = image.sources[0]
    async with Engine(sink=sink) as engine:
        engine.show(image, whole(image))
        await engine.complete(10)
        data[9, 17] = 7
        await engine.invalidate(image, {"y": (9, 10), "x": (17, 18)})
        await engine.complete(10)
        np.testing.assert_array_equal(sink.picture(), data)
        assert source.happened("begin").count((1, 2)) == 2
        assert len(source.happened("begin")) == 17


async def test_coarser_levels_that_depend_on_it_are_read_again_too() -> None:
    data = pixels()
    image, sink = image_of(data, levels=2), RecordingSink()
    coarse: Any = image.sources[1]
    async with Engine(sink=sink) as engine:
        engine.show(image, whole(image))
        await engine.complete(10)
        await engine.invalidate(image, {"y": (0, 1), "x": (0, 1)})
        await engine.complete(10)
        assert coarse.happened("begin").count((0, 0)) == 2
        assert len(coarse.happened("begin")) == 5


async def test_what_is_on_screen_stays_until_the_new_pixels_are_there() -> None:
    data = pixels()
    image, sink = image_of(data, held=True), RecordingSink()
    source: Any = image.sources[0]
    async with Engine(sink=sink) as engine:
        engine.show(image, whole(image))
        await answer_all(engine, source)
        before = data.copy()
        data += 1000
        await engine.invalidate(image)
        await settle()
        np.testing.assert_array_equal(sink.picture(), before)
        await answer_all(engine, source)
        np.testing.assert_array_equal(sink.picture(), data)


async def test_a_read_that_began_before_is_begun_anew() -> None:
    data = pixels()
    image, sink = image_of(data, held=True), RecordingSink()
    source: Any = image.sources[0]
    async with Engine(sink=sink) as engine:
        engine.show(image, whole(image))
        await settle()
        await engine.invalidate(image)
        await settle()
        assert len(source.happened("cancelled")) == 16
        assert len(source.waiting) == 16
        await answer_all(engine, source)
        np.testing.assert_array_equal(sink.picture(), data)


async def test_every_viewport_of_the_image_begins_anew_and_no_other() -> None:
    one, other = image_of(pixels()), image_of(pixels())
    async with Engine() as engine:
        sinks = [RecordingSink() for _ in range(3)]
        viewports = [engine.viewport(sink) for sink in sinks]
        for viewport, image in zip(viewports, (one, one, other), strict=True):
            viewport.show(image, whole(image))
            await viewport.complete(10)
        await engine.invalidate(one)
        for viewport in viewports:
            await viewport.complete(10)
        assert [len(sink.begun) for sink in sinks] == [2, 2, 1]


async def test_a_slice_under_way_and_an_export_end_all_the_same() -> None:
    data = pixels()
    image = image_of(data, held=True)
    source: Any = image.sources[0]
    async with Engine() as engine:
        updates = []

        async def consume() -> None:
            async for update in engine.slice(image, whole(image)):
                updates.append(update)  # noqa: PERF401 - seen while it runs

        sliced, exported = asyncio.create_task(consume()), asyncio.create_task(engine.export(image))
        await settle()
        source.release(source.waiting[0])
        await settle()
        await engine.invalidate(image)
        await settle()
        source.flow()
        await asyncio.wait_for(asyncio.gather(sliced, exported), 10)
        assert len(updates) == 16
        np.testing.assert_array_equal(updates[-1].to_array(), data)
        np.testing.assert_array_equal(exported.result(), data)


async def test_failed_and_missing_chunks_are_tried_again() -> None:
    data = pixels()
    image, sink = image_of(data), RecordingSink()
    source: Any = image.sources[0]
    source.missing.add((0, 0))
    source.failing.add((1, 1))
    async with Engine(sink=sink) as engine:
        engine.show(image, whole(image))
        await engine.complete(10)
        assert engine.live.failed == 1
        source.missing.clear()
        source.failing.clear()
        await engine.invalidate(image, {"y": (0, 9), "x": (0, 9)})
        await engine.complete(10)
        assert engine.live.failed == 0
        np.testing.assert_array_equal(sink.picture(), data)
        assert len(source.happened("begin")) == 20


def test_a_part_that_is_not_there_is_refused() -> None:
    image = image_of(pixels())
    with Engine.in_thread() as engine, pytest.raises(ViewError, match="no pixels 0 to 33 along y"):
        engine.invalidate(image, {"y": (0, 33)})


@given(st.data())
def test_every_coarser_pixel_that_is_made_of_a_changed_one_is_outdated(data: st.DataObject) -> None:
    """Against a pyramid of averages: what differs after a change lies in the region of its level."""
    shape = data.draw(st.tuples(st.integers(2, 30), st.integers(2, 30)))
    ratio = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    start = np.array([data.draw(st.integers(0, n - 1)) for n in shape])
    stop = np.array([data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)])
    before = np.random.default_rng(0).random(shape)
    after = before.copy()
    after[start[0] : stop[0], start[1] : stop[1]] += 1
    images = [memory_image(array, (4, 4), levels=3, ratios=[ratio] * 2, method="mean") for array in (before, after)]
    regions = outdated(images[0].pyramid, np.array([start, stop]))
    for level, (old, new) in enumerate(zip(images[0].sources, images[1].sources, strict=True)):
        for place in np.argwhere(np.array(old.array) != np.array(new.array)).tolist():  # type: ignore[attr-defined]
            assert touches(tuple(place), (1, 1), regions[level])


@pytest.mark.parametrize("sharded", [False, True], ids=["chunks", "shards"])
@pytest.mark.parametrize("cached", [False, True], ids=["memory", "disk"])
def test_over_http_the_new_pixels_come(tmp_path: Path, sharded: bool, cached: bool) -> None:
    """Also where the index of a shard was read before, and where the disk has the old answers."""
    shards = (16, 16) if sharded else None
    array = zarr.create_array(tmp_path / "a.zarr", shape=(SIDE, SIDE), chunks=(8, 8), shards=shards, dtype="u2")
    array[:16] = pixels()[:16]
    cache = DiskCache(tmp_path / "cache", max_age_s=1e6) if cached else None
    sink = RecordingSink()
    with ThreadedServer(tmp_path) as server, Engine.in_thread(sink=sink, disk_cache=cache) as engine:
        image = engine.open(f"{server.url}/a.zarr", 30)
        engine.show(image, whole(image))
        engine.complete(30)
        assert not sink.picture()[16:].any()
        array[16:] = 5000
        array[:8] = 3
        engine.invalidate(image)
        engine.complete(30)
        np.testing.assert_array_equal(sink.picture(), array[:])


async def test_all_that_is_being_read_of_the_image_begins_anew() -> None:
    """Also outside the region: a read may go by the index of a shard that has been written anew."""
    image = image_of(pixels(), held=True)
    source: Any = image.sources[0]
    async with Engine(sink=RecordingSink()) as engine:
        engine.show(image, whole(image))
        await settle()
        source.release((3, 3))
        await settle()
        await engine.invalidate(image, {"y": (0, 1), "x": (0, 1)})
        await settle()
        assert len(source.happened("cancelled")) == 15
        assert sorted(source.waiting) == [index for index in np.ndindex(4, 4) if index != (3, 3)]
        source.flow()
        await engine.complete(10)
