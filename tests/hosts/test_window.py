"""The desktop window, on a real display (Xvfb will do), driven by mouse, keys and sliders."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ticking import assert_nested, lanes

from brickstream.cli import main
from brickstream.latency import Network, ThreadedServer
from brickstream.samples import write_sample

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("images")
    write_sample("brain", root / "brain")
    with ThreadedServer(root, Network(latency_ms=5)) as server:
        yield f"{server.url}/brain"


@pytest.fixture
def window(url: str) -> Iterator[Any]:
    """A window that shows the brain as a plane, complete."""
    yield from complete(url)


def complete(url: str) -> Iterator[Any]:
    import vispy
    from PySide6 import QtWidgets

    from brickstream.viewers.desktop import Window, WindowOptions

    vispy.use(app="pyside6")
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    shown = Window(app, WindowOptions(url=url, canvas=(400, 300)))
    shown.start()
    until(shown, lambda: shown.is_settled)
    yield shown
    shown.close()
    app.processEvents()


@pytest.fixture
def flipped_window(tmp_path: Path) -> Iterator[Any]:
    """A window on the brain upside down: its planes lie from z = 0 down to -188."""
    write_sample("brain", tmp_path / "flipped")
    path = tmp_path / "flipped" / "zarr.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for dataset in document["attributes"]["ome"]["multiscales"][0]["datasets"]:
        for transform in dataset["coordinateTransformations"]:
            transform[transform["type"]][0] *= -1
    path.write_text(json.dumps(document), encoding="utf-8")
    yield from complete(str(path.parent))


def until(window: Any, done: Callable[[], bool]) -> None:
    """Let Qt work until something is true; the test's time limit bounds it."""
    from PySide6 import QtCore

    while not done():
        window.app.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        assert window.error is None


def drag(window: Any, start: tuple[int, int], stop: tuple[int, int]) -> None:
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    native = window.shown.canvas.native
    QTest.mousePress(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(*start))
    QTest.mouseMove(native, QPoint(*stop))
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(*stop))


@pytest.mark.parametrize("ndisplay", ["2", "3"])
def test_a_screenshot_when_complete_shows_what_the_offscreen_picture_shows(
    ndisplay: str, url: str, tmp_path: Path
) -> None:
    out = tmp_path / "window.png"
    words = ["--ndisplay", ndisplay, "--screenshot", str(out), "--exit-when-complete", "--timeout", "50"]
    assert main(["view", url, *words]) == 0
    picture = np.asarray(Image.open(out))[..., 0].astype(float)
    height, width = picture.shape
    assert picture.max() > 200
    # The brain is in the middle, bright, and about as large as the canvas allows.
    rows, columns = np.nonzero(picture > 60)
    assert abs(rows.mean() - height / 2) < height / 8
    assert abs(columns.mean() - width / 2) < width / 8
    assert np.ptp(rows) > height / 3


def test_a_wrong_url_ends_with_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", f"{url}-not-there"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_dragging_pans_and_the_wheel_zooms(window: Any) -> None:
    before = window.view
    drag(window, (200, 150), (240, 130))
    after = window.view
    scale = window.shown.canvas.pixel_scale
    np.testing.assert_allclose(after.center[1], before.center[1] - 40 * scale / before.zoom)
    np.testing.assert_allclose(after.center[0], before.center[0] + 20 * scale / before.zoom)
    window.shown.canvas.events.mouse_wheel(pos=(10, 10), delta=(0.0, 1.0), modifiers=())
    assert window.view.zoom > after.zoom
    until(window, lambda: window.is_settled)
    assert window.shown.scene.sink.shown_levels() == [0]


def test_keys_switch_between_plane_and_volume_and_dragging_orbits(window: Any) -> None:
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    QTest.keyClick(window.shown.canvas.native, Qt.Key.Key_3)
    until(window, lambda: window.view.ndisplay == 3 and window.is_settled)
    azimuth = window.view.camera.azimuth
    drag(window, (200, 150), (220, 150))
    assert window.view.camera.azimuth == pytest.approx(azimuth - 10 * window.shown.canvas.pixel_scale)
    until(window, lambda: window.is_settled)
    QTest.keyClick(window.shown.canvas.native, Qt.Key.Key_2)
    until(window, lambda: window.view.ndisplay == 2 and window.is_settled)


