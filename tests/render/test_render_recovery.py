"""What the GPU loses comes back from memory; where it has less room than it said, the picture is coarser."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, ThreadedEngine
from brickstream.errors import BudgetError, TextureMemoryError
from brickstream.multiscale import Pyramid, View
from brickstream.render import OffscreenView
from brickstream.render.layout import TextureLimits
from brickstream.render.sink import BrickSink
from brickstream.testing import memory_image

DATA = np.random.default_rng(4).integers(50, 250, (64, 64, 64)).astype(np.uint8)
CANVAS = (64, 48)


def finish(engine: ThreadedEngine, screen: OffscreenView) -> np.ndarray:
    """Poll and commit like a host until nothing is left to do."""
    while not engine.is_complete or screen.sink.pending_uploads:
        if not screen.sink.pending_uploads:
            engine.wait(10)
        engine.poll()
        screen.commit()
    return screen.draw()


def shown(engine: ThreadedEngine, screen: OffscreenView, image: ChunkedImage, **how: Any) -> np.ndarray:
    view = View.volume(image, canvas=CANVAS, **how)
    screen.show(view)
    engine.show(image, view)
    return finish(engine, screen)


def test_a_lost_context_comes_back_from_memory() -> None:
    image = memory_image(DATA, (16, 16, 16), levels=2)
    with (
        OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(0, 255)) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        before = shown(engine, screen, image, level=0)
        read = engine.stats().bytes_read
        assert before[..., 0].max() > 200
        screen.restore()
        assert screen.draw()[..., 0].max() == 0
        assert screen.sink.gpu_bytes == 0
        np.testing.assert_array_equal(finish(engine, screen), before)
        assert screen.sink.shown_levels() == [0]
        assert engine.stats().bytes_read == read


def test_another_interpolation_fills_the_atlas_anew_from_memory() -> None:
    """Cubic needs two pixels around each brick; one is enough for the others."""
    image = memory_image(DATA, (16, 16, 16), levels=2)
    with (
        OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(0, 255)) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        screen.scene.interpolation = "nearest"
        assert not screen.sink.wants_anew
        before = shown(engine, screen, image, level=0)
        read = engine.stats().bytes_read
        for interpolation, apron in (("cubic", 2), ("nearest", 1)):
            screen.scene.interpolation = interpolation
            picture = finish(engine, screen)
            assert screen.sink.layout is not None
            assert screen.sink.layout.apron == (apron,) * 3
            assert screen.sink.shown_levels() == [0]
            assert np.array_equal(picture, before) == (interpolation == "nearest")
        assert engine.stats().bytes_read == read


def make_meagre(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let a context refuse large textures, whatever it said before. OpenGL is loaded for our context first."""
    from OpenGL import GL
    from OpenGL.error import GLError
    from vispy.gloo import glir

    real = glir.glTexImage3D

    def meagre(target: Any, level: Any, internal: Any, form: Any, kind: Any, shape: Any) -> None:
        if np.prod(shape) > most:
            raise GLError(err=GL.GL_OUT_OF_MEMORY)
        real(target, level, internal, form, kind, shape)

    monkeypatch.setattr(glir, "glTexImage3D", meagre)


def test_too_little_memory_gives_a_coarser_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 200_000
    image = memory_image(DATA, (16, 16, 16), levels=2)
    with OffscreenView(CANVAS, max_gpu_bytes=1 << 24, clim=(0, 255)) as screen:
        make_meagre(monkeypatch, most)
        with Engine.in_thread(sink=screen.sink) as engine:
            with pytest.warns(RuntimeWarning, match=r"no room.*smaller atlas"):
                picture = shown(engine, screen, image, zoom=1.0)
            assert screen.sink.shown_levels() == [1]
            assert 0 < screen.sink.gpu_bytes <= most * 17 / 16
            assert picture[..., 0].max() > 100
            # It does not try again what did not work.
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                shown(engine, screen, image, zoom=1.1)


class FullDevice:
    """A device with room for some bytes; `device` holds them."""

    def __init__(self, device: Any, room: int) -> None:
        self._device, self._room = device, room
        self.asked: list[int] = []

    def allocate(self, layout: Any) -> None:
        self._check(layout)
        self._device.allocate(layout)

    def grow(self, layout: Any) -> None:
        self._check(layout)
        self._device.grow(layout)

    def _check(self, layout: Any) -> None:
        self.asked.append(layout.nbytes)
        if layout.nbytes > self._room:
            raise TextureMemoryError("the GPU has no room")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)


def show_until_it_fits(kit, sink: BrickSink, pyramid: Pyramid, view: View) -> None:
    """Begin anew as often as the sink wants it, as an engine does."""
    arrays = [DATA, kit.shrink(DATA, (2, 2, 2))]
    kit.feed(sink, kit.plan_for(sink, pyramid, view), arrays, 1)
    sink.commit()
    while sink.wants_anew:
        kit.feed(sink, kit.plan_for(sink, pyramid, view), arrays, 1)
        sink.commit()


def test_the_atlas_is_halved_until_it_fits(kit) -> None:
    pyramid = kit.make_pyramid([DATA, kit.shrink(DATA, (2, 2, 2))], (16, 16, 16))
    device = FullDevice(kit.MemoryDevice(), 90_000)
    sink = BrickSink(device, 1 << 24, lambda: TextureLimits(2048, 2048))
    view = View.volume(pyramid, canvas=CANVAS)
    with pytest.warns(RuntimeWarning, match="no room"):
        show_until_it_fits(kit, sink, pyramid, view)
    assert sink.has_pixels
    assert sink.gpu_bytes <= 90_000 * 17 / 16
    refused = [n for n in device.asked if n > 90_000]
    assert refused
    assert all(b <= a / 2 for a, b in pairwise(refused))


def test_a_gpu_without_room_for_one_brick_is_an_error(kit) -> None:
    pyramid = kit.make_pyramid([DATA], (16, 16, 16))
    sink = BrickSink(FullDevice(kit.MemoryDevice(), 1000), 1 << 24, lambda: TextureLimits(2048, 2048))
    view = View.volume(pyramid, canvas=CANVAS)
    with pytest.warns(RuntimeWarning), pytest.raises(BudgetError, match="less than one brick"):
        show_until_it_fits(kit, sink, pyramid, view)


def test_what_comes_after_a_loss_and_before_the_view_begins_anew_is_dropped(kit) -> None:
    pyramid = kit.make_pyramid([DATA], (16, 16, 16))
    sink = BrickSink(kit.MemoryDevice(), 1 << 24, lambda: TextureLimits(2048, 2048))
    plan = kit.plan_for(sink, pyramid, View.volume(pyramid, canvas=CANVAS))
    sink.begin(1, plan)
    updates = list(kit.updates(plan, lambda k, at: DATA[at], 1))
    for update in updates[:5]:
        sink.put(update)
    sink.lose()
    for update in updates[5:]:
        sink.put(update)
    sink.complete(1)
    assert sink.commit() == 0
    assert sink.pending_uploads == 1
    assert not sink.has_pixels
    assert kit.feed(sink, plan, [DATA], 2) == set()
    sink.commit()
    assert sink.shown_levels() == [0]
