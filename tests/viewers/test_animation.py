"""Films: keyframes, turns, and the files that they become."""

import json
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from references import cells

from brickstream.cli import main
from brickstream.errors import MissingPackageError, StoreError, ViewError
from brickstream.latency import Fault, ThreadedServer
from brickstream.multiscale import Camera, View
from brickstream.render.look import Look
from brickstream.viewers.animation import Keyframe, at_time, eased, film, frame_times, orbit
from brickstream.viewers.films import write_film
from brickstream.viewers.keyframes import keyframes_of, read_keyframes
from brickstream.viewers.painter import Painter

CANVAS = (64, 48)
FIRST = View.volume(cells(), canvas=CANVAS, camera=Camera(0, 20))
shares = st.floats(0, 1)


def keys(*times: float) -> list[Keyframe]:
    """A keyframe at each time, each at another place."""
    return [
        Keyframe(time, replace(FIRST, zoom=FIRST.zoom * (1 + i), camera=Camera(25.0 * i, 20)), (0.0, 10.0 + i))
        for i, time in enumerate(times)
    ]


# -- time ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5, unique=True))
def test_a_film_passes_through_its_keyframes(times: list[float]) -> None:
    frames = keys(*sorted(times))
    for key in frames:
        made = at_time(frames, key.time)
        assert (made.view, made.clim) == (key.view, key.clim)
    assert at_time(frames, frames[0].time / 2).view == frames[0].view
    assert at_time(frames, 1e6).view == frames[-1].view


@given(shares, shares, st.sampled_from(["smooth", "linear"]))
def test_a_film_never_goes_back(a: float, b: float, easing: str) -> None:
    a, b = sorted((a, b))
    assert 0 <= eased(a, easing) <= eased(b, easing) <= 1
    assert (eased(0.0, easing), eased(0.5, easing), eased(1.0, easing)) == (0, 0.5, 1)
    one, other = ([replace(key, easing=easing) for key in keys(0, 1)][i] for i in (0, 1))
    zooms, lows = zip(*((k.view.zoom, k.clim) for k in (at_time([one, other], t) for t in (a, b))), strict=True)
    assert zooms[0] <= zooms[1]
    assert lows[0] <= lows[1]


def test_frames_run_from_the_first_keyframe_to_the_last() -> None:
    assert frame_times(keys(0, 1), 4) == [0, 0.25, 0.5, 0.75, 1]
    assert frame_times(keys(0.1, 0.4), 10) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert frame_times(keys(3), 10) == [3]


def test_a_turn_ends_where_it_began_without_showing_that_twice() -> None:
    turn = orbit(FIRST, 360, 2)
    times = frame_times(turn, 10)
    assert len(times) == 20
    azimuths = [at_time(turn, time).view.camera.rotation() for time in times]  # type: ignore[union-attr]
    for n, rotation in enumerate(azimuths):
        np.testing.assert_allclose(rotation, Camera(18.0 * n, 20).rotation(), atol=1e-9)
    half = orbit(FIRST, -180, 1)
    assert half[-1].view.camera == Camera(-180, 20)
    assert len(frame_times(half, 10)) == 11


def test_what_is_no_film_is_refused() -> None:
    plane = View.plane(cells(), canvas=CANVAS)
    for call, said in (
        (lambda: at_time([], 0), "at least one keyframe"),
        (lambda: frame_times(keys(1, 1), 5), "later than the one before"),
        (lambda: frame_times(keys(0, 1), 0), "frame rate"),
        (lambda: orbit(plane), "only a volume can be turned"),
        (lambda: orbit(FIRST, 0), "some degrees and some seconds"),
        (lambda: Keyframe(-1, FIRST), "not below zero"),
        (lambda: Keyframe(0, FIRST, easing="bouncy"), "no easing 'bouncy'"),
        (lambda: at_time([Keyframe(0, plane), Keyframe(1, FIRST)], 0.5), "nothing between"),
    ):
        with pytest.raises(ViewError, match=said):
            call()


# -- keyframes in files ----------------------------------------------------------------------------------------------


def test_each_keyframe_says_what_differs_from_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    entries = [
        {"time": 0},
        {"time": 1, "zoom": 9.0, "camera": {"azimuth": 50}, "clim": [0, 100]},
        {"time": 2.5, "center": {"x": 3}, "camera": {"elevation": 60}, "easing": "linear"},
    ]
    path.write_text(json.dumps(entries))
    first, second, third = read_keyframes(path, FIRST)
    assert first == Keyframe(0, FIRST)
    assert second == Keyframe(1, replace(FIRST, zoom=9.0, camera=Camera(50, 20)), (0, 100))
    center = (*FIRST.center[:2], 3.0)
    assert third == Keyframe(2.5, replace(second.view, center=center, camera=Camera(50, 60)), (0, 100), "linear")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "keyframes are a list"),
        ([], "keyframes are a list"),
        ([{"time": 0}, {"zoom": 2}], r"\[1\]"),
        ([{"time": 0, "zom": 2}], "known keys"),
        ([{"time": "soon"}], r"\[0\]"),
        ([{"time": 0, "zoom": -1}], "zoom"),
        ([{"time": 0, "center": {"t": 1}}], "not displayed"),
        ([{"time": 0, "point": {"x": 1}}], "one place"),
        ([{"time": 0, "camera": {"azimut": 1}}], "azimut"),
        ([{"time": 0, "camera": 3}], r"\[0\]"),
        ([{"time": 0, "clim": [1]}], "two numbers"),
    ],
)
def test_what_holds_no_keyframes_says_where(document: object, said: str) -> None:
    with pytest.raises(ViewError, match=said):
        keyframes_of(document, FIRST)


