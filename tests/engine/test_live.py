"""What a viewport says of itself while it streams, and what a host may ask of it: pause, hide, wait, give up."""

import asyncio
import random
import threading
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from scenes import MODEST, Scene, answer_one, scenes, seeds

from brickstream.chunks import ChunkedImage
from brickstream.engine import Ahead, Engine, Live, exact
from brickstream.errors import BudgetError, ClosedError, TimedOutError
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

SIDE = 32
DATA = np.random.default_rng(4).integers(1, 60_000, (4, SIDE, SIDE)).astype(np.uint16)


def held(**options: Any) -> ChunkedImage:
    """Planes of 4 x 4 chunks, and of 2 x 2 at level 1."""
    return memory_image(DATA, (1, 8, 8), levels=2, ratios=[(1, 2, 2)], source=partial(StepSource, **options))


def plane(image: ChunkedImage, z: float = 0.0) -> View:
    return View.plane(image, point={"z": z}, canvas=(SIDE, SIDE), zoom=1.0)


async def answer(image: ChunkedImage, level: int, *indices: tuple[int, ...]) -> None:
    source: Any = image.sources[level]
    for index in indices or tuple(source.waiting):
        source.release(index)
    await settle()


def begun(image: ChunkedImage, level: int) -> int:
    source: Any = image.sources[level]
    return len(source.happened("begin"))


async def test_the_state_follows_a_view_to_its_end() -> None:
    image = held()
    async with Engine(sink=RecordingSink()) as engine:
        plan = engine.show(image, plane(image, 1.0))
        at_first = engine.live
        assert (at_first.generation, at_first.level, at_first.shown_level) == (1, 0, None)
        assert (at_first.progress, at_first.loaded, at_first.failed) == (0.0, False, 0)
        np.testing.assert_array_equal(at_first.corner_pixels, plan.target.corner_pixels)
        await settle()
        await answer(image, 1)
        engine.poll()
        assert (engine.live.shown_level, engine.live.loaded) == (1, False)
        assert engine.live.progress == pytest.approx(4 / 20)
        await answer(image, 0)
        engine.poll()
        assert (engine.live.shown_level, engine.live.progress, engine.live.loaded) == (0, 1.0, True)
        assert at_first.progress == 0.0, "a state is frozen"


async def test_what_is_on_screen_is_old_until_the_new_plane_is_there_coarsely() -> None:
    image = held()
    async with Engine(sink=RecordingSink()) as engine:
        engine.show(image, plane(image, 0.0))
        assert engine.live.is_old
        assert engine.live.shown_point == {}
        await settle()
        await answer(image, 1)
        engine.poll()
        assert engine.live.wanted_point == engine.live.shown_point == {"z": 0.0}
        engine.show(image, plane(image, 3.0))
        await settle()
        assert (engine.live.wanted_point, engine.live.shown_point) == ({"z": 3.0}, {"z": 0.0})
        source: Any = image.sources[1]
        *first, last = source.waiting
        await answer(image, 1, *first)
        engine.poll()
        assert engine.live.is_old
        await answer(image, 1, last)
        engine.poll()
        assert engine.live.shown_point == {"z": 3.0}
        assert not engine.live.is_old


async def test_signals_come_after_the_sink_has_heard_and_with_the_whole_new_state() -> None:
    image, sink = held(held=False), RecordingSink()
    heard: list[tuple[str, Any, Live, int]] = []
    async with Engine(sink=sink) as engine:
        for name in ("level", "progress", "loaded", "shown_point", "corner_pixels"):
            engine.events[name].connect(
                lambda value, name=name: heard.append((name, value, engine.live, len(sink.updates)))
            )
        engine.show(image, plane(image))
        await engine.complete(10)
        assert [(name, value) for name, value, *_ in heard if name == "loaded"] == [("loaded", False), ("loaded", True)]
        for name, value, live, _ in heard:
            assert np.array_equal(getattr(live, name), value)
        assert heard[-1][3] == len(sink.updates) == 20
        count = len(heard)
        engine.poll()
        assert len(heard) == count, "nothing has changed"


async def test_a_callback_may_show_the_next_view() -> None:
    image, sink = held(held=False), RecordingSink()
    async with Engine(sink=sink) as engine:

        def go_on(loaded: bool) -> None:
            if loaded and engine.live.wanted_point["z"] < 3:
                engine.show(image, plane(image, engine.live.wanted_point["z"] + 1))

        engine.events.loaded.connect(go_on)
        engine.show(image, plane(image, 0.0))
        while engine.live.shown_point != {"z": 3.0} or not engine.live.loaded:
            await engine.complete(10)
        np.testing.assert_array_equal(sink.picture(), DATA[3])
        assert engine.live.generation == 4


