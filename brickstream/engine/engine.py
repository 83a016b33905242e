"""The async slicer: open an image, ask for a view, get updates from coarse to fine until the view is complete."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Self, TypeVar

from brickstream.chunks import (
    ChunkedImage,
    DiskCache,
    Fetcher,
    HttpOptions,
    ImageCollection,
    Limits,
    Opener,
    Traffic,
    open_client,
    read_labels,
)
from brickstream.engine.ahead import Ahead
from brickstream.engine.core import Core, Request
from brickstream.engine.exact import box_of
from brickstream.engine.outdated import Regions, outdated
from brickstream.engine.reads import Reads
from brickstream.engine.running import Running, Stats, end_all
from brickstream.engine.showing import Showing, memory_budget, plan_shown
from brickstream.engine.sink import Sink
from brickstream.engine.telemetry import Telemetry, as_telemetry, decode_threads
from brickstream.engine.update import Outcome, Update
from brickstream.engine.viewport import HasMain, Viewport
from brickstream.errors import BudgetError, ClosedError
from brickstream.multiscale import Plan, View

if TYPE_CHECKING:
    from brickstream.engine.runtime import ThreadedEngine

T = TypeVar("T")
DEFAULT_RAM_BYTES = 2 << 30
DEFAULT_INFLIGHT = 128


class Engine(HasMain[Viewport], Reads):
    """Streams multiscale images. Use it as an async context manager; leaving cancels and closes everything.

    All methods run on the event loop that entered the engine. For a host without a loop see :meth:`in_thread`.

    Parameters
    ----------
    max_ram_bytes : int, default 2 GiB
        Decoded chunks kept in memory, those being read included.
    max_inflight : int, default 128
        Reads at the same time, at most: how many there are follows what the link can do.
    sink : Sink, optional
        Who shows what :meth:`show` asks for; without one, :meth:`poll` returns the updates.
    http : HttpOptions, optional
        How servers are asked: credentials, proxies, time-outs, retries.
    prefetch : bool or Ahead, default False
        What is fetched ahead of the view that :meth:`show` shows, once that is complete; slices fetch nothing ahead.
    disk_cache : DiskCache, optional
        Where answers of servers are kept from one session to the next; entered and left with the engine.
    telemetry : bool or Telemetry, default False
        Whether the engine remembers what it does, and where: see :class:`~brickstream.engine.Telemetry`.

    Raises
    ------
    BudgetError
        If a limit is below one.

    Examples
    --------
    >>> async def picture(url: str):
    ...     async with Engine() as engine:
    ...         image = await engine.open(url)
    ...         async for update in engine.slice(image, View.plane(image)):
    ...             print(f"level {update.level}: {update.progress:.0%}")
    ...         return update.to_array()
    """

    def __init__(
        self,
        max_ram_bytes: int = DEFAULT_RAM_BYTES,
        max_inflight: int = DEFAULT_INFLIGHT,
        *,
        sink: Sink | None = None,
        http: HttpOptions | None = None,
        prefetch: bool | Ahead = False,
        disk_cache: DiskCache | None = None,
        telemetry: bool | Telemetry | None = None,
    ) -> None:
        if max_ram_bytes < 1 or max_inflight < 1:
            raise BudgetError("budgets are at least one", f"max_ram_bytes={max_ram_bytes}, max_inflight={max_inflight}")
        self.max_ram_bytes = max_ram_bytes
        self.max_inflight = max_inflight
        self.telemetry = as_telemetry(telemetry)
        self.traffic = Traffic(observer=None if self.telemetry is None else self.telemetry.requests)
        self.http = http or HttpOptions()
        self._ahead = _ahead(prefetch)
        self._disk_cache = disk_cache
        self._sink = sink
        self._request_ids = count(1)
        self._stack: AsyncExitStack | None = None
        self._running: Running | None = None

    @classmethod
    def in_thread(
        cls,
        max_ram_bytes: int = DEFAULT_RAM_BYTES,
        max_inflight: int = DEFAULT_INFLIGHT,
        *,
        sink: Sink | None = None,
        http: HttpOptions | None = None,
        prefetch: bool | Ahead = False,
        disk_cache: DiskCache | None = None,
        telemetry: bool | Telemetry | None = None,
    ) -> ThreadedEngine:
        """Start an engine in a thread of its own, for hosts that have no event loop; close it when done."""
        from brickstream.engine.runtime import ThreadedEngine

        engine = cls(
            max_ram_bytes, max_inflight, http=http, prefetch=prefetch, disk_cache=disk_cache, telemetry=telemetry
        )
        threaded = ThreadedEngine(engine, sink)
        threaded.start()
        return threaded

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise ClosedError("the engine is entered already", "", "one `async with` for one engine")
        async with AsyncExitStack() as stack:
            threads = min(4, max(2, os.cpu_count() or 2))
            executor = decode_threads(threads, self.telemetry)
            # The threads end with the engine, not some time later; waiting for them must not block the loop.
            stack.push_async_callback(asyncio.to_thread, executor.shutdown, cancel_futures=True)
            client = await stack.enter_async_context(open_client(self.max_inflight, self.traffic, self.http))
            if self._disk_cache is not None:
                await stack.enter_async_context(self._disk_cache)
                if self.telemetry is not None:
                    self.telemetry.disk = self._disk_cache.counters
            limits = Limits(self.max_ram_bytes, self.max_inflight)
            fetcher = await stack.enter_async_context(Fetcher(limits, client.window))
            core = Core(fetcher, self._ahead, self.telemetry)
            stack.callback(core.close)
            self._running = Running(executor, client, core, self.traffic)
            self.viewport(self._sink)
            stack.push_async_callback(end_all, self._running.opening)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        stack, running, self._stack, self._running = self._stack, self._running, None, None
        if running is not None:
            for viewport in running.viewports:
                viewport.wake()
            for mail in running.slices:
                mail.put_nowait(None)
        if stack is not None:
            await stack.aclose()

    def _run(self) -> Running:
        if self._running is None:
            raise ClosedError("the engine is not running", "", "use it inside `async with Engine() as engine:`")
        return self._running

    @property
    def core(self) -> Core:
        """The scheduling half; for hosts that bring their own render thread."""
        return self._run().core

    async def open(self, where: object, path: str = "") -> ChunkedImage:
        """Open an image: two round trips of metadata.

        Parameters
        ----------
        where : str, pathlib.Path, an object of zarr's, or array-likes
            An http(s) URL, a local path, any other URL that fsspec knows, a Zarr store, group or array: OME-Zarr 0.1 to
            0.6, a plain Zarr array, or a group of arrays. Or an array in memory, or a list of them from fine to coarse.
        path : str, optional
            Of one image in a collection, such as ``"A/1/0"``; see :meth:`open_collection`.

        Raises
        ------
        CollectionError
            If there are several images to choose from; its `choices` are their paths.
        NotFoundError, AccessDeniedError, StoreError
            If it cannot be reached or nothing is there.
        MetadataError, CodecError
            If what is there cannot be read.
        """
        image = await self._until_closed(self._opener().image(where, path))
        if self.telemetry is not None:
            self.telemetry.views.learn(image)
        return image

    async def open_collection(self, where: object, path: str = "") -> ImageCollection:
        """List the images that a place leads to: the wells of a plate, the fields of a well, labels, series.

        One or two round trips, whatever the number of images: entries are not looked at. Each is opened by its path.

        Parameters
        ----------
        where : str, pathlib.Path, or an object of zarr's
            See :meth:`open`. An image is a collection of itself and its labels.
        path : str, optional
            Of a collection inside the place, such as a well's.

        Raises
        ------
        NotFoundError, AccessDeniedError, MetadataError, StoreError
            As :meth:`open`.

        Examples
        --------
        >>> async def first_field(engine: Engine, url: str):
        ...     plate = await engine.open_collection(url)
        ...     well = plate.entries[0].path
        ...     fields = await engine.open_collection(url, well)
        ...     return await engine.open(url, f"{well}/{fields.entries[0].path}")
        """
        return await self._until_closed(self._opener().collection(where, path))

    def _opener(self) -> Opener:
        running = self._run()
        return Opener(running.client, running.executor, self._disk_cache)

    async def labels(self, image: ChunkedImage) -> tuple[str, ...]:
        """Names of the label images beside an image: one more round trip."""
        self._run()
        return await self._until_closed(read_labels(image))

    async def _until_closed(self, work: Coroutine[Any, Any, T]) -> T:
        """Await what needs connections and threads of the engine: it ends before they do."""
        running, task = self._run(), asyncio.create_task(work)
        running.opening.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if self._running is running or (me is not None and me.cancelling()):
                raise
            raise ClosedError("the engine was closed while something was opened or read") from None
        finally:
            running.opening.discard(task)

    def plan(self, image: ChunkedImage, view: View) -> Plan:
        """Plan a view as :meth:`slice` would, without fetching anything."""
        return plan_shown(image.pyramid, view, partial(memory_budget, max_bytes=self.max_ram_bytes))[0]

    async def slice(self, image: ChunkedImage, view: View) -> AsyncIterator[Update]:
        """Answer a view with updates, coarse first, then finer; ends when the view is complete.

        Slices are independent of each other and share the cache and the limits. Leaving the loop cancels what only
        this slice wants.

        Parameters
        ----------
        image : ChunkedImage
        view : View

        Yields
        ------
        Update
            At least one. The last is of the target level, and its ``to_array()`` is the finished picture.

        Raises
        ------
        BudgetError
            If one chunk is larger than the RAM budget.
        ClosedError
            If the engine is closed before the view is complete.
        """
        running = self._run()
        core = running.core
        request = Request(next(self._request_ids), 1, image, self.plan(image, view), keep_history=True)
        mail: asyncio.Queue[Update | None] = asyncio.Queue()
        slot = object()
        target: Update | None = None
        running.slices.add(mail)
        try:
            core.start(slot, request, mail.put_nowait, lambda: None)
            while True:
                update = await mail.get()
                if update is None:
                    raise ClosedError("the engine was closed in the middle of a slice", request.image.url)
                core.release(slot, request, update)
                if self.telemetry is not None:
                    self.telemetry.views.taken(request, update)
                if not request.plan.empty and update.level == request.plan.target.level:
                    target = update
                yield update
                if update.complete:
                    break
            if target is not None and update.level != target.level:
                # A coarse chunk came last: close with the picture that was asked for.
                yield replace(
                    target, settled=update.settled, wanted=update.wanted, failed=update.failed, history=update.history
                )
        finally:
            running.slices.discard(mail)
            core.stop(slot)

    @property
    def fetcher(self) -> Fetcher:
        """Who reads."""
        return self._run().core.fetcher

    @property
    def main(self) -> Viewport:
        """The viewport of the engine's own sink: what :meth:`show`, :meth:`poll` and :meth:`complete` speak of."""
        return self._run().viewports[0]

    def viewport(self, sink: Sink | None = None) -> Viewport:
        """Make another viewport: one more image, or one more view of the same one.

        Parameters
        ----------
        sink : Sink, optional
            Who shows it; without one, :meth:`Viewport.poll` returns the updates.

        Examples
        --------
        >>> def three_planes(engine: Engine, image: ChunkedImage, sinks: list[Sink]):
        ...     for sink, shown in zip(sinks, ("yx", "zx", "zy")):
        ...         engine.viewport(sink).show(image, View.plane(image, tuple(shown)))
        """
        running, arrived = self._run(), asyncio.Event()
        showing = Showing(running.core, lambda call: call(), sink, self.max_ram_bytes, self._request_ids, arrived.set)
        viewport = Viewport(showing, self._run, running.forget, arrived)
        running.viewports.append(viewport)
        return viewport

    async def invalidate(self, image: ChunkedImage, region: Mapping[str, tuple[int, int]] | None = None) -> None:
        """Hear that an image is being written: what of it was read before now is not used any more.

        Viewports that show it begin anew: what has not changed stays, what may have changed is read again, and what is
        on screen stays until then. A slice or an export that is under way goes on with what it has, and reads the rest
        as it is now. Shapes, levels and types are those of the image as it was opened.

        Parameters
        ----------
        image : ChunkedImage
        region : mapping of str to (int, int), optional
            By name of an axis start and stop, half-open, in pixels of level 0, as for :meth:`export`; None is all.
            What of coarser levels depends on it is found here.

        Raises
        ------
        ViewError
            If there is no such axis or pixel.
        """
        regions = outdated(image.pyramid, box_of(image.pyramid, 0, region))
        self.outdate(image, regions)
        for viewport in list(self._run().viewports):
            viewport.invalidate(image, regions)

    def outdate(self, image: ChunkedImage, regions: Regions) -> None:
        """Drop what was read of a part of an image; the half of :meth:`invalidate` that belongs to the event loop."""
        self._run().outdate(image, regions)

    def set_prefetch(self, prefetch: bool | Ahead) -> None:
        """Fetch something else ahead from now on, or nothing: ``Ahead(playback="t", count=8)`` while t is played."""
        self._ahead = _ahead(prefetch)
        self._run().core.prefetcher.change(self._ahead)

    async def complete(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the public name of the wait
        stall: float | None = None,
    ) -> None:
        """Poll until the view that is shown is complete; see :meth:`Viewport.complete`."""
        await self.main.complete(timeout, stall)

    @property
    def idle(self) -> asyncio.Event:
        """Set while nothing is queued or read, what is fetched ahead included, for any view, slice or export."""
        return self.fetcher.idle

    @property
    def paused(self) -> bool:
        """Whether only first pictures are read; set it while the user turns and drags.

        Each new view still gets its first, coarse picture; what runs goes on; everything else waits in the queue.
        """
        return self.fetcher.paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self.fetcher.paused = paused

    def stats(self) -> Stats:
        """Counters since the engine was made."""
        return self._run().stats()


def _ahead(prefetch: bool | Ahead) -> Ahead | None:
    if isinstance(prefetch, Ahead):
        return prefetch
    return Ahead() if prefetch else None


__all__ = ["Engine", "Outcome", "Stats"]
