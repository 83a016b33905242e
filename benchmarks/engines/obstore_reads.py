"""obstore for the requests, numcodecs in threads."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from obstore.store import HTTPStore

from engines.bare_loop import decoded, key
from engines.task import THREADS, Task, Watch


def run(task: Task, watch: Watch) -> None:
    asyncio.run(_run(task, watch))


async def _run(task: Task, watch: Watch) -> None:
    loop, case = asyncio.get_running_loop(), task.case
    store = HTTPStore.from_url(task.url, client_options={"allow_http": True})
    indices = iter(case.indices())

    async def decode(raw: bytes) -> None:
        watch.deliver(case.seen(await loop.run_in_executor(pool, decoded, raw)))

    async def fetch(decoding: asyncio.TaskGroup) -> None:
        for index in indices:
            result = await store.get_async(key(index))
            decoding.create_task(decode(await result.bytes_async()))

    with ThreadPoolExecutor(THREADS) as pool:
        await (await store.get_async("zarr.json")).bytes_async()
        with watch:
            async with asyncio.TaskGroup() as group:
                for _ in range(task.concurrency):
                    group.create_task(fetch(group))
