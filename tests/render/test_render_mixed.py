"""Pictures whose near bricks are finer than their far ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from vispy.color import Colormap

from brickstream.multiscale import Axis, Camera, Level, Plan, Pyramid, View
from brickstream.render import OffscreenView, draw_dense
from brickstream.render.layout import TextureLimits
from brickstream.render.page_table import LEVEL, SLOT
from brickstream.render.sink import BrickSink

CANVAS = (120, 90)
INSIDE = Camera(20, 15, fov=60, distance=12.0)


def make_levels(
    kit, factors, shape=(96, 110, 120), chunks=(16, 16, 16), array=None
) -> tuple[Pyramid, list[np.ndarray]]:
    array = np.random.default_rng(2).integers(1, 255, shape, dtype=np.uint8) if array is None else array
    arrays = [array]
    for factor in factors:
        arrays.append(kit.shrink(arrays[-1], factor))
    return kit.make_pyramid(arrays, chunks), arrays


def look_inside(pyramid: Pyramid) -> View:
    return View.volume(pyramid, canvas=CANVAS, camera=INSIDE, zoom=2.0, center=(48, 20, 60), bias=-1.5)


def level_at(sink: BrickSink, place: np.ndarray) -> int | None:
    """Level that the page table says to draw at a place (z, y, x, own coordinates), as the shader reads it."""
    table = sink._screen.table
    assert table is not None

    def cell_of(window) -> np.ndarray:
        pixel = np.floor((place - window.grid.shift) / window.grid.scale + 0.5)
        return np.floor(pixel / window.grid.brick).astype(int) - window.low

    def row_at(window, cell) -> np.ndarray:
        cell = np.clip(cell, 0, window.count - 1)
        return table.cells.reshape(-1, 4)[window.first + np.ravel_multi_index(tuple(cell), tuple(window.count))]

    for i, window in enumerate(table.windows):
        cell = cell_of(window)
        if ((cell >= 0) & (cell < window.count)).all() or i == len(table.windows) - 1:
            drawn = int(row_at(window, cell)[LEVEL])
            rest = [window for window in table.windows[drawn:] if row_at(window, cell_of(window))[SLOT]]
            return rest[0].grid.layer.level if rest else None
    raise AssertionError("no window has the place")


def final_places(plan: Plan, sink: BrickSink, rng: np.random.Generator) -> list[tuple[np.ndarray, int]]:
    """Places inside bricks of the finished picture, with the finest level planned there."""
    grids = {w.grid.layer.level: w for w in sink._wanted.values()}
    boxes = [(k, w.grid.box(np.array(index))) for k, w in grids.items() for index in w.final]
    places = []
    some = [n for k in grids for n in rng.permutation([n for n, box in enumerate(boxes) if box[0] == k])[:25]]
    for n in some:
        low, high = boxes[n][1]
        place = low + (high - low) * rng.uniform(0.1, 0.9, 3)
        over = [k for k, (a, b) in boxes if ((place >= a) & (place < b)).all()]
        places.append((place, min(over)))
    assert len({level for _, level in places}) > 1
    return places


@pytest.mark.parametrize("factors", [[(2, 2, 2), (2, 2, 2), (2, 2, 2)], [(2, 3, 2), (3, 1, 2)]])
@pytest.mark.parametrize("seed", [0, 1])
def test_each_place_is_drawn_from_its_own_level_and_only_ever_gets_finer(kit, factors, seed: int) -> None:
    pyramid, arrays = make_levels(kit, factors)
    sink = BrickSink(kit.MemoryDevice(), 1 << 26, lambda: TextureLimits(2048, 2048))
    plan = kit.plan_for(sink, pyramid, look_inside(pyramid))
    assert sum(bool(part.final.any()) for part in plan.levels) > 1
    rng = np.random.default_rng(seed)
    held = sink.begin(1, plan)
    places = final_places(plan, sink, rng)
    shown: list[int | None] = [None] * len(places)
    for update in kit.updates(plan, lambda k, at: arrays[k][at], 1, held, rng=rng):
        sink.put(update)
        if rng.random() < 0.1:
            sink.commit()
            for i, (place, _) in enumerate(places):
                now = level_at(sink, place)
                assert shown[i] is None or (now is not None and now <= shown[i])
                shown[i] = now
    sink.complete(1)
    sink.commit()
    assert [level_at(sink, place) for place, _ in places] == [level for _, level in places]
    assert sink.shown_levels() == sorted(part.level for part in plan.levels if part.final.any())


def test_what_was_finer_before_leaves_when_the_mixed_picture_is_there(kit) -> None:
    pyramid, arrays = make_levels(kit, [(2, 2, 2), (2, 2, 2), (2, 2, 2)])
    sink = BrickSink(kit.MemoryDevice(), 1 << 26, lambda: TextureLimits(2048, 2048))
    fine = kit.plan_for(sink, pyramid, View.volume(pyramid, level=0))
    kit.feed(sink, replace(fine, levels=fine.levels[-1:]), arrays, 1)
    sink.commit()
    plan = kit.plan_for(sink, pyramid, look_inside(pyramid))
    rng = np.random.default_rng(4)
    held = sink.begin(2, plan)
    sink.commit()
    places = final_places(plan, sink, rng)
    assert {level_at(sink, place) for place, _ in places} == {0}
    for update in kit.updates(plan, lambda k, at: arrays[k][at], 2, held, rng=rng):
        sink.put(update)
    sink.complete(2)
    sink.commit()
    assert [level_at(sink, place) for place, _ in places] == [level for _, level in places]


@pytest.mark.parametrize("method", ["mip", "average"])
def test_a_uniform_volume_has_no_holes_where_levels_meet(kit, method: str) -> None:
    pyramid, arrays = make_levels(kit, [(2, 2, 2), (2, 2, 2)], array=np.full((96, 110, 120), 200, dtype=np.uint8))
    view = look_inside(pyramid)
    with OffscreenView(CANVAS, max_gpu_bytes=1 << 26, clim=(0, 255), method=method) as screen:
        plan = kit.plan_for(screen.sink, pyramid, view)
        screen.show(view)
        kit.feed(screen.sink, plan, arrays)
        picture = screen.draw()
        assert len(screen.sink.shown_levels()) > 1
    level = pyramid.levels[0]
    dense = draw_dense(arrays[0], view, level.scale, level.translation, clim=(0, 255), method="average")
    inside = dense[..., 0] == 200
    assert inside.mean() > 0.5
    assert (picture[..., 0][inside] == 200).all()


def test_a_smooth_volume_looks_as_at_its_finest_level(kit) -> None:
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in (96, 110, 120)], indexing="ij")
    smooth = (127 + 60 * np.cos(3 * z) * np.sin(4 * y) + 60 * np.cos(3 * x)).astype(np.uint8)
    pyramid, arrays = make_levels(kit, [(2, 2, 2), (2, 2, 2)], array=smooth)
    view = look_inside(pyramid)
    mist = Colormap([(0, 0, 0, 0), (0.9, 0.2, 0.1, 0.02), (1, 1, 0.6, 0.1)])
    look = {"clim": (0, 255), "method": "translucent", "colormap": mist}
    with OffscreenView(CANVAS, max_gpu_bytes=1 << 26, **look) as screen:
        plan = kit.plan_for(screen.sink, pyramid, view)
        screen.show(view)
        kit.feed(screen.sink, plan, arrays)
        picture = screen.draw()
        assert len(screen.sink.shown_levels()) > 1
    level = pyramid.levels[0]
    dense = draw_dense(smooth, view, level.scale, level.translation, **look)
    assert dense[..., :3].max() > 60
    assert np.abs(picture.astype(int) - dense).mean() < 1.0


@pytest.mark.parametrize("method", ["mip", "minip"])
def test_what_lies_very_far_behind_the_focus_is_drawn(kit, method: str) -> None:
    n, count = 1 << 20, 15
    levels = tuple(
        Level(str(k), (n >> k,) * 3, np.dtype(np.uint8), (64,) * 3, (2.0**k,) * 3, (2.0**k / 2 - 0.5,) * 3)
        for k in range(count)
    )
    pyramid = Pyramid("huge", tuple(Axis(c, "space") for c in "zyx"), levels)
    view = View.volume(pyramid, canvas=(64, 48), zoom=1.0, camera=Camera(20, 15, fov=50))
    # Along y, where the camera looks to; the volume's far faces lie beyond the far plane.
    best = n / 2 + 100_000.0

    def read(k: int, at: tuple[slice, ...]) -> np.ndarray:
        y = np.arange(at[1].start, at[1].stop) * 2.0**k + 2.0**k / 2 - 0.5
        value = np.where(np.abs(y - best) < 30_000, 200 if method == "mip" else 50, 120).astype(np.uint8)
        return np.broadcast_to(value[None, :, None], [s.stop - s.start for s in at])

    with OffscreenView((64, 48), max_gpu_bytes=1 << 27, clim=(0, 255), method=method) as screen:
        screen.show(view)
        plan = kit.plan_for(screen.sink, pyramid, view)
        screen.sink.begin(1, plan)
        for update in kit.updates(plan, read, 1):
            screen.sink.put(update)
        screen.sink.complete(1)
        picture = screen.draw()[..., 0]
        assert 0 in screen.sink.shown_levels()
    assert (np.abs(picture.astype(int) - (200 if method == "mip" else 50)) <= 2).mean() > 0.9
