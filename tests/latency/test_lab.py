"""The lab as a whole: real servers, real workers, real engines; short."""

import json
from pathlib import Path

import pytest

from brickstream.cli import main
from brickstream.latency.engines import ENGINES, make_adapter, missing
from brickstream.latency.engines.protocol import Watch
from brickstream.latency.lab import SUITES, Case, Options, Suite, measure
from brickstream.latency.lab.cells import MEASURES
from brickstream.latency.report import read_result
from brickstream.latency.workloads import DATA, WORKLOADS
from brickstream.latency.workloads.data import Data

SMALL = Data("small", "microscope", "zyx", (64, 128, 128), (32, 64, 64), "uint16", 2)
CASES = (Case("pan", "small", "lan"), Case("open-volume", "small", "s3-same-region"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA, "small", SMALL)
    monkeypatch.setitem(SUITES, "tiny", Suite("two small cases", CASES, runs=1, timeout=20.0))


def test_every_suite_is_made_of_names_that_there_are() -> None:
    for suite in SUITES.values():
        for case in suite.cases:
            assert case.workload in WORKLOADS
            assert case.data in DATA


@pytest.mark.usefixtures("small")
def test_engines_play_the_same_sessions_and_are_measured_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["bench", "run", "tiny", "--out", str(out), "--engine", "brickstream,tensorstore,lodstone"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "100 %" in said.err
    read_result(out / "result.json")
    result = json.loads((out / "result.json").read_text())
    cells = {(cell["workload"], cell["engine"]): cell for cell in result["cells"]}
    assert len(cells) == 6
    for name in ("brickstream", "tensorstore"):
        for case in CASES:
            cell = cells[case.workload, name]
            assert (cell["state"], cell["why"]) == ("measured", "")
            [run] = cell["runs"]
            found = run["measures"]
            assert list(found) == list(MEASURES)
            assert 0 < found["open_s"] < found["first_s"] <= run["timeline"]["complete"]
            assert found["half_s"] <= found["most_s"] <= found["complete_s"]
            assert run["curve"][-1][1] == 1.0
            # Who looks on at the disk's numbers cannot be quicker than physics.
            assert found["first_s"] > cell["limit"]["first_s"]
            assert found["settle_s"] > cell["limit"]["settle_s"]
            assert found["bytes"] == sum(row["bytes"] for row in run["requests"])
            assert found["cpu_s"] > 0
            assert found["peak_mb"] > 20
            assert found["stall_ms"] > 0
    page = (out / "report.html").read_text()
    assert "tensorstore" in page
    assert "tensorstore" in said.out


@pytest.mark.usefixtures("small")
def test_what_is_not_installed_or_cannot_be_done_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brickstream.latency.engines._is_there", lambda package: package != "tensorstore")
    suite = Suite("volumes only", CASES[1:], runs=1)
    result = measure("tiny", suite, Options(engines=("tensorstore", "napari"), folder=tmp_path))
    states = {cell["engine"]: (cell["state"], cell["why"]) for cell in result["cells"]}
    assert states["tensorstore"] == ("absent", "not installed: tensorstore (pip install 'brickstream[bench]')")
    assert states["napari"] == ("unable", "shows volumes at the coarsest level only")
    assert all(not cell["runs"] for cell in result["cells"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "no suite 'nonsense'"),
        (["short", "--engine", "brickstream,nonsense"], "no engine 'nonsense'"),
        (["quick", "--out", "somewhere"], "has no report"),
        (["short", "--runs", "0"], "runs"),
    ],
)
def test_a_wrong_word_is_one_clear_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "run", *words]) == 2
    assert said in capsys.readouterr().err


def test_an_engine_that_is_not_there_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brickstream.latency.engines._is_there", lambda package: False)
    assert missing("brickstream") == ""
    for name, info in ENGINES.items():
        if info.needs:
            with pytest.raises(ImportError, match=r"brickstream\[bench\]"):
                make_adapter(name, Watch(), (8, 8))
