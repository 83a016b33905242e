"""Plots as inline SVG. What is drawn stretches with the page; what is read is HTML beside it and keeps its size.

Every drawing has the view box 0 0 1000 1000 and is stretched to where it stands (``preserveAspectRatio="none"``;
strokes keep their width). Classes ``e0`` .. ``e9`` are the engines' colours; the style sheet has them for both schemes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from brickstream.latency.report.axes import Axis, number
from brickstream.latency.report.markup import Html, join, tag

SIDE = 1000
COLOURS = 10
# Pixels that a label takes at most: for each character, and for its margins.
_CHARACTER, _MARGIN = 7, 12
# From here on a tick's word would reach beyond the plot: beyond a wide one, and beyond one of several in a row.
_NEAR_END, _NEAR_END_OF_SMALL = 0.94, 0.8
# Of a request, in units of a drawing: about a pixel wide and two pixels high, where lines would be thinner than that.
_THINNEST, _LOWEST = 4, 9
# Widths of a plot in pixels for which labels are kept apart: on a phone, and the least of anything wider, paper too.
_NARROW, _WIDE = 330, 390


@dataclass(frozen=True)
class Curve:
    """One engine's quality over time.

    Attributes
    ----------
    name : str
    colour : int
        The number of its class.
    points : sequence of (float, float)
        From this time on, this quality (0 to 1).
    moves : sequence of float
        When views were set.
    end : float
        When it is complete, or when it was last looked at.
    """

    name: str
    colour: int
    points: Sequence[tuple[float, float]]
    moves: Sequence[float]
    end: float


def engine_class(colour: int) -> str:
    """The class of an engine's colour. Where there are more engines than colours, the first one is not given twice."""
    return f"e{colour if colour < COLOURS else 1 + (colour - 1) % (COLOURS - 1)}"


def key(colour: int) -> Html:
    """The sign of an engine, to stand before its name."""
    return tag("i", class_=f"key {engine_class(colour)}", aria_hidden="true")


def drawing(label: str, *paths: Html, height: str = "100%") -> Html:
    """Make a drawing that stretches to its place."""
    return tag(
        "svg",
        *paths,
        viewBox=f"0 0 {SIDE} {SIDE}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
        style=f"height:{height}",
    )


def quality(curves: Sequence[Curve], axis: Axis, limit: Sequence[tuple[float, float]]) -> Html:
    """Draw quality over time, a step curve an engine, each named where it is complete.

    Parameters
    ----------
    curves : sequence of Curve
        The last one is drawn on top.
    axis : Axis
        Of time in seconds.
    limit : sequence of (float, float)
        Times and qualities that no engine can beat; empty where they are not known.
    """
    paths = [tag("path", d=_lines(axis), class_="grid")]
    if limit:
        paths.append(tag("path", d=_polyline(axis, limit), class_="limit"))
    paths += [tag("path", d=_steps(axis, c.points), class_=f"curve {engine_class(c.colour)}") for c in curves]
    label = f"Quality over time of {', '.join(c.name for c in curves)}"
    heights = [tag("span", f"{part} %", class_="y", style=f"bottom:{part}%") for part in (50, 100)]
    area = tag("div", drawing(label, *paths), heights, times(axis), class_="area tall")
    return tag("figure", _flags(curves, axis), area, class_="plot")


def strips(curves: Iterable[Curve], axis: Axis) -> Html:
    """Draw quality over time while the view moves: a strip an engine, full where all of the view is there."""
    rows = []
    for curve in curves:
        part = average(curve)
        name = join((key(curve.colour), curve.name))
        paths = [
            tag("path", d=f"M0 {SIDE}H{SIDE}", class_="grid"),
            tag("path", d=_ticks(axis, curve.moves), class_="moves"),
            tag("path", d=_area(axis, curve), class_=f"fill {engine_class(curve.colour)}"),
        ]
        label = f"Quality over time of {curve.name}: {100 * part:.0f} % on average"
        rows.append(_row(name, drawing(label, *paths), f"{100 * part:.0f} %"))
    return tag("figure", rows, _row("", times(axis), "", kind="ruler"), class_="plot strips")


