"""What exists while an engine runs, and what it has done."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from brickstream.chunks import ChunkedImage, HttpClient, Traffic
from brickstream.chunks.reader import forget
from brickstream.engine.core import Core
from brickstream.engine.outdated import Regions, chunks_in
from brickstream.engine.update import Update
from brickstream.engine.viewport import Viewport


@dataclass(frozen=True)
class Stats:
    """What an engine has done so far.

    Attributes
    ----------
    requests : int
        Requests begun: HTTP requests, file and store reads; metadata included.
    bytes_read : int
        Bytes of their answers.
    ram_bytes, ram_peak_bytes : int
        Decoded chunks held now, and the most so far; reads in flight are counted at their decoded size.
    inflight_max, queue_max : int
        The most reads at the same time, and the longest queue, so far.
    prefetched_bytes : int
        Of decoded chunks that were read ahead.
    prefetch_hits : int
        Chunks that a view needed and found read ahead.
    """

    requests: int
    bytes_read: int
    ram_bytes: int
    ram_peak_bytes: int
    inflight_max: int
    queue_max: int
    prefetched_bytes: int = 0
    prefetch_hits: int = 0


@dataclass(frozen=True, eq=False)
class Running:
    """What exists between entering and leaving an engine."""

    executor: ThreadPoolExecutor
    client: HttpClient
    core: Core
    traffic: Traffic
    viewports: list[Viewport] = field(default_factory=list)
    slices: set[asyncio.Queue[Update | None]] = field(default_factory=set)
    opening: set[asyncio.Task[Any]] = field(default_factory=set)

    def stats(self) -> Stats:
        """Count what was done so far."""
        table, prefetcher = self.core.fetcher.table, self.core.prefetcher
        return Stats(
            self.traffic.requests,
            self.traffic.bytes_read,
            table.bytes_held,
            table.bytes_peak,
            table.inflight_max,
            table.queue_max,
            prefetcher.bytes_read,
            prefetcher.hits,
        )

    def outdate(self, image: ChunkedImage, regions: Regions) -> None:
        """Drop what was read of a part of an image, and everything that was remembered to read it."""
        for what in (image.reader, *image.sources):
            forget(what)
        self.core.fetcher.invalidate(chunks_in(image, regions), {id(source) for source in image.sources})

    def forget(self, viewport: Viewport) -> bool:
        """Drop a closed viewport; the main one stays, for whoever shows something again."""
        count = len(self.viewports)
        self.viewports[1:] = [other for other in self.viewports[1:] if other is not viewport]
        return len(self.viewports) < count


async def end_all(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
