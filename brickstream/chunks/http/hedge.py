"""Late reads are asked for a second time, on another connection; the first answer wins and the other one is closed.

Object stores have long tails, and the slowest read decides when a picture is complete (Dean and Barroso, "The Tail at
Scale", CACM 56(2), 2013).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from brickstream.chunks.http.pace import Pace
from brickstream.errors import BrickstreamError

T = TypeVar("T")
Ask = Callable[[Callable[[], None]], Awaitable[T]]
"""Sends a request; calls what it is given when the answer begins."""


@dataclass(eq=False)
class _Race:
    """One read, and the second request for it."""

    asked: float
    task: asyncio.Task[Any]
    cancelling: int
    again: Callable[[], Awaitable[Any]]
    context: Context = field(default_factory=copy_context)
    second: asyncio.Task[Any] | None = None
    second_won: bool = False
    first_ended: bool = False


class Hedge:
    """Watches the reads of one server. Lives on one event loop; starts no task before a read is late.

    Parameters
    ----------
    pace : Pace
        Says when a read is late.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waiting: dict[_Race, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def race(self, ask: Ask[T], started: Callable[[], None]) -> T:
        """Ask, and ask once more where the answer is late.

        Parameters
        ----------
        ask : callable
        started : callable
            Called when an answer begins, perhaps twice.

        Raises
        ------
        BrickstreamError
            What the request raised; where there are two, what the last of them raised.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            return await ask(started)
        race = _Race(loop.time(), task, task.cancelling(), lambda: ask(started))

        def begun() -> None:
            self._waiting.pop(race, None)
            started()

        self._waiting[race] = None
        self._watch()
        try:
            return await ask(begun)
        except asyncio.CancelledError:
            if race.second is None or not race.second_won or task.uncancel() > race.cancelling:
                raise
            won: T = race.second.result()
            return won
        except BrickstreamError:
            if race.second is None:
                raise
            race.first_ended = True
            late: T = await race.second
            return late
        finally:
            race.first_ended = True
            self._waiting.pop(race, None)
            if race.second is not None and not race.second.done():
                race.second.cancel()
                await asyncio.wait([race.second])

    def _watch(self) -> None:
        """Wake when the read that has waited longest is to be asked for again, if that can be said."""
        again = self._pace.again_at(next(iter(self._waiting)).asked) if self._waiting else None
        if again is None or (self._timer is not None and self._timer.when() <= again):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(again, self._look)

    def _look(self) -> None:
        """Ask again for what is late."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for race in list(self._waiting):
            again = self._pace.again_at(race.asked)
            if again is None or again > loop.time():
                break
            del self._waiting[race]
            self._pace.asks_again(race.asked, loop.time())
            # The timer was set by some other read: what is known of this one is known in its own context.
            race.second = loop.create_task(_asked_again(race), context=race.context)
            race.second.add_done_callback(partial(_interrupt, race))
        self._watch()

    def learned(self) -> None:
        """Look again: an answer has come, and what is late may be known now."""
        self._watch()


async def _asked_again(race: _Race) -> Any:
    # Asks only when it runs: a task that is cancelled before leaves no request behind that nobody awaits.
    return await race.again()


def _interrupt(race: _Race, second: asyncio.Task[Any]) -> None:
    """End the first request, if the second one has an answer and the first still waits for its own."""
    if second.cancelled() or second.exception() is not None or race.first_ended:
        return
    race.second_won = True
    race.task.cancel()
