"""The laws, for oblique cuts and slices of images that lie askew: any of them, any order of arrival.

Laws 3 and 5 are told of them where they are told of all views (``test_laws.py``).
"""

import asyncio
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oblique import Cuts, cut_scenes, naive_pixels
from scenes import MODEST, StrictSink, answer_one, seeds, shown, sliced

from brickstream.engine import Engine, Outcome
from brickstream.multiscale import find_oblique
from brickstream.testing import RecordingSink
from brickstream.testing.sinks import BLANK

pytestmark = pytest.mark.oracle


@given(cut_scenes(), seeds)
@MODEST
def test_laws_1_2_and_7_a_tile_comes_whole_never_coarser_and_is_exact_in_the_end(scene: Cuts, seed: int) -> None:
    async def check() -> None:
        sink = StrictSink()
        async with Engine(sink=sink) as engine:
            plan = engine.show(scene.image, scene.view)
            if plan.empty:
                await engine.complete()
                return
            before = sink.levels_shown()

            def compare() -> None:
                nonlocal before
                now = sink.levels_shown()
                assert ((now <= before) | (before == BLANK)).all()
                assert ((now != BLANK) | (before == BLANK)).all()
                before = now

            await shown(engine, scene, random.Random(seed), compare)
            expected, inside, clear = scene.expected(plan, plan.target.level)
            assert (before == plan.target.level)[inside & clear].all()
            np.testing.assert_array_equal(sink.picture()[inside & clear], expected[inside & clear])

    asyncio.run(check())


@given(cut_scenes(), seeds)
@MODEST
def test_law_7_exact_every_level_equals_numpy_indexing(scene: Cuts, seed: int) -> None:
    async def check() -> None:
        async with Engine() as engine:
            updates = await sliced(engine, scene, random.Random(seed))
        if updates[-1].plan.empty:
            assert [update.outcome for update in updates] == [Outcome.NOTHING]
            return
        scene.compare(updates[-1].plan, updates[-1].to_array())
        for update in updates:
            expected, inside, clear = scene.expected(update.plan, update.level)
            assert update.plan.oblique is not None
            first = update.corner_pixels[0]
            axes = list(update.plan.displayed)
            start, stop = np.clip(update.region[:, axes] - first[axes], 0, expected.shape)
            box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
            skip = np.maximum(first[axes] - update.region[0, axes], 0)
            assert update.data is not None
            here = tuple(slice(a, a + n) for a, n in zip(skip, stop - start, strict=True))
            data, seen = update.data[here], update.plan.oblique.inside(update.level, update.region)[here]
            np.testing.assert_array_equal(seen[clear[box]], inside[box][clear[box]])
            np.testing.assert_array_equal(data[clear[box]], expected[box][clear[box]])
            assert not update.data.flags.writeable

    asyncio.run(check())


@given(cut_scenes(views=3), seeds, st.integers(1, 5), st.integers(0, 3))
@MODEST
def test_law_4_bounded_by_small_budgets_and_complete_all_the_same(
    scene: Cuts, seed: int, max_inflight: int, spare: int
) -> None:
    budget = max(level.chunk_nbytes for level in scene.image.pyramid.levels) * (1 + spare)

    async def check() -> None:
        rng = random.Random(seed)
        async with Engine(budget, max_inflight) as engine:
            for view in scene.views:
                # A sink of its own: the budget is that of the chunks, not of the picture.
                viewport = engine.viewport(sink := RecordingSink())
                plan = viewport.show(scene.image, view)
                while not viewport.is_complete:
                    answered = await answer_one(scene, rng)
                    assert viewport.poll() or answered or viewport.is_complete
                assert engine.stats().ram_peak_bytes <= budget
                assert engine.stats().inflight_max <= max_inflight
                if not plan.empty:
                    scene.compare(plan, sink.picture())
                viewport.close()

    asyncio.run(check())


@given(cut_scenes(holes=True), seeds)
@MODEST
def test_laws_6_and_10_converges_and_tells_loaded_missing_and_failed_apart(scene: Cuts, seed: int) -> None:
    async def check() -> None:
        async with Engine() as engine:
            updates = await sliced(engine, scene, random.Random(seed))
        last = updates[-1]
        assert last.complete
        assert last.settled == last.wanted == last.plan.chunk_count
        progress = [update.progress for update in updates]
        assert progress == sorted(progress)
        answers = {(u.level, u.index): u for u in updates if u.outcome is not Outcome.NOTHING}
        for part in last.plan.levels:
            assert part.sources is not None
            source = scene.sources[part.level]
            for row, tile in enumerate(part.chunks.tolist()):
                update = answers[part.level, tuple(tile)]
                chunks = {tuple(c) for c in part.sources.chunks[part.sources.owner == row].tolist()}
                if chunks & source.failing:
                    assert update.outcome is Outcome.FAILED
                    assert update.data is None
                    assert update.failure is not None
                    assert update.failure.key in {source.key(index) for index in chunks & source.failing}
                else:
                    assert update.outcome is (Outcome.MISSING if chunks <= source.missing else Outcome.LOADED)
                    assert update.failure is None
        assert last.failed == sum(update.outcome is Outcome.FAILED for update in answers.values())
        if not last.failed and not last.plan.empty:
            scene.compare(last.plan, last.to_array())

    asyncio.run(check())


@given(cut_scenes(), st.tuples(*[st.tuples(st.integers(0, 25), st.integers(1, 9))] * 3))
@MODEST
def test_nothing_of_a_box_shows_outside_of_what_covers_it(scene: Cuts, box: tuple[tuple[int, int], ...]) -> None:
    oblique = find_oblique(scene.image.pyramid, scene.view)
    assert oblique is not None
    for level in range(len(scene.arrays)):
        region = np.array([[start for start, _ in box], [start + length for start, length in box]])
        pixels, inside, clear = naive_pixels(oblique, level)
        shows = ((pixels >= region[0]) & (pixels < region[1])).all(axis=-1) & inside & clear
        covering = oblique.covering(level, region)[:, list(oblique.axes)]
        shown = np.argwhere(shows.any(axis=-1))
        assert ((shown >= covering[0]) & (shown < covering[1])).all()
