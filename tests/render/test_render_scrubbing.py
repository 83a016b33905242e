"""Another plane: what was on screen stays until the new one has something everywhere in view."""

from __future__ import annotations

import numpy as np
import pytest

from brickstream.engine.outdated import outdated
from brickstream.multiscale import View
from brickstream.render import OffscreenView
from brickstream.render.layout import TextureLimits
from brickstream.render.sink import BrickSink

SIDE = 128


def stack(kit, seed: int = 0):
    array = np.random.default_rng(seed).integers(1, 255, (8, SIDE, SIDE), dtype=np.uint8)
    arrays = [array, kit.shrink(array, (4, 2, 2))]
    return kit.make_pyramid(arrays, (1, 32, 32)), arrays


def plane(pyramid, z: float, **options) -> View:
    return View.plane(pyramid, point={"z": z}, canvas=(SIDE, SIDE), level=0, **options)


def reader(arrays):
    return lambda k, at: arrays[k][at]


def make_sink(kit, max_bytes: int = 1 << 24) -> BrickSink:
    return BrickSink(kit.MemoryDevice(), max_bytes, lambda: TextureLimits(2048, 2048))


def started(kit, sink: BrickSink, max_z: float = 0.0):
    """A sink that shows plane 0, and a way to plan others."""
    pyramid, arrays = stack(kit)
    kit.feed(sink, kit.plan_for(sink, pyramid, plane(pyramid, max_z)), arrays, 1)
    sink.commit()
    assert sink.shown_levels() == [0]
    return pyramid, arrays


def test_the_old_plane_stays_until_the_coarse_level_of_the_new_one_is_whole(kit) -> None:
    sink = make_sink(kit)
    pyramid, arrays = started(kit, sink)
    old = sink.frame
    plan = kit.plan_for(sink, pyramid, plane(pyramid, 7.0))
    held = sink.begin(2, plan)
    coarse = [update for update in kit.updates(plan, reader(arrays), 2, held) if update.level == 1]
    for update in coarse:
        sink.commit()
        assert sink.frame is old
        assert not sink.shows_newest
        assert not sink.has_pixels, "what is shown is old"
        sink.put(update)
    sink.commit()
    assert sink.shows_newest
    assert sink.shown_levels() == [1]


def test_a_coarse_chunk_that_fails_does_not_keep_the_old_plane_for_ever(kit) -> None:
    sink = make_sink(kit)
    pyramid, arrays = started(kit, sink)
    plan = kit.plan_for(sink, pyramid, plane(pyramid, 7.0))
    failed = {(part.level, tuple(index)) for part in plan.levels for index in part.chunks.tolist()}
    kit.feed(sink, plan, arrays, 2, failed=failed)
    sink.commit()
    assert sink.shows_newest
    assert not sink.has_pixels


def test_a_plane_that_is_there_already_is_shown_at_once(kit) -> None:
    sink = make_sink(kit)
    pyramid, arrays = started(kit, sink)
    kit.feed(sink, kit.plan_for(sink, pyramid, plane(pyramid, 7.0)), arrays, 2)
    sink.commit()
    plan = kit.plan_for(sink, pyramid, plane(pyramid, 0.0))
    assert len(sink.begin(3, plan)) == plan.chunk_count
    assert sink.shows_newest
    sink.commit()
    assert sink.shown_levels() == [0]


def test_moving_on_before_the_new_plane_came_keeps_the_last_one_that_did(kit) -> None:
    sink = make_sink(kit)
    pyramid, arrays = started(kit, sink)
    old = sink.frame
    for generation, z in enumerate((4.0, 5.0, 6.0), 2):
        sink.begin(generation, kit.plan_for(sink, pyramid, plane(pyramid, z, center=(60.0 + z, 64.0))))
        sink.commit()
        assert sink.frame is old
    kit.feed(sink, kit.plan_for(sink, pyramid, plane(pyramid, 7.0)), arrays, 5)
    sink.commit()
    assert sink.shown_levels() == [0]


@pytest.mark.parametrize("what", ["axes", "image", "nothing"])
def test_what_cannot_stand_in_for_the_new_picture_leaves_at_once(kit, what: str) -> None:
    sink = make_sink(kit)
    pyramid, _ = started(kit, sink)
    if what == "axes":
        view = View.plane(pyramid, ("z", "x"), {"y": 7.0}, (SIDE, SIDE), level=0)
    elif what == "image":
        pyramid, _ = stack(kit, 1)
        view = plane(pyramid, 0.0)
    else:
        view = plane(pyramid, 0.0, center=(1e6, 1e6))
    sink.begin(2, kit.plan_for(sink, pyramid, view))
    sink.commit()
    assert sink.shows_newest
    assert not sink.has_pixels


