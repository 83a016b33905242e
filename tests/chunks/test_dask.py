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
from dask_gate import gate
from distributed import Client, Future, LocalCluster
from numpy.typing import NDArray

from brickstream import View
from brickstream.chunks import ArraySource, ChunkSource, image_of
from brickstream.engine import Engine
from brickstream.errors import StoreError
from brickstream.testing import ChunkSourceConformance

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
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


async def wanted(client: Client, count: int) -> set[str]:
    """Wait until the scheduler has so many results to get; return the names of all tasks for them."""

    def tasks(dask_scheduler: Any) -> tuple[int, set[str]]:
        tasks = dask_scheduler.tasks.values()
        return sum(bool(task.who_wants) for task in tasks), {str(task.key) for task in tasks}

    while True:
        found, names = await asyncio.to_thread(client.run_on_scheduler, tasks)
        if found == count:
            return names


async def until_given_up(client: Client, names: set[str]) -> None:
    """Wait until the scheduler knows none of some tasks, and no worker will begin one."""

    def known(dask_scheduler: Any) -> set[str]:
        return {str(key) for key in dask_scheduler.tasks}

    def ready(dask_worker: Any) -> set[str]:
        return {str(task.key) for task in dask_worker.state.tasks.values() if task.state == "ready"}

    def left() -> bool:
        return bool(names & client.run_on_scheduler(known)) or any(names & each for each in client.run(ready).values())

    await asyncio.to_thread(lambda: all(iter(left, False)))


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
    with gate((8, 8), (2, 2), shut=False) as slow:
        chunk = await ArraySource(slow.array, (4, 4)).read((0, 1))
    np.testing.assert_array_equal(chunk, slow.numbers[:4, 4:])
    assert sorted(slow.begun) == [(0, 2), (0, 3), (1, 2), (1, 3)]
    assert len(slow.threads) == 1
    assert threading.get_ident() not in slow.threads


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
    with gate((24, 20), (8, 8), shut=False) as slow:
        image = image_of([slow.array, slow.array[::2, ::2]], client=cluster, axes="yx")
        async with Engine() as engine:
            async for update in engine.slice(image, View.plane(image, canvas=(20, 24))):
                last = update
    np.testing.assert_array_equal(last.to_array(), slow.numbers)
    workers = {thread.ident for thread in threading.enumerate() if "Dask-Default" in thread.name}
    assert slow.threads
    assert slow.threads <= workers


async def test_a_read_that_is_cancelled_is_forgotten_by_the_cluster(cluster: Client) -> None:
    with gate() as slow:
        source = ArraySource(slow.array, (4, 4), client=cluster)
        # Two of them run, the others wait in the scheduler.
        tasks = [asyncio.create_task(source.read((i, j))) for i in range(2) for j in range(2)]
        await asyncio.to_thread(slow.came)
        await asyncio.to_thread(slow.came)
        names = await wanted(cluster, 4)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        await until_given_up(cluster, names)
        slow.let_go()
    assert len(slow.begun) == 2


async def test_when_the_view_moves_on_its_chunks_are_given_up(cluster: Client) -> None:
    with gate((8, 400)) as slow:
        image = image_of(slow.array, client=cluster, axes="yx", chunks=(4, 4))

        def look(x: float) -> View:
            return View.plane(image, canvas=(8, 8), center={"x": x, "y": 3.5}, zoom=1.0)

        async with Engine() as engine:
            engine.show(image, look(3.5))
            await asyncio.to_thread(slow.came)
            await asyncio.to_thread(slow.came)
            names = await wanted(cluster, 4)
            engine.show(image, look(303.5))
            await until_given_up(cluster, names)
            slow.let_go()
            await engine.complete()
    old = [index for index in slow.begun if index[1] < 50]
    assert len(old) == 2
    assert sorted(set(slow.begun) - set(old)) == [(i, j) for i in (0, 1) for j in (75, 76)]


async def test_who_still_wants_a_chunk_gets_it_when_another_leaves(cluster: Client) -> None:
    with gate() as slow:
        source = ArraySource(slow.array, (4, 4), client=cluster)
        leaving, staying = (asyncio.create_task(source.read((0, 0))) for _ in range(2))
        await asyncio.to_thread(slow.came)
        leaving.cancel()
        await asyncio.wait([leaving])
        slow.let_go()
        np.testing.assert_array_equal(await staying, slow.numbers[:4, :4])


async def test_a_chunk_that_fails_on_the_cluster_is_one_failed_chunk(cluster: Client) -> None:
    with gate(shut=False) as slow:
        slow.bad.add((0, 0))
        image = image_of(slow.array, client=cluster, axes="yx", chunks=(4, 4))
        async with Engine() as engine:
            updates = [update async for update in engine.slice(image, View.plane(image, canvas=(8, 8)))]
    failures = [update.failure for update in updates if update.failure]
    assert [failure.key for failure in failures] == ["0/0"]
    assert "bad block" in failures[0].reason


async def test_a_chunk_that_somebody_cancels_on_the_cluster_fails(cluster: Client) -> None:
    with gate() as slow:
        source = ArraySource(slow.array, (4, 4), client=cluster)
        reading = asyncio.create_task(source.read((1, 1)))
        await asyncio.to_thread(slow.came)
        futures = [Future(key, cluster) for key in list(cluster.futures)]
        await asyncio.to_thread(lambda: cluster.cancel(futures, force=True))
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
