"""Bricks, aprons, eviction and generations, without a GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brickstream.multiscale import Camera, View
from brickstream.render.layout import TextureLimits
from brickstream.render.sink import BrickSink


def make_sink(kit, max_bytes: int = 1 << 26, max_texture: int = 2048, atlases: int = 1, **how) -> BrickSink:
    return BrickSink(kit.MemoryDevice(), max_bytes, lambda: TextureLimits(max_texture, max_texture, atlases), **how)


def check_slots(sink: BrickSink, arrays: list[np.ndarray], displayed_plane=None) -> int:
    """Every resident brick, apron and all, equals a clamped slice of its level."""
    layout, atlas = sink.layout, sink._device.atlas
    checked = 0
    for layer, bricks in sink._residency.layers.items():
        at = tuple(slice(None) if p < 0 else p for p in layer.plane)
        array = arrays[layer.level][at]
        array = array[None] if array.ndim == 2 else array
        for index, brick in bricks.items():
            starts = [i * b for i, b in zip(index, layout.brick, strict=True)]
            picks = [
                np.clip(np.arange(s - a, s - a + n), 0, size - 1)
                for s, a, n, size in zip(starts, layout.apron, layout.slot, array.shape, strict=True)
            ]
            # A brick at the far border repeats the border all the way through its slot.
            o = layout.origin(brick.slot)
            slot = atlas[o[0] : o[0] + layout.slot[0], o[1] : o[1] + layout.slot[1], o[2] : o[2] + layout.slot[2]]
            np.testing.assert_array_equal(slot, array[np.ix_(*picks)])
            assert brick.low <= slot.min()
            assert brick.high >= slot.max()
            checked += 1
    return checked


CASES = [
    ((40, 50, 70), (16, 16, 16), (2, 2, 2)),
    ((41, 67, 53), (1, 1024, 1024), (1, 3, 2)),
    ((37, 45, 61), (7, 20, 19), (3, 2, 2)),
    ((1, 70, 90), (1, 32, 17), (1, 2, 2)),
    ((90, 33, 40), (128, 24, 16), (2, 2, 3)),
    # The last brick of each axis, and at a coarser level the only one, is thinner than some aprons.
    ((33, 34, 49), (16, 16, 16), (16, 17, 16)),
]


@pytest.mark.parametrize(("shape", "chunks", "factors"), CASES)
@pytest.mark.parametrize("apron", [1, 2, 3])
def test_slots_equal_the_dense_volume(kit, shape, chunks, factors, apron: int) -> None:
    rng = np.random.default_rng(apron)
    fine = rng.integers(0, 65535, shape, dtype=np.uint16)
    arrays = [fine, kit.shrink(fine, factors)]
    pyramid = kit.make_pyramid(arrays, chunks)
    sink = make_sink(kit, apron=apron)
    view = View.volume(pyramid, level=0, camera=Camera(fov=0))
    kit.feed(sink, kit.plan_for(sink, pyramid, view), arrays, rng=rng)
    sink.commit()
    wanted = sum(len(w.bricks) for w in sink._wanted.values())
    assert check_slots(sink, arrays) == wanted > 0
    assert sink.shown_levels() == [0]
    assert not any(wanted.missing for wanted in sink._wanted.values())
    assert sink.counters.bricks == wanted


def test_planes_have_no_apron_across_the_plane(kit) -> None:
    rng = np.random.default_rng(3)
    array = rng.integers(0, 255, (5, 90, 110), dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (1, 32, 32))
    sink = make_sink(kit)
    for z in (1.0, 3.0):
        view = View.plane(pyramid, point={"z": z}, canvas=(100, 100))
        kit.feed(sink, kit.plan_for(sink, pyramid, view), [array], int(z), rng=rng)
        sink.commit()
    assert sink.layout.apron == (0, 1, 1)
    assert check_slots(sink, [array]) == 2 * 12


@pytest.mark.parametrize(("side", "chunk", "apron"), [(128, 32, 1), (128, 64, 1), (128, 64, 2)])
def test_aprons_cost_little(kit, side: int, chunk: int, apron: int) -> None:
    """A whole volume is uploaded as at most 1.3 times its bytes: slots and what is patched later together."""
    array = np.random.default_rng(0).integers(0, 255, (side,) * 3, dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (chunk,) * 3)
    sink = make_sink(kit, apron=apron)
    plan = kit.plan_for(sink, pyramid, View.volume(pyramid, level=0))
    sink.begin(1, plan)
    for update in kit.updates(plan, lambda k, at: array[at], 1):
        sink.put(update)
        sink.commit()
    sink.complete(1)
    sink.commit()
    counts = sink.counters
    assert check_slots(sink, [array]) == counts.bricks == (side // chunk) ** 3
    assert counts.patches > 0
    assert counts.bytes_bricks + counts.bytes_patches <= 1.3 * array.nbytes


def test_gpu_bytes_stay_in_the_budget_and_everything_shown_is_right(kit) -> None:
    array = np.random.default_rng(0).integers(0, 255, (40, 512, 512), dtype=np.uint8)
    arrays = [array, kit.shrink(array, (1, 2, 2)), kit.shrink(array, (1, 4, 4)), kit.shrink(array, (1, 8, 8))]
    pyramid = kit.make_pyramid(arrays, (1, 32, 32))
    sink = make_sink(kit, 120_000)
    rng = np.random.default_rng(5)
    for generation in range(1, 25):
        center = rng.uniform(0, 512, 2)
        view = View.plane(pyramid, point={"z": float(generation // 4)}, canvas=(96, 96), center=center, zoom=1.0)
        plan = kit.plan_for(sink, pyramid, view)
        held = set(sink.begin(generation, plan))
        for update in kit.updates(plan, lambda k, at: arrays[k][at], generation, held, rng=rng):
            sink.put(update)
            if rng.random() < 0.3:
                sink.commit(0.0)
        sink.complete(generation)
        sink.commit()
        assert sink.gpu_bytes <= 120_000
        assert sink.shown_levels() == ([plan.target.level] if not plan.empty else [])
    assert sink.counters.evicted > 0
    check_known(sink, arrays)


def check_known(sink: BrickSink, arrays: list[np.ndarray]) -> None:
    """Interiors of whole bricks equal the data."""
    layout, atlas = sink.layout, sink._device.atlas
    for layer, bricks in sink._residency.layers.items():
        array = arrays[layer.level][layer.plane[0]]
        for (_, y, x), brick in bricks.items():
            if brick.known is not None:
                continue
            _, h, w = brick.size
            oz, oy, ox = layout.origin(brick.slot)
            got = atlas[oz, oy + 1 : oy + 1 + h, ox + 1 : ox + 1 + w]
            _, by, bx = layout.brick
            np.testing.assert_array_equal(got, array[y * by : y * by + h, x * bx : x * bx + w])


def test_what_is_resident_is_held_and_a_plane_is_never_mistaken(kit) -> None:
    array = np.random.default_rng(0).integers(0, 255, (8, 128, 128), dtype=np.uint8)
    arrays = [array, kit.shrink(array, (4, 2, 2))]
    pyramid = kit.make_pyramid(arrays, (1, 32, 32))
    sink = make_sink(kit)

    def plan(z: float):
        return kit.plan_for(sink, pyramid, View.plane(pyramid, point={"z": z}, canvas=(128, 128), level=0))

    first = plan(0.0)
    assert [part.level for part in first.levels] == [1, 0]
    assert kit.feed(sink, first, arrays, 1) == set()
    sink.commit()
    again = sink.begin(2, plan(0.0))
    assert len(again) == first.chunk_count
    assert sink.shown_levels() == [0]
    # Plane 1 of level 0 is new, but lies in the same plane of level 1.
    held = sink.begin(3, plan(1.0))
    assert {level for level, _ in held} == {1}
    sink.commit()
    assert sink.shown_levels() == [1]
    # Plane 7 has nothing at all yet.
    assert sink.begin(4, plan(7.0)) == set()
    sink.commit()
    assert not sink.has_pixels


def test_stale_updates_and_failed_chunks_change_nothing(kit) -> None:
    array = np.random.default_rng(0).integers(0, 255, (64, 64, 64), dtype=np.uint8)
    arrays = [array, kit.shrink(array, (2, 2, 2))]
    pyramid = kit.make_pyramid(arrays, (32, 32, 32))
    sink = make_sink(kit)
    plan = kit.plan_for(sink, pyramid, View.volume(pyramid, level=0))
    bad = (0, (1, 1, 1))
    late = list(kit.updates(plan, lambda k, at: arrays[k][at], 1))
    kit.feed(sink, plan, arrays, 2, failed={bad})
    for update in late:
        sink.put(update)
    sink.commit()
    assert sink.counters.bricks == plan.chunk_count - 1
    assert sink.shown_levels() == [0, 1]
    assert sink.begin(3, plan) == {(p.level, tuple(c)) for p in plan.levels for c in p.chunks.tolist()} - {bad}


def test_zooming_out_keeps_the_fine_picture_until_the_new_one_is_there(kit) -> None:
    array = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    arrays = [array, kit.shrink(array, (2, 2)), kit.shrink(array, (4, 4))]
    pyramid = kit.make_pyramid(arrays, (64, 64), axes="yx")
    sink = make_sink(kit)
    near = View.plane(pyramid, canvas=(64, 64), center=(31.5, 31.5), zoom=1.0)
    plan = kit.plan_for(sink, pyramid, near)
    assert [part.level for part in plan.levels] == [0]
    kit.feed(sink, plan, arrays, 1)
    sink.commit()
    far = View.plane(pyramid, canvas=(64, 64), zoom=0.25)
    plan = kit.plan_for(sink, pyramid, far)
    assert plan.target.level == 2
    held = sink.begin(2, plan)
    sink.commit()
    assert sink._screen.table.windows[0].grid.layer.level == 0
    assert sink.shown_levels() == [0]
    for update in kit.updates(plan, lambda k, at: arrays[k][at], 2, held):
        sink.put(update)
    sink.commit()
    assert sink.shown_levels() == [2]
    assert [w.grid.layer.level for w in sink._screen.table.windows] == [2]


def test_a_brick_with_new_parts_in_view_waits_for_them(kit) -> None:
    array = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (8, 8), axes="yx")
    sink = make_sink(kit)
    corner = View.plane(pyramid, canvas=(8, 8), center=(3.5, 3.5), zoom=1.0)
    plan = kit.plan_for(sink, pyramid, corner)
    assert plan.chunk_count == 1
    kit.feed(sink, plan, [array], 1)
    sink.commit()
    assert sink.shown_levels() == [0]
    wider = View.plane(pyramid, canvas=(16, 8), center=(3.5, 7.5), zoom=1.0)
    plan = kit.plan_for(sink, pyramid, wider)
    held = sink.begin(2, plan)
    assert held == set()
    sink.commit()
    assert sink.has_pixels  # the part that is there stays
    for update in kit.updates(plan, lambda k, at: array[at], 2, held):
        sink.put(update)
    sink.commit()
    o = sink.layout.origin(sink._residency.get(sink._screen.table.windows[0].grid.layer, (0, 0, 0)).slot)
    np.testing.assert_array_equal(sink._device.atlas[o[0], o[1] + 1 : o[1] + 9, o[2] + 1 : o[2] + 17], array[:8, :16])


def test_the_atlas_grows_with_what_is_used_and_keeps_what_it_holds(kit) -> None:
    """A small view does not cost the whole budget; growing changes no texel."""
    array = np.arange(1024 * 1024, dtype=np.uint32).reshape(1024, 1024).astype(np.float32)
    pyramid = kit.make_pyramid([array], (32, 32), axes="yx")
    sink = make_sink(kit, 64 << 20, max_texture=256)
    small = View.plane(pyramid, canvas=(64, 64), zoom=1.0, center=(100.0, 100.0))
    whole = View.plane(pyramid, canvas=(1024, 1024), zoom=1.0)
    sizes = []
    for generation, view in enumerate((small, whole), 1):
        kit.feed(sink, kit.plan_for(sink, pyramid, view), [array], generation)
        sink.commit()
        sizes.append(sink.gpu_bytes)
    assert sizes[0] * 4 < sizes[1] <= 64 << 20
    assert check_slots(sink, [array]) == 1024


@pytest.mark.parametrize("apron", [1, 2])
def test_another_apron_makes_another_atlas(kit, apron: int) -> None:
    array = np.random.default_rng(3).integers(0, 255, (5, 90, 110), dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (1, 32, 32))
    sink = make_sink(kit, apron=3 - apron)
    view = View.plane(pyramid, point={"z": 1.0}, canvas=(100, 100))
    plan = kit.plan_for(sink, pyramid, view)
    kit.feed(sink, plan, [array], 1)
    sink.commit()
    assert not sink.wants_anew
    sink.wish = replace(sink.wish, apron=apron)
    assert sink.wants_anew
    assert sink.pending_uploads
    assert sink.shown_levels() == [0]  # until the view begins anew
    assert kit.feed(sink, kit.plan_for(sink, pyramid, view), [array], 2) == set()
    sink.commit()
    assert not sink.wants_anew
    assert sink.layout.apron == (0, apron, apron)
    assert check_slots(sink, [array]) == 12


def test_several_textures_hold_what_one_does_not(kit) -> None:
    array = np.random.default_rng(0).integers(0, 255, (96, 200, 200), dtype=np.uint8)
    arrays = [array, kit.shrink(array, (2, 2, 2))]
    pyramid = kit.make_pyramid(arrays, (32, 32, 32))
    view = View.volume(pyramid, level=0)
    limits = [(2048, 1), (128, 8), (128, 3)]
    sinks = [make_sink(kit, 1 << 26, side, atlases) for side, atlases in limits]
    plans = [kit.plan_for(sink, pyramid, view) for sink in sinks]
    assert [plan.target.level for plan in plans] == [0, 0, 1]
    for sink, plan, (side, atlases) in zip(sinks, plans, limits, strict=True):
        textures = []
        for generation, zoomed in enumerate((View.volume(pyramid, level=1), view), 1):
            kit.feed(sink, plan if zoomed is view else kit.plan_for(sink, pyramid, zoomed), arrays, generation)
            sink.commit()
            textures.append(sink._device.layout.textures)
        assert check_slots(sink, arrays) == sum(map(len, sink._residency.layers.values()))
        assert textures[0] <= textures[1] <= atlases
        assert max(sink._device.layout.texture_shape) <= side
    assert [sink._device.layout.textures for sink in sinks] == [1, 4, 1]
