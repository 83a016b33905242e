"""Oblique cuts, and slices of images that lie askew: streamed tile by tile, and exact."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from oblique import naive_picture, tilted

from brickstream.engine import Ahead, Engine, Update
from brickstream.errors import ViewError
from brickstream.latency import ThreadedServer
from brickstream.multiscale import Affine, View, find_oblique, navigate, resample
from brickstream.multiscale.view import PROJECTIONS
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

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
