"""``brickstream view``."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from brickstream.cli.panel import watching
from brickstream.engine import Telemetry
from brickstream.viewers import desktop


def run_view(window: desktop.WindowOptions, *, stats: bool, trace: Path | None) -> int:
    """Show a window, and say meanwhile or in the end what was done for it; return the exit code."""
    if not stats and trace is None:
        return desktop.run_window(window)
    telemetry = Telemetry()
    try:
        with watching(telemetry) if stats else nullcontext():
            return desktop.run_window(replace(window, telemetry=telemetry))
    finally:
        if trace is not None:
            telemetry.write_trace(trace)
