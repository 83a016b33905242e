"""Time that passes only when nothing else can happen."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from virtual import now, virtually

from brickstream.testing import VirtualClock


@virtually
async def test_an_hour_passes_at_once_and_exactly() -> None:
    assert now() == 0
    await asyncio.sleep(3600)
    assert now() == 3600


@virtually
async def test_who_waits_shorter_wakes_first() -> None:
    woken: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, now()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("c", 86400.0), ("a", 0.25), ("b", 0.5)):
            group.create_task(wait(name, seconds))
    assert woken == [("a", 0.25), ("b", 0.5), ("c", 86400.0)]


@virtually
async def test_a_time_out_comes_when_it_is_due() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(7):
            await asyncio.Event().wait()
    assert now() == 7


@virtually
async def test_work_for_threads_takes_no_time_and_is_done_in_order() -> None:
    ticking, done = asyncio.create_task(asyncio.sleep(1)), []

    def work(number: int) -> int:
        time.sleep(0.001 * (5 - number))
        done.append(number)
        return number

    with ThreadPoolExecutor(4) as executor:
        loop = asyncio.get_running_loop()
        assert await asyncio.gather(*(loop.run_in_executor(executor, work, n) for n in range(5))) == [*range(5)]
    assert done == [*range(5)]
    assert now() == 0
    await ticking
    assert now() == 1


@virtually
async def test_work_for_threads_may_fail_and_have_a_loop_of_its_own() -> None:
    async def inner() -> float:
        return asyncio.get_running_loop().time()

    assert await asyncio.to_thread(lambda: asyncio.run(inner())) > 0
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)
    assert now() == 0


@virtually
async def test_work_that_nobody_waits_for_any_more_is_not_done() -> None:
    done: list[int] = []
    asyncio.get_running_loop().run_in_executor(None, done.append, 1).cancel()
    await asyncio.sleep(1)
    assert done == []


@virtually
async def test_time_stands_still_while_bytes_are_under_way() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await asyncio.sleep(1)
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, family=socket.AF_INET)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    ticking = asyncio.create_task(asyncio.sleep(1000))
    for number in range(100):
        writer.write(b"x" * 1000)
        assert await reader.readexactly(1000) == b"x" * 1000
        assert now() == number + 1
    ticking.cancel()
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


def test_sockets_may_be_waited_for_before_each_jump() -> None:
    with asyncio.Runner(loop_factory=lambda: VirtualClock(linger_s=10)) as runner:
        near, far = socket.socketpair()

        async def wait() -> float:
            far.setblocking(False)
            arrived = asyncio.create_task(asyncio.get_running_loop().sock_recv(far, 1))
            threading.Timer(0, near.send, (b"x",)).start()
            await asyncio.wait([arrived], timeout=1e9)
            return now()

        with near, far:
            assert runner.run(wait()) < 1e9
