"""The computed volume: a valid pyramid of any size, whose chunks are what zarr reads and what the oracle says."""

import json
from itertools import pairwise

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import Zstd

from brickstream.errors import BrickstreamError
from brickstream.latency.network.server import ThreadedServer
from brickstream.latency.network.synthetic import (
    CHUNK,
    MAX_SIZE,
    synthetic_chunk,
    synthetic_content,
    synthetic_levels,
    synthetic_region,
)
from brickstream.samples.pyramid import box_mean

SHAPE = (70, 200, 130)
HUGE = (MAX_SIZE, MAX_SIZE, MAX_SIZE)


def document(path: str) -> dict[str, object]:
    content = synthetic_content(path)
    assert content is not None
    loaded: dict[str, object] = json.loads(content.read(0, content.size))
    return loaded


@given(st.tuples(*[st.integers(1, MAX_SIZE)] * 3))
def test_levels_halve_until_one_chunk_holds_all(shape: tuple[int, int, int]) -> None:
    levels = synthetic_levels(shape)
    assert levels[0].shape == shape
    assert max(levels[-1].shape) <= CHUNK
    for fine, coarse in pairwise(levels):
        assert max(fine.shape) > CHUNK
        assert coarse.shape == tuple(-(-n // 2) for n in fine.shape)


def test_a_level_is_the_mean_of_the_finer_one() -> None:
    levels = synthetic_levels(SHAPE)
    for k in range(1, len(levels)):
        fine = synthetic_region(SHAPE, k - 1, (0, 0, 0), levels[k - 1].shape)
        coarse = synthetic_region(SHAPE, k, (0, 0, 0), levels[k].shape)
        off = np.abs(box_mean(fine, (2, 2, 2)).astype(int) - coarse)
        # Up to 1 by rounding; at a ragged far edge repeating a pixel is not quite the mean of what is there.
        assert off[tuple(slice(n // 2) for n in fine.shape)].max() <= 1
        assert off.max() <= 4


@pytest.mark.parametrize("level", [0, 1, 2])
def test_chunks_tile_the_region(level: int) -> None:
    shape = synthetic_levels(SHAPE)[level].shape
    grid = [-(-n // CHUNK) for n in shape]
    tiled = np.zeros([n * CHUNK for n in grid], np.uint8)
    for index in np.ndindex(*grid):
        tiled[tuple(slice(i * CHUNK, (i + 1) * CHUNK) for i in index)] = synthetic_chunk(SHAPE, level, index)
    inside = tuple(slice(n) for n in shape)
    np.testing.assert_array_equal(tiled[inside], synthetic_region(SHAPE, level, (0, 0, 0), shape))
    tiled[inside] = 0
    assert not tiled.any(), "beyond the edges there is nothing but fill"


def test_the_far_corner_of_a_huge_volume_is_as_exact_as_the_near_one() -> None:
    last = MAX_SIZE // CHUNK - 1
    chunk = synthetic_chunk(HUGE, 0, (last, 0, last))
    start = (last * CHUNK + 10, 3, last * CHUNK + 60)
    region = synthetic_region(HUGE, 0, start, (start[0] + 5, 9, MAX_SIZE))
    np.testing.assert_array_equal(region, chunk[10:15, 3:9, 60:])
    coarse = synthetic_region(HUGE, 1, [s // 2 for s in start], [s // 2 + 1 for s in start])
    fine = synthetic_region(HUGE, 0, [s // 2 * 2 for s in start], [s // 2 * 2 + 2 for s in start])
    assert abs(fine.mean() - coarse.mean()) <= 1


def test_documents_describe_a_huge_volume() -> None:
    name = f"{MAX_SIZE}x{MAX_SIZE}x100"
    ome = document(f"{name}/zarr.json")["attributes"]["ome"]  # type: ignore[index]
    image = ome["multiscales"][0]
    assert ome["version"] == "0.5"
    assert [axis["name"] for axis in image["axes"]] == ["z", "y", "x"]
    assert len(image["datasets"]) == 15
    scale, translation = image["datasets"][3]["coordinateTransformations"]
    assert scale["scale"] == [8.0, 8.0, 8.0]
    assert translation["translation"] == [3.5, 3.5, 3.5]
    array = document(f"{name}/3/zarr.json")
    assert array["shape"] == [MAX_SIZE // 8, MAX_SIZE // 8, 13]


@pytest.mark.parametrize(
    "path",
    [
        "100x100x100",
        "100x100x100/",
        "100x100/zarr.json",
        "0x100x100/zarr.json",
        "1048577x100x100/zarr.json",
        "100x100x100/2/zarr.json",
        "100x100x100/.zattrs",
        "100x100x100/0/c/2/0/0",
        "100x100x100/0/c/0/0/-1",
        "100x100x100/0/c/00/0/0",
        "100x100x100/0/c/0/0",
        "100x100x100/9/c/0/0/0",
        "١x100x100/zarr.json",
        "",
    ],
)
def test_nothing_else_exists(path: str) -> None:
    assert synthetic_content(path) is None


def test_wrong_questions_to_the_oracle_are_errors() -> None:
    with pytest.raises(BrickstreamError, match="levels 0 to 2"):
        synthetic_chunk(SHAPE, 3, (0, 0, 0))
    with pytest.raises(BrickstreamError, match="no such chunk"):
        synthetic_chunk(SHAPE, 0, (2, 0, 0))
    with pytest.raises(BrickstreamError, match="inside"):
        synthetic_region(SHAPE, 0, (0, 0, 0), (71, 1, 1))
    with pytest.raises(BrickstreamError, match="1 to 1048576"):
        synthetic_levels((0, 1, 1))


def test_a_served_chunk_is_the_chunk() -> None:
    content = synthetic_content("70x200x130/1/c/0/1/0")
    assert content is not None
    decoded = Zstd().decode(content.read(0, content.size))
    np.testing.assert_array_equal(
        np.frombuffer(decoded, np.uint8).reshape((CHUNK,) * 3), synthetic_chunk(SHAPE, 1, (0, 1, 0))
    )


def test_zarr_reads_it_over_http() -> None:
    with ThreadedServer(None) as server:
        store = zarr.storage.FsspecStore.from_url(f"{server.url}/synthetic/70x200x130", read_only=True)
        group = zarr.open_group(store, mode="r")
        try:
            for k, level in enumerate(synthetic_levels(SHAPE)):
                array = group[str(k)]
                assert isinstance(array, zarr.Array)
                np.testing.assert_array_equal(
                    np.asarray(array[...]), synthetic_region(SHAPE, k, (0, 0, 0), level.shape)
                )
        finally:
            zarr.core.sync.sync(close_session(store))


async def close_session(store: zarr.storage.FsspecStore) -> None:
    # fsspec leaves its session open until the process ends, which is a ResourceWarning in a test.
    await (await store.fs.set_session()).close()
