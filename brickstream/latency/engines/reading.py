"""The viewer that can be made of any async reader in an afternoon: one read for each chunk in view, all at once.

Reads of chunks that a new view does not show are cancelled; what the new view still shows is kept, and nothing else.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from brickstream.errors import ClosedError, StoreError
from brickstream.latency.engines.protocol import Box, Shot, Watch

T = TypeVar("T")
OPEN_S = 60.0
Wanted = tuple[int, Box]


class Reader(Protocol):
    """A library that reads multiscale arrays. Both methods run in one event loop."""

    async def open(self, url: str) -> None:
        """Open an image."""

    async def read(self, level: int, box: Box) -> Any:
        """Read a box of a level: what NumPy slicing of it would give."""


class ChunkReads:
    """An adapter around a reader, with an event loop in a thread of its own.

    Parameters
    ----------
    watch : Watch
    reader : Reader
    """

    def __init__(self, watch: Watch, reader: Reader) -> None:
        self._watch = watch
        self._reader = reader
        self._running: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: dict[Wanted, asyncio.Task[None]] = {}
        self._came: deque[tuple[Wanted, Any]] = deque()
        self._kept: dict[Wanted, Any] = {}
        self._wanted: set[Wanted] = set()

    def warm_up(self, url: str) -> None:
        """Start the loop and read the small image."""
        self._running = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._running.run_forever, name="lab-reader", daemon=True)
        self._thread.start()
        self._call(self._reader.open(url))
        self._call(self._reader.read(0, self._corner))

    # One pixel: whichever image it is, it has that.
    _corner: Box = ((0, 0, 0), (1, 1, 1))

    def open(self, url: str) -> None:
        """Open the image."""
        self._call(self._reader.open(url))

    def set_view(self, shot: Shot) -> None:
        """Begin to read what is not there."""
        # Whole chunks: they are what a store gives, and what stays in view is the same chunk, however much of it.
        boxes = {(shot.level, box): None for box in shot.whole}
        self._wanted = set(boxes)
        self._kept = {wanted: pixels for wanted, pixels in self._kept.items() if wanted in boxes}
        for level, (start, stop) in self._kept:
            self._watch.box(level, start, stop)
        self._loop.call_soon_threadsafe(self._begin, [wanted for wanted in boxes if wanted not in self._kept])

    def poll(self) -> None:
        """Take what has come."""
        while self._came:
            wanted, pixels = self._came.popleft()
            if isinstance(pixels, BaseException):
                raise StoreError(f"a read failed: {pixels}", str(wanted)) from pixels
            if wanted in self._wanted:
                self._kept[wanted] = pixels
                level, (start, stop) = wanted
                self._watch.box(level, start, stop)

    def is_complete(self) -> bool:
        """Whether everything in view was read."""
        return len(self._kept) == len(self._wanted)

    def usage(self) -> None:
        """Everything happens in this process."""

    def close(self) -> None:
        """Cancel what is read, and end the loop."""
        if self._thread is not None:
            self._call(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._thread = self._running = None

    async def _end(self) -> None:
        tasks = list(self._tasks.values())
        self._begin([])
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._running is None:
            raise ClosedError("the reader was not warmed up")
        return self._running

    def _begin(self, wanted: list[Wanted]) -> None:
        """Read these, and nothing else any more."""
        for key in self._tasks.keys() - set(wanted):
            self._tasks.pop(key).cancel()
        for key in wanted:
            if key not in self._tasks:
                self._tasks[key] = self._loop.create_task(self._read(key))

    async def _read(self, wanted: Wanted) -> None:
        try:
            pixels = await self._reader.read(*wanted)
        except Exception as error:  # noqa: BLE001 - libraries fail as they like; the host's thread raises it
            pixels = error
        self._came.append((wanted, pixels))
        # What has come and is not in view any more is read again when it is.
        self._tasks.pop(wanted, None)

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(OPEN_S)


def slices(box: Box) -> tuple[slice, ...]:
    """Write a box as NumPy slices."""
    return tuple(slice(low, high) for low, high in zip(*box, strict=True))


def level_paths(attributes: dict[str, Any]) -> list[str]:
    """Where the levels of an OME-Zarr image are, finest first, by the attributes of its group."""
    described = attributes.get("ome", attributes)
    return [dataset["path"] for dataset in described["multiscales"][0]["datasets"]]
