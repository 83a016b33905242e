"""``brickstream view``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path

from brickstream.cli import console
from brickstream.cli.panel import watching
from brickstream.engine import Telemetry
from brickstream.latency.workloads import write_session
from brickstream.latency.workloads.recorder import Recorder
from brickstream.viewers import desktop


def run_view(
    window: desktop.WindowOptions, *, stats: bool, trace: Path | None = None, record: Path | None = None
) -> int:
    """Show a window, and say meanwhile or in the end what was done for it; return the exit code."""
    with nullcontext(window) if record is None else _recording(window, record) as options:
        if not stats and trace is None:
            return desktop.run_window(options)
        telemetry = Telemetry()
        try:
            with watching(telemetry) if stats else nullcontext():
                return desktop.run_window(replace(options, telemetry=telemetry))
        finally:
            if trace is not None:
                telemetry.write_trace(trace)


@contextmanager
def _recording(window: desktop.WindowOptions, path: Path) -> Iterator[desktop.WindowOptions]:
    """Write each view that a window shows to a file, however the window ends."""
    recorder = Recorder()
    try:
        yield replace(window, on_view=recorder.see)
    finally:
        if recorder.steps:
            write_session(path, recorder.session(f"Recorded in a window, {date.today()}", window.url))
        else:
            console.tell("nothing was shown: no session was written")
