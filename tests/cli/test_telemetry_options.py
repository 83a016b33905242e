"""``--stats`` and ``--trace``: what they say, where, and that nothing is remembered without them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from ticking import ticking

from brickstream.cli import app
from brickstream.cli.panel import bars, panel, watching
from brickstream.engine import Engine, Telemetry
from brickstream.errors import StoreError
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, memory_image
from brickstream.viewers import desktop


def drawn(summary: dict[str, Any], width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(panel(summary))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


async def streamed(*names: str) -> Telemetry:
    telemetry = ticking()
    async with Engine(sink=RecordingSink(), telemetry=telemetry) as engine:
        for name in names:
            image = memory_image(np.ones((32, 48), np.uint8), (8, 8), levels=2, name=name)
            engine.show(image, View.plane(image, canvas=(48, 32)))
            await engine.complete(20)
    return telemetry


async def test_the_panel_has_a_row_for_each_image_and_one_for_all() -> None:
    telemetry = await streamed("cells", "nuclei")
    lines = drawn(telemetry.summary()).splitlines()
    rows = {name: next(line for line in lines if name in line).split() for name in ("cells", "nuclei", "in all")}
    counts = telemetry.summary()["total"]["chunks"]
    assert rows["cells"][5:7] == rows["nuclei"][5:7] == [str(counts["loaded"] // 2), "0"]
    assert str(counts["loaded"]) in rows["in all"]
    assert any("views     2 shown, 2 complete, 0 left" in line for line in lines)


async def test_the_panel_of_one_image_has_no_row_for_all() -> None:
    assert "in all" not in drawn((await streamed("cells")).summary())


async def test_the_panel_fits_into_what_there_is() -> None:
    summary = (await streamed(*(f"image with a long name, number {k}" for k in range(20)))).summary()
    for width in (40, 80, 200):
        lines = drawn(summary, width).splitlines()
        assert {len(line) for line in lines} == {width}
        assert len(lines) < 40


def test_a_panel_of_nothing_is_drawn() -> None:
    assert "0 shown" in drawn(Telemetry().summary())


async def test_a_name_is_no_markup() -> None:
    assert "[red]cells[/red]" in drawn((await streamed("[red]cells[/red]")).summary(), 200)


@pytest.mark.parametrize(
    ("buckets", "drawing"),
    [
        ([], " " * 14),
        ([(0.0, 1)], "█" + " " * 13),
        ([(1.0, 4), (1e6, 8)], " " * 6 + "▄" + " " * 6 + "█"),
        ([(1.0, 1), (2000.0, 1000)], " " * 6 + "▁" + " " * 5 + "█ "),
    ],
)
def test_bars_show_how_times_are_spread(buckets: list[tuple[float, int]], drawing: str) -> None:
    assert bars(buckets) == drawing


async def test_without_a_terminal_the_panel_is_written_once_in_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = await streamed("cells")
    with watching(telemetry):
        assert capsys.readouterr().out == ""
    assert capsys.readouterr().out.count("cells") == 1


def test_on_a_terminal_the_panel_is_renewed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("brickstream.cli.panel.PER_SECOND", 1000)
    telemetry = Telemetry()
    with watching(telemetry):
        with telemetry.work("poll"):
            pass
        while "poll" not in capsys.readouterr().out:
            pass
        with telemetry.work("commit"):
            pass
    assert "commit" in capsys.readouterr().out


# ---- commands

Run = Callable[[desktop.WindowOptions], int]


def viewed(monkeypatch: pytest.MonkeyPatch, run: Run, *words: str) -> int:
    monkeypatch.setattr(desktop, "run_window", run)
    return app.main(["view", "http://127.0.0.1:1/a.zarr", *words])


def test_a_window_remembers_nothing_unless_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert viewed(monkeypatch, lambda options: 0 if options.telemetry is None else 1) == 0


def test_a_window_says_in_the_end_what_was_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(options: desktop.WindowOptions) -> int:
        assert options.telemetry is not None
        with options.telemetry.work("poll"):
            return 3

    assert viewed(monkeypatch, run, "--stats", "--trace", str(tmp_path / "trace.json")) == 3
    assert "poll" in capsys.readouterr().out
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert [event["name"] for event in trace["traceEvents"] if event["ph"] == "X"] == ["poll"]


def test_a_window_that_fails_leaves_its_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(options: desktop.WindowOptions) -> int:
        raise StoreError("gone")

    assert viewed(monkeypatch, run, "--trace", str(tmp_path / "trace.json")) == 2
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"] == []


@pytest.mark.parametrize(
    ("place", "says"), [("no/trace.json", "no such folder"), ("x" * 300, "too long"), ("/dev/full", "No space left")]
)
def test_a_trace_that_cannot_be_written_is_one_line(
    place: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where it can be known beforehand no window opens; a full disk is met in the end."""
    opened: list[desktop.WindowOptions] = []

    def run(options: desktop.WindowOptions) -> int:
        opened.append(options)
        return 0

    assert viewed(monkeypatch, run, "--trace", str(tmp_path / place)) == 2
    assert bool(opened) == (place == "/dev/full")
    error = capsys.readouterr().err
    assert error.startswith("brickstream: error: ")
    assert says in error
    assert error.count("\n") == 1
