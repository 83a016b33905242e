"""Codec chains of Zarr v2 and v3: from what the metadata says to what decodes a chunk.

What zarr-python has learned from others is not here; :mod:`brickstream.chunks.zarr.fallback` asks it for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numcodecs
import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.zarr.decoding import ArrayStep, ChunkDecoder, Plain, Shard, ShardIndex
from brickstream.chunks.zarr.decompress import BytesStep, Size, bytes_step, crc32c
from brickstream.errors import CodecError

Config = Mapping[str, Any]

# What compressing cannot make of less: even data that does not get smaller grows by some per cent at most.
_GROWTH, _SLACK = 2, 1 << 16
# Codecs that add a checksum of four bytes.
_CHECKSUMS = frozenset({"adler32", "crc32", "crc32c", "fletcher32", "jenkins_lookup3"})
_COMPRESSORS = frozenset({"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"})
# Names of numcodecs' codecs in Zarr v3 begin with this.
_FOREIGN = "numcodecs."
_V3_FILTERS = frozenset({"astype", "bitround", "delta", "fixedscaleoffset", "packbits", "quantize"})
_V3_BYTES = _COMPRESSORS | _CHECKSUMS | {"shuffle"}
_V3_CORE = frozenset({"blosc", "gzip", "zstd"})
# An index of 4 million chunks. Shards in shards deeper than that are nobody's data.
_MAX_INDEX, _MAX_DEPTH = 64 << 20, 4


class UnusualCodecError(Exception):
    """Internal: the codec is not known here; zarr-python may know it."""


def decoder_v2(codecs: Sequence[Config], dtype: np.dtype[Any], chunks: tuple[int, ...], fortran: bool) -> ChunkDecoder:
    """Decoder of a Zarr v2 array from its filters and its compressor, in the order of encoding.

    Raises
    ------
    CodecError
        If numcodecs has no such codec.
    """
    size, steps = Size(prod(chunks) * dtype.itemsize, exact=True), []
    for config in codecs:
        codec = _numcodec(config)
        steps.append((bytes_step(config, codec), size))
        size = _encoded(config["id"], codec, size)
    axes = range(len(chunks))[::-1]
    undo: tuple[ArrayStep, ...] = (lambda array: array.transpose(axes),) if fortran else ()
    unpack = Plain(chunks[::-1] if fortran else chunks, dtype)
    return ChunkDecoder(chunks, dtype.newbyteorder("="), tuple(steps[::-1]), unpack, size, undo)


def _numcodec(config: Config) -> Any:
    if config.get("id") == "pickle":
        raise CodecError("the codec 'pickle' is not read", "", "whoever wrote the data could run any program here")
    try:
        return numcodecs.get_codec(dict(config))
    except Exception as error:
        # Codecs are other people's code, and their configuration is what somebody wrote.
        raise CodecError(f"unknown codec {config.get('id')!r}", "", "numcodecs does not have it") from error


def _encoded(name: str, codec: Any, size: Size) -> Size:
    """Bytes that a codec makes of so many."""
    if name in _CHECKSUMS:
        return Size(size.most + 4, size.exact)
    if name in ("shuffle", "bitround"):
        return size
    if name == "packbits":
        return Size(1 + -(-size.most // 8), size.exact)
    if name in ("delta", "fixedscaleoffset", "quantize", "astype"):
        before, after = (codec.decode_dtype, codec.encode_dtype) if name == "astype" else (codec.dtype, codec.astype)
        return Size(size.most // max(before.itemsize, 1) * after.itemsize, size.exact)
    return Size(_GROWTH * size.most + _SLACK, exact=False)


# ---- Zarr v3


def decoder_v3(
    codecs: Sequence[Config], dtype: np.dtype[Any], chunks: tuple[int, ...], fill_value: Any = 0, depth: int = 0
) -> ChunkDecoder:
    """Decoder of a Zarr v3 chunk from its ``codecs``.

    Parameters
    ----------
    codecs : sequence of mapping
        Each with a ``name`` and perhaps a ``configuration``, in the order of encoding.
    dtype : numpy.dtype
    chunks : tuple of int
    fill_value : scalar
        For what is not in a shard that is decoded as a whole.
    depth : int
        In how many shards this is.

    Raises
    ------
    UnusualCodecError
        If the chain has a codec that is not known here.
    CodecError
        If a codec cannot be as it is described.
    """
    shape, stored, rest = chunks, dtype.newbyteorder("="), list(codecs)
    filters: list[ArrayStep] = []
    while rest and _is_filter(rest[0]):
        undo, shape, stored = _filter(rest.pop(0), dtype, shape, stored)
        filters.append(undo)
    if not rest:
        raise UnusualCodecError("no codec that makes bytes of an array")
    unpack, size = _unpacker(rest[0], shape, stored, fill_value, depth)
    steps = []
    for codec in rest[1:]:
        step, after = _bytes_to_bytes(codec, dtype, size)
        steps.append((step, size))
        size = after
    return ChunkDecoder(chunks, dtype.newbyteorder("="), tuple(steps[::-1]), unpack, size, tuple(filters[::-1]))


def _name(codec: Config) -> str:
    """Name of a codec; those of numcodecs' that Zarr v3 has under a name of its own are told apart by their prefix."""
    return str(codec.get("name"))


def _config(codec: Config) -> dict[str, Any]:
    """Configuration of a codec, as numcodecs has it."""
    return {**(codec.get("configuration") or {}), "id": _name(codec).removeprefix(_FOREIGN)}


def _is_filter(codec: Config) -> bool:
    name = _name(codec)
    return name == "transpose" or (name.startswith(_FOREIGN) and name.removeprefix(_FOREIGN) in _V3_FILTERS)


