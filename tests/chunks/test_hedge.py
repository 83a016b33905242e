"""Reads that are late are asked for twice: who wins, who is closed, what is left behind. No time passes here."""

import asyncio
from collections.abc import Callable

import pytest

from brickstream.chunks.http.hedge import Hedge
from brickstream.chunks.http.pace import Pace
from brickstream.errors import StoreError
from brickstream.testing import settle


class Impatient(Pace):
    """Every read is late at once, unless it is said otherwise."""

    late: float | None = 0.0

    def late_after(self) -> float | None:
        return self.late


class Server:
    """Requests that end when the test says so."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[str]] = []
        self.begin: list[Callable[[], None]] = []
        self.closed: list[int] = []

    async def ask(self, started: Callable[[], None]) -> str:
        number = len(self.answers)
        self.answers.append(asyncio.get_running_loop().create_future())
        self.begin.append(started)
        try:
            return await self.answers[number]
        except asyncio.CancelledError:
            self.closed.append(number)
            raise


async def race(server: Server, *, late: float | None = 0.0) -> tuple[Hedge, asyncio.Task[str]]:
    pace = Impatient(8)
    pace.late = late
    hedge = Hedge(pace)
    task = asyncio.create_task(hedge.race(server.ask, lambda: None))
    await settle()
    return hedge, task


async def test_the_first_answer_wins_and_the_late_one_is_closed() -> None:
    server = Server()
    _, task = await race(server)
    assert len(server.answers) == 2
    server.answers[1].set_result("second")
    assert await task == "second"
    assert server.closed == [0]
    assert task.cancelling() == 0


async def test_an_answer_that_comes_after_all_closes_the_second_request() -> None:
    server = Server()
    _, task = await race(server)
    server.answers[0].set_result("first")
    assert await task == "first"
    assert server.closed == [1]


async def test_two_answers_at_the_same_moment_are_one() -> None:
    for order in ((0, 1), (1, 0)):
        server = Server()
        _, task = await race(server)
        for number in order:
            server.answers[number].set_result(str(number))
        assert await task in {"0", "1"}
        await settle()
        assert not task.cancelled()


async def test_what_is_not_late_is_asked_for_once() -> None:
    server = Server()
    hedge, task = await race(server, late=None)
    hedge.learned()
    await settle()
    assert len(server.answers) == 1
    server.answers[0].set_result("first")
    assert await task == "first"


async def test_a_read_whose_answer_has_begun_is_not_late() -> None:
    server = Server()
    hedge, task = await race(server, late=None)
    server.begin[0]()
    hedge._pace.late = 0.0  # type: ignore[attr-defined]
    hedge.learned()
    await settle()
    assert len(server.answers) == 1
    server.answers[0].set_result("first")
    assert await task == "first"


async def test_what_is_late_may_become_known_while_reads_wait() -> None:
    server = Server()
    hedge, task = await race(server, late=None)
    hedge._pace.late = 0.0  # type: ignore[attr-defined]
    hedge.learned()
    await settle()
    assert len(server.answers) == 2
    server.answers[1].set_result("second")
    assert await task == "second"


async def test_one_failure_of_two_is_none() -> None:
    for failing, answering in ((0, 1), (1, 0)):
        server = Server()
        _, task = await race(server)
        server.answers[failing].set_exception(StoreError("broken"))
        await settle()
        assert not task.done()
        server.answers[answering].set_result("fine")
        assert await task == "fine"


async def test_two_failures_are_one() -> None:
    for order in ((0, 1), (1, 0)):
        server = Server()
        _, task = await race(server)
        for number in order:
            server.answers[number].set_exception(StoreError(f"broken {number}"))
            await settle()
        with pytest.raises(StoreError, match="broken"):
            await task


@pytest.mark.parametrize("state", ["both wait", "first failed", "second failed", "second answered"])
async def test_a_cancelled_read_closes_both_and_leaves_nothing(state: str) -> None:
    server = Server()
    _, task = await race(server)
    if state in ("first failed", "second failed"):
        server.answers[state == "second failed"].set_exception(StoreError("broken"))
        await settle()
    elif state == "second answered":
        server.answers[1].set_result("second")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settle()
    assert all(answer.done() for answer in server.answers)
    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []


async def test_an_interruption_never_reaches_what_the_task_does_next() -> None:
    """The first answer and the second come in one turn of the loop; whoever asked goes on undisturbed."""
    server = Server()
    hedge = Hedge(Impatient(8))
    after = asyncio.Event()

    async def ask_and_go_on() -> str:
        answer = await hedge.race(server.ask, lambda: None)
        await after.wait()
        return answer

    task = asyncio.create_task(ask_and_go_on())
    await settle()
    server.answers[0].set_result("first")
    server.answers[1].set_result("second")
    await settle()
    after.set()
    assert await task in {"first", "second"}
