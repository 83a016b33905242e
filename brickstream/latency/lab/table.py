"""A result of the lab as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

_COLUMNS = (
    ("first", "first_s", "{:.2f} s"),
    ("half", "half_s", "{:.2f} s"),
    ("complete", "complete_s", "{:.2f} s"),
    ("missing", "missing_s", "{:.2f} s"),
    ("requests", "requests", "{:.0f}"),
    ("wasted", "bytes_wasted", "{:,.0f}"),
    ("stall", "stall_ms", "{:.0f} ms"),
    ("CPU", "cpu_s", "{:.2f} s"),
    ("memory", "peak_mb", "{:.0f} MB"),
)
_RATIO = "complete_s"


def lay_out(result: Mapping[str, Any]) -> str:
    """Lay a result of the lab out for people: a table for each case, medians of the runs."""
    lines = []
    cases = groupby(result["cells"], key=lambda cell: (cell["workload"], cell["data"], cell["network"]))
    for (workload, data, network), cells in cases:
        lines.append(f"\n{workload}, {data}, {network}")
        lines.append(f"{'':18}" + "".join(f"{title:>12}" for title, *_ in _COLUMNS) + f"{'x limit':>9}")
        lines += [_row(cell) for cell in cells]
    machine = result["machine"]
    lines.append(f"\nmedians of {result['runs']} runs; {machine['cores']} cores, Python {machine['python']}")
    lines.append("complete counts from opening, or from the last of several moves; missing: seconds of a whole picture")
    return "\n".join(lines)


def _row(cell: Mapping[str, Any]) -> str:
    if cell["state"] != "measured":
        return f"{cell['engine']:18}  {cell['state']}: {cell['why']}"
    summary = cell["summary"]
    limit = cell["limit"]
    shown = [_shown(summary[name], text) for _, name, text in _COLUMNS]
    ratio = "-"
    if summary[_RATIO] is not None and limit is not None and limit[_RATIO] > 0:
        ratio = f"{summary[_RATIO]['median'] / limit[_RATIO]:.2f}"
    note = f"  some runs failed: {cell['why']}" if cell["why"] else ""
    return f"{cell['engine']:18}" + "".join(f"{text:>12}" for text in shown) + f"{ratio:>9}{note}"


def _shown(spread: Mapping[str, float] | None, text: str) -> str:
    return "-" if spread is None else text.format(spread["median"])
