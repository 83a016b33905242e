"""The laws that need no GPU, over ugly pyramids, any view, any order of arrival.

Every read is held by the test; a seed decides which is answered next.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage
from brickstream.engine import ChunkId, Engine, Outcome, Update
from brickstream.multiscale import Plan, View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle
from brickstream.testing.sinks import BLANK

pytestmark = pytest.mark.oracle
MODEST = settings(max_examples=40)


@dataclass
class Scene:
    """An image whose reads are held, what it holds, and views of it."""

    image: ChunkedImage
    arrays: list[NDArray[Any]]
    views: list[View]

    @property
    def sources(self) -> tuple[StepSource, ...]:
        return self.image.sources  # type: ignore[return-value]

    @property
    def view(self) -> View:
        return self.views[0]

    def pixels(self, update: Update) -> NDArray[Any]:
        """What NumPy slicing gives for the pixels in view of an update's level, fill values included."""
        return self.cut(update.plan, update.level, self.arrays[update.level])

    def cut(self, plan: Plan, level: int, array: NDArray[Any]) -> NDArray[Any]:
        part = next(part for part in plan.levels if part.level == level)
        first, last = part.corner_pixels
        box = tuple(
            slice(first[a], last[a] + 1) if a in plan.displayed else int(first[a]) for a in range(plan.pyramid.ndim)
        )
        kept = sorted(plan.displayed)
        return array[box].transpose([kept.index(a) for a in plan.displayed])

    def waiting(self) -> list[tuple[StepSource, tuple[int, ...]]]:
        return [(source, index) for source in self.sources for index in source.waiting]


