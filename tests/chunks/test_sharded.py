"""Shards: the index once, then only the bytes of the chunks that are wanted, many of them in one request."""

import asyncio
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
import zarr.codecs
from heldreader import HeldReader, nothing_unheard
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from brickstream.chunks import Fetcher, Limits, Want, open_image
from brickstream.chunks.reader import Reader, Span, Suffix
from brickstream.chunks.source import Index
from brickstream.chunks.zarr.coalesce import MAX_GAP
from brickstream.chunks.zarr.sharded import ShardedSource, ShardIndexes
from brickstream.errors import BrickstreamError, CodecError, StoreError
from brickstream.testing import MemoryReader, settle

PIXELS = np.random.default_rng(5).integers(1, 250, (64, 64), dtype="u2")


def written(**options: Any) -> dict[str, bytes]:
    """Keys and values of a sharded array of 2 x 2 shards of 8 x 8 chunks."""
    store = zarr.storage.MemoryStore()
    kinds: dict[str, Any] = {"chunks": (4, 4), "shards": (32, 32), "fill_value": 9, "compressors": None, **options}
    array = zarr.create_array(store, shape=PIXELS.shape, dtype=PIXELS.dtype, **kinds)
    array[...] = PIXELS
    return {key: value.to_bytes() for key, value in store._store_dict.items()}


VALUES = written()


async def source_of(reader: Reader, pool: ThreadPoolExecutor) -> ShardedSource:
    source = (await open_image(reader, pool)).sources[0]
    assert isinstance(source, ShardedSource)
    return source


