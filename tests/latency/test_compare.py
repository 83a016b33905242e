"""What differs between two results beyond noise, and what the commands say of it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_results import lab_result, summary

from brickstream.cli import main
from brickstream.latency.report import Difference, cautions, changed, compare, comparisons, parse_result

Document = dict[str, Any]
SMALL = lab_result(networks=("s3-far",), engines=("brickstream", "napari", "dask"), runs=1, chunks=4)
# Three runs of each cell, all alike but for a hundredth.
SMALL["runs"] = 3
for _cell in SMALL["cells"]:
    _cell["runs"] = [
        {**_run, "measures": {name: value and value * factor for name, value in _run["measures"].items()}}
        for _run in _cell["runs"]
        for factor in (1.0, 0.99, 1.01)
    ]
numbers = st.lists(st.floats(0.1, 100), min_size=1, max_size=7)


def scaled(document: Document, cell: int, measure: str, factor: float) -> Document:
    """The result with a measure of one cell so many times as large."""
    found = copy.deepcopy(document)
    runs = found["cells"][cell]["runs"]
    for run in runs:
        run["measures"][measure] *= factor
    found["cells"][cell]["summary"] = summary(runs)
    return found


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ((1.00, 1.01, 1.02), (1.20, 1.21, 1.22), "worse"),
        ((1.20, 1.21, 1.22), (1.00, 1.01, 1.02), "better"),
        ((1.00, 1.01, 1.02), (1.04, 1.05, 1.06), None),  # apart, but by less than a twentieth
        ((1.00, 1.01, 1.30), (1.20, 1.21, 1.22), None),  # they mix
        ((1.00, 1.10, 1.20), (1.25, 1.35, 1.45), None),  # the gap is narrower than the runs spread
        ((1.00, 1.05, 1.1, 1.15, 1.2), (1.25, 1.3, 1.35, 1.4, 1.45), "worse"),  # five of each are enough
        ((0.001, 0.001, 0.001), (0.003, 0.003, 0.003), None),  # 2 ms
        ((1.0, 1.0), (9.0, 9.0), None),  # too few runs
        ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "worse"),
    ],
)
def test_runs_differ_if_they_are_apart_by_more_than_they_spread(
    before: tuple[float, ...], after: tuple[float, ...], kind: str | None
) -> None:
    assert changed(before, after) == kind


@given(before=numbers, after=numbers)
def test_what_is_worse_one_way_is_better_the_other_way(before: list[float], after: list[float]) -> None:
    other = {"worse": "better", "better": "worse", None: None}
    assert changed(after, before) == other[changed(before, after)]
    assert changed(before, before) is None


@given(runs=st.lists(st.floats(1.0, 1.3), min_size=3, max_size=7))
def test_twice_as_long_is_found_whatever_the_noise(runs: list[float]) -> None:
    assert changed(runs, [2 * run for run in runs]) == "worse"


def test_a_result_does_not_differ_from_itself() -> None:
    result = parse_result(SMALL)
    assert compare(result, result) == []
    assert cautions(result, result) == []
    assert comparisons(result, result) > 100


@given(cell=st.integers(0, len(SMALL["cells"]) - 1), measure=st.sampled_from(["complete_s", "requests", "peak_mb"]))
def test_the_one_cell_that_takes_three_times_as_much_is_found(cell: int, measure: str) -> None:
    result, other = parse_result(SMALL), parse_result(scaled(SMALL, cell, measure, 3.0))
    old = result.cells[cell]
    found = [(d.place, d.engine, d.measure, d.kind) for d in compare(result, other)]
    assert found == ([(old.place, old.engine, measure, "worse")] if old.state == "measured" else [])


def test_a_cell_that_no_longer_answers_is_lost_and_one_that_is_not_installed_is_not() -> None:
    other = copy.deepcopy(SMALL)
    other["cells"][0].update(state="failed", why="no answer", runs=[], summary={})
    other["cells"][1].update(state="absent", why="pip install it", runs=[], summary={})
    before, after = parse_result(SMALL), parse_result(other)
    (lost,) = compare(before, after)
    assert lost == Difference(before.cells[0].place, "brickstream", "lost", why="no answer")
    assert lost.is_regression
    assert [difference.kind for difference in compare(after, before)] == ["gained"]
    assert cautions(before, after) == ["1 cell is only in the first result"]


def without(document: Document, measure: str, runs: slice) -> Document:
    """The result with some runs of the first cell that have no such measure."""
    found = copy.deepcopy(document)
    for run in found["cells"][0]["runs"][runs]:
        run["measures"][measure] = None
    return found


def failing(document: Document, runs: slice) -> Document:
    """The result with some runs of the first cell that came to no end."""
    found = copy.deepcopy(document)
    for run in found["cells"][0]["runs"][runs]:
        run.update(failed="not complete", measures={})
    return found


@pytest.mark.parametrize(("runs", "after"), [(slice(None), 0), (slice(1), 2)])
def test_a_view_that_is_not_complete_any_more_is_lost(runs: slice, after: int) -> None:
    old, new = parse_result(SMALL), parse_result(without(SMALL, "complete_s", runs))
    (lost,) = compare(old, new)
    assert (lost.kind, lost.measure, lost.is_regression) == ("lost", "complete_s", True)
    assert lost.why == f"{after} of 3 runs, before 3 of 3, measured it"
    assert (lost.after is None, lost.factor is None) == (after == 0, after == 0)
    assert [(found.kind, found.measure) for found in compare(new, old)] == [("gained", "complete_s")]


def test_a_cell_of_which_more_runs_fail_is_lost_whatever_the_number_of_runs() -> None:
    old, new = parse_result(SMALL), parse_result(failing(SMALL, slice(1, 3)))
    (lost,) = compare(old, new)
    assert (lost.kind, lost.measure) == ("lost", "")
    assert lost.why == "1 of 3 runs, before 3 of 3, came to an end"
    assert [found.kind for found in compare(new, old)] == ["gained"]
    twice = copy.deepcopy(SMALL)
    twice["cells"][0]["runs"] *= 2
    assert compare(old, parse_result(twice)) == []


def test_what_may_be_the_reason_is_said() -> None:
    other = copy.deepcopy(SMALL)
    other["machine"] |= {"cores": 64, "packages": {**SMALL["machine"]["packages"], "dask": None}}
    other["networks"]["s3-far"] = {"latency_ms": 81.0}
    other["runs"] = 2
    del other["cells"][0]
    assert cautions(parse_result(SMALL), parse_result(other)) == [
        "another machine: cores 2 and 64",
        "other versions: dask 2026.8.0 and absent",
        "other settings of network s3-far",
        "1 cell is only in the first result",
        "fewer than 3 runs of each cell: nothing can be said of such",
    ]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[str, str]:
    """A result, and one in which brickstream's first cell is three times as slow."""
    paths = tmp_path / "a.json", tmp_path / "b.json"
    for path, document in zip(paths, (SMALL, scaled(SMALL, 0, "complete_s", 3.0)), strict=True):
        path.write_text(json.dumps(document), encoding="utf-8")
    return str(paths[0]), str(paths[1])


