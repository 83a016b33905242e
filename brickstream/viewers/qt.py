"""A host in a Qt program: a widget that shows an image of an engine and follows mouse and keys.

Everything here runs on the Qt thread; the engine has another one. A timer ticks 60 times a second: poll, commit, draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from time import perf_counter
from typing import Any

from psygnal import Signal

from brickstream.chunks import ChunkedImage
from brickstream.engine import Failure, Telemetry, ThreadedEngine, ThreadedViewport
from brickstream.errors import ClosedError
from brickstream.multiscale import View
from brickstream.multiscale.navigate import orbit, pan, resize, zoom_at
from brickstream.render.look import Look
from brickstream.render.overlays import Overlay
from brickstream.viewers.pacing import Pace, after_frame
from brickstream.viewers.ticking import TICK_MS, TickBudget

WHEEL_STEP = 1.2
MAX_GPU_BYTES = 512 << 20


class QtView:
    """A canvas for a Qt program: put :attr:`native` into a layout, show it, then call :meth:`start`.

    vispy must use the Qt binding of the program (``vispy.use(app="pyside6")``). Several share an engine.

    Parameters
    ----------
    size : tuple of int
        Width and height of the widget, at first.
    look : Look
        Contrast, colours, method.
    max_gpu_bytes : int, default 512 MiB
    telemetry : Telemetry, optional
        The engine's: it hears of frames too.
    overlays : sequence of Overlay
        What is drawn over the picture, such as :class:`~brickstream.render.overlays.ScaleBar`.

    Attributes
    ----------
    image : ChunkedImage or None
    view : View or None
        What is wanted. Set it at any time; gestures do.
    viewport : ThreadedViewport
        Once started.
    overlays : sequence of Overlay
        Set others at any time.
    failures : list of Failure
        Chunks of this view that failed.
    error : Exception or None
        Why it ticks no longer: the view cannot be shown, or the engine has ended.
    ticked : psygnal signal
        Sent after each tick, and after the error that ends them.
    view_shown : psygnal signal
        Sent with each view when it begins to be shown.

    Examples
    --------
    >>> def embed(layout, engine, url):
    ...     shown = QtView()
    ...     layout.addWidget(shown.native)
    ...     layout.window().show()
    ...     shown.start(engine)
    ...     image = engine.open(url)
    ...     shown.show(image, View.plane(image, canvas=shown.canvas_size))
    """

    ticked = Signal()
    view_shown = Signal(View)

    def __init__(
        self,
        size: tuple[int, int] = (800, 600),
        look: Look = Look(),  # noqa: B008 - frozen
        *,
        max_gpu_bytes: int = MAX_GPU_BYTES,
        telemetry: Telemetry | None = None,
        overlays: Sequence[Overlay] = (),
    ) -> None:
        from vispy.scene import SceneCanvas

        self.image: ChunkedImage | None = None
        self.view: View | None = None
        self.overlays = overlays
        self.failures: list[Failure] = []
        self.error: Exception | None = None
        self.canvas: Any = SceneCanvas(size=size, show=False, bgcolor="black")
        self.scene: Any = None
        self._over: Any = None
        self._look, self._max_gpu_bytes, self._telemetry = look, max_gpu_bytes, telemetry
        self._viewport: ThreadedViewport | None = None
        self._timer: Any = None
        self._shown: View | None = None
        self._drag: tuple[float, float] | None = None
        self._budget = TickBudget()
        self._pace = Pace()
        self._ticked_at = perf_counter()
        self._generation = 0
        self._is_closed = False

    @property
    def native(self) -> Any:
        """The widget."""
        return self.canvas.native

    @property
    def canvas_size(self) -> tuple[int, int]:
        """Width and height in physical pixels, for views."""
        width, height = self.canvas.physical_size
        return int(width), int(height)

    @property
    def viewport(self) -> ThreadedViewport:
        """Who streams; for its live state and signals.

        Raises
        ------
        ClosedError
            Before the start, and after the end.
        """
        if self._viewport is None:
            raise ClosedError("the widget does not show anything", "", "call start(engine) when it is on screen")
        return self._viewport

    def start(self, engine: ThreadedEngine) -> None:
        """Begin to tick; the widget is on screen, so that it has a GL context."""
        from PySide6 import QtCore

        from brickstream.render import BrickScene
        from brickstream.render.aim import add_viewbox
        from brickstream.render.overlays import Overlays

        viewbox = add_viewbox(self.canvas)
        self.canvas.set_current()
        self.scene = BrickScene(self.canvas, viewbox, self._max_gpu_bytes, telemetry=self._telemetry, look=self._look)
        self._over = Overlays((), parent=viewbox)
        self._viewport = engine.viewport(self.scene.sink)
        self._listen()
        self._timer = QtCore.QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def show(self, image: ChunkedImage, view: View) -> None:
        """Show an image, from the next tick on."""
        self.image, self.view, self._shown = image, view, None

    def close(self) -> None:
        """Stop ticking and streaming, and end the canvas; twice is fine. Not from an event of the widget itself.

        All that is Qt's ends here. A canvas is full of references in circles: garbage collection would find it some
        time later, on the engine's thread as well as on any other, and no widget survives that.
        """
        if self._timer is not None:
            self._timer.stop()
            self._timer.deleteLater()
            self._timer = None
        if self._viewport is not None:
            self._viewport.close()
            self._viewport = None
        if not self._is_closed:
            self._is_closed = True
            native = self.canvas.native
            self.canvas.close()
            delete(native)

    @property
    def is_settled(self) -> bool:
        """Whether the newest view is on screen, with everything that can come."""
        if self._viewport is None or self.view is None or self.view is not self._shown:
            return False
        return self._viewport.is_complete and not self.scene.sink.pending_uploads

    # -- frames ----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        try:
            with nullcontext() if self._telemetry is None else self._telemetry.frame():
                if self.image is not None and self.view is not None:
                    self._step(self.viewport, self.image, self.view)
        except Exception as error:
            # Qt would print it 60 times a second.
            if self._timer is not None:
                self._timer.stop()
            self.error = error
            if not len(self.ticked):
                raise
        self.ticked.emit()

    def _step(self, viewport: ThreadedViewport, image: ChunkedImage, view: View) -> None:
        self._set_pace(moved=view is not self._shown and view.camera is not None)
        if view is not self._shown:
            self._shown = view
            viewport.show(image, view)
            self.scene.set_view(view)
            self.canvas.update()
            self.view_shown.emit(view)
        if viewport.live.generation != self._generation:
            # Data that are written anew begin another one, too.
            self._generation = viewport.live.generation
            self.failures.clear()
        budget_ms = self._budget.next_ms()
        self.failures += [update.failure for update in viewport.poll(budget_ms) if update.failure is not None]
        self.canvas.set_current()
        if self.scene.commit(budget_ms) or not self.is_settled:
            self.canvas.update()
        self._draw_over()

    def _set_pace(self, *, moved: bool) -> None:
        """Draw coarser while the view moves, so that it keeps up, and once more when it rests."""
        now, last = perf_counter(), self._ticked_at
        self._ticked_at = now
        if self._pace.is_moving(last):
            # Drawing is finished at some time after it was asked for: ticks that come late tell of it.
            self._pace = after_frame(self._pace, 1e3 * (now - last))
        if moved and self._shown is not None:
            self._pace = replace(self._pace, moved_at=now)
        coarseness = self._pace.coarseness(now)
        if coarseness != self.scene.coarseness:
            self.scene.coarseness = coarseness
            self.canvas.update()

    @property
    def shown_overlays(self) -> tuple[Overlay, ...]:
        """What is drawn over the picture now."""
        return () if self._over is None else tuple(self._over.overlays)

    def _draw_over(self) -> None:
        """Bring the overlays up to date, where there are any or were."""
        if not self.overlays and not self._over.overlays:
            return
        from brickstream.render.overlays.told import shown_by

        self._over.overlays = self.overlays
        shown = shown_by(self.scene)
        if shown is not None and self._over.show(shown):
            self.canvas.update()

    # -- gestures --------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        events = self.canvas.events
        events.mouse_press.connect(self._on_press)
        events.mouse_release.connect(self._on_release)
        events.mouse_move.connect(self._on_move)
        events.mouse_wheel.connect(self._on_wheel)
        events.resize.connect(self._on_resize)
        if self._telemetry is not None:
            self._time_drawing(events.draw, self._telemetry)

    def _time_drawing(self, draw: Any, telemetry: Telemetry) -> None:
        """Note when drawing begins and ends: before and after all others that are told to draw."""
        begun = 0

        def begins(_: Any) -> None:
            nonlocal begun
            begun = telemetry.now()

        draw.connect(begins, position="first")
        draw.connect(lambda _: telemetry.frames.took("draw", begun, telemetry.now()), position="last")

    def _physical(self, position: Any) -> tuple[float, float]:
        scale = float(self.canvas.pixel_scale)
        return float(position[0]) * scale, float(position[1]) * scale

    def _on_press(self, event: Any) -> None:
        self._drag = self._physical(event.pos)

    def _on_release(self, event: Any) -> None:
        self._drag = None

    def _on_move(self, event: Any) -> None:
        if self._drag is None or self.view is None:
            return
        x, y = self._physical(event.pos)
        dx, dy = x - self._drag[0], y - self._drag[1]
        self._drag = (x, y)
        turns = self.view.camera is not None and "Shift" not in [str(key.name) for key in event.modifiers]
        self.view = orbit(self.view, dx, dy) if turns else pan(self.view, dx, dy)

    def _on_wheel(self, event: Any) -> None:
        if self.view is not None:
            self.view = zoom_at(self.view, WHEEL_STEP ** float(event.delta[1]), *self._physical(event.pos))

    def _on_resize(self, event: Any) -> None:
        if self.view is not None:
            self.view = resize(self.view, *self.canvas_size)


def delete(widget: Any) -> None:
    """End a widget and all that it holds, now and on this thread, whoever still refers to it."""
    import shiboken6

    if shiboken6.isValid(widget):
        shiboken6.delete(widget)
