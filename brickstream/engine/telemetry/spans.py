"""Events as spans: things with a name, a begin and an end, and parts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from brickstream.engine.telemetry.events import ChunkEvent, Event, RenderEvent, RequestEvent, ViewEvent


@dataclass(frozen=True)
class Span:
    """Something that took time.

    Attributes
    ----------
    group : str
        "views", "chunks", "requests", "decoding" or "render".
    name : str
    start, end : int
        Nanoseconds of the telemetry's clock.
    attributes : mapping of str to str, int, float or bool
    parts : tuple of Span
        Within it, one after the other.
    lane : str
        The thread that it ran on; empty for what belongs to no thread.
    """

    group: str
    name: str
    start: int
    end: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Span, ...] = ()
    lane: str = ""


def spans_of(events: list[Event], images: Mapping[int, str]) -> Iterator[Span]:
    """Make spans of events.

    Parameters
    ----------
    events : list of Event
    images : mapping of int to str
        URLs of the images by number, without secrets.
    """
    for event in events:
        if isinstance(event, ChunkEvent):
            yield from _of_chunk(event, images)
        elif isinstance(event, RequestEvent):
            yield _of_request(event, images)
        elif isinstance(event, ViewEvent):
            yield _of_view(event, images)
        else:
            yield _of_work(event)


def _parts(group: str, stamps: Mapping[str, int], end: int) -> tuple[Span, ...]:
    """Make a part of each time between two stamps; what never happened has none."""
    there = [(name, stamp) for name, stamp in stamps.items() if stamp]
    ends = [stamp for _, stamp in there[1:]] + [end]
    return tuple(Span(group, name, stamp, until) for (name, stamp), until in zip(there, ends, strict=True))


def _of_chunk(event: ChunkEvent, images: Mapping[int, str]) -> Iterator[Span]:
    name = f"{event.level}: {'/'.join(map(str, event.chunk))}"
    about = {
        "image": images.get(event.image, ""),
        "level": event.level,
        "outcome": event.outcome,
        "queued_ms": (event.requested - event.queued) / 1e6,
        "bytes": event.nbytes,
        "ahead": event.tier > 0,
        "wanted": event.wanted,
    }
    stamps = {"requested": event.requested, "receiving": event.receiving, "decoding": event.decoding}
    parts = _parts("chunks", stamps, event.end)
    yield Span("chunks", name, event.requested, event.end, about, parts)
    for work in event.decoded:
        yield Span("decoding", name, work.start, work.end, {"image": about["image"]}, lane=work.thread)


def _of_request(event: RequestEvent, images: Mapping[int, str]) -> Span:
    about = {
        "where": event.where,
        "image": images.get(event.image, ""),
        "status": event.status or 0,
        "bytes": event.nbytes,
        "outcome": event.outcome,
        "failed_before": event.failed,
        "hedge": event.hedge,
        "reason": event.reason,
    }
    name = "/".join(event.where.rsplit("/", 4)[-4:])
    stamps = {"waiting": event.asked, "answer": event.began}
    return Span("requests", name, event.asked, event.end, about, _parts("requests", stamps, event.end))


def _of_view(event: ViewEvent, images: Mapping[int, str]) -> Span:
    about = {
        "image": images.get(event.image, ""),
        "level": event.level,
        "request_id": event.request_id,
        "generation": event.generation,
        "wanted": event.wanted,
        "held": event.held,
        "known": event.known,
        "complete": event.complete,
    }
    stamps = {"blank": event.start, "refining": event.first}
    parts = _parts("views", stamps, event.end)
    return Span("views", f"view {event.request_id}", event.start, event.end, about, parts)


def _of_work(event: RenderEvent) -> Span:
    return Span("render", event.what, event.start, event.end, lane="render thread")
