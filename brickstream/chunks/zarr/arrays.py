"""Metadata documents of Zarr arrays, v2 and v3, to levels and sources."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from brickstream.chunks.reader import Reader
from brickstream.chunks.source import ChunkSource, Index
from brickstream.chunks.zarr.codecs import UnusualCodecError, decoder_v2, decoder_v3, shard_codecs, shard_index
from brickstream.chunks.zarr.decoding import Decoder
from brickstream.chunks.zarr.sharded import ShardedSource
from brickstream.chunks.zarr.unsharded import ZarrSource
from brickstream.errors import CodecError, MetadataError

Document = Mapping[str, Any]

# A corrupt document must not make us plan for arrays that cannot be.
MAX_CHUNK_NBYTES = 1 << 32
MAX_LENGTH = 1 << 48
_SPECIAL_FLOATS = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
_TYPE_V2 = re.compile(r"[<>|][biuf]\d{1,2}")
_TYPE_V3 = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)")


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
    if isinstance(value, str) and _TYPE_V2.fullmatch(value):
        try:
            return np.dtype(value)
        except TypeError as error:
            raise MetadataError("dtype", value, "a NumPy type", where) from error
    raise MetadataError("dtype", value, "numbers (bool, integer or float)", where)


def _info_v3(document: Document, path: str, where: str) -> ArrayInfo:
    shape = _lengths(document.get("shape"), "shape", where, least=0)
    grid = _object(document.get("chunk_grid"), "chunk_grid", where)
    if grid.get("name") != "regular":
        raise MetadataError("chunk_grid.name", grid.get("name"), "a regular chunk grid", where)
    config = _object(grid.get("configuration"), "chunk_grid.configuration", where)
    outer = _lengths(config.get("chunk_shape"), "chunk_grid.configuration.chunk_shape", where)
    value = document.get("data_type")
    if not isinstance(value, str) or not _TYPE_V3.fullmatch(value):
        raise MetadataError("data_type", value, "numbers (bool, integer or float)", where)
    dtype = np.dtype(value)
    shard = _sharding(document, where)
    chunks = outer if shard is None else _lengths(shard.get("chunk_shape"), "codecs[0].chunk_shape", where)
    if len(chunks) != len(outer) or any(o % c for o, c in zip(outer, chunks, strict=True)):
        raise MetadataError("codecs[0].chunk_shape", chunks, "whole chunks fill a shard", where)
    _check(shape, chunks, dtype, where)
    names = document.get("dimension_names")
    named = tuple(names) if isinstance(names, Sequence) and len(names) == len(shape) else None
    return ArrayInfo(path, 3, shape, chunks, None if shard is None else outer, dtype, named, document)


def _sharding(document: Document, where: str) -> Document | None:
    """Configuration of the one codec that shards, if the array is sharded."""
    codecs = _codecs(document.get("codecs"), "codecs", where)
    if len(codecs) != 1 or codecs[0]["name"] != "sharding_indexed":
        return None
    return _object(codecs[0].get("configuration"), "codecs[0].configuration", where)


def _object(value: object, path: str, where: str) -> Document:
    """Take a JSON object; null and nothing count as empty."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise MetadataError(path, value, "an object", where)
    return value


