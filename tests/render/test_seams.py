"""Where bricks and levels meet nothing is seen.

Within one level a ramp is exact: texels at borders are those of the neighbours. Where levels meet, each brick repeats
its last pixel for the half of it that it has no neighbour for: a ramp is then off by what it rises in half a pixel of
the coarser level, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from fed import CANVAS, Fed
from vispy.color import Colormap

from brickstream.multiscale import Camera, Pyramid, View
from brickstream.render import draw_dense
from brickstream.render.look import Look, Slab

EXTENT = np.array([96, 100, 110])
# Levels need not nest: pixels of level 0 along one of each level, and where their first pixel is.
RATIOS = ((1, 1, 1), (2, 3, 1.5), (4, 6, 4.5))
SHIFTS = ((0, 0, 0), (0.7, 1, 0.25), (1.5, 2.5, 2.0))
RAMPS = {"z": (1, 0, 0), "y": (0, 1, 0), "x": (0, 0, 1), "oblique": (1, -0.6, 0.4)}
INSIDE = Camera(20, 15, fov=60, distance=12.0)
PLANE = Slab((48, 50, 55), (0.3, 1.0, 0.2), 1.0)
MIST = Colormap([(0, 0, 0, 0), (0.9, 0.2, 0.1, 0.04), (1, 1, 0.6, 0.3)])


def ramp(kit, along: tuple[float, ...], dtype: str) -> tuple[Pyramid, list[np.ndarray], np.ndarray]:
    """A pyramid of a ramp, and what it rises along each axis in a pixel of level 0, as a share of the limits."""
    steps = np.array(along)
    low, high = np.minimum(steps, 0) @ EXTENT - 5, np.maximum(steps, 0) @ EXTENT + 5
    arrays = []
    for ratio, shift in zip(RATIOS, SHIFTS, strict=True):
        count = np.ceil(EXTENT / np.array(ratio)).astype(int)
        places = np.meshgrid(
            *[s + r * np.arange(n) for s, r, n in zip(shift, ratio, count, strict=True)], indexing="ij"
        )
        values = (sum(a * place for a, place in zip(along, places, strict=True)) - low) / (high - low)
        arrays.append((values * 65535 if dtype == "uint16" else values).astype(dtype))
    scales, shifts = ([tuple(map(float, row)) for row in rows] for rows in (RATIOS, SHIFTS))
    return kit.make_pyramid(arrays, (16, 16, 16), scales, shifts), arrays, np.abs(steps) / (high - low)


def clim(dtype: str) -> tuple[float, float]:
    return (0, 65535) if dtype == "uint16" else (0, 1)


def inside(pyramid: Pyramid, **more: object) -> View:
    return View.volume(pyramid, canvas=CANVAS, camera=INSIDE, zoom=2.0, center=(48, 20, 60), **more)


@pytest.fixture(scope="module")
def fed(kit) -> Iterator[Fed]:
    with Fed(kit, Look()) as made:
        yield made


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("name", RAMPS)
def test_a_ramp_stays_one_across_bricks_and_levels(kit, fed: Fed, name: str, interpolation: str) -> None:
    """On a plane through the volume, where every pixel shows one sample: finished, half loaded, in any order."""
    dtype = "uint16" if name in "zx" else "float32"
    pyramid, arrays, rise = ramp(kit, RAMPS[name], dtype)
    fed.screen.scene.look = Look(method="average", clim=clim(dtype), interpolation=interpolation, slab=PLANE)
    wanted = fed.draw(pyramid, arrays, inside(pyramid, level=0))
    assert fed.levels == [0]
    rng = np.random.default_rng(3)
    for share in (1.0, 0.6):
        found = fed.draw(pyramid, arrays, inside(pyramid, bias=-3.0), share, rng=rng)
        assert len(fed.levels) > 1
        seen = (found > 0) & (wanted > 0)
        error = np.abs(found - wanted)[seen]
        assert seen.mean() > (0.3 if share < 1 else 0.75)
        # At most half a pixel of the coarsest level along every axis at once.
        assert error.max() <= 255 * float(rise @ np.array(RATIOS[max(fed.levels)])) / 2 + 1
        assert (error <= 1).mean() > 0.9


@pytest.mark.parametrize("method", ["average", "mip", "iso", "translucent"])
def test_a_ramp_seen_through_is_that_of_the_finest_level(kit, fed: Fed, method: str) -> None:
    pyramid, arrays, _ = ramp(kit, RAMPS["oblique"], "float32")
    colormap = MIST if method == "translucent" else "grays"
    fed.screen.scene.look = Look(method=method, clim=(0, 1), colormap=colormap, threshold=0.6)
    wanted = fed.draw(pyramid, arrays, inside(pyramid, level=0))
    mixed = fed.draw(pyramid, arrays, inside(pyramid, bias=-3.0), rng=np.random.default_rng(5))
    assert len(fed.levels) > 1
    seen = (mixed > 0) & (wanted > 0)
    error = np.abs(mixed - wanted)[seen]
    assert error.max() <= 2
    assert error.mean() < 0.05


NOISE = (43, 59, 67)
CHUNKS = (16, 20, 24)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_errors_do_not_line_up_along_bricks(kit, fed: Fed, interpolation: str) -> None:
    """Seen almost along y, the faces of bricks are lines: there no more pixels differ from vispy's than elsewhere."""
    array = (np.random.default_rng(3).random(NOISE) * 65535).astype(np.uint16)
    pyramid = kit.make_pyramid([array], CHUNKS)
    view = View.volume(pyramid, canvas=CANVAS, camera=Camera(0.31, 0.17, fov=0), zoom=1.31)
    z, _, x = np.meshgrid(*[np.arange(n) for n in NOISE], indexing="ij")
    faces = (np.isin(z % CHUNKS[0], (0, CHUNKS[0] - 1)) | np.isin(x % CHUNKS[2], (0, CHUNKS[2] - 1))).astype(np.float32)
    fed.screen.scene.look = Look(method="mip", clim=(0, 1), interpolation="nearest")
    near = fed.draw(kit.make_pyramid([faces], CHUNKS), [faces], view)[..., 0] > 0
    for method in ("mip", "minip", "attenuated_mip", "translucent", "additive", "average", "iso"):
        colormap = MIST if method in ("translucent", "additive") else "viridis"
        look = Look(method=method, clim=(5000, 60000), colormap=colormap, threshold=40000.5, attenuation=0.03)
        fed.screen.scene.look = look = replace(look, interpolation=interpolation)
        ours = fed.draw(pyramid, [array], view)
        level = pyramid.levels[0]
        dense = draw_dense(array, view, level.scale, level.translation, look=look)[..., :3].astype(float)
        assert fed.screen.sink.layout.brick == CHUNKS
        off = np.abs(ours - dense).max(axis=-1) > 1
        seen = dense.max(axis=-1) > 0
        assert 0.1 < near[seen].mean() < 0.5
        assert off[seen & near].mean() <= off[seen & ~near].mean() + 0.01, method
