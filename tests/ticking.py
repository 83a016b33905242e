"""Telemetry by a clock that goes on by one at each look, and ways to read it."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from brickstream.engine import Telemetry
from brickstream.engine.telemetry import ChunkEvent, RenderEvent, RequestEvent, ViewEvent


def ticking(capacity: int = 10_000) -> Telemetry:
    """A telemetry whose clock shows 1, 2, 3 ...: no two moments are the same."""
    ticks = count(1)
    return Telemetry(capacity, clock=lambda: next(ticks), epoch=lambda: 1_000_000)


def chunks(telemetry: Telemetry) -> list[ChunkEvent]:
    return [event for event in telemetry.events() if isinstance(event, ChunkEvent)]


def requests(telemetry: Telemetry) -> list[RequestEvent]:
    return [event for event in telemetry.events() if isinstance(event, RequestEvent)]


def views(telemetry: Telemetry) -> list[ViewEvent]:
    return [event for event in telemetry.events() if isinstance(event, ViewEvent)]


def works(telemetry: Telemetry) -> list[RenderEvent]:
    return [event for event in telemetry.events() if isinstance(event, RenderEvent)]


def lanes(trace: dict[str, Any]) -> Iterator[list[tuple[float, float]]]:
    """Begin and end of all spans of each lane of a trace, in the order of the file."""
    found: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            span = event["ts"], round(event["ts"] + event["dur"], 3)
            found.setdefault((event["pid"], event["tid"]), []).append(span)
    yield from found.values()


def assert_nested(spans: list[tuple[float, float]]) -> None:
    """Of two spans either one lies within the other, which comes first, or they have no time in common."""
    inside: list[tuple[float, float]] = []
    for begin, end in spans:
        while inside and inside[-1][1] <= begin:
            inside.pop()
        assert not inside or (inside[-1][0] <= begin and end <= inside[-1][1]), (inside, begin, end)
        inside.append((begin, end))
