"""An event loop whose time passes only when nothing else can happen."""

from __future__ import annotations

import asyncio
import selectors
from asyncio import events
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

__all__ = ["VirtualClock"]

_Args = TypeVarTuple("_Args")
_Answer = TypeVar("_Answer")


class VirtualClock(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own: what waits for an hour ends at once, and always at the very same time.

    Its time begins at 0. It stands still while callbacks run and while sockets have something to be read or room to be
    written. When there is none of that, it jumps to the next moment that something waits for. Work for threads
    (``run_in_executor``, ``asyncio.to_thread``) is done by the loop itself, one piece after the other, in no time. So
    the times of a server and a client in one loop are those of the waits alone, however fast the machine is and
    whatever else it does.

    What is not known here is what other processes and other threads are about to send: server and client must live in
    this loop, and talk over sockets of the loopback. Linux delivers there before a write returns; for a system that
    does not, give `linger_s`. Work for threads must not wait for the loop. Code that looks at other clocks
    (``time.monotonic``) sees the real time.

    Parameters
    ----------
    linger_s : float, default 0
        Real seconds to wait for sockets before each jump.

    Examples
    --------
    >>> async def wait_an_hour():
    ...     await asyncio.sleep(3600)
    ...     return asyncio.get_running_loop().time()
    >>> with asyncio.Runner(loop_factory=VirtualClock) as runner:
    ...     runner.run(wait_an_hour())
    3600.0
    """

    def __init__(self, linger_s: float = 0.0) -> None:
        self._still = _Still(linger_s)
        super().__init__(self._still)

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._still.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Args], _Answer], *args: *_Args
    ) -> asyncio.Future[_Answer]:
        """Do what a thread would do, in the next turn of the loop; without the executor.

        Threads would answer in an order that depends on the machine.
        """
        answer: asyncio.Future[_Answer] = self.create_future()
        self.call_soon(self._work, answer, lambda: func(*args))
        return answer

    def _work(self, answer: asyncio.Future[_Answer], func: Callable[[], _Answer]) -> None:
        if answer.cancelled():
            return
        # A thread has no running loop: what blocks is allowed there, and so is another loop.
        events._set_running_loop(None)
        try:
            answer.set_result(func())
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answer.set_exception(error)
        finally:
            events._set_running_loop(self)


class _Still(selectors.DefaultSelector):
    """Waits for sockets really, and for times by adding them up."""

    def __init__(self, linger_s: float) -> None:
        super().__init__()
        self.now = 0.0
        self._linger_s = linger_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return super().select(None)
        if self._linger_s and (ready := super().select(self._linger_s)):
            return ready
        self.now += timeout
        return []
