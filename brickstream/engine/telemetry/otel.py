"""Events as spans of OpenTelemetry. Needs the package opentelemetry-api, and somebody who has set it up."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from brickstream.engine.telemetry.events import Event
from brickstream.engine.telemetry.spans import Span, spans_of
from brickstream.engine.telemetry.telemetry import Telemetry
from brickstream.errors import MissingPackageError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider


class SpanExport:
    """Hands what an engine remembers to OpenTelemetry, each event once.

    A view, a chunk, a request is a span, its parts are its children; decoding and the work of the render thread are
    spans too. Call :meth:`flush` now and then, from one thread, before the telemetry forgets what is old.

    Parameters
    ----------
    telemetry : Telemetry
    provider : opentelemetry.trace.TracerProvider, optional
        Default the one that is set for the whole program.

    Raises
    ------
    MissingPackageError
        If opentelemetry-api is not installed.
    """

    def __init__(self, telemetry: Telemetry, provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import trace
        except ImportError as error:
            raise MissingPackageError("no OpenTelemetry", "", "pip install 'brickstream[otel]'") from error
        self._trace = trace
        self._tracer = trace.get_tracer("brickstream", tracer_provider=provider)
        self._telemetry = telemetry
        self._last: Event | None = None

    def flush(self) -> int:
        """Export what was remembered since the last time; return how many spans that were."""
        newest = takewhile(lambda event: event is not self._last, reversed(self._telemetry.events()))
        events = list(newest)[::-1]
        if not events:
            return 0
        self._last = events[-1]
        images = {known.number: known.url for known in self._telemetry.images}
        return sum(self._export(span, None) for span in spans_of(events, images))

    def _export(self, span: Span, parent: Context | None) -> int:
        epoch = self._telemetry.epoch
        attributes = {f"brickstream.{name}": value for name, value in span.attributes.items()}
        made = self._tracer.start_span(
            f"{span.group} {span.name}", context=parent, attributes=attributes, start_time=epoch + span.start
        )
        context = self._trace.set_span_in_context(made)
        count = 1 + sum(self._export(part, context) for part in span.parts)
        made.end(end_time=epoch + span.end)
        return count
