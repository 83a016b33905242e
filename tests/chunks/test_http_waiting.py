"""Answers that stop coming: after so long without a byte a read ends. Time is what the test says."""

import asyncio
from dataclasses import dataclass

import pytest
from answers import BODY, Gate, serving

from brickstream.chunks import HttpOptions, RetryPolicy, make_reader, open_client
from brickstream.chunks.http.patience import Patience
from brickstream.errors import TimedOutError
from brickstream.testing import settle


@dataclass
class Body:
    total_bytes: int = 0


class Read:
    """A read that ends when the test says so."""

    def __init__(self, patience: Patience, begun: bool = True) -> None:
        self.patience = patience
        self.begun = begun
        self.body = Body()
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> str:
        with self.patience.waiting() as wait:
            if self.begun:
                wait.arrives(self.body, asyncio.get_running_loop().time())
            return await self.answer


async def begun() -> tuple[Patience, Read, float]:
    patience = Patience(10, 10)
    read = Read(patience)
    await settle()
    return patience, read, asyncio.get_running_loop().time()


async def test_a_read_of_which_nothing_comes_is_late() -> None:
    patience, read, now = await begun()
    patience.look(now + 9)
    await settle()
    assert not read.task.done()
    patience.look(now + 11)
    with pytest.raises(TimeoutError):
        await read.task
    assert read.task.cancelling() == 0


async def test_until_the_answer_begins_there_is_more_time() -> None:
    patience = Patience(15, 10)
    read = Read(patience, begun=False)
    await settle()
    now = asyncio.get_running_loop().time()
    patience.look(now + 14)
    await settle()
    assert not read.task.done()
    patience.look(now + 16)
    with pytest.raises(TimeoutError):
        await read.task


async def test_every_piece_that_comes_buys_time() -> None:
    patience, read, now = await begun()
    for second in range(8, 80, 8):
        read.body.total_bytes += 1
        patience.look(now + second)
    await settle()
    assert not read.task.done()
    patience.look(now + 72 + 9)
    assert not read.task.cancelling()
    read.answer.set_result("answer")
    assert await read.task == "answer"


async def test_who_is_cancelled_in_the_same_turn_is_cancelled() -> None:
    patience, read, now = await begun()
    patience.look(now + 11)
    read.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await read.task
    assert read.task.cancelled()


async def test_who_is_late_is_told_once() -> None:
    patience, read, now = await begun()
    patience.look(now + 11)
    patience.look(now + 22)
    with pytest.raises(TimeoutError):
        await read.task
    assert read.task.cancelling() == 0


async def test_one_timer_looks_after_all_and_none_after_nobody() -> None:
    patience = Patience(0.0, 0.0)
    reads = [Read(patience) for _ in range(3)]
    outcomes = await asyncio.gather(*(read.task for read in reads), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TimeoutError] * 3
    await settle()
    assert patience._timer is None


async def test_closing_leaves_no_timer_behind() -> None:
    patience, read, _ = await begun()
    assert patience._timer is not None
    patience.close()
    assert patience._timer is None
    read.answer.set_result("answer")
    assert await read.task == "answer"


async def test_who_waits_for_a_connection_is_not_late() -> None:
    options, gate = HttpOptions(hedge=False, retry=RetryPolicy(attempts=1)), Gate()
    async with serving(gate.answer) as url, open_client(1, options=options) as client:
        reader = await asyncio.to_thread(make_reader, url, client)
        tasks = [asyncio.create_task(reader.read(key)) for key in ("a", "b")]
        await gate.arrived.acquire()
        client.patience.look(asyncio.get_running_loop().time() + options.connect_s + options.read_s)
        # The one that had the connection is late; now the other one has it, and its wait begins.
        await gate.arrived.acquire()
        gate.open.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert BODY in outcomes
        assert [type(outcome) for outcome in outcomes if outcome != BODY] == [TimedOutError]
