"""The benchmark of fetching: its short form, over real processes."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from brickstream.latency import Network, ThreadedServer

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "fetch.py"


def bench(*words: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), "--small", "--json", "--runs", "1", "--latency", "0", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def work(engine: str, url: str, total: int, before: str = "") -> dict[str, Any]:
    """One run as the benchmark makes it, in a process of its own."""
    task = {"engine": engine, "case": {"name": "plane", "grid": [1, 3, 3], "plane": 32}, "url": url, "sum": total}
    program = f"import sys; {before}\nfrom engines import worker; worker.main(sys.argv[1])"
    command = [sys.executable, "-c", program, json.dumps(task)]
    done = subprocess.run(command, cwd=SCRIPT.parent, capture_output=True, text=True)
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def rows(data: Path) -> list[dict[str, Any]]:
    words = ("--data", str(data), "--case", "plane", "--engine", "bare-16", "ours")
    found: list[dict[str, Any]] = bench(*words)["rows"]
    return found


def test_every_engine_delivers_the_pixels_there_are(rows: list[dict[str, Any]]) -> None:
    assert [(row["case"], row["engine"]) for row in rows] == [("plane", "bare-16"), ("plane", "ours")]
    for row in rows:
        assert (row["completed"], row["failed"], row["absent"]) == (1, None, None)
        assert 0 < row["first_s"] <= row["complete_s"]
        assert row["cpu_s"] > 0
        assert row["peak_mb"] > 10


def test_the_table_has_a_line_for_each_engine_and_for_what_it_lacks(
    rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    fetch = importlib.import_module("fetch")
    absent = {**rows[1], "engine": "other", "completed": 0, "absent": "No module named 'other'"}
    _, title, head, bare, ours, other = fetch.table([*rows, absent], ["--latency-ms", "0"]).split("\n")
    assert title == "plane, 9 chunks, --latency-ms 0"
    assert head.split() == ["runs", "first", "complete", "ratio", "best", "CPU/chunk", "ratio", "peak"]
    assert bare.startswith("bare-16")
    assert bare.split().count("1.00") == 2
    assert ours.split()[:2] == ["ours", "1/1"]
    assert other.endswith("absent: No module named 'other'")


@pytest.mark.parametrize(
    ("network", "off", "reason"),
    [
        (Network(), 0, None),
        (Network(), 1, "delivered other pixels than there are"),
        (Network(rate_503=1), 0, "ClientResponseError: 503"),
    ],
)
def test_a_failure_is_a_result(
    network: Network, off: int, reason: str | None, rows: list[dict[str, Any]], data: Path
) -> None:
    total = json.loads((data / "sums.json").read_text())["plane-1x3x3"]
    with ThreadedServer(data, network) as server:
        outcome = work("bare-16", f"{server.url}/plane-1x3x3", total + off)
    assert outcome.get("failed", "").startswith(reason or "")
    assert ("complete_s" in outcome) == (reason is None)


def test_an_engine_that_is_not_installed_is_reported() -> None:
    assert "obstore" in work("obstore-32", "", 0, before="sys.modules['obstore'] = None")["absent"]
