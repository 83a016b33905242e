"""docs/sources.md says what is true: its blocks run, its example keeps the contract, its table of damage holds."""

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask.array
import numcodecs
import numpy as np
import pytest
import zarr
from distributed import Client, LocalCluster
from kept import ome_zarr
from trees import write
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from brickstream import Engine, View
from brickstream.chunks import image_of, open_image
from brickstream.errors import BrickstreamError
from brickstream.latency import ThreadedServer
from brickstream.testing import ChunkSourceConformance, MemoryReader

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def run(block: str, names: dict[str, Any]) -> None:
    """Run a block of the page, which may await."""
    code = compile(block, "docs/sources.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def test_every_block_runs(tmp_path: Path, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "image.zarr", ome_zarr())
    with ThreadedServer(tmp_path) as server:
        names: dict[str, Any] = {
            "url": f"{server.url}/image.zarr",
            "dask_array": dask.array.zeros((40, 40), chunks=(20, 20), dtype="u2"),
            "client": client,
            "Engine": Engine,
            "View": View,
        }
        for block in BLOCKS:
            run(block, names)
    assert len(BLOCKS) == 7
    assert "1.0" in capsys.readouterr().out


def example() -> dict[str, Any]:
    """The source of the page and its test class."""
    names: dict[str, Any] = {"Engine": Engine}
    for block in BLOCKS[-2:]:
        run(block, names)
    return names


_EXAMPLE = example()


class TestTheExample(_EXAMPLE["TestWaves"]):  # type: ignore[misc]
    """The example keeps the contract."""


def test_the_example_has_ten_lines() -> None:
    start = BLOCKS[-2].index("class Waves")
    source = BLOCKS[-2][start : BLOCKS[-2].index("async with")]
    assert len([line for line in source.splitlines() if line.strip()]) <= 10
    assert issubclass(_EXAMPLE["TestWaves"], ChunkSourceConformance)


def test_sources_of_several_levels_are_an_image() -> None:
    waves = _EXAMPLE["Waves"]

    class Coarse(waves):  # type: ignore[misc, valid-type]
        shape = (350, 500)

    async def picture() -> Any:
        async with Engine() as engine:
            image = await engine.open([waves(), Coarse()])
            async for update in engine.slice(image, View.plane(image, canvas=(500, 350))):
                last = update
            return image, last.to_array()

    image, pixels = asyncio.run(picture())
    assert [level.shape for level in image.pyramid.levels] == [(700, 1000), (350, 500)]
    assert image.sources[1].chunks == (256, 256)
    assert pixels.dtype == np.uint8
    with pytest.raises(BrickstreamError, match="the chunks that the source has"):
        image_of(waves(), chunks=(64, 64))


KINDS: dict[str, dict[str, Any]] = {
    "no codec": {"compressors": None},
    "crc32c": {"compressors": [Crc32cCodec()]},
    "gzip": {"compressors": [GzipCodec()]},
    "zstd without": {"compressors": [ZstdCodec()]},
    "zstd with `checksum`": {"compressors": [ZstdCodec(checksum=True)]},
    "blosc": {"compressors": [BloscCodec()]},
    "zlib": {"compressors": [numcodecs.Zlib()], "zarr_format": 2},
    "bz2": {"compressors": [numcodecs.BZ2()], "zarr_format": 2},
    "lzma": {"compressors": [numcodecs.LZMA()], "zarr_format": 2},
    "lz4": {"compressors": [numcodecs.LZ4()], "zarr_format": 2},
}
PIXELS = np.random.default_rng(0).integers(0, 50, (16, 16)).astype("u2")


def wrong_pixels(kind: str) -> bool:
    """Whether a byte can be flipped so that a chunk comes with wrong pixels."""
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(store, shape=PIXELS.shape, dtype=PIXELS.dtype, chunks=PIXELS.shape, **KINDS[kind])
    array[...] = PIXELS
    tree = {key: value.to_bytes() for key, value in store._store_dict.items()}
    key = next(key for key in tree if key.endswith(("0/0", "0.0")))
    pool = ThreadPoolExecutor(1)

    async def read(at: int, by: int) -> bool:
        body = bytearray(tree[key])
        body[at] ^= by
        image = await open_image(MemoryReader({**tree, key: bytes(body)}), pool)
        try:
            chunk = await image.sources[0].read((0, 0))
        except BrickstreamError:
            return False
        return chunk is None or not np.array_equal(chunk, PIXELS)

    async def any_wrong() -> bool:
        dice = np.random.default_rng(1)
        places = dice.choice(len(tree[key]), 40, replace=False)
        return any([await read(int(at), int(dice.integers(1, 256))) for at in places])

    with pool:
        return asyncio.run(any_wrong())


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_damage_is_true(kind: str) -> None:
    rows = [line.split("|")[1:4] for line in PAGE.splitlines() if line.startswith("|")]
    (row,) = [cells for cells in rows if len(cells) == 3 and kind in re.split(r",? *, | $|^ ", cells[0])]
    assert wrong_pixels(kind) == (not row[2].strip().startswith("0"))
