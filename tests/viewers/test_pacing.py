"""Coarser while moving, fine when still."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from brickstream.viewers.pacing import MOST, RATIO, REST_S, SLOW, Pace, after_frame

costs = st.floats(0.0, 400.0)
paces = st.builds(Pace, st.floats(10.0, 100.0), st.integers(0, MOST), st.integers(-3, 1), st.just(0.0))


def frames(pace: Pace, fixed_ms: float, steps_ms: float, count: int) -> list[Pace]:
    """Paces of frames that take some time in any case, and some for their steps."""
    made = [pace]
    for _ in range(count):
        made.append(after_frame(made[-1], fixed_ms + steps_ms / RATIO ** made[-1].rung))
    return made


@given(paces, costs, costs)
def test_steps_become_coarser_or_finer_never_both(pace: Pace, fixed_ms: float, steps_ms: float) -> None:
    rungs = [made.rung for made in frames(pace, fixed_ms, steps_ms, 40)]
    assert rungs in (sorted(rungs), sorted(rungs, reverse=True))


@given(paces, costs, costs)
def test_they_settle_where_frames_are_quick_enough_or_as_coarse_as_can_be(
    pace: Pace, fixed: float, steps: float
) -> None:
    made = frames(pace, fixed, steps, 40)
    last = made[-1]
    assert {pace.rung for pace in made[-10:]} == {last.rung}
    assert last.rung == MOST or fixed + steps / RATIO**last.rung <= SLOW * last.target_ms


@given(paces, st.lists(costs, max_size=30))
def test_a_still_picture_is_a_finished_one_whatever_went_before(pace: Pace, times: list[float]) -> None:
    for took_ms in times:
        pace = after_frame(pace, took_ms)
        assert 0 <= pace.rung <= MOST
    pace = replace(pace, moved_at=5.0)
    assert pace.coarseness(5.0) == RATIO**pace.rung
    assert pace.coarseness(5.0 + REST_S) == 1.0
    assert Pace().coarseness(0.0) == 1.0


def test_one_late_frame_changes_nothing() -> None:
    pace = Pace(rung=2)
    for _ in range(10):
        pace = after_frame(after_frame(pace, 400.0), 30.0)
    assert pace.rung == 2


def test_a_very_slow_frame_is_not_answered_in_small_steps() -> None:
    assert [pace.rung for pace in frames(Pace(), 0.0, 100.0, 3)] == [0, 0, 3, 3]
