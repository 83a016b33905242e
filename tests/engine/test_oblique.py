"""Oblique cuts, and slices of images that lie askew: streamed tile by tile, and exact."""

import asyncio
import random
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oblique import naive_picture, naive_pixels, tilted
from placed import askew_maps
from scenes import MODEST, Scene, StrictSink, answer_one, scenes, seeds, shown, sliced

from brickstream.engine import Ahead, Engine, Outcome, Update
from brickstream.errors import ViewError
from brickstream.latency import ThreadedServer
from brickstream.multiscale import Affine, Plan, View, find_oblique, navigate, resample
from brickstream.multiscale.view import PROJECTIONS
from brickstream.testing import RecordingSink, StepSource, memory_image, settle
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


# ---- one by one

DATA = np.random.default_rng(3).integers(1, 60_000, (24, 26, 30)).astype(np.uint16)


def flowing(data: NDArray[Any] = DATA, chunks: tuple[int, ...] = (8, 8, 8), levels: int = 2, **options: Any) -> Any:
    return memory_image(data, chunks, levels=levels, source=partial(StepSource, held=False), **options)


def turned(image: Any, angle: float = 0.4) -> Any:
    """About x."""
    c, s = np.cos(angle), np.sin(angle)
    names = image.pyramid.axis_names
    linear = np.eye(len(names))
    linear[-3:-1, -3:-1] = [[c, -s], [s, c]]
    return replace(image, pyramid=replace(image.pyramid, placement=Affine(names, names, linear, np.zeros(len(names)))))


async def finished(image: Any, view: View) -> Update:
    async with Engine() as engine:
        return [update async for update in engine.slice(image, view)][-1]


def on_the_grid(image: Any, view: View) -> View:
    """A view of the same cut whose canvas pixels are just the pixels of its plane grid at level 0."""
    oblique = find_oblique(image.pyramid, view)
    assert oblique is not None
    size = [oblique.pyramid.levels[0].shape[axis] for axis in oblique.axes]
    middle = np.zeros(image.pyramid.ndim)
    middle[list(oblique.axes)] = (np.array(size) - 1) / 2
    world = oblique.pyramid.to_world(0)(middle)
    center = tuple(float(world[image.pyramid.axis_index(name)]) for name in view.displayed)
    return replace(view, center=center, canvas=(size[1], size[0]), zoom=1.0, level=0)


@pytest.mark.parametrize("projection", PROJECTIONS)
async def test_a_thick_slice_of_a_rotated_image_is_what_resampling_gives(projection: str) -> None:
    image = turned(flowing())
    view = View.plane(image, point={"z": 9.0}, margins={"z": (3.0, 4.5)}, projection=projection)
    view = on_the_grid(image, view)
    last = await finished(image, view)
    expected, inside = resample(DATA, image.pyramid, view, 0)
    picture = last.to_array()
    assert picture.dtype == expected.dtype
    assert 0.2 < inside.mean() < 1
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("projection", PROJECTIONS)
async def test_a_cut_through_several_time_points_projects_them(projection: str) -> None:
    film = np.random.default_rng(4).integers(1, 60_000, (5, 12, 13, 14)).astype(np.uint16)
    image = flowing(film, (2, 6, 6, 6), levels=1, axes="tzyx")
    view = tilted(image, point={"t": 2.0}, margins={"t": 1.5}, projection=projection)
    view = on_the_grid(image, view)
    expected, inside = resample(film, image.pyramid, view, 0)
    last = await finished(image, view)
    assert inside.any()
    np.testing.assert_array_equal(last.to_array(), expected)
    assert last.to_array().dtype == expected.dtype


async def test_a_cut_at_a_time_and_in_a_channel_is_of_these() -> None:
    film = np.random.default_rng(4).integers(1, 250, (3, 2, 12, 13, 14)).astype(np.uint8)
    image = flowing(film, (1, 1, 6, 6, 6), levels=1)
    for t, c in ((0.0, 1.0), (2.0, 0.0)):
        view = on_the_grid(image, tilted(image, point={"t": t, "c": c}))
        expected, _ = resample(film, image.pyramid, view, 0)
        np.testing.assert_array_equal((await finished(image, view)).to_array(), expected)


