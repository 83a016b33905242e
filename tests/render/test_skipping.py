"""What a ray passes over, and where it ends early, is seen in no pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from fed import CANVAS, Fed
from vispy.color import Colormap

from brickstream.multiscale import Camera, View
from brickstream.render.look import METHODS, Look
from brickstream.render.page_table import HIGH, LOW, SLOT
from brickstream.render.surfaces import Surfaces

SHAPE = (64, 80, 80)
BRICK, SEA = 16, 30
MIST = Colormap([(0, 0, 0, 0), (0, 0, 0, 0), (0.9, 0.2, 0.1, 0.05), (1, 1, 0.6, 0.4)])
CAMERAS = (Camera(30, 20, fov=0), Camera(-60, 50, fov=50))


def archipelago() -> np.ndarray:
    """A volume of which four fifths of the bricks are a calm sea, some are noise, and some a plateau."""
    rng = np.random.default_rng(8)
    array = np.full(SHAPE, SEA, dtype=np.uint8)
    for corner in np.ndindex(4, 5, 5):
        box = tuple(slice(BRICK * i, BRICK * (i + 1)) for i in corner)
        fate = rng.random()
        if fate < 0.12:
            array[box] = rng.integers(0, 255, (BRICK,) * 3)
        elif fate < 0.2:
            array[box] = rng.integers(60, 200)
    return array


def widen(sink) -> None:
    """Have the page table say that a brick may hold any value, so that none is passed over."""
    cells = sink._screen.table.cells
    there = cells[..., SLOT] > 0
    header = 3 * len(sink._screen.table.windows)
    there.reshape(-1)[:header] = False
    assert there.any()
    cells[there, LOW], cells[there, HIGH] = -1e6, 1e6
    sink._is_written = False


@pytest.fixture(scope="module")
def fed(kit) -> Iterator[Fed]:
    with Fed(kit, Look()) as made:
        yield made


@pytest.mark.parametrize("method", METHODS)
def test_no_pixel_shows_what_is_passed_over(kit, fed: Fed, method: str) -> None:
    array = archipelago()
    pyramid = kit.make_pyramid([array], (BRICK,) * 3)
    surfaces = Surfaces(isomin=50, isomax=150, count=3, opacity=0.5)
    colormap = MIST if method in ("translucent", "additive") else "viridis"
    look = Look(method=method, clim=(40, 220), colormap=colormap, attenuation=0.05, threshold=128, surfaces=surfaces)
    for number, camera in enumerate(CAMERAS):
        # Both ways round: dark bricks are passed over, or bright ones.
        fed.screen.scene.look = look if number == 0 else replace(look, clim=(220, 40))
        fed.draw(pyramid, [array], View.volume(pyramid, canvas=CANVAS, camera=camera, zoom=0.9))
        assert fed.screen.sink.layout.brick == (BRICK,) * 3
        passed = fed.picture()
        widen(fed.screen.sink)
        walked = fed.picture()
        assert passed.max() > 30
        assert len(np.unique(passed)) > 10
        assert np.abs(passed - walked).max() <= 1
