"""What telemetry hands on: files in the trace event format, spans of OpenTelemetry. The clock is the test's."""

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from ticking import assert_nested, lanes, ticking

from brickstream.engine import Engine, Telemetry
from brickstream.engine.telemetry import ChunkEvent, Decoded, Event, RenderEvent, RequestEvent, SpanExport, ViewEvent
from brickstream.engine.telemetry.trace import trace_of
from brickstream.errors import MissingPackageError, StoreError
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, memory_image

ROOT = Path(__file__).parents[2]
MS = 1_000_000
IMAGES = {1: "http://host/brain.zarr"}
EVENTS: list[Event] = [
    RenderEvent(1, "plan", 10 * MS, 12 * MS),
    RequestEvent(2, 1, 2, "http://host/brain.zarr/2/c/0", 13 * MS, 33 * MS, 34 * MS, 200, 100, "done", 0, False, ""),
    ChunkEvent(
        3, 1, 2, (0, 0), 0, 12 * MS, 13 * MS, 33 * MS, 34 * MS, 37 * MS, "loaded", 100, True,
        (Decoded("thread_0", 35 * MS, 36 * MS),),
    ),
    ChunkEvent(4, 1, 1, (0, 1), 0, 12 * MS, 20 * MS, 0, 0, 40 * MS, "missing", 0, True, ()),
    RenderEvent(5, "poll", 41 * MS, 42 * MS),
    RenderEvent(6, "frame", 41 * MS, 43 * MS),
    ViewEvent(7, 1, 1, 1, 1, 10 * MS, 38 * MS, 42 * MS, 2, 0, 0, True),
]  # fmt: skip


def spans(trace: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event["ph"] == "X"]


def assert_is_a_trace(trace: dict[str, Any]) -> None:
    """The rules of the format for the kinds of event that are used, and that what is in a lane is nested."""
    assert json.loads(json.dumps(trace, allow_nan=False)) == trace
    assert trace["displayTimeUnit"] == "ms"
    named = set()
    for event in trace["traceEvents"]:
        assert event["ph"] in {"X", "M", "C"}
        assert isinstance(event["name"], str)
        assert event["name"]
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert event["ts"] >= 0
        assert isinstance(event["args"], dict)
        if event["ph"] == "X":
            assert event["dur"] >= 0
            assert event["cat"]
        elif event["ph"] == "C":
            assert all(value >= 0 for value in event["args"].values())
        else:
            assert set(event["args"]) == {"sort_index" if "sort" in event["name"] else "name"}
            named.add((event["name"], event["pid"], event["tid"]))
    for event in spans(trace):
        assert ("process_name", event["pid"], 0) in named
        assert ("thread_name", event["pid"], event["tid"]) in named
    for lane in lanes(trace):
        assert_nested(lane)


def test_a_trace_says_what_the_events_say() -> None:
    trace = trace_of(EVENTS, 10 * MS, IMAGES)
    assert_is_a_trace(trace)
    found = {(e["cat"], e["name"]): (e["ts"], e["dur"]) for e in spans(trace)}
    assert found == {
        ("views", "view 1"): (0, 32_000),
        ("views", "blank"): (0, 28_000),
        ("views", "refining"): (28_000, 4_000),
        ("render", "plan"): (0, 2_000),
        ("render", "frame"): (31_000, 2_000),
        ("render", "poll"): (31_000, 1_000),
        ("requests", "brain.zarr/2/c/0"): (3_000, 21_000),
        ("requests", "waiting"): (3_000, 20_000),
        ("requests", "answer"): (23_000, 1_000),
        ("decoding", "2: 0/0"): (25_000, 1_000),
        ("chunks", "2: 0/0"): (3_000, 24_000),
        ("chunks", "1: 0/1"): (10_000, 20_000),
        ("chunks", "requested"): (10_000, 20_000),
        ("chunks", "receiving"): (23_000, 1_000),
        ("chunks", "decoding"): (24_000, 3_000),
    }
    counts = [(e["ts"], e["args"]["now"]) for e in trace["traceEvents"] if e["ph"] == "C"]
    assert counts == [(3_000, 1), (10_000, 2), (27_000, 1), (30_000, 0)]
    chunk = next(e for e in spans(trace) if e["name"] == "2: 0/0" and e["cat"] == "chunks")
    assert chunk["args"] == {
        "image": IMAGES[1],
        "level": 2,
        "outcome": "loaded",
        "queued_ms": 1.0,
        "bytes": 100,
        "ahead": False,
        "wanted": True,
    }


def test_nothing_is_a_trace_too() -> None:
    trace = Telemetry().trace()
    assert_is_a_trace(trace)
    assert trace["traceEvents"] == []


moments = st.integers(0, 60)


