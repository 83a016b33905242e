"""When reads are tried again, and when a server is left alone; every time comes from the test."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from brickstream.chunks.http.retry import FAILURES_IN_A_ROW, FIRST_REST_S, LONGEST_REST_S, Circuit, RetryPolicy
from brickstream.errors import BrickstreamError

seconds = st.floats(0, 100)


@given(
    st.integers(1, 12),
    seconds,
    st.floats(0, 1000),
    seconds,
    st.none() | seconds,
    st.integers(1, 20),
    st.integers(0, 99),
)
def test_a_wait_is_within_its_bounds_and_the_deadline(
    attempts: int, first: float, longest: float, elapsed: float, asked: float | None, failed: int, seed: int
) -> None:
    policy = RetryPolicy(attempts, first, max(first, longest), 60.0)
    wait = policy.wait(failed, elapsed, asked, Random(seed))
    top = min(first * 2.0 ** (failed - 1), policy.longest_s)
    if wait is None:
        assert failed >= attempts or elapsed + max(top, (asked or 0) * 1.1) > 60
        return
    assert failed < attempts
    assert elapsed + wait <= 60
    assert wait >= max(top / 2, asked or 0)
    assert wait <= max(top, (asked or 0) * 1.1)


def test_reads_that_failed_together_do_not_come_back_together() -> None:
    policy, dice = RetryPolicy(), Random(1)
    assert len({policy.wait(1, 0.0, None, dice) for _ in range(100)}) == 100
    assert len({policy.wait(1, 0.0, 3.0, dice) for _ in range(100)}) == 100


@pytest.mark.parametrize("bad", [{"attempts": 0}, {"first_s": -1.0}, {"first_s": 20.0}, {"deadline_s": float("nan")}])
def test_an_impossible_policy_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BrickstreamError, match="retry policy"):
        RetryPolicy(**bad)  # type: ignore[arg-type]


class CircuitMachine(RuleBasedStateMachine):
    """Requests begin, succeed, fail and give up in any order, as the clock goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.circuit = Circuit()
        self.now = 0.0
        self.running = 0
        self.row = 0
        self.admitted_at_rest = 0

    @rule(step=st.floats(0.0, 40.0))
    def time_passes(self, step: float) -> None:
        self.now += step

    @rule()
    def ask(self) -> None:
        resting = self.row >= FAILURES_IN_A_ROW
        wait = self.circuit.admit(self.now)
        assert 0 <= wait <= LONGEST_REST_S
        if wait == 0:
            self.running += 1
            self.admitted_at_rest += resting

    @precondition(lambda self: self.running)
    @rule()
    def succeed(self) -> None:
        self.running -= 1
        self.circuit.succeeded()
        self.row = self.admitted_at_rest = 0
        assert self.circuit.admit(self.now) == 0
        self.running += 1

    @precondition(lambda self: self.running)
    @rule()
    def fail(self) -> None:
        self.running -= 1
        self.row += 1
        self.circuit.failed(self.now)

    @precondition(lambda self: self.running)
    @rule()
    def give_up(self) -> None:
        self.running -= 1
        self.circuit.gave_up()

    @invariant()
    def a_server_that_fails_is_left_alone_sooner_or_later(self) -> None:
        assert self.circuit.rests > 0 or self.circuit.failures < FAILURES_IN_A_ROW


TestCircuit = CircuitMachine.TestCase


def test_a_dead_server_is_tried_by_one_request_at_a_time_and_ever_less_often() -> None:
    circuit, now, tries = Circuit(), 0.0, []
    for _ in range(FAILURES_IN_A_ROW):
        assert circuit.admit(now) == 0
        circuit.failed(now)
    while len(tries) < 9:
        wait = circuit.admit(now)
        if wait == 0:
            assert circuit.admit(now) > 0  # a second one has to wait for the first
            tries.append(now)
            circuit.failed(now)
        else:
            now += wait
    gaps = [b - a for a, b in pairwise(tries)]
    assert tries[0] == FIRST_REST_S
    assert gaps == pytest.approx([min(FIRST_REST_S * 2**k, LONGEST_REST_S) for k in range(1, 9)])


def test_one_that_answers_again_is_asked_by_all() -> None:
    circuit = Circuit()
    for _ in range(FAILURES_IN_A_ROW):
        circuit.failed(0.0)
    assert circuit.admit(0.1) > 0
    assert circuit.admit(1.0) == 0
    circuit.succeeded()
    assert [circuit.admit(1.0) for _ in range(20)] == [0.0] * 20


def test_a_try_that_was_cancelled_leaves_the_turn_to_another() -> None:
    circuit = Circuit()
    for _ in range(FAILURES_IN_A_ROW):
        circuit.failed(0.0)
    assert circuit.admit(1.0) == 0
    assert circuit.admit(1.0) > 0
    circuit.gave_up()
    assert circuit.admit(1.0) == 0
