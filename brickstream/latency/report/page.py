"""One HTML file that says what a suite measured: it needs no network, no server and no script."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from brickstream.errors import StoreError
from brickstream.latency.report import plots, tables, words
from brickstream.latency.report.axes import logarithmic_axis, number
from brickstream.latency.report.markup import Html, join, tag
from brickstream.latency.report.result import Cell, Place, Result, parse_result
from brickstream.latency.report.sections import section


def write_report(result: Result | Mapping[str, Any], path: Path) -> None:
    """Write the page of a result.

    Parameters
    ----------
    result : Result or mapping
        Read already, or as :func:`json.load` gives it.
    path : Path
        The HTML file; it is overwritten.

    Raises
    ------
    BrickstreamError
        If it is no result.
    StoreError
        If the file cannot be written.
    """
    known = result if isinstance(result, Result) else parse_result(result)
    page = make_page(known)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"the page cannot be written: {error.strerror or error}", str(path)) from error


def make_page(result: Result) -> str:
    """Make the page of a result: a complete HTML document."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"How long people wait: {result.head['suite']}"),
        tag("style", Html(_file("style.css"))),
    )
    sections = [section(result, place, cells) for place, cells in result.places.items()]
    body = tag("body", tag("main", _opening(result), _summary(result), sections, _glossary()))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _opening(result: Result) -> Html:
    return tag(
        "header",
        tag("h1", "How long people wait"),
        tag("p", words.about_suite(result), class_="lead"),
        tag("p", words.about_machine(result), class_="hint"),
        tag("p", tag("code", result.head["command"])),
        class_="opening",
    )


def _summary(result: Result) -> Html:
    """All places at a glance: a plot of who waits how long, and the numbers."""
    return tag(
        "section",
        tag("h2", "Summary"),
        _overview(result),
        tag(
            "p",
            "Medians of the runs, and their ratio to the limit: what no engine can beat on this network and machine. "
            "Smaller is better. Marked: the best, and those whose runs reach it.",
            class_="hint",
        ),
        tables.summary(result),
        tables.unmeasured(result.cells),
        id="summary",
    )


def _overview(result: Result) -> Html:
    found = [_missing(place, cells) for place, cells in result.places.items()]
    ends = [end for _, numbers, limit in found for end in (*numbers.values(), limit) if end]
    if not ends:
        return Html("")
    axis = logarithmic_axis(min(ends) / 1.5, max(ends) * 1.3)
    known = tables.colours(result)
    rows = []
    for place, numbers, limit in found:
        ours = numbers.get(tables.OURS)
        by_colour = {
            known[name]: value for name, value in sorted(numbers.items(), key=lambda item: item[0] == tables.OURS)
        }
        label = f"{place.workload} on {place.network}: " + ", ".join(
            f"{n} {number(v, 's')}" for n, v in numbers.items()
        )
        rows.append((_place_link(place), label, by_colour, limit, join(number(ours, "s"))))
    text = (
        "Seconds of a whole picture that were missing until the view was complete; logarithmic. "
        "A dot an engine, a tick the limit; on the right brickstream."
    )
    return join((tag("p", text, class_="hint"), _keys(result), plots.dots(rows, axis)))


def _missing(place: Place, cells: tuple[Cell, ...]) -> tuple[Place, dict[str, float], float | None]:
    numbers = {cell.engine: value for cell in cells if (value := cell.median("missing_s"))}
    limit = tables.limit_of(cells)
    return place, numbers, limit["missing_s"] if limit else None


def _place_link(place: Place) -> Html:
    return tag(
        "a", place.workload, " ", tag("small", f"{place.data} · {place.network}"), href=f"#{tables.anchor(place)}"
    )


def _keys(result: Result) -> Html:
    items = (tag("span", plots.key(k), name) for name, k in tables.colours(result).items() if name in result.engines)
    return tag("p", items, class_="legend")


def _glossary() -> Html:
    limit = (
        "The limit is what no engine can beat that asks for nothing before a view shows it; one that fetches ahead may."
    )
    text = tag("p", limit, class_="hint")
    return tag("section", tag("h2", "What the measures are"), text, tables.glossary(), id="measures", class_="glossary")


def _file(name: str) -> str:
    return files("brickstream.latency.report").joinpath(name).read_text(encoding="utf-8")
