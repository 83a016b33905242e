"""tensorstore over its http kvstore: one read for each chunk, all of them asked for at once; it does the rest."""

import asyncio

import tensorstore

from engines.task import Index, Task, Watch


def run(task: Task, watch: Watch) -> None:
    asyncio.run(_run(task, watch))


async def _run(task: Task, watch: Watch) -> None:
    context = tensorstore.Context({"http_request_concurrency": {"limit": task.concurrency}})
    base, _, path = task.url.rpartition("/")
    kvstore = {"driver": "http", "base_url": base, "path": f"/{path}/"}
    store = await tensorstore.open({"driver": "zarr3", "kvstore": kvstore}, context=context, open=True)

    async def read(index: Index) -> None:
        watch.deliver(await store[task.case.box(index)].read())

    with watch:
        async with asyncio.TaskGroup() as group:
            for index in task.case.indices():
                group.create_task(read(index))