def test_compare_says_what_got_slower_and_fails_only_where_asked_to(
    saved: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "compare", *saved]) == 0
    lines = capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if line.startswith("worse"))
    assert row.split()[1:6] == ["complete_s", "open-plane", "volume-64", "s3-far", "brickstream"]
    assert row.endswith("3.00")
    assert lines[-1].startswith("1 difference beyond noise")
    assert main(["bench", "compare", *saved, "--fail-on-slower"]) == 1
    assert main(["bench", "compare", *saved, "--fail-on-slower", "--engine", "dask"]) == 0
    assert main(["bench", "compare", saved[1], saved[0], "--fail-on-slower"]) == 0


def test_compare_fails_where_views_are_never_complete_or_runs_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(tmp_path / f"{name}.json") for name in ("before", "never", "failing")]
    documents = (SMALL, without(SMALL, "complete_s", slice(None)), failing(SMALL, slice(2)))
    for path, document in zip(paths, documents, strict=True):
        Path(path).write_text(json.dumps(document), encoding="utf-8")
    for path, said in zip(paths[1:], ("0 of 3 runs, before 3 of 3, measured it", "1 of 3 runs"), strict=True):
        assert main(["bench", "compare", paths[0], path, "--fail-on-slower"]) == 1
        assert said in capsys.readouterr().out
        assert main(["bench", "compare", path, paths[0], "--fail-on-slower"]) == 0


def test_compare_as_json_has_the_same(saved: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "compare", *saved, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (difference,) = said["differences"]
    assert difference["factor"] == pytest.approx(3.0)
    assert (difference["kind"], difference["network"]) == ("worse", "s3-far")
    assert said["cautions"] == []


def test_what_cannot_be_compared_is_one_clear_line(
    saved: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "compare", saved[0], saved[1], "--engine", "nobody"]) == 2
    assert "no engine 'nobody'" in capsys.readouterr().err
    assert main(["bench", "compare", saved[0], str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
