"""Ugly pyramids whose reads are held, views of them, and ways to let the reads go: for the tests of the laws."""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage
from brickstream.engine import ChunkId, Engine, Outcome, Update
from brickstream.multiscale import Plan, View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

# Two thirds of what the profile in force asks for: these examples are long.
MODEST = settings(max_examples=settings().max_examples * 2 // 3)


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

    def compare(self, plan: Plan, picture: NDArray[Any]) -> None:
        """The finished picture of a plan is what NumPy slicing says."""
        np.testing.assert_array_equal(picture, self.cut(plan, plan.target.level, self.arrays[plan.target.level]))

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
    running = engine.main
    engine.poll()
    while not running.is_complete:
        answered = await answer_one(scene, rng)
        polled = engine.poll()
        assert answered or polled or running.is_complete, "the view is not complete and nothing is being read"
        after()
