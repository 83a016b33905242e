"""Chains of codecs as they come, put together at random: whatever zarr-python writes and reads, we read the same."""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from brickstream.chunks import Traffic, open_image
from brickstream.chunks.reader import LocalReader
from brickstream.chunks.source import clip_chunk

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr"),
    pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in cast"),
]
Codec = dict[str, Any]

TYPES = ["bool", "uint8", "int16", "uint16", "uint32", "int64", "float32", "float64"]


def named(name: str, **configuration: Any) -> Codec:
    return {"name": name, "configuration": configuration}


def filters(dtype: str) -> st.SearchStrategy[Codec]:
    """Array-to-array codecs that a type can bear, and that zarr-python can write."""
    kind = np.dtype(dtype)
    fitting = []
    if kind.kind == "b":
        fitting += [named("numcodecs.packbits")]
    if kind.kind in "iu":
        fitting += [named("numcodecs.delta", dtype=kind.str)]
    if kind.kind in "iu" and kind.itemsize > 1:
        fitting += [named("numcodecs.delta", dtype=kind.str, astype="<i8")]
        fitting += [named("numcodecs.fixedscaleoffset", offset=1, scale=1, dtype=kind.str, astype="<i4")]
        fitting += [named("numcodecs.astype", encode_dtype="<f8", decode_dtype=kind.str)]
    if kind.kind == "f":
        fitting += [named("numcodecs.bitround", keepbits=7), named("numcodecs.quantize", digits=2, dtype=kind.str)]
        fitting += [named("numcodecs.fixedscaleoffset", offset=0, scale=10, dtype=kind.str, astype="<i4")]
        fitting += [named("numcodecs.astype", encode_dtype="<f4")]
    return st.sampled_from(fitting)


def compressors(dtype: str) -> st.SearchStrategy[Codec]:
    size = np.dtype(dtype).itemsize
    shuffle = st.sampled_from(["noshuffle", "shuffle", "bitshuffle"])
    return st.one_of(
        st.sampled_from(
            [
                named("gzip", level=1),
                named("zstd", level=1, checksum=False),
                named("zstd", level=3, checksum=True),
                {"name": "crc32c"},
                named("numcodecs.zlib", level=1),
                named("numcodecs.gzip", level=1),
                named("numcodecs.zstd", level=1),
                named("numcodecs.lz4", acceleration=1),
                named("numcodecs.bz2", level=1),
                named("numcodecs.lzma", preset=0),
                named("numcodecs.blosc", cname="lz4", clevel=1, shuffle=1),
                named("numcodecs.shuffle", elementsize=1),
                named("numcodecs.crc32"),
                named("numcodecs.crc32c"),
                named("numcodecs.adler32"),
                named("numcodecs.fletcher32"),
            ]
        ),
        st.builds(
            lambda shuffle, cname: named("blosc", typesize=size, cname=cname, clevel=1, shuffle=shuffle, blocksize=0),
            shuffle,
            st.sampled_from(["lz4", "zstd", "blosclz", "zlib"]),
        ),
    )


@st.composite
def chains(draw: st.DrawFn, dtype: str, shape: tuple[int, ...], depth: int = 0) -> list[Codec]:
    """Codecs for an array or a chunk of a type and shape."""
    chain: list[Codec] = []
    whole = shape
    if draw(st.booleans()):
        order = draw(st.permutations(range(len(shape))))
        chain.append(named("transpose", order=list(order)))
        shape = tuple(shape[axis] for axis in order)
    elif draw(st.integers(0, 3)) == 0 and not (dtype == "bool" and depth):
        return [
            draw(filters(dtype)),
            named("bytes", endian="little"),
            *draw(st.lists(compressors(dtype), max_size=2)),
        ]
    if depth < 2 and draw(st.integers(0, 2)) > 0:
        # zarr-python also asks whether the shape before it was transposed can be divided.
        sides = [gcd(*pair) for pair in zip(shape, whole, strict=True)]
        inner = tuple(draw(st.sampled_from([n for n in range(1, side + 1) if side % n == 0])) for side in sides)
        endian = draw(st.sampled_from(["little", "big"]))
        index = [named("bytes", endian=endian), *([{"name": "crc32c"}] if draw(st.booleans()) else [])]
        chain.append(
            named(
                "sharding_indexed",
                chunk_shape=list(inner),
                codecs=draw(chains(dtype, inner, depth + 1)),
                index_codecs=index,
                index_location=draw(st.sampled_from(["start", "end"])),
            )
        )
    else:
        chain.append(named("bytes", endian=draw(st.sampled_from(["little", "big"]))))
    return chain + draw(st.lists(compressors(dtype), max_size=2))


@st.composite
def documents(draw: st.DrawFn) -> Codec:
    dtype = draw(st.sampled_from(TYPES))
    chunks = draw(st.lists(st.sampled_from([1, 2, 4, 6]), min_size=1, max_size=3))
    fills = {"b": [False, True], "f": [0.0, "NaN", "-Infinity", 2.5]}.get(np.dtype(dtype).kind, [0, 3])
    keys = [named("default", separator="/"), named("default", separator="."), named("v2", separator="."), "plain"]
    key = draw(st.sampled_from(keys))
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [draw(st.integers(1, 3 * side)) for side in chunks],
        "data_type": dtype,
        "chunk_grid": named("regular", chunk_shape=chunks),
        "chunk_key_encoding": {"name": "default"} if key == "plain" else key,
        "fill_value": draw(st.sampled_from(fills)),
        "codecs": draw(chains(dtype, tuple(chunks))),
        "attributes": {},
    }


