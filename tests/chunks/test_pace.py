"""How many reads are under way: against a computed link, with a clock of its own."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks.http.pace import (
    DELAY_MEMORY_S,
    ENOUGH,
    EXTRA_FIRST,
    EXTRA_SHARE,
    FIRST_WINDOW,
    LOST_FIRST,
    LOST_LEAST_S,
    LOST_P95,
    SHEDDING_S,
    SMALLEST_WINDOW,
    USUAL,
    Answer,
    Pace,
    Usual,
)


def stream(pace: Pace, *, delay: float, bandwidth: float, size: int, count: int, start: float = 0.0) -> float:
    """Read `count` values over a link with so many seconds to the first byte and bytes per second; when it ends."""
    now, free_at, left = start, start, count
    running: list[tuple[float, float, float]] = []
    while left or running:
        while left and len(running) < pace.window:
            began = now + delay
            free_at = max(free_at, began) + size / bandwidth
            heapq.heappush(running, (free_at, now, began))
            left -= 1
        now, asked, began = heapq.heappop(running)
        pace.answered(Answer(asked, began, now, size, full=left > 0))
    return now


def test_a_slow_link_gets_few_reads() -> None:
    pace = Pace(128)
    took = stream(pace, delay=0.05, bandwidth=20e6 / 8, size=250_000, count=200)
    assert pace.window <= 2 * SMALLEST_WINDOW
    assert took == pytest.approx(200 * 0.1, rel=0.03)  # the link was never idle


def test_a_fat_link_gets_many_reads_within_a_few_round_trips() -> None:
    pace = Pace(128)
    took = stream(pace, delay=0.1, bandwidth=1e10, size=250_000, count=289)
    assert pace.window == 128
    assert took < 0.45


def test_the_first_bytes_tell_of_a_slow_link() -> None:
    pace = Pace(128)
    pace.answered(Answer(0.0, 0.03, 0.03, 2_000, full=False))
    assert pace.window == FIRST_WINDOW  # a document tells nothing
    pace.answered(Answer(0.1, 0.16, 0.18, 80_000, full=True))
    assert SMALLEST_WINDOW <= pace.window < 3 * SMALLEST_WINDOW


def test_few_reads_say_nothing_of_a_window_of_many() -> None:
    pace = Pace(128)
    pace.running = FIRST_WINDOW // 2 - 2
    assert not pace.busy
    pace.running += 1
    assert pace.busy


def test_first_answers_that_share_a_link_tell_of_it_together() -> None:
    slow, fast = Pace(128), Pace(128)
    for number in range(1, 4):
        slow.answered(Answer(0.0, 0.1, 0.1 + 0.02 * number, 40_000, full=True))
        fast.answered(Answer(0.0, 0.1, 0.1 + 0.0002 * number, 40_000, full=True))
    assert 2 * 0.1 * 2e6 / 40_000 <= slow.window <= 2 * 0.1 * 2e6 / 40_000 + 3  # one more with each answer
    assert fast.window >= FIRST_WINDOW


def test_a_first_answer_in_several_rounds_tells_nothing() -> None:
    """As TCP begins: a far, fast link would look like a slow one."""
    pace = Pace(128)
    pace.answered(Answer(0.0, 0.1, 0.35, 80_000, full=True))
    assert pace.window >= FIRST_WINDOW


def test_one_slow_connection_is_no_slow_link() -> None:
    """Where the first guess is for many reads as it is, all are begun: a round trip would be lost."""
    pace = Pace(128)
    pace.answered(Answer(0.0, 0.11, 0.121, 80_000, full=True))
    assert pace.window >= FIRST_WINDOW


@pytest.mark.parametrize("most", [1, 2, 6, 64, 500])
def test_never_more_than_allowed(most: int) -> None:
    pace = Pace(most)
    assert pace.window == min(most, FIRST_WINDOW)
    stream(pace, delay=0.1, bandwidth=1e12, size=1000, count=2000)
    assert pace.window == most


@given(
    st.floats(1e-4, 1.0),
    st.floats(1e5, 1e10),
    st.integers(100, 10**7),
    st.floats(1e-4, 1.0),
    st.floats(1e5, 1e10),
)
def test_a_link_that_changes_is_followed(d1: float, b1: float, size: int, d2: float, b2: float) -> None:
    """When the old link is forgotten, the reads take at most half as long again as the new one itself needs."""
    pace = Pace(100_000)
    start = stream(pace, delay=d1, bandwidth=b1, size=size, count=200)
    took = stream(pace, delay=d2, bandwidth=b2, size=size, count=600, start=start) - start
    assert took <= DELAY_MEMORY_S + 1.5 * 600 * size / b2 + 40 * d2
    assert pace.window >= SMALLEST_WINDOW


def test_a_view_that_needs_little_says_nothing_about_the_link() -> None:
    pace = Pace(128)
    stream(pace, delay=0.1, bandwidth=1e10, size=250_000, count=289)
    for i in range(50):
        pace.answered(Answer(100.0 + i, 100.1 + i, 100.1 + i, 250_000, full=False))
    assert pace.window == 128


def test_a_server_that_sheds_load_is_asked_for_less_and_nothing_twice() -> None:
    pace = Pace(64)
    for _ in range(ENOUGH):
        pace.usual.add(0.05)
    assert pace.again_at(10.0) == pytest.approx(10.0 + 0.11)
    pace.shed(10.0)
    assert pace.window == FIRST_WINDOW // 2
    # Not sooner; and what waits then is asked for again, though nothing else has come.
    assert pace.again_at(10.0) == 10.0 + SHEDDING_S
    for _ in range(20):
        pace.shed(20.0)
    assert pace.window == SMALLEST_WINDOW


def test_what_is_late_is_known_only_from_enough_answers() -> None:
    pace = Pace(64)
    for i in range(ENOUGH):
        assert pace.late_after() is None
        pace.usual.add(0.05 if i else 1.0)
    late = pace.late_after()
    assert late is not None
    assert 1.0 < late < 2.0  # one in sixteen is usual
    for _ in range(USUAL):
        pace.usual.add(0.05)
    assert pace.late_after() == pytest.approx(0.11)


@given(st.lists(st.booleans(), max_size=2000))
def test_extra_requests_stay_under_their_share(hungry: list[bool]) -> None:
    pace = Pace(64)
    for _ in range(ENOUGH):
        pace.usual.add(0.05)
    for wants in hungry:
        pace.requests += 1
        if wants and pace.late_after() is not None:
            pace.extra += 1
        assert pace.extra <= EXTRA_SHARE * pace.requests + EXTRA_FIRST


def test_a_lost_answer_is_asked_for_again_where_nothing_is_known() -> None:
    pace = Pace(64)
    assert pace.again_at(7.0) == 7.0 + LOST_LEAST_S
    # A server that takes long for everything is not asked twice for everything.
    pace.usual.add(1.0)
    assert pace.again_at(7.0) == 7.0 + LOST_P95


@given(st.lists(st.booleans(), max_size=500))
def test_lost_answers_have_a_share_of_their_own(hungry: list[bool]) -> None:
    pace = Pace(64)
    for _ in range(ENOUGH):
        pace.usual.add(0.05)
    pace.extra = 1000
    for wants in hungry:
        pace.requests += 1
        if wants and pace.again_at(0.0) is not None:
            pace.asks_again(0.0, 100.0)
        assert pace.lost <= EXTRA_SHARE * pace.requests + LOST_FIRST
    assert pace.extra == 1000


@given(st.lists(st.floats(0, 10), min_size=1, max_size=3 * USUAL), st.floats(0, 1))
def test_the_usual_wait_is_a_quantile_of_the_last_ones(waits: list[float], share: float) -> None:
    usual = Usual()
    for wait in waits:
        usual.add(wait)
    last = sorted(waits[-USUAL:])
    assert len(usual) == len(last)
    assert usual.quantile(share) == last[min(int(share * len(last)), len(last) - 1)]
