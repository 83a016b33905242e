"""Words of the command line to values, and what is said of those that cannot be read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.cli import console, main, options
from brickstream.errors import BrickstreamError, StoreError
from brickstream.multiscale import Camera
from brickstream.render.look import HalfSpace, Look
from brickstream.render.surfaces import Surfaces
from brickstream.render.transfer import TransferFunction


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("--point z=90 t=3 --json", "--point z=90,t=3 --json"),
        ("--point z=90,t=3", "--point z=90,t=3"),
        ("--camera azimuth=3 fov=45 url out.png", "--camera azimuth=3,fov=45 url out.png"),
        ("url --point z=1 --center y=1 x=2", "url --point z=1 --center y=1,x=2"),
        ("url out.png --normal z=1 y=0.5", "url out.png --normal z=1,y=0.5"),
        ("--zoom 2 a=b", "--zoom 2 a=b"),
        ("--point", "--point"),
        ("", ""),
    ],
)
def test_values_given_as_words_of_their_own_are_joined(given: str, want: str) -> None:
    assert options.join_words(given.split()) == want.split()


@given(st.lists(st.text(max_size=8), max_size=6))
def test_joining_loses_no_word_and_no_character(words: list[str]) -> None:
    joined = options.join_words(words)
    assert sorted("".join(joined).replace(",", "")) == sorted("".join(words).replace(",", ""))


GOOD: list[tuple[Any, Any]] = [
    (lambda: options.size("800x600"), (800, 600)),
    (lambda: options.size(" 1X99999 "), (1, 99999)),
    (lambda: options.shape("512x64,3"), (512, 64, 3)),
    (lambda: options.byte_count("536870912", "-"), 536870912),
    (lambda: options.byte_count("512MB", "-"), 512_000_000),
    (lambda: options.byte_count("2GiB", "-"), 2 << 30),
    (lambda: options.byte_count("1.5 KiB", "-"), 1536),
    (lambda: options.pairs(["z=90,t=-3.5", "c=1e3"], "-"), {"z": 90.0, "t": -3.5, "c": 1000.0}),
    (lambda: options.pairs(None, "-"), {}),
    (lambda: options.center(None), None),
    (lambda: options.center(["100,200"]), (100.0, 200.0)),
    (lambda: options.center(["y=100", "x=200"]), {"y": 100.0, "x": 200.0}),
    (lambda: options.camera(["fov=45,azimuth=-10"]), Camera(azimuth=-10, fov=45)),
    (lambda: options.camera(None), Camera()),
    (lambda: options.clim("0,255"), (0.0, 255.0)),
    (lambda: options.clim(None), None),
    (lambda: options.names(" zarr, dask ,zarr", "-"), ("zarr", "dask")),
    (lambda: options.look(None, method=None), Look()),
    (lambda: options.look(["gamma=0.5", "method=iso"], method="mip", clim=(1, 2)), Look("mip", (1, 2), gamma=0.5)),
    (lambda: options.look(["clim=[1, 9]", "jitter=true"], clim=None), Look(clim=(1, 9), jitter=True)),
    (
        lambda: options.look(["surfaces.count=5", "surfaces.pattern=odd", "surfaces.count=3"]),
        Look(surfaces=Surfaces(count=3, pattern="odd")),
    ),
]


@pytest.mark.parametrize(("read", "want"), GOOD, ids=range(len(GOOD)))
def test_what_can_be_read(read: Any, want: Any) -> None:
    assert read() == want


BAD: list[tuple[Any, str]] = [
    (lambda: options.size("800"), "not a size: --size 800 (for example 800x600)"),
    (lambda: options.size("0x600"), "not a size"),
    (lambda: options.size("-1x600"), "not a size"),
    (lambda: options.shape("8x0"), "not a shape"),
    (lambda: options.shape("8xx8"), "not a shape"),
    (lambda: options.byte_count("lots", "--ram-budget"), "not a number of bytes: --ram-budget lots"),
    (lambda: options.byte_count("-1", "-"), "not a number of bytes"),
    (lambda: options.byte_count("1TB", "-"), "not a number of bytes"),
    (lambda: options.pairs(["z"], "--point"), "not NAME=NUMBER: --point z (for example --point z=90)"),
    (lambda: options.pairs(["=3"], "--point"), "not NAME=NUMBER"),
    (lambda: options.pairs(["z=deep"], "--point"), "not a number: --point deep"),
    (lambda: options.center(["1,b"]), "not a number: --center b"),
    (lambda: options.camera(["tilt=3"]), "unknown camera setting 'tilt': --camera (known are azimuth"),
    (lambda: options.camera(["elevation=91"]), "elevation"),
    (lambda: options.camera(["fov=nan"]), "finite"),
    (lambda: options.clim("5"), "not two limits"),
    (lambda: options.clim("5,5"), "the lower contrast limit must be below the upper"),
    (lambda: options.clim("nan,1"), "the lower contrast limit must be below the upper"),
]


@pytest.mark.parametrize(("read", "says"), BAD, ids=range(len(BAD)))
def test_what_cannot_be_read_is_one_clear_error(read: Any, says: str) -> None:
    with pytest.raises(BrickstreamError) as caught:
        read()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_is_refused_before_anything_long_begins(tmp_path: Path) -> None:
    assert options.out_file(tmp_path / "new.png") == tmp_path / "new.png"
    with pytest.raises(BrickstreamError, match="a folder, not a file"):
        options.out_file(tmp_path)
    with pytest.raises(BrickstreamError, match="no such folder"):
        options.out_file(tmp_path / "nowhere" / "new.png")
    with pytest.raises(BrickstreamError, match="File name too long"):
        options.out_file(tmp_path / ("x" * 300))


@pytest.mark.parametrize("name", ["new.png", "old.png"])
def test_a_file_that_nobody_may_write_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old.png").touch()
    # For the user root every access is allowed: only the system's answer can be played.
    asked = []
    monkeypatch.setattr("os.access", lambda path, mode: bool(asked.append(Path(path))))
    with pytest.raises(BrickstreamError, match="Permission denied"):
        options.out_file(tmp_path / name)
    assert asked == [tmp_path / name if name == "old.png" else tmp_path]


def test_a_projection_without_a_thick_slice_is_refused() -> None:
    assert options.projection("max", {"z": 5.0}) == "max"
    assert options.projection(None, {}) == options.projection(None, {"z": 5.0}) == "mean"
    with pytest.raises(BrickstreamError, match="needs a thick slice: --projection max"):
        options.projection("max", {})


# ---- the console


def test_progress_without_a_terminal_is_a_few_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("chunks") as step:
        for done in range(1001):
            step(done, 1000)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"chunks: {10 * tenth} %" for tenth in range(11)]


def test_progress_of_nothing_is_no_division_by_zero(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("chunks") as step:
        step(0, 0)
    assert capsys.readouterr().err == "chunks: 0 %\n"


def test_errors_are_one_line_on_stderr_and_results_are_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    console.error_line(StoreError("it is\nbroken", "here", "do\tthis"))
    console.say("a result")
    console.say_json({"a": 1.5})
    out, err = capsys.readouterr()
    assert err == "brickstream: error: it is broken: here (do this)\n"
    assert out == 'a result\n{\n  "a": 1.5\n}\n'


def test_json_never_holds_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        console.say_json({"a": float("nan")})


def test_a_look_is_a_file_and_what_is_said_beside_it(tmp_path: Path) -> None:
    """What comes later counts; a part of an object can be said anew."""
    file = tmp_path / "look.json"
    file.write_text(
        '{"method": "surfaces", "surfaces": {"count": 4, "fill": 0.5}, "colormap": {"opacity": [[0, 0.2], [1, 1]]},'
        ' "clip": [{"position": [1, 2, 3], "normal": [0, 0, 1]}]}'
    )
    clip = (HalfSpace((1, 2, 3), (0, 0, 1)),)
    want = Look("surfaces", surfaces=Surfaces(count=7, fill=0.5), clip=clip)
    assert options.look([str(file), "surfaces.count=7"], colormap="hot") == replace(want, colormap="hot")
    mist = TransferFunction("magma", ((0, 0.2), (1, 1)))
    assert options.look(["surfaces.count=7", str(file), "colormap.colormap=magma"]) == replace(
        want, surfaces=Surfaces(count=4, fill=0.5), colormap=mist
    )


def test_a_look_that_cannot_be_read_is_told_of_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "look.json"
    for text, what in (("[1]", "not an object"), ("{", "not a JSON document"), ('{"gama": 1}', "no such key")):
        file.write_text(text)
        with pytest.raises(BrickstreamError, match=what):
            options.look([str(file)])
    with pytest.raises(BrickstreamError, match=r"cannot be read \(No such file.*KEY=VALUE"):
        options.look([str(tmp_path / "none.json")])
    with pytest.raises(BrickstreamError, match=r"not a whole number: --look\.surfaces\.count"):
        options.look(["surfaces.count=many"])


COMMANDS = {"snapshot": ["image.zarr", "a.png"], "animate": ["image.zarr", "--orbit", "90"], "view": ["image.zarr"]}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_draws_takes_a_look(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an option of its own counts more."""
    drawn: list[Look] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"brickstream.cli.{command}.run_{command}", lambda wish, *_, **__: drawn.append(wish.look) or 0)
    words = ["--look", "method=iso", "--look", "threshold=4", "--look", "clim=[0, 2]", "--clim", "1,9"]
    assert main([command, *COMMANDS[command], *words]) == 0
    assert main([command, *COMMANDS[command]]) == 0
    assert drawn == [Look("iso", (1, 9), threshold=4.0), Look()]
    assert main([command, *COMMANDS[command], "--look", "gamma=0"]) == 2