def test_with_room_for_one_plane_only_the_old_one_gives_way_and_nothing_wrong_is_drawn(kit) -> None:
    """A slot that went to the new plane is not on screen any more as a part of the old one."""
    sink = make_sink(kit, 40_000)
    pyramid, arrays = started(kit, sink)
    assert sink.layout is not None
    plan = kit.plan_for(sink, pyramid, plane(pyramid, 7.0))
    assert 2 * plan.chunk_count > sink.layout.capacity
    held = sink.begin(2, plan)
    for update in kit.updates(plan, reader(arrays), 2, held):
        sink.put(update)
        sink.commit()
        screen = sink._screen
        assert screen is not None
        for window in screen.table.windows:
            there = sink._residency.layers.get(window.grid.layer, {})
            for index in np.ndindex(*window.grid.counts):
                if screen.holds((window.grid.layer, index)):
                    assert index in there
    assert sink.shown_levels() == [0]


def test_what_was_written_anew_replaces_what_is_on_screen_when_it_has_come(kit) -> None:
    sink = make_sink(kit)
    pyramid, arrays = started(kit, sink)
    plan = kit.plan_for(sink, pyramid, plane(pyramid, 0.0))
    arrays = [255 - array for array in arrays]
    sink.drop(pyramid, outdated(pyramid, np.array([[0, 40, 40], [1, 41, 41]])))
    held = sink.begin(2, plan)
    expected = {(0, (0, 1, 1)), (1, (0, 0, 0))}
    assert {(part.level, tuple(i)) for part in plan.levels for i in part.chunks.tolist()} - held == expected
    sink.commit()
    assert sink.shown_levels() == [0]
    for update in kit.updates(plan, reader(arrays), 2, held):
        sink.put(update)
    sink.complete(2)
    sink.commit()
    assert sink._residency is not None
    layer = next(layer for layer in sink._residency.layers if layer.level == 0)
    by, bx = sink.layout.brick[1:]
    for index, brick in sink._residency.layers[layer].items():
        oz, oy, ox = sink.layout.origin(brick.slot)
        box = np.s_[index[1] * by : (index[1] + 1) * by, index[2] * bx : (index[2] + 1) * bx]
        inverted = 255 - arrays[0][0]
        fresh = np.zeros((SIDE, SIDE), dtype=bool)
        fresh[32:64, 32:64] = by == bx == 32
        want = np.where(fresh, arrays[0][0], inverted)[box]
        got = sink._device.atlas[oz, oy + 1 : oy + 1 + by, ox + 1 : ox + 1 + bx]
        np.testing.assert_array_equal(got, want)


def test_on_the_screen_old_pixels_stay_and_then_all_are_new(kit) -> None:
    pyramid, arrays = stack(kit)
    with OffscreenView((SIDE, SIDE), max_gpu_bytes=1 << 24, clim=(0, 255)) as screen:
        pictures = []
        for generation, z in enumerate((0.0, 7.0), 1):
            view = plane(pyramid, z, zoom=1.0)
            plan = kit.plan_for(screen.sink, pyramid, view)
            screen.show(view)
            held = screen.sink.begin(generation, plan)
            pictures.append(screen.draw()[..., 0])
            for update in kit.updates(plan, reader(arrays), generation, held):
                screen.sink.put(update)
            screen.sink.complete(generation)
            pictures.append(screen.draw()[..., 0])
    blank, first, between, last = pictures
    assert not blank.any()
    np.testing.assert_array_equal(first, arrays[0][0])
    np.testing.assert_array_equal(between, first)
    np.testing.assert_array_equal(last, arrays[0][7])


def test_what_is_written_anew_stays_on_screen_through_a_pan_before_its_upload(kit) -> None:
    sink = make_sink(kit)
    pyramid, arrays = started(kit, sink)
    sink.drop(pyramid, outdated(pyramid, np.array([[0, 0, 0], [8, SIDE, SIDE]])))
    plan = kit.plan_for(sink, pyramid, plane(pyramid, 0.0))
    held = sink.begin(2, plan)
    assert not held
    for update in kit.updates(plan, reader(arrays), 2, held):
        sink.put(update)
    sink.begin(3, kit.plan_for(sink, pyramid, plane(pyramid, 0.0, center=(61.0, 64.0))))
    assert sink._screen is not None
    layer = next(layer for layer in sink._residency.layers if layer.level == 0)
    assert sum(sink._screen.holds((layer, index)) for index in sink._residency.layers[layer]) == 16
