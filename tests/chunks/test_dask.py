"""Arrays as sources: NumPy for nothing, dask in threads and on a cluster that lets go of what nobody wants any more."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dask
import dask.array
import numpy as np
import pytest
from distributed import Client, LocalCluster
from numpy.typing import NDArray

from brickstream import View
from brickstream.chunks import ArraySource, ChunkSource, image_of
from brickstream.engine import Engine
from brickstream.errors import StoreError
from brickstream.testing import ChunkSourceConformance, memory_image

UGLY = np.random.default_rng(3).integers(1, 99, (7, 5, 11)).astype("u2")
CHUNKS = (2, 5, 4)


def lazy(array: NDArray[Any] = UGLY, chunks: tuple[int, ...] = (3, 3, 3)) -> dask.array.Array:
    return dask.array.from_array(array, chunks=chunks)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    """A cluster in this process, whose scheduler and workers talk over 127.0.0.1."""
    settings = {"distributed.worker.memory.terminate": False, "distributed.admin.tick.limit": "1h"}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


class Gate:
    """Blocks of a dask array that wait in their worker until the test lets them go."""

    def __init__(self, shape: tuple[int, ...] = (8, 8), chunks: tuple[int, ...] = (4, 4)) -> None:
        self.open = threading.Event()
        self.begun: list[tuple[int, ...]] = []
        self.came = threading.Semaphore(0)
        self.numbers = np.arange(np.prod(shape), dtype="i4").reshape(shape)
        base = dask.array.from_array(self.numbers, chunks=chunks)
        self.array = base.map_blocks(self._wait, dtype="i4", meta=np.empty((0, 0), "i4"), name=f"gate-{id(self)}")

    def _wait(self, block: NDArray[Any], block_id: tuple[int, ...] | None = None) -> NDArray[Any]:
        if block_id is not None:
            self.begun.append(block_id)
            self.came.release()
            self.open.wait(20)
        return block

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers live in this process: what they are sent is this very gate.
        return _gate, (id(self),)

    def __enter__(self) -> "Gate":
        _gates[id(self)] = self
        return self

    def __exit__(self, *exc: object) -> None:
        self.open.set()
        del _gates[id(self)]


_gates: dict[int, Gate] = {}


def _gate(number: int) -> Gate:
    return _gates[number]


async def until_forgotten(client: Client, name: str) -> None:
    """Wait until the scheduler knows no task of that name."""

    def known(dask_scheduler: Any) -> bool:
        return any(name in str(key) for key in dask_scheduler.tasks)

    while await asyncio.to_thread(client.run_on_scheduler, known):
        await asyncio.sleep(0)


# ---- NumPy


async def test_a_numpy_array_is_cut_and_not_copied() -> None:
    source = ArraySource(UGLY, CHUNKS)
    reading = source.read((1, 0, 2))
    with pytest.raises(StopIteration) as ended:
        reading.send(None)  # it ends without ever waiting
    chunk = ended.value.value
    assert np.shares_memory(chunk, UGLY)
    assert not chunk.flags.writeable
    assert UGLY.flags.writeable
    np.testing.assert_array_equal(chunk, UGLY[2:4, :, 8:])


async def test_a_numpy_array_with_a_file_behind_it_is_read_in_a_thread(tmp_path: Path) -> None:
    UGLY.tofile(tmp_path / "raw")
    mapped = np.memmap(tmp_path / "raw", dtype="u2", mode="r", shape=UGLY.shape)
    for array in (mapped, np.asarray(mapped), mapped[1:]):
        threads: list[int] = []
        source = ArraySource(Seen(array, threads), (7, 5, 11))
        await source.read((0, 0, 0))
        assert threads != [threading.get_ident()]
        source = ArraySource(array, CHUNKS)
        chunk = await source.read((0, 0, 0))
        assert chunk is not None
        assert not np.shares_memory(chunk, mapped)


class Seen:
    """An array that notes which threads cut it."""

    def __init__(self, array: NDArray[Any], threads: list[int]) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self._array, self._threads = array, threads

    def __getitem__(self, box: tuple[slice, ...]) -> NDArray[Any]:
        self._threads.append(threading.get_ident())
        return self._array[box]


# ---- dask, here


async def test_dask_computes_one_chunk_in_the_thread_that_reads() -> None:
    threads: list[int] = []

    def block(data: NDArray[Any]) -> NDArray[Any]:
        threads.append(threading.get_ident())
        return data

    array = lazy(UGLY, (2, 2, 2)).map_blocks(block, dtype="u2", meta=np.empty((0, 0, 0), "u2"))
    chunk = await ArraySource(array, CHUNKS).read((0, 0, 0))
    np.testing.assert_array_equal(chunk, UGLY[:2, :, :4])
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


async def test_the_scheduler_that_people_have_set_counts() -> None:
    used: list[object] = []

    def scheduler(graph: Any, keys: Any, **kwargs: Any) -> Any:
        used.append(keys)
        return dask.get(graph, keys)  # type: ignore[attr-defined]

    with dask.config.set(scheduler=scheduler):
        chunk = await ArraySource(lazy(), CHUNKS).read((0, 0, 0))
    np.testing.assert_array_equal(chunk, UGLY[:2, :, :4])
    assert used


# ---- dask, on a cluster


async def test_an_image_of_dask_arrays_comes_from_the_cluster(cluster: Client) -> None:
    computed: list[str] = []
    numbers = np.arange(24 * 20, dtype="u2").reshape(24, 20)

    def block(data: NDArray[Any]) -> NDArray[Any]:
        computed.append(threading.current_thread().name)
        return data

    array = lazy(numbers, (8, 8)).map_blocks(block, dtype="u2", meta=np.empty((0, 0), "u2"))
    image = image_of([array, array[::2, ::2]], client=cluster, axes="yx")
    async with Engine() as engine:
        async for update in engine.slice(image, View.plane(image, canvas=(20, 24))):
            last = update
    np.testing.assert_array_equal(last.to_array(), numbers)
    assert computed
    assert all(name.startswith("Dask") for name in computed)


async def test_a_read_that_is_cancelled_is_forgotten_by_the_cluster(cluster: Client) -> None:
    with Gate() as gate:
        source = ArraySource(gate.array, (4, 4), client=cluster)
        # Two of them run, the others wait in the scheduler.
        tasks = [asyncio.create_task(source.read((i, j))) for i in range(2) for j in range(2)]
        await asyncio.to_thread(gate.came.acquire)
        await asyncio.to_thread(gate.came.acquire)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        gate.open.set()
        await until_forgotten(cluster, f"gate-{id(gate)}")
    assert len(gate.begun) == 2


async def test_when_the_view_moves_on_its_chunks_are_given_up(cluster: Client) -> None:
    with Gate((8, 400), (4, 4)) as gate:
        image = image_of(gate.array, client=cluster, axes="yx", chunks=(4, 4))
        async with Engine() as engine:
            engine.show(image, View.plane(image, canvas=(8, 8), center={"x": 3.5, "y": 3.5}, zoom=1.0))
            await asyncio.to_thread(gate.came.acquire)
            engine.show(image, View.plane(image, canvas=(8, 8), center={"x": 303.5, "y": 3.5}, zoom=1.0))
            gate.open.set()
            await engine.complete()
            old = [index for index in gate.begun if index[1] < 50]
            assert len(old) <= 2
            assert sorted(index for index in gate.begun if index[1] >= 50) == [(i, j) for i in (0, 1) for j in (75, 76)]


async def test_who_still_wants_a_chunk_gets_it_when_another_leaves(cluster: Client) -> None:
    with Gate() as gate:
        source = ArraySource(gate.array, (4, 4), client=cluster)
        leaving, staying = (asyncio.create_task(source.read((0, 0))) for _ in range(2))
        await asyncio.to_thread(gate.came.acquire)
        leaving.cancel()
        await asyncio.wait([leaving])
        gate.open.set()
        np.testing.assert_array_equal(await staying, gate.numbers[:4, :4])
    assert gate.begun == [(0, 0)]


async def test_a_chunk_that_fails_on_the_cluster_is_one_failed_chunk(cluster: Client) -> None:
    def block(data: NDArray[Any], block_id: tuple[int, ...] | None = None) -> NDArray[Any]:
        if block_id == (0, 0):
            raise ValueError("bad block")
        return data

    numbers = np.arange(64, dtype="i4").reshape(8, 8)
    array = lazy(numbers, (4, 4)).map_blocks(block, dtype="i4", meta=np.empty((0, 0), "i4"))
    image = image_of(array, client=cluster, axes="yx", chunks=(4, 4))
    async with Engine() as engine:
        updates = [update async for update in engine.slice(image, View.plane(image, canvas=(8, 8)))]
    failures = [update.failure for update in updates if update.failure]
    assert [failure.key for failure in failures] == ["0/0"]
    assert "bad block" in failures[0].reason


async def test_a_chunk_that_somebody_cancels_on_the_cluster_fails(cluster: Client) -> None:
    with Gate() as gate:
        source = ArraySource(gate.array, (4, 4), client=cluster)
        reading = asyncio.create_task(source.read((1, 1)))
        await asyncio.to_thread(gate.came.acquire)
        future = await asyncio.to_thread(lambda: cluster.compute(gate.array[4:, 4:]))
        await asyncio.to_thread(lambda: cluster.cancel([future], force=True))
        with pytest.raises(StoreError, match="given the chunk up"):
            await reading


async def test_a_client_of_the_same_event_loop(cluster: Client) -> None:
    async with Client(cluster.scheduler.address, asynchronous=True, set_as_default=False) as client:
        chunk = await ArraySource(lazy(), CHUNKS, client=client).read((3, 0, 2))
    np.testing.assert_array_equal(chunk, UGLY[6:, :, 8:])


# ---- the contract of sources


class TestNumpy(ChunkSourceConformance):
    array: Any = UGLY

    def expected(self) -> NDArray[Any]:
        return UGLY

    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[ChunkSource]:
        yield ArraySource(self.array, CHUNKS)


class TestNumpyOfAnotherByteOrder(TestNumpy):
    array = UGLY.astype(">u2")


class TestDask(TestNumpy):
    array = lazy()


class TestDaskOnACluster(TestNumpy):
    array = lazy()

    @pytest.fixture(autouse=True)
    def _cluster(self, cluster: Client) -> None:
        self.client = cluster

    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[ChunkSource]:
        yield ArraySource(self.array, CHUNKS, client=self.client)


def test_a_view_of_memory_is_what_the_fakes_show() -> None:
    image = memory_image(UGLY, CHUNKS)
    chunk = asyncio.run(image.sources[0].read((0, 0, 0)))
    np.testing.assert_array_equal(chunk, UGLY[:2, :, :4])
