"""What telemetry has counted, for people: tables on a terminal, renewed while something runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import log10
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from brickstream.engine import Telemetry

PER_SECOND = 4
# More images than that do not fit on a screen.
MAX_IMAGES = 8
# Without a terminal, so many columns.
WIDTH = 110
_BARS = " ▁▂▃▄▅▆▇█"
_CHUNKS = ("queued", "in_flight", "decoding", "loaded", "missing", "failed", "given_up")
_TIMES = ("queued", "wait", "receive", "decode", "first_pixels", "complete")
_WORK = ("plan", "poll", "commit", "draw", "frame")


def panel(summary: Mapping[str, Any]) -> RenderableType:
    """Lay out a summary of :class:`brickstream.engine.Telemetry`. Pure."""
    parts = _chunks(summary), Text(), _times(summary), _lines(summary)
    return Panel(Group(*parts), title=f"brickstream, {summary['seconds']:.1f} s", title_align="left")


def _table(names: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place else "left", no_wrap=True, vertical="bottom")
    return table


def _chunks(summary: Mapping[str, Any]) -> Table:
    # Two lines, so that all of them fit side by side.
    table = _table(("\nchunks", *("\n".join(("", *name.split("_"))[-2:]) for name in _CHUNKS), "\nMB", "wasted\nMB"))
    for image in summary["images"][-MAX_IMAGES:]:
        table.add_row(Text(image["name"] or image["image"]), *_counts(image))
    if len(summary["images"]) != 1:
        table.add_row("in all", *_counts(summary["total"]))
    return table


def _counts(numbers: Mapping[str, Any]) -> list[str]:
    nbytes = numbers["bytes"]
    counts = [f"{numbers['chunks'][name]:,}" for name in _CHUNKS]
    return [*counts, f"{nbytes['read'] / 1e6:.1f}", f"{nbytes['wasted'] / 1e6:.1f}"]


def _times(summary: Mapping[str, Any]) -> Table:
    table = _table(("ms", "count", "p50", "p95", "p99", "max", "1 µs to 10 s"))
    spread = [(name, summary["total"]["ms"][name]) for name in _TIMES]
    spread += [(name, summary["render"]["ms"][name]) for name in _WORK if name in summary["render"]["ms"]]
    for name, times in spread:
        if times["count"]:
            values = [f"{times[share]:,.1f}" for share in ("p50", "p95", "p99", "max")]
            table.add_row(name.replace("_", " "), f"{times['count']:,}", *values, bars(times["buckets"]))
    return table


def bars(buckets: Sequence[Sequence[float]], low: float = 1e-3, high: float = 1e4, per_decade: int = 2) -> str:
    """Draw a histogram as one line of text, half a decade a column, from `low` to `high`."""
    columns = [0.0] * (round(_decades(low, high)) * per_decade)
    for last, count in buckets:
        place = int(_decades(low, max(last, low)) * per_decade)
        columns[min(place, len(columns) - 1)] += count
    most = max(columns, default=0.0)
    # What is there at all is seen.
    heights = [0 if not count else max(1, round(count / most * (len(_BARS) - 1))) for count in columns]
    return "".join(_BARS[height] for height in heights)


def _decades(low: float, high: float) -> float:
    return log10(high / low)


def _lines(summary: Mapping[str, Any]) -> Text:
    total, render, disk = summary["total"], summary["render"], summary["disk_cache"]
    asked, views, updates, chunks = (total[name] for name in ("requests", "views", "updates", "chunks"))
    statuses = ", ".join(f"{count:,} x {status}" for status, count in asked["statuses"].items())
    lines = [
        f"requests  {asked['begun']:,} begun, {asked['failed']:,} failed, {asked['cancelled']:,} cancelled, "
        f"{asked['retries']:,} retries, {asked['hedges']:,} hedges" + (f"; {statuses}" if statuses else ""),
        f"views     {views['shown']:,} shown, {views['complete']:,} complete, {views['left']:,} left; "
        f"{updates['delivered']:,} updates, {updates['stale']:,} stale",
        f"wanted    {chunks['wanted']:,} chunks: {chunks['held']:,} on screen already, {chunks['known']:,} in memory",
        f"stall     {render['longest_stall_ms']:.1f} ms at most",
    ]
    if disk is not None:
        lines.append(f"disk      {disk['hits']:,} hits, {disk['validated']:,} validated, {disk['misses']:,} misses")
    return Text("\n" + "\n".join(lines))


def say_panel(summary: Mapping[str, Any]) -> None:
    """Write the panel to stdout."""
    _console().print(panel(summary))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


@contextmanager
def watching(telemetry: Telemetry) -> Iterator[None]:
    """Show the panel on stdout while something runs: renewed on a terminal, else once in the end.

    It is renewed by a thread, so that nobody waits for a terminal that is slow.
    """
    console = _console()
    if not console.is_terminal:
        yield
        console.print(panel(telemetry.summary()))
        return
    renew = Live(console=console, refresh_per_second=PER_SECOND, get_renderable=lambda: panel(telemetry.summary()))
    with renew:
        yield