@given(scenes(views=3, holes=True), seeds)
@MODEST
def test_the_state_agrees_with_the_last_update_in_any_order_of_arrival(scene: Scene, seed: int) -> None:
    async def check() -> None:
        rng = random.Random(seed)
        async with Engine(sink=RecordingSink()) as engine:
            for view in scene.views:
                plan = engine.show(scene.image, view)
                for _ in range(rng.randrange(8)):
                    await answer_one(scene, rng)
                    engine.poll(rng.choice([None, 0]))
                    live, latest = engine.live, engine.latest
                    assert live.loaded == engine.is_complete
                    assert live.level == (None if plan.empty else plan.target.level)
                    if latest is not None:
                        assert live.progress == latest.progress
                        assert live.failed == latest.failed
            while await answer_one(scene, rng):
                engine.poll()
            engine.poll()
            live = engine.live
            assert (live.loaded, live.progress, live.is_old) == (True, 1.0, False)

    asyncio.run(check())


async def test_while_paused_only_first_pictures_are_read() -> None:
    image = held()
    async with Engine(sink=RecordingSink()) as engine:
        engine.paused = True
        for z in (0.0, 1.0):
            engine.show(image, plane(image, z))
            await settle()
            await answer(image, 1)
            engine.poll()
            assert engine.live.shown_point == {"z": z}
        assert (begun(image, 1), begun(image, 0)) == (8, 0)
        assert not engine.idle.is_set()
        engine.paused = False
        await settle()
        assert begun(image, 0) == 16
        await answer(image, 0)
        await engine.complete(10)


async def test_who_is_not_visible_costs_nothing_and_comes_back_with_the_newest_view() -> None:
    image, sink = held(), RecordingSink()
    async with Engine() as engine:
        viewport = engine.viewport(sink)
        viewport.show(image, plane(image, 0.0))
        await settle()
        viewport.visible = False
        await settle()
        source: Any = image.sources[1]
        assert not source.waiting, "its reads are cancelled"
        reads, generations = begun(image, 1), len(sink.begun)
        assert viewport.show(image, plane(image, 2.0)).empty
        await settle()
        assert (begun(image, 1), len(sink.begun)) == (reads, generations)
        assert not viewport.live.visible
        source.flow()
        image.sources[0].flow()  # type: ignore[attr-defined]
        viewport.visible = True
        await viewport.complete(10)
        np.testing.assert_array_equal(sink.picture(), DATA[2])


async def test_a_view_that_was_cancelled_does_not_come_back_with_visibility() -> None:
    image, sink = held(), RecordingSink()
    async with Engine(sink=sink) as engine:
        engine.show(image, plane(image))
        engine.cancel()
        engine.main.visible = False
        engine.main.visible = True
        await settle()
        assert len(sink.begun) == 1
        assert engine.idle.is_set()


async def test_idle_means_that_nothing_is_queued_read_or_about_to_be() -> None:
    image = held()
    async with Engine(sink=RecordingSink(), prefetch=Ahead(playback="z", count=1)) as engine:
        assert engine.idle.is_set()
        engine.show(image, plane(image))
        assert not engine.idle.is_set()
        for level in (1, 0):
            await settle()
            await answer(image, level)
            engine.poll()
        assert engine.is_complete
        assert not engine.idle.is_set(), "the next plane is fetched ahead"
        while not engine.idle.is_set():
            await settle()
            await answer(image, 1)
            await answer(image, 0)
        assert begun(image, 0) == 32


async def test_exports_and_slices_count_as_work() -> None:
    image = held()
    async with Engine() as engine:
        task = asyncio.create_task(engine.export(image, level=1))
        await settle()
        assert not engine.idle.is_set()
        await answer(image, 1)
        np.testing.assert_array_equal((await task)[0, 0, 0], image.sources[1].array[0, 0, 0])  # type: ignore[attr-defined]
        await settle()
        assert engine.idle.is_set()


async def test_waiting_gives_up_when_nothing_comes_any_more() -> None:
    image = held()
    async with Engine(sink=RecordingSink()) as engine:
        engine.show(image, plane(image))
        await settle()
        await answer(image, 1)
        with pytest.raises(TimedOutError, match=r"nothing has come for 0\.01 s.*20% of the view is there"):
            await engine.complete(stall=0.01)
        with pytest.raises(TimedOutError, match="not complete after"):
            await engine.complete(0.01, stall=60)