def average(curve: Curve) -> float:
    """The mean quality from opening until the end of a curve, 0 to 1."""
    if not curve.points or curve.end <= 0:
        return 0.0
    ends = [time for time, _ in curve.points[1:]] + [curve.end]
    return sum((end - begin) * part for (begin, part), end in zip(curve.points, ends, strict=True)) / curve.end


def times(axis: Axis, near_end: float = _NEAR_END) -> Html:
    """Write the ticks of a time axis below its plot, the last one within it. A phone shows every other one."""
    seconds = axis.high >= 1
    words = [(axis.place(tick), "0" if tick == 0 else _time(tick, seconds)) for tick in axis.ticks()]
    return join(
        tag("span", word, class_="x last" if at > near_end else "x", style=f"left:{100 * at:.2f}%")
        for at, word in words
    )


def _time(value: float, seconds: bool) -> str:
    return f"{value:g} s" if seconds else f"{value * 1000:g} ms"


@dataclass(frozen=True)
class Bar:
    """One line of a timeline.

    Attributes
    ----------
    name : Html
    label : str
        In words, for those who do not see it.
    colour : str
        A class.
    parts : sequence of (str, float, float)
        Class, begin and end in seconds of each stretch.
    value : Html
        What is written at the end of the line.
    """

    name: Html
    label: str
    colour: str
    parts: Sequence[tuple[str, float, float]]
    value: Html


def bars(lines: Iterable[Bar], axis: Axis) -> Html:
    """Draw a timeline: a line for each engine, with its stretches one after the other."""
    rows = [_row(line.name, drawing(line.label, *_stretches(line, axis)), line.value) for line in lines]
    return tag("figure", rows, _row("", times(axis), "", kind="ruler"), class_="plot bars")


def _stretches(line: Bar, axis: Axis) -> list[Html]:
    found = [tag("path", d=f"M0 500H{SIDE}", class_="grid")]
    for kind, begin, end in line.parts:
        x, width = _x(axis, begin), max(_x(axis, end) - _x(axis, begin), 2)
        top, height = (400, 200) if kind == "moving" else (150, 700)
        found.append(tag("path", d=f"M{x} {top}h{width}v{height}h-{width}z", class_=f"{line.colour} {kind}"))
    return found


def dots(rows: Iterable[tuple[Html, str, Mapping[int, float], float | None, Html]], axis: Axis) -> Html:
    """Draw one number of every engine as dots, a line a place.

    Parameters
    ----------
    rows : iterable of (Html, str, mapping of int to float, float or None, Html)
        Name, words, numbers by colour (the last on top), the limit, and what is written at the end.
    axis : Axis
    """
    lines = []
    for name, label, numbers, least, value in rows:
        paths = [tag("path", d=f"M0 500H{SIDE}", class_="grid")]
        if least is not None:
            paths.append(tag("path", d=f"M{_x(axis, least)} 80v840", class_="limit"))
        # A line without length has round ends: a dot that does not stretch.
        paths += [
            tag("path", d=f"M{_x(axis, at)} 500h.01", class_=f"dot {engine_class(colour)}")
            for colour, at in numbers.items()
        ]
        lines.append(_row(name, drawing(label, *paths), value))
    return tag("figure", lines, _row("", times(axis), "", kind="ruler"), class_="plot dots")


def waterfall(
    label: str, bars_by_kind: Mapping[str, Sequence[tuple[int, float, float, float]]], rows: int, axis: Axis
) -> Html:
    """Draw requests, one below the other.

    Parameters
    ----------
    label : str
    bars_by_kind : mapping of str to sequence of (int, float, float, float)
        For each class: row, start, first byte and end, in seconds. Until the first byte a bar is pale.
    rows : int
    axis : Axis
    """
    step = SIDE / max(rows, 1)
    paths = []
    for kind, found in bars_by_kind.items():
        waits = "".join(_block(axis, row, start, first, step) for row, start, first, _ in found)
        takes = "".join(_block(axis, row, first, end, step) for row, _, first, end in found)
        paths += [tag("path", d=waits, class_=f"{kind} wait"), tag("path", d=takes, class_=kind)]
    height = f"{min(max(rows * 3, 60), 220)}px"
    return tag("div", drawing(label, *paths, height=height), times(axis, _NEAR_END_OF_SMALL), class_="area")


