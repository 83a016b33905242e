"""What an engine has done and does: events, counters, histograms."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickstream.chunks.cache.disk import CacheCounters
from brickstream.engine.telemetry.events import Event, Ring
from brickstream.engine.telemetry.frames import FRAME, FrameRecorder, Work
from brickstream.engine.telemetry.reads import DECODE_THREAD, ChunkRecorder, DecodeThreads, RequestRecorder
from brickstream.engine.telemetry.tally import Book, Known
from brickstream.engine.telemetry.trace import trace_of, write_json
from brickstream.engine.telemetry.views import ViewRecorder
from brickstream.errors import BudgetError

if TYPE_CHECKING:
    from brickstream.engine.core import Request

CAPACITY = 1 << 16


class Telemetry:
    """Remembers what one engine does. Give it to the engine: ``Engine(telemetry=Telemetry())``.

    The engine writes on its own threads, a host on the render thread; reading is safe on any thread, at any time.

    Parameters
    ----------
    capacity : int, default 65536
        Events that are kept, about 400 bytes each; counters and histograms know of the older ones too.
    clock : callable
        Gives nanoseconds that never go back.
    epoch : callable
        Gives nanoseconds since 1970: asked once, so that events have a date.

    Attributes
    ----------
    chunks, requests, views, frames
        Who hears of what; for the engine.

    Raises
    ------
    BudgetError
        If the capacity is below one.

    Examples
    --------
    >>> def report(url: str):
    ...     telemetry = Telemetry()
    ...     with Engine.in_thread(telemetry=telemetry) as engine:
    ...         image = engine.open(url)
    ...         engine.show(image, View.plane(image))
    ...         engine.complete()
    ...     telemetry.write_trace("trace.json")
    ...     return telemetry.summary()
    """

    def __init__(
        self,
        capacity: int = CAPACITY,
        clock: Callable[[], int] = time.perf_counter_ns,
        epoch: Callable[[], int] = time.time_ns,
    ) -> None:
        if capacity < 1:
            raise BudgetError("telemetry keeps at least one event", f"capacity={capacity}")
        self.capacity = capacity
        self.start = clock()
        self.epoch = epoch() - self.start
        self._ring = Ring(capacity, clock)
        self._book = Book()
        self.chunks = ChunkRecorder(self._ring, self._book)
        self.requests = RequestRecorder(self._ring, self._book, self.chunks)
        self.views = ViewRecorder(self._ring, self._book)
        self.frames = FrameRecorder(self._ring)
        self.disk: CacheCounters | None = None

    def now(self) -> int:
        """Nanoseconds of the clock."""
        return self._ring.now()

    def frame(self) -> Work:
        """Time a frame of the host, polling and drawing included; a context manager for the render thread.

        A frame in which nothing happened is not remembered.
        """
        return Work(self.frames, FRAME, idle=True)

    def work(self, what: str, *, idle: bool = False) -> Work:
        """Time a piece of work of the render thread, such as "commit" or "draw"; a context manager.

        What begins as `idle` is not remembered, unless `idle` of what it gives is set to False meanwhile.
        """
        return Work(self.frames, what, idle)

    def planned(self, request: Request, start: int) -> None:
        """Hear that a view is planned that was asked for at `start`; render thread."""
        self.views.planned(request, start)
        self.frames.took("plan", start, self.now())

    def events(self) -> list[Event]:
        """List what is remembered, the oldest first; any thread."""
        return self._ring.events()

    @property
    def images(self) -> list[Known]:
        """The images that were opened or shown, the newest last; any thread."""
        return list(self._book.images.copy())

    def summary(self) -> dict[str, Any]:
        """Say what was counted since the start, as JSON; any thread. The keys are in ``docs/telemetry.md``."""
        ring = self._ring
        return {
            "seconds": (self.now() - self.start) / 1e9,
            "events": {"recorded": ring.recorded, "kept": ring.kept, "capacity": self.capacity},
            "total": self._book.total.as_dict(),
            "images": [{"image": k.url, "name": k.name, **k.tally.as_dict()} for k in self.images],
            "render": self.frames.as_dict(),
            "disk_cache": None if self.disk is None else asdict(self.disk),
        }

    def trace(self) -> dict[str, Any]:
        """Say what is remembered as a document in Chrome's trace event format; any thread.

        Perfetto (ui.perfetto.dev) and chrome://tracing show it.
        """
        return trace_of(self.events(), self.start, {k.number: k.url for k in self.images})

    def write_trace(self, path: str | Path) -> None:
        """Write :meth:`trace` to a file. Blocks.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        write_json(Path(path), self.trace())


def decode_threads(count: int, telemetry: Telemetry | None) -> ThreadPoolExecutor:
    """Make threads that decode chunks; their work is timed where there is a telemetry."""
    if telemetry is None:
        return ThreadPoolExecutor(count, DECODE_THREAD)
    return DecodeThreads(count, telemetry.now, telemetry.chunks)


def as_telemetry(telemetry: bool | Telemetry | None) -> Telemetry | None:
    """Make what an engine writes to; None where it writes nothing."""
    if isinstance(telemetry, Telemetry):
        return telemetry
    return Telemetry() if telemetry else None
