"""Cancelling, at every moment of everything: the socket closes, slot and bytes are free, nothing and nobody stays."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stored
import zarr
from benches import Bench, Faults, sound, with_bench
from fetching import Client, step_source, want
from moments import Moments, at_every_moment, until
from yarl import URL

from brickstream.chunks import (
    ChunkSource,
    ChunkState,
    Fetcher,
    HttpOptions,
    Limits,
    RetryPolicy,
    open_image,
)
from brickstream.chunks.http.hedge import Hedge
from brickstream.chunks.http.pace import Pace
from brickstream.chunks.http.retry import FAILURES_IN_A_ROW
from brickstream.chunks.reader import Reader
from brickstream.chunks.zarr.unsharded import ZarrSource
from brickstream.latency import Fault
from brickstream.testing import settle

BODY = bytes(range(256)) * 40
# A read that fails is tried again at once; what is late is asked for twice only where a test wants it.
AT_ONCE = HttpOptions(retry=RetryPolicy(first_s=0.0, longest_s=0.0), hedge=False)
PATIENT = HttpOptions(retry=RetryPolicy(first_s=1000.0, longest_s=1000.0, deadline_s=1e6), hedge=False)
HANG = Fault("hang")
SHARD = "sharded/0/c/0/0"
# Chunks with a request each, chunks in shards, and those that zarr-python reads for us.
KINDS = ("zstd", "sharded", "nested")
BUDGET = Limits(1 << 20, 4)


class Impatient(Pace):
    """Every read is late at once."""

    def late_after(self) -> float | None:
        return 0.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of every kind, and a plain value."""
    root: Path = tmp_path_factory.mktemp("served")
    (root / "key").write_bytes(BODY)
    for kind in ("zstd", "sharded"):
        stored.write_image(root / kind, kind)
    inner = zarr.codecs.ShardingCodec(chunk_shape=(4, 4))
    options: Any = {"chunks": (8, 8), "serializer": zarr.codecs.ShardingCodec(chunk_shape=(8, 8), codecs=[inner])}
    array = zarr.create_array(str(root / "nested"), shape=(16, 16), dtype="u2", compressors=None, **options)
    array[...] = np.arange(256, dtype="u2").reshape(16, 16) + 1
    return root


# ---- one read, cancelled at every moment


@asynccontextmanager
async def chunk_of(reader: Reader, index: tuple[int, ...] = (0, 0)) -> AsyncIterator[ChunkSource]:
    with ThreadPoolExecutor(1) as pool:
        yield (await open_image(reader, pool)).sources[0]


def hedged(bench: Bench) -> None:
    """Let every read of the bench's server be late at once."""
    bench.client.host(URL(bench.server.url)).hedge = Hedge(Impatient(8))


def first_of_all(fault: Fault) -> Faults:
    return lambda key, number: fault if number == 0 else None


# How a read goes, and what is planned for its requests.
READS: dict[str, tuple[Faults, HttpOptions]] = {
    "plain": (sound, AT_ONCE),
    "tried again after a status": (first_of_all(Fault("status", 503)), AT_ONCE),
    "tried again after a reset": (first_of_all(Fault("reset", after=100)), AT_ONCE),
    "redirected": (first_of_all(Fault("status", 302, headers={"Location": "/key"})), AT_ONCE),
    "asked for twice": (first_of_all(HANG), replace(AT_ONCE, hedge=True)),
    "asked for twice in vain": (lambda key, number: HANG if number == 1 else None, replace(AT_ONCE, hedge=True)),
}


