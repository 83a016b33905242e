"""A reader whose reads a test holds in its hand, and an event loop that nobody may leave an error on."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from brickstream.chunks.reader import ByteRange, nothing_started
from brickstream.errors import BrickstreamError
from brickstream.testing import MemoryReader, settle


@dataclass(eq=False)
class Call:
    """One read that somebody has begun; `state` is "open" and then how it ended."""

    key: str
    span: ByteRange | None
    started: Callable[[], None]
    gate: "asyncio.Future[None]"
    state: str = "open"
    has_started: bool = False

    def start(self) -> None:
        if not self.has_started:
            self.has_started = True
            self.started()


@dataclass
class HeldReader:
    """Reads of a dict that stand still until the test lets them go, one at a time, in any order."""

    values: Mapping[str, bytes]
    held: bool = True
    calls: list[Call] = field(default_factory=list)
    url: str = "held"

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        call = Call(key, span, started, asyncio.get_running_loop().create_future())
        self.calls.append(call)
        try:
            if self.held:
                await call.gate
            body = await MemoryReader(self.values).read(key, span)
        except asyncio.CancelledError:
            call.state = "cancelled"
            raise
        except BrickstreamError:
            call.state = "failed"
            raise
        call.start()
        call.state = "done"
        return body

    @property
    def open(self) -> list[Call]:
        return [call for call in self.calls if call.state == "open" and not call.gate.done()]

    @property
    def states(self) -> list[str]:
        return [call.state for call in self.calls]

    def release(self, number: int = 0) -> None:
        """Let one of the open reads go."""
        self.open[number].gate.set_result(None)

    def fail(self, error: BrickstreamError, number: int = 0) -> None:
        self.open[number].gate.set_exception(error)

    def release_all(self) -> None:
        for call in self.open:
            call.gate.set_result(None)


@asynccontextmanager
async def nothing_unheard() -> AsyncIterator[None]:
    """Fail if an error is left that nobody has heard of, or a task that nobody waits for."""
    left: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: left.append(context))
    before = asyncio.all_tasks()
    yield
    await settle()
    tasks = asyncio.all_tasks() - before
    gc.collect(1)
    await settle()
    assert not left
    assert not tasks
