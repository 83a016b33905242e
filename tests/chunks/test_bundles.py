"""Chunks of which one request can bring several: they begin together, and only the request counts."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import zarr
from fetching import Client, want
from heldreader import HeldReader
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks import ChunkState, Fetcher, Limits, open_image
from brickstream.chunks.source import BundlingSource, Index
from brickstream.chunks.zarr.sharded import MAX_RIDE, neighbours
from brickstream.testing import StepSource, settle

SIDE = 4


class Rows(StepSource):
    """One request brings a row."""

    def beside(self, index: Index, wanted: Callable[[Index], bool]) -> list[Index]:
        return [other for x in range(SIDE) if (other := (index[0], x)) != index and wanted(other)]


def rows(**options: Any) -> Rows:
    return Rows(np.arange(SIDE * SIDE * 16, dtype="u1").reshape(SIDE * 4, SIDE * 4), (4, 4), **options)


def row(number: int) -> list[Index]:
    return [(number, x) for x in range(SIDE)]


async def test_the_wanted_chunks_beside_one_begin_with_it_and_take_no_slot() -> None:
    source = rows()
    assert isinstance(source, BundlingSource)
    async with Fetcher(Limits(1 << 20, 2)) as fetcher:
        client = Client("me", fetcher)
        client.want(want(source, index) for index in [*row(2), (0, 1), (0, 3), *row(1)])
        await settle()
        assert sorted(source.waiting) == sorted([*row(2), (0, 1), (0, 3)])
        assert fetcher.table.inflight == 2
        source.release((2, 1))
        await settle()
        # Only the first one has a slot to give back.
        assert fetcher.table.inflight == 2
        source.release((2, 0))
        await settle()
        assert set(row(1)) < set(source.waiting)
        source.flow()
        await settle()
        assert len(client.got) == 10
        assert fetcher.table.inflight_max == 2


async def test_chunks_of_another_urgency_do_not_come_along() -> None:
    source = rows()
    async with Fetcher(Limits(1 << 20, 1)) as fetcher:
        client = Client("me", fetcher)
        client.want([want(source, (0, 0)), want(source, (0, 1), place=1), want(source, (0, 2))])
        await settle()
        assert source.waiting == [(0, 0), (0, 2)]
        source.flow()
        await settle()
        assert sorted(client.indices) == [(0, 0), (0, 1), (0, 2)]


async def test_what_comes_along_drops_nothing_and_stays_in_the_budget() -> None:
    source = rows()
    async with Fetcher(Limits(3 * 16, 4)) as fetcher:
        client = Client("me", fetcher, releases=False)
        client.want(want(source, index) for index in row(0))
        await settle()
        assert len(source.waiting) == 3
        assert fetcher.table.bytes_held == 3 * 16


async def test_where_the_first_is_cancelled_the_others_take_its_slot() -> None:
    source = rows()
    async with Fetcher(Limits(1 << 20, 1)) as fetcher:
        client = Client("me", fetcher)
        client.want(want(source, index) for index in [*row(0), *row(1)])
        await settle()
        client.want(want(source, index) for index in [*row(0)[1:], *row(1)])
        await settle()
        assert source.waiting == row(0)[1:]
        for index in row(0)[1:]:
            source.release(index)
            await settle()
        assert set(source.waiting) == set(row(1))


async def test_a_request_that_gives_way_gives_way_with_all_that_came_along() -> None:
    ahead, source = rows(), rows()
    async with Fetcher(Limits(1 << 20, 1)) as fetcher:
        one, two = Client("one", fetcher), Client("two", fetcher)
        one.want([replaced_tier(want(ahead, index)) for index in row(0)])
        await settle()
        assert ahead.waiting == row(0)
        two.want([want(source, (0, 0))])
        await settle()
        assert ahead.waiting == []
        assert source.waiting == [(0, 0)]
        source.flow()
        ahead.flow()
        await settle()
        assert sorted(one.indices) == row(0)


def replaced_tier(wanted: Any) -> Any:
    return type(wanted)(wanted.key, wanted.source, (1, *wanted.rank[1:]))


async def test_a_source_that_cannot_say_what_lies_beside_is_read_all_the_same() -> None:
    class Broken(Rows):
        def beside(self, index: Index, wanted: Callable[[Index], bool]) -> list[Index]:
            raise RuntimeError("no idea")

    class Liar(Rows):
        def beside(self, index: Index, wanted: Callable[[Index], bool]) -> list[Index]:
            return [index, (9, 9), (3, 3), (0, 1), (0, 1)]

    for kind in (Broken, Liar):
        source = kind(np.arange(256, dtype="u1").reshape(16, 16), (4, 4))
        async with Fetcher(Limits(1 << 20, 1)) as fetcher:
            client = Client("me", fetcher)
            client.want(want(source, index) for index in row(0))
            source.flow()
            await settle()
            assert sorted(client.got) == [(index, ChunkState.LOADED) for index in row(0)]
            assert all(count == 1 for count in source.completed.values())


async def test_a_view_over_a_shard_of_small_chunks_is_a_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(5).integers(1, 250, (128, 128), dtype="u2")
    store = zarr.storage.MemoryStore()
    await asyncio.to_thread(
        zarr.create_array, store, data=pixels, chunks=(4, 4), shards=(128, 128), compressors=None, fill_value=0
    )
    reader = HeldReader({key: value.to_bytes() for key, value in store._store_dict.items()}, held=False)
    with ThreadPoolExecutor(2) as pool:
        source = (await open_image(reader, pool)).sources[0]
        reader.calls.clear()
        indices = [(y, x) for y in range(8, 24) for x in range(8, 24)]
        left, done = set(indices), asyncio.Event()

        def settled(entry: Any) -> None:
            y, x = entry.key[1]
            np.testing.assert_array_equal(entry.data, pixels[y * 4 : y * 4 + 4, x * 4 : x * 4 + 4])
            left.discard(entry.key[1])
            fetcher.release("me", [entry.key])
            if not left:
                done.set()

        async with Fetcher(Limits(1 << 20, 16)) as fetcher:
            ranked = sorted(indices, key=lambda index: (index[0] - 15.5) ** 2 + (index[1] - 15.5) ** 2)
            fetcher.want("me", [want(source, index, 0, float(d)) for d, index in enumerate(ranked)], settled)
            await done.wait()
    assert len(reader.calls) <= 12


# ---- what lies beside a chunk


def index_of(entries: Iterable[tuple[int, int]]) -> np.ndarray:
    return np.array(list(entries), "u8")


@given(
    entries=st.lists(
        st.tuples(st.integers(0, 300_000), st.integers(0, 60_000)) | st.just((2**64 - 1, 2**64 - 1)),
        min_size=1,
        max_size=12,
    ),
    data=st.data(),
)
def test_one_request_for_a_chunk_and_those_beside_it_is_short(entries: list[tuple[int, int]], data: Any) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    if entries[place][1] in (0, 2**64 - 1):
        return
    wanted = data.draw(st.sets(st.integers(0, len(entries) - 1)))
    found = [other for (other,) in neighbours(index_of(entries), (place,), lambda other: other[0] in wanted)]
    assert len(set(found)) == len(found)
    assert set(found) <= wanted - {place}
    spans = [entries[number] for number in (place, *found)]
    length = max(start + n for start, n in spans) - min(start for start, _ in spans)
    assert not found or length <= MAX_RIDE
    assert all(n not in (0, 2**64 - 1) for _, n in spans)


def test_chunks_are_beside_each_other_up_to_a_gap_and_a_length() -> None:
    tight = [(n * 1000, 1000) for n in range(1000)]
    found = neighbours(index_of(tight), (500,), lambda _: True)
    assert len(found) == MAX_RIDE // 1000 - 1
    assert set(neighbours(index_of(tight), (500,), lambda other: other[0] % 2 == 0)) < {(n,) for n in range(0, 1000, 2)}
    apart = [(n * 20_000, 1000) for n in range(10)]
    assert neighbours(index_of(apart), (5,), lambda _: True) == []
    large = [(n * MAX_RIDE, MAX_RIDE) for n in range(10)]
    assert neighbours(index_of(large), (5,), lambda _: True) == []
    same = [(0, 10)] * 10_000
    assert 0 < len(neighbours(index_of(same), (5,), lambda _: True)) <= 1000
