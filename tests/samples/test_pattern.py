"""The closed form of the picture against what it stands for: means of boxes of level 0."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.samples.layout import Axis, channel, group_attributes, halved_levels
from brickstream.samples.pattern import pattern
from brickstream.samples.pyramid import box_mean

SHAPE = (37, 150, 64)


def whole(factor: tuple[int, ...], dtype: Any = np.uint8, turn: float = 0.0) -> Any:
    stop = [-(-n // f) for n, f in zip(SHAPE, factor, strict=True)]
    return pattern([0, 0, 0], stop, factor=factor, extent=SHAPE, dtype=dtype, turn=turn)


@pytest.mark.parametrize("factor", [(2, 2, 2), (4, 4, 4), (16, 16, 16), (64, 1, 8)])
def test_a_coarse_pixel_is_the_mean_of_the_pixels_it_stands_for(factor: tuple[int, ...]) -> None:
    fine = whole((1, 1, 1), np.uint16).astype(float)
    coarse = whole(factor, np.uint16)
    for index in np.ndindex(coarse.shape):
        box = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factor, strict=True))
        # Rounding, and profiles that are whole numbers of 1 / 32768.
        assert abs(fine[box].mean() - coarse[index]) < 6


@given(st.data())
def test_a_region_is_cut_out_of_the_whole_bit_for_bit(data: st.DataObject) -> None:
    level = data.draw(st.sampled_from(halved_levels(SHAPE, (True,) * 3, 16)))
    spans = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in level.shape]
    region = pattern([a for a, _ in spans], [b for _, b in spans], factor=level.factor, extent=SHAPE)
    np.testing.assert_array_equal(region, whole(level.factor)[tuple(slice(a, b) for a, b in spans)])


def test_the_picture_differs_by_axis_and_by_turn() -> None:
    cube = pattern([0] * 3, [32] * 3, factor=[1] * 3, extent=[512] * 3)
    for order in ((0, 2, 1), (1, 0, 2), (2, 1, 0)):
        assert np.abs(cube.astype(int) - cube.transpose(order)).mean() > 1
    assert np.abs(whole((1, 1, 1), turn=0.3).astype(int) - whole((1, 1, 1))).mean() > 1


@pytest.mark.parametrize("level", [0, 4, 8, 12, 14])
def test_there_is_structure_at_every_scale_of_a_huge_image(level: int) -> None:
    size, factor = 1 << 20, 1 << level
    middle = size // factor // 3
    part = pattern([middle] * 3, [middle + 16] * 3, factor=[factor] * 3, extent=[size] * 3)
    assert int(part.max()) - int(part.min()) > 20


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.data())
def test_box_mean_is_the_mean_of_the_padded_box(shape: list[int], data: st.DataObject) -> None:
    factor = [data.draw(st.sampled_from([1, 2])) for _ in shape]
    fine = np.random.default_rng(len(shape)).integers(0, 256, shape, dtype=np.uint8)
    fine.flat[0] = 255
    padded = np.pad(fine, [(0, -n % f) for n, f in zip(shape, factor, strict=True)], mode="edge").astype(float)
    blocks = padded.reshape([m for n, f in zip(padded.shape, factor, strict=True) for m in (n // f, f)])
    expected = np.floor(blocks.mean(axis=tuple(range(1, blocks.ndim, 2))) + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(box_mean(fine, factor), expected)


def test_box_mean_of_the_largest_values_does_not_overflow() -> None:
    np.testing.assert_array_equal(box_mean(np.full((3, 3, 3), 65535, np.uint16), (2, 2, 2)), np.uint16(65535))


@given(st.lists(st.integers(1, 5000), min_size=2, max_size=3), st.integers(1, 64))
def test_levels_halve_until_the_coarsest_is_small(shape: list[int], smallest: int) -> None:
    levels = halved_levels([3, *shape], [False] + [True] * len(shape), smallest)
    assert levels[0].shape == (3, *shape)
    assert max(levels[-1].shape[1:]) <= smallest
    assert all(max(level.shape[1:]) > smallest for level in levels[:-1])
    for fine, coarse in pairwise(levels):
        assert coarse.shape == (3, *(-(-n // 2) for n in fine.shape[1:]))
        assert coarse.factor == (
            1,
            *(f * 2 if n > 1 else f for f, n in zip(fine.factor[1:], fine.shape[1:], strict=True)),
        )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_metadata_centre_a_coarse_pixel_on_its_fine_pixels(version: str) -> None:
    axes = (Axis("c", "channel"), Axis("y", "space", 0.5, "micrometer"), Axis("x", "space", 2.0))
    levels = halved_levels((2, 9, 5), (False, True, True), 3)
    found = group_attributes("n", axes, levels, [channel("a", (0, 255), (1, 9), "FF0000")], ome_version=version)
    found = found if version == "0.4" else found["ome"]
    image = found["multiscales"][0]
    assert (image if version == "0.4" else found)["version"] == version
    assert image["axes"][1] == {"name": "y", "type": "space", "unit": "micrometer"}
    assert "unit" not in image["axes"][2]
    scale, translation = image["datasets"][2]["coordinateTransformations"]
    assert scale["scale"] == [1.0, 2.0, 8.0]
    assert translation["translation"] == [0.0, 0.75, 3.0]
    assert math.isclose(translation["translation"][1], 0.5 * np.arange(4).mean())
    assert found["omero"]["channels"][0]["window"] == {"min": 0, "max": 255, "start": 1, "end": 9}
