"""The laws that need no GPU, over ugly pyramids, any view, any order of arrival.

Every read is held by the test; a seed decides which is answered next.
"""

import asyncio
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oblique import cut_scenes
from scenes import MODEST, Scene, StrictSink, answer_one, scenes, seeds, shown, sliced

from brickstream.engine import Engine, Outcome
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle
from brickstream.testing.sinks import BLANK

pytestmark = pytest.mark.oracle


@given(scenes(), seeds)
@MODEST
def test_laws_1_and_2_never_blank_and_only_better_with_a_still_view(scene: Scene, seed: int) -> None:
    async def check() -> None:
        sink = StrictSink()
        async with Engine(sink=sink) as engine:
            plan = engine.show(scene.image, scene.view)
            if plan.empty:
                await engine.complete()
                return
            before = sink.levels_shown()
            coarsest = {(plan.levels[0].level, tuple(index)) for index in plan.levels[0].chunks.tolist()}

            def compare() -> None:
                nonlocal before
                now = sink.levels_shown()
                assert ((now <= before) | (before == BLANK)).all()
                assert ((now != BLANK) | (before == BLANK)).all()
                if coarsest <= sink.held:
                    assert (now != BLANK).all()
                before = now

            await shown(engine, scene, random.Random(seed), compare)
            assert (before == plan.target.level).all()

    asyncio.run(check())


@given(scenes(views=1), seeds)
@MODEST
def test_law_1_never_blank_while_zooming_in(scene: Scene, seed: int) -> None:
    """What was visible stays, coarser than it will be, while the next view comes."""

    async def check() -> None:
        rng, sink = random.Random(seed), StrictSink()
        async with Engine(sink=sink) as engine:
            if engine.show(scene.image, scene.view).empty:
                return
            await shown(engine, scene, rng)
            view = scene.view
            names = dict(zip(view.displayed, view.center, strict=True))
            closer = View.plane(
                scene.image, view.displayed, dict(view.point), view.canvas, center=names, zoom=view.zoom * 2
            )
            if engine.show(scene.image, closer).empty:
                return
            assert (sink.levels_shown() != BLANK).all()
            await shown(engine, scene, rng, lambda: np.testing.assert_array_less(BLANK, sink.levels_shown()))

    asyncio.run(check())


@given(scenes(views=4) | cut_scenes(views=4), seeds)
@MODEST
def test_law_3_stale_never_lands(scene: Scene, seed: int) -> None:
    """Views change in the middle of loading, with answers on their way and in the mailbox; the sink is strict."""

    async def check() -> None:
        rng, sink = random.Random(seed), StrictSink()
        async with Engine(sink=sink) as engine:
            for view in scene.views:
                plan = engine.show(scene.image, view)
                for _ in range(rng.randrange(6)):
                    await answer_one(scene, rng)
                    if rng.random() < 0.6:
                        engine.poll(rng.choice([None, 0]))
            await shown(engine, scene, rng)
            assert sink.completed[-1] == len(scene.views)
            if not plan.empty:
                scene.compare(plan, sink.picture())

    asyncio.run(check())


@given(scenes(views=2), seeds)
@MODEST
def test_law_3_a_read_still_wanted_by_the_next_view_is_not_repeated(scene: Scene, seed: int) -> None:
    async def check() -> None:
        rng = random.Random(seed)
        async with Engine(sink=RecordingSink()) as engine:
            engine.show(scene.image, scene.views[0])
            await settle()
            running = scene.waiting()
            plan = engine.show(scene.image, scene.views[1])
            await settle()
            needed = {
                (scene.sources[part.level], tuple(index)) for part in plan.levels for index in part.chunks.tolist()
            }
            for source, index in running:
                assert (index in source.waiting) == ((source, index) in needed)
            await shown(engine, scene, rng)
            for source, index in running:
                assert source.happened("begin").count(index) == 1
                assert source.happened("cancelled").count(index) == ((source, index) not in needed)

    asyncio.run(check())


