"""The Qt binding itself, where it has let us down."""

import sys

import pytest

pytestmark = pytest.mark.hosts


def test_a_call_of_qt_does_not_release_none() -> None:
    from PySide6 import QtWidgets

    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    app.processEvents()
    before = sys.getrefcount(None)
    for _ in range(200):
        app.processEvents()
    # From Python 3.12 on None is immortal, and nothing is lost.
    assert sys.getrefcount(None) > before - 100
