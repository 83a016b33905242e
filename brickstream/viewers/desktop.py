"""A window that streams: mouse, keys and sliders to views, views to the engine, updates to the screen.

All of it runs on the Qt thread; the engine has its own. A timer ticks 60 times a second: poll, commit, draw.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Failure, Telemetry, ThreadedEngine
from brickstream.errors import BrickstreamError, GraphicsError, MissingPackageError, redact
from brickstream.multiscale import View
from brickstream.multiscale.dims import Dims, DimsAxis
from brickstream.multiscale.navigate import keep_place, move_point, orbit, pan, resize, zoom_at
from brickstream.viewers.files import write_png
from brickstream.viewers.look import Look

TICK_MS = 16
# For what has arrived, in each frame: so long, or this share of a frame that takes much longer anyway.
POLL_MS = 4.0
SHARE_OF_FRAME = 0.25
WHEEL_STEP = 1.2
MAX_GPU_BYTES = 512 << 20


@dataclass(frozen=True)
class WindowOptions:
    """What the command line asks of a window; see ``brickstream view --help``."""

    url: str
    ndisplay: int = 2
    canvas: tuple[int, int] = (800, 600)
    point: Mapping[str, float] | None = None
    look: Look = field(default_factory=Look)
    screenshot: Path | None = None
    exit_when_complete: bool = False
    timeout: float | None = None
    prefetch: bool = True
    telemetry: Telemetry | None = None


def run_window(options: WindowOptions) -> int:
    """Show a window until it is closed (or complete, if so wished); return the exit code.

    Raises
    ------
    GraphicsError
        If there is no display.
    MissingPackageError
        If no Qt binding is installed.
    BrickstreamError
        If the image cannot be opened.
    """
    _check_display()
    try:
        import vispy
        from PySide6 import QtWidgets
    except ImportError as error:
        raise MissingPackageError("no Qt binding", "", "pip install 'brickstream[desktop]'") from error
    vispy.use(app="pyside6")
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(sys.argv[:1])
    before = signal.signal(signal.SIGINT, lambda *_: app.exit(130))
    try:
        window = Window(app, options)
        window.start()
        code = int(app.exec())
    finally:
        signal.signal(signal.SIGINT, before)
    window.close()
    if window.error is not None:
        raise window.error
    return code


def _check_display() -> None:
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise GraphicsError("no display", "", "brickstream snapshot draws to a file without one")


class Window:
    """The window, its scene and its engine. Everything runs on the Qt thread.

    Parameters
    ----------
    app : QApplication
    options : WindowOptions
    """

    def __init__(self, app: Any, options: WindowOptions) -> None:
        self.app = app
        self.options = options
        self.view: View | None = None
        self.image: ChunkedImage | None = None
        self.error: Exception | None = None
        self.failures: list[Failure] = []
        self._shown: View | None = None
        self._drag: tuple[float, float] | None = None
        self.engine: ThreadedEngine | None = None
        self._opening: Any = None
        self.sliders: dict[str, Any] = {}
        self._rows: list[Any] = []
        self._ticked = time.perf_counter()

    def start(self) -> None:
        """Make the window, start the engine, begin to open the image."""
        from PySide6 import QtCore, QtWidgets
        from vispy.scene import SceneCanvas

        from brickstream.render import BrickScene
        from brickstream.render.aim import add_viewbox

        look = self.options.look
        self.canvas: Any = SceneCanvas(size=self.options.canvas, show=False, bgcolor="black")
        viewbox = add_viewbox(self.canvas)
        self.main: Any = QtWidgets.QMainWindow()
        body = QtWidgets.QWidget()
        self._layout: Any = QtWidgets.QVBoxLayout(body)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.canvas.native, stretch=1)
        self.main.setCentralWidget(body)
        self.main.setWindowTitle(f"brickstream: {redact(self.options.url)}")
        self.main.resize(*self.options.canvas)
        self.main.show()
        self.canvas.set_current()
        self.scene = BrickScene(
            self.canvas,
            viewbox,
            MAX_GPU_BYTES,
            method=look.method,
            clim=look.clim,
            colormap=look.colormap,
            interpolation=look.interpolation,
            telemetry=self.options.telemetry,
        )
        self._listen()
        self.engine = Engine.in_thread(
            sink=self.scene.sink, prefetch=self.options.prefetch, telemetry=self.options.telemetry
        )
        self._opening = self.engine.open_soon(self.options.url)
        self._until = None if self.options.timeout is None else time.monotonic() + self.options.timeout
        self._timer: Any = QtCore.QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _listen(self) -> None:
        events = self.canvas.events
        events.mouse_press.connect(self._on_press)
        events.mouse_release.connect(self._on_release)
        events.mouse_move.connect(self._on_move)
        events.mouse_wheel.connect(self._on_wheel)
        events.key_press.connect(self._on_key)
        events.resize.connect(self._on_resize)
        if self.options.telemetry is not None:
            self._time_drawing(events.draw, self.options.telemetry)

    def _time_drawing(self, draw: Any, telemetry: Telemetry) -> None:
        """Note when drawing begins and ends: before and after all others that are told to draw."""
        begun = 0

        def begins(_: Any) -> None:
            nonlocal begun
            begun = telemetry.now()

        draw.connect(begins, position="first")
        draw.connect(lambda _: telemetry.frames.took("draw", begun, telemetry.now()), position="last")

    # -- gestures --------------------------------------------------------------------------------------------------

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

    def _on_key(self, event: Any) -> None:
        if event.text in ("2", "3") and self.view is not None and int(event.text) != self.view.ndisplay:
            self._switch(int(event.text))

    def _on_resize(self, event: Any) -> None:
        if self.view is not None:
            self.view = resize(self.view, *self.canvas.physical_size)

    def _switch(self, ndisplay: int) -> None:
        """Show the same place as a plane or as a volume; an image without three axes stays a plane."""
        if self.image is None or self.view is None:
            return
        try:
            other = self._first_view(self.image, ndisplay, {})
        except BrickstreamError as error:
            self.main.statusBar().showMessage(str(error), 5000)
            return
        self.view = keep_place(self.view, other) if ndisplay == 2 else other
        self._make_sliders()

    def _first_view(self, image: ChunkedImage, ndisplay: int, point: Mapping[str, float]) -> View:
        make = View.plane if ndisplay == 2 else View.volume
        return make(image, point=point, canvas=tuple(self.canvas.physical_size))

    # -- sliders ---------------------------------------------------------------------------------------------------

    def _make_sliders(self) -> None:
        """Make one slider for each axis that is not displayed and has more than one step."""
        for row in self._rows:
            self._layout.removeWidget(row)
            row.deleteLater()
        self._rows, self.sliders = [], {}
        if self.view is None or self.image is None:
            return
        dims = Dims.of(self.image).with_point(dict(self.view.point))
        for name, _ in self.view.point:
            if dims.nsteps[name] > 1:
                self._make_slider(dims.axis(name))

    def _make_slider(self, axis: DimsAxis) -> None:
        from PySide6 import QtCore, QtWidgets

        row = QtWidgets.QWidget()
        line = QtWidgets.QHBoxLayout(row)
        line.setContentsMargins(6, 0, 6, 0)
        slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        slider.setRange(0, axis.nsteps - 1)
        slider.setValue(axis.current_step)
        slider.valueChanged.connect(lambda step: self._on_slider(axis.name, axis.at_step(step).point))
        line.addWidget(QtWidgets.QLabel(axis.name))
        line.addWidget(slider, stretch=1)
        self._layout.addWidget(row)
        self._rows.append(row)
        self.sliders[axis.name] = slider

    def _on_slider(self, axis: str, position: float) -> None:
        if self.view is not None:
            self.view = move_point(self.view, axis, position)

    # -- frames ----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        telemetry = self.options.telemetry
        try:
            with nullcontext() if telemetry is None else telemetry.frame():
                self._step()
        except Exception as error:  # noqa: BLE001 - Qt would print it and go on; we end and raise it
            self.error = error
            self.app.exit(2)

    def _step(self) -> None:
        engine = self.engine
        if engine is None:
            return
        if self._opening is not None:
            self._opened()
        if self.view is not None and self.image is not None:
            self._show(engine, self.image, self.view)
            budget_ms = self._budget_ms()
            for update in engine.poll(budget_ms):
                if update.failure is not None:
                    self.failures.append(update.failure)
            self.canvas.set_current()
            if self.scene.commit(budget_ms) or not self.is_settled:
                self.canvas.update()
            self._say(engine)
            if self.is_settled and self.options.exit_when_complete:
                self._finish(3 if self.failures else 0)
                return
        if self._until is not None and time.monotonic() > self._until:
            self._finish(4)

    def _budget_ms(self) -> float:
        """Say how long to take what has arrived: on a software rasteriser a frame of 0.7 s with 4 ms of it starves."""
        now = time.perf_counter()
        last, self._ticked = self._ticked, now
        return max(POLL_MS, SHARE_OF_FRAME * 1e3 * (now - last))

    def _opened(self) -> None:
        if not self._opening.done():
            return
        self.image, self._opening = self._opening.result(), None
        self.view = self._first_view(self.image, self.options.ndisplay, self.options.point or {})
        self._make_sliders()

    def _show(self, engine: ThreadedEngine, image: ChunkedImage, view: View) -> None:
        if view is self._shown:
            return
        self._shown = view
        self.failures.clear()
        engine.show(image, view)
        self.scene.set_view(view)
        self.canvas.update()

    @property
    def is_settled(self) -> bool:
        """Whether the newest view is on screen, with everything that can come."""
        engine = self.engine
        if engine is None or self.view is None or self.view is not self._shown:
            return False
        return engine.is_complete and not self.scene.sink.pending_uploads

    def _say(self, engine: ThreadedEngine) -> None:
        latest, stats = engine.latest, engine.stats()
        share = 1.0 if engine.is_complete else (latest.progress if latest is not None else 0.0)
        shown = self.scene.sink.shown_levels()
        failed = f", {len(self.failures)} chunks failed" if self.failures else ""
        self.main.statusBar().showMessage(
            f"level {min(shown) if shown else '-'}, {share:.0%}, {stats.requests} requests, "
            f"{stats.bytes_read / 1e6:.1f} MB{failed}"
        )

    def _finish(self, code: int) -> None:
        """Write the screenshot and leave."""
        self._timer.stop()
        if self.options.screenshot is not None:
            self.canvas.set_current()
            picture = np.array(self.canvas.render(), dtype=np.uint8)
            picture[..., 3] = 255
            write_png(self.options.screenshot, picture)
        self.app.exit(code)

    def close(self) -> None:
        """Stop the engine and close the window."""
        engine, self.engine = self.engine, None
        if engine is not None:
            self._timer.stop()
            engine.close()
            self.canvas.close()
            self.main.close()
