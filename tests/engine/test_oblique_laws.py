"""The laws, for oblique cuts and slices of images that lie askew: any of them, any order of arrival."""

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oblique import naive_picture, naive_pixels
from placed import askew_maps
from scenes import MODEST, Scene, StrictSink, answer_one, scenes, seeds, shown, sliced

from brickstream.engine import Engine, Outcome, Update
from brickstream.multiscale import Plan, View, find_oblique
from brickstream.multiscale.view import PROJECTIONS
from brickstream.testing import RecordingSink
from brickstream.testing.sinks import BLANK

oracle = pytest.mark.oracle


@dataclass
class Cuts(Scene):
    """Images that lie anyhow, and views that cut across their pixels."""

    def expected(self, plan: Plan, level: int) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        """The pixels in view of a level, which of them show the image, and which are beyond doubt."""
        assert plan.oblique is not None
        part = next(part for part in plan.levels if part.level == level)
        first, last = part.corner_pixels[:, list(plan.displayed)]
        box = tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))
        picture, inside, clear = naive_picture(plan.oblique, level, self.arrays[level])
        return picture[box], inside[box], clear[box]

    def check(self, update: Update) -> None:
        """The finished picture of an update is what NumPy indexing says."""
        expected, _, clear = self.expected(update.plan, update.level)
        picture = update.to_array()
        np.testing.assert_array_equal(picture[clear], expected[clear])


@st.composite
def cut_scenes(draw: st.DrawFn, *, views: int = 1, holes: bool = False) -> Cuts:
    scene = draw(scenes(views=0, volume=True, holes=holes))
    image = scene.image
    if draw(st.booleans()):
        placement = draw(askew_maps(image.pyramid.axis_names))
        image = replace(image, pyramid=replace(image.pyramid, placement=placement))
    made = [draw(_views(image)) for _ in range(views)]
    return Cuts(image, scene.arrays, made)


@st.composite
def _views(draw: st.DrawFn, image: Any) -> View:
    low, high = image.pyramid.extent()
    center = dict(zip("zyx", (low + (high - low) * draw(st.sampled_from([0.3, 0.5, 0.61]))).tolist(), strict=True))
    canvas = draw(st.tuples(st.integers(4, 30), st.integers(4, 30)))
    zoom = draw(st.sampled_from([0.5, 1.0, 2.0, 5.0])) * min(canvas) / float((high - low).max())
    if image.pyramid.placement is not None and draw(st.booleans()):
        thick = {"z": float(draw(st.sampled_from([0.0, 1.3, 4.0])))}
        shown = {name: center[name] for name in "yx"}
        projection = draw(st.sampled_from(PROJECTIONS))
        view = View.plane(
            image, ("y", "x"), {"z": center["z"]}, canvas, center=shown, zoom=zoom, margins=thick, projection=projection
        )
    else:
        parts = st.tuples(*[st.integers(-3, 3)] * 3)
        down, right = draw(parts), draw(parts)
        assume(np.linalg.matrix_rank(np.array([down, right])) == 2)
        view = View.oblique(image, [down, right], "zyx", canvas=canvas, center=center, zoom=zoom)
    assume(find_oblique(image.pyramid, view) is not None)
    return view


@oracle
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


@oracle
@given(cut_scenes(), seeds)
@MODEST
def test_law_7_exact_every_level_equals_numpy_indexing(scene: Cuts, seed: int) -> None:
    async def check() -> None:
        async with Engine() as engine:
            updates = await sliced(engine, scene, random.Random(seed))
        if updates[-1].plan.empty:
            assert [update.outcome for update in updates] == [Outcome.NOTHING]
            return
        scene.check(updates[-1])
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


@oracle
@given(cut_scenes(views=4), seeds)
@MODEST
def test_law_3_stale_never_lands(scene: Cuts, seed: int) -> None:
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
                expected, _, clear = scene.expected(plan, plan.target.level)
                np.testing.assert_array_equal(sink.picture()[clear], expected[clear])

    asyncio.run(check())


@oracle
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
                    expected, _, clear = scene.expected(plan, plan.target.level)
                    np.testing.assert_array_equal(sink.picture()[clear], expected[clear])
                viewport.close()

    asyncio.run(check())


@oracle
@given(cut_scenes(), seeds)
@MODEST
def test_law_5_minimal_every_chunk_of_a_tile_is_read_once_and_no_other(scene: Cuts, seed: int) -> None:
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


@oracle
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
            scene.check(last)

    asyncio.run(check())


@oracle
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
