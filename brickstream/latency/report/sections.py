"""One place of the page: who was how quick there, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brickstream.latency.report import plots, tables, waterfalls, words
from brickstream.latency.report.axes import Axis, number, time_axis
from brickstream.latency.report.markup import Html, join, tag
from brickstream.latency.report.result import Cell, Place, Result, Run

# Stretches of a timeline, and what ends each.
STRETCHES = {
    "open": "opening",
    "wait": "until the first pixels",
    "moving": "while the view moves",
    "half": "until half of the view is final",
    "most": "until 95 %",
    "rest": "until all of it",
}


def section(result: Result, place: Place, cells: Sequence[Cell]) -> Html:
    """Make the section of a place."""
    head = result.head
    limit = tables.limit_of(cells)
    texts = [words.about_workload(head["workloads"][place.workload]), words.about_data(head["data"][place.data])]
    texts.append(words.about_network(head["networks"][place.network]))
    title = tag("h2", place.workload, tag("small", f"{place.data} · {place.network}"))
    return tag(
        "section",
        tag("header", title, tag("p", " ".join(texts)), tables.unmeasured(cells)),
        _drawn(result, place, cells, limit),
        tag("h3", "All measures"),
        tag("p", "Median of the runs, its ratio to the limit, and the range.", class_="hint"),
        tables.full(result, cells),
        id=tables.anchor(place),
    )


def _drawn(result: Result, place: Place, cells: Sequence[Cell], limit: Mapping[str, Any] | None) -> Html:
    runs = _ranked(cells)
    if not runs:
        return tag("p", "Nothing was measured here.", class_="hint")
    known = tables.colours(result)
    moved = result.head["workloads"][place.workload]["views"] > 1
    ends = [_end(run) for _, run in runs] + ([_due(result, place, limit) + limit["complete_s"]] if limit else [])
    starts = [run.timeline["open"] or 0.0 for _, run in runs] + ([limit["first_s"]] if limit else [])
    axis = time_axis(starts, ends, moved)
    curves = [plots.Curve(cell.engine, known[cell.engine], run.curve, run.moves, _end(run)) for cell, run in runs]
    return join(
        [
            tag("h3", "Quality over time"),
            tag("p", _about_curves(axis, moved, limit), class_="hint"),
            _quality(curves, axis, moved, limit),
            tag("h3", "Timelines"),
            plots.bars(_bars(result, place, runs, limit), axis),
            _legend(moved),
            tag("p", words.about_limit(limit, moved), class_="hint") if limit else "",
            tag("h3", "Requests"),
            _requests(runs, known),
        ]
    )


def _ranked(cells: Sequence[Cell]) -> list[tuple[Cell, Run]]:
    """Engines with their typical run, first those that left least of the picture missing."""
    name = "missing_s"
    runs = [(cell, run) for cell in cells if (run := cell.typical) is not None]
    return sorted(runs, key=lambda pair: (pair[0].median(name) is None, pair[0].median(name) or 0.0))


def _end(run: Run) -> float:
    complete = run.timeline["complete"]
    return complete if complete is not None else (run.curve[-1][0] if run.curve else 0.0)


def _about_curves(axis: Axis, moved: bool, limit: Mapping[str, Any] | None) -> str:
    said = ["The part of the picture that is at its final quality, in the run in the middle."]
    said += ["The scale of time is logarithmic."] if axis.logarithmic else []
    said += ["Ticks: the view moves. On the right: on average, until the view is complete."] if moved else []
    said += ["Dashed: the limit."] if limit and not moved else []
    return " ".join(said)


def _quality(curves: Sequence[plots.Curve], axis: Axis, moved: bool, limit: Mapping[str, Any] | None) -> Html:
    """One plot for a view that stands still; for one that moves a strip an engine, since qualities jump up and down."""
    if moved:
        return plots.strips(curves, axis)
    parts = (("first_s", 0.0), ("half_s", 0.5), ("most_s", 0.95), ("complete_s", 1.0))
    ours_last = sorted(curves, key=lambda curve: curve.name == tables.OURS)
    return plots.quality(ours_last, axis, [(limit[name], part) for name, part in parts] if limit else [])


def _bars(
    result: Result, place: Place, runs: Sequence[tuple[Cell, Run]], limit: Mapping[str, Any] | None
) -> list[plots.Bar]:
    known = tables.colours(result)
    main = tables.main_measure(result, place)
    found = []
    for cell, run in runs:
        value = number(cell.median(main.name), main.unit)
        label = f"{cell.engine}: {main.title.lower()} {value}"
        name = join((plots.key(known[cell.engine]), cell.engine))
        at_end = join((value, " ", tables.ratio(cell.ratio(main.name))))
        stretches = _stretches(run, result.begin(place, run))
        found.append(plots.Bar(name, label, plots.engine_class(known[cell.engine]), stretches, at_end))
    if limit is None:
        return found
    begin = _due(result, place, limit)
    value = number(limit[main.name], main.unit)
    stretches = _one_after_another({"wait": limit["first_s"], "moving": begin, **_from(begin, limit)})
    return [plots.Bar(join("limit"), f"limit: {value}", "none", stretches, join(value)), *found]


def _due(result: Result, place: Place, limit: Mapping[str, Any]) -> float:
    """When the last view is due for who opens the image in one round trip."""
    return result.due(place, limit["parts"]["set_up_s"] + limit["parts"]["round_trip_s"])


def _stretches(run: Run, begin: float) -> list[tuple[str, float, float]]:
    ends = {"open": run.timeline["open"], "wait": run.timeline["first"], "moving": begin}
    return _one_after_another({**ends, **_from(begin, run.measures)})


def _from(begin: float, measured: Mapping[str, float | None]) -> dict[str, float | None]:
    found = {
        kind: measured.get(name) for kind, name in (("half", "half_s"), ("most", "most_s"), ("rest", "complete_s"))
    }
    return {kind: None if value is None else begin + value for kind, value in found.items()}


def _one_after_another(ends: Mapping[str, float | None]) -> list[tuple[str, float, float]]:
    """Stretches that begin where the last one ended; those that would end before that are left out."""
    found, now = [], 0.0
    for kind, end in ends.items():
        if end is not None and end > now:
            found.append((kind, now, end))
            now = end
    return found


def _legend(moved: bool) -> Html:
    shown = {kind: text for kind, text in STRETCHES.items() if moved or kind != "moving"}
    items = (tag("span", tag("i", class_=f"swatch ink {kind}"), text) for kind, text in shown.items())
    return tag("p", items, class_="legend")


def _requests(runs: Sequence[tuple[Cell, Run]], known: Mapping[str, int]) -> Html:
    requests = [run.requests for _, run in runs]
    levels = waterfalls.levels_of(requests)
    drawn = []
    for cell, run in runs:
        name = tag("b", plots.key(known[cell.engine]), cell.engine)
        drawn.append(waterfalls.draw_waterfall(name, cell.engine, run.requests, levels))
    return join((waterfalls.legend(requests, levels), tag("div", drawn, class_="waterfalls")))
