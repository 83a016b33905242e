"""Oblique cuts on the GPU: every canvas pixel is the image's pixel that its pixel of the plane grid has, or nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oblique import naive_picture

from brickstream.engine import Engine
from brickstream.multiscale import Affine, View, find_oblique, navigate
from brickstream.render.offscreen import OffscreenView
from brickstream.testing import memory_image

DATA = np.random.default_rng(5).integers(20, 250, (44, 50, 56)).astype(np.uint8)
CANVAS = (150, 120)


def rotated(image: Any) -> Any:
    c, s = np.cos(0.5), np.sin(0.5)
    names = image.pyramid.axis_names
    linear = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return replace(image, pyramid=replace(image.pyramid, placement=Affine(names, names, linear, np.zeros(3))))


def expected(image: Any, view: View) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
    """What each canvas pixel shows of level 0, where that is the image, and where it is beyond doubt."""
    oblique = find_oblique(image.pyramid, view)
    assert oblique is not None
    grid = oblique.pyramid
    rows, columns = np.mgrid[0 : view.canvas[1], 0 : view.canvas[0]]
    away = np.stack([rows + 0.5 - view.canvas[1] / 2, columns + 0.5 - view.canvas[0] / 2], axis=-1) / view.zoom
    world = np.broadcast_to(grid.origin, (*rows.shape, 3)).copy()
    shown = [grid.axis_index(name) for name in view.displayed]
    world[..., shown] = np.array(view.center) + away @ view.frame()
    places = grid.pixels_at(world)[..., list(oblique.axes)] + 0.5
    near = (np.abs(places - np.rint(places)) < 1e-3).any(axis=-1)
    pixels = np.floor(places).astype(int)
    picture, inside, clear = naive_picture(oblique, 0, DATA)
    there = ((pixels >= 0) & (pixels < picture.shape)).all(axis=-1)
    at = tuple(np.moveaxis(pixels.clip(0, np.array(picture.shape) - 1), -1, 0))
    return picture[at], inside[at] & there, clear[at] & ~near


@pytest.mark.parametrize("zoom", [1.0, 3.3])
def test_every_pixel_is_the_one_that_numpy_indexing_gives_and_nothing_beside_the_image(zoom: float) -> None:
    straight = memory_image(DATA, (16, 16, 16), levels=3)
    turned = rotated(straight)
    cut = View.oblique(straight, [(0.5, 1.0, 0.2), (0.1, 0.3, 1.0)], canvas=CANVAS, zoom=zoom, level=0)
    scenes = [
        (straight, cut),
        (straight, navigate.pan(cut, 13.2, -7.3)),
        (straight, navigate.slide(cut, 6.5)),
        (turned, View.plane(turned, canvas=CANVAS, zoom=zoom, level=0)),
        (turned, View.plane(turned, ("x", "z"), canvas=CANVAS, zoom=zoom, level=0)),
    ]
    with (
        OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(-20, 235)) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        for image, view in scenes:
            screen.show(view)
            engine.show(image, view)
            engine.complete(20)
            picture, inside, clear = expected(image, view)
            # Nothing is darker than what is outside: 0 would be drawn as 20.
            drawn = np.where(inside, np.minimum(picture.astype(int) + 20, 255), 0)
            assert inside.mean() > 0.1
            assert np.abs(screen.draw()[..., 0] - drawn)[clear].max() <= 1


def test_a_thick_slice_of_a_rotated_image_is_the_projection() -> None:
    image = rotated(memory_image(DATA, (16, 16, 16), levels=2))
    view = View.plane(image, canvas=CANVAS, zoom=2.0, level=0, margins={"z": 4.0}, projection="max")
    with (
        OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(0, 255)) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        screen.show(view)
        engine.show(image, view)
        engine.complete(20)
        picture, inside, clear = expected(image, view)
        assert inside.mean() > 0.1
        assert np.abs(screen.draw()[..., 0] - np.where(inside, picture, 0))[clear].max() <= 1


def test_panning_a_cut_uploads_only_what_is_new() -> None:
    image = memory_image(DATA, (16, 16, 16))
    view = View.oblique(image, [(0.5, 1.0, 0.2), (0.1, 0.3, 1.0)], canvas=CANVAS, zoom=6.0)
    with (
        OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(0, 255)) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        uploads = []
        for other in (view, navigate.pan(view, -200.0, 0.0), view):
            screen.show(other)
            engine.show(image, other)
            engine.complete(20)
            screen.draw()
            uploads.append(screen.sink.counters.bricks)
        assert 0 < uploads[1] - uploads[0] < uploads[0]
        assert uploads[2] == uploads[1]


def test_the_cut_before_stays_on_screen_until_the_next_one_is_there_and_is_not_forgotten() -> None:
    image = memory_image(DATA, (16, 16, 16), levels=2)
    view = View.oblique(image, [(0.5, 1.0, 0.2), (0.1, 0.3, 1.0)], canvas=CANVAS, zoom=1.9, level=0)
    slid = navigate.slide(view, 5.0)
    with (
        OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(-20, 235)) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        sink = screen.sink
        screen.show(view)
        engine.show(image, view)
        engine.complete(20)
        before = screen.draw()
        screen.show(slid)
        engine.show(image, slid)
        assert not sink.shows_newest
        np.testing.assert_array_equal(screen.draw(), before)
        engine.complete(20)
        for other in (slid, view):
            screen.show(other)
            engine.show(image, other)
            engine.complete(20)
            picture, inside, clear = expected(image, other)
            drawn = np.where(inside, np.minimum(picture.astype(int) + 20, 255), 0)
            assert np.abs(screen.draw()[..., 0] - drawn)[clear].max() <= 1
            assert sink.shows_newest
        uploads = sink.counters.bricks
        engine.show(image, slid)
        engine.complete(20)
        screen.draw()
        assert sink.counters.bricks == uploads


def test_a_cut_in_another_direction_does_not_keep_what_was_on_screen() -> None:
    image = memory_image(DATA, (16, 16, 16))
    view = View.oblique(image, [(0.5, 1.0, 0.2), (0.1, 0.3, 1.0)], canvas=CANVAS)
    with (
        OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(0, 255)) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        screen.show(view)
        engine.show(image, view)
        engine.complete(20)
        assert screen.draw()[..., 0].any()
        turned = navigate.turn(view, 30.0)
        screen.show(turned)
        engine.show(image, turned)
        assert not screen.draw()[..., 0].any()


def test_what_is_written_anew_is_drawn_anew_in_every_cut() -> None:
    data = DATA.copy()
    image = memory_image(data, (16, 16, 16))
    view = View.oblique(image, [(0.5, 1.0, 0.2), (0.1, 0.3, 1.0)], canvas=CANVAS, zoom=1.9)
    slid = navigate.slide(view, 5.0)
    with (
        OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(0, 255)) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        for other in (view, slid):
            screen.show(other)
            engine.show(image, other)
            engine.complete(20)
            screen.draw()
        data[...] = 255 - data
        engine.invalidate(image)
        for other in (slid, view):
            screen.show(other)
            engine.show(image, other)
            engine.complete(20)
            picture, inside, clear = expected(image, other)
            drawn = np.where(inside, 255 - picture.astype(int), 0)
            assert np.abs(screen.draw()[..., 0] - drawn)[clear].max() <= 1
