"""An engine with a cache on disk: the second session asks what has changed, and reads nothing twice."""

import asyncio
from pathlib import Path

import numpy as np
import zarr

from brickstream.chunks import DiskCache
from brickstream.engine import Engine
from brickstream.latency import ThreadedServer
from brickstream.multiscale import View


async def picture(url: str, folder: Path) -> tuple[np.ndarray, int]:
    async with Engine(disk_cache=DiskCache(folder)) as engine:
        image = await engine.open(url)
        async for update in engine.slice(image, View.plane(image, canvas=(64, 64))):
            last = update
        return last.to_array(), engine.stats().bytes_read


def test_a_second_session_reads_no_chunk_again(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    zarr.create_array(str(tmp_path / "data" / "image"), data=pixels, chunks=(16, 16))
    with ThreadedServer(tmp_path / "data") as server:
        first, cold = asyncio.run(picture(f"{server.url}/image", tmp_path / "cache"))
        chunks = [record.key for record in server.log if "/c/" in record.key]
        assert len(chunks) == 16
        second, warm = asyncio.run(picture(f"{server.url}/image", tmp_path / "cache"))
        assert [record.key for record in server.log if "/c/" in record.key] == chunks
    np.testing.assert_array_equal(first, pixels)
    np.testing.assert_array_equal(second, pixels)
    assert warm < cold / 4