def write(folder: Path, name: str, document: Mapping[str, Any], seed: int) -> NDArray[Any]:
    """Write an array by zarr-python, some of its chunks left out; return what zarr-python reads."""
    folder.mkdir()
    (folder / name).write_text(json.dumps(document))
    array = zarr.open_array(str(folder), mode="r+")
    dice = np.random.default_rng(seed)
    pixels = dice.integers(0, 2 if array.dtype.kind == "b" else 100, array.shape).astype(array.dtype)
    holes = np.kron(dice.integers(0, 3, array.shape) == 0, np.ones((2,) * array.ndim, bool))
    pixels[holes[tuple(slice(n) for n in array.shape)]] = array.fill_value or 0
    array[...] = pixels
    return np.asarray(zarr.open_array(str(folder), mode="r")[...])


def read(folder: Path) -> NDArray[Any]:
    """Read all chunks of an array with our source, and put them together."""

    async def chunks() -> NDArray[Any]:
        with ThreadPoolExecutor(1) as pool:
            source = (await open_image(LocalReader(folder, Traffic()), pool)).sources[0]
            out = np.full(source.shape, source.fill_value, source.dtype)
            grid = [-(-n // c) for n, c in zip(source.shape, source.chunks, strict=True)]
            indices = list(np.ndindex(*grid))
            answers = await asyncio.gather(*(source.read(index) for index in indices))
            for index, chunk in zip(indices, answers, strict=True):
                if chunk is not None:
                    box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, source.chunks, strict=True))
                    out[box] = clip_chunk(chunk, index, source, "here")
            return out

    return asyncio.run(chunks())


@given(document=documents(), seed=st.integers(0, 5))
def test_any_chain_of_zarr_3_reads_as_zarr_reads_it(document: Codec, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        theirs = write(Path(folder) / "a", "zarr.json", document, seed)
        np.testing.assert_array_equal(read(Path(folder) / "a"), theirs)


@pytest.mark.parametrize(
    "codecs",
    [
        [named("bytes", endian="little"), named("numcodecs.shuffle")],
        [named("numcodecs.quantize", digits=1), named("bytes", endian="little")],
        [named("numcodecs.fixedscaleoffset", offset=0, scale=10), named("bytes", endian="little")],
    ],
    ids=["shuffle", "quantize", "fixedscaleoffset"],
)
def test_codecs_that_leave_out_what_the_array_says(codecs: list[Codec], tmp_path: Path) -> None:
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [5, 7],
        "data_type": "float64",
        "chunk_grid": named("regular", chunk_shape=[2, 4]),
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0.0,
        "codecs": codecs,
        "attributes": {},
    }
    theirs = write(tmp_path / "a", "zarr.json", document, seed=1)
    np.testing.assert_array_equal(read(tmp_path / "a"), theirs)


def filters_v2(dtype: str) -> list[Codec]:
    kind = np.dtype(dtype)
    fitting: list[Codec] = [{"id": "shuffle", "elementsize": 2}] if kind.itemsize % 2 == 0 else []
    fitting += [{"id": name} for name in ("crc32", "adler32", "fletcher32", "jenkins_lookup3")]
    if kind.kind == "b":
        return [*fitting, {"id": "packbits"}]
    if kind.kind in "iu":
        fitting += [{"id": "delta", "dtype": kind.str}, {"id": "delta", "dtype": kind.str, "astype": "<i8"}]
        fitting += [{"id": "fixedscaleoffset", "offset": 1, "scale": 2, "dtype": kind.str, "astype": "<i4"}]
        return [*fitting, {"id": "astype", "encode_dtype": "<i4", "decode_dtype": kind.str}]
    fitting += [{"id": "bitround", "keepbits": 7}] if kind.isnative else []
    fitting += [{"id": "quantize", "digits": 1, "dtype": kind.str, "astype": "<f4"}]
    return [*fitting, {"id": "fixedscaleoffset", "offset": 0, "scale": 10, "dtype": kind.str, "astype": "u1"}]


COMPRESSORS_V2: list[Codec | None] = [
    None,
    {"id": "zlib", "level": 1},
    {"id": "gzip", "level": 1},
    {"id": "bz2", "level": 1},
    {"id": "lzma", "format": 1, "check": -1, "preset": 0, "filters": None},
    {"id": "lz4", "acceleration": 1},
    {"id": "zstd", "level": 1, "checksum": True},
    {"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": 2, "blocksize": 0},
]


@st.composite
def documents_v2(draw: st.DrawFn) -> Codec:
    dtype = draw(st.sampled_from(["|b1", "|u1", "|i1", "<u2", ">u2", "<i4", ">i8", "<f4", ">f4", "<f8"]))
    chunks = draw(st.lists(st.sampled_from([1, 2, 5, 6]), min_size=1, max_size=3))
    some = st.lists(st.sampled_from(filters_v2(dtype)), min_size=1, max_size=1)
    return {
        "zarr_format": 2,
        "shape": [draw(st.integers(1, 3 * side)) for side in chunks],
        "chunks": chunks,
        "dtype": dtype,
        "fill_value": draw(st.sampled_from([0, 1, None])) if dtype != "|b1" else False,
        "order": draw(st.sampled_from("CF")),
        "filters": draw(st.none() | some),
        "compressor": draw(st.sampled_from(COMPRESSORS_V2)),
        "dimension_separator": draw(st.sampled_from("./")),
    }


@given(document=documents_v2(), seed=st.integers(0, 5))
def test_any_chain_of_zarr_2_reads_as_zarr_reads_it(document: Codec, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        theirs = write(Path(folder) / "a", ".zarray", document, seed)
        np.testing.assert_array_equal(read(Path(folder) / "a"), theirs)
