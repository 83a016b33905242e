"""Every codec chain that people have: written by zarr-python, read by us, compared bit for bit with zarr's reading."""

import asyncio
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs as v3
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage, Traffic, open_image
from brickstream.chunks.reader import LocalReader
from brickstream.chunks.source import clip_chunk
from brickstream.chunks.zarr.sharded import ShardedSource
from brickstream.chunks.zarr.unsharded import ZarrSource
from brickstream.errors import BrickstreamError, CodecError, StoreError

SHAPE, CHUNKS = (5, 13, 17), (2, 4, 8)


def picture(dtype: str = "<u2", shape: tuple[int, ...] = SHAPE) -> NDArray[Any]:
    values = np.random.default_rng(7).integers(0, 250, shape)
    return (values if np.dtype(dtype).kind != "b" else values > 120).astype(dtype)


def write(path: Path, data: NDArray[Any], **options: Any) -> Path:
    given: dict[str, Any] = {"chunks": CHUNKS, "zarr_format": 3, **options}
    array = zarr.create_array(store=str(path), shape=data.shape, dtype=data.dtype, **given)
    array[...] = data
    return path


async def opened(path: Path, pool: ThreadPoolExecutor) -> ChunkedImage:
    return await open_image(LocalReader(path, Traffic()), pool)


