"""The host that plays sessions, on an engine and a clock that a test turns by hand."""

import pytest
from shots import SHOT

from brickstream.errors import TimedOutError
from brickstream.latency.engines.host import FRAME_S, Played, play
from brickstream.latency.engines.protocol import Shot, Watch


class Clock:
    """Time that passes when something sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


class FakeEngine:
    """Holds its host up for so long with each view, and is complete so long after the last one was set."""

    def __init__(self, clock: Clock, holds: float = 0.0, takes: float = 0.05) -> None:
        self.clock, self.holds, self.takes = clock, holds, takes
        self.views: list[tuple[float, float]] = []

    def warm_up(self, url: str) -> None:
        """Nothing to do."""

    def open(self, url: str) -> None:
        self.clock.work(0.2)

    def set_view(self, shot: Shot) -> None:
        self.views.append((shot.at, self.clock.now))
        self.clock.work(self.holds)

    def poll(self) -> None:
        self.clock.work(0.001)

    def is_complete(self) -> bool:
        return self.clock.now >= self.views[-1][1] + self.takes

    def usage(self) -> None:
        """No other processes."""

    def close(self) -> None:
        """Nothing to end."""


def shots(*times: float) -> list[Shot]:
    return [Shot(t, SHOT.view, SHOT.level, SHOT.chunks, SHOT.regions, SHOT.extents) for t in times]


def played(engine: FakeEngine, *times: float, timeout: float = 9.0) -> Played:
    watch = Watch(engine.clock)
    return play(engine, watch, "http://x", shots(*times), timeout=timeout, sleep=engine.clock.work)


def test_every_view_is_shown_with_the_frame_that_follows_its_time() -> None:
    engine = FakeEngine(Clock())
    found = played(engine, 0.0, 0.1, 0.5)
    assert [number for number, _ in found.shown] == [0, 1, 2]
    assert found.opened - found.began == pytest.approx(0.2)
    for (_, when), at in zip(found.shown, (0.0, 0.1, 0.5), strict=True):
        assert 0 <= when - found.opened - at <= FRAME_S + 1e-9
    assert found.frames == pytest.approx([0.001] * len(found.frames))
    assert found.ended - found.shown[-1][1] >= engine.takes


def test_a_host_that_is_held_up_leaves_out_what_has_passed() -> None:
    engine = FakeEngine(Clock(), holds=0.3)
    found = played(engine, *(i / 10 for i in range(10)))
    numbers = [number for number, _ in found.shown]
    assert numbers[0] == 0
    assert numbers[-1] == 9
    assert len(numbers) < 6
    assert max(found.frames) == pytest.approx(0.301)


def test_what_never_completes_ends_with_a_clear_line() -> None:
    engine = FakeEngine(Clock(), takes=1e9)
    with pytest.raises(TimedOutError, match="not complete 2 s after the last view was set"):
        played(engine, 0.0, timeout=2.0)
