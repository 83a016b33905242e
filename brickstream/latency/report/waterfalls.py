"""The requests of an engine's typical run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from brickstream.latency.report import plots
from brickstream.latency.report.axes import Axis
from brickstream.latency.report.markup import Html, tag

MOST = 300
"""Requests that are drawn at most: more lines than that cannot be told apart."""

SHADES = 4
"""Colours of levels; what is coarser than the last one shares it."""

Requests = Sequence[Mapping[str, Any]]
Levels = Sequence[int]


def levels_of(runs: Iterable[Requests]) -> Levels:
    """The levels that some runs asked for, the finest first: their place in this list is their colour."""
    return sorted({request["level"] for requests in runs for request in requests} - {None})


def draw_waterfall(name: Html, engine: str, requests: Requests, levels: Levels) -> Html:
    """Draw the requests of a run, one below the other, on a time scale of their own.

    Parameters
    ----------
    name : Html
        What stands above it.
    engine : str
    requests : sequence of mapping
        By start; as in a result.
    levels : sequence of int
        Those of all waterfalls that stand together.
    """
    if not requests:
        return tag("figure", tag("figcaption", name, " made no request"), class_="waterfall")
    drawn = thin(requests)
    axis = Axis(0.0, max(max(request["end"] for request in requests) * 1.03, 1e-3))
    by_kind: dict[str, list[tuple[int, float, float, float]]] = {}
    for row, request in enumerate(drawn):
        first = request["end"] if request["first"] is None else request["first"]
        by_kind.setdefault(kind(request, levels), []).append((row, request["start"], first, request["end"]))
    said = about(requests)
    picture = plots.waterfall(f"Requests of {engine}: {said}", by_kind, len(drawn), axis)
    left_out = f" Drawn: {len(drawn)} of them, evenly picked." if len(drawn) < len(requests) else ""
    caption = tag("figcaption", name, tag("small", f"{said}.{left_out}"))
    return tag("figure", caption, picture, class_="waterfall plot")


def thin(requests: Requests) -> Requests:
    """Pick :data:`MOST` requests evenly, the first and the last among them; all where there are no more."""
    if len(requests) <= MOST:
        return requests
    step = (len(requests) - 1) / (MOST - 1)
    return [requests[round(k * step)] for k in range(MOST)]


def kind(request: Mapping[str, Any], levels: Levels) -> str:
    """The class that a request is drawn in: what became of it, or else what it was for."""
    if request["outcome"] != "served":
        return str(request["outcome"])
    if request["level"] is None:
        return "metadata"
    return f"level{min(levels.index(request['level']), SHADES - 1)}"


def about(requests: Requests) -> str:
    """Count requests in words."""
    outcomes = Counter(request["outcome"] for request in requests)
    left = sum(request["left"] for request in requests)
    counts = {"cancelled": outcomes["cancelled"], "broken by the network": outcomes["fault"], "for a view left": left}
    total = f"{len(requests):,} request" if len(requests) == 1 else f"{len(requests):,} requests"
    return ", ".join([total, *(f"{count:,} {words}" for words, count in counts.items() if count)])


def legend(runs: Iterable[Requests], levels: Levels) -> Html:
    """Explain the colours that are in some waterfalls."""
    found = {kind(request, levels) for requests in runs for request in requests}
    words = {"metadata": "metadata", **_level_words(levels), "cancelled": "cancelled", "fault": "broken by the network"}
    items = [tag("span", tag("i", class_=f"swatch {name}"), said) for name, said in words.items() if name in found]
    pale = tag("span", tag("i", class_="swatch pale"), "waiting for the first byte")
    return tag("p", items, pale, class_="legend")


def _level_words(levels: Levels) -> dict[str, str]:
    words = {f"level{place}": f"level {level}" for place, level in enumerate(levels[:SHADES])}
    if len(levels) > SHADES:
        words[f"level{SHADES - 1}"] += " and coarser"
    return words
