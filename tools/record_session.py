"""Record a session in the real window, with events that a hand would cause: pointer, wheel and slider in uneven time.

    xvfb-run -a python tools/record_session.py IMAGE session.json
    xvfb-run -a python tools/record_session.py IMAGE brickstream/latency/workloads/scripts/recorded.json --workload

Nobody sits there: a script with a seed decides. What it is for is the rhythm: gestures with pauses between them, moves
that begin and end slowly, and whatever the window makes of them frame by frame.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from math import cos, pi
from pathlib import Path
from random import Random

import vispy
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtTest import QTest

from brickstream.latency.workloads import workload_of, write_session, write_workload
from brickstream.latency.workloads.recorder import Recorder
from brickstream.render.look import Look
from brickstream.viewers.desktop import Window, WindowOptions

TITLE = "Pointer, wheel and slider in the real window, moved by a script in uneven time: a stand-in for a person"
CANVAS = (800, 600)
# How often a mouse speaks, and a wheel that is turned.
MOUSE_S, WHEEL_S = 0.008, 0.05
LEFT = QtCore.Qt.MouseButton.LeftButton
NONE = QtCore.Qt.KeyboardModifier.NoModifier

Spot = tuple[float, float]


class Hand:
    """Moves the pointer, as unevenly as hands do."""

    def __init__(self, window: Window, seed: int) -> None:
        self.window, self.dice = window, Random(seed)
        self.app = window.app
        self.canvas = window.shown.native

    def rest(self, seconds: float) -> None:
        """Do nothing for about as long, while the window goes on."""
        until = time.perf_counter() + seconds * self.dice.uniform(0.8, 1.3)
        while (left := until - time.perf_counter()) > 0:
            self.app.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents, max(1, int(1e3 * left)))

    def way(self, start: Spot, stop: Spot, seconds: float) -> Iterator[QtCore.QPoint]:
        """Places of a pointer on its way, slow at both ends, each after the time that a mouse takes to speak again."""
        began, share = time.perf_counter(), 0.0
        while share < 1:
            self.rest(MOUSE_S)
            share = min((time.perf_counter() - began) / seconds, 1.0)
            eased = (1 - cos(pi * share)) / 2
            x, y = (a + eased * (b - a) + self.dice.gauss(0, 0.7) for a, b in zip(start, stop, strict=True))
            yield QtCore.QPoint(round(x), round(y))

    def drag(self, widget: QtWidgets.QWidget, spots: list[Spot], seconds: float) -> None:
        """Press the button, go from spot to spot, release it."""
        point = QtCore.QPoint(*map(round, spots[0]))
        QTest.mousePress(widget, LEFT, NONE, point)
        for start, stop in pairwise(spots):
            for point in self.way(start, stop, seconds / (len(spots) - 1)):
                QTest.mouseMove(widget, point)
        QTest.mouseRelease(widget, LEFT, NONE, point)

    def wheel(self, spot: Spot, clicks: int) -> None:
        """Turn the wheel; above zero, away from the body."""
        for _ in range(abs(clicks)):
            place = QtCore.QPointF(*spot)
            turn = QtCore.QPoint(0, 120 if clicks > 0 else -120)
            event = QtGui.QWheelEvent(
                place,
                QtCore.QPointF(self.canvas.mapToGlobal(place.toPoint())),
                QtCore.QPoint(),
                turn,
                QtCore.Qt.MouseButton.NoButton,
                NONE,
                QtCore.Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            self.app.sendEvent(self.canvas, event)
            self.rest(WHEEL_S)

    def slide(self, axis: str, share: float, seconds: float) -> None:
        """Drag the handle of a slider by a share of its length."""
        slider = self.window.sliders[axis]
        option = QtWidgets.QStyleOptionSlider()
        slider.initStyleOption(option)
        style = slider.style()
        control, part = QtWidgets.QStyle.ComplexControl.CC_Slider, QtWidgets.QStyle.SubControl.SC_SliderHandle
        handle = style.subControlRect(control, option, part, slider).center()
        there = (handle.x() + share * slider.width(), float(handle.y()))
        self.drag(slider, [(float(handle.x()), float(handle.y())), there], seconds)


def play(hand: Hand) -> None:
    """Look around: come closer, pan, look through planes, go back out, and closer somewhere else."""
    hand.rest(0.3)
    hand.wheel((520, 260), 5)
    hand.rest(0.2)
    hand.drag(hand.canvas, [(600, 300), (420, 330), (300, 420)], 0.8)
    hand.rest(0.2)
    hand.slide("z", 0.15, 0.6)
    hand.rest(0.15)
    hand.slide("z", -0.05, 0.3)
    hand.rest(0.2)
    hand.wheel((380, 330), -3)
    hand.wheel((250, 200), 6)
    hand.rest(0.15)
    hand.drag(hand.canvas, [(400, 200), (430, 380)], 0.5)


def main() -> int:
    """Record one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", help="URL or folder; a volume")
    parser.add_argument("out", type=Path)
    parser.add_argument("--workload", action="store_true", help="write where it looked, relative to the image")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    vispy.use(app="pyside6")
    app = QtWidgets.QApplication(sys.argv[:1])
    # Whoever draws without a GPU is quickest so.
    options = WindowOptions(url=words.image, canvas=CANVAS, look=Look(interpolation="nearest"))
    window, recorder = Window(app, options), Recorder()
    window.start()
    hand = Hand(window, words.seed)
    # By then the layout has found its sizes: all views are of one canvas.
    while window.view is None or not window.is_settled:
        hand.rest(0.05)
    recorder.see(window.view)
    window.shown.view_shown.connect(recorder.see)
    play(hand)
    session, image = recorder.session(TITLE, words.image), window.shown.image
    window.close()
    if words.workload:
        write_workload(words.out, workload_of(session, image))
    else:
        write_session(words.out, session)
    print(f"{len(session.steps)} views in {session.seconds:.1f} s on {session.canvas}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