@given(scenes(views=3), seeds, st.integers(1, 5), st.integers(0, 3))
@MODEST
def test_law_4_bounded(scene: Scene, seed: int, max_inflight: int, spare: int) -> None:
    """Memory, reads at once and the queue stay within their limits, and small ones are no reason not to finish."""
    largest = max(level.chunk_nbytes for level in scene.image.pyramid.levels)
    budget = largest * (1 + spare)

    async def check() -> None:
        rng = random.Random(seed)
        async with Engine(budget, max_inflight) as engine:
            for view in scene.views:
                plan = engine.plan(scene.image, view)
                before = engine.stats().queue_max
                updates = await sliced(engine, scene, rng, view)
                stats = engine.stats()
                assert stats.ram_bytes <= stats.ram_peak_bytes <= budget
                assert stats.inflight_max <= max_inflight
                assert stats.queue_max <= max(before, plan.chunk_count)
                assert updates[-1].complete
                if not plan.empty and not plan.partial:
                    np.testing.assert_array_equal(updates[-1].to_array(), scene.pixels(updates[-1]))

    asyncio.run(check())


@given(scenes(views=3), seeds)
@MODEST
def test_law_4_a_host_that_never_polls_stops_the_reading(scene: Scene, seed: int) -> None:
    """What nobody takes stays in memory, so the budget fills and nothing more is asked for."""
    budget = 2 * max(level.chunk_nbytes for level in scene.image.pyramid.levels)

    async def check() -> None:
        rng = random.Random(seed)
        async with Engine(budget, sink=RecordingSink()) as engine:
            plan = engine.show(scene.image, scene.view)
            await settle()
            while await answer_one(scene, rng):
                assert engine.stats().ram_peak_bytes <= budget
            assert not scene.waiting()
            if plan.chunk_count:
                assert engine.stats().ram_bytes > 0
            await shown(engine, scene, rng)
            assert engine.stats().ram_peak_bytes <= budget

    asyncio.run(check())


@given(scenes() | cut_scenes(), seeds)
@MODEST
def test_law_5_minimal_every_chunk_of_the_plan_is_read_once_and_no_other(scene: Scene, seed: int) -> None:
    async def check() -> None:
        rng = random.Random(seed)
        async with Engine() as engine:
            plan = engine.plan(scene.image, scene.view)
            for _ in range(2):  # the second time all of it is in memory
                updates = await sliced(engine, scene, rng)
                for k, source in enumerate(scene.sources):
                    parts = [part for part in plan.levels if part.level == k]
                    planned = {tuple(index) for part in parts for index in part.reads()[0].tolist()}
                    assert source.completed == dict.fromkeys(planned, 1)
                    assert len(source.happened("begin")) == len(planned)
                assert updates[-1].settled == plan.chunk_count

    asyncio.run(check())


async def test_law_5_a_view_inside_one_chunk_reads_one_chunk() -> None:
    data = np.arange(256 * 256, dtype=np.uint32).reshape(1, 256, 256)
    image = memory_image(
        data, (1, 128, 128), levels=3, ratios=(1, 2, 2), source=lambda a, c: StepSource(a, c, held=False)
    )
    view = View.plane(image, canvas=(64, 64), center={"y": 199.5, "x": 49.5}, zoom=1.0)
    async with Engine() as engine:
        updates = [update async for update in engine.slice(image, view)]
    assert [(update.level, update.index) for update in updates] == [(0, (0, 1, 0))]
    assert sum(len(source.happened("begin")) for source in image.sources) == 1  # type: ignore[attr-defined]
    np.testing.assert_array_equal(updates[-1].to_array(), data[0, 168:232, 18:82])


@given(scenes(holes=True), seeds)
@MODEST
def test_law_6_converges_whatever_is_missing_or_fails(scene: Scene, seed: int) -> None:
    async def check() -> None:
        async with Engine() as engine:
            updates = await sliced(engine, scene, random.Random(seed))
        last = updates[-1]
        assert last.complete
        assert last.progress == 1.0
        assert last.settled == last.wanted == last.plan.chunk_count
        assert all(not update.complete for update in updates if update.settled < update.wanted)
        progress = [update.progress for update in updates]
        assert progress == sorted(progress)
        if not last.plan.empty:
            assert last.level == last.plan.target.level

    asyncio.run(check())


