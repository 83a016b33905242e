"""A host with 60 frames a second that plays a session on an engine: the same for every engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from brickstream.errors import TimedOutError
from brickstream.latency.engines.protocol import Adapter, Shot, Watch

FRAME_S = 1 / 60


@dataclass(frozen=True)
class Played:
    """What a host has seen of a session, all times on the watch's clock.

    Attributes
    ----------
    began, opened, ended : float
        The image was asked for; it was open; everything of the last view was there.
    shown : list of (int, float)
        Number of each shot that was shown, and when. A host that is held up leaves out those that have passed.
    begun, frames : list of float
        When each frame began, and the seconds that it held up the host's thread.
    """

    began: float
    opened: float
    ended: float
    shown: list[tuple[int, float]] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)


def play(
    adapter: Adapter,
    watch: Watch,
    url: str,
    shots: Sequence[Shot],
    *,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Played:
    """Open an image and show every shot at its time, until the last one is complete.

    Raises
    ------
    TimedOutError
        If it is not complete so many seconds after its last view was set.
    """
    clock = watch.clock
    began = clock()
    adapter.open(url)
    opened = due = clock()
    played = Played(began, opened, opened)
    number = -1
    while True:
        started = clock()
        number = _advance(adapter, shots, number, started - opened, played, clock)
        adapter.poll()
        ended = clock()
        played.begun.append(started)
        played.frames.append(ended - started)
        if number == len(shots) - 1:
            if adapter.is_complete():
                return replace(played, ended=ended)
            if ended > played.shown[-1][1] + timeout:
                raise TimedOutError(f"not complete {timeout:g} s after the last view was set", url)
        due = max(due + FRAME_S, ended)
        sleep(due - clock() if due > clock() else 0)


def _advance(
    adapter: Adapter, shots: Sequence[Shot], number: int, now: float, played: Played, clock: Callable[[], float]
) -> int:
    """Show the newest shot that is due, if it is another one."""
    newest = max(number, *(i for i, shot in enumerate(shots) if shot.at <= now)) if shots[0].at <= now else number
    if newest > number:
        played.shown.append((newest, clock()))
        adapter.set_view(shots[newest])
    return newest