def read_whole(path: Path) -> tuple[NDArray[Any], Any]:
    """All chunks of an array put together, and the source they came from; missing chunks as fill value."""

    async def read() -> tuple[NDArray[Any], Any]:
        with ThreadPoolExecutor(1) as pool:
            source = (await opened(path, pool)).sources[0]
            out = np.full(source.shape, source.fill_value, source.dtype)
            for index in np.ndindex(*(-(-n // c) for n, c in zip(source.shape, source.chunks, strict=True))):
                chunk = await source.read(index)
                if chunk is not None:
                    box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, source.chunks, strict=True))
                    out[box] = clip_chunk(chunk, index, source, "here")
            return out, source

    return asyncio.run(read())


def read_chunk(path: Path, index: tuple[int, ...]) -> NDArray[Any] | None:
    async def read() -> NDArray[Any] | None:
        with ThreadPoolExecutor(1) as pool:
            return await (await opened(path, pool)).sources[0].read(index)

    return asyncio.run(read())


def check(path: Path) -> Any:
    """Compare with zarr-python's reading; return our source."""
    mine, source = read_whole(path)
    theirs = np.asarray(zarr.open_array(str(path), mode="r")[...])
    assert mine.dtype == theirs.dtype.newbyteorder("=")
    np.testing.assert_array_equal(mine, theirs)
    return source


V2_CODECS = {
    "none": {"compressors": None},
    "zlib": {"compressors": numcodecs.Zlib(3)},
    "gzip": {"compressors": numcodecs.GZip(3)},
    "zstd": {"compressors": numcodecs.Zstd(3)},
    "bz2": {"compressors": numcodecs.BZ2(3)},
    "lzma": {"compressors": numcodecs.LZMA()},
    "blosc-lz4": {"compressors": numcodecs.Blosc("lz4", shuffle=1)},
    "blosc-zstd-bitshuffle": {"compressors": numcodecs.Blosc("zstd", shuffle=2)},
    "delta": {"compressors": numcodecs.Zlib(1), "filters": [numcodecs.Delta("<u2")]},
    "shuffle": {"compressors": numcodecs.Zlib(1), "filters": [numcodecs.Shuffle(2)]},
    "delta-then-shuffle": {"compressors": None, "filters": [numcodecs.Delta("<u2"), numcodecs.Shuffle(2)]},
    "crc32": {"compressors": None, "filters": [numcodecs.CRC32()]},
    "F-order": {"order": "F", "compressors": numcodecs.Zlib(1)},
    "slash": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "dot": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
}


@pytest.mark.parametrize("options", V2_CODECS.values(), ids=V2_CODECS)
def test_v2_chunks_read_as_zarr_reads_them(options: dict[str, Any], tmp_path: Path) -> None:
    source = check(write(tmp_path / "a", picture(), zarr_format=2, **options))
    assert isinstance(source, ZarrSource)


DTYPES = ["|b1", "|u1", "|i1", "<u2", ">u2", "<i4", ">i8", "<f2", ">f4", "<f8"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_v2_types_and_byte_orders(dtype: str, order: str, tmp_path: Path) -> None:
    check(write(tmp_path / "a", picture(dtype), zarr_format=2, order=order))


V3_CODECS = {
    "bytes-little": {"serializer": v3.BytesCodec(endian="little"), "compressors": None},
    "bytes-big": {"serializer": v3.BytesCodec(endian="big"), "compressors": None},
    "gzip": {"compressors": v3.GzipCodec(level=3)},
    "zstd": {"compressors": v3.ZstdCodec(level=3)},
    "zstd-checksum": {"compressors": v3.ZstdCodec(level=3, checksum=True)},
    "blosc": {"compressors": v3.BloscCodec(cname="lz4", shuffle="bitshuffle")},
    "crc32c": {"compressors": v3.Crc32cCodec()},
    "gzip-crc32c": {"compressors": [v3.GzipCodec(), v3.Crc32cCodec()]},
    "transpose": {"filters": v3.TransposeCodec(order=(2, 0, 1)), "compressors": v3.ZstdCodec()},
    "transpose-big": {"filters": v3.TransposeCodec(order=(1, 2, 0)), "serializer": v3.BytesCodec(endian="big")},
    "v2-keys": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "dot-keys": {"chunk_key_encoding": {"name": "default", "separator": "."}},
}


@pytest.mark.parametrize("options", V3_CODECS.values(), ids=V3_CODECS)
def test_v3_chunks_read_as_zarr_reads_them(options: dict[str, Any], tmp_path: Path) -> None:
    source = check(write(tmp_path / "a", picture(), **options))
    assert isinstance(source, ZarrSource)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint64", "float16", "float32", "float64"])
def test_v3_types(dtype: str, tmp_path: Path) -> None:
    check(write(tmp_path / "a", picture(dtype)))


def sharding(**options: Any) -> v3.ShardingCodec:
    return v3.ShardingCodec(chunk_shape=CHUNKS, **options)


BARE_INDEX = [v3.BytesCodec(endian="little")]
SHARDS = {
    "index-at-end": sharding(codecs=[v3.BytesCodec(), v3.GzipCodec()]),
    "index-at-start": sharding(codecs=[v3.BytesCodec(), v3.ZstdCodec()], index_location="start"),
    "no-checksum": sharding(codecs=[v3.BytesCodec()], index_codecs=BARE_INDEX),
    "no-checksum-at-start": sharding(codecs=[v3.BytesCodec()], index_codecs=BARE_INDEX, index_location="start"),
    "big-endian-index": sharding(codecs=[v3.BytesCodec()], index_codecs=[v3.BytesCodec(endian="big")]),
    "transposed-inside": sharding(codecs=[v3.TransposeCodec(order=(2, 1, 0)), v3.BytesCodec(), v3.BloscCodec()]),
}


@pytest.mark.parametrize("codec", SHARDS.values(), ids=SHARDS)
def test_sharded_chunks_read_as_zarr_reads_them(codec: v3.ShardingCodec, tmp_path: Path) -> None:
    path = write(tmp_path / "a", picture(), chunks=(4, 8, 16), serializer=codec, compressors=None)
    source = check(path)
    assert isinstance(source, ShardedSource)
    assert source.chunks == CHUNKS
    assert source.shards == (4, 8, 16)


def test_a_nested_shard_is_read_by_the_fallback(tmp_path: Path) -> None:
    inner = v3.ShardingCodec(chunk_shape=CHUNKS, codecs=[v3.BytesCodec(), v3.GzipCodec()])
    outer = v3.ShardingCodec(chunk_shape=(4, 4, 8), codecs=[inner])
    source = check(write(tmp_path / "a", picture(), chunks=(4, 8, 16), serializer=outer, compressors=None))
    assert isinstance(source, ShardedSource)
    assert source.chunks == (4, 4, 8)


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr")
def test_a_rare_codec_is_read_by_the_fallback(tmp_path: Path) -> None:
    from zarr.codecs import numcodecs as rare

    check(write(tmp_path / "a", picture(), compressors=rare.LZ4()))


def test_a_chunk_that_the_fallback_does_not_find_is_missing(tmp_path: Path) -> None:
    inner = v3.ShardingCodec(chunk_shape=CHUNKS, codecs=[v3.BytesCodec(), v3.GzipCodec()])
    outer = v3.ShardingCodec(chunk_shape=(4, 4, 8), codecs=[inner])
    path = write(tmp_path / "a", picture(), chunks=(4, 8, 16), serializer=outer, compressors=None)
    chunk_file(path).unlink()
    assert read_chunk(path, (0, 0, 0)) is None
    assert read_chunk(path, (1, 1, 1)) is not None


# ---- what is not there


@pytest.mark.parametrize(
    ("dtype", "fill"), [("<u2", 7), ("<f4", float("nan")), ("<f8", float("-inf")), (">i4", -3), ("|b1", True)]
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_missing_chunk_is_none_and_its_fill_value_is_zarrs(
    dtype: str, fill: Any, zarr_format: int, tmp_path: Path
) -> None:
    kind = np.dtype(dtype) if zarr_format == 2 else np.dtype(dtype).newbyteorder("=")
    array = zarr.create_array(
        store=str(tmp_path / "a"), shape=(8, 8), chunks=(4, 4), dtype=kind, zarr_format=zarr_format, fill_value=fill
    )
    array[:4, :4] = np.zeros((4, 4), kind)
    assert read_chunk(tmp_path / "a", (0, 1)) is None
    assert read_chunk(tmp_path / "a", (0, 0)) is not None
    check(tmp_path / "a")


def test_a_missing_shard_and_a_missing_chunk_of_a_shard_are_none(tmp_path: Path) -> None:
    array = zarr.create_array(
        store=str(tmp_path / "a"), shape=(16, 8), chunks=(4, 4), shards=(8, 8), dtype="u2", fill_value=5
    )
    array[:4, :4] = 1
    assert read_chunk(tmp_path / "a", (0, 0)) is not None
    assert read_chunk(tmp_path / "a", (0, 1)) is None  # in a shard that is there
    assert read_chunk(tmp_path / "a", (2, 0)) is None  # in one that is not
    check(tmp_path / "a")


# ---- what is damaged


def chunk_file(path: Path) -> Path:
    """File of the first chunk or shard."""
    return next(file for name in ("c/0/0/0", "0.0.0") if (file := path / name).is_file())


DAMAGED = {
    "v2-none": {"zarr_format": 2, "compressors": None},
    "v2-zlib": {"zarr_format": 2, "compressors": numcodecs.Zlib(1)},
    "v2-blosc": {"zarr_format": 2, "compressors": numcodecs.Blosc()},
    "v3-none": {"compressors": None},
    "v3-gzip": {"compressors": v3.GzipCodec()},
    "v3-zstd": {"compressors": v3.ZstdCodec()},
    "v3-blosc": {"compressors": v3.BloscCodec()},
    "v3-crc32c": {"compressors": v3.Crc32cCodec()},
}


@pytest.mark.parametrize("keep", [0, 1, 3, 40])
@pytest.mark.parametrize("options", DAMAGED.values(), ids=DAMAGED)
def test_a_truncated_chunk_is_a_codec_error(options: dict[str, Any], keep: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a", picture(), **options)
    file = chunk_file(path)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CodecError, match=r"the chunk|checksum"):
        read_chunk(path, (0, 0, 0))


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = write(tmp_path / "a", picture(), **DAMAGED["v3-crc32c"])
    file = chunk_file(path)
    raw = bytearray(file.read_bytes())
    raw[5] ^= 1
    file.write_bytes(raw)
    with pytest.raises(CodecError, match="checksum"):
        read_chunk(path, (0, 0, 0))


def test_a_text_in_the_place_of_a_chunk_is_a_codec_error_of_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a", picture(), compressors=v3.ZstdCodec())
    chunk_file(path).write_text("<html>\nnot found\n</html>")
    with pytest.raises(CodecError) as caught:
        read_chunk(path, (0, 0, 0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("location", ["start", "end"])
def test_a_damaged_shard_index_is_told(location: str, tmp_path: Path) -> None:
    codec = v3.ShardingCodec(chunk_shape=CHUNKS, codecs=[v3.BytesCodec()], index_location=location)
    path = write(tmp_path / "a", picture(), chunks=(4, 8, 16), serializer=codec, compressors=None)
    file = chunk_file(path)
    raw = bytearray(file.read_bytes())
    raw[3 if location == "start" else -7] ^= 0xFF
    file.write_bytes(raw)
    with pytest.raises(CodecError, match="the shard's index is damaged"):
        read_chunk(path, (0, 0, 0))


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("keep", [0, 10, 150])
def test_a_truncated_shard_fails_and_is_not_missing(location: str, keep: int, tmp_path: Path) -> None:
    codec = v3.ShardingCodec(chunk_shape=CHUNKS, codecs=[v3.BytesCodec()], index_location=location)
    path = write(tmp_path / "a", picture(), chunks=(4, 8, 16), serializer=codec, compressors=None)
    file = chunk_file(path)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises((CodecError, StoreError)):
        read_chunk(path, (0, 0, 0))


def test_a_damaged_chunk_of_the_fallback_is_a_codec_error(tmp_path: Path) -> None:
    inner = v3.ShardingCodec(chunk_shape=CHUNKS, codecs=[v3.BytesCodec(), v3.GzipCodec()])
    outer = v3.ShardingCodec(chunk_shape=(4, 4, 8), codecs=[inner])
    path = write(tmp_path / "a", picture(), chunks=(4, 8, 16), serializer=outer, compressors=None)
    file = chunk_file(path)
    file.write_bytes(bytes(reversed(file.read_bytes())))
    with pytest.raises(BrickstreamError) as caught:
        read_chunk(path, (0, 0, 0))
    assert "\n" not in str(caught.value)


# ---- codecs nobody knows


def test_an_unknown_v2_codec_is_one_clear_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a", picture(), zarr_format=2)
    document = json.loads((path / ".zarray").read_text())
    document["compressor"] = {"id": "imaginary"}
    (path / ".zarray").write_text(json.dumps(document))
    with pytest.raises(CodecError, match=f"unknown codec 'imaginary': {path}") as caught:
        read_chunk(path, (0, 0, 0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("extra", [{"name": "imaginary", "configuration": {}}, "imaginary"], ids=["object", "string"])
def test_an_unknown_v3_codec_is_one_clear_error(extra: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a", picture())
    document = json.loads((path / "zarr.json").read_text())
    document["codecs"].append(extra)
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(CodecError, match="unknown codec among bytes, zstd, imaginary") as caught:
        read_chunk(path, (0, 0, 0))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_codec_inside_shards_is_one_clear_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a", picture(), chunks=(4, 8, 16), serializer=SHARDS["no-checksum"], compressors=None)
    document = json.loads((path / "zarr.json").read_text())
    document["codecs"][0]["configuration"]["codecs"].append({"name": "imaginary"})
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(CodecError, match="imaginary"):
        read_chunk(path, (0, 0, 0))


def test_decoded_chunks_cannot_be_written_to(tmp_path: Path) -> None:
    """They are shared by the cache and everyone who shows them."""
    for name, options in {"a": {}, "b": {"filters": v3.TransposeCodec(order=(2, 1, 0))}}.items():
        chunk = read_chunk(write(tmp_path / name, picture(), **options), (0, 0, 0))
        assert chunk is not None
        with pytest.raises(ValueError, match="read-only"):
            chunk[0, 0, 0] = 1
    shutil.rmtree(tmp_path)
