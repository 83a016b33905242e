"""``--prefetch on`` and ``off``: of windows it is on unless told otherwise, of snapshots off."""

from pathlib import Path

import pytest

from brickstream.cli import app
from brickstream.viewers import desktop, snapshot


class Taken(Exception):
    """Raised with what a command would have done."""


@pytest.mark.parametrize(
    ("words", "expected"), [([], True), (["--prefetch", "on"], True), (["--prefetch", "off"], False)]
)
def test_a_window_fetches_ahead_unless_told_otherwise(
    words: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows: list[desktop.WindowOptions] = []

    def remember(options: desktop.WindowOptions) -> int:
        windows.append(options)
        return 0

    monkeypatch.setattr(desktop, "run_window", remember)
    assert app.main(["view", "http://127.0.0.1:1/a.zarr", *words]) == 0
    assert [window.prefetch for window in windows] == [expected]


@pytest.mark.parametrize(
    ("words", "expected"), [([], False), (["--prefetch", "on"], True), (["--prefetch", "off"], False)]
)
def test_a_snapshot_fetches_nothing_ahead_unless_told_to(
    words: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(self: snapshot.Snapshot, on_strip: object) -> None:
        raise Taken(self._limits)

    monkeypatch.setattr(snapshot.Snapshot, "take_strips", refuse)
    with pytest.raises(Taken) as taken:
        app.main(["snapshot", "http://127.0.0.1:1/a.zarr", str(tmp_path / "a.png"), *words])
    (limits,) = taken.value.args
    assert limits.prefetch is expected


@pytest.mark.parametrize("command", ["view", "snapshot"])
def test_anything_else_is_refused(command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = [str(tmp_path / "a.png")] if command == "snapshot" else []
    assert app.main([command, "http://127.0.0.1:1/a.zarr", *out, "--prefetch", "maybe"]) == 2
    assert "not on or off: --prefetch maybe" in capsys.readouterr().err