@st.composite
def scenes(draw: st.DrawFn, *, views: int = 1, holes: bool = False, volume: bool | None = None) -> Scene:
    """A pyramid of random pixels with ratios and chunks of its own on every level, and views of it."""
    ndim = 3 if volume else draw(st.integers(2, 3))
    shape = draw(st.tuples(*[st.integers(1, 26)] * ndim))
    count = draw(st.integers(1, 3))
    sides = st.tuples(*[st.integers(2, 12)] * ndim)
    ratios = draw(st.lists(st.tuples(*[st.integers(1, 3)] * ndim), min_size=count - 1, max_size=count - 1))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    image = memory_image(
        rng.integers(1, 250, shape, dtype=np.uint8),
        [draw(sides) for _ in range(count)],
        levels=count,
        ratios=list(ratios),
        method="strided",
        scale=draw(st.tuples(*[st.sampled_from([0.5, 1.0, 3.0])] * ndim)),
        translation=draw(st.tuples(*[st.sampled_from([-7.0, 0.0, 100.5])] * ndim)),
        source=StepSource,
    )
    arrays = []
    for source in image.sources:
        assert isinstance(source, StepSource)
        arrays.append(np.array(source.array))
        if holes:
            grid = [-(-n // c) for n, c in zip(source.shape, source.chunks, strict=True)]
            for index in np.ndindex(*grid):
                fate = rng.integers(0, 6)
                if fate == 0:
                    source.missing.add(index)
                    source.fill_value = 255
                    arrays[-1][tuple(slice(i * c, i * c + c) for i, c in zip(index, source.chunks, strict=True))] = 255
                elif fate == 1:
                    source.failing.add(index)
    make = _volume if volume else _plane
    return Scene(image, arrays, [make(draw, image) for _ in range(views)])


def _center(draw: st.DrawFn, image: ChunkedImage, names: tuple[str, ...]) -> dict[str, float]:
    extent = image.pyramid.extent()
    center = {}
    for name in names:
        low, high = extent[:, image.pyramid.axis_index(name)]
        center[name] = float(low + (high - low) * draw(st.integers(0, 8)) / 8)
    return center


def _plane(draw: st.DrawFn, image: ChunkedImage) -> View:
    displayed = tuple(draw(st.permutations(image.pyramid.axis_names)))[:2]
    canvas = draw(st.tuples(st.integers(4, 30), st.integers(4, 30)))
    hidden = tuple(name for name in image.pyramid.axis_names if name not in displayed)
    whole = View.plane(image, displayed, None, canvas)
    return View.plane(
        image,
        displayed,
        _center(draw, image, hidden),
        canvas,
        center=_center(draw, image, displayed),
        zoom=whole.zoom * draw(st.sampled_from([0.5, 1.0, 2.0, 5.0])),
    )


def _volume(draw: st.DrawFn, image: ChunkedImage) -> View:
    whole = View.volume(image, canvas=(16, 16))
    return View.volume(image, canvas=(16, 16), zoom=whole.zoom * draw(st.sampled_from([0.7, 1.0, 3.0])))


seeds = st.integers(0, 1 << 16)


async def answer_one(scene: Scene, rng: random.Random) -> bool:
    """Answer one read, whichever; False where none waits."""
    await settle()
    waiting = scene.waiting()
    if waiting:
        source, index = rng.choice(waiting)
        source.release(index)
    await settle()
    return bool(waiting)


async def sliced(engine: Engine, scene: Scene, rng: random.Random, view: View | None = None) -> list[Update]:
    """All updates of a slice, its reads answered in any order."""
    updates: list[Update] = []

    async def consume() -> None:
        async for update in engine.slice(scene.image, view or scene.view):
            updates.append(update)  # noqa: PERF401 - seen while it runs

    task = asyncio.create_task(consume())
    await settle()
    while await answer_one(scene, rng):
        pass
    assert task.done(), "nothing is being read any more, and the slice has not ended"
    await task
    return updates


class StrictSink(RecordingSink):
    """Sees that only answers of the newest generation are put, and only what is planned and not held."""

    def begin(self, generation: int, plan: Plan) -> Collection[ChunkId]:
        assert generation == len(self.begun) + 1
        self.open = {(part.level, tuple(index)) for part in plan.levels for index in part.chunks.tolist()}
        held = super().begin(generation, plan)
        self.open -= set(held)
        return held

    def put(self, update: Update) -> None:
        assert update.generation == self.begun[-1][0]
        assert update.plan is self.plan
        if update.outcome is not Outcome.NOTHING:
            self.open.remove((update.level, update.index))
        super().put(update)

    def complete(self, generation: int) -> None:
        assert generation == self.begun[-1][0]
        assert generation not in self.completed
        assert not self.open
        super().complete(generation)


async def shown(engine: Engine, scene: Scene, rng: random.Random, after: Callable[[], None] = lambda: None) -> None:
    """Play what is being shown to its end, one answer at a time."""
    running = engine._run().showing
    engine.poll()
    while not running.complete:
        answered = await answer_one(scene, rng)
        polled = engine.poll()
        assert answered or polled or running.complete, "the view is not complete and nothing is being read"
        after()


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


@given(scenes(views=4), seeds)
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
                expected = scene.cut(plan, plan.target.level, scene.arrays[plan.target.level])
                np.testing.assert_array_equal(sink.picture(), expected)

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


@given(scenes(), seeds)
@MODEST
def test_law_5_minimal_every_planned_chunk_is_read_once_and_no_other(scene: Scene, seed: int) -> None:
    async def check() -> None:
        rng = random.Random(seed)
        async with Engine() as engine:
            plan = engine.plan(scene.image, scene.view)
            for _ in range(2):  # the second time all of it is in memory
                updates = await sliced(engine, scene, rng)
                for k, source in enumerate(scene.sources):
                    parts = [part for part in plan.levels if part.level == k]
                    planned = {tuple(index) for part in parts for index in part.chunks.tolist()}
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
def test_law_7_exact_the_finished_plane_equals_numpy_slicing(scene: Scene, seed: int) -> None:
    _check_exact(scene, seed)


@given(scenes(volume=True), seeds)
@MODEST
def test_law_7_exact_the_finished_volume_equals_numpy_slicing(scene: Scene, seed: int) -> None:
    """The array of a 3D view is the box around what the camera sees; where it sees nothing no chunk is read."""

    async def check() -> None:
        async with Engine() as engine:
            updates = await sliced(engine, scene, random.Random(seed))
        last = updates[-1]
        part = last.plan.target
        level = scene.image.pyramid.levels[part.level]
        expected = scene.pixels(last)
        read = np.zeros(level.shape, bool)
        for index in part.chunks.tolist():
            read[tuple(slice(a, b) for a, b in zip(*level.chunk_box(tuple(index)), strict=True))] = True
        seen = scene.cut(last.plan, part.level, read)
        picture = last.to_array()
        assert seen.any()
        np.testing.assert_array_equal(picture[seen], expected[seen])
        if len(part.chunks) == prod(level.grid):
            np.testing.assert_array_equal(picture, expected)

    asyncio.run(check())


def _check_exact(scene: Scene, seed: int) -> None:
    async def check() -> None:
        async with Engine() as engine:
            updates = await sliced(engine, scene, random.Random(seed))
        last = updates[-1]
        if last.plan.empty:
            assert [update.outcome for update in updates] == [Outcome.NOTHING]
            assert last.to_array().size == 0
            return
        assert last.level == last.plan.target.level
        picture = last.to_array()
        assert picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, scene.pixels(last))

    asyncio.run(check())


@given(scenes(holes=True), seeds)
@MODEST
def test_the_picture_of_an_update_does_not_change_when_later_ones_come(scene: Scene, seed: int) -> None:
    async def check() -> None:
        pictures: list[tuple[Update, NDArray[Any]]] = []
        async with Engine() as engine:
            task = asyncio.create_task(collect(engine))
            await settle()
            rng = random.Random(seed)
            while await answer_one(scene, rng):
                pictures += [(update, update.to_array()) for update in got[len(pictures) :]]
            await task
        for update, picture in pictures:
            np.testing.assert_array_equal(update.to_array(), picture)
        for k, (update, _) in enumerate(pictures[: len(got) - 1]):
            assert [id(u) for u in update.history] == [id(u) for u in got[: k + 1]] or update is got[-1]

    got: list[Update] = []

    async def collect(engine: Engine) -> None:
        async for update in engine.slice(scene.image, scene.view):
            got.append(update)  # noqa: PERF401 - seen while it runs

    asyncio.run(check())


@given(scenes(), seeds)
@MODEST
def test_every_picture_on_the_way_is_made_of_finest_pixels_that_have_come(scene: Scene, seed: int) -> None:
    """A naive model looks at every pixel: the nearest pixel of the finest level that has come, or zero."""

    async def check() -> None:
        async with Engine() as engine:
            updates = await sliced(engine, scene, random.Random(seed))
        for update in updates[:6]:
            if update.outcome is not Outcome.NOTHING:
                np.testing.assert_array_equal(update.to_array(), _naive_picture(scene, update))

    asyncio.run(check())


def _naive_picture(scene: Scene, update: Update) -> NDArray[Any]:
    pyramid, axes = update.plan.pyramid, update.plan.displayed
    first, last = update.corner_pixels[:, list(axes)]
    own = pyramid.levels[update.level]
    out = np.zeros(tuple(last - first + 1), np.uint8)
    come = [u for u in update.history if u.level >= update.level and u.data is not None]
    for place in np.ndindex(*out.shape):
        world = [own.translation[a] + own.scale[a] * (f + p) for a, f, p in zip(axes, first, place, strict=True)]
        for step in sorted(come, key=lambda u: u.level):
            level = pyramid.levels[step.level]
            pixel = [
                min(max(int(np.floor((w - level.translation[a]) / level.scale[a] + 0.5)), 0), level.shape[a] - 1)
                for a, w in zip(axes, world, strict=True)
            ]
            low, high = step.region[:, list(axes)]
            if all(a <= p < b for a, p, b in zip(low, pixel, high, strict=True)):
                assert step.data is not None
                out[place] = step.data[tuple(p - a for p, a in zip(pixel, low, strict=True))]
                break
    return out


@given(scenes(), seeds)
@MODEST
def test_coarse_comes_before_fine_where_answers_come_as_they_were_asked_for(scene: Scene, seed: int) -> None:
    async def check() -> None:
        for source in scene.sources:
            source.flow()
        async with Engine(max_inflight=1) as engine:
            updates = [update async for update in engine.slice(scene.image, scene.view)]
        levels = [update.level for update in updates]
        assert levels == sorted(levels, reverse=True)
        for part in updates[0].plan.levels:
            come = [update.index for update in updates if update.level == part.level]
            assert come == [tuple(index) for index in part.chunks.tolist()]
        assert all(a.settled + 1 == b.settled for a, b in pairwise(updates))

    asyncio.run(check())