def test_a_host_without_a_loop_pauses_waits_and_gives_up_too() -> None:
    image = held()
    with Engine.in_thread(sink=RecordingSink()) as engine:
        assert engine.wait_idle(30)
        engine.paused = True
        engine.show(image, plane(image))
        assert not engine.wait_idle(0)
        with pytest.raises(TimedOutError, match="nothing has come"):
            engine.complete(stall=0.01)
        engine.submit(flow(image)).result(30)
        with pytest.raises(TimedOutError, match="not complete after"):
            engine.complete(0.02)
        assert engine.paused
        engine.paused = False
        engine.complete(30)
        assert engine.wait_idle(30)
        assert engine.live.loaded


async def flow(image: ChunkedImage) -> None:
    for source in image.sources:
        source.flow()  # type: ignore[attr-defined]


def test_who_waits_for_idleness_hears_that_the_engine_ends() -> None:
    image = held()
    engine = Engine.in_thread(sink=RecordingSink())
    engine.show(image, plane(image))
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            engine.wait_idle()
        except ClosedError as error:
            ended.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    engine.close()
    waiting.join(30)
    assert len(ended) == 1


async def test_idleness_does_not_come_between_the_parts_of_a_long_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "BATCH", 4)
    image = held()
    async with Engine() as engine:
        export = asyncio.create_task(engine.export(image))
        woken = asyncio.create_task(engine.idle.wait())
        await settle()
        while not export.done():
            assert not engine.idle.is_set()
            await answer(image, 0)
        await woken
        assert engine.idle.is_set()


async def test_whoever_waits_for_idleness_wakes_when_the_engine_ends() -> None:
    image = held()
    async with Engine(sink=RecordingSink()) as engine:
        engine.show(image, plane(image))
        waiting = asyncio.create_task(engine.idle.wait())
        await settle()
        assert not waiting.done()
    await asyncio.wait_for(waiting, 10)


async def test_a_host_that_shows_and_never_polls_gathers_no_letters() -> None:
    image = held(held=False)
    async with Engine() as engine:
        for k in range(6):
            engine.show(image, plane(image, k % 4))
            await engine.idle.wait()
            await settle()
            assert len(engine.main._showing._mail) <= 21
        engine.cancel()
        assert not engine.main._showing.has_mail


@pytest.mark.parametrize("end", ["cancel", "hide", "error"])
async def test_the_state_settles_whatever_ends_the_view(end: str) -> None:
    image = held()
    async with Engine(sink=RecordingSink(), max_ram_bytes=10 if end == "error" else 1 << 20) as engine:
        engine.show(image, plane(image))
        if end == "cancel":
            engine.cancel()
            assert not engine.live.is_old
        elif end == "hide":
            engine.main.visible = False
            assert engine.live.wanted_point == {"z": 0.0}
        else:
            await settle()
            with pytest.raises(BudgetError):
                engine.poll()
        assert engine.live.loaded


async def test_a_callback_that_shows_something_makes_no_signal_old() -> None:
    """Each value that is sent is the state's at that moment, and the last one is the last."""
    image = held(held=False)
    sent: list[tuple[str, Any]] = []
    async with Engine(sink=RecordingSink()) as engine:

        def hear(name: str, value: Any) -> None:
            assert np.array_equal(getattr(engine.live, name), value)
            sent.append((name, value))
            if name == "shown_point" and value == {"z": 0.0}:
                engine.show(image, plane(image, 1.0))

        for name in ("generation", "progress", "loaded", "shown_point"):
            engine.events[name].connect(partial(hear, name))
        engine.show(image, plane(image, 0.0))
        while not (engine.live.loaded and engine.live.generation == 2):
            await engine.complete(10)
        for name in ("generation", "progress", "loaded", "shown_point"):
            assert next(value for sender, value in reversed(sent) if sender == name) == getattr(engine.live, name)


async def test_what_a_callback_shows_when_it_hears_of_visibility_stays() -> None:
    image, sink = held(held=False), RecordingSink()
    async with Engine(sink=sink) as engine:
        engine.show(image, plane(image, 0.0))
        engine.main.visible = False
        engine.events.visible.connect(lambda seen: engine.show(image, plane(image, 3.0)) if seen else None)
        engine.main.visible = True
        await engine.complete(10)
        np.testing.assert_array_equal(sink.picture(), DATA[3])
