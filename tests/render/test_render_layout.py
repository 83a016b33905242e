from __future__ import annotations

import numpy as np
import pytest

from brickstream.errors import BudgetError
from brickstream.multiscale import Pyramid, View
from brickstream.render.encoding import encoding_of
from brickstream.render.layout import AtlasLayout, TextureLimits, choose_brick, choose_layout


@pytest.mark.parametrize(
    ("chunks", "limit", "brick"),
    [
        ((64, 64, 64), 64, (64, 64, 64)),
        ((16, 32, 64), 64, (16, 32, 64)),
        ((128, 96, 1024), 64, (64, 48, 64)),
        ((1, 1024, 1024), 64, (32, 64, 64)),
        ((5, 8, 12), 64, (30, 32, 24)),
        ((1021, 67, 100), 64, (64, 64, 50)),
        ((1024, 1024), 256, (256, 256)),
        ((1000, 300), 254, (250, 150)),
    ],
)
def test_brick_follows_the_chunk(chunks: tuple[int, ...], limit: int, brick: tuple[int, ...]) -> None:
    assert choose_brick(chunks, (100000,) * len(chunks), limit) == brick


def test_brick_is_never_larger_than_the_image() -> None:
    assert choose_brick((64, 64, 64), (1, 40, 500), 64) == (1, 40, 64)


def level0(kit, shape, chunks, dtype="u1", axes="zyx"):
    array = np.broadcast_to(np.zeros((), dtype=dtype), shape)
    return kit.make_pyramid([array], chunks, axes=axes)


def layout_of(pyramid: Pyramid, view: View, max_bytes: int, max_texture: int, atlases: int = 1) -> AtlasLayout:
    return choose_layout(
        pyramid, view, encoding_of(pyramid.dtype), max_bytes, TextureLimits(max_texture, max_texture, atlases)
    )


@pytest.mark.parametrize("max_texture", [256, 512, 2048])
@pytest.mark.parametrize("max_bytes", [1 << 20, 1 << 25, 1 << 29])
@pytest.mark.parametrize("atlases", [1, 8])
def test_layout_keeps_to_its_limits(kit, max_texture: int, max_bytes: int, atlases: int) -> None:
    for shape, chunks, axes in [
        ((5000, 5000, 5000), (64, 64, 64), "zyx"),
        ((21600, 43200), (1024, 1024), "yx"),
        ((9, 3000, 3000), (1, 512, 512), "zyx"),
    ]:
        pyramid = level0(kit, shape, chunks, axes=axes)
        view = View.plane(pyramid) if len(shape) == 2 else View.volume(pyramid)
        layout = layout_of(pyramid, view, max_bytes, max_texture, atlases)
        assert max(layout.texture_shape) <= max_texture
        assert 1 <= layout.textures <= atlases
        assert layout.shape[0] == layout.textures * layout.texture_shape[0]
        for count in range(1, layout.grid[0] + 1):
            part = layout.rows(count)
            assert count <= part.grid[0] <= layout.grid[0]
            assert part.grid[0] == part.textures * part.texture_grid[0]
        assert layout.nbytes <= max_bytes * 15 / 16
        assert layout.capacity >= 1
        if max_texture == 2048 and shape[0] > 9:
            assert layout.nbytes >= 0.8 * max_bytes * 15 / 16 or max_bytes == 1 << 20
        origins = {layout.origin(s) for s in range(layout.capacity + 1)}
        assert len(origins) == layout.capacity + 1
        ends = np.array(sorted(origins)) + layout.slot
        assert (ends <= layout.shape).all()


def test_a_small_image_gets_a_small_atlas(kit) -> None:
    pyramid = level0(kit, (100, 120, 130), (64, 64, 64))
    layout = layout_of(pyramid, View.volume(pyramid), 1 << 29, 2048)
    assert layout.nbytes < 10 << 20
    assert layout.capacity >= 2 * 2 * 3


def test_planes_lie_on_a_power_of_two(kit) -> None:
    pyramid = level0(kit, (21600, 43200), (1024, 1024), axes="yx")
    layout = layout_of(pyramid, View.plane(pyramid), 1 << 28, 2048)
    assert layout.slot == (1, 258, 258)
    assert layout.grid[0] & (layout.grid[0] - 1) == 0


def test_a_budget_below_one_brick_is_an_error(kit) -> None:
    pyramid = level0(kit, (500, 500, 500), (64, 64, 64))
    with pytest.raises(BudgetError, match="less than one brick"):
        layout_of(pyramid, View.volume(pyramid), 1000, 2048)


def test_more_textures_only_where_one_is_too_small(kit) -> None:
    pyramid = level0(kit, (1000, 1000, 1000), (64, 64, 64))
    view = View.volume(pyramid)
    counts = {side: layout_of(pyramid, view, 1 << 28, side, 8).textures for side in (256, 512, 1024)}
    assert counts == {256: 8, 512: 3, 1024: 1}
    alone = layout_of(pyramid, view, 1 << 28, 512, 1)
    assert layout_of(pyramid, view, 1 << 28, 512, 8).capacity > 1.9 * alone.capacity