def _block(axis: Axis, row: int, begin: float, end: float, step: float) -> str:
    x = _x(axis, begin)
    width = max(_x(axis, end) - x, _THINNEST)
    return f"M{x} {row * step:.0f}h{width}v{max(step * 0.8, _LOWEST):.0f}h-{width}z"


def _row(name: str, area: Html, value: str, kind: str = "row") -> Html:
    return tag(
        "div",
        tag("span", name, class_="name"),
        tag("div", area, class_="area"),
        tag("span", value, class_="value"),
        class_=kind,
    )


def _x(axis: Axis, value: float) -> int:
    return round(axis.place(value) * SIDE)


def _y(part: float) -> int:
    return round((1 - part) * SIDE)


def _lines(axis: Axis) -> str:
    across = "".join(f"M0 {_y(part)}H{SIDE}" for part in (0.0, 0.5, 1.0))
    return across + "".join(f"M{_x(axis, tick)} 0V{SIDE}" for tick in axis.ticks())


def _ticks(axis: Axis, moves: Sequence[float]) -> str:
    return "".join(f"M{x} {SIDE}v120" for x in dict.fromkeys(_x(axis, move) for move in moves))


def _polyline(axis: Axis, points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_x(axis, time)} {_y(part)}" for time, part in points)


def _steps(axis: Axis, points: Sequence[tuple[float, float]]) -> str:
    """A step curve; what is less than a unit apart is left out, but for the last of it."""
    path, x, y = "", 0, SIDE
    for time, part in points:
        to_x, to_y = _x(axis, time), _y(part)
        path += (f"H{to_x}" if to_x != x else "") + (f"V{to_y}" if to_y != y else "")
        x, y = to_x, to_y
    return f"M0 {SIDE}{path}"


def _area(axis: Axis, curve: Curve) -> str:
    """What lies below a curve, until its end and on from there."""
    return f"{_steps(axis, curve.points)}H{SIDE}V{SIDE}z" if curve.points else ""


def _flags(curves: Sequence[Curve], axis: Axis) -> Html:
    """Names above the plot, each where its curve ends, in rows so that none covers another."""
    places = [(axis.place(curve.end), _width(curve.name)) for curve in curves]
    wide = _apart([(at, at + size / _WIDE) for at, size in places])
    narrow = _apart([_within(at, size / _NARROW) for at, size in places])
    marks = [
        tag(
            "span",
            tag("span", curve.name),
            class_=f"flag {engine_class(curve.colour)}" + (" back" if at + size / _NARROW > 1 else ""),
            style=f"left:{100 * at:.2f}%;--wide:{wide[k]};--narrow:{narrow[k]}",
            title=f"{curve.name}: {number(curve.end, 's')}",
        )
        for k, (curve, (at, size)) in enumerate(zip(curves, places, strict=True))
    ]
    style = f"--wide:{max(wide, default=0) + 1};--narrow:{max(narrow, default=0) + 1}"
    return tag("div", marks, class_="flags", style=style)


def _width(name: str) -> float:
    return len(name) * _CHARACTER + _MARGIN


def _within(at: float, size: float) -> tuple[float, float]:
    """Where a label lies that turns back at the right end."""
    return (at - size, at) if at + size > 1 else (at, at + size)


def _apart(labels: Sequence[tuple[float, float]]) -> list[int]:
    """Rows for labels, filled from the right to the left, so that none covers another or its line down to the plot."""
    rows = [0] * len(labels)
    taken: list[float] = []
    for k in sorted(range(len(labels)), key=lambda k: -labels[k][0]):
        begin, end = labels[k]
        rows[k] = next((row for row in range(len(taken)) if end <= min(taken[row:])), len(taken))
        taken[rows[k] : rows[k] + 1] = [begin]
    return rows
