"""Planes, nearest, linear and cubic, zoomed in and out, against vispy's Image of the whole level."""

import numpy as np
import pytest

from brickstream.engine import Engine
from brickstream.multiscale import View
from brickstream.render import OffscreenView, draw_dense
from brickstream.testing import memory_image

CANVAS = (120, 90)
Y, X = np.mgrid[-1:1:55j, -1:1:70j]
BLOBS = (127 + 126 * np.sin(5 * Y + 1) * np.cos(7 * X)).astype(np.uint8)
NOISE = np.random.default_rng(2).integers(0, 256, BLOBS.shape, dtype=np.uint8)


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
def test_a_plane_is_interpolated_as_by_vispy_across_the_borders_of_bricks(interpolation: str) -> None:
    how = {"interpolation": interpolation, "clim": (10.0, 240.0), "colormap": "viridis"}
    with OffscreenView(CANVAS, **how) as screen, Engine.in_thread(sink=screen.sink) as engine:
        for pixels in (BLOBS, NOISE):
            image = memory_image(pixels, (17, 23))
            for zoom in (3.0, 1.7, 0.6):
                view = View.plane(image, canvas=CANVAS, zoom=zoom, center=(26.3, 33.8), level=0)
                screen.show(view)
                engine.show(image, view)
                engine.complete(timeout=30)
                ours = screen.draw().astype(int)
                dense = draw_dense(pixels, view, (1.0, 1.0), (0.0, 0.0), **how)
                covered = (ours[..., :3].max(-1) > 0) | (dense[..., :3].max(-1) > 0)
                agrees = (np.abs(ours - dense).max(-1) <= 1)[covered]
                assert covered.mean() > 0.1
                assert agrees.mean() >= 0.995
