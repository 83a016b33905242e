"""Views into arrays: an engine and a canvas without a window, for one picture or many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Failure, Telemetry, ThreadedEngine, ThreadedViewport, Update
from brickstream.errors import ClosedError, TimedOutError
from brickstream.multiscale import Plan, View, picture_pyramid
from brickstream.multiscale.navigate import refit
from brickstream.render import OffscreenView
from brickstream.render.colors import known_clim
from brickstream.render.gl import picture_limit
from brickstream.render.look import Look
from brickstream.render.offscreen import open_canvas
from brickstream.render.overlays import Overlay
from brickstream.viewers.report import Limits
from brickstream.viewers.tiling import MAX_SIDE, tile_rows, tile_size

Picture = NDArray[np.uint8]

# How long the render thread takes what has arrived before it looks whether there is something to draw.
POLL_MS = 10.0
# Every OpenGL that has our textures can draw so large a picture.
SAFE_SIDE = 2048


class Painter:
    """Streams views into pictures, one after the other. A context manager; all runs on the thread that entered it.

    Parameters
    ----------
    canvas : tuple of (int, int)
        Width and height of the pictures, in pixels. What is too large to be drawn at once is drawn in tiles.
    look : Look, optional
    limits : Limits, optional
    overlays : sequence of Overlay
        What is drawn over each picture.
    ndisplay : {2, 3}, optional
        What the views will be, so that their shaders are compiled on entering; default both.
    engine : ThreadedEngine, optional
        Who streams; one of its own by default. Images come from the engine that has opened them.
    telemetry : Telemetry, optional

    Attributes
    ----------
    tile : tuple of (int, int)
        What is drawn at once.
    offscreen : OffscreenView
    failure : Failure or None
        The last chunk that failed.
    clim : tuple of (float, float) or None
        Contrast limits of the next pictures; at first those of the look.
    """

    def __init__(
        self,
        canvas: tuple[int, int],
        look: Look | None = None,
        limits: Limits | None = None,
        *,
        overlays: Sequence[Overlay] = (),
        ndisplay: int | None = None,
        engine: ThreadedEngine | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.canvas = canvas
        self.look, self.limits = look or Look(), limits or Limits()
        self._overlays, self._ndisplay, self._telemetry = overlays, ndisplay, telemetry
        self._given = engine
        self._engine: ThreadedEngine | None = None
        self._viewport: ThreadedViewport | None = None
        self._stack = ExitStack()
        self.failure: Failure | None = None
        self.clim = self.look.clim

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.tile = tile_size(self.canvas, self._largest())
            self.offscreen = stack.enter_context(self._open_canvas())
            # Shaders are compiled before anything is asked for, as in a viewer whose window is open already.
            self.offscreen.warm_up(self._ndisplay)
            self._engine = self._given or stack.enter_context(self._own_engine())
            self._viewport = self._engine.viewport(self.offscreen.sink)
            stack.callback(self._viewport.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _largest(self) -> int:
        if self.limits.max_canvas is not None:
            return self.limits.max_canvas
        return MAX_SIDE if max(self.canvas) <= SAFE_SIDE else min(MAX_SIDE, _gl_limit())

    def _open_canvas(self) -> OffscreenView:
        limits = self.limits
        return OffscreenView(
            self.tile,
            max_gpu_bytes=limits.max_gpu_bytes,
            max_texture=limits.max_texture,
            telemetry=self._telemetry,
            overlays=self._overlays,
            look=self.look,
        )

    def _own_engine(self) -> ThreadedEngine:
        limits = self.limits
        return Engine.in_thread(
            limits.max_ram_bytes, limits.max_inflight, prefetch=limits.prefetch, telemetry=self._telemetry
        )

    @property
    def engine(self) -> ThreadedEngine:
        """Who streams.

        Raises
        ------
        ClosedError
            Before it is entered.
        """
        if self._engine is None:
            raise ClosedError("nothing is drawn yet", "", "use it in a with statement")
        return self._engine

    @property
    def viewport(self) -> ThreadedViewport:
        """What is streamed, its live state.

        Raises
        ------
        ClosedError
            Before it is entered.
        """
        if self._viewport is None:
            raise ClosedError("nothing is drawn yet", "", "use it in a with statement")
        return self._viewport

    def open(self, where: object, timeout: float | None = None) -> ChunkedImage:
        """Open an image; one that is open already is taken as it is.

        Raises
        ------
        BrickstreamError
            As :meth:`~brickstream.engine.Engine.open`.
        """
        return where if isinstance(where, ChunkedImage) else self.engine.open(where, timeout)

    # -- one tile, step by step --------------------------------------------------------------------------------------

    def show(self, image: ChunkedImage, view: View) -> Plan:
        """Begin a view, whose canvas (or part of it) is as large as a tile."""
        plan = self.viewport.show(image, view)
        self.offscreen.show(view)
        return plan

    def turn(self, budget_ms: float | None = POLL_MS) -> list[Update]:
        """Take what has arrived, within a time budget, and upload it."""
        updates = self.viewport.poll(budget_ms)
        self.failure = next((update.failure for update in updates if update.failure is not None), self.failure)
        self.offscreen.commit(POLL_MS)
        return updates

    @property
    def is_settled(self) -> bool:
        """Whether all that can come of the view is on the canvas."""
        return self.viewport.is_complete and not self.offscreen.sink.pending_uploads

    def wait(self, timeout: float | None = None) -> None:
        """Sleep until there is something to do."""
        if not self.offscreen.sink.pending_uploads:
            self.viewport.wait(timeout)

    # -- whole pictures ----------------------------------------------------------------------------------------------

    def paint(self, image: ChunkedImage, view: View, timeout: float | None = None) -> Picture:
        """Draw a view when it is complete.

        Parameters
        ----------
        image : ChunkedImage
        view : View
            Its canvas is this painter's.
        timeout : float, optional
            Seconds.

        Returns
        -------
        ndarray of shape (height, width, 4), uint8
            Opaque, on black, overlays included. Chunks that failed leave what coarser levels have there.

        Raises
        ------
        TimedOutError
            If it is not complete in time.
        """
        until = None if timeout is None else time.monotonic() + timeout
        strips = list(self.strips(image, view, lambda part: self.paint_part(image, part, until)))
        return strips[0] if len(strips) == 1 else np.concatenate(strips)

    def paint_part(self, image: ChunkedImage, view: View, until: float | None = None) -> Picture:
        """Draw one tile when it is complete, or raise TimedOutError at a moment of the monotonic clock."""
        self.show(image, view)
        while True:
            self.turn()
            if self.is_settled:
                return self.offscreen.draw()
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise TimedOutError("the picture is not complete", image.url, "allow more time")
            self.wait(left)

    def strips(self, image: ChunkedImage, view: View, paint: Callable[[View], Picture]) -> Iterator[Picture]:
        """Draw a view strip by strip, from the top.

        Parameters
        ----------
        image : ChunkedImage
        view : View
        paint : callable
            Draws a view of one tile.

        Yields
        ------
        ndarray of shape (some lines, width, 4), uint8
        """
        rows = tile_rows(view.canvas, self.tile)
        self.offscreen.scene.clim = self.clim
        if len(rows) == len(rows[0]) == 1:
            yield paint(view)
            return
        self.offscreen.scene.clim = self.clim or self._clim_of_all(image, view, paint)
        done = 0
        for row in rows:
            _, top, _, height = row[0]
            strip = np.empty((height, view.canvas[0], 4), dtype=np.uint8)
            for part in row:
                strip[:, part[0] : part[0] + part[2]] = paint(replace(view, part=part))
            yield strip[done - top :]
            done = top + height

    def _clim_of_all(self, image: ChunkedImage, view: View, paint: Callable[[View], Picture]) -> tuple[float, float]:
        """Contrast limits for all tiles; where no metadata say, of a small picture of the whole."""
        known = known_clim(picture_pyramid(image.pyramid, view), view)
        if known is None:
            paint(refit(view, *self.tile))
            known = self.offscreen.scene.clim
        return known


@cache
def _gl_limit() -> int:
    canvas = open_canvas((1, 1))
    try:
        return picture_limit()
    finally:
        canvas.close()
