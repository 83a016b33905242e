"""Chunks that would decode to more than they may are stopped before the memory for it is taken; odd ones are read."""

import base64
import bz2
import gzip
import lzma
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks.zarr.codecs import decoder_v2, decoder_v3
from brickstream.chunks.zarr.decoding import ChunkDecoder
from brickstream.chunks.zarr.decompress import Size, bytes_step
from brickstream.errors import CodecError

SMALL, LARGE = 1000, 64 << 20
# Far below what the bombs hold, far above what finding them out takes.
ENOUGH = 12 << 20
BYTES = {"name": "bytes"}


def v2(*codecs: dict[str, Any], length: int = SMALL) -> ChunkDecoder:
    return decoder_v2(codecs, np.dtype("u1"), (length,), fortran=False)


def v3(*codecs: Any, length: int = SMALL) -> ChunkDecoder:
    named = [{"name": codec} if isinstance(codec, str) else codec for codec in codecs]
    return decoder_v3([BYTES, *named], np.dtype("u1"), (length,))


def refused(decoder: ChunkDecoder, raw: bytes, match: str = "the chunk decodes to more than") -> None:
    """Fail unless decoding stops with an error, and without taking the memory."""
    tracemalloc.start()
    try:
        with pytest.raises(CodecError, match=match):
            decoder.decode(raw)
        assert tracemalloc.get_traced_memory()[1] < ENOUGH + len(raw)
    finally:
        tracemalloc.stop()


def zstd_frame(*blocks: tuple[int, int, bytes], window: int = 0x50, size: bytes = b"") -> bytes:
    """A frame of zstd of blocks (kind, length, bytes), which does not say its size unless told."""
    descriptor = {0: 0x00, 8: 0xC0}[len(size)]
    body = b""
    for number, (kind, length, data) in enumerate(blocks):
        last = number == len(blocks) - 1
        body += (int(last) | kind << 1 | length << 3).to_bytes(3, "little") + data
    return struct.pack("<IBB", 0xFD2FB528, descriptor, window) + size + body


