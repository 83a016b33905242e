"""What the pictures of updates hold, on the way and at the end, over ugly pyramids and any order of arrival."""

import asyncio
import random
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from scenes import MODEST, Scene, answer_one, scenes, seeds, sliced

from brickstream.engine import Engine, Outcome, Update
from brickstream.testing import settle

pytestmark = pytest.mark.oracle


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