@pytest.mark.parametrize("at_the_end", [False, True], ids=["while it waits", "as the wait ends"])
@pytest.mark.parametrize("how", READS)
def test_a_read_over_http(root: Path, how: str, at_the_end: bool) -> None:
    faults, options = READS[how]

    async def attempt(bench: Bench, number: int) -> bool:
        reader = bench.reader()
        await asyncio.to_thread(bench.server.clear_log)
        if options.hedge:
            hedged(bench)
        task: list[asyncio.Task[bytes | None]] = []
        moments = Moments(number, lambda: task[0].cancel(), at_the_end)
        with moments.counting():
            task.append(asyncio.create_task(reader.read("key")))
            await asyncio.wait(task)
        assert task[0].cancelled() == moments.came
        assert moments.came or task[0].result() == BODY
        assert bench.connections == 0
        await bench.rows()
        await asyncio.to_thread(bench.server.clear_log)
        return moments.came

    async def main(bench: Bench) -> None:
        assert await at_every_moment(lambda number: attempt(bench, number)) > 2

    with_bench(root, main, faults, options)


@pytest.mark.parametrize("at_the_end", [False, True], ids=["while it waits", "as the wait ends"])
@pytest.mark.parametrize("both", [False, True], ids=["one", "both"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_read_of_a_chunk(root: Path, kind: str, both: bool, at_the_end: bool) -> None:
    """Of two neighbours at once, which share an index and a request in a shard: the other one comes all the same."""

    async def attempt(bench: Bench, number: int) -> bool:
        async with chunk_of(bench.reader(f"/{kind}")) as source:
            tasks: list[asyncio.Task[Any]] = []
            moments = Moments(number, lambda: [task.cancel() for task in tasks[: 1 + both]], at_the_end)
            with moments.counting():
                tasks += [asyncio.create_task(source.read(index)) for index in ((0, 0), (0, 1))]
                await asyncio.wait(tasks)
            # The moment may be one of the other read, after this one was through.
            assert moments.came or not tasks[0].cancelled()
            assert both or not tasks[1].cancelled()
            assert all(task.cancelled() or task.result().shape == (8, 8) for task in tasks)
            assert bench.connections == 0
            return moments.came

    async def main(bench: Bench) -> None:
        assert await at_every_moment(lambda number: attempt(bench, number)) > 4

    with_bench(root, main, sound, AT_ONCE)


# ---- a read that stands still somewhere, and that nobody wants any more


class Slow:
    """A decoder that waits for the test, in its thread."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.began = 0

    def decode(self, raw: bytes) -> Any:
        self.began += 1
        self.may_go.wait()
        return np.frombuffer(raw, np.uint8).reshape(80, 128)


class Hall:
    """What the phases of a read need: a bench, and threads that decode when the test says so."""

    def __init__(self, bench: Bench, pool: ThreadPoolExecutor) -> None:
        self.bench = bench
        self.pool = pool
        self.slow = Slow()
        self.tasks: list[asyncio.Task[Any]] = []
        self.sockets: list[socket.socket] = []

    def source(self) -> ChunkSource:
        """A source whose only chunk is the value of the key `key`."""
        shape, decoder = (80, 128), self.slow
        reader = self.bench.reader()
        return ZarrSource(reader, shape, shape, np.dtype("u1"), 0, lambda index: "key", decoder, self.pool)  # type: ignore[arg-type]

    async def sharded(self) -> ChunkSource:
        return (await open_image(self.bench.reader("/sharded"), self.pool)).sources[0]


Reached = Callable[[], bool]
Phase = Callable[[Hall], Awaitable[tuple[ChunkSource, Reached]]]


async def in_connecting(hall: Hall) -> tuple[ChunkSource, Reached]:
    async def held(sock: socket.socket, address: Any) -> None:
        hall.sockets.append(sock)
        await asyncio.Event().wait()

    asyncio.get_running_loop().sock_connect = held  # type: ignore[method-assign, assignment]
    return hall.source(), lambda: bool(hall.sockets)


async def in_the_queue_for_a_connection(hall: Hall) -> tuple[ChunkSource, Reached]:
    hall.tasks.append(asyncio.create_task(hall.bench.reader().read("key")))
    await until(lambda: bool(hall.bench.arrived))
    return hall.source(), lambda: hall.bench.client.traffic.requests == 2


async def before_the_headers(hall: Hall) -> tuple[ChunkSource, Reached]:
    return hall.source(), lambda: bool(hall.bench.arrived)


async def in_the_body(hall: Hall) -> tuple[ChunkSource, Reached]:
    return hall.source(), lambda: hall.bench.client.traffic.requests == 1


async def with_two_requests(hall: Hall) -> tuple[ChunkSource, Reached]:
    hedged(hall.bench)
    return hall.source(), lambda: len(hall.bench.arrived) == 2


async def in_the_index_of_a_shard(hall: Hall) -> tuple[ChunkSource, Reached]:
    return await hall.sharded(), lambda: hall.bench.arrived.count(SHARD) == 1


async def in_a_part_of_a_shard(hall: Hall) -> tuple[ChunkSource, Reached]:
    return await hall.sharded(), lambda: hall.bench.arrived.count(SHARD) == 2


async def before_the_next_try(hall: Hall) -> tuple[ChunkSource, Reached]:
    return hall.source(), lambda: hall.bench.client.traffic.retries == 1


async def while_the_server_rests(hall: Hall) -> tuple[ChunkSource, Reached]:
    host = hall.bench.client.host(URL(hall.bench.server.url))
    host.good = True
    for _ in range(FAILURES_IN_A_ROW):
        host.circuit.failed(asyncio.get_running_loop().time() + 1000.0)
    return hall.source(), lambda: True


async def in_the_queue_for_a_thread(hall: Hall) -> tuple[ChunkSource, Reached]:
    hall.pool.submit(hall.slow.may_go.wait)
    return hall.source(), lambda: hall.bench.client.traffic.bytes_read == len(BODY)


async def in_decoding(hall: Hall) -> tuple[ChunkSource, Reached]:
    return hall.source(), lambda: hall.slow.began == 1


def of_shards(fault: Fault, at: int) -> Faults:
    return lambda key, number: fault if key == SHARD and number == at else None


def always(fault: Fault) -> Faults:
    return lambda key, number: fault


# Where a read stands; what its requests meet; how they end, in the words of the server's log.
PHASES: list[tuple[Phase, Faults, HttpOptions, list[str]]] = [
    (in_connecting, sound, AT_ONCE, []),
    (in_the_queue_for_a_connection, always(HANG), AT_ONCE, ["cancelled"]),
    (before_the_headers, always(HANG), AT_ONCE, ["cancelled"]),
    (in_the_body, always(Fault("hang", after=100)), AT_ONCE, ["cancelled"]),
    (with_two_requests, always(HANG), replace(AT_ONCE, hedge=True), ["cancelled", "cancelled"]),
    (in_the_index_of_a_shard, of_shards(HANG, 0), AT_ONCE, ["cancelled"]),
    (in_a_part_of_a_shard, of_shards(HANG, 1), AT_ONCE, ["served", "cancelled"]),
    (before_the_next_try, always(Fault("status", 503)), PATIENT, ["fault"]),
    (while_the_server_rests, sound, PATIENT, []),
    (in_the_queue_for_a_thread, sound, AT_ONCE, ["served"]),
    (in_decoding, sound, AT_ONCE, ["served"]),
]


async def want_nothing(client: Client) -> None:
    client.want([])


async def be_forgotten(client: Client) -> None:
    client.fetcher.forget(client.name)


async def leave(client: Client) -> None:
    await client.fetcher.__aexit__()


@pytest.mark.parametrize("end", [want_nothing, be_forgotten, leave], ids=lambda end: end.__name__)
@pytest.mark.parametrize(("phase", "faults", "options", "ends"), PHASES, ids=lambda part: getattr(part, "__name__", ""))
def test_a_read_that_nobody_wants_any_more(
    root: Path,
    phase: Phase,
    faults: Faults,
    options: HttpOptions,
    ends: list[str],
    end: Callable[[Client], Awaitable[None]],
) -> None:
    async def main(bench: Bench) -> None:
        with ThreadPoolExecutor(1) as pool:
            hall = Hall(bench, pool)
            async with Fetcher(BUDGET) as fetcher:
                client = Client("me", fetcher)
                source, reached = await phase(hall)
                client.want([want(source, (0, 0))])
                await until(reached)
                await settle()
                if phase is in_the_body:
                    await until(lambda: fetcher.table.entries[id(source), (0, 0)].state is ChunkState.RECEIVING)
                # Once everything has come, the slot is free.
                assert fetcher.table.inflight == (phase not in (in_decoding, in_the_queue_for_a_thread))
                await end(client)
                await settle(1)
                # In the next turn of the loop, whatever the task that reads still has to do.
                assert (fetcher.table.running, fetcher.table.bytes_held, fetcher.table.entries) == (0, 0, {})
                await settle()
                assert bench.connections == len(hall.tasks)
                for task in hall.tasks:
                    task.cancel()
                rows = await bench.rows()
                hall.slow.may_go.set()
        await settle()
        assert client.got == []
        assert hall.slow.began == (phase is in_decoding)
        assert [row.outcome for row in rows if row.key in ("key", SHARD)] == ends
        assert all(sock.fileno() == -1 for sock in hall.sockets)

    with_bench(root, main, faults, options)


@pytest.mark.parametrize("end", [want_nothing, be_forgotten, leave], ids=lambda end: end.__name__)
async def test_a_read_that_was_begun_and_has_not_run(end: Callable[[Client], Awaitable[None]]) -> None:
    source = step_source()
    async with Fetcher(BUDGET) as fetcher:
        client = Client("me", fetcher)
        client.want([want(source, (0, 0))])
        await settle(1)
        assert fetcher.table.inflight == 1
        await end(client)
        await settle(1)
        assert (fetcher.table.running, fetcher.table.bytes_held, fetcher.table.entries) == (0, 0, {})
    assert source.happened("begin") == source.happened("cancelled")


# ---- a fetcher at work, disturbed at every moment


async def want_others(client: Client) -> None:
    source = next(iter(client.fetcher.table.entries.values())).source
    client.want([want(source, (1, 1)), want(source, (0, 1))])


@pytest.mark.parametrize("end", [want_others, be_forgotten, leave], ids=lambda end: end.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fetcher_at_work(root: Path, kind: str, end: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    """In any moment another view comes, or the end: what is wanted then arrives, and nothing else stays."""

    async def attempt(bench: Bench, number: int) -> bool:
        async with chunk_of(bench.reader(f"/{kind}")) as source:
            async with Fetcher(Limits(1 << 20, 2)) as fetcher:
                client, ends = Client("me", fetcher), list[asyncio.Task[None]]()
                moments = Moments(number, lambda: ends.append(asyncio.ensure_future(end(client))))
                with moments.counting():
                    client.want([want(source, index) for index in ((0, 0), (0, 1), (1, 0))])
                    await until(lambda: bool(ends) or not (fetcher.table.running or fetcher.table.queue))
                if moments.came:
                    await until(lambda: bool(ends))
                    await ends[0]
                await until(lambda: not (fetcher.table.running or fetcher.table.queue))
                settled = {key[1] for key in client.settled}
                if moments.came and end is not want_others:
                    assert settled <= {(0, 0), (0, 1), (1, 0)}
                else:
                    assert settled == ({(1, 1), (0, 1)} if moments.came else {(0, 0), (0, 1), (1, 0)})
                held = [entry for entry in fetcher.table.entries.values() if entry.data is not None]
                assert fetcher.table.bytes_held == sum(entry.nbytes for entry in held)
                assert fetcher.table.queue == []
            await settle()
            assert bench.connections == 0
            return moments.came

    async def main(bench: Bench) -> None:
        assert await at_every_moment(lambda number: attempt(bench, number)) > 4

    with_bench(root, main, sound, AT_ONCE, connections=2)
