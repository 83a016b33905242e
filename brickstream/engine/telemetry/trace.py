"""Spans as a file in Chrome's trace event format, which Perfetto and chrome://tracing show. Pure, but for the writing.

The format: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
Of two spans of a lane either one lies within the other, or they have no time in common; so what overlaps and belongs to
no thread is laid into lanes, the first that is free.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from brickstream.engine.telemetry.events import Event
from brickstream.engine.telemetry.spans import Span, spans_of
from brickstream.errors import StoreError

# From the top of the screen to its bottom; processes of the format are groups of lanes.
_GROUPS = {"views": "view", "render": "", "requests": "connection", "decoding": "", "chunks": "slot"}
Json = dict[str, Any]


def trace_of(events: list[Event], start: int, images: Mapping[int, str]) -> Json:
    """Make the document.

    Parameters
    ----------
    events : list of Event
    start : int
        Nanoseconds that become the time 0.
    images : mapping of int to str
        URLs of the images by number, without secrets.
    """
    spans = sorted(spans_of(events, images), key=lambda span: (span.start, -span.end))
    found: list[Json] = []
    for pid, (group, lane) in enumerate(_GROUPS.items(), 1):
        mine = [span for span in spans if span.group == group]
        if mine:
            found += _named(pid, group)
            found += _laid(pid, lane, mine, start)
    found += _counters(len(_GROUPS) + 1, [span for span in spans if span.group == "chunks"], start)
    return {"traceEvents": found, "displayTimeUnit": "ms", "otherData": {"images": list(images.values())}}


def _named(pid: int, group: str) -> list[Json]:
    """Name a group of lanes, and put it into its place."""
    about: tuple[tuple[str, Json], ...] = (
        ("process_name", {"name": group}),
        ("process_sort_index", {"sort_index": pid}),
    )
    return [{"ph": "M", "ts": 0, "pid": pid, "tid": 0, "name": name, "args": args} for name, args in about]


def _laid(pid: int, lane: str, spans: list[Span], start: int) -> Iterator[Json]:
    """Lay spans into lanes and name these: those of a thread into its own, others into the first that is free."""
    names: dict[str, int] = {}
    for span, number in zip(spans, _free_lanes(spans), strict=True):
        name = span.lane or f"{lane} {number:03}"
        tid = names.setdefault(name, len(names) + 1)
        yield from _events(pid, tid, span, start)
    for name, tid in names.items():
        yield {"ph": "M", "ts": 0, "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}}


def _free_lanes(spans: Iterable[Span]) -> Iterator[int]:
    """Give each span, by its start, the lowest number that none has that it overlaps."""
    free: list[int] = []
    taken: list[tuple[int, int]] = []
    for span in spans:
        while taken and taken[0][0] <= span.start:
            heapq.heappush(free, heapq.heappop(taken)[1])
        number = heapq.heappop(free) if free else len(taken) + 1
        heapq.heappush(taken, (span.end, number))
        yield number


def _events(pid: int, tid: int, span: Span, start: int) -> Iterator[Json]:
    said = {"ph": "X", "pid": pid, "tid": tid, "cat": span.group, "name": span.name}
    yield said | {"ts": _us(span.start - start), "dur": _us(span.end - span.start), "args": dict(span.attributes)}
    for part in span.parts:
        yield from _events(pid, tid, part, start)


def _counters(pid: int, chunks: list[Span], start: int) -> list[Json]:
    """Count the chunks that are read at each moment."""
    changes = sorted([(span.start, 1) for span in chunks] + [(span.end, -1) for span in chunks])
    found: list[Json] = _named(pid, "counters") if changes else []
    now = 0
    for time, change in changes:
        now += change
        found.append(
            {"ph": "C", "ts": _us(time - start), "pid": pid, "tid": 0, "name": "chunks read", "args": {"now": now}}
        )
    return found


def _us(nanoseconds: int) -> float:
    return nanoseconds / 1000


def write_json(path: Path, document: Json) -> None:
    """Write a document to a file, in one line. Blocks.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        path.write_text(json.dumps(document, separators=(",", ":"), allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot be written ({error.strerror})", str(path)) from error