# -- files -----------------------------------------------------------------------------------------------------------

FRAMES = [np.full((9, 13, 4), (80 * i, 0, 0, 255), dtype=np.uint8) for i in range(3)]


@pytest.mark.parametrize(("name", "ms"), [("a.gif", 100), ("a.png", 100), ("a.apng", 100)])
def test_a_film_has_its_frames_and_its_time(name: str, ms: int, tmp_path: Path) -> None:
    assert write_film(tmp_path / name, iter(FRAMES), 10) == 3
    with Image.open(tmp_path / name) as made:
        assert made.n_frames == 3
        for number, frame in enumerate(FRAMES):
            made.seek(number)
            assert made.info["duration"] == ms
            assert np.abs(np.asarray(made.convert("RGB")).astype(int) - frame[..., :3]).max() <= 4
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_frames_go_into_a_folder(tmp_path: Path) -> None:
    write_film(tmp_path / "film", iter(FRAMES), 10)
    assert [path.name for path in sorted((tmp_path / "film").iterdir())] == [f"frame-0000{n}.png" for n in range(3)]


FFMPEG = """#!{python}
import pathlib, sys
pathlib.Path(sys.argv[-1]).write_bytes(" ".join(sys.argv[1:-1]).encode() + b"|" + sys.stdin.buffer.read())
"""


def program(folder: Path, source: str) -> None:
    path = folder / "ffmpeg"
    path.write_text(source.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_ffmpeg_gets_the_frames_and_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, FFMPEG)
    assert write_film(tmp_path / "a.mp4", iter(FRAMES), 12) == 3
    words, _, pixels = (tmp_path / "a.mp4").read_bytes().partition(b"|")
    assert b"-s 13x9 -r 12" in words
    assert pixels == b"".join(frame.tobytes() for frame in FRAMES)


def test_without_ffmpeg_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackageError, match=r"pip install 'brickstream\[video\]'"):
        write_film(tmp_path / "a.mp4", iter(FRAMES), 12)
    program(tmp_path, "#!/bin/sh\necho first >&2; echo no such codec >&2; exit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    with pytest.raises(StoreError, match="ffmpeg failed: no such codec"):
        write_film(tmp_path / "a.mp4", iter(FRAMES), 12)
    assert [path.name for path in tmp_path.iterdir()] == ["ffmpeg"]


def test_a_film_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match=r"no film has the suffix '\.avi'"):
        write_film(tmp_path / "a.avi", iter(FRAMES), 10)
    with pytest.raises(ViewError, match="a GIF has at most 50"):
        write_film(tmp_path / "a.gif", iter(FRAMES), 60)
    with pytest.raises(StoreError, match="cannot be written"):
        write_film(tmp_path / "no" / "a.gif", iter(FRAMES), 10)


# -- drawing ---------------------------------------------------------------------------------------------------------


def test_each_frame_is_the_finished_picture_of_its_view() -> None:
    image, frames = cells(), keys(0, 1)
    with Painter(CANVAS, Look(clim=(20, 235)), ndisplay=3) as painter:
        made = list(film(painter, image, [frames[0], replace(frames[1], clim=None)], 2))
        for time, picture in zip((0, 0.5, 1), made, strict=True):
            key = at_time(frames, time)
            painter.clim = (20.0, 235.0) if time == 1 else frames[0].clim
            np.testing.assert_array_equal(painter.paint(image, key.view), picture)
    assert np.abs(made[0].astype(int) - made[2]).max() > 100


def test_the_command_turns_a_volume(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["animate", str(images / "computed"), "--size", "64x48", "--fps", "4"]
    out = str(tmp_path / "turn.gif")
    assert main([*words, "--orbit", "360", "--seconds", "1", "--out", out, "--axes"]) == 0
    assert "4 frames, 1.00 s" in capsys.readouterr().out
    with Image.open(out) as made:
        assert (made.n_frames, made.size) == (4, (64, 48))
    keyframes = tmp_path / "keys.json"
    keyframes.write_text('[{"time": 0, "point": {"z": 3}}, {"time": 0.5, "point": {"z": 60}}]')
    folder = tmp_path / "frames"
    assert main([*words[:2], str(keyframes), *words[2:], "--ndisplay", "2", "--out", str(folder)]) == 0
    assert len(list(folder.iterdir())) == 3
    assert main([*words, "--out", out]) == 2
    assert main([*words, str(keyframes), "--orbit", "90", "--out", out]) == 2
    assert "keyframes or a turn" in capsys.readouterr().err


def test_a_film_with_failed_chunks_says_so(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadedServer(images, faults={"computed/0/c/0/0/0": Fault("truncate")}) as server:
        words = ["animate", f"{server.url}/computed", "--orbit", "90", "--seconds", "0.1", "--fps", "5"]
        assert main([*words, "--size", "200x200", "--out", str(tmp_path / "a.gif")]) == 3
    assert "failed: " in capsys.readouterr().err
