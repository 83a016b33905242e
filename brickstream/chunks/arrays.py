"""Metadata documents of Zarr arrays, v2 and v3, to levels and sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from brickstream.chunks.codecs import ChunkDecoder, UnusualCodecError, decoder_v2, decoder_v3
from brickstream.chunks.reader import Reader
from brickstream.chunks.source import ChunkSource, Index, ShardedSource, ZarrSource
from brickstream.errors import CodecError, MetadataError

Document = Mapping[str, Any]

# A corrupt document must not make us plan for arrays that cannot be.
MAX_CHUNK_NBYTES = 1 << 32
_SPECIAL_FLOATS = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


@dataclass(frozen=True)
class ArrayInfo:
    """One Zarr array as its metadata document describes it.

    Attributes
    ----------
    path : str
        In its group.
    zarr_format : int
        2 or 3.
    shape, chunks : tuple of int
        With shards, `chunks` are the inner ones.
    shards : tuple of int or None
    dtype : numpy.dtype
        Native byte order.
    names : tuple of (str or None) or None
        Names of the axes, where the array has them.
    document : mapping
        The whole document.
    """

    path: str
    zarr_format: int
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    dtype: np.dtype[Any]
    names: tuple[str | None, ...] | None
    document: Document


def array_info(document: Document, path: str, where: str) -> ArrayInfo:
    """Read a ``.zarray`` or an array's ``zarr.json``.

    Raises
    ------
    MetadataError
        If a value is missing or impossible; `where` names the document.
    """
    if document.get("zarr_format") == 2:
        return _info_v2(document, path, where)
    if document.get("zarr_format") == 3 and document.get("node_type") == "array":
        return _info_v3(document, path, where)
    raise MetadataError(
        "zarr_format", document.get("zarr_format"), "the metadata of a Zarr array, format 2 or 3", where
    )


def _info_v2(document: Document, path: str, where: str) -> ArrayInfo:
    shape = _lengths(document.get("shape"), "shape", where, least=0)
    chunks = _lengths(document.get("chunks"), "chunks", where)
    dtype = _dtype_v2(document.get("dtype"), where)
    _check(shape, chunks, dtype, where)
    return ArrayInfo(path, 2, shape, chunks, None, dtype.newbyteorder("="), None, document)


def _dtype_v2(value: object, where: str) -> np.dtype[Any]:
    if isinstance(value, str):
        try:
            dtype = np.dtype(value)
        except TypeError as error:
            raise MetadataError("dtype", value, "a NumPy type", where) from error
        if dtype.kind in "biuf":
            return dtype
    raise MetadataError("dtype", value, "numbers (bool, integer or float)", where)


def _info_v3(document: Document, path: str, where: str) -> ArrayInfo:
    shape = _lengths(document.get("shape"), "shape", where, least=0)
    grid = document.get("chunk_grid")
    if not isinstance(grid, Mapping) or grid.get("name") != "regular":
        raise MetadataError("chunk_grid", grid, "a regular chunk grid", where)
    outer = _lengths((grid.get("configuration") or {}).get("chunk_shape"), "chunk_grid.chunk_shape", where)
    value = document.get("data_type")
    try:
        dtype = np.dtype(value) if isinstance(value, str) else np.dtype(object)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "biuf":
        raise MetadataError("data_type", value, "numbers (bool, integer or float)", where)
    shard = _sharding(document)
    chunks = outer if shard is None else _lengths(shard.get("chunk_shape"), "codecs[0].chunk_shape", where)
    if len(chunks) != len(outer) or any(o % c for o, c in zip(outer, chunks, strict=True)):
        raise MetadataError("codecs[0].chunk_shape", chunks, "whole chunks fill a shard", where)
    _check(shape, chunks, dtype, where)
    names = document.get("dimension_names")
    named = tuple(names) if isinstance(names, Sequence) and len(names) == len(shape) else None
    return ArrayInfo(path, 3, shape, chunks, None if shard is None else outer, dtype, named, document)


def _sharding(document: Document) -> Document | None:
    """Configuration of the one codec that shards, if the array is sharded."""
    codecs = document.get("codecs")
    if not isinstance(codecs, Sequence) or len(codecs) != 1 or not isinstance(codecs[0], Mapping):
        return None
    return (codecs[0].get("configuration") or {}) if codecs[0].get("name") == "sharding_indexed" else None


def _lengths(value: object, path: str, where: str, least: int = 1) -> tuple[int, ...]:
    fine = isinstance(value, Sequence) and not isinstance(value, str)
    if not fine or not all(isinstance(n, int) and n >= least for n in value):  # type: ignore[attr-defined]
        raise MetadataError(path, value, f"whole numbers, {least} or more", where)
    return tuple(value)  # type: ignore[arg-type]


def _check(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
    if len(shape) != len(chunks):
        raise MetadataError("chunks", chunks, f"one number for each of the {len(shape)} axes", where)
    if not shape or 0 in shape:
        raise MetadataError("shape", shape, "at least one axis, and at least one pixel on each", where)
    if prod(chunks) * dtype.itemsize > MAX_CHUNK_NBYTES:
        raise MetadataError("chunks", chunks, "a chunk has at most 4 GiB", where)


def make_source(info: ArrayInfo, reader: Reader, executor: Executor) -> ChunkSource:
    """Make the source of an array: the fast one where the codecs allow it, zarr-python's otherwise.

    Raises
    ------
    CodecError
        If nobody here knows a codec of the array.
    MetadataError
        If the fill value or the chunk keys are impossible.
    """
    where = f"{reader.url}/{info.path}".rstrip("/")
    try:
        return _fast_source(info, reader, executor, where)
    except UnusualCodecError:
        from brickstream.chunks.fallback import open_fallback

        return open_fallback(info.document, info.path, info.chunks, info.dtype, reader)
    except CodecError as error:
        raise CodecError(error.what, where, error.hint) from error


def _fast_source(info: ArrayInfo, reader: Reader, executor: Executor, where: str) -> ChunkSource:
    document, fill = info.document, _fill_value(info, where)
    key = _key_maker(info, where)
    if info.zarr_format == 2:
        decoder = decoder_v2(document, np.dtype(document["dtype"]), info.chunks)
        return ZarrSource(reader, info.shape, info.chunks, info.dtype, fill, key, decoder, executor)
    shard = _sharding(document)
    if shard is None or info.shards is None:
        decoder = decoder_v3(document.get("codecs") or (), info.dtype, info.chunks)
        return ZarrSource(reader, info.shape, info.chunks, info.dtype, fill, key, decoder, executor)
    decoder = decoder_v3(shard.get("codecs") or (), info.dtype, info.chunks)
    index, nbytes = _index_decoder(shard, info.shards, info.chunks)
    at_end = shard.get("index_location", "end") == "end"
    return ShardedSource(
        reader, info.shape, info.chunks, info.dtype, fill, info.shards, key, decoder, index, nbytes, at_end, executor
    )


def _index_decoder(shard: Document, shards: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[ChunkDecoder, int]:
    """Decoder and encoded size of a shard's index."""
    grid = tuple(s // c for s, c in zip(shards, chunks, strict=True))
    codecs = shard.get("index_codecs") or ()
    extra = 0
    for codec in codecs:
        if codec.get("name") not in ("bytes", "crc32c"):
            raise UnusualCodecError("a compressed shard index")
        extra += 4 if codec.get("name") == "crc32c" else 0
    return decoder_v3(codecs, np.dtype(np.uint64), (*grid, 2)), prod(grid) * 16 + extra


def _key_maker(info: ArrayInfo, where: str) -> Callable[[Index], str]:
    prefix = f"{info.path}/" if info.path else ""
    if info.zarr_format == 2:
        separator = info.document.get("dimension_separator", ".")
        return lambda index: prefix + separator.join(map(str, index))
    encoding = info.document.get("chunk_key_encoding") or {}
    name, config = encoding.get("name", "default"), encoding.get("configuration") or {}
    if name == "v2":
        separator = config.get("separator", ".")
        return lambda index: prefix + separator.join(map(str, index))
    if name != "default":
        raise MetadataError("chunk_key_encoding.name", name, "default or v2", where)
    separator = config.get("separator", "/")
    return lambda index: prefix + separator.join(("c", *map(str, index)))


def _fill_value(info: ArrayInfo, where: str) -> Any:
    value = info.document.get("fill_value")
    if value is None:
        value = 0
    if isinstance(value, str) and value in _SPECIAL_FLOATS:
        value = _SPECIAL_FLOATS[value]
    elif isinstance(value, str) and value.startswith("0x") and info.zarr_format == 3:
        raw = bytes.fromhex(value[2:])
        return np.frombuffer(raw, info.dtype.newbyteorder(">")).astype(info.dtype)[0]
    try:
        return np.asarray(value).astype(info.dtype)[()]
    except (TypeError, ValueError, OverflowError) as error:
        raise MetadataError("fill_value", value, f"a value of type {info.dtype}", where) from error
