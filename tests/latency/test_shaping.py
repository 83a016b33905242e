"""The pretended network, without a server: draws are repeatable, the link is shared fairly."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import BrickstreamError
from brickstream.latency.network.faults import Fault, fault_for
from brickstream.latency.network.link import SLICE, Link
from brickstream.latency.network.shaping import Network


@given(st.integers(0, 99), st.text(max_size=9), st.integers(0, 5), st.floats(0, 1), st.floats(0, 1))
def test_a_draw_depends_on_nothing_but_the_request(seed: int, key: str, number: int, rate: float, tail: float) -> None:
    options = {"latency_ms": 10, "jitter_ms": 4, "rate_503": rate, "tail_rate": tail, "tail_factor": 20, "seed": seed}
    network = Network(**options)
    network.draw("another", "", 3)
    delay, fault = network.draw(key, "bytes=0-1", number)
    assert Network(**options).draw(key, "bytes=0-1", number) == (delay, fault)
    assert 0.006 <= delay <= 0.014 or 0.12 <= delay <= 0.28
    assert fault in (None, Fault("status", 503))


def test_draws_are_spread() -> None:
    draws = [Network(latency_ms=10, jitter_ms=5, rate_503=0.25).draw("k", "", n) for n in range(2000)]
    assert 400 < sum(fault is not None for _, fault in draws) < 600
    assert len({delay for delay, _ in draws}) > 1900
    assert abs(sum(delay for delay, _ in draws) / 2000 - 0.010) < 0.0005
    assert Network(jitter_ms=5).draw("k", "", 0)[0] >= 0
    other = [Network(latency_ms=10, jitter_ms=5, seed=1).draw("k", "", n) for n in range(9)]
    assert other != draws[:9]


def test_each_way_to_go_wrong_has_its_share() -> None:
    network = Network(
        rate_503=0.1, rate_reset=0.05, rate_truncate=0.05, rate_hang=0.1, rate_corrupt=0.05, retry_after=2
    )
    faults = [fault for n in range(4000) if (fault := network.draw("k", "", n)[1]) is not None]
    counts = Counter(fault.kind for fault in faults)
    assert set(counts) == {"status", "reset", "truncate", "hang", "corrupt"}
    for kind, rate in (("status", 0.1), ("reset", 0.05), ("truncate", 0.05), ("hang", 0.1), ("corrupt", 0.05)):
        assert abs(counts[kind] / 4000 - rate) < 0.02
    for fault in faults:
        if fault.kind == "status":
            assert (fault.status, dict(fault.headers)) == (503, {"Retry-After": "2"})
            continue
        assert fault.share is not None
        assert 0 <= fault.share < 1
        assert fault.count == (1 if fault.kind == "corrupt" else None)
    places = [fault.share for fault in faults if fault.kind == "truncate" and fault.share is not None]
    assert min(places) < 0.1
    assert max(places) > 0.9
    hung = [fault.share for fault in faults if fault.kind == "hang"]
    assert 0.4 < hung.count(0.0) / len(hung) < 0.6, "one half hangs before the headers"


def test_a_tail_is_rare_and_long() -> None:
    network = Network(latency_ms=50, tail_rate=0.03, tail_factor=20)
    delays = Counter(network.draw(f"c/{n}", "", 0)[0] for n in range(4000))
    assert set(delays) == {0.05, 1.0}
    assert 0.02 < delays[1.0] / 4000 < 0.04


def test_the_tail_and_the_faults_do_not_move_each_other() -> None:
    plain, with_tail = Network(rate_reset=0.3), Network(rate_reset=0.3, tail_rate=0.5, tail_factor=2)
    assert [plain.draw("k", "", n)[1] for n in range(99)] == [with_tail.draw("k", "", n)[1] for n in range(99)]


def test_rates_that_add_up_to_all_are_possible() -> None:
    network = Network(rate_503=0.1, rate_reset=0.2, rate_truncate=0.7)
    assert all(network.draw("k", "", n)[1] is not None for n in range(99))


@pytest.mark.parametrize(
    "wrong",
    [
        {"latency_ms": -1},
        {"jitter_ms": float("nan")},
        {"connect_ms": float("inf")},
        {"bandwidth_mbps": 0},
        {"bandwidth_mbps": float("nan")},
        {"rate_503": 1.5},
        {"rate_hang": -0.1},
        {"tail_rate": float("nan")},
        {"tail_factor": 0.5},
        {"retry_after": -1},
        {"ttfb_ms": -1},
        {"connect_round_trips": float("nan")},
        {"connection_mbps": 0},
        {"max_connections": 0},
        {"keep_alive_s": 0},
        {"requests_per_connection": 0},
        {"rate_trickle": 2},
        {"trickle_kbps": 0},
    ],
)
def test_an_impossible_network_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BrickstreamError, match=next(iter(wrong))):
        Network(**wrong)


def test_settings_are_what_differs_from_a_plain_network() -> None:
    network = Network(latency_ms=5, bandwidth_mbps=20, max_connections=6)
    assert network.settings() == {"latency_ms": 5, "bandwidth_mbps": 20, "max_connections": 6}
    assert Network(**network.settings()) == network


def test_a_new_rate_moves_no_draw_of_the_others() -> None:
    old, new = Network(rate_503=0.2, rate_corrupt=0.2), Network(rate_503=0.2, rate_corrupt=0.2, rate_trickle=0.3)
    draws = [(old.draw("k", "", n)[1], new.draw("k", "", n)[1]) for n in range(99)]
    assert all(was == now for was, now in draws if was is not None)
    assert {now.kind for was, now in draws if was is None and now is not None} == {"trickle"}


def test_more_faults_than_requests_are_refused() -> None:
    with pytest.raises(BrickstreamError, match="add up to 1 at most"):
        Network(rate_503=0.6, rate_reset=0.6)


async def test_responses_take_turns_on_the_link() -> None:
    link = Link(bandwidth_mbps=2000)
    order: list[str] = []

    async def send(name: str, slices: int) -> None:
        for _ in range(slices):
            await link.carry(SLICE)
            order.append(name)

    async with asyncio.TaskGroup() as group:
        for name, slices in (("a", 30), ("b", 30), ("c", 10)):
            group.create_task(send(name, slices))
    shared = order[:30]
    assert {name: shared.count(name) for name in "abc"} == {"a": 10, "b": 10, "c": 10}
    assert all(one != other for one, other in pairwise(shared))
    assert sorted(order[30:]) == ["a"] * 20 + ["b"] * 20


async def test_the_link_carries_no_faster_than_its_bandwidth(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    loop = asyncio.get_running_loop()

    async def sleep(delay: float) -> None:
        nonlocal now
        now += max(0.0, delay) + 0.003  # as late as real sleeps are

    monkeypatch.setattr(loop, "time", lambda: now)
    monkeypatch.setattr("brickstream.latency.network.link.asyncio.sleep", sleep)
    link = Link(bandwidth_mbps=8)
    for _ in range(100):
        await link.carry(SLICE)
    assert 100 * SLICE / 1e6 <= now <= 100 * SLICE / 1e6 + 0.004
    now += 50
    before = now
    await link.carry(SLICE)
    assert now - before >= SLICE / 1e6 - 0.004, "an idle link saves nothing up"


async def test_a_cancelled_turn_frees_the_link() -> None:
    link = Link(bandwidth_mbps=0.0001)
    waiting = [asyncio.create_task(link.carry(SLICE)) for _ in range(2)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert all(task.cancelled() for task in waiting)
    assert not link._turn.locked()


def test_faults_by_key_or_by_function() -> None:
    fault = Fault("hang")
    assert fault_for(None, "a", 0) is None
    assert fault_for({"a": fault}, "a", 7) is fault
    assert fault_for({"a": fault}, "b", 0) is None
    first_only = {0: fault}
    assert [fault_for(lambda key, n: first_only.get(n), "a", n) for n in range(2)] == [fault, None]
