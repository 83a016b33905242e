"""What an engine has done: events in a ring, counters and histograms, a trace file, spans for OpenTelemetry."""

from brickstream.engine.telemetry.events import ChunkEvent, Decoded, Event, RenderEvent, RequestEvent, ViewEvent
from brickstream.engine.telemetry.otel import SpanExport
from brickstream.engine.telemetry.telemetry import Telemetry, as_telemetry, decode_threads

__all__ = [
    "ChunkEvent",
    "Decoded",
    "Event",
    "RenderEvent",
    "RequestEvent",
    "SpanExport",
    "Telemetry",
    "ViewEvent",
    "as_telemetry",
    "decode_threads",
]
