"""The time that a host with a timer gives to what has arrived."""

import pytest

from brickstream.viewers.ticking import TickBudget


@pytest.mark.parametrize(
    ("frame_s", "budget_ms"),
    [(0.016, 4.0), (0.001, 3.0), (0.4, 100.0), (60.0, 200.0)],
    ids=["at 60 frames", "at once", "slow frames", "after a sleep"],
)
def test_a_tick_takes_a_quarter_of_a_frame_within_bounds(frame_s: float, budget_ms: float) -> None:
    times = iter([10.0, 10.0 + frame_s])
    budget = TickBudget(lambda: next(times))
    assert budget.next_ms() == pytest.approx(budget_ms)
