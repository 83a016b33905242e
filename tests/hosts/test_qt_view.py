"""The canvas for Qt programs: several share an engine, and what goes wrong is heard of."""

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from brickstream.engine import Engine, ThreadedEngine
from brickstream.errors import ClosedError, ViewError
from brickstream.multiscale import View
from brickstream.render.look import Look
from brickstream.testing import memory_image

pytestmark = pytest.mark.hosts
PIXELS = np.random.default_rng(0).integers(1, 255, (8, 60, 80), dtype=np.uint8)


class Program:
    """A Qt program with two widgets of ours."""

    def __init__(self, engine: ThreadedEngine) -> None:
        import vispy
        from PySide6 import QtWidgets

        from brickstream.viewers.qt import QtView

        vispy.use(app="pyside6")
        self.app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
        self.window = QtWidgets.QWidget()
        layout = QtWidgets.QHBoxLayout(self.window)
        self.views = [QtView((160, 120), Look(clim=(0, 255))) for _ in range(2)]
        for view in self.views:
            layout.addWidget(view.native)
        self.window.show()
        for view in self.views:
            view.start(engine)

    def until(self, done: Callable[[], bool]) -> None:
        from PySide6 import QtCore

        while not done():
            self.app.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    def close(self) -> None:
        for view in self.views:
            view.close()
            view.close()
        self.window.close()
        self.app.processEvents()


@pytest.fixture
def program() -> Iterator[Any]:
    with Engine.in_thread() as engine:
        program = Program(engine)
        yield program
        program.close()


def test_two_widgets_share_an_engine_and_each_shows_its_view(program: Any) -> None:
    image = memory_image(PIXELS, (1, 32, 32))
    heard = []
    program.views[0].viewport.events.progress.connect(heard.append)
    for shown, z in zip(program.views, (2.0, 5.0), strict=True):
        shown.show(image, View.plane(image, point={"z": z}, canvas=shown.canvas_size, zoom=1.0))
    program.until(lambda: all(shown.is_settled for shown in program.views))
    assert heard[-1] == 1.0
    for shown, z in zip(program.views, (2, 5), strict=True):
        assert shown.error is None
        shown.canvas.set_current()
        picture = np.array(shown.canvas.render())[..., 0]
        found = picture[picture > 0]
        assert np.isin(found, PIXELS[z]).all()
        assert len(found) >= min(PIXELS[z].size, picture.size)


def test_what_cannot_be_shown_is_an_error_that_the_host_hears_of(program: Any) -> None:
    shown = program.views[0]
    image = memory_image(PIXELS, (1, 32, 32))
    other = memory_image(PIXELS[0], (32, 32))
    ends: list[int] = []
    shown.ticked.connect(lambda: ends.append(1) if shown.error is not None else None)
    shown.show(other, View.volume(image, canvas=shown.canvas_size))
    program.until(lambda: bool(ends))
    assert isinstance(shown.error, ViewError)


def test_before_the_start_and_after_the_end_there_is_no_viewport(program: Any) -> None:
    from brickstream.viewers.qt import QtView

    with pytest.raises(ClosedError, match="call start"):
        QtView().viewport  # noqa: B018 - it raises
    program.views[0].close()
    with pytest.raises(ClosedError):
        program.views[0].viewport  # noqa: B018 - it raises


def test_what_was_closed_may_be_collected_on_any_thread() -> None:
    """A canvas is found by garbage collection, and that runs where it likes: on the engine's thread, too."""
    import vispy
    from PySide6 import QtWidgets

    from brickstream.viewers.qt import QtView

    vispy.use(app="pyside6")
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    with Engine.in_thread() as engine:
        shown = QtView((80, 60))
        shown.native.show()
        shown.start(engine)
        app.processEvents()
        shown.close()
        del shown
        collecting = threading.Thread(target=gc.collect)
        collecting.start()
        collecting.join(30)
        assert not collecting.is_alive()
