"""Thick slices on the GPU: every canvas pixel is what the planes behind it give together."""

from typing import Any

import numpy as np
import pytest

from brickstream.engine import Engine
from brickstream.multiscale import View, project
from brickstream.render.offscreen import OffscreenView
from brickstream.testing import memory_image

DATA = np.random.default_rng(5).integers(0, 60_000, (24, 32, 40)).astype(np.uint16)


def thick(image: Any, z: float, margin: float, projection: str) -> View:
    return View.plane(
        image, point={"z": z}, canvas=(40, 32), margins={"z": margin}, projection=projection, zoom=1.0, level=0
    )


@pytest.mark.parametrize(("projection", "top"), [("max", 65535.0), ("mean", 65535.0), ("sum", 1e6)])
def test_the_picture_is_the_projection(projection: str, top: float) -> None:
    image = memory_image(DATA, (4, 16, 16), levels=2)
    with (
        OffscreenView((40, 32), max_gpu_bytes=1 << 24, clim=(0, top)) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        for z, margin, planes in ((11.0, 5.0, slice(6, 17)), (11.0, 2.0, slice(9, 14)), (12.0, 2.0, slice(10, 15))):
            view = thick(image, z, margin, projection)
            screen.show(view)
            engine.show(image, view)
            engine.complete(20)
            expected = np.clip(project(DATA[planes], 0, projection) / top, 0, 1) * 255
            assert np.abs(screen.draw()[..., 0] - expected).max() <= 1
        # Back to a slice whose bricks are still there: nothing is put, and the picture is the right one.
        puts = screen.sink.counters.bricks
        view = thick(image, 11.0, 5.0, projection)
        screen.show(view)
        assert engine.show(image, view).levels
        engine.complete(20)
        picture = screen.draw()
        assert screen.sink.counters.bricks == puts
        expected = np.clip(project(DATA[6:17], 0, projection) / top, 0, 1) * 255
        assert np.abs(picture[..., 0] - expected).max() <= 1