RAW, RUN, PACKED = 0, 1, 2
ZEROS = bytes(LARGE)
RUNS = [(RUN, 128 << 10, b"\0")] * 4000
BOMBS: dict[str, Callable[[], bytes]] = {
    "zlib": lambda: zlib.compress(ZEROS),
    "gzip": lambda: gzip.compress(ZEROS, 1),
    "bz2": lambda: bz2.compress(ZEROS),
    "lzma": lambda: lzma.compress(ZEROS, preset=0),
    "lz4": lambda: struct.pack("<i", 2**31 - 1) + b"\0" * 100,
    "zstd": lambda: bytes(numcodecs.Zstd().encode(ZEROS)),
    "blosc": lambda: bytes(numcodecs.Blosc("zstd").encode(ZEROS)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_chunk_that_decodes_to_more_than_its_array_declares_is_stopped(name: str) -> None:
    raw = BOMBS[name]()
    refused(v2({"id": name}), raw)
    refused(v3(f"numcodecs.{name}"), raw)
    if name in ("blosc", "gzip", "zstd"):
        refused(v3(name), raw)
    # It could have been meant for something that unpacks it further, but not for that much.
    refused(v3(f"numcodecs.{name}", "crc32c"), b"", match="checksum")
    refused(v2({"id": "gzip"}, {"id": name}), raw)


@pytest.mark.parametrize("name", ["gzip", "bz2", "lzma"])
def test_a_bomb_may_also_be_the_second_of_two_streams(name: str) -> None:
    pack = {"gzip": gzip.compress, "bz2": bz2.compress, "lzma": lzma.compress}[name]
    refused(v2({"id": name}), pack(b"12") + BOMBS[name]())


ZSTD_BOMBS = {
    "says-a-lot": zstd_frame((RUN, 100, b"\0"), size=struct.pack("<Q", 1 << 50)),
    "says-nothing": zstd_frame(*RUNS),
    "second-frame": zstd_frame((RUN, 100, b"\0"), size=struct.pack("<Q", 100)) + zstd_frame(*RUNS),
    "second-says": zstd_frame((RUN, 9, b"\0")) + zstd_frame((RUN, 9, b"\0"), size=struct.pack("<Q", 1 << 50)),
}


@pytest.mark.parametrize("raw", ZSTD_BOMBS.values(), ids=ZSTD_BOMBS)
def test_frames_of_zstd_are_not_believed(raw: bytes) -> None:
    refused(v3("zstd"), raw, match="the chunk")
    refused(v3("gzip", "zstd"), raw, match="more than|too many blocks")


def test_blocks_without_end_are_not_counted_to_the_end() -> None:
    refused(v3("zstd"), zstd_frame(*[(RAW, 0, b"")] * 100_000), match="too many blocks")


def test_what_a_codec_that_cannot_be_held_back_gives_is_measured() -> None:
    refused(v2({"id": "gzip"}, {"id": "base64"}), base64.b64encode(bytes(100_000)))


def test_a_dictionary_of_gigabytes_is_not_made() -> None:
    raw = bytearray(lzma.compress(bytes(SMALL), format=lzma.FORMAT_ALONE, preset=0))
    decoder = v2({"id": "lzma", "format": lzma.FORMAT_ALONE})
    np.testing.assert_array_equal(decoder.decode(bytes(raw)), np.zeros(SMALL, "u1"))
    raw[1:5] = struct.pack("<I", 3 << 30)
    refused(decoder, bytes(raw), match="the chunk cannot be decoded .*[Mm]emory")


def test_a_bomb_inside_a_shard_inside_a_shard_is_stopped() -> None:
    inner = {"chunk_shape": [SMALL], "codecs": ["bytes", "gzip"], "index_codecs": ["bytes"]}
    shard = {"name": "sharding_indexed", "configuration": inner}
    decoder = decoder_v3([shard], np.dtype("u1"), (SMALL,))
    bomb = gzip.compress(bytes(8 << 20), 9)
    refused(decoder, bomb + struct.pack("<QQ", 0, len(bomb)))


def test_an_encoded_chunk_longer_than_any_is_not_even_read() -> None:
    decoder = v3("gzip")
    assert SMALL < decoder.max_encoded < 1 << 20


@pytest.mark.parametrize("name", ["zlib", "gzip", "bz2", "lzma"])
def test_a_stream_that_lacks_only_its_checksum_is_cut_off(name: str) -> None:
    raw = bytes(numcodecs.get_codec({"id": name}).encode(bytes(SMALL)))
    for lost in range(1, 5):
        with pytest.raises(CodecError, match="cut off"):
            v2({"id": name}).decode(raw[:-lost])


# ---- what is unusual and good


@pytest.mark.parametrize(
    "raw",
    [
        zstd_frame((RAW, 500, b"a" * 500), (RUN, 500, b"b")),
        zstd_frame((RAW, 500, b"a" * 500)) + zstd_frame((RUN, 500, b"b")),
        zstd_frame((RUN, 500, b"a"), size=struct.pack("<Q", 500)) + zstd_frame((RUN, 500, b"b")),
        struct.pack("<II", 0x184D2A50, 3) + b"xyz" + zstd_frame((RUN, 500, b"a"), (RUN, 500, b"b")),
        bytes(numcodecs.Zstd(checksum=True).encode(b"a" * 500)) + bytes(numcodecs.Zstd(9).encode(b"b" * 500)),
    ],
    ids=["silent", "two-silent", "one-silent", "skippable", "two"],
)
def test_frames_of_zstd_that_other_writers_make_are_read(raw: bytes) -> None:
    assert v3("zstd").decode(raw).tobytes() == b"a" * 500 + b"b" * 500


def test_a_silent_frame_of_many_small_blocks_is_read() -> None:
    text = bytes(range(97, 123)) * 40
    frame = bytes(numcodecs.Zstd(1).encode(text))
    # Frames of one piece have a head of 7 bytes: mark, descriptor, two bytes of size.
    packed = frame[7 + 3 :]
    assert int.from_bytes(frame[7:10], "little") == 1 | PACKED << 1 | len(packed) << 3
    raw = zstd_frame(*[(PACKED, len(packed), packed)] * 30)
    assert v3("zstd", length=30 * len(text)).decode(raw).tobytes() == text * 30


def test_a_silent_frame_of_zstd_around_another_codec_is_read() -> None:
    packed = gzip.compress(b"a" * SMALL)
    raw = zstd_frame((RAW, len(packed), packed))
    assert v3("gzip", "zstd").decode(raw).tobytes() == b"a" * SMALL


@pytest.mark.parametrize("name", ["gzip", "bz2", "lzma"])
def test_streams_one_after_another_are_one_chunk(name: str) -> None:
    pack = {"gzip": gzip.compress, "bz2": bz2.compress, "lzma": lzma.compress}[name]
    raw = pack(b"a" * 400) + pack(b"b" * 600)
    assert v2({"id": name}).decode(raw).tobytes() == b"a" * 400 + b"b" * 600


def test_zeros_after_a_gzip_stream_are_nothing() -> None:
    assert v3("gzip").decode(gzip.compress(b"a" * SMALL) + bytes(100)).tobytes() == b"a" * SMALL


@given(data=st.binary(min_size=1, max_size=3000), level=st.integers(1, 19), checksum=st.booleans())
def test_every_frame_of_zstd_comes_back(data: bytes, level: int, checksum: bool) -> None:
    raw = bytes(numcodecs.Zstd(level, checksum).encode(data))
    step = bytes_step({"id": "zstd"}, None)
    for exact in (True, False):
        assert bytes(step(raw, Size(len(data), exact))) == data
    for cut in (raw[:-1], raw[: len(raw) // 2], raw + b"x"):
        with pytest.raises(CodecError):
            v3("zstd", length=len(data)).decode(cut)


CHAINS = [[name] for name in BOMBS] + [["gzip", "zstd"], ["zstd", "gzip"], ["lz4", "lzma"], ["bz2", "blosc"]]


@given(chain=st.sampled_from(CHAINS), seed=st.integers(0, 20), length=st.integers(1, 5000), dull=st.booleans())
def test_no_chunk_that_was_written_is_taken_for_a_bomb(chain: list[str], seed: int, length: int, dull: bool) -> None:
    data = np.random.default_rng(seed).integers(0, 2 if dull else 256, length, dtype="u1")
    raw: Any = data
    for name in chain:
        raw = numcodecs.get_codec({"id": name}).encode(raw)
    decoder = v2(*({"id": name} for name in chain), length=length)
    np.testing.assert_array_equal(decoder.decode(bytes(raw)), data)
    assert len(bytes(raw)) <= decoder.max_encoded


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("given_", [b"", b"\0", b"abc", b"\xff" * 40], ids=["empty", "one", "three", "forty"])
def test_what_is_no_stream_at_all_is_a_codec_error(name: str, given_: bytes) -> None:
    with pytest.raises(CodecError, match="chunk"):
        v2({"id": name}).decode(given_)


def test_a_codec_that_runs_programs_is_refused() -> None:
    with pytest.raises(CodecError, match="the codec 'pickle' is not read"):
        v2({"id": "pickle", "protocol": 4})


IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "no-type": {"id": "delta", "dtype": "no type"},
    "no-size": {"id": "delta", "dtype": "V0"},
    "no-name": {"id": "blosc", "cname": 5},
    "surprise": {"id": "zlib", "surprise": True},
    "no-float": {"id": "quantize", "digits": "many", "dtype": "i4"},
    "unknown": {"id": "imaginary"},
}


@pytest.mark.parametrize("config", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_codecs_that_are_configured_in_impossible_ways_are_codec_errors(config: dict[str, Any]) -> None:
    with pytest.raises(CodecError) as caught:
        v2(config).decode(b"abcdefgh")
    assert "\n" not in str(caught.value)