def test_keys_show_and_hide_what_is_drawn_over_the_picture(window: Any) -> None:
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from brickstream.render.overlays import Axes, ColorBar, ScaleBar
    from brickstream.render.overlays.drawing import arrange, paste
    from brickstream.render.overlays.told import shown_by

    def press(*overlays: Any) -> np.ndarray:
        for key in (Qt.Key.Key_S, Qt.Key.Key_A, Qt.Key.Key_C):
            QTest.keyClick(window.shown.canvas.native, key)
        until(window, lambda: window.shown.shown_overlays == overlays)
        return np.array(window.shown.canvas.render())

    plain = np.array(window.shown.canvas.render())
    overlays = ScaleBar(), Axes(), ColorBar()
    over = press(*overlays)
    expected = plain.copy()
    paste(expected, arrange(overlays, shown_by(window.shown.scene)))
    assert np.abs(over[..., :3].astype(int) - expected[..., :3]).max() <= 1
    assert (np.abs(over[..., :3].astype(int) - plain[..., :3]) > 50).any()
    np.testing.assert_array_equal(press(), plain)


def test_a_key_tints_the_levels_and_takes_the_tint_away(window: Any) -> None:
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    def press() -> np.ndarray:
        before = window.shown.scene.look
        QTest.keyClick(window.shown.canvas.native, Qt.Key.Key_L)
        until(window, lambda: window.shown.scene.look != before)
        window.shown.scene.commit()
        return np.array(window.shown.canvas.render())

    plain = np.array(window.shown.canvas.render())
    tinted = press()
    assert (tinted[..., 0] != tinted[..., 2]).mean() > 0.1
    np.testing.assert_array_equal(press(), plain)


def test_a_slider_moves_through_the_planes(window: Any) -> None:
    first = np.array(window.shown.canvas.render())
    (slider,) = window.sliders.values()
    slider.setValue(40)
    assert dict(window.view.point) == {"z": 40.0}
    until(window, lambda: window.is_settled)
    second = np.array(window.shown.canvas.render())
    assert window.shown.viewport.latest.plan.target.corner_pixels[0, 0] == 40
    assert (first != second).any()


def test_the_slider_of_a_flipped_image_runs_upwards_in_the_world(flipped_window: Any) -> None:
    slider = flipped_window.sliders["z"]
    assert (slider.minimum(), slider.maximum(), slider.value()) == (0, 188, 94)
    for step, z, plane in [(0, -188.0, 188), (188, 0.0, 0), (150, -38.0, 38)]:
        slider.setValue(step)
        assert dict(flipped_window.view.point) == {"z": z}
        until(flipped_window, lambda: flipped_window.is_settled)
        assert flipped_window.shown.viewport.latest.plan.target.corner_pixels[:, 0].tolist() == [plane, plane]


def test_gestures_before_the_data_is_there_do_no_harm(url: str) -> None:
    import vispy
    from PySide6 import QtWidgets
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from brickstream.viewers.desktop import Window, WindowOptions

    vispy.use(app="pyside6")
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    early = Window(app, WindowOptions(url=url, canvas=(400, 300)))
    early.start()
    assert early.view is None
    drag(early, (200, 150), (240, 130))
    early.shown.canvas.events.mouse_wheel(pos=(10, 10), delta=(0.0, 1.0), modifiers=())
    QTest.keyClick(early.shown.canvas.native, Qt.Key.Key_3)
    until(early, lambda: early.is_settled)
    assert early.view.ndisplay == 2
    early.close()
    app.processEvents()


def test_a_window_says_how_long_the_render_thread_was_held(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace.json"
    assert main(["view", url, "--exit-when-complete", "--timeout", "50", "--stats", "--trace", str(trace)]) == 0
    out = capsys.readouterr().out
    spans = [event for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "X"]
    for what in ("plan", "poll", "commit", "draw", "frame"):
        assert what in out
        assert [event for event in spans if event["cat"] == "render" and event["name"] == what]
    for lane in lanes({"traceEvents": spans}):
        assert_nested(lane)
