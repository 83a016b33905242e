"""Reads of two steps: when everything has arrived, the slot is free, and the decoding goes on beside other reads."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from fetching import Client, TwoStepSource, step_source, want

from brickstream.chunks import ChunkState, Fetcher, Limits, Want
from brickstream.chunks.entry import PREFETCH
from brickstream.chunks.table import BACKLOG
from brickstream.errors import CodecError
from brickstream.testing import settle

CHUNK = 16


def limits(inflight: int, chunks: int = 16) -> Limits:
    return Limits(CHUNK * chunks, inflight)


async def first_of_two(fetcher: Fetcher, source: TwoStepSource) -> Client:
    """Want two chunks, one at a time; the bytes of the first have come."""
    client = Client("me", fetcher)
    client.want([want(source, (0, i), distance=i) for i in range(2)])
    await settle()
    source.release((0, 0))
    return client


async def test_the_next_read_begins_while_the_last_one_is_decoded() -> None:
    source = step_source(steps=2)
    async with Fetcher(limits(1)) as fetcher:
        client = await first_of_two(fetcher, source)
        await settle()
        assert (source.waiting, list(source.decoding)) == ([(0, 1)], [(0, 0)])
        assert (fetcher.table.inflight, fetcher.table.running, fetcher.table.bytes_held) == (1, 2, 2 * CHUNK)
        assert client.got == []
        source.flow()
        await settle()
        assert sorted(client.indices) == [(0, 0), (0, 1)]
        assert fetcher.table.inflight_max == 1


async def test_answers_that_wait_to_be_decoded_are_bounded() -> None:
    source = step_source(steps=2)
    async with Fetcher(limits(2)) as fetcher:
        client = Client("me", fetcher)
        client.want([want(source, (i, j), distance=4 * i + j) for i in range(4) for j in range(4)])
        for _ in range(6):
            await settle()
            source.release_all()
        await settle()
        assert (len(source.decoding), source.waiting) == ((1 + BACKLOG) * 2, [])
        source.flow()
        await settle()
        assert len(client.got) == 16


async def test_bytes_that_nobody_waits_for_are_dropped_before_they_are_decoded() -> None:
    source = step_source(steps=2)
    async with Fetcher(limits(1)) as fetcher:
        client = Client("me", fetcher)
        client.want([want(source, (0, 0))])
        await settle()
        source.release((0, 0))
        await settle()
        assert list(source.decoding) == [(0, 0)]
        client.want([])
        await settle()
        assert (source.decoding, fetcher.table.running, fetcher.table.bytes_held) == ({}, 0, 0)
        assert fetcher.table.entries == {}


class Leaving(TwoStepSource):
    """Nobody wants a chunk any more as soon as its decoding has begun."""

    leave: Callable[[], None]
    ends: asyncio.Future[None]

    def decode(self, encoded: object) -> Awaitable[Any]:  # type: ignore[override]
        self.ends = asyncio.get_running_loop().create_future()
        self.leave()
        return self.ends


async def test_decoding_that_has_begun_ends_also_where_nobody_has_awaited_it() -> None:
    plain = step_source(steps=2)
    source = Leaving(plain.array, plain.chunks, held=False)
    async with Fetcher(limits(1)) as fetcher:
        client = Client("me", fetcher)
        source.leave = lambda: client.want([])
        client.want([want(source, (0, 0))])
        await settle()
        assert source.ends.cancelled()
        assert (fetcher.table.running, fetcher.table.entries) == (0, {})


async def test_the_next_request_goes_out_in_the_turn_in_which_a_slot_is_free() -> None:
    source = step_source(steps=2)
    async with Fetcher(limits(1)) as fetcher:
        await first_of_two(fetcher, source)
        await settle(1)
        assert source.waiting == [(0, 1)]


async def test_bytes_that_are_no_pixels_are_a_failure() -> None:
    source = step_source(steps=2)
    async with Fetcher(limits(1)) as fetcher:
        client = Client("me", fetcher)
        client.want([want(source, (0, 0))])
        await settle()
        source.release((0, 0))
        await settle()
        source.decoding[(0, 0)].set_exception(CodecError("no pixels"))
        await settle()
        assert client.got == [((0, 0), ChunkState.FAILED)]
        assert (fetcher.table.running, fetcher.table.bytes_held) == (0, 0)


async def test_what_is_fetched_ahead_waits_for_visible_pixels_not_only_for_their_bytes() -> None:
    source = step_source(steps=2)
    async with Fetcher(limits(4)) as fetcher:
        view, ahead = Client("view", fetcher), Client("ahead", fetcher)
        view.want([want(source, (0, 0))])
        ahead.want([Want((id(source), (1, 1)), source, (PREFETCH, 1, 0.0))])
        await settle()
        source.release((0, 0))
        await settle()
        assert (source.waiting, list(source.decoding)) == ([], [(0, 0)])
        source.decoding[(0, 0)].set_result(None)
        await settle()
        assert source.waiting == [(1, 1)]


class Wrapped:
    """Passes everything on but `read`, as people wrap a source to count or to cache."""

    def __init__(self, source: object) -> None:
        self._source = source
        self.reads = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    async def read(self, index: tuple[int, ...], started: object) -> object:
        self.reads += 1
        return await self._source.read(index, started)  # type: ignore[attr-defined]


async def test_a_wrapper_of_a_source_sees_its_reads() -> None:
    source = Wrapped(step_source(steps=2, held=False))
    async with Fetcher(limits(1)) as fetcher:
        client = Client("me", fetcher)
        client.want([want(source, (0, 0))])  # type: ignore[arg-type]
        await settle()
        assert (source.reads, client.got) == (1, [((0, 0), ChunkState.LOADED)])


async def test_a_full_backlog_that_nobody_waits_for_makes_room_at_once() -> None:
    source = step_source(steps=2)
    async with Fetcher(limits(1)) as fetcher:
        client = Client("me", fetcher)
        client.want([want(source, (0, i), distance=i) for i in range(2)])
        for _ in range(2):
            await settle()
            source.release_all()
        await settle()
        assert list(source.decoding) == [(0, 0), (0, 1)]
        client.want([want(source, (3, 3))])
        await settle()
        assert (source.waiting, source.decoding) == ([(3, 3)], {})


class Counting(TwoStepSource):
    """Overrides `read` alone, as people count reads."""

    reads = 0

    async def read(self, *args: object) -> object:  # type: ignore[override]
        self.reads += 1
        return await super().read(*args)  # type: ignore[arg-type]


async def test_a_subclass_that_overrides_read_alone_sees_its_reads() -> None:
    plain = step_source(steps=2)
    source = Counting(plain.array, plain.chunks, held=False)
    async with Fetcher(limits(1)) as fetcher:
        client = Client("me", fetcher)
        client.want([want(source, (0, 0))])
        await settle()
        assert (source.reads, client.got) == (1, [((0, 0), ChunkState.LOADED)])


if sys.version_info >= (3, 12):

    async def test_reads_that_end_within_the_line_that_begins_them() -> None:
        source = step_source((40, 40), steps=2, held=False)
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        async with Fetcher(limits(1000, 1600)) as fetcher:
            client = Client("me", fetcher)
            client.want([want(source, (i, j)) for i in range(40) for j in range(40)])
            await settle()
            assert [state for _, state in client.got] == [ChunkState.LOADED] * 1600
            assert fetcher.table.running == 0
