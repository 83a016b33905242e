"""What is measured of a session: quality over time, what requests were good for, frames, and the physical limit."""

from itertools import permutations
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shots import PYRAMID, SHAPES, SHOT

from brickstream.latency.engines.protocol import Seen, Shot, shot_of
from brickstream.latency.lab.cells import MEASURES, middle, summary
from brickstream.latency.measures.frames import dropped, frame_times
from brickstream.latency.measures.limit import Means, Need, arrivals, best_curve, find_limit, shortest_first
from brickstream.latency.measures.quality import Curve, first_seen, measure_curve
from brickstream.latency.measures.requests import Moves, count_requests, read_log
from brickstream.multiscale import View, navigate

HALF = ((0, 0, 0), (4, 32, 64))
REST = ((0, 32, 0), (4, 64, 64))
ALL = ((0, 0, 0), (8, 64, 64))


def _seen(t: float, level: int, box: tuple[tuple[int, ...], tuple[int, ...]]) -> Seen:
    return Seen(t, level, box)


def _curve(*seen: Seen, shown: tuple[tuple[int, float], ...] = ((0, 1.0),), shots: tuple[Shot, ...] = (SHOT,)) -> Curve:
    return measure_curve(shots, shown, seen, SHAPES)


def test_a_shot_has_the_chunks_of_the_level_that_fills_the_canvas() -> None:
    assert SHOT.level == 0
    assert len(SHOT.chunks) == 16
    assert SHOT.bounds == ((1, 0, 0), (2, 64, 64))
    assert (SHOT.regions[:, 1] - SHOT.regions[:, 0]).prod(axis=1).sum() == 64 * 64


def test_quality_is_the_share_of_the_view_at_its_final_level() -> None:
    curve = _curve(
        _seen(2.0, 1, ((0, 0, 0), (4, 32, 32))), _seen(3.0, 0, HALF), _seen(3.5, 0, HALF), _seen(4.0, 0, REST)
    )
    assert (curve.at(0.5), curve.at(2.5), curve.at(3.0), curve.at(9.0)) == (0.0, 0.0, pytest.approx(0.5), 1.0)
    assert (curve.reached(0.5, 1.0), curve.reached(0.95, 1.0), curve.reached(0.5, 3.7)) == (3.0, 4.0, 3.7)
    assert curve.missing(0.0, 5.0) == pytest.approx(3.0 + 0.5)
    assert curve.missing(0.0, 3.5) == pytest.approx(3.25)


def test_a_finer_level_counts_as_well() -> None:
    coarse = shot_of(0.0, View.plane(PYRAMID, canvas=(20, 20), point={"z": 1.0}), PYRAMID)
    assert coarse.level == 1
    assert _curve(_seen(2.0, 0, ALL), shots=(coarse,)).at(2.0) == 1.0


def test_what_was_told_of_one_view_does_not_count_for_the_next() -> None:
    shown = ((0, 1.0), (0, 5.0))
    curve = _curve(_seen(2.0, 0, ALL), _seen(6.0, 0, HALF), shown=shown)
    assert (curve.at(4.9), curve.at(5.0), curve.at(6.0)) == (1.0, 0.0, pytest.approx(0.5))
    assert curve.reached(1.0, 5.0) is None


def test_an_engine_may_say_a_share_instead() -> None:
    curve = _curve(Seen(2.0, share=0.25), Seen(3.0, share=1.0))
    assert curve.parts == (0.0, 0.25, 1.0)
    assert first_seen([Seen(2.0), Seen(3.0)], 2.5) == 3.0


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), max_size=9), st.floats(0, 5), st.floats(5, 11))
def test_what_is_missing_is_between_nothing_and_everything(
    steps: list[tuple[float, float]], low: float, high: float
) -> None:
    steps.sort()
    curve = Curve(tuple(t for t, _ in steps), tuple(part for _, part in steps))
    middle_s = (low + high) / 2
    whole = curve.missing(low, high)
    assert -1e-9 <= whole <= high - low + 1e-9
    assert whole == pytest.approx(curve.missing(low, middle_s) + curve.missing(middle_s, high))


def _row(key: str, start: float, end: float, outcome: str = "served", status: int = 200) -> dict[str, object]:
    row = {"key": key, "range": None, "start": start, "end": end, "bytes": 100, "outcome": outcome, "status": status}
    return row | {"first": start, "connection": 0}


def test_requests_are_judged_by_the_view_of_their_end() -> None:
    near = View.plane(PYRAMID, canvas=(16, 16), center=(8, 8), zoom=1.0, point={"z": 1.0})
    far = navigate.pan(near, -40.0, -40.0)
    moves = Moves(PYRAMID, [1.0, 2.0], [near, far])
    path = PYRAMID.levels[0].path
    rows = [
        _row("image/zarr.json", 10.0, 10.5),
        _row("other/zarr.json", 10.0, 10.5),
        _row(f"image/{path}/c/0/0/0", 11.1, 11.5),
        _row(f"image/{path}/c/0/0/0", 11.6, 12.5),
        _row(f"image/{path}/c/0/3/3", 12.1, 12.5),
        _row(f"image/{path}/c/0/2/2", 12.1, 12.2, outcome="cancelled", status=0),
        _row(f"image/{path}/c/9/9", 12.3, 12.6, status=404),
    ]
    asked = read_log(rows, "image", 10.0, moves)
    assert [row.kind for row in asked] == ["metadata", "chunk", "chunk", "chunk", "chunk", "other"]
    assert [row.left for row in asked] == [False, False, True, False, False, False]
    assert [row.level for row in asked] == [None, 0, 0, 0, 0, None]
    assert asked[0].start == 0.0
    counts = count_requests(asked)
    assert counts == {"requests": 6, "bytes": 600, "bytes_wasted": 200, "twice": 1, "left": 1}