async def test_a_line_through_a_rotated_image_is_shown() -> None:
    image = turned(flowing())
    line = View.line(image, "y", {"z": 12.0})
    last = await finished(image, line)
    oblique = last.plan.oblique
    assert oblique is not None
    expected, inside, clear = naive_picture(oblique, last.level, DATA)
    assert inside.any()
    np.testing.assert_array_equal(last.to_array()[clear], expected[clear])


async def test_a_tile_comes_when_its_last_chunk_is_there_and_holds_no_chunk_in_memory() -> None:
    image = memory_image(DATA, (8, 8, 8), source=StepSource)
    (source,) = image.sources
    view = tilted(image, canvas=(8, 8), zoom=1.0)
    async with Engine(sink=RecordingSink()) as engine:
        plan = engine.show(image, view)
        (part,) = plan.levels
        assert part.sources is not None
        left = [int((part.sources.owner == row).sum()) for row in range(len(part.chunks))]
        of = {tuple(c): set(part.sources.owner[(part.sources.chunks == c).all(axis=1)]) for c in part.sources.chunks}
        for index in await source.requested(len(of)):  # type: ignore[attr-defined]
            source.release(index)  # type: ignore[attr-defined]
            await source.until(lambda index=index: index in source.happened("done"))  # type: ignore[attr-defined]
            await settle()
            for row in of[index]:
                left[row] -= 1
            done = {tuple(part.chunks[row].tolist()) for row in of[index] if not left[row]}
            assert {update.index for update in engine.poll()} == done
        assert engine.main.is_complete
        # All chunks may leave memory: nobody holds on to them.
        assert not any(entry.unread for entry in engine.core.fetcher.table.entries.values())


async def test_panning_reads_only_what_is_new_and_shows_again_what_was_there() -> None:
    image, sink = flowing(), RecordingSink()
    view = tilted(image, canvas=(60, 40), zoom=3.0)
    async with Engine(sink=sink) as engine:
        engine.show(image, view)
        await engine.complete()
        puts = len(sink.updates)
        engine.show(image, navigate.pan(view, 0.3, 0.2))
        await engine.complete()
        assert len(sink.updates) == puts
        plan = engine.show(image, navigate.pan(view, -70, 0))
        await engine.complete()
        assert 0 < len(sink.updates) - puts < plan.chunk_count
        assert sink.completed == [1, 2, 3]


async def test_what_lies_around_a_cut_is_fetched_ahead() -> None:
    image = flowing(np.zeros((96, 96, 96), np.uint8), (16, 16, 16), levels=1)
    view = tilted(image, canvas=(30, 20), zoom=1.0)
    panned = navigate.pan(view, 25.0, 0.0)
    async with Engine(sink=RecordingSink(), prefetch=Ahead(ring=1.0)) as engine:
        engine.show(image, view)
        await engine.complete()
        await settle()
        begun = set(image.sources[0].happened("begin"))
        needed = {tuple(index) for part in engine.plan(image, panned).levels for index in part.reads()[0].tolist()}
        seen = {tuple(index) for part in engine.plan(image, view).levels for index in part.reads()[0].tolist()}
        assert needed - seen <= begun - seen
        assert needed - seen
        engine.show(image, panned)
        assert engine.stats().prefetch_hits == len(needed - seen)


async def test_the_next_cuts_are_fetched_ahead_while_one_slides() -> None:
    image = flowing(np.zeros((96, 96, 96), np.uint8), (16, 16, 16), levels=1)
    view = tilted(image, canvas=(30, 20), zoom=1.0)
    cuts = [navigate.slide(view, 8.0 * n) for n in range(5)]
    async with Engine(sink=RecordingSink(), prefetch=Ahead(count=2, ring=0.0)) as engine:
        needed = [
            {tuple(index) for part in engine.plan(image, cut).levels for index in part.reads()[0].tolist()}
            for cut in cuts
        ]
        for cut in cuts[:2]:
            engine.show(image, cut)
            await engine.complete()
        await settle()
        begun = set(image.sources[0].happened("begin"))
        assert begun == needed[0] | needed[1] | needed[2] | needed[3]
        assert needed[3] - needed[0] - needed[1] - needed[2]


async def test_the_time_points_that_follow_are_fetched_ahead_of_a_cut() -> None:
    image = flowing(np.zeros((6, 8, 9, 10), np.uint8), (1, 8, 9, 10), levels=1, axes="tzyx")
    async with Engine(sink=RecordingSink(), prefetch=Ahead(count=2, ring=0.0)) as engine:
        for t in (0.0, 1.0):
            engine.show(image, tilted(image, point={"t": t}))
            await engine.complete()
        await settle()
        assert [index[0] for index in image.sources[0].happened("begin")] == [0, 1, 2, 3]