def _filter(
    codec: Config, dtype: np.dtype[Any], shape: tuple[int, ...], stored: np.dtype[Any]
) -> tuple[ArrayStep, tuple[int, ...], np.dtype[Any]]:
    """Make the step that undoes an array-to-array codec, and say which shape and type it leaves behind."""
    config = _config(codec)
    if config["id"] == "transpose":
        order = _order(config.get("order"), len(shape))
        back = tuple(int(axis) for axis in np.argsort(order))
        return lambda array: array.transpose(back), tuple(shape[axis] for axis in order), stored
    # Where a type is not named it is that of the array.
    missing = {"fixedscaleoffset": "dtype", "quantize": "dtype", "astype": "decode_dtype"}.get(config["id"])
    if missing and config.get(missing) is None:
        config[missing] = str(dtype)
    filter_ = _numcodec(config)
    written = "encode_dtype" if config["id"] == "astype" else "astype"
    after = getattr(filter_, written) if config.get(written) and config["id"] != "quantize" else stored
    undo: ArrayStep = lambda array: np.asarray(filter_.decode(array)).reshape(shape)  # noqa: E731
    if config["id"] == "packbits":
        return undo, (1 + -(-prod(shape) // 8),), np.dtype(np.uint8)
    return undo, shape, after


def _order(value: object, ndim: int) -> tuple[int, ...]:
    axes = value if isinstance(value, list) and all(type(axis) is int for axis in value) else []
    if sorted(axes) != list(range(ndim)):
        raise UnusualCodecError("transpose")
    return tuple(axes)


def _unpacker(
    codec: Config, shape: tuple[int, ...], dtype: np.dtype[Any], fill_value: Any, depth: int
) -> tuple[Callable[[Any], NDArray[Any]], Size]:
    """Make the step from bytes to an array, and say how many bytes it takes."""
    name, config, nbytes = _name(codec), _config(codec), prod(shape) * dtype.itemsize
    if name == "bytes":
        stored = dtype.newbyteorder(">" if config.get("endian") == "big" else "<")
        return Plain(shape, stored), Size(nbytes, exact=True)
    if name != "sharding_indexed":
        raise UnusualCodecError(name)
    if depth >= _MAX_DEPTH:
        raise CodecError(f"shards in shards, more than {_MAX_DEPTH} deep")
    chunks = config.get("chunk_shape")
    if not isinstance(chunks, list) or not all(type(c) is int and c > 0 for c in chunks):
        raise CodecError("the chunk_shape of a shard is no shape")
    decoder = decoder_v3(shard_codecs(config), dtype, tuple(chunks), fill_value, depth + 1)
    index = shard_index(config, shape, tuple(chunks))
    size = Size(_GROWTH * nbytes + _SLACK + index.nbytes, exact=False)
    return Shard(shape, tuple(chunks), dtype, fill_value, decoder, index), size


def shard_codecs(config: Config) -> list[Config]:
    """Codecs of the chunks in a shard, from the configuration of ``sharding_indexed``."""
    return _listed(config.get("codecs")) or [{"name": "bytes"}]


def shard_index(config: Config, shards: tuple[int, ...], chunks: tuple[int, ...]) -> ShardIndex:
    """Say how the index of a shard is written, from the configuration of ``sharding_indexed``.

    Raises
    ------
    CodecError
        If an index cannot be like that.
    UnusualCodecError
        If it is written with a codec that is not known here.
    """
    if len(chunks) != len(shards) or any(s % c for s, c in zip(shards, chunks, strict=True)):
        raise CodecError(f"chunks of the shape {chunks} do not fill a shard of the shape {shards}")
    location = config.get("index_location", "end")
    if location not in ("start", "end"):
        raise CodecError("the index of a shard is neither at its start nor at its end")
    grid = tuple(s // c for s, c in zip(shards, chunks, strict=True))
    if prod(grid) * 16 > _MAX_INDEX:
        raise CodecError(f"a shard of {prod(grid):,} chunks", "", f"{_MAX_INDEX // 16:,} are the most")
    codecs = _listed(config.get("index_codecs")) or [{"name": "bytes"}, {"name": "crc32c"}]
    decoder = decoder_v3(codecs, np.dtype(np.uint64), (*grid, 2))
    if not decoder.encoded.exact:
        raise CodecError("the index of a shard has no fixed size", "", "it must not be compressed")
    return ShardIndex(decoder, decoder.encoded.most, location == "end")


def _listed(value: object) -> list[Config]:
    """Take a list of codecs; a bare text is the name of one."""
    listed = value if isinstance(value, list) else []
    codecs = [{"name": codec} if isinstance(codec, str) else codec for codec in listed]
    for codec in codecs:
        if not isinstance(codec, Mapping) or not isinstance(codec.get("configuration") or {}, Mapping):
            raise CodecError("a codec of a shard is no codec")
    return codecs


def _bytes_to_bytes(codec: Config, dtype: np.dtype[Any], size: Size) -> tuple[BytesStep, Size]:
    """Make the step that undoes a bytes-to-bytes codec, and say how many bytes it takes."""
    name, config = _name(codec), _config(codec)
    if name == "crc32c":
        return crc32c, Size(size.most + 4, size.exact)
    if name in _V3_CORE:
        # What they are configured with matters only to who writes.
        return bytes_step({"id": name}, None), _encoded(name, None, size)
    if not name.startswith(_FOREIGN) or config["id"] not in _V3_BYTES:
        raise UnusualCodecError(name)
    if config["id"] == "shuffle" and config.get("elementsize") is None:
        config["elementsize"] = dtype.itemsize
    undo = _numcodec(config)
    return bytes_step(config, undo), _encoded(config["id"], undo, size)
