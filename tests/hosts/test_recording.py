"""What is looked at in the real window is written down, and can be replayed."""

import json
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from brickstream.cli import main
from brickstream.latency import Network, ThreadedServer
from brickstream.latency.workloads import read_session
from brickstream.latency.workloads.recorder import Recorder
from brickstream.multiscale import View
from brickstream.samples import write_sample

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("images")
    write_sample("synthetic", root / "stack", shape=(36, 40, 50))
    with ThreadedServer(root, Network(latency_ms=2)) as server:
        yield f"{server.url}/stack"


def test_every_view_that_was_shown_is_recorded_in_its_order(url: str) -> None:
    import vispy
    from PySide6 import QtCore, QtWidgets
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    from brickstream.viewers.desktop import Window, WindowOptions

    vispy.use(app="pyside6")
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    recorder, shown = Recorder(), []
    window = Window(app, WindowOptions(url=url, canvas=(160, 120), on_view=recorder.see))

    def settle() -> None:
        while not window.is_settled:
            app.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
            assert window.error is None
        shown.append(window.view)

    window.start()
    settle()
    native, left, none = window.shown.native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(native, left, none, QPoint(50, 40))
    for x in range(55, 75, 5):
        QTest.mouseMove(native, QPoint(x, 45))
        settle()
    QTest.mouseRelease(native, left, none, QPoint(70, 45))
    window.shown.canvas.events.mouse_wheel(pos=(10, 10), delta=(0.0, 1.0), modifiers=())
    settle()
    window.sliders["z"].setValue(30)
    settle()
    window.close()
    app.processEvents()
    session = recorder.session("Mine", url)
    views = [step.view for step in session.steps]
    # A window finds its size while it opens; from then on every view is one that was asked for, once.
    assert views[-len(shown) :] == shown
    assert len(set(shown)) == 7
    assert dict(shown[-1].point) == {"z": 30.0}
    assert all(one.at < other.at for one, other in pairwise(session.steps))
    assert session.image == url


def test_what_a_window_recorded_is_replayed(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "session.json"
    assert (
        main(["view", url, "--record", str(out), "--exit-when-complete", "--timeout", "50", "--size", "300x200"]) == 0
    )
    session = read_session(out)
    assert session.image == url
    assert session.steps[-1].view.displayed == ("y", "x")
    capsys.readouterr()
    assert main(["bench", "--replay", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["views"] == len(session.steps)
    assert result["failed"] == 0


def test_ctrl_c_loses_nothing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    see = Recorder.see

    def see_and_end(self: Any, view: View) -> None:
        see(self, view)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Recorder, "see", see_and_end)
    assert main(["view", url, "--record", str(tmp_path / "session.json")]) == 130
    assert len(read_session(tmp_path / "session.json").steps) >= 1


def test_where_nothing_was_shown_nothing_is_written(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", f"{url}-not-there", "--record", str(tmp_path / "session.json")]) == 2
    assert "no session was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
