"""Every moment at which something waits, one after the other: to cancel there, and to see that nothing stays behind."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from brickstream.testing import settle

T = TypeVar("T")


class Moments:
    """Counts how often tasks suspend that begin inside, and does something once, at the n-th time.

    Parameters
    ----------
    number : int
        From 1.
    action : callable
    at_the_end : bool
        Do it in the very turn of the loop in which what is waited for has come, just before the task wakes; else in
        the turn after the suspension.
    """

    def __init__(self, number: int, action: Callable[[], object], at_the_end: bool = False) -> None:
        self.number = number
        self.passed = 0
        self._action = action
        self._at_the_end = at_the_end

    @property
    def came(self) -> bool:
        return self.passed >= self.number

    @contextmanager
    def counting(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()

        def counted_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
            return asyncio.Task(_Counted(coro, self._suspended), loop=loop, **options)

        loop.set_task_factory(counted_task)
        try:
            yield
        finally:
            loop.set_task_factory(before)

    def _suspended(self, waits_for: Any) -> None:
        self.passed += 1
        if self.passed != self.number:
            return
        if self._at_the_end and waits_for is not None:
            # Callbacks run in their order, and the one that wakes the task is added after this one.
            waits_for.add_done_callback(lambda _: self._action())
        else:
            asyncio.get_running_loop().call_soon(self._action)


class _Counted(Coroutine[Any, Any, T]):
    """A coroutine that tells of each of its suspensions."""

    def __init__(self, coro: Coroutine[Any, Any, T], suspended: Callable[[Any], None]) -> None:
        self._coro = coro
        self._suspended = suspended

    def send(self, value: Any) -> Any:
        return self._told(self._coro.send(value))

    def throw(self, *error: Any) -> Any:
        return self._told(self._coro.throw(*error))

    def _told(self, waits_for: Any) -> Any:
        self._suspended(waits_for)
        return waits_for

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coro.__await__()


async def at_every_moment(attempt: Callable[[int], Awaitable[bool]]) -> int:
    """Attempt with the numbers 1, 2 ... until an attempt was through before its moment came; how many moments came.

    Parameters
    ----------
    attempt : callable
        Takes a number, and says whether that moment came.
    """
    number = 1
    while await attempt(number):
        number += 1
    return number - 1


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that no event tells of."""
    while not holds():
        await settle(1)


@contextmanager
def every_file_closed() -> Iterator[None]:
    """Fail if a file or a socket stays open; where the system does not say which are, this sees nothing."""
    folder = Path("/dev/fd")
    before = len(os.listdir(folder)) if folder.is_dir() else 0
    yield
    after = len(os.listdir(folder)) if folder.is_dir() else 0
    assert after == before, f"{after - before} files or connections were left open"


def run_and_leave_nothing(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end in a loop of its own; neither a task is left then, nor an exception that nobody has heard of."""
    unheard: list[Any] = []

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: unheard.append(context))
        result = await main()
        await settle()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"left running: {left}"
        return result

    result = asyncio.run(watched())
    gc.collect()
    assert not unheard, f"nobody heard of {unheard}"
    return result
