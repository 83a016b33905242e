"""What a suite measured: its format, its page, and what differs between two of them."""

from __future__ import annotations

from brickstream.latency.report.axes import number
from brickstream.latency.report.compare import Difference, cautions, changed, compare, comparisons
from brickstream.latency.report.page import write_report
from brickstream.latency.report.result import (
    Cell,
    Measure,
    Place,
    Result,
    Run,
    measure_named,
    measures,
    parse_result,
    read_result,
)

__all__ = [
    "Cell",
    "Difference",
    "Measure",
    "Place",
    "Result",
    "Run",
    "cautions",
    "changed",
    "compare",
    "comparisons",
    "measure_named",
    "measures",
    "number",
    "parse_result",
    "read_result",
    "write_report",
]
