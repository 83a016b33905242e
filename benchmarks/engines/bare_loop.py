"""The least that can be done: aiohttp in a loop, numcodecs in threads. A request is made as soon as one has ended."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import numpy as np
from numcodecs import Zstd

from engines.task import CHUNK, THREADS, Index, Task, Watch

_decode = Zstd().decode


def run(task: Task, watch: Watch) -> None:
    asyncio.run(_run(task, watch))


def decoded(raw: bytes) -> np.ndarray:
    return np.frombuffer(_decode(raw), dtype="<u2").reshape((CHUNK,) * 3)


async def _run(task: Task, watch: Watch) -> None:
    loop, case = asyncio.get_running_loop(), task.case
    connector = aiohttp.TCPConnector(limit=task.concurrency)
    indices = iter(case.indices())

    async def decode(raw: bytes) -> None:
        watch.deliver(case.seen(await loop.run_in_executor(pool, decoded, raw)))

    async def fetch(session: aiohttp.ClientSession, decoding: asyncio.TaskGroup) -> None:
        for index in indices:
            decoding.create_task(decode(await _get(session, f"{task.url}/{key(index)}")))

    with ThreadPoolExecutor(THREADS) as pool:
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            await _get(session, f"{task.url}/zarr.json")
            with watch:
                async with asyncio.TaskGroup() as group:
                    for _ in range(task.concurrency):
                        group.create_task(fetch(session, group))


def key(index: Index) -> str:
    return "/".join(("c", *map(str, index)))


async def _get(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url) as response:
        response.raise_for_status()
        return await response.read()