@given(scenes(holes=True), seeds)
@MODEST
def test_law_10_honest_loaded_missing_and_failed_are_three_things(scene: Scene, seed: int) -> None:
    async def check() -> None:
        async with Engine() as engine:
            updates = await sliced(engine, scene, random.Random(seed))
        answers = {(u.level, u.index): u for u in updates if u.outcome is not Outcome.NOTHING}
        failed = 0
        for update in updates:
            failed += update.outcome is Outcome.FAILED and update is answers[update.level, update.index]
        for (level, index), update in answers.items():
            source = scene.sources[level]
            if index in source.failing:
                assert update.outcome is Outcome.FAILED
                assert update.data is None
                assert update.failure is not None
                assert update.failure.key == source.key(index)
                assert "failed on purpose" in update.failure.reason
                continue
            assert update.failure is None
            assert update.data is not None
            box = tuple(slice(*pair) for pair in zip(*update.region, strict=True))
            first = update.corner_pixels[0]
            cut = tuple(box[a] if a in update.plan.displayed else int(first[a]) for a in range(len(box)))
            kept = sorted(update.plan.displayed)
            pixels = scene.arrays[level][cut].transpose([kept.index(a) for a in update.plan.displayed])
            np.testing.assert_array_equal(update.data, pixels)
            assert update.outcome is (Outcome.MISSING if index in source.missing else Outcome.LOADED)
            assert not update.data.flags.writeable
        last = updates[-1]
        assert last.failed == sum(update.outcome is Outcome.FAILED for update in answers.values())
        assert failed >= last.failed

    asyncio.run(check())


@given(scenes(), seeds)
@MODEST
def test_law_7_exact_the_finished_picture_is_what_slicing_gives(scene: Scene, seed: int) -> None:
    """Whatever came first: what is shown in the end is the target level, bit for bit, through a sink and in a slice."""

    async def check() -> None:
        rng, sink = random.Random(seed), StrictSink()
        async with Engine(sink=sink) as engine:
            plan = engine.show(scene.image, scene.view)
            await shown(engine, scene, rng)
            last = (await sliced(engine, scene, rng))[-1]
            if plan.empty:
                return
            expected = scene.cut(plan, plan.target.level, scene.arrays[plan.target.level])
            np.testing.assert_array_equal(sink.picture(), expected)
            np.testing.assert_array_equal(last.to_array(), expected)
            assert last.to_array().dtype == expected.dtype

    asyncio.run(check())


@given(scenes(views=3), seeds)
@MODEST
def test_law_8_never_wait_the_render_thread_asks_and_takes_but_reads_nothing(scene: Scene, seed: int) -> None:
    """While every read stands still, `show` and `poll` come back; no source is ever touched by their thread."""
    threads = set()
    for source in scene.sources:
        source.read = partial(_noting, source.read, threads)  # type: ignore[method-assign]
    rng = random.Random(seed)
    with Engine.in_thread(sink=StrictSink()) as engine:
        for view in scene.views:
            plan = engine.show(scene.image, view)
            for _ in range(rng.randrange(3)):
                taken = engine.poll(budget_ms=4)
                assert plan.empty or not taken
        engine.submit(_let_go(scene)).result(30)
        engine.complete(30)
    assert threading.get_ident() not in threads


async def _noting(read: Callable[..., Any], threads: set[int], *args: Any) -> Any:
    threads.add(threading.get_ident())
    return await read(*args)


async def _let_go(scene: Scene) -> None:
    for source in scene.sources:
        source.flow()


@pytest.mark.parametrize("ndisplay", [2, 3])
async def test_law_9_pay_for_what_you_see_and_not_for_the_size_of_the_dataset(ndisplay: int) -> None:
    """A plane and a volume, of an image of 128^3 and of one of 1,048,576^3: as many chunks, and as many bytes."""
    costs = []
    for side, levels in ((128, 3), (1 << 20, 16)):
        shapes = [-(-side // 2**k) for k in range(levels)]
        arrays = [np.broadcast_to(np.uint8(k + 1), (n,) * 3) for k, n in enumerate(shapes)]
        image = memory_image(arrays, (16, 16, 16), source=lambda a, c: StepSource(a, c, held=False))
        if ndisplay == 2:
            # A place in the middle; of level 1, since the small pyramid has coarser ones too.
            middle = {"y": side / 2 - 0.5, "x": side / 2 - 0.5}
            view = View.plane(image, point={"z": side / 2}, canvas=(40, 40), zoom=0.5, level=1, center=middle)
        else:
            view = View.volume(image, canvas=(40, 40))
        async with Engine() as engine:
            plan = engine.plan(image, view)
            updates = [update async for update in engine.slice(image, view)]
            entries = len(engine.fetcher.table.entries)
            costs.append((plan.chunk_count, len(updates), engine.stats().ram_peak_bytes, entries))
            assert all((update.data == update.level + 1).all() for update in updates if update.data is not None)
    assert costs[0] == costs[1]
