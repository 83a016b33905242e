"""Fog is as bright, whichever level it is drawn from, finished or not.

What a ray gathers is measured in pixels of level 0 (`Look.opacity_level`), so a step through a pixel twice as long
counts twice. The bounds: rays are divided into a whole number of steps, as vispy does, so a finished picture is off by
up to half a step of the forty; coarser ones are measured exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fed import CANVAS, Fed, pyramid_of
from vispy.color import Colormap

from brickstream.multiscale import Camera, View
from brickstream.render.look import Look, Slab

SHAPE = (48, 56, 64)
FOG = Colormap([(0, 0, 0, 0), (1, 1, 1, 0.04)])
METHODS = ("translucent", "additive", "attenuated_mip")
FACTORS = {"cubes": [(2, 2, 2)] * 2, "flat": [(1, 2, 2)] * 2}
CAMERAS = (Camera(30, 20, fov=0), Camera(-60, 50, fov=50), Camera(100, -80, fov=20))
INSIDE = Camera(20, 15, fov=60, distance=12.0)


def look_of(method: str, **options: object) -> Look:
    colormap = "grays" if method == "attenuated_mip" else FOG
    return Look(method=method, clim=(0, 255), colormap=colormap, attenuation=0.05, **options)


def uniform(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    return np.full(shape, 128, dtype=np.float32)


def clouds(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    one = np.exp(-4 * ((z - 0.2) ** 2 + (y + 0.3) ** 2 + (x - 0.1) ** 2))
    other = np.exp(-6 * ((z + 0.3) ** 2 + (y - 0.4) ** 2 + (x - 0.5) ** 2))
    return (255 * np.maximum(one, other)).astype(np.float32)


@pytest.fixture(scope="module", params=METHODS)
def fed(kit, request) -> Iterator[Fed]:
    with Fed(kit, look_of(request.param)) as made:
        yield made


def views(pyramid, level: int) -> list[View]:
    return [View.volume(pyramid, canvas=CANVAS, camera=camera, zoom=1.0, level=level) for camera in CAMERAS]


@pytest.mark.parametrize("factors", FACTORS)
def test_fog_is_as_dense_from_every_level(kit, fed: Fed, factors: str) -> None:
    pyramid, arrays = pyramid_of(kit, uniform(), FACTORS[factors])
    for fine, *coarser in zip(*[views(pyramid, level) for level in range(3)], strict=True):
        wanted = fed.draw(pyramid, arrays, fine)
        assert wanted.mean() > 20
        for level, view in enumerate(coarser, 1):
            found = fed.draw(pyramid, arrays, view)
            assert fed.levels == [level]
            # A ray that is shorter than half a step has no sample, in vispy either: a seam around the box is thinner.
            both = (found > 0) & (wanted > 0)
            assert both.sum() >= 0.95 * (wanted > 0).sum()
            assert found[both].mean() == pytest.approx(wanted[both].mean(), rel=0.01)


@pytest.mark.parametrize("factors", FACTORS)
def test_fog_is_as_dense_while_only_coarse_bricks_are_there(kit, fed: Fed, factors: str) -> None:
    pyramid, arrays = pyramid_of(kit, uniform(), FACTORS[factors])
    for view in views(pyramid, 0):
        wanted = fed.draw(pyramid, arrays, view)
        draft = fed.coarsest(pyramid, arrays, view)
        assert 0 not in fed.levels
        assert draft.mean() == pytest.approx(wanted.mean(), rel=0.01)


def test_fog_is_as_dense_where_near_bricks_are_finer(kit, fed: Fed) -> None:
    """Pixel by pixel: where rays go from one level to another nothing is seen."""
    pyramid, arrays = pyramid_of(kit, uniform((96, 110, 120)), FACTORS["cubes"])
    where = {"canvas": CANVAS, "camera": INSIDE, "zoom": 2.0, "center": (48, 20, 60)}
    wanted = fed.draw(pyramid, arrays, View.volume(pyramid, level=0, **where))
    mixed = fed.draw(pyramid, arrays, View.volume(pyramid, bias=-1.5, **where))
    assert len(fed.levels) > 1
    assert mixed.mean() == pytest.approx(wanted.mean(), rel=0.01)
    assert np.abs(mixed - wanted).max() <= 4


def test_clouds_are_as_bright_from_every_level(kit, fed: Fed) -> None:
    pyramid, arrays = pyramid_of(kit, clouds(), FACTORS["cubes"][:1])
    for fine, coarse in zip(views(pyramid, 0), views(pyramid, 1), strict=True):
        wanted = fed.draw(pyramid, arrays, fine)
        assert fed.draw(pyramid, arrays, coarse).mean() == pytest.approx(wanted.mean(), rel=0.03)


def test_a_slab_is_as_bright_while_only_coarse_bricks_are_there(kit, fed: Fed) -> None:
    """Its steps stay those of the finished picture, so nothing is to be corrected."""
    pyramid, arrays = pyramid_of(kit, uniform(), FACTORS["cubes"])
    look = fed.screen.scene.look
    fed.screen.scene.look = look_of(look.method, slab=Slab(tuple(n / 2 for n in SHAPE), (1.0, 0.4, 0.3), 8.0))
    view = views(pyramid, 0)[0]
    wanted = fed.draw(pyramid, arrays, view)
    assert wanted.max() > 10
    assert np.abs(fed.coarsest(pyramid, arrays, view) - wanted).max() <= 2
    fed.screen.scene.look = look


def test_clouds_do_not_flash_while_finer_bricks_come(kit, fed: Fed) -> None:
    """No brick changes the whole by more than its share: 27 of them, and what a level is off by."""
    pyramid, arrays = pyramid_of(kit, clouds(), FACTORS["cubes"][:1])
    view = views(pyramid, 0)[1]
    fed.screen.sink.lose()
    plan, held = fed.begin(pyramid, view)
    means = []
    for number, _ in enumerate(fed.arrive(plan, arrays, held)):
        if number >= len(plan.levels[0].chunks) - 1 and number % 3 == 0:
            means.append(fed.picture().mean())
    last = fed.picture().mean()
    assert len(means) > 5
    assert np.abs(np.diff([*means, last])).max() < 0.02 * last
    assert np.abs(np.array(means) - last).max() < 0.04 * last
