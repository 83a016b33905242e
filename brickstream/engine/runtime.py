"""An engine in a thread of its own, for hosts without an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

from brickstream.chunks import ChunkedImage, ImageCollection
from brickstream.engine.ahead import Ahead
from brickstream.engine.bell import Bell
from brickstream.engine.engine import Engine
from brickstream.engine.exact import box_of
from brickstream.engine.outdated import outdated
from brickstream.engine.running import Stats
from brickstream.engine.showing import Showing
from brickstream.engine.sink import Sink
from brickstream.engine.telemetry import Telemetry
from brickstream.engine.viewport import HasMain, ThreadedViewport
from brickstream.errors import ClosedError, TimedOutError, redact

T = TypeVar("T")


class ThreadedEngine(HasMain[ThreadedViewport]):
    """An engine whose event loop runs in a thread.

    :meth:`show`, :meth:`poll`, :meth:`wait` and :meth:`complete` belong to one thread, the render thread; the other
    methods may be called from any thread. No lock is held while the sink is called.

    Parameters
    ----------
    engine : Engine
        Not entered yet.
    sink : Sink or None
    """

    def __init__(self, engine: Engine, sink: Sink | None) -> None:
        self._engine = engine
        self._sink = sink
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready: Future[None] = Future()
        self._request_ids = count(1)
        self._viewports: list[ThreadedViewport] = []
        self._crash: BaseException | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._futures: set[Future[Any]] = set()

    def start(self) -> None:
        """Start the thread and wait until the engine runs."""
        self._thread = threading.Thread(target=self._main, name="brickstream", daemon=True)
        self._thread.start()
        self._ready.result()
        self.viewport(self._sink)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - kept, and raised on the render thread at the next call
            self._crash = error
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            for viewport in list(self._viewports):
                viewport.wake()
            for future in list(self._futures):
                future.cancel()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        async with self._engine:
            self._ready.set_result(None)
            try:
                await self._stopping.wait()
            finally:
                # Before the engine closes what they use: they end as cancelled, not with the errors of its end.
                for task in self._tasks:
                    task.cancel()
                if self._tasks:
                    await asyncio.wait(self._tasks)

    def _on_loop(self, call: Callable[[], None]) -> None:
        loop = self._alive()
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError as error:
            # It closed between the two lines.
            raise ClosedError("the engine is closed", "", "start another with Engine.in_thread()") from error

    def _alive(self) -> asyncio.AbstractEventLoop:
        if self._crash is not None:
            raise ClosedError(f"the engine's thread ended ({self._crash!r})") from self._crash
        if self._loop is None or self._loop.is_closed() or self._thread is None:
            raise ClosedError("the engine is closed", "", "start another with Engine.in_thread()")
        return self._loop

    @property
    def main(self) -> ThreadedViewport:
        """The viewport of the engine's own sink: what :meth:`show`, :meth:`poll` and :meth:`complete` speak of."""
        self._alive()
        return self._viewports[0]

    def viewport(self, sink: Sink | None = None) -> ThreadedViewport:
        """Make another viewport; render thread. See :meth:`Engine.viewport`."""
        self._alive()
        arrived = Bell()
        showing = Showing(
            self._engine.core, self._on_loop, sink, self._engine.max_ram_bytes, self._request_ids, arrived.set
        )
        viewport = ThreadedViewport(showing, self._alive, self._forget, arrived)
        self._viewports.append(viewport)
        return viewport

    def _forget(self, viewport: ThreadedViewport) -> bool:
        count = len(self._viewports)
        self._viewports[1:] = [other for other in self._viewports[1:] if other is not viewport]
        return len(self._viewports) < count

    @property
    def engine(self) -> Engine:
        """The engine on its event loop: what it awaits goes through :meth:`submit`.

        Examples
        --------
        >>> def stack(threaded: ThreadedEngine, image: ChunkedImage):
        ...     return threaded.submit(threaded.engine.export(image, {"z": (10, 20)})).result()
        """
        return self._engine

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine of the engine on its loop; any thread."""
        try:
            loop = self._alive()
        except ClosedError:
            coroutine.close()
            raise
        owned = self._owned(coroutine)
        try:
            future = asyncio.run_coroutine_threadsafe(owned, loop)
        except RuntimeError as error:
            owned.close()
            coroutine.close()
            raise ClosedError("the engine is closed", "", "start another with Engine.in_thread()") from error
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        if loop.is_closed():
            # The loop ended between the two lines: nobody would ever run it.
            future.cancel()
        return future

    async def _owned(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine in a task that ends when the engine does."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await coroutine

    def open(self, where: object, timeout: float | None = None, *, path: str = "") -> ChunkedImage:
        """Open an image and wait for it; see :meth:`Engine.open`. Any thread but the engine's own.

        Raises
        ------
        TimedOutError
            After `timeout` seconds.
        """
        return self._wait(self.open_soon(where, path), where, timeout)

    def open_collection(self, where: object, timeout: float | None = None, *, path: str = "") -> ImageCollection:
        """List what a place leads to and wait for it; see :meth:`Engine.open_collection`, and :meth:`open`."""
        return self._wait(self.submit(self._engine.open_collection(where, path)), where, timeout)

    def _wait(self, future: Future[T], where: object, timeout: float | None) -> T:
        try:
            return future.result(timeout)
        except TimeoutError as error:
            if future.done():
                raise
            future.cancel()
            raise TimedOutError(f"the image did not open within {timeout:g} s", _name(where)) from error
        except CancelledError as error:
            raise ClosedError("the engine was closed while the image opened", _name(where)) from error
        except BaseException:
            future.cancel()
            raise

    def open_soon(self, where: object, path: str = "") -> Future[ChunkedImage]:
        """Open an image without waiting: a GUI asks the future once a frame. Any thread."""
        return self.submit(self._engine.open(where, path))

    def invalidate(self, image: ChunkedImage, region: Mapping[str, tuple[int, int]] | None = None) -> None:
        """Hear that an image is being written; render thread. See :meth:`Engine.invalidate`."""
        regions = outdated(image.pyramid, box_of(image.pyramid, 0, region))
        self._on_loop(lambda: self._engine.outdate(image, regions))
        for viewport in list(self._viewports):
            viewport.invalidate(image, regions)

    def set_prefetch(self, prefetch: bool | Ahead) -> None:
        """Fetch something else ahead from now on, or nothing; any thread. See :meth:`Engine.set_prefetch`."""
        self._on_loop(lambda: self._engine.set_prefetch(prefetch))

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until something arrives to be polled; False where `timeout` seconds passed first."""
        return self._viewports[0].wait(timeout)

    def complete(self, timeout: float | None = None, stall: float | None = None) -> None:
        """Poll until the view is complete; render thread. See :meth:`ThreadedViewport.complete`."""
        self.main.complete(timeout, stall)

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Sleep until :attr:`Engine.idle`; False where `timeout` seconds passed first. Any thread but the engine's."""
        future = self.submit(self._engine.idle.wait())
        try:
            return future.result(timeout)
        except CancelledError as error:
            raise ClosedError("the engine was closed while somebody waited for it") from error
        except TimeoutError:
            future.cancel()
            return False

    @property
    def paused(self) -> bool:
        """Whether only first pictures are read; any thread. See :attr:`Engine.paused`."""
        self._alive()
        return self._engine.paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._on_loop(lambda: setattr(self._engine, "paused", paused))

    def stats(self) -> Stats:
        """Counters since the start; any thread."""
        self._alive()
        return self._engine.stats()

    @property
    def telemetry(self) -> Telemetry | None:
        """What the engine remembers of what it does; None where it remembers nothing. Any thread."""
        return self._engine.telemetry

    def close(self) -> None:
        """Cancel everything and end the thread; twice is fine. Any thread but the engine's own."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._stopping.set)
            except RuntimeError:
                # The loop closed between the two lines: the thread has ended by itself.
                self._stopping = None
        thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _name(where: object) -> str:
    """Name a place for people; arrays say only what they are."""
    return redact(str(where)) if isinstance(where, str | Path) else type(where).__name__
