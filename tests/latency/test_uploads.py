"""The benchmark of uploads runs, and says what was measured."""

from __future__ import annotations

from brickstream.latency.suites import uploads


def test_uploads_are_measured_against_bare_calls() -> None:
    done: list[tuple[int, int]] = []
    result = uploads.measure(lambda n, of: done.append((n, of)), runs=1)
    assert done == [(1, 2), (2, 2)]
    for row in result["rows"]:
        assert row["bytes"] == (row["side"] + 2) ** 3 * 2
        assert row["all_us"]["median"] > 0
        assert row["write_rate"] == row["bare_us"]["min"] / row["write_us"]["min"]
    lines = uploads.table(result).splitlines()
    assert len(lines) == 4
    assert lines[1].split()[:2] == ["32^3", str(34**3 * 2)]
