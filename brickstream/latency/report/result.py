"""What a suite measured: the document, read and checked. ``docs/bench-results.md`` describes it field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from math import inf
from pathlib import Path
from typing import Any

from brickstream.errors import BrickstreamError, MetadataError, NotFoundError
from brickstream.latency.report.checking import check

FORMAT, VERSION = "brickstream-bench", 1


@dataclass(frozen=True)
class Run:
    """One run of one cell. Times are seconds since the start of opening.

    Attributes
    ----------
    failed : str or None
        Why it came to no end.
    measures : mapping of str to float or None
        By the names of :func:`measures`; None where it was not measured.
    curve : tuple of (float, float)
        From this time on, this part (0 to 1) of the view of that time is at its final quality. Times never fall.
    moves : tuple of float
        When views were set.
    timeline : mapping of str to float or None
        ``open``, ``first`` and ``complete``.
    requests : tuple of mapping
        As the server saw them, by ``start``.
    """

    failed: str | None
    measures: Mapping[str, float | None]
    curve: tuple[tuple[float, float], ...]
    moves: tuple[float, ...]
    timeline: Mapping[str, float | None]
    requests: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Place:
    """What is measured, whoever does it: the engines of one place are compared with one another."""

    workload: str
    data: str
    network: str


@dataclass(frozen=True)
class Cell:
    """One engine at one place.

    Attributes
    ----------
    place : Place
    engine : str
    state : {"measured", "absent", "failed", "unable"}
    why : str
        In words, where it is not measured or some runs failed.
    limit : mapping or None
        What no engine can beat, by the names of measures.
    runs : tuple of Run
        Those that failed too.
    summary : mapping
        For each measure ``median``, ``min``, ``max`` and ``count``, or None.
    """

    place: Place
    engine: str
    state: str
    why: str
    limit: Mapping[str, Any] | None
    runs: tuple[Run, ...]
    summary: Mapping[str, Mapping[str, float] | None]

    @property
    def good(self) -> tuple[Run, ...]:
        """Runs that did not fail."""
        return tuple(run for run in self.runs if run.failed is None)

    def values(self, measure: str) -> tuple[float, ...]:
        """What the good runs measured, in order of size."""
        found = (run.measures.get(measure) for run in self.good)
        return tuple(sorted(value for value in found if value is not None))

    def median(self, measure: str) -> float | None:
        """Say the median of the runs; None where it was not measured."""
        stat = self.summary.get(measure)
        return None if stat is None else stat["median"]

    def ratio(self, measure: str) -> float | None:
        """Median to the limit; None where either is not known, or the limit is zero."""
        least, median = (self.limit or {}).get(measure), self.median(measure)
        return median / least if least and median is not None else None

    @property
    def typical(self) -> Run | None:
        """The run in the middle by ``missing_s`` (the better one of two), which is drawn; None where all failed."""
        ranked = sorted(self.good, key=_missing_s)
        return ranked[(len(ranked) - 1) // 2] if ranked else None


def _missing_s(run: Run) -> float:
    """Seconds of a whole picture that were missing: without end where it was never complete."""
    missing = run.measures.get("missing_s")
    return inf if missing is None else missing


@dataclass(frozen=True)
class Result:
    """A whole document.

    Attributes
    ----------
    head : mapping
        ``suite``, ``command``, ``date``, ``seconds``, ``runs``, ``machine``, ``networks``, ``data``, ``workloads``.
    cells : tuple of Cell
    """

    head: Mapping[str, Any]
    cells: tuple[Cell, ...]

    @property
    def engines(self) -> tuple[str, ...]:
        """Names, in order of appearance."""
        return tuple(dict.fromkeys(cell.engine for cell in self.cells))

    def of_engine(self, name: str | None) -> Result:
        """Keep the cells of one engine; all of them for None.

        Raises
        ------
        BrickstreamError
            If it has none.
        """
        if name is not None and name not in self.engines:
            raise BrickstreamError(f"no engine {name!r}", "", f"there is {', '.join(self.engines)}")
        return self if name is None else Result(self.head, tuple(cell for cell in self.cells if cell.engine == name))

    def begin(self, place: Place, run: Run) -> float:
        """From when ``half_s``, ``most_s`` and ``complete_s`` of a run count: see :meth:`due`."""
        return self.due(place, run.timeline["open"] or 0.0)

    def due(self, place: Place, opened: float) -> float:
        """When waiting begins: with opening (0), or when the last of several views is due, in seconds since open."""
        workload = self.head["workloads"][place.workload]
        return opened + workload["seconds"] if workload["views"] > 1 else 0.0

    @property
    def places(self) -> Mapping[Place, tuple[Cell, ...]]:
        """Cells by place, in order of appearance."""
        found: dict[Place, list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(cell.place, []).append(cell)
        return {place: tuple(cells) for place, cells in found.items()}


@dataclass(frozen=True)
class Measure:
    """A measure, as the schema describes it.

    Attributes
    ----------
    name, title, meaning : str
    unit : {"s", "ms", "MB", "bytes", ""}
        "" is a count.
    """

    name: str
    title: str
    meaning: str

    @property
    def unit(self) -> str:
        """Of the numbers in a result."""
        if self.name.startswith("bytes"):
            return "bytes"
        return {"s": "s", "ms": "ms", "mb": "MB"}.get(self.name.rpartition("_")[2], "")


def schema() -> dict[str, Any]:
    """The JSON Schema of a result."""
    text = files("brickstream.latency.report").joinpath("schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def measures() -> tuple[Measure, ...]:
    """All measures, in the order in which they are shown."""
    run = schema()["$defs"]["cell"]["properties"]["runs"]["items"]
    known = run["properties"]["measures"]["properties"]
    return tuple(Measure(name, about["title"], about["description"]) for name, about in known.items())


def measure_named(name: str) -> Measure:
    """Find a measure by its name in a result."""
    return next(measure for measure in measures() if measure.name == name)


def read_result(path: Path) -> Result:
    """Read the result of a suite.

    Raises
    ------
    NotFoundError
        If there is no such file.
    BrickstreamError
        If it is no JSON, or not such a result.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError("no such file", str(path), "brickstream bench run SUITE --out DIR writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BrickstreamError("cannot be read", str(path), str(error)) from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrickstreamError("not JSON", str(path), str(error)) from error
    return parse_result(document, str(path))


def parse_result(document: object, where: str = "") -> Result:
    """Take a result from a document.

    Parameters
    ----------
    document : object
        As :func:`json.load` gives it.
    where : str, default ""
        Its path, for the error.

    Raises
    ------
    BrickstreamError
        If it is another format or of a newer version.
    MetadataError
        If a field is missing or something else than the schema says, the date is none, or a cell is of a workload, data
        set or network that is not described.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BrickstreamError("not a result of brickstream bench", where, f'"format" is not "{FORMAT}"')
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise BrickstreamError(f"a result of version {version}", where, "a newer brickstream reads it")
    check(document, schema(), where)
    _check_date(document["date"], where)
    _check_names(document, where)
    head = {key: value for key, value in document.items() if key != "cells"}
    return Result(head, tuple(map(_cell, document["cells"])))


def _check_date(date: str, where: str) -> None:
    try:
        is_known = datetime.fromisoformat(date).tzinfo is not None
    except ValueError:
        is_known = False
    if not is_known:
        raise MetadataError("date", date, "a date and time of ISO 8601, with its offset from UTC", where)


def _check_names(document: Mapping[str, Any], where: str) -> None:
    """Check that what the cells name is described."""
    for k, cell in enumerate(document["cells"]):
        for name, described in (("workload", "workloads"), ("data", "data"), ("network", "networks")):
            if cell[name] not in document[described]:
                raise MetadataError(f"cells[{k}].{name}", cell[name], f"a name in {described}", where)


def _cell(cell: Mapping[str, Any]) -> Cell:
    return Cell(
        Place(cell["workload"], cell["data"], cell["network"]),
        cell["engine"],
        cell["state"],
        cell["why"],
        cell["limit"],
        tuple(map(_run, cell["runs"])),
        cell["summary"],
    )


def _run(run: Mapping[str, Any]) -> Run:
    curve = tuple((time, part) for time, part in run["curve"])
    return Run(run["failed"], run["measures"], curve, tuple(run["moves"]), run["timeline"], tuple(run["requests"]))