async def test_what_lies_outside_the_image_has_no_say_in_its_contrast() -> None:
    image = flowing(np.full((24, 26, 30), 100, np.uint8))
    async with Engine() as engine:
        engine.show(image, tilted(image))
        await engine.complete()
        assert engine.main.contrast_limits(0, 100) == (100.0, 100.0)


async def test_sliding_and_turning_show_another_picture() -> None:
    image, sink = flowing(levels=1), RecordingSink()
    view = tilted(image)
    async with Engine(sink=sink) as engine:
        for other in (view, navigate.slide(view, 3.0), navigate.turn(view, 20.0), navigate.tilt(view, 0.0, 30.0)):
            plan = engine.show(image, other)
            await engine.complete()
            assert plan.oblique is not None
            expected, _, clear = naive_picture(plan.oblique, 0, DATA)
            np.testing.assert_array_equal(sink.picture()[clear], expected[clear])


async def test_an_update_of_a_cut_says_where_it_lies() -> None:
    image = flowing()
    last = await finished(image, tilted(image))
    assert last.plan.image is image.pyramid
    assert last.scale == pytest.approx((1.0, 1.0))
    world = last.to_world(last.corner_pixels[0])
    along = last.plan.view.frame() @ world
    place = last.corner_pixels[0, list(last.plan.displayed)] * last.scale + last.translation
    np.testing.assert_allclose(along, place, atol=1e-9)


async def test_what_is_written_anew_is_shown_anew_in_a_cut_and_little_else_is_read() -> None:
    data = np.random.default_rng(6).integers(1, 250, (70, 72, 74)).astype(np.uint8)
    image, sink = flowing(data, (16, 16, 16), levels=1), RecordingSink()
    source = image.sources[0]
    view = tilted(image)
    async with Engine(sink=sink) as engine:
        plan = engine.show(image, view)
        await engine.complete()
        assert plan.oblique is not None
        tiles, chunks = plan.chunk_count, len(source.happened("begin"))
        source.array[32:40, 32:40, 32:40] = 251
        await engine.invalidate(image, dict.fromkeys("zyx", (32, 40)))
        await engine.complete()
        expected, _, clear = naive_picture(plan.oblique, 0, source.array)
        assert (expected == 251).any()
        np.testing.assert_array_equal(sink.picture()[clear], expected[clear])
        assert 0 < len(source.happened("begin")) - chunks <= 8
        assert 0 < len(sink.updates) - tiles < tiles
        # A part that the cut does not meet.
        await engine.invalidate(image, dict.fromkeys("zyx", (0, 4)))
        await engine.complete()
        assert len(sink.updates) - tiles < tiles


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


def test_a_cut_over_http_needs_its_chunks_and_no_others(tmp_path: Path) -> None:
    stored = zarr.create_array(
        str(tmp_path / "image"), shape=DATA.shape, chunks=(8, 8, 8), dtype=DATA.dtype, dimension_names="zyx"
    )
    stored[...] = DATA
    with ThreadedServer(tmp_path) as server, Engine.in_thread(sink=(sink := RecordingSink())) as engine:
        image = engine.open(f"{server.url}/image")
        plan = engine.show(image, tilted(image))
        engine.complete(20)
        keys = [row.key for row in server.log if "/c/" in row.key]
        assert plan.oblique is not None
        expected, _, clear = naive_picture(plan.oblique, 0, DATA)
        assert len(keys) == len(set(keys)) == sum(len(part.reads()[0]) for part in plan.levels)
        np.testing.assert_array_equal(sink.picture()[clear], expected[clear])


def test_a_volume_across_four_axes_is_refused() -> None:
    image = flowing(np.zeros((4, 8, 8, 8), np.uint8), (2, 4, 4, 4), levels=1)
    names = image.pyramid.axis_names
    linear = np.eye(4)
    linear[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    pyramid = replace(image.pyramid, placement=Affine(names, names, linear, np.zeros(4)))
    with pytest.raises(ViewError, match="more than three axes"):
        Engine().plan(replace(image, pyramid=pyramid), View.volume(pyramid))
