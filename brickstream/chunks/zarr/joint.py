"""Work that several wait for: begun once, and cancelled with the last of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class _Work(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class Joint(Generic[T]):
    """Runs work by name, each name once at a time however many wait for it.

    Lives on one event loop. Those who wait own the work together: when the last of them is cancelled it cancels the
    work and sees its end, so that no task is left over, and no error that nobody has heard of.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, _Work[T]] = {}

    async def do(self, name: Hashable, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for the work of a name, and begin it where nobody has.

        Parameters
        ----------
        name : hashable
        begin : callable
            Makes the coroutine that does the work.

        Raises
        ------
        BaseException
            What the work raises, to each of those who wait.
        """
        work = self._running.get(name)
        if work is None:
            work = self._running[name] = _Work(asyncio.create_task(begin()))
        work.waiting += 1
        try:
            await asyncio.wait([work.task])
        finally:
            work.waiting -= 1
            # Who comes after the end, or after everybody has left, begins anew.
            if (work.task.done() or not work.waiting) and self._running.get(name) is work:
                del self._running[name]
            if not work.waiting:
                await _end(work.task)
        return work.task.result()


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task unless it is done, and wait for its end however often the one who waits is cancelled."""
    while not task.done():
        task.cancel()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue  # on the way out already
    if not task.cancelled():
        task.exception()