def test_frames_have_a_spread_and_views_can_be_dropped() -> None:
    times = frame_times([0.001] * 98 + [0.010, 0.100], [*np.arange(99) / 60, 3.0])
    assert times["frame_p50_ms"] == pytest.approx(1.0)
    assert times["frame_max_ms"] == pytest.approx(100.0)
    assert times["stall_ms"] == pytest.approx(1e3 * (3.0 - 98 / 60))
    assert dropped(5, [1.0, None, 2.0]) == 3


MEANS = Means(0.1, 0.2, None, None, None, inf)


def _need(at: float = 0.0, known: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0), size: float = 1000.0) -> Need:
    count = len(known)
    every = np.full(count, size)
    return Need(at, np.array(known), np.full(count, 1 / max(1, count)), every, np.full(count, 4096.0) * (every > 0))


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        (MEANS, [0.1, 0.1, 0.1, 0.1]),
        (Means(0.1, 0.2, 2, None, None, inf), [0.1, 0.1, 0.2, 0.2]),
        (Means(0.1, 0.2, None, 1e4, None, inf), [0.2, 0.3, 0.4, 0.5]),
        (Means(0.1, 0.2, None, None, 1e4, inf), [0.2, 0.2, 0.2, 0.2]),
        (Means(0.1, 0.2, None, None, None, 4096.0), [1.1, 2.1, 3.1, 4.1]),
    ],
    ids=["latency", "concurrency", "bandwidth", "one connection", "decoding"],
)
def test_each_resource_bounds_when_chunks_can_come(means: Means, expected: list[float]) -> None:
    np.testing.assert_allclose(arrivals(_need(), means), expected, atol=1e-9)


def test_what_is_not_stored_takes_a_round_trip_and_nothing_else() -> None:
    np.testing.assert_allclose(arrivals(_need(size=0.0), Means(0.1, 0.2, None, 1.0, 1.0, 1.0)), 0.1)


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0.01, 5)), min_size=1, max_size=6))
def test_no_order_of_work_has_more_of_it_done_at_any_time(jobs: list[tuple[float, float]]) -> None:
    """The server that always does the shortest left, against every order that jobs can be done in one by one."""
    done = shortest_first(np.array([begin for begin, _ in jobs]), np.array([work for _, work in jobs]))
    assert len(done) == len(jobs)
    for order in permutations(jobs):
        now, ends = 0.0, []
        for begin, work in order:
            now = max(now, begin) + work
            ends.append(now)
        assert (done <= np.array(ends) + 1e-9).all()


def test_the_limit_of_opening_is_two_round_trips_a_set_up_and_the_bytes() -> None:
    limit = find_limit([_need()], Means(0.1, 0.2, None, 1e4, None, inf), documents=500, smallest=100.0)
    opened = 0.2 + 0.1 + 0.05
    assert limit.first_s == pytest.approx(opened + 0.1 + 0.01)
    assert limit.half_s == pytest.approx(opened + 0.3)
    assert limit.complete_s == pytest.approx(opened + 0.5)
    assert limit.settle_s == pytest.approx(0.5)
    # A quarter of the picture comes after each of 0.2, 0.3, 0.4 and 0.5 seconds.
    assert limit.missing_s == pytest.approx(opened + 0.35)
    assert (limit.requests, limit.bytes) == (5, 4500)


def test_who_moves_waits_only_for_what_is_new() -> None:
    moved = _need(at=2.0, known=(0.0, 0.0, 0.0, 2.0))
    limit = find_limit([_need(), moved], MEANS, documents=0, smallest=0.0)
    assert limit.settle_s == pytest.approx(0.1)
    assert limit.half_s == 0.0
    assert limit.complete_s == limit.settle_s
    assert limit.missing_s == pytest.approx(0.3 + 0.1 + 0.25 * 0.1)
    assert (limit.requests, limit.bytes) == (5, 4000)
    assert find_limit([_need(), _need(at=2.0)], MEANS, 0, 0.0).settle_s == 0.0


def test_what_an_earlier_view_asked_for_still_has_to_come_over_the_line() -> None:
    slow = Means(0.1, 0.2, None, 1e3, None, inf)
    limit = find_limit([_need(), _need(at=2.0)], slow, documents=0, smallest=0.0)
    assert limit.settle_s == pytest.approx(0.1 + 4.0 - 2.0)


@given(st.integers(1, 9), st.floats(0.001, 1), st.floats(1e3, 1e7), st.integers(1, 9))
def test_a_worse_network_never_has_a_lower_limit(count: int, latency: float, rate: float, concurrency: int) -> None:
    need = _need(known=(0.0,) * count)
    good, bad = (
        find_limit([need], Means(latency * k, 0.1, concurrency, rate / k, None, inf), 100, 10.0) for k in (1.0, 2.0)
    )
    for name in ("first_s", "half_s", "most_s", "complete_s", "missing_s"):
        assert getattr(good, name) <= getattr(bad, name) + 1e-12
    assert best_curve([need], MEANS, 0.0).parts[-1] == 1.0


def test_a_summary_is_of_the_runs_that_succeeded() -> None:
    runs = [{"failed": None, "measures": _measures(t)} for t in (3.0, 1.0, 2.0)]
    failed = {"failed": "no route", "measures": {}}
    found = summary([*runs, failed])
    assert found["settle_s"] == {"median": 2.0, "min": 1.0, "max": 3.0, "count": 3}
    assert found["dropped"] is None
    assert middle([failed, *runs]) == 3
    assert middle([failed]) is None


def _measures(t: float) -> dict[str, float | None]:
    return dict.fromkeys(MEASURES, t) | {"dropped": None}
