"""An event loop whose time passes only when nothing else can happen."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["VirtualClock"]

_Args = TypeVarTuple("_Args")
_Answer = TypeVar("_Answer")


class VirtualClock(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own: what waits for an hour ends at once, and always at the very same time.

    Its time begins at 0. It stands still while callbacks run, while sockets have something to be read or room to be
    written, and while a thread works for the loop (``run_in_executor``, ``asyncio.to_thread``). When there is none of
    that, it jumps to the next moment that something waits for. So the times of a server and a client in one loop
    are those of the waits alone, however fast the machine is and whatever else it does.

    What is not known here is what other processes and other threads are about to send: server and client must live in
    this loop, and talk over sockets of the loopback. Linux delivers there before a write returns; for a system that
    does not, give `linger_s`. Code that looks at other clocks (``time.monotonic``) sees the real time.

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
        """Let a thread work, as any event loop does; time stands still until its answer is here."""
        answer = super().run_in_executor(executor, func, *args)
        self._still.working += 1
        answer.add_done_callback(self._answered)
        return answer

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the threads, as any event loop does; time stands still until they have ended."""
        self._still.working += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._still.working -= 1

    def _answered(self, _: asyncio.Future[Any]) -> None:
        self._still.working -= 1


class _Still(selectors.DefaultSelector):
    """Waits for sockets and threads really, and for times by adding them up."""

    def __init__(self, linger_s: float) -> None:
        super().__init__()
        self.now = 0.0
        self.working = 0
        self._linger_s = linger_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self.working:
            return super().select(None)
        if self._linger_s and (ready := super().select(self._linger_s)):
            return ready
        self.now += timeout
        return []
