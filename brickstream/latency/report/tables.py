"""Tables of the page: the summary of all places, and all measures of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brickstream.latency.report.axes import digits, number, span
from brickstream.latency.report.markup import Html, join, tag
from brickstream.latency.report.plots import key
from brickstream.latency.report.result import Cell, Measure, Place, Result, measure_named, measures

OURS = "brickstream"
_STATES = {"absent": "not installed", "failed": "failed", "unable": "cannot"}


def colours(result: Result) -> Mapping[str, int]:
    """Give every engine a colour for the whole page: ours the first one, the others in order of appearance."""
    return {name: k for k, name in enumerate(dict.fromkeys((OURS, *result.engines)))}


def main_measure(result: Result, place: Place) -> Measure:
    """Say which measure tells how long people wait there: until complete, or from the last move on."""
    name = "settle_s" if result.head["workloads"][place.workload]["views"] > 1 else "complete_s"
    return measure_named(name)


def limit_of(cells: Sequence[Cell]) -> Mapping[str, Any] | None:
    """The limit of a place: it is the same for every engine; None where it was not worked out."""
    return next((cell.limit for cell in cells if cell.limit is not None), None)


def anchor(place: Place) -> str:
    """The fragment of a place's section."""
    return "--".join((place.workload, place.data, place.network)).replace(" ", "-")


def summary(result: Result) -> Html:
    """All places, engines side by side."""
    bodies = []
    for place, cells in result.places.items():
        by_engine = {cell.engine: cell for cell in cells}
        lined_up = [by_engine.get(name) for name in result.engines]
        title = tag("a", _title(place), href=f"#{anchor(place)}")
        rows = [tag("tr", tag("th", title, colspan=len(lined_up) + 2, scope="rowgroup"), class_="place")]
        shown = (measure_named("first_s"), main_measure(result, place), measure_named("missing_s"))
        rows += [_line(measure, lined_up, limit_of(cells), ranges=False) for measure in shown]
        bodies.append(tag("tbody", rows))
    return _table("summary", len(result.engines), _head(result.engines, colours(result)), *bodies)


def full(result: Result, cells: Sequence[Cell]) -> Html:
    """All measures of one place: median, range and ratio to the limit."""
    shown = [cell for cell in cells if cell.state == "measured"]
    rows = [
        _line(measure, shown, limit_of(cells), ranges=True)
        for measure in measures()
        if any(cell.median(measure.name) is not None for cell in shown)
    ]
    head = _head([cell.engine for cell in shown], colours(result))
    return _table("measures", len(shown), head, tag("tbody", rows))


def unmeasured(cells: Sequence[Cell]) -> Html:
    """Say in words who was not measured, or not in every run, and why."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    for cell in cells:
        if cell.state != "measured" or cell.why:
            lines.setdefault((cell.engine, cell.state, cell.why), []).append(_title(cell.place))
    everywhere = len({cell.place for cell in cells})
    items = [_reason(*about, places if len(places) < everywhere else ()) for about, places in lines.items()]
    return tag("ul", items, class_="notes") if items else Html("")


def _reason(engine: str, state: str, why: str, places: Sequence[str]) -> Html:
    where = f" ({', '.join(places)})" if places else ""
    word = _STATES.get(state, "measured in part")
    said = why if why.startswith(word) else f"{word}: {why}" if why else word
    return tag("li", tag("b", engine), f" {said}{where}")


def glossary() -> Html:
    """What each measure is."""
    return tag("dl", (tag("div", tag("dt", m.title), tag("dd", m.meaning)) for m in measures()))


def ratio(value: float | None) -> Html:
    """A ratio to the limit."""
    return Html("") if value is None else tag("small", f"×{digits(value)}", class_="ratio")


def _title(place: Place) -> str:
    return f"{place.workload} · {place.data} · {place.network}"


def _table(kind: str, engines: int, head: Html, *bodies: Html) -> Html:
    table = tag("table", head, bodies, class_=kind, style=f"--columns:{engines + 2}")
    # Focusable, so that a keyboard can scroll it.
    return tag("div", table, class_="scroll", tabindex=0)


def _head(engines: Sequence[str], known: Mapping[str, int]) -> Html:
    names = (tag("th", key(known[name]), name, scope="col") for name in engines)
    return tag("thead", tag("tr", tag("td", ""), tag("th", "limit", scope="col"), names))


def _line(measure: Measure, cells: Sequence[Cell | None], limit: Mapping[str, float] | None, *, ranges: bool) -> Html:
    least = (limit or {}).get(measure.name)
    best = _bar_of_best([cell for cell in cells if cell is not None], measure.name)
    return tag(
        "tr",
        tag("th", measure.title, scope="row", title=measure.meaning),
        tag("td", "" if least is None else number(least, measure.unit), class_="least"),
        (_cell(cell, measure, best, ranges) for cell in cells),
    )


def _bar_of_best(cells: Sequence[Cell], measure: str) -> float | None:
    """The worst run of the engine with the best median: whose runs reach it may be as good."""
    stats = [stat for cell in cells if (stat := cell.summary.get(measure)) is not None]
    return min(stats, key=lambda stat: stat["median"])["max"] if len(stats) > 1 else None


def _cell(cell: Cell | None, measure: Measure, best: float | None, ranges: bool) -> Html:
    if cell is None:
        return tag("td", "–", class_="none")
    if cell.state != "measured":
        return tag("td", _STATES[cell.state], class_="none", title=cell.why)
    stat = cell.summary.get(measure.name)
    if stat is None:
        return tag("td", "–", class_="none", title="not measured")
    is_best = best is not None and stat["min"] <= best
    median = tag("b" if is_best else "span", number(stat["median"], measure.unit))
    between_ends = span(stat["min"], stat["max"], measure.unit)
    between = tag("small", between_ends) if ranges and stat["min"] != stat["max"] else ""
    return tag(
        "td",
        join((median, ratio(cell.ratio(measure.name)), between)),
        class_="best" if is_best else None,
        title=between_ends,
    )
