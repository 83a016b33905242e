"""The benchmark suites of the command line: those of the lab, and those of our own engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brickstream.errors import BrickstreamError, StoreError
from brickstream.latency import lab
from brickstream.latency.engines import ENGINES
from brickstream.latency.lab.machine import describe_machine
from brickstream.latency.lab.table import lay_out
from brickstream.latency.report import write_report
from brickstream.latency.suites import drawing, holding, opening, planning, waiting

SUITES = {"quick": waiting, "open": opening, "hold": holding, "plan": planning, "render": drawing}
"""Of our own engine: how long people wait for pixels; for the first ones, in round trips; how long the render thread is
held up; what a plan costs; how long a frame of a volume takes. The suites of the lab are :data:`lab.SUITES`."""


@dataclass(frozen=True)
class Options:
    """How a suite is run.

    Attributes
    ----------
    engines : tuple of str or None
        Of the lab's suites: only these; None is all.
    runs : int or None
        Of the lab's suites: instead of their own number.
    folder : Path or None
        Where the lab's images are kept; None writes them anew.
    out : Path or None
        Folder for ``result.json`` and ``report.html``, of the lab's suites.
    """

    engines: tuple[str, ...] | None = None
    runs: int | None = None
    folder: Path | None = None
    out: Path | None = None


def run_suite(
    suite: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    options: Options = Options(),
) -> dict[str, Any]:
    """Run a suite.

    Parameters
    ----------
    suite : str
        One of :data:`SUITES`, or of the lab.
    progress : callable
        Takes finished and planned cases.
    options : Options

    Returns
    -------
    dict
        Of the lab: as docs/bench-results.md has it. Else ``suite``, ``machine``, ``runs``, and ``rows``: for each case
        the median, lowest and highest of every figure.

    Raises
    ------
    BrickstreamError
        If there is no such suite or engine, an option is not for this suite, or a run did not complete.
    """
    if suite in lab.SUITES:
        return _run_lab(suite, progress, options)
    if suite not in SUITES:
        raise BrickstreamError(f"no suite {suite!r}", "", f"there is {', '.join((*lab.SUITES, *SUITES))}")
    if options != Options():
        where = f"the suite {suite}"
        raise BrickstreamError("it has no report, no engines to choose and no runs to set", where, "leave these out")
    return {"suite": suite, "machine": describe_machine(), **SUITES[suite].measure(progress)}


def _run_lab(suite: str, progress: Callable[[int, int], None], options: Options) -> dict[str, Any]:
    engines = options.engines or tuple(ENGINES)
    for name in engines:
        if name not in ENGINES:
            raise BrickstreamError(f"no engine {name!r}", "", f"there is {', '.join(ENGINES)}")
    if options.out is not None:
        _make_folder(options.out)
    command = " ".join(["brickstream", *sys.argv[1:]])
    wished = lab.Options(engines=engines, runs=options.runs, folder=options.folder, command=command)
    result = lab.measure(suite, lab.SUITES[suite], wished, progress)
    if options.out is not None:
        _write(options.out / "result.json", json.dumps(result))
        write_report(result, options.out / "report.html")
    return result


def _make_folder(folder: Path) -> None:
    """Make a folder and try whether it can be written to, before minutes of measuring and not after them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the report cannot be written: {error.strerror or error}", str(folder)) from error
    for name in ("result.json", "report.html"):
        path = folder / name
        if path.exists():
            _write(path, path.read_text(encoding="utf-8") if path.is_file() else "")
        else:
            _write(path, "")
            path.unlink()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"the report cannot be written: {error.strerror or error}", str(path)) from error


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people: medians of the runs."""
    return lay_out(result) if result["suite"] in lab.SUITES else str(SUITES[result["suite"]].table(result))
