"""Several images and several views over one scheduler: each completes by itself, and what they share is read once."""

import asyncio
from functools import partial
from typing import Any

import numpy as np
import pytest

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine
from brickstream.errors import ClosedError
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

SIDE = 16
DATA = np.random.default_rng(2).integers(0, 60_000, (SIDE,) * 3).astype(np.uint16)
PLANES = {"z": ("y", "x"), "y": ("z", "x"), "x": ("z", "y")}


def held(**options: Any) -> ChunkedImage:
    return memory_image(DATA, (8, 8, 8), source=partial(StepSource, **options))


def plane(image: ChunkedImage, axis: str, at: float = 3.0) -> View:
    return View.plane(image, PLANES[axis], {axis: at}, (SIDE, SIDE), zoom=1.0)


def begun(image: ChunkedImage) -> list[tuple[int, ...]]:
    return [event.index for event in image.sources[0].events if event.what == "begin"]  # type: ignore[attr-defined]


async def test_three_planes_and_a_volume_read_each_chunk_once() -> None:
    image, sinks = held(held=False), [RecordingSink() for _ in range(4)]
    async with Engine() as engine:
        viewports = [engine.viewport(sink) for sink in sinks]
        for viewport, axis in zip(viewports, PLANES, strict=False):
            viewport.show(image, plane(image, axis))
        viewports[3].show(image, View.volume(image, canvas=(64, 64), level=0))
        for viewport in viewports:
            await viewport.complete(10)
    assert sorted(begun(image)) == sorted(np.ndindex(2, 2, 2))
    np.testing.assert_array_equal(sinks[0].picture(), DATA[3])
    np.testing.assert_array_equal(sinks[1].picture(), DATA[:, 3])
    np.testing.assert_array_equal(sinks[2].picture(), DATA[:, :, 3])
    np.testing.assert_array_equal(sinks[3].picture(), DATA)


async def test_each_completes_by_itself() -> None:
    slow, quick = held(), held(held=False)
    async with Engine(max_inflight=4) as engine:
        one, other = engine.viewport(), engine.viewport()
        one.show(slow, plane(slow, "z"))
        await settle()
        other.show(quick, plane(quick, "z"))
        # All slots are taken by reads that do not end; one answer makes room for the others.
        slow.sources[0].release((0, 0, 0))  # type: ignore[attr-defined]
        await other.complete(10)
        assert other.is_complete
        assert not one.is_complete
        slow.sources[0].flow()  # type: ignore[attr-defined]
        await one.complete(10)


async def test_an_image_that_fails_holds_up_no_other() -> None:
    bad, good = held(held=False, failing=list(np.ndindex(2, 2, 2))), held(held=False)
    async with Engine() as engine:
        one, other = engine.viewport(), engine.viewport(RecordingSink())
        one.show(bad, plane(bad, "z"))
        other.show(good, plane(good, "z"))
        await asyncio.gather(one.complete(10), other.complete(10))
        assert one.latest is not None
        assert one.latest.failed == 4
        assert isinstance(other.sink, RecordingSink)
        np.testing.assert_array_equal(other.sink.picture(), DATA[3])


async def test_generations_are_counted_for_each_view() -> None:
    image = held(held=False)
    async with Engine() as engine:
        one, other = engine.viewport(RecordingSink()), engine.viewport(RecordingSink())
        for at in (1.0, 2.0, 3.0):
            one.show(image, plane(image, "z", at))
            await one.complete(10)
        other.show(image, plane(image, "y"))
        await other.complete(10)
        assert isinstance(one.sink, RecordingSink)
        assert isinstance(other.sink, RecordingSink)
        assert (one.sink.completed, other.sink.completed) == ([1, 2, 3], [1])


async def test_stopping_one_cancels_only_what_no_other_wants() -> None:
    image = held()
    (source,) = image.sources
    async with Engine() as engine:
        one, other = engine.viewport(), engine.viewport()
        one.show(image, plane(image, "z"))
        other.show(image, plane(image, "y"))
        await settle()
        assert len(source.waiting) == 6  # type: ignore[attr-defined]
        one.close()
        await settle()
        assert sorted(source.waiting) == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)]  # type: ignore[attr-defined]
        source.flow()  # type: ignore[attr-defined]
        await other.complete(10)


async def test_whoever_waits_for_a_view_that_is_stopped_waits_no_longer() -> None:
    image = held()
    async with Engine() as engine:
        for end in ("cancel", "close"):
            viewport = engine.viewport()
            viewport.show(image, plane(image, "z"))
            waiting = asyncio.create_task(viewport.complete())
            await settle()
            getattr(viewport, end)()
            await settle()
            assert waiting.done()
    viewport.close()


async def test_whoever_waits_hears_that_the_engine_ends() -> None:
    image = held()
    async with Engine() as engine:
        viewport = engine.viewport()
        viewport.show(image, plane(image, "z"))
        waiting = asyncio.create_task(viewport.complete())
        await settle()
    with pytest.raises(ClosedError):
        await waiting
    with pytest.raises(ClosedError):
        viewport.show(image, plane(image, "z"))


def test_a_host_without_a_loop_has_several_too() -> None:
    image, sinks = held(held=False), [RecordingSink(), RecordingSink()]
    with Engine.in_thread(sink=sinks[0]) as engine:
        other = engine.viewport(sinks[1])
        engine.show(image, plane(image, "z"))
        other.show(image, plane(image, "x"))
        other.complete(10)
        engine.complete(10)
        other.close()
    np.testing.assert_array_equal(sinks[0].picture(), DATA[3])
    np.testing.assert_array_equal(sinks[1].picture(), DATA[:, :, 3])
    assert len(begun(image)) == 6
    with pytest.raises(ClosedError):
        other.poll()


async def test_a_viewport_that_was_closed_is_of_no_use() -> None:
    image = held(held=False)
    async with Engine() as engine:
        viewport = engine.viewport()
        viewport.close()
        viewport.close()
        with pytest.raises(ClosedError, match="the viewport is closed"):
            viewport.show(image, plane(image, "z"))
        engine.main.close()
        engine.show(image, plane(image, "z"))
        await engine.complete(10)
