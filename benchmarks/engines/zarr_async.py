"""zarr-python's async API: a slice of the whole view, or a read for each chunk as a viewer does it."""

import asyncio

import zarr
from zarr.api import asynchronous

from engines.task import THREADS, Index, Task, Watch


def run(task: Task, watch: Watch) -> None:
    zarr.config.set({"async.concurrency": task.concurrency, "threading.max_workers": THREADS})
    asyncio.run(_run(task, watch))


def _store(task: Task) -> object:
    if not task.settings.get("obstore"):
        return task.url
    from obstore.store import HTTPStore

    return zarr.storage.ObjectStore(HTTPStore.from_url(task.url, client_options={"allow_http": True}), read_only=True)


async def _run(task: Task, watch: Watch) -> None:
    array = await asynchronous.open_array(store=_store(task), mode="r")
    gate = asyncio.Semaphore(task.concurrency)

    async def read(index: Index) -> None:
        async with gate:
            watch.deliver(await array.getitem(task.case.box(index)))

    with watch:
        if task.settings.get("whole"):
            watch.deliver(await array.getitem(task.case.selection))
            return
        async with asyncio.TaskGroup() as group:
            for index in task.case.indices():
                group.create_task(read(index))
