"""Exact arrays and single values: all pixels or an error, after what is visible."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, exact
from brickstream.errors import BudgetError, ClosedError, StoreError, ViewError
from brickstream.multiscale import Level, Pyramid, View
from brickstream.testing import StepSource, memory_image, settle

SHAPE = (9, 14, 17)
DATA = np.random.default_rng(1).integers(0, 60_000, SHAPE).astype(np.uint16)


def held(chunks: tuple[int, ...] = (4, 5, 6), **options: Any) -> ChunkedImage:
    return memory_image(DATA, chunks, source=partial(StepSource, **options))


def flowing(chunks: tuple[int, ...] = (4, 5, 6), **options: Any) -> ChunkedImage:
    return held(chunks, held=False, **options)


def part_of(length: int) -> st.SearchStrategy[tuple[int, int]]:
    """Start and stop, half-open, of at least one pixel."""
    ends = st.tuples(st.integers(0, length - 1), st.integers(0, length - 1))
    return ends.map(lambda pair: (min(pair), max(pair) + 1))


@given(
    region=st.fixed_dictionaries({}, optional=dict(zip("zyx", map(part_of, SHAPE), strict=True))),
    chunks=st.tuples(st.integers(1, 9), st.integers(2, 14), st.integers(2, 17)),
)
async def test_an_export_is_what_slicing_gives(
    region: dict[str, tuple[int, int]], chunks: tuple[int, int, int]
) -> None:
    image = flowing(chunks)
    async with Engine() as engine:
        array = await engine.export(image, region)
    expected = DATA[tuple(slice(*region.get(name, (None, None))) for name in "zyx")]
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == expected.dtype


async def test_an_export_of_many_chunks_wants_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "BATCH", 7)
    image = flowing((1, 5, 6))
    async with Engine(max_ram_bytes=20 * 5 * 6 * 2) as engine:
        np.testing.assert_array_equal(await engine.export(image), DATA)
        assert engine.stats().queue_max <= 7
        assert not engine.core.fetcher.table.running


async def test_missing_chunks_have_the_fill_value_and_a_failed_one_is_an_error() -> None:
    image = flowing(missing=[(0, 0, 0)], failing=[(2, 2, 2)], fill_value=9)
    async with Engine() as engine:
        array = await engine.export(image, {"z": (0, 4)})
        assert (array[:, :5, :6] == 9).all()
        np.testing.assert_array_equal(array[:, 5:], DATA[:4, 5:])
        with pytest.raises(StoreError, match="2/2/2"):
            await engine.export(image)
        with pytest.raises(StoreError, match="2/2/2"):
            await engine.value_at(image, {"z": 8.0, "y": 13.0, "x": 16.0})
        assert not engine.core.fetcher.table.running


async def test_what_is_visible_comes_first() -> None:
    image = held((9, 5, 6))
    (source,) = image.sources
    async with Engine(max_inflight=1) as engine:
        task = asyncio.create_task(engine.export(image))
        await settle()
        assert source.waiting == [(0, 0, 0)]  # type: ignore[attr-defined]
        engine.show(image, View.plane(image, canvas=(4, 4), center=(12.0, 15.0), zoom=1.0))
        await settle()
        # The one slot goes to the view, although the export had it.
        assert source.waiting == [(0, 2, 2)]  # type: ignore[attr-defined]
        source.flow()  # type: ignore[attr-defined]
        np.testing.assert_array_equal(await task, DATA)
        await engine.complete()


async def test_who_gives_up_leaves_nothing_behind() -> None:
    image = held()
    async with Engine() as engine:
        task = asyncio.create_task(engine.export(image))
        await settle()
        assert engine.core.fetcher.table.running
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle()
        assert (engine.core.fetcher.table.running, engine.core.fetcher.table.entries) == (0, {})


async def test_closing_the_engine_ends_an_export() -> None:
    image = held()
    async with Engine() as engine:
        task = asyncio.create_task(engine.export(image))
        await settle()
    with pytest.raises(ClosedError):
        await task


@pytest.mark.parametrize(
    ("region", "level", "what"),
    [
        ({"z": (0, 10)}, 0, "no pixels 0 to 10 along z"),
        ({"z": (3, 3)}, 0, "no pixels 3 to 3 along z"),
        ({"z": (-1, 3)}, 0, "no pixels -1 to 3 along z"),
        ({"t": (0, 1)}, 0, "no axis 't'"),
        ({"z": (1.5, 3)}, 0, "two whole numbers"),
        ({"z": 5}, 0, "two whole numbers"),
        ({"z": (None, 5)}, 0, "two whole numbers"),
        (None, 1, "no level 1"),
        (None, 0.5, "no level 0.5"),
    ],
)
async def test_pixels_that_there_are_not(region: Any, level: int, what: str) -> None:
    image = flowing()
    async with Engine() as engine:
        with pytest.raises(ViewError, match=what):
            await engine.export(image, region, level)


@pytest.mark.parametrize("side", [1 << 20, 1 << 31])
async def test_more_than_there_is_memory_for_is_a_clear_error(side: int) -> None:
    level = Level("0", (side,) * 3, np.dtype("u2"), (64,) * 3, (1.0,) * 3, (0.0,) * 3)
    small = flowing()
    image = replace(small, pyramid=Pyramid("huge", small.pyramid.axes, (level,)))
    async with Engine() as engine:
        with pytest.raises(BudgetError, match=r"no memory for an array of .* bytes"):
            await engine.export(image)


async def test_a_value_is_the_one_of_the_pixel_that_holds_the_point() -> None:
    image = memory_image(DATA, (4, 5, 6), scale=(2.0, 0.5, 0.5), translation=(10.0, 0.0, -1.0))
    async with Engine() as engine:
        at = {"z": 10.0 + 2.0 * 3, "y": 0.5 * 7, "x": -1.0 + 0.5 * 11}
        assert await engine.value_at(image, at) == DATA[3, 7, 11]
        assert await engine.value_at(image, {**at, "z": at["z"] + 0.99}) == DATA[3, 7, 11]
        assert await engine.value_at(image, {**at, "z": at["z"] + 1.01}) == DATA[4, 7, 11]
        for far in (8.9, 27.1, float("inf"), float("nan")):
            assert await engine.value_at(image, {**at, "z": far}) is None
        assert engine.stats().requests <= 2
        with pytest.raises(ViewError, match="one number for each axis"):
            await engine.value_at(image, {"y": 0.0, "x": 0.0})
        with pytest.raises(ViewError, match="made of numbers"):
            await engine.value_at(image, {"z": "a", "y": 0.0, "x": 0.0})  # type: ignore[dict-item]


async def test_a_big_label_is_a_value_without_loss() -> None:
    image = memory_image(np.array([[2**53 + 1]], dtype=np.uint64), (1, 1))
    async with Engine() as engine:
        assert await engine.value_at(image, {"y": 0.0, "x": 0.0}) == 2**53 + 1
