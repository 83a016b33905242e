"""What napari reads from: a picture that fills, and array-likes that answer at once. Needs no napari."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Outcome, Update
from brickstream.multiscale import View, plan_view
from brickstream.testing import SinkConformance, memory_image, shrink
from brickstream.viewers.napari.arrays import StreamedLevel
from brickstream.viewers.napari.picture import Picture

SOLID = np.random.default_rng(3).integers(1, 250, (12, 30, 44), dtype=np.uint8)
LEVELS = [SOLID, shrink(SOLID, 2), shrink(shrink(SOLID, 2), 2)]


class TestPicture(SinkConformance):
    def make_sink(self) -> Picture:
        return Picture()


@pytest.fixture
def image() -> ChunkedImage:
    return memory_image(SOLID, (4, 8, 8), levels=3)


def arrays(picture: Picture, image: ChunkedImage, axes: Sequence[int | None] = (0, 1, 2)) -> list[StreamedLevel]:
    return [StreamedLevel(picture, k, level, tuple(axes)) for k, level in enumerate(image.pyramid.levels)]


def shown(picture: Picture, image: ChunkedImage, *views: View) -> None:
    """Show views one after the other, each to its end."""

    async def show() -> None:
        async with Engine(sink=picture) as engine:
            for view in views:
                engine.show(image, view)
                await engine.complete()

    asyncio.run(show())
    picture.publish()


def begin(picture: Picture, image: ChunkedImage, view: View) -> list[Update]:
    """Begin a view; the updates that would bring it, coarsest first."""
    plan = plan_view(image.pyramid, view, picture.budget(image.pyramid, view))
    picture.begin(1, plan)
    updates = []
    for part in plan.levels:
        level = image.pyramid.levels[part.level]
        for index in map(tuple, part.chunks.tolist()):
            start, stop = level.chunk_box(index)
            box: Any = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
            z = int(part.corner_pixels[0, 0])
            data = LEVELS[part.level][(z, *box[1:])]
            region = np.array([start, stop])
            update = Update(1, 1, plan, part.level, Outcome.LOADED, index, region, data, 1, plan.chunk_count, 0)
            updates.append(update)
    return updates


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("displayed", [("y", "x"), ("x", "y"), ("z", "x")])
def test_a_finished_level_is_what_numpy_slicing_gives(
    displayed: tuple[str, str], level: int, image: ChunkedImage
) -> None:
    picture = Picture()
    hidden = ({"z", "y", "x"} - set(displayed)).pop()
    shown(picture, image, View.plane(image, displayed, {hidden: 6.0}, (90, 60), level=level))
    array, place = LEVELS[level], "zyx".index(hidden)
    pixel = round((6 + 0.5) / 2**level - 0.5)
    got = np.asarray(arrays(picture, image)[level][tuple(pixel if a == place else slice(None) for a in range(3))])
    np.testing.assert_array_equal(got, array.take(pixel, axis=place))
    assert got.dtype == np.uint8


def test_a_finished_thick_slice_is_what_numpy_projects(image: ChunkedImage) -> None:
    picture = Picture()
    view = View.plane(image, point={"z": 5.0}, canvas=(44, 30), level=0, margins={"z": 2.0}, projection="mean")
    shown(picture, image, view)
    slab = np.asarray(arrays(picture, image)[0][3:8])
    np.testing.assert_allclose(slab, SOLID[3:8].mean(axis=0, keepdims=True), rtol=1e-6)


def test_parts_are_cut_lazily_and_by_the_rules_of_numpy(image: ChunkedImage) -> None:
    picture = Picture()
    shown(picture, image, View.plane(image, point={"z": 6.0}, canvas=(44, 30), level=0))
    array, whole = arrays(picture, image)[0], SOLID
    assert (array.shape, array.ndim, array.size, len(array)) == (whole.shape, 3, whole.size, 12)
    part = array[:, 4:20, 3:]
    assert isinstance(part, StreamedLevel)
    assert part.shape == (12, 16, 41)
    for index in [(6,), (6, ..., 2), (slice(6, 7), -1), (6, slice(1, -1)), (np.int64(6), 3, slice(2, 2))]:
        np.testing.assert_array_equal(np.asarray(part[index]), whole[:, 4:20, 3:][index])
    np.testing.assert_array_equal(part[6][::2, [1, 5]], whole[6, 4:20, 3:][::2, [1, 5]])
    with pytest.raises(IndexError):
        array[12]


def test_before_anything_is_shown_an_answer_is_one_dark_pixel(image: ChunkedImage) -> None:
    picture = Picture()
    np.testing.assert_array_equal(np.asarray(arrays(picture, image)[0][3:9]), np.zeros((1, 1, 1), np.uint8))
    shown(picture, image, View.plane(image, canvas=(44, 30)))
    picture.clear()
    assert np.asarray(arrays(picture, image)[0]).shape == (1, 1, 1)


def test_an_axis_that_was_put_in_front_has_one_pixel() -> None:
    flat = memory_image(SOLID[6], (8, 8), levels=2)
    picture = Picture()
    shown(picture, flat, View.plane(flat, canvas=(44, 30), level=0))
    array = arrays(picture, flat, (None, 0, 1))[0]
    assert array.shape == (1, 30, 44)
    np.testing.assert_array_equal(np.asarray(array), SOLID[6:7])
    np.testing.assert_array_equal(np.asarray(array[0]), SOLID[6])


def test_each_chunk_shows_as_it_comes_and_no_place_goes_blank(image: ChunkedImage) -> None:
    picture = Picture()
    updates = begin(picture, image, View.plane(image, point={"z": 6.0}, canvas=(440, 300)))
    assert {update.level for update in updates} > {0}
    level0 = arrays(picture, image)[0]
    before = np.zeros(SOLID[6].shape, bool)
    for update in updates:
        picture.put(update)
        assert not picture.is_published
        assert picture.publish()
        now = np.asarray(level0[6])
        assert (now[before] > 0).all()
        before = now > 0
    np.testing.assert_array_equal(now, SOLID[6])
    assert not picture.publish()


def test_another_plane_replaces_the_last_one_chunk_by_chunk(image: ChunkedImage) -> None:
    picture = Picture()
    shown(picture, image, View.plane(image, point={"z": 6.0}, canvas=(44, 30), level=0))
    updates = begin(picture, image, View.plane(image, point={"z": 9.0}, canvas=(44, 30), level=0))
    picture.publish()
    level0 = arrays(picture, image)[0]
    np.testing.assert_array_equal(np.asarray(level0[9]), SOLID[6])
    fine = [update for update in updates if update.level == 0]
    picture.put(fine[0])
    picture.publish()
    expected = SOLID[6].copy()
    (y0, x0), (y1, x1) = fine[0].region[:, 1:].tolist()
    expected[y0:y1, x0:x1] = SOLID[9, y0:y1, x0:x1]
    np.testing.assert_array_equal(np.asarray(level0[9]), expected)


def test_other_axes_begin_dark(image: ChunkedImage) -> None:
    picture = Picture()
    shown(picture, image, View.plane(image, point={"z": 6.0}, canvas=(44, 30), level=0))
    view = View.plane(image, ("z", "x"), {"y": 6.0}, (44, 12), level=0)
    picture.begin(2, plan_view(image.pyramid, view, picture.budget(image.pyramid, view)))
    assert picture.publish()
    np.testing.assert_array_equal(np.asarray(arrays(picture, image)[0][:, 6]), np.zeros((12, 44), np.uint8))


def test_a_new_plane_of_which_nothing_has_come_is_no_news(image: ChunkedImage) -> None:
    picture = Picture()
    shown(picture, image, View.plane(image, point={"z": 6.0}, canvas=(44, 30), level=0))
    begin(picture, image, View.plane(image, point={"z": 9.0}, canvas=(44, 30), level=0))
    assert picture.is_published
    assert not picture.publish()


def test_what_failed_does_not_go_on_showing_the_last_plane(image: ChunkedImage) -> None:
    picture = Picture()
    shown(picture, image, View.plane(image, point={"z": 6.0}, canvas=(44, 30), level=0))
    for update in begin(picture, image, View.plane(image, point={"z": 9.0}, canvas=(44, 30), level=0)):
        picture.put(replace(update, outcome=Outcome.FAILED, data=None))
    picture.complete(1)
    picture.publish()
    assert not np.asarray(arrays(picture, image)[0][9]).any()


def test_a_zoom_shows_what_is_there_of_other_levels(image: ChunkedImage) -> None:
    picture = Picture()
    plane = {"point": {"z": 6.0}, "canvas": (44, 30)}
    shown(picture, image, View.plane(image, level=1, **plane))
    coarse = np.asarray(arrays(picture, image)[0][6])
    np.testing.assert_array_equal(coarse, LEVELS[1][3].repeat(2, 0).repeat(2, 1))
    shown(picture, image, View.plane(image, level=0, **plane))
    begin(picture, image, View.plane(image, level=1, **plane))
    picture.publish()
    fine = np.asarray(arrays(picture, image)[1][3])
    assert (fine > 0).all()


def test_a_pan_reads_nothing_twice(image: ChunkedImage) -> None:
    picture = Picture()
    plane = {"point": {"z": 6.0}, "level": 0, "zoom": 1.0}
    shown(picture, image, View.plane(image, canvas=(30, 30), center=(14.5, 14.5), **plane))
    view = View.plane(image, canvas=(30, 30), center=(14.5, 22.5), **plane)
    plan = plan_view(image.pyramid, view, picture.budget(image.pyramid, view))
    held = set(picture.begin(2, plan))
    planned = {(part.level, tuple(index)) for part in plan.levels for index in part.chunks.tolist()}
    assert {index[2] for level, index in planned - held if level == 0} == {4}


def test_a_box_that_is_too_large_costs_nothing() -> None:
    small = memory_image(SOLID[0], (8, 8))
    level = replace(small.pyramid.levels[0], shape=(1 << 20, 1 << 20))
    picture = Picture()
    shown(picture, small, View.plane(small, canvas=(44, 30)))
    array = StreamedLevel(picture, 0, level, (0, 1))
    assert np.asarray(array).shape == (1, 1)
    assert np.asarray(array[:30, :44]).shape == (30, 44)
