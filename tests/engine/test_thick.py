"""Thick slices: what their planes give together, refined as they come, and exact in the end."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Outcome, Update
from brickstream.engine.showing import GATHERED, memory_budget
from brickstream.multiscale import View, project, slice_index
from brickstream.multiscale.projections import projected_dtype
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

SHAPE = (24, 16, 20)
DATA = np.random.default_rng(3).integers(0, 60_000, SHAPE).astype(np.uint16)
PROJECTIONS = ["mean", "max", "min", "sum"]
PLANES = (4, 16, 20)
"""Chunks of four whole planes."""


def held(chunks: tuple[int, ...] = PLANES, levels: int = 1, **options: Any) -> ChunkedImage:
    return memory_image(DATA, chunks, levels=levels, source=partial(StepSource, **options))


def flow(image: ChunkedImage) -> ChunkedImage:
    for source in image.sources:
        source.flow()  # type: ignore[attr-defined]
    return image


def thick(image: ChunkedImage, below: float = 6.0, above: float = 5.0, **options: Any) -> View:
    """Planes 5 to 16, unless it is said otherwise."""
    canvas = (SHAPE[2], SHAPE[1])
    return View.plane(image, point={"z": 11.0}, canvas=canvas, margins={"z": (below, above)}, zoom=1.0, **options)


async def collected(engine: Engine, image: ChunkedImage, view: View) -> list[Update]:
    return [update async for update in engine.slice(image, view)]


@pytest.mark.parametrize("projection", PROJECTIONS)
async def test_the_finished_picture_is_what_numpy_says(projection: str) -> None:
    image = flow(held((4, 8, 8), levels=2))
    view = thick(image, projection=projection)
    async with Engine() as engine:
        picture = (await collected(engine, image, view))[-1].to_array()
    np.testing.assert_array_equal(picture, slice_index(image.pyramid, view, 0).take(DATA))
    np.testing.assert_array_equal(picture, project(DATA[5:17], 0, projection))
    assert picture.dtype == projected_dtype(np.uint16, projection)


@pytest.mark.parametrize("projection", PROJECTIONS)
async def test_every_update_shows_the_planes_that_have_come(projection: str) -> None:
    image = held()
    (source,) = image.sources
    came: list[int] = []
    async with Engine() as engine:
        engine.show(image, thick(image, projection=projection))
        for z in (4, 1, 2, 3):
            await settle()
            source.release((z, 0, 0))  # type: ignore[attr-defined]
            await settle()
            (update,) = engine.poll()
            came += [plane for plane in range(4 * z, 4 * z + 4) if 5 <= plane <= 16]
            assert update.data is not None
            np.testing.assert_array_equal(update.data, project(DATA[sorted(came)], 0, projection))
            assert not update.data.flags.writeable
        assert update.complete


async def test_missing_planes_have_the_fill_value_and_failed_ones_are_left_out() -> None:
    image = flow(held(missing=[(2, 0, 0)], failing=[(3, 0, 0)], fill_value=7))
    async with Engine() as engine:
        updates = await collected(engine, image, thick(image, projection="max"))
    planes = np.concatenate([DATA[5:8], np.full((1, 16, 20), 7, np.uint16), DATA[16:17]])
    np.testing.assert_array_equal(updates[-1].to_array(), planes.max(axis=0))
    assert sorted(update.outcome.value for update in updates) == ["failed", "loaded", "loaded", "missing"]
    assert updates[-1].failed == 1


async def test_a_place_where_everything_failed_shows_nothing() -> None:
    image = flow(held((12, 16, 20), failing=[(0, 0, 0), (1, 0, 0)]))
    async with Engine() as engine:
        updates = await collected(engine, image, thick(image))
    assert [update.outcome for update in updates] == [Outcome.FAILED] * 2
    assert not updates[-1].to_array().any()


async def test_a_sink_that_holds_some_of_the_planes_gets_all_of_them_again() -> None:
    image, sink = held(), RecordingSink()
    (source,) = image.sources
    view = thick(image, projection="sum")
    async with Engine(sink=sink) as engine:
        engine.show(image, view)
        await settle()
        source.release((2, 0, 0))  # type: ignore[attr-defined]
        await settle()
        engine.poll()
        assert sink.held == {(0, (2, 0, 0))}
        engine.show(image, view)
        flow(image)
        await engine.complete()
        np.testing.assert_array_equal(sink.picture(), project(DATA[5:17], 0, "sum"))


async def test_the_same_slice_again_needs_nothing_and_a_thinner_one_is_another_picture() -> None:
    image, sink = flow(held()), RecordingSink()
    async with Engine(sink=sink) as engine:
        for _ in range(2):
            engine.show(image, thick(image, projection="sum"))
            await engine.complete()
        assert len(sink.updates) == 4
        for options, planes in (({}, DATA[9:14]), ({"projection": "max"}, DATA[9:14])):
            engine.show(image, thick(image, 2.0, 2.0, **{"projection": "sum", **options}))
            await engine.complete()
            projection = options.get("projection", "sum")
            np.testing.assert_array_equal(sink.picture(), project(planes, 0, projection))
        assert len(sink.updates) == 8
        assert sum(event.what == "begin" for event in image.sources[0].events) == 4  # type: ignore[attr-defined]


@given(
    below=st.floats(0, 30),
    above=st.floats(0, 30),
    z=st.floats(0, SHAPE[0] - 1),
    projection=st.sampled_from(PROJECTIONS),
    chunks=st.tuples(st.integers(1, 9), st.integers(3, 16), st.integers(3, 20)),
    displayed=st.sampled_from([("y", "x"), ("x", "y")]),
)
async def test_any_thickness_is_what_indexing_says(
    below: float, above: float, z: float, projection: str, chunks: tuple[int, int, int], displayed: tuple[str, str]
) -> None:
    image = flow(held(chunks))
    view = View.plane(
        image, displayed, {"z": z}, (20, 20), margins={"z": (below, above)}, projection=projection, zoom=1.0
    )
    async with Engine() as engine:
        last = (await collected(engine, image, view))[-1]
    cut = slice_index(image.pyramid, view, 0)
    assert cut.empty == (last.outcome is Outcome.NOTHING)
    if not cut.empty:
        np.testing.assert_array_equal(last.to_array(), cut.take(DATA))


def test_what_is_gathered_counts_in_the_budget() -> None:
    image = held()
    thin = View.plane(image, point={"z": 11.0}, canvas=(20, 16), zoom=1.0)
    pixels = SHAPE[1] * SHAPE[2]
    assert memory_budget(image.pyramid, thin, 10 * 2 * pixels).max_bricks == 10
    assert memory_budget(image.pyramid, thick(image), 10 * (8 + GATHERED) * pixels).max_bricks == 10
