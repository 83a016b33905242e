from __future__ import annotations

import numpy as np
import pytest

from brickstream.errors import BudgetError
from brickstream.multiscale import View
from brickstream.render.layout import choose_brick, choose_layout, texel_dtype


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


def test_texels_keep_what_the_gpu_has() -> None:
    assert [texel_dtype(np.dtype(d)).name for d in ("u1", "u2", "f4", "?", "i2", "f8", ">u2")] == [
        "uint8",
        "uint16",
        "float32",
        "uint8",
        "float32",
        "float32",
        "uint16",
    ]


def level0(kit, shape, chunks, dtype="u1", axes="zyx"):
    array = np.broadcast_to(np.zeros((), dtype=dtype), shape)
    return kit.make_pyramid([array], chunks, axes=axes)


@pytest.mark.parametrize("max_texture", [256, 512, 2048])
@pytest.mark.parametrize("max_bytes", [1 << 20, 1 << 25, 1 << 29])
def test_layout_keeps_to_its_limits(kit, max_texture: int, max_bytes: int) -> None:
    for shape, chunks, axes in [
        ((5000, 5000, 5000), (64, 64, 64), "zyx"),
        ((21600, 43200), (1024, 1024), "yx"),
        ((9, 3000, 3000), (1, 512, 512), "zyx"),
    ]:
        pyramid = level0(kit, shape, chunks, axes=axes)
        view = View.plane(pyramid) if len(shape) == 2 else View.volume(pyramid)
        layout = choose_layout(pyramid, view, max_bytes, max_texture)
        assert max(layout.shape) <= max_texture
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
    layout = choose_layout(pyramid, View.volume(pyramid), 1 << 29, 2048)
    assert layout.nbytes < 10 << 20
    assert layout.capacity >= 2 * 2 * 3


def test_planes_lie_on_a_power_of_two(kit) -> None:
    pyramid = level0(kit, (21600, 43200), (1024, 1024), axes="yx")
    layout = choose_layout(pyramid, View.plane(pyramid), 1 << 28, 2048)
    assert layout.slot == (1, 258, 258)
    assert layout.grid[0] & (layout.grid[0] - 1) == 0


def test_a_budget_below_one_brick_is_an_error(kit) -> None:
    pyramid = level0(kit, (500, 500, 500), (64, 64, 64))
    with pytest.raises(BudgetError, match="less than one brick"):
        choose_layout(pyramid, View.volume(pyramid), 1000, 2048)
