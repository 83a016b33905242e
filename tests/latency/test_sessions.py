"""Sessions: what was looked at and when, as values and as files; and who writes that down."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from viewed import askew_scenes, camera_scenes, halved

from brickstream.errors import StoreError, ViewError
from brickstream.latency.workloads import Session, Step, read_session, write_session
from brickstream.latency.workloads.recorder import Recorder
from brickstream.latency.workloads.session import session_of
from brickstream.multiscale import Pyramid, View
from brickstream.multiscale.navigate import pan

VIEW = View.plane(halved(), canvas=(80, 60))
OTHER = pan(VIEW, 3, 4)


def session(*steps: tuple[float, View]) -> Session:
    return Session("Up and down", (80, 60), tuple(Step(at, view) for at, view in steps))


# ---- values


@pytest.mark.parametrize("times", [(), (1.0,), (0.0, 0.0), (0.0, 2.0, 1.0), (0.0, float("nan")), (0.0, float("inf"))])
def test_times_rise_from_0(times: tuple[float, ...]) -> None:
    with pytest.raises(ViewError, match=r"steps\[[0-2]\]\.at"):
        session(*((at, VIEW) for at in times))


def test_on_another_canvas_the_same_world_is_in_view() -> None:
    wide = replace(VIEW, canvas=(160, 60))
    other = session((0, VIEW), (1, wide)).on_canvas(160, 120)
    assert [step.view.canvas for step in other.steps] == [(160, 120)] * 2
    assert other.steps[0].view.world_size == VIEW.world_size
    assert other.steps[1].view.world_size[0] == wide.world_size[0]
    assert (other.canvas, other.seconds) == ((160, 120), 1)


# ---- files


@settings(max_examples=30)
@given(st.lists(st.one_of(askew_scenes(), camera_scenes()), min_size=1, max_size=4), st.data())
def test_a_session_goes_to_a_file_and_back_to_the_last_bit(
    scenes: list[tuple[Pyramid, View]], data: st.DataObject
) -> None:
    gaps = data.draw(st.lists(st.floats(1e-3, 1e3), min_size=len(scenes), max_size=len(scenes)))
    times = [0.0, *np.cumsum(gaps)[:-1].tolist()]
    views = [view for _, view in scenes]
    text = st.text(st.characters(codec="utf-8"), max_size=8)
    before = replace(
        session(*zip(times, views, strict=True)),
        title=data.draw(text),
        image=data.draw(text),
        playback=data.draw(st.booleans()),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "session.json"
        write_session(path, before)
        assert read_session(path) == before
        assert len(path.read_text(encoding="utf-8").splitlines()) == 10 + len(views)


def test_a_file_that_cannot_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write_session(tmp_path / "not there" / "session.json", session((0, VIEW)))
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        write_session(tmp_path / "folder", session((0, VIEW)))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_file_that_is_not_there_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_session(tmp_path / "session.json")


@pytest.mark.parametrize("text", ["{", "[" * 100000, '"\ud800"'])
def test_what_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "session.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ViewError, match="JSON"):
        read_session(tmp_path / "session.json")


def changed(document: Any, path: Iterable[str | int], value: Any) -> Any:
    """A copy of a document with another value at a place; without it where the value is None."""
    document = json.loads(json.dumps(document))
    *way, last = path
    there = document
    for key in way:
        there = there[key]
    if value is None:
        del there[last]
    else:
        there[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["format"], "brickstream-bench", r"not a brickstream-session: s\.json"),
        (["version"], 2, r"version 2 .* \(here, 1 is known\)"),
        (["canvas"], None, r"missing: canvas: s\.json"),
        (["canvas"], [80], r"a canvas has a width and a height: s\.json"),
        (["colour"], "red", r"unknown: colour: s\.json"),
        (["title"], 5, r"title is a str: s\.json"),
        (["playback"], "no", r"playback is a bool: s\.json"),
        (["steps"], {}, r"s\.json: steps"),
        (["steps"], [], r"begins with a view at 0 seconds: s\.json, steps\[0\]\.at"),
        (["steps", 1, "at"], 0, r"times of a session rise: s\.json, steps\[1\]\.at"),
        (["steps", 1, "at"], "soon", r"a time is a number: s\.json: steps\[1\]\.at"),
        (["steps", 1], 5, r"not an object: s\.json: steps\[1\]"),
        (["steps", 1, "view"], None, r"missing: view: s\.json: steps\[1\]"),
        (["steps", 1, "view"], [], r"a view is made of names and values: s\.json: steps\[1\]\.view"),
        (["steps", 1, "view", "zoom"], 0, r"zoom must be finite and above zero: s\.json: steps\[1\]\.view"),
        (["steps", 1, "view", "zoom"], None, r"a view lacks a key: s\.json: steps\[1\]\.view, zoom"),
        (["steps", 1, "view", "camera"], {"azimuth": []}, r"azimuth is a number: s\.json: steps\[1\]\.view"),
    ],
)
def test_what_is_no_session_is_refused_with_its_place(
    path: list[str | int], value: Any, says: str, tmp_path: Path
) -> None:
    write_session(tmp_path / "good.json", session((0, VIEW), (1, OTHER)))
    document = json.loads((tmp_path / "good.json").read_text(encoding="utf-8"))
    assert session_of(document) == session((0, VIEW), (1, OTHER))
    with pytest.raises(ViewError, match=says):
        session_of(changed(document, path, value), "s.json")


# ---- the recorder


def test_every_view_is_noted_with_its_time_and_once() -> None:
    clock = iter([100.0, 100.5, 101.0, 103.25])
    recorder = Recorder(lambda: next(clock))
    for view in (VIEW, OTHER, replace(OTHER), VIEW):
        recorder.see(view)
    made = recorder.session("Up and down")
    assert made == session((0.0, VIEW), (0.5, OTHER), (3.25, VIEW))


def test_nothing_is_lost_where_the_clock_stands_still() -> None:
    recorder = Recorder(lambda: 7.0)
    views = [pan(VIEW, number, 0) for number in range(50)]
    for view in views:
        recorder.see(view)
    assert [step.view for step in recorder.session("").steps] == views


def test_a_recording_knows_its_image_but_no_secret(tmp_path: Path) -> None:
    recorder = Recorder(lambda: 0.0)
    with pytest.raises(ViewError, match="nothing was shown"):
        recorder.session("Nothing")
    recorder.see(VIEW)
    assert recorder.session("", "https://me:secret@host/brain?token=1").image == "https://host/brain?..."
    assert recorder.session("", str(tmp_path / "x" / "..")).image == str(tmp_path / "x" / "..")
    assert recorder.session("", f"{tmp_path}/.").image == str(tmp_path.resolve())