def _codecs(value: object, path: str, where: str, name: str = "name") -> list[Document]:
    """Take a list of codecs, each an object with a name; a bare text is its name."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise MetadataError(path, value, "a list of codecs", where)
    codecs: list[Document] = [{name: codec} if isinstance(codec, str) else codec for codec in value]
    for i, codec in enumerate(codecs):
        if not isinstance(_object(codec, f"{path}[{i}]", where).get(name), str):
            raise MetadataError(f"{path}[{i}]", codec, f"a codec has a {name}", where)
        _object(codec.get("configuration"), f"{path}[{i}].configuration", where)
    return codecs


def _lengths(value: object, path: str, where: str, least: int = 1) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not all(type(n) is int and least <= n <= MAX_LENGTH for n in value):
        raise MetadataError(path, value, f"whole numbers, {least} or more", where)
    return tuple(value)


def _check(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
    if len(shape) != len(chunks):
        raise MetadataError("chunks", chunks, f"one number for each of the {len(shape)} axes", where)
    if not shape or 0 in shape:
        raise MetadataError("shape", shape, "at least one axis, and at least one pixel on each", where)
    if prod(chunks) * dtype.itemsize > MAX_CHUNK_NBYTES:
        raise MetadataError("chunks", chunks, "a chunk has at most 4 GiB", where)


def make_source(info: ArrayInfo, reader: Reader, executor: Executor) -> ChunkSource:
    """Make the source of an array. May block: a rare codec loads zarr-python, or a package of its own.

    Raises
    ------
    CodecError
        If nobody here knows a codec of the array.
    MetadataError
        If the fill value or the chunk keys are impossible.
    """
    where = f"{reader.url}/{info.path}".rstrip("/")
    fill, key = _fill_value(info, where), _key_maker(info, where)
    shard = _sharding(info.document, where) if info.shards else None
    try:
        decoder = _decoder(info, shard, fill, where)
        if shard is None or info.shards is None:
            return ZarrSource(reader, info.shape, info.chunks, info.dtype, fill, key, decoder, executor)
        index = shard_index(shard, info.shards, info.chunks)
    except UnusualCodecError as error:
        raise CodecError(f"unknown codec {error} of a shard's index", where) from error
    except CodecError as error:
        raise CodecError(error.what, where, error.hint) from error
    return ShardedSource(reader, info.shape, info.chunks, info.dtype, fill, info.shards, key, decoder, index, executor)


def _decoder(info: ArrayInfo, shard: Document | None, fill: Any, where: str) -> Decoder:
    """Make what decodes the chunks of an array, by zarr-python where a codec is not known here."""
    document = info.document
    if info.zarr_format == 2:
        compressor = [document["compressor"]] if document.get("compressor") else []
        filters = _codecs(document.get("filters"), "filters", where, "id")
        steps = [*filters, *_codecs(compressor, "compressor", where, "id")]
        return decoder_v2(steps, np.dtype(document["dtype"]), info.chunks, document.get("order") == "F")
    if shard is None:
        codecs = _codecs(document.get("codecs"), "codecs", where)
    else:
        _codecs(shard.get("index_codecs"), "codecs[0].index_codecs", where)
        codecs = _codecs(shard.get("codecs"), "codecs[0].codecs", where) or shard_codecs(shard)
    try:
        return decoder_v3(codecs, info.dtype, info.chunks, fill)
    except UnusualCodecError:
        from brickstream.chunks.zarr.fallback import zarr_decoder

        return zarr_decoder(document, codecs, info.chunks, info.dtype)


def _key_maker(info: ArrayInfo, where: str) -> Callable[[Index], str]:
    prefix = f"{info.path}/" if info.path else ""
    if info.zarr_format == 2:
        separator = _separator(info.document.get("dimension_separator") or ".", "dimension_separator", where)
        return lambda index: prefix + separator.join(map(str, index))
    encoding = _object(info.document.get("chunk_key_encoding"), "chunk_key_encoding", where)
    name = encoding.get("name", "default")
    if name not in ("default", "v2"):
        raise MetadataError("chunk_key_encoding.name", name, "default or v2", where)
    path = "chunk_key_encoding.configuration"
    config = _object(encoding.get("configuration"), path, where)
    separator = _separator(config.get("separator", "/" if name == "default" else "."), f"{path}.separator", where)
    start = ("c",) if name == "default" else ()
    return lambda index: prefix + separator.join((*start, *map(str, index)))


def _separator(value: object, path: str, where: str) -> str:
    if value not in (".", "/"):
        raise MetadataError(path, value, "a full stop or a slash", where)
    return str(value)


def _fill_value(info: ArrayInfo, where: str) -> Any:
    value = info.document.get("fill_value")
    if value is None:
        value = 0
    if isinstance(value, str) and value in _SPECIAL_FLOATS:
        value = _SPECIAL_FLOATS[value]
    try:
        if isinstance(value, str) and value.startswith("0x") and info.zarr_format == 3:
            return np.frombuffer(bytes.fromhex(value[2:]), info.dtype.newbyteorder(">")).astype(info.dtype)[0]
        with np.errstate(invalid="raise", over="ignore"):
            fill = np.asarray(value).astype(info.dtype)
    except (ArithmeticError, TypeError, ValueError, LookupError) as error:
        raise MetadataError("fill_value", value, f"a value of type {info.dtype}", where) from error
    if fill.shape != ():
        raise MetadataError("fill_value", value, "one value", where)
    return fill[()]
