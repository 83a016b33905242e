"""Metadata documents of arrays: what they may say, and that nothing that they say does harm."""

import copy
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks import ChunkSource
from brickstream.chunks.zarr.arrays import array_info, make_source
from brickstream.errors import BrickstreamError, CodecError, MetadataError
from brickstream.testing import MemoryReader

V2: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [7, 9],
    "chunks": [3, 4],
    "dtype": "<i4",
    "fill_value": 0,
    "order": "C",
    "filters": [{"id": "delta", "dtype": "<i4"}],
    "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
}
V3: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [70, 90],
    "data_type": "float32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 8]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": "NaN",
    "codecs": [
        {"name": "transpose", "configuration": {"order": [1, 0]}},
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "numcodecs.lzma", "configuration": {"format": 1, "filters": None}},
    ],
}
SHARDED: dict[str, Any] = {
    **V3,
    "codecs": [
        {
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": [4, 4],
                "codecs": [{"name": "numcodecs.delta", "configuration": {"dtype": "<f4"}}, {"name": "bytes"}],
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
                "index_location": "end",
            },
        }
    ],
}
DOCUMENTS = {"v2": V2, "v3": V3, "sharded": SHARDED}


def source(document: Mapping[str, Any], path: str = "a", **changes: Any) -> ChunkSource:
    with ThreadPoolExecutor(1) as pool:
        return make_source(array_info({**document, **changes}, path, "here"), MemoryReader({}), pool)


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_the_documents_that_are_spoiled_below_are_good(document: dict[str, Any]) -> None:
    assert source(document).dtype == np.dtype(document.get("data_type") or document["dtype"])


# ---- keys


def encoding(name: str, separator: str | None = None) -> dict[str, Any]:
    return {"name": name, **({"configuration": {"separator": separator}} if separator else {})}


KEYS = [
    (V2, {}, "a/1.2"),
    (V2, {"dimension_separator": "."}, "a/1.2"),
    (V2, {"dimension_separator": "/"}, "a/1/2"),
    (V3, {"chunk_key_encoding": encoding("default")}, "a/c/1/2"),
    (V3, {"chunk_key_encoding": encoding("default", ".")}, "a/c.1.2"),
    (V3, {"chunk_key_encoding": encoding("v2")}, "a/1.2"),
    (V3, {"chunk_key_encoding": encoding("v2", "/")}, "a/1/2"),
    (SHARDED, {"chunk_key_encoding": encoding("v2", "/")}, "a/0/1#1,0"),
]


@pytest.mark.parametrize(("document", "changes", "key"), KEYS)
def test_chunks_have_the_keys_that_the_document_says(
    document: dict[str, Any], changes: dict[str, Any], key: str
) -> None:
    assert source(document, **changes).key((1, 2)) == key
    assert source(document, "", **changes).key((1, 2)) == key.removeprefix("a/")


@pytest.mark.parametrize("bad", [encoding("fanout"), encoding("v2", "-"), {"name": 5}, {"configuration": 3}, "v2"])
def test_keys_that_nobody_knows_are_refused(bad: object) -> None:
    with pytest.raises(MetadataError, match="chunk_key_encoding"):
        source(V3, chunk_key_encoding=bad)


# ---- fill values

FILLS = [
    ("float32", "NaN", np.nan),
    ("float64", "-Infinity", -np.inf),
    ("float32", "0x7fc00001", np.uint32(0x7FC00001).view("f4")),
    ("float16", 1.5, 1.5),
    ("int16", -3, -3),
    ("uint8", 255, 255),
    ("bool", True, True),
    ("uint64", 2**64 - 1, 2**64 - 1),
    ("int32", None, 0),
]


@pytest.mark.parametrize(("dtype", "value", "fill"), FILLS, ids=[f"{dtype}-{value}" for dtype, value, _ in FILLS])
def test_fill_values(dtype: str, value: object, fill: Any) -> None:
    found = source(V3, data_type=dtype, fill_value=value, codecs=[{"name": "bytes"}]).fill_value
    np.testing.assert_array_equal(np.asarray(found), np.asarray(fill, dtype))
    assert found.dtype == dtype


@pytest.mark.parametrize("value", ["nothing", [1, 2], {"a": 1}, "0xzz", "0x00"])
def test_impossible_fill_values_are_refused(value: object) -> None:
    with pytest.raises(MetadataError, match="fill_value"):
        source(V3, fill_value=value)


# ---- sizes


def test_a_chunk_of_a_hundred_gigabytes_is_refused_before_anything_is_read() -> None:
    with pytest.raises(MetadataError, match="a chunk has at most 4 GiB"):
        source(V2, shape=[10**6] * 2, chunks=[160_000, 160_000])
    huge = {"name": "regular", "configuration": {"chunk_shape": [160_000, 160_000]}}
    with pytest.raises(MetadataError, match="a chunk has at most 4 GiB"):
        source(V3, shape=[10**6] * 2, chunk_grid=huge)


def test_a_shard_of_a_hundred_gigabytes_is_nothing_special() -> None:
    huge = {"name": "regular", "configuration": {"chunk_shape": [160_000, 160_000]}}
    codec = copy.deepcopy(SHARDED["codecs"])
    codec[0]["configuration"]["chunk_shape"] = [1000, 1000]
    assert source(SHARDED, shape=[10**6] * 2, chunk_grid=huge, codecs=codec).chunks == (1000, 1000)


def test_a_codec_that_is_refused_is_told_with_the_array_it_is_of() -> None:
    with pytest.raises(CodecError, match="'pickle' is not read: memory/a"):
        source(V2, filters=[{"id": "pickle"}])


# ---- whatever is written there

plain = st.none() | st.booleans() | st.integers(-3, 2**40) | st.floats()
texts = st.sampled_from(["", "x", "<i4", "bytes", "gzip"])
names = st.sampled_from(["name", "id", "a"])
json_values = st.recursive(
    plain | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=2),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """A document with one value replaced by any other, or left out."""
    document = copy.deepcopy(draw(st.sampled_from(list(DOCUMENTS.values()))))
    *path, last = draw(st.sampled_from(places(document)[1:]))
    inside: Any = document
    for key in path:
        inside = inside[key]
    if draw(st.booleans()):
        inside[last] = draw(json_values)
    else:
        del inside[last]
    return document


def outcome(document: dict[str, Any]) -> ChunkSource | BrickstreamError:
    try:
        return source(document)
    except BrickstreamError as error:
        return error


@given(document=spoiled())
def test_a_document_gives_a_source_or_an_error_of_ours(document: dict[str, Any]) -> None:
    made = outcome(document)
    if isinstance(made, BrickstreamError):
        assert str(made).splitlines() == [str(made)], json.dumps(document)
    else:
        assert len(made.chunks) == len(made.shape)
        assert np.asarray(made.fill_value).dtype == made.dtype
