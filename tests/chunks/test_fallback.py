"""Codecs that somebody has taught zarr-python: read through it, in plain arrays and in shards."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
import zarr.codecs
from zarr.abc.codec import BytesBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer
from zarr.registry import register_codec

from brickstream.chunks import ChunkSource, Traffic, open_image
from brickstream.chunks.reader import LocalReader
from brickstream.chunks.source import clip_chunk
from brickstream.chunks.zarr.fallback import ZarrDecoder
from brickstream.chunks.zarr.sharded import ShardedSource
from brickstream.chunks.zarr.unsharded import ZarrSource
from brickstream.errors import CodecError

PIXELS = np.random.default_rng(2).integers(0, 99, (7, 10)).astype("f4")


@dataclass(frozen=True)
class Turned(BytesBytesCodec):
    """Writes the bytes in reverse and puts a mark at their end."""

    is_fixed_size = True

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Turned":
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {"name": "test.turned", "configuration": {}}

    async def _encode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return chunk_spec.prototype.buffer.from_bytes(chunk_bytes.to_bytes()[::-1] + b"!")

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        raw = chunk_bytes.to_bytes()
        if raw[-1:] != b"!":
            raise RuntimeError("no mark\nat the end")
        return chunk_spec.prototype.buffer.from_bytes(raw[-2::-1])

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return input_byte_length + 1


register_codec("test.turned", Turned)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def write(path: Path, **options: Any) -> Path:
    array = zarr.create_array(
        str(path), shape=PIXELS.shape, dtype=PIXELS.dtype, chunks=(3, 4), fill_value=float("nan"), **options
    )
    array[:3, :4] = PIXELS[:3, :4]
    array[6:, 8:] = PIXELS[6:, 8:]
    return path


async def opened(path: Path, pool: ThreadPoolExecutor) -> Any:
    return (await open_image(LocalReader(path, Traffic()), pool)).sources[0]


async def check(source: ChunkSource) -> None:
    np.testing.assert_array_equal(await source.read((0, 0)), PIXELS[:3, :4])
    edge = await source.read((2, 2))
    assert edge is not None
    np.testing.assert_array_equal(clip_chunk(edge, (2, 2), source, "here"), PIXELS[6:, 8:])
    assert await source.read((1, 1)) is None
    assert np.isnan(source.fill_value)


async def test_an_array_with_a_codec_of_somebodys_own(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    path = await asyncio.to_thread(write, tmp_path / "a", compressors=[zarr.codecs.GzipCodec(), Turned()])
    source = await opened(path, pool)
    assert isinstance(source, ZarrSource)
    assert isinstance(source.decoder, ZarrDecoder)
    await check(source)
    assert source.key((2, 1)) == "c/2/1"


async def test_shards_of_chunks_with_a_codec_of_somebodys_own(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    path = await asyncio.to_thread(write, tmp_path / "a", shards=(6, 8), compressors=[Turned()])
    source = await opened(path, pool)
    assert isinstance(source, ShardedSource)
    assert isinstance(source.decoder, ZarrDecoder)
    await check(source)


async def test_its_pixels_cannot_be_written_to(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    source = await opened(await asyncio.to_thread(write, tmp_path / "a", compressors=[Turned()]), pool)
    chunk = await source.read((0, 0))
    with pytest.raises(ValueError, match="read-only"):
        chunk[0, 0] = 1


async def test_what_it_cannot_decode_is_a_codec_error_of_one_line(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    path = await asyncio.to_thread(write, tmp_path / "a", compressors=[Turned()])
    file = path / "c" / "0" / "0"
    await asyncio.to_thread(file.write_bytes, b"abc")
    source = await opened(path, pool)
    with pytest.raises(CodecError, match=r"the chunk cannot be decoded \(RuntimeError: no mark at the end\)"):
        await source.read((0, 0))
    await asyncio.to_thread(file.write_bytes, b"abc!")
    with pytest.raises(CodecError, match="the chunk cannot be decoded"):
        await source.read((0, 0))


WATCH = """
import asyncio, sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from brickstream.chunks import Traffic, open_image
from brickstream.chunks.reader import LocalReader
from brickstream.errors import CodecError

loaded_by = []

class Watch:
    def find_spec(self, name, *rest):
        if name == "zarr":
            loaded_by.append(threading.current_thread())

sys.meta_path.insert(0, Watch())

async def main():
    with ThreadPoolExecutor(1) as pool:
        try:
            await open_image(LocalReader(Path(sys.argv[1]), Traffic()), pool)
        except CodecError as error:
            print(error)

assert "zarr" not in sys.modules
asyncio.run(main())
assert [thread is threading.main_thread() for thread in loaded_by] == [False], loaded_by
"""


def test_zarr_python_is_not_loaded_by_the_event_loop(tmp_path: Path) -> None:
    path = write(tmp_path / "a", compressors=[Turned()])
    done = subprocess.run([sys.executable, "-c", WATCH, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "unknown codec among bytes, test.turned" in done.stdout
