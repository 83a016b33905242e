"""A window that streams: a canvas (:mod:`qt`) with sliders, keys and a status bar. All of it runs on the Qt thread."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Telemetry, ThreadedEngine
from brickstream.errors import BrickstreamError, GraphicsError, MissingPackageError, redact
from brickstream.multiscale import View
from brickstream.multiscale.dims import Dims, DimsAxis
from brickstream.multiscale.navigate import keep_place, move_point
from brickstream.render.look import Look, labelled
from brickstream.render.overlays import Axes, ColorBar, Overlay, ScaleBar
from brickstream.viewers.files import write_png
from brickstream.viewers.qt import QtView, delete

# Threads take turns of 5 ms at the interpreter lock, unless told otherwise: a third of a frame.
TURN_S = 0.0005
# Keys that show and hide what is drawn over the picture.
MARKS = {"m": "states", "l": "levels"}
OVERLAYS: dict[str, Overlay] = {"s": ScaleBar(), "a": Axes(), "c": ColorBar()}


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
    as_labels: bool = False
    on_view: Callable[[View], None] | None = None


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
    sys.setswitchinterval(TURN_S)
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(sys.argv[:1])
    before = signal.signal(signal.SIGINT, lambda *_: app.exit(130))
    window = Window(app, options)
    try:
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
    """The window and its engine. Everything runs on the Qt thread.

    Parameters
    ----------
    app : QApplication
    options : WindowOptions
    """

    def __init__(self, app: Any, options: WindowOptions) -> None:
        self.app = app
        self.options = options
        self.error: Exception | None = None
        self.engine: ThreadedEngine | None = None
        self.sliders: dict[str, Any] = {}
        self._opening: Any = None
        self._overlays: set[str] = set()
        self._rows: list[Any] = []

    def start(self) -> None:
        """Make the window, start the engine, begin to open the image."""
        from PySide6 import QtWidgets

        options = self.options
        self.shown = QtView(options.canvas, options.look, telemetry=options.telemetry)
        self.main: Any = QtWidgets.QMainWindow()
        body = QtWidgets.QWidget()
        self._layout: Any = QtWidgets.QVBoxLayout(body)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.shown.native, stretch=1)
        self.main.setCentralWidget(body)
        self.main.setWindowTitle(f"brickstream: {redact(options.url)}")
        self.main.resize(*options.canvas)
        self.main.show()
        self.engine = Engine.in_thread(prefetch=options.prefetch, telemetry=options.telemetry)
        self._opening = self.engine.open_soon(options.url)
        self._until = None if options.timeout is None else time.monotonic() + options.timeout
        self.shown.canvas.events.key_press.connect(self._on_key)
        self.shown.ticked.connect(self._on_tick)
        if options.on_view is not None:
            self.shown.view_shown.connect(options.on_view)
        self.shown.start(self.engine)

    @property
    def view(self) -> View | None:
        """What is wanted."""
        return self.shown.view

    @view.setter
    def view(self, view: View | None) -> None:
        self.shown.view = view

    @property
    def is_settled(self) -> bool:
        """Whether the newest view is on screen, with everything that can come."""
        return self.shown.is_settled

    def _on_key(self, event: Any) -> None:
        if event.text in OVERLAYS:
            self._toggle(event.text)
        if event.text in MARKS:
            self._mark(MARKS[event.text])
        if event.text in ("2", "3") and self.view is not None and int(event.text) != self.view.ndisplay:
            self._switch(int(event.text))

    def _mark(self, marks: str) -> None:
        """Show or hide marks."""
        look = self.shown.scene.look
        self.shown.scene.look = replace(look, marks=None if look.marks == marks else marks)
        self.shown.canvas.update()

    def _toggle(self, key: str) -> None:
        """Show or hide an overlay."""
        self._overlays ^= {key}
        self.shown.overlays = [OVERLAYS[name] for name in OVERLAYS if name in self._overlays]

    def _switch(self, ndisplay: int) -> None:
        """Show the same place as a plane or as a volume; an image without three axes stays a plane."""
        image, view = self.shown.image, self.view
        if image is None or view is None:
            return
        try:
            other = self._first_view(image, ndisplay, {})
        except BrickstreamError as error:
            self.main.statusBar().showMessage(str(error), 5000)
            return
        self.view = keep_place(view, other) if ndisplay == 2 else other
        self._make_sliders(image, other)

    def _first_view(self, image: ChunkedImage, ndisplay: int, point: Mapping[str, float]) -> View:
        make = View.plane if ndisplay == 2 else View.volume
        return make(image, point=point, canvas=self.shown.canvas_size)

    # -- sliders ---------------------------------------------------------------------------------------------------

    def _make_sliders(self, image: ChunkedImage, view: View) -> None:
        """Make one slider for each axis that is not displayed and has more than one step."""
        for row in self._rows:
            self._layout.removeWidget(row)
            row.deleteLater()
        self._rows, self.sliders = [], {}
        dims = Dims.of(image).with_point(dict(view.point))
        for name, _ in view.point:
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

    def _on_tick(self) -> None:
        try:
            self._step()
        except Exception as error:  # noqa: BLE001 - Qt would print it and go on; we end and raise it
            self.error = error
            self.app.exit(2)

    def _step(self) -> None:
        engine = self.engine
        if engine is None:
            return
        if self.shown.error is not None:
            raise self.shown.error
        if self._opening is not None:
            self._opened()
        if self.view is not None:
            self._say(engine)
            if self.is_settled and self.options.exit_when_complete:
                self._finish(3 if self.shown.failures else 0)
                return
        if self._until is not None and time.monotonic() > self._until:
            self._finish(4)

    def _opened(self) -> None:
        if not self._opening.done():
            return
        image, self._opening = self._opening.result(), None
        view = self._first_view(image, self.options.ndisplay, self.options.point or {})
        if self.options.as_labels:
            self.shown.scene.look = labelled(self.options.look, image.pyramid)
        self.shown.show(image, view)
        self._make_sliders(image, view)

    def _say(self, engine: ThreadedEngine) -> None:
        live, stats = self.shown.viewport.live, engine.stats()
        levels = self.shown.scene.sink.shown_levels()
        failed = f", {live.failed} chunks failed" if live.failed else ""
        self.main.statusBar().showMessage(
            f"level {min(levels) if levels else '-'}, {live.progress:.0%}, {stats.requests} requests, "
            f"{stats.bytes_read / 1e6:.1f} MB{failed}"
        )

    def _finish(self, code: int) -> None:
        """Write the screenshot and leave."""
        self.shown.ticked.disconnect(self._on_tick)
        if self.options.screenshot is not None:
            self.shown.canvas.set_current()
            picture = np.array(self.shown.canvas.render(), dtype=np.uint8)
            picture[..., 3] = 255
            write_png(self.options.screenshot, picture)
        self.app.exit(code)

    def close(self) -> None:
        """Stop the engine and close the window."""
        engine, self.engine = self.engine, None
        if engine is not None:
            self.shown.close()
            engine.close()
            self.main.close()
            delete(self.main)