@given(st.lists(st.tuples(moments, moments, moments), max_size=40))
def test_whatever_overlaps_lies_in_lanes_of_its_own(times: list[tuple[int, int, int]]) -> None:
    events: list[Event] = []
    when = [(1 + start, 2 + start + wait + rest) for start, wait, rest in times]
    for number, ((begin, end), (_, wait, _)) in enumerate(zip(when, times, strict=True), 1):
        stamps = (begin, begin + wait, end)
        events.append(RequestEvent(number, 1, 0, "host/key", *stamps, 200, 1, "done", 0, False, ""))
    trace = trace_of(events, 0, IMAGES)
    assert_is_a_trace(trace)
    asked = [event for event in spans(trace) if event["name"] == "host/key"]
    assert len(asked) == len(times)
    # As few lanes as there are requests at the same time.
    most = max((sum(begin <= now < end for begin, end in when) for now, _ in when), default=0)
    assert len({event["tid"] for event in asked}) == most


async def streamed(telemetry: Telemetry) -> None:
    """Show an image once, all of it at once."""
    image = memory_image(np.zeros((32, 48), np.uint8), (8, 8), levels=2)
    async with Engine(sink=RecordingSink(), telemetry=telemetry) as engine:
        engine.show(image, View.plane(image, canvas=(48, 32)))
        await engine.complete(20)


async def test_a_trace_is_written_to_a_file(tmp_path: Path) -> None:
    telemetry = ticking()
    await streamed(telemetry)
    await asyncio.to_thread(telemetry.write_trace, tmp_path / "trace.json")
    trace = json.loads(await asyncio.to_thread((tmp_path / "trace.json").read_text))
    assert trace == telemetry.trace()
    assert_is_a_trace(trace)


def test_a_trace_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        Telemetry().write_trace(tmp_path / "no such folder" / "trace.json")


def keys(document: dict[str, Any]) -> Iterator[str]:
    """Every key of a summary, but for those of histograms."""
    for name, value in document.items():
        yield name
        if isinstance(value, dict) and "p50" not in value:
            yield from keys(value)


async def test_every_key_of_the_summary_is_documented() -> None:
    telemetry = ticking()
    await streamed(telemetry)
    summary = telemetry.summary()
    text = await asyncio.to_thread((ROOT / "docs" / "telemetry.md").read_text, encoding="utf-8")
    first_cells = re.findall(r"^\| ([^|]*) \|", text, re.MULTILINE)
    documented = {word for cell in first_cells for word in re.findall(r"\w+", cell)}
    assert set(keys(summary["total"])) <= documented
    assert set(keys({name: value for name, value in summary.items() if name not in ("total", "images")})) <= documented
    assert {"image", "name", *summary["total"]} == set(summary["images"][0])


# ---- OpenTelemetry


def exporting() -> tuple[TracerProvider, InMemorySpanExporter]:
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return provider, memory


def within(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    assert inner.start_time is not None
    assert inner.end_time is not None
    assert outer.start_time is not None
    assert outer.end_time is not None
    return outer.start_time <= inner.start_time <= inner.end_time <= outer.end_time


async def test_every_event_is_a_span_and_its_parts_are_children() -> None:
    telemetry, (provider, memory) = ticking(), exporting()
    await streamed(telemetry)
    count = SpanExport(telemetry, provider).flush()
    found = memory.get_finished_spans()
    assert count == len(found)
    assert Counter(span.name for span in found if span.parent is None) == Counter(
        f"{event['cat']} {event['name']}"
        for event in spans(telemetry.trace())
        if event["name"] not in ("blank", "refining", "requested", "receiving", "decoding", "waiting", "answer")
    )
    by_id = {span.context.span_id: span for span in found}
    parts = [span for span in found if span.parent is not None]
    assert parts
    for span in parts:
        assert span.parent is not None
        assert within(span, by_id[span.parent.span_id])
    (view,) = (span for span in found if span.name == "views view 1")
    assert view.attributes is not None
    assert view.attributes["brickstream.complete"] is True
    # Times are those of the world: the clock of the events, moved.
    assert view.start_time == telemetry.epoch + next(e.start for e in telemetry.events() if isinstance(e, ViewEvent))


async def test_each_event_is_exported_once() -> None:
    telemetry, (provider, memory) = ticking(), exporting()
    export = SpanExport(telemetry, provider)
    assert export.flush() == 0
    await streamed(telemetry)
    first = export.flush()
    assert first == len(memory.get_finished_spans()) > 0
    assert export.flush() == 0
    await streamed(telemetry)
    assert export.flush() == len(memory.get_finished_spans()) - first > 0


def test_an_event_that_is_added_late_is_exported_all_the_same() -> None:
    """One thread has counted first, and adds when the other one has added and that was exported."""
    telemetry, (provider, memory) = ticking(capacity=3), exporting()
    export = SpanExport(telemetry, provider)
    names = []
    for number in (2, 1, 3, 5, 4, 6, 7):
        telemetry._ring.add(RenderEvent(number, str(number), number, number))
        if number != 3:
            export.flush()
        names = [span.name for span in memory.get_finished_spans()]
    assert names == [f"render {number}" for number in (2, 1, 3, 5, 4, 6, 7)]


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'brickstream\[otel\]'"):
        SpanExport(Telemetry())