@pytest.fixture
def pool() -> Iterable[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def held(pool: ThreadPoolExecutor, values: dict[str, bytes] = VALUES) -> tuple[HeldReader, ShardedSource]:
    """A source whose reader stands still."""
    reader = HeldReader(values, held=False)
    source = await source_of(reader, pool)
    reader.held = True
    reader.calls.clear()
    return reader, source


def block(index: Index) -> NDArray[Any]:
    y, x = index
    return PIXELS[y * 4 : y * 4 + 4, x * 4 : x * 4 + 4]


def ask(source: ShardedSource, indices: Iterable[Index]) -> "list[asyncio.Task[NDArray[Any] | None]]":
    return [asyncio.create_task(source.read(index)) for index in indices]


# ---- requests


async def test_a_view_over_a_shard_is_its_index_and_a_few_requests_for_just_the_bytes(pool: ThreadPoolExecutor) -> None:
    reader, source = await held(pool)
    indices = [(y, x) for y in range(2, 7) for x in range(1, 6)]
    tasks = ask(source, indices)
    await settle()
    assert [(call.key, call.span) for call in reader.calls] == [("c/0/0", Suffix(8 * 8 * 16 + 4))]
    reader.release()
    await settle()
    data = reader.calls[1:]
    assert len(data) == 1
    assert all(isinstance(call.span, Span) for call in data)
    reader.release_all()
    for index, chunk in zip(indices, await asyncio.gather(*tasks), strict=True):
        np.testing.assert_array_equal(chunk, block(index))


async def test_chunks_far_from_each_other_are_not_read_with_what_lies_between(pool: ThreadPoolExecutor) -> None:
    big = np.random.default_rng(1).integers(0, 250, (4, 512, 512), dtype="u1")
    store = zarr.storage.MemoryStore()
    array = await asyncio.to_thread(
        zarr.create_array, store, data=big, chunks=(1, 128, 128), shards=(4, 512, 512), compressors=None
    )
    assert array.shards == big.shape
    reader, source = await held(pool, {key: value.to_bytes() for key, value in store._store_dict.items()})
    reader.held = False
    indices = [(2, y, x) for y in range(4) for x in range(4)]
    chunks = await asyncio.gather(*(source.read(index) for index in indices))
    for (z, y, x), chunk in zip(indices, chunks, strict=True):
        np.testing.assert_array_equal(chunk, big[z : z + 1, y * 128 : y * 128 + 128, x * 128 : x * 128 + 128])
    lengths = [call.span.length for call in reader.calls[1:] if isinstance(call.span, Span)]
    wanted = len(indices) * 128 * 128
    assert wanted < sum(lengths) <= wanted + (len(indices) - len(lengths)) * MAX_GAP < big.size / 2


async def test_one_chunk_is_one_request_after_that_of_the_index(pool: ThreadPoolExecutor) -> None:
    reader, source = await held(pool)
    reader.held = False
    for index in [(0, 0), (3, 3)]:
        np.testing.assert_array_equal(await source.read(index), block(index))
    assert [call.span for call in reader.calls[::2]][:1] == [Suffix(8 * 8 * 16 + 4)]
    assert [call.span.length for call in reader.calls[1:] if isinstance(call.span, Span)] == [32, 32]


async def test_an_index_at_the_start_is_not_read_together_with_data(pool: ThreadPoolExecutor) -> None:
    codec = zarr.codecs.ShardingCodec(chunk_shape=(4, 4), index_location="start")
    values = await asyncio.to_thread(written, shards=None, chunks=(32, 32), serializer=codec)
    reader, source = await held(pool, values)
    tasks = ask(source, [(0, 0)])
    await settle()
    reader.release()
    await settle()
    # Another shard's index is asked for while the data of this one is under way.
    tasks += ask(source, [(8, 8)])
    await settle()
    index = Span(0, 8 * 8 * 16 + 4)
    assert [call.span == index for call in reader.calls] == [True, False, True]
    reader.release_all()
    await settle()
    reader.release_all()
    np.testing.assert_array_equal((await asyncio.gather(*tasks))[1], block((8, 8)))


async def test_an_index_is_read_though_every_slot_waits_for_it(pool: ThreadPoolExecutor) -> None:
    reader, source = await held(pool)
    indices = [(y, x) for y in range(8) for x in range(8)]
    async with Fetcher(Limits(1 << 20, len(indices))) as fetcher:
        left = {(id(source), index) for index in indices}
        done = asyncio.Event()

        def settled(entry: Any) -> None:
            left.discard(entry.key)
            if not left:
                done.set()

        fetcher.want("me", [Want((id(source), index), source, (0, 0, 0.0)) for index in indices], settled)
        await settle()
        assert fetcher.table.inflight == len(indices)
        assert [call.span for call in reader.calls] == [Suffix(8 * 8 * 16 + 4)]
        reader.release()
        await settle()
        assert len(reader.calls) == 2
        reader.release()
        await done.wait()


# ---- who reads the index


async def test_an_index_is_read_on_for_those_who_still_wait(pool: ThreadPoolExecutor) -> None:
    async with nothing_unheard():
        reader, source = await held(pool)
        tasks = ask(source, [(0, 0), (0, 1)])
        await settle()
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        reader.release()
        await settle()
        assert reader.states == ["done", "open"]
        reader.release()
        np.testing.assert_array_equal(await tasks[1], block((0, 1)))


async def test_an_index_that_nobody_waits_for_is_not_read_on_but_anew(pool: ThreadPoolExecutor) -> None:
    async with nothing_unheard():
        reader, source = await held(pool)
        tasks = ask(source, [(0, 0), (0, 1)])
        await settle()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert reader.states == ["cancelled"]
        reader.held = False
        np.testing.assert_array_equal(await source.read((0, 1)), block((0, 1)))
        assert reader.states == ["cancelled", "done", "done"]


async def test_an_index_that_could_not_be_read_is_asked_for_again(pool: ThreadPoolExecutor) -> None:
    async with nothing_unheard():
        reader, source = await held(pool)
        tasks = ask(source, [(0, 0), (0, 1)])
        await settle()
        reader.fail(StoreError("on fire"))
        await asyncio.wait(tasks)
        assert [str(task.exception()) for task in tasks] == ["on fire"] * 2
        reader.held = False
        np.testing.assert_array_equal(await source.read((0, 1)), block((0, 1)))


def damaged(values: dict[str, bytes]) -> dict[str, bytes]:
    shard = bytearray(values["c/0/0"])
    shard[-7] ^= 0xFF
    return {**values, "c/0/0": bytes(shard)}


async def test_a_damaged_index_fails_all_chunks_with_one_request_until_one_is_asked_for_again(
    pool: ThreadPoolExecutor,
) -> None:
    values = damaged(VALUES)
    reader, source = await held(pool, values)
    reader.held = False
    for index in [(0, 0), (0, 1), (5, 5)]:
        with pytest.raises(CodecError, match=r"the shard's index is damaged: .*: held/c/0/0"):
            await source.read(index)
    assert len(reader.calls) == 1
    values["c/0/0"] = VALUES["c/0/0"]
    np.testing.assert_array_equal(await source.read((0, 1)), block((0, 1)))
    np.testing.assert_array_equal(await source.read((0, 0)), block((0, 0)))
    assert len(reader.calls) == 4


async def test_the_indexes_that_are_kept_are_bounded_and_the_longest_unused_goes_first(
    pool: ThreadPoolExecutor,
) -> None:
    reader, source = await held(pool)
    reader.held = False
    indexes = ShardIndexes(reader, source.index, max_bytes=2 * (8 * 8 * 16 + 1024))
    for key in ("c/0/0", "c/0/1", "c/0/0", "c/1/0", "c/0/0", "c/0/1", "c/9/9", "c/9/9"):
        table = await indexes.table(key, (0, 0))
        assert (table is None) == (key == "c/9/9")
    assert [call.key for call in reader.calls] == ["c/0/0", "c/0/1", "c/1/0", "c/0/1", "c/9/9"]


# ---- what is not there, and what cannot be


async def test_a_shard_that_vanishes_between_two_reads_is_a_failure(pool: ThreadPoolExecutor) -> None:
    values = dict(VALUES)
    reader, source = await held(pool, values)
    tasks = ask(source, [(0, 0)])
    await settle()
    reader.release()
    await settle()
    del values["c/0/0"]
    reader.release()
    with pytest.raises(StoreError, match="the shard vanished between two reads: held/c/0/0"):
        await tasks[0]


@pytest.mark.parametrize(
    ("start", "length"), [(0, 0), (0, 2**40), (2**63, 32), (2**64 - 2, 1)], ids=["empty", "huge", "far", "wraps"]
)
async def test_an_index_that_says_what_cannot_be_is_not_believed(
    start: int, length: int, pool: ThreadPoolExecutor
) -> None:
    bare = zarr.codecs.ShardingCodec(chunk_shape=(4, 4), index_codecs=[zarr.codecs.BytesCodec()])
    values = await asyncio.to_thread(written, shards=None, chunks=(32, 32), serializer=bare)
    shard = values["c/0/0"]
    table = np.frombuffer(shard[-8 * 8 * 16 :], "<u8").copy()
    table[:2] = start, length
    reader, source = await held(pool, {**values, "c/0/0": shard[: -8 * 8 * 16] + table.tobytes()})
    reader.held = False
    with pytest.raises(CodecError, match="the shard's index is damaged: it says"):
        await source.read((0, 0))
    assert len(reader.calls) == 1
    np.testing.assert_array_equal(await source.read((0, 1)), block((0, 1)))


async def test_a_missing_chunk_of_shards_in_shards_is_missing(pool: ThreadPoolExecutor) -> None:
    inner = zarr.codecs.ShardingCodec(chunk_shape=(4, 4))
    outer = zarr.codecs.ShardingCodec(chunk_shape=(16, 16), codecs=[inner])
    store = zarr.storage.MemoryStore()

    def write() -> None:
        kinds: dict[str, Any] = {"chunks": (32, 32), "serializer": outer, "compressors": None, "fill_value": 9}
        array = zarr.create_array(store, shape=PIXELS.shape, dtype=PIXELS.dtype, **kinds)
        array[:16, :16] = PIXELS[:16, :16]
        array[16:20, 16:20] = PIXELS[16:20, 16:20]

    await asyncio.to_thread(write)
    reader = MemoryReader({key: value.to_bytes() for key, value in store._store_dict.items()})
    source = await source_of(reader, pool)
    assert source.chunks == (16, 16)
    np.testing.assert_array_equal(await source.read((0, 0)), PIXELS[:16, :16])
    assert await source.read((0, 1)) is None
    assert await source.read((2, 2)) is None
    partly = np.full((16, 16), 9, "u2")
    partly[:4, :4] = PIXELS[16:20, 16:20]
    np.testing.assert_array_equal(await source.read((1, 1)), partly)


SHARD: dict[str, Any] = {"chunk_shape": [4, 4], "codecs": ["bytes"], "index_codecs": ["bytes", "crc32c"]}
BAD_SHARDS = {
    "compressed": ({"index_codecs": [{"name": "bytes"}, {"name": "gzip"}]}, "the index of a shard has no fixed size"),
    "unknown": ({"index_codecs": [{"name": "bytes"}, {"name": "imaginary"}]}, "unknown codec imaginary of a shard"),
    "no-place": ({"index_location": "middle"}, "neither at its start nor at its end"),
    "no-array": ({"index_codecs": [{"name": "transpose", "configuration": {"order": [0, 1, 2]}}]}, "unknown codec"),
}


def with_shard(values: dict[str, bytes], codec: dict[str, Any], **changes: Any) -> dict[str, bytes]:
    document = json.loads(values["zarr.json"])
    document.update(changes)
    document["codecs"] = [{"name": "sharding_indexed", "configuration": codec}]
    return {**values, "zarr.json": json.dumps(document).encode()}


@pytest.mark.parametrize(("change", "what"), BAD_SHARDS.values(), ids=BAD_SHARDS)
async def test_shards_that_cannot_be_are_refused_when_the_image_is_opened(
    change: dict[str, Any], what: str, pool: ThreadPoolExecutor
) -> None:
    with pytest.raises(BrickstreamError, match=what):
        await open_image(MemoryReader(with_shard(VALUES, {**SHARD, **change})), pool)


async def test_an_index_larger_than_any_is_refused_before_it_is_read(pool: ThreadPoolExecutor) -> None:
    grid = {"name": "regular", "configuration": {"chunk_shape": [1 << 30, 1 << 30]}}
    values = with_shard(VALUES, {**SHARD, "chunk_shape": [1, 1]}, chunk_grid=grid)
    with pytest.raises(CodecError, match=r"a shard of 1,152,921,504,606,846,976 chunks"):
        await open_image(MemoryReader(values), pool)


async def test_shards_in_shards_without_end_are_refused(pool: ThreadPoolExecutor) -> None:
    codec = dict(SHARD)
    for _ in range(5):
        codec = {**SHARD, "codecs": [{"name": "sharding_indexed", "configuration": codec}]}
    with pytest.raises(CodecError, match="shards in shards, more than 4 deep"):
        await open_image(MemoryReader(with_shard(VALUES, codec)), pool)


# ---- whatever is read in whatever order


@given(
    wanted=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=20, unique=True),
    cancelled=st.sets(st.integers(0, 19), max_size=6),
    turns=st.integers(0, 12),
)
def test_every_chunk_is_read_right_whoever_else_is_read_or_cancelled(
    wanted: list[Index], cancelled: set[int], turns: int
) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(2) as pool:
            async with nothing_unheard():
                reader, source = await held(pool)
                tasks = ask(source, wanted)
                await settle(turns)
                for number in cancelled & set(range(len(tasks))):
                    tasks[number].cancel()
                while not all(task.done() for task in tasks):
                    reader.release_all()
                    await asyncio.sleep(0)
                for number, task in enumerate(tasks):
                    assert task.cancelled() == (number in cancelled)
                    if not task.cancelled():
                        np.testing.assert_array_equal(task.result(), block(wanted[number]))
                indexes = [call.key for call in reader.calls if isinstance(call.span, Suffix) and call.state == "done"]
                assert len(indexes) == len(set(indexes))

    asyncio.run(run())


def test_the_key_names_the_shard_and_the_place_in_it(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    source = asyncio.run(source_of(MemoryReader(VALUES), pool))
    assert source.key((9, 3)) == "c/1/0#1,3"
