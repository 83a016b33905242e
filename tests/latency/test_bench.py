"""The benchmark suites: their short form."""

import json
from pathlib import Path

import pytest

from brickstream.cli import main
from brickstream.errors import BrickstreamError
from brickstream.latency.suites import bench, drawing, holding, opening, planning, uploads, waiting
from brickstream.samples import write_sample


def _small(folder: Path) -> list[tuple[str, int]]:
    write_sample("synthetic", folder / "small", shape=(40, 50, 60))
    return [("small", 2), ("small", 3)]


def test_quick_says_for_every_case_how_long_people_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "RUNS", 2)
    monkeypatch.setattr(waiting, "LINKS", ((1.0, None), (1.0, 50.0)))
    monkeypatch.setattr(waiting, "LARGE_CANVAS", (900, 700))
    monkeypatch.setattr(waiting, "_make_images", _small)
    steps: list[tuple[int, int]] = []
    result = bench.run_suite("quick", lambda done, total: steps.append((done, total)))
    assert steps == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert [(row["ndisplay"], row["bandwidth_mbps"]) for row in result["rows"]] == [
        (2, None),
        (2, 50.0),
        (3, None),
        (3, 50.0),
        (2, 50.0),
    ]
    assert [row["canvas"] for row in result["rows"]] == [(800, 600)] * 4 + [(900, 700)]
    for row in result["rows"]:
        assert 0 < row["open_s"]["median"] < row["first_pixels_s"]["median"] <= row["complete_s"]["median"]
        assert row["requests"]["min"] > 5
    lines = bench.table(result).splitlines()
    assert len(lines) == 7
    assert "medians of 2 runs" in lines[-1]


def test_plan_says_for_every_case_what_a_plan_costs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planning, "RUNS", 2)
    monkeypatch.setattr(planning, "WARM_UP", 1)
    assert main(["bench", "run", "plan", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    rows = {row["case"]: row for row in result["rows"]}
    assert len(rows) == len(planning.cases()) == 11
    for row in rows.values():
        assert 0 < row["plan_s"]["min"] <= row["plan_s"]["median"] <= row["plan_s"]["max"]
        assert 0 < row["bricks"] <= 2000
    for name in ("whole", "whole, perspective", "close, perspective"):
        small, huge = rows[f"{name}, of 512^3"], rows[f"{name}, of 1M^3"]
        assert abs(small["bricks"] - huge["bricks"]) < 5
        assert small["bricks"] > 1500
    lines = bench.table(result).splitlines()
    assert len(lines) == 13
    assert "medians of 2 plans" in lines[-1]


def test_open_says_how_many_round_trips_the_first_update_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "RUNS", 1)
    monkeypatch.setattr(opening, "LATENCY_MS", 20.0)
    monkeypatch.setattr(opening, "SHAPE", (64, 384, 384))
    monkeypatch.setattr(opening, "CASES", [case for case in opening.CASES if case.ndisplay == 2])
    result = bench.run_suite("open")
    plain, sharded = result["rows"]
    assert (plain["round_trips_s"], sharded["round_trips_s"]) == (0.06, 0.08)
    for row in result["rows"]:
        first, drawn = row["first_update_s"]["median"], row["first_frame_s"]["median"]
        assert row["open_s"]["median"] < first < drawn
        # Less than two latencies is not possible: one for the metadata, one for a chunk.
        assert first >= 0.04
        assert row["back_requests"]["max"] == 0
    assert plain["pan_requests"]["median"] == plain["pan_new_chunks"]["median"] > 0
    assert len(bench.table(result).splitlines()) == 4


def test_hold_says_how_long_the_render_thread_is_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "SECONDS", 0.5)
    monkeypatch.setattr(holding, "SHAPE", (64, 128, 128))
    monkeypatch.setattr(holding, "LATENCY_MS", 5.0)
    result = bench.run_suite("hold")
    assert [(row["ndisplay"], row["draws"]) for row in result["rows"]] == [
        (2, False),
        (3, False),
        (2, True),
        (3, True),
    ]
    for row in result["rows"]:
        assert row["frames"] == 30
        assert row["chunks_per_s"] > 0
        for name in ("hold_ms", "poll_ms", "cpu_ms", "change_ms"):
            assert 0 < row[name]["p50"] <= row[name]["p99"] <= row[name]["max"]
    assert len(bench.table(result).splitlines()) == 6


def test_render_says_how_long_a_frame_takes_beside_the_dense_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "SIZES", ((64, 48),))
    monkeypatch.setattr(drawing, "NOISE", 32)
    monkeypatch.setattr(drawing, "PAIRS", 2)
    monkeypatch.setattr(drawing, "LEAST_PAIRS", 1)
    monkeypatch.setattr(drawing, "CASES", [case for case in drawing.CASES if case.method == "translucent"])
    monkeypatch.setattr(uploads, "CASES", (uploads.Case(16, 2),))
    result = bench.run_suite("render")
    noise, brain = result["rows"]
    assert (noise["data"], brain["data"]) == ("noise", "brain")
    # Nothing of the one can be left out, most of the other.
    assert noise["empty"] == 0
    assert brain["empty"] > 0.8
    for row in result["rows"]:
        assert row["pairs"] == 2
        assert row["apart"] < 0.02
        assert 0 < row["ours_s"]["min"] <= row["ours_s"]["median"] <= row["ours_s"]["max"]
        assert row["ratio"]["median"] > 0
    assert result["uploads"]["rows"][0]["write_rate"] > 0
    assert result["gl"] in bench.table(result)
    assert len(bench.table(result).splitlines()) == 8


@pytest.mark.parametrize("engine", ["", " , "])
def test_no_engine_at_all_is_one_clear_line(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "run", "smoke", "--engine", engine]) == 2
    assert capsys.readouterr().err == "brickstream: error: no name: --engine (leave --engine out for all)\n"


def test_engines_are_named_with_or_without_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "run", "smoke", "--engine", " brickstream, zarr ,nobody"]) == 2
    assert "no engine 'nobody'" in capsys.readouterr().err


def test_an_unknown_suite_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BrickstreamError, match="no suite 'nonsense'"):
        bench.run_suite("nonsense")
    assert main(["bench", "run", "nonsense"]) == 2
    said = capsys.readouterr().err.strip()
    assert (
        said == "brickstream: error: no suite 'nonsense' "
        "(there is smoke, short, sessions, full, quick, open, hold, plan, render)"
    )
