"""From a URL to pixels, over real HTTP, drawn by real GL."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trees
import zarr
from PIL import Image
from ticking import assert_nested, lanes

from brickstream.cli import main
from brickstream.engine import Engine
from brickstream.latency import Fault, Network, ThreadedServer
from brickstream.multiscale import Camera, View
from brickstream.render import OffscreenView
from brickstream.render.look import Look
from brickstream.samples import write_sample
from brickstream.viewers.snapshot import Frame, Snapshot, take_dense


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object], str]:
    """Run a command with --json: its exit code, its document, its stderr."""
    code = main([*words, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else {}, err


def level_of(images: Path, name: str, level: object) -> np.ndarray:
    return np.asarray(zarr.open_array(images / name / str(level), mode="r")[...])


def test_channels_are_shown_together_in_their_colours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sample("synthetic", tmp_path / "stains", shape=(3, 1, 60, 80))
    where, out = str(tmp_path / "stains"), str(tmp_path / "a.png")
    code, report, _ = run(capsys, "snapshot", where, out, "--channels", "all", "--size", "80x60")
    assert (code, report["complete"], report["chunks_failed"]) == (0, True, 0)
    _, stain, _ = run(capsys, "snapshot", where, str(tmp_path / "b.png"), "--channels", "2", "--size", "80x60")
    assert report["chunks_wanted"] == 3 * stain["chunks_wanted"]  # type: ignore[operator]
    colors = ["--channel-colors", "ff0000,00ff00", "--clim", "0,65535", "--zoom", "1"]
    assert main(["snapshot", where, out, "--channels", "0,2", "--size", "80x60", *colors]) == 0
    pixels = level_of(tmp_path, "stains", 0)[[0, 2], 0] / 257
    picture = np.asarray(Image.open(out))[..., :2].transpose(2, 0, 1)
    assert np.abs(picture - pixels).max() <= 0.5 + 1e-3
    assert main(["snapshot", where, out, "--channels", "0,5"]) == 2
    assert "no channel 5" in capsys.readouterr().err
    assert main(["snapshot", where, out, "--channels", "0", "--dense"]) == 2


def test_a_cut_across_a_normal_agrees_with_a_dense_one(server: ThreadedServer, tmp_path: Path) -> None:
    words = [f"{server.url}/brain", "--normal", "z=1", "y=0.6", "x=0.3", "--size", "300x260", "--zoom", "1.37"]
    for name, dense in (("bricks", []), ("dense", ["--dense"])):
        assert main(["snapshot", words[0], str(tmp_path / f"{name}.png"), *words[1:], *dense]) == 0
    ours, theirs = (
        np.asarray(Image.open(tmp_path / f"{name}.png"))[..., 0].astype(int) for name in ("bricks", "dense")
    )
    assert (ours > 0).mean() > 0.2
    assert (np.abs(ours - theirs) <= 1).mean() > 0.995


def test_a_normal_that_no_cut_can_have_is_an_error(
    server: ThreadedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["snapshot", f"{server.url}/brain", str(tmp_path / "a.png")]
    for normal, said in ((["t=1"], "names 't'"), (["z=0"], "not all zero"), (["z=1", "--ndisplay", "3"], "no normal")):
        assert main([*words, "--normal", *normal]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["brain", "brain04", "brain-sharded"])
def test_the_finished_plane_is_what_numpy_slicing_gives(
    name: str, images: Path, server: ThreadedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report, _ = run(
        capsys, "snapshot", f"{server.url}/{name}", str(tmp_path / "a.png"), "--point", "z=90", "--data",
        str(tmp_path / "a.npy"), "--zoom", "0.7",
    )  # fmt: skip
    (z0, y0, x0), (z1, y1, x1) = report["corner_pixels"]
    expected = level_of(images, name, report["level"])[z0, y0 : y1 + 1, x0 : x1 + 1]
    assert (code, report["level"], z0) == (0, 0, z1) == (0, 0, 90)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)
    assert report["complete"] is True
    assert report["chunks_wanted"] == report["chunks_read"] + report["chunks_missing"]  # type: ignore[operator]


@pytest.mark.parametrize("projection", ["max", "mean"])
def test_a_finished_thick_slice_is_what_numpy_projects(
    projection: str, images: Path, server: ThreadedServer, tmp_path: Path
) -> None:
    out, data = tmp_path / "a.png", tmp_path / "a.npy"
    thick = ["--point", "z=80", "--margins", "z=7", "--projection", projection]
    size = ["--size", "197x233", "--zoom", "1", "--clim", "0,255"]
    assert main(["snapshot", f"{server.url}/brain", str(out), *thick, *size, "--data", str(data)]) == 0
    expected = getattr(level_of(images, "brain", 0)[73:88], projection)(axis=0)
    np.testing.assert_array_equal(np.load(data), expected)
    picture = np.asarray(Image.open(out))[..., 0]
    assert np.abs(picture - expected).max() <= 1


@pytest.mark.parametrize("projection", ["max", "sum"])
def test_a_thick_slice_agrees_with_a_dense_one(projection: str, server: ThreadedServer, tmp_path: Path) -> None:
    """With the contrast limits that each finds by itself."""
    words = [f"{server.url}/brain", "--point", "z=80", "--margins", "z=7", "--projection", projection]
    pictures = []
    for name, dense in (("bricks", []), ("dense", ["--dense"])):
        out = tmp_path / f"{name}.png"
        assert main(["snapshot", words[0], str(out), *words[1:], "--size", "197x233", "--zoom", "1", *dense]) == 0
        pictures.append(np.asarray(Image.open(out))[..., 0].astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    assert len(np.unique(pictures[0])) > 100


def test_a_volume_has_no_thickness(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(images / "brain"), str(tmp_path / "a.png"), "--ndisplay", "3", "--margins", "z=7"]
    assert main(["snapshot", *words]) == 2
    assert "a volume has no thickness" in capsys.readouterr().err


def test_the_picture_shows_the_pixels_of_the_plane(images: Path, server: ThreadedServer, tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    size = ["--size", "197x233", "--zoom", "1", "--clim", "0,255"]
    assert main(["snapshot", f"{server.url}/brain", str(out), "--point", "z=80", *size]) == 0
    picture = np.asarray(Image.open(out))[..., 0]
    np.testing.assert_array_equal(picture, level_of(images, "brain", 0)[80])


@pytest.mark.parametrize("camera", [Camera(140, 20), Camera(30, 35, fov=45)])
@pytest.mark.parametrize("name", ["brain", "computed"])
def test_the_finished_volume_agrees_with_a_dense_one(name: str, camera: Camera, server: ThreadedServer) -> None:
    """Law 7: within 1/255 on 99.5 % of the covered pixels."""

    def view(image: object) -> View:
        return View.volume(image, canvas=(300, 240), camera=camera)  # type: ignore[arg-type]

    url = f"{server.url}/{name}"
    ours = Snapshot(url, view, (300, 240), Look("mip"), ndisplay=3).take()[..., 0].astype(int)
    dense, level = take_dense(url, view, Look("mip"))
    theirs = dense[..., 0].astype(int)
    covered = (ours > 0) | (theirs > 0)
    assert level == 0
    assert covered.sum() > 5000
    assert (np.abs(ours - theirs)[covered] <= 1).mean() >= 0.995


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_the_first_picture_is_coarser_and_shows_the_same_thing(ndisplay: int, images: Path) -> None:
    frames: list[Frame] = []
    make = View.plane if ndisplay == 2 else View.volume
    # Finer chunks are asked for when the coarsest begins to arrive: a latency keeps them from overtaking its decoding.
    with ThreadedServer(images, Network(latency_ms=50)) as server:
        snapshot = Snapshot(
            f"{server.url}/brain",
            lambda image: make(image, canvas=(300, 240)),
            (300, 240),
            ndisplay=ndisplay,
            on_frame=frames.append,
            stages=("first", "half", "done"),
        )
        snapshot.take()
    first, half, done = frames
    assert [frame.stage for frame in frames] == ["first", "half", "done"]
    assert first.level is not None
    assert done.level == 0 < first.level
    assert first.progress < half.progress < done.progress == 1.0
    assert snapshot.report.first_pixels_s is not None
    assert snapshot.report.complete_s is not None
    assert snapshot.report.first_pixels_s < snapshot.report.complete_s
    # The coarse picture covers what the finished one covers, and looks like it.
    a, b = (frame.picture[..., 0].astype(float) for frame in (first, done))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_one_bad_chunk_is_counted_and_named_and_the_rest_is_drawn(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = "brain/0/c/1/1/1"
    with ThreadedServer(images, faults={bad: Fault("truncate", after=1000)}) as server:
        code, report, err = run(capsys, "snapshot", f"{server.url}/brain", str(tmp_path / "a.png"), "--point", "z=90")
    assert code == 3
    assert (report["chunks_failed"], report["complete"]) == (1, True)
    assert report["failures"][0]["key"] == "0/c/1/1/1"  # type: ignore[index]
    assert "0/c/1/1/1" in err
    picture = np.asarray(Image.open(tmp_path / "a.png"))[..., 0]
    assert picture[300, 400] > 0  # the coarser level shows where the chunk failed


def test_a_timeout_gives_the_picture_of_what_is_there(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadedServer(images, faults={"brain/0/c/1/1/1": Fault("hang")}) as server:
        code, report, err = run(
            capsys, "snapshot", f"{server.url}/brain", str(tmp_path / "a.png"), "--timeout", "3", "--point", "z=90"
        )
    assert code == 4
    assert report["complete"] is False
    assert report["complete_s"] is None
    assert "timeout" in err
    assert np.asarray(Image.open(tmp_path / "a.png"))[..., :3].any()


def test_a_timeout_before_anything_is_known_gives_an_empty_picture(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadedServer(images, faults=lambda key, number: Fault("hang")) as server:
        code, report, _ = run(capsys, "snapshot", f"{server.url}/brain", str(tmp_path / "a.png"), "--timeout", "0.5")
    assert code == 4
    assert (report["complete"], report["level"], report["chunks_wanted"]) == (False, None, 0)
    assert not np.asarray(Image.open(tmp_path / "a.png"))[..., :3].any()


def test_ctrl_c_ends_with_130_and_one_line(images: Path, tmp_path: Path) -> None:
    with ThreadedServer(images, faults={"brain/0/c/1/1/1": Fault("hang")}) as server:
        words = [sys.executable, "-m", "brickstream", "snapshot", f"{server.url}/brain", str(tmp_path / "a.png")]
        # A shell's background job would ignore the signal; a program started by a person does not.
        child = subprocess.Popen(
            words,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # type: ignore[arg-type, return-value]
        )
        assert child.stderr is not None
        with child.stderr as lines:
            for line in lines:
                if line.startswith("chunks: 9"):
                    break
            child.send_signal(signal.SIGINT)
            rest = lines.read().splitlines()
        assert child.wait() == 130
    assert rest[-1] == "brickstream: error: interrupted"
    assert not any("Traceback" in line for line in rest)
    assert not (tmp_path / "a.png").exists()


def test_a_view_inside_one_chunk_reads_one_chunk(server: ThreadedServer, tmp_path: Path) -> None:
    """Law 5, counted by the server."""
    words = ["--size", "60x60", "--zoom", "1", "--center", "y=95.5,x=95.5", "--point", "z=100"]
    assert main(["snapshot", f"{server.url}/brain", str(tmp_path / "a.png"), *words]) == 0
    server.idle()
    chunks = [row.key for row in server.log if "/c/" in row.key]
    assert chunks == ["brain/0/c/1/1/1"]


def test_budgets_hold(server: ThreadedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Law 4: RAM, GPU, requests in flight."""
    code, report, _ = run(
        capsys, "snapshot", f"{server.url}/brain", str(tmp_path / "a.png"), "--ndisplay", "3", "--size", "200x150",
        "--level", "0", "--ram-budget", "2MB", "--gpu-budget", "20MB", "--max-inflight", "3", "--max-texture", "256",
    )  # fmt: skip
    assert code == 0
    assert report["complete"] is True
    assert 0 < report["ram_peak_bytes"] <= 2_000_000  # type: ignore[operator]
    assert 0 < report["gpu_bytes"] <= 20_000_000  # type: ignore[operator]
    assert 0 < report["inflight_max"] <= 3  # type: ignore[operator]


def test_a_plan_is_coarsened_to_fit_the_gpu_budget(
    server: ThreadedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report, _ = run(
        capsys, "snapshot", f"{server.url}/brain", str(tmp_path / "a.png"), "--ndisplay", "3", "--size", "200x150",
        "--gpu-budget", "4MB",
    )  # fmt: skip
    assert code == 0
    assert report["level"] == 1
    assert report["gpu_bytes"] <= 4_000_000  # type: ignore[operator]


def test_a_million_voxels_a_side_costs_what_is_visible(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law 9: the same view of a huge and of a small volume plans about the same."""
    counts = []
    with ThreadedServer(images) as server:
        for side in (4096, 1048576):
            url = f"{server.url}/synthetic/{side}x{side}x{side}"
            code, report, _ = run(
                capsys, "snapshot", url, str(tmp_path / "a.png"), "--size", "200x150", "--ndisplay", "3",
                "--gpu-budget", "64MB", "--zoom", "1",
            )  # fmt: skip
            assert code == 0
            assert np.asarray(Image.open(tmp_path / "a.png"))[..., :3].any()
            counts.append(report["chunks_wanted"])
    assert counts[1] <= 2 * counts[0]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("1048576x1048576x1048576", ["--ndisplay", "3", "--center", "0,0,0", "--camera", "fov=50", "elevation=20"]),
        ("1048576x1048576x1048576", ["--ndisplay", "3", "--camera", "fov=60", "azimuth=40", "--method", "average"]),
        ("1x65536x65536", ["--center", "30000,30000"]),
    ],
)
def test_close_to_and_inside_of_what_is_huge_the_finest_level_is_shown_within_the_budget(
    shape: str, words: list[str], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law 4 and 9: the page table counts too."""
    budget = 8 << 20
    with ThreadedServer(images) as server:
        code, report, _ = run(
            capsys, "snapshot", f"{server.url}/synthetic/{shape}/", str(tmp_path / "a.png"), "--size", "80x60",
            "--gpu-budget", str(budget), "--zoom", "2", *words,
        )  # fmt: skip
    assert code == 0
    assert 0 in report["levels_shown"]  # type: ignore[operator]
    assert 0 < report["gpu_bytes"] <= budget  # type: ignore[operator]
    assert np.ptp(np.asarray(Image.open(tmp_path / "a.png"))[..., 0]) > 20


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("nothing-here", "no Zarr image here"),
        ("text.txt", "no Zarr image here"),
        ("empty", "no Zarr image here"),
        ("corrupt", "a JSON document"),
        ("forbidden", "access denied"),
        ("unknown-codec", "unknown codec"),
    ],
)
def test_what_cannot_be_opened_is_one_clear_line(
    path: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "corrupt").mkdir()
    (tmp_path / "corrupt" / "zarr.json").write_text('{"zarr_format": 3, ')
    array = zarr.create_array(tmp_path / "unknown-codec", shape=(8, 8), chunks=(4, 4), dtype="u1")
    document = json.loads((Path(str(array.store_path.store.root)) / "zarr.json").read_text())  # type: ignore[attr-defined]
    document["codecs"].append({"name": "no-such-codec"})
    (tmp_path / "unknown-codec" / "zarr.json").write_text(json.dumps(document))

    def refused(key: str, number: int) -> Fault | None:
        return Fault("status", status=403) if key.startswith("forbidden") else None

    with ThreadedServer(tmp_path, faults=refused) as server:
        code = main(["snapshot", f"{server.url}/{path}", str(tmp_path / "a.png"), "--json"])
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert what in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_a_refused_connection_and_a_bad_option_are_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "a.png")
    for words in (["snapshot", "http://127.0.0.1:1/x", out], ["snapshot", "x", out, "--no-such"], ["snapshot"]):
        assert main(words) == 2
        err = capsys.readouterr().err
        assert err.startswith("brickstream: error: ")
        assert len(err.strip().splitlines()) == 1


def test_a_new_view_in_mid_load_stops_the_old_ones_requests(images: Path) -> None:
    """Counted by the server: the requests that only the old view wanted end as cancelled."""
    held = "brain/0/c/1/"
    faults = {f"{held}{y}/{x}": Fault("hang") for y in range(4) for x in range(4)}
    with ThreadedServer(images, Network(latency_ms=1), faults=faults) as srv:
        with Engine.in_thread() as engine:
            image = engine.open(f"{srv.url}/brain")
            plan = engine.show(image, View.plane(image, point={"z": 90.0}, zoom=3.0))
            # Everything that does not hang has come.
            while engine.latest is None or engine.latest.settled < plan.chunk_count - len(faults):
                engine.wait(1)
                engine.poll()
            engine.show(image, View.plane(image, point={"z": 20.0}, zoom=3.0))
            engine.complete(timeout=20)
        srv.idle()
        rows = [row for row in srv.log if held in row.key]
    assert rows
    assert {row.outcome for row in rows} == {"cancelled"}


def test_a_picture_is_right_after_the_atlas_has_grown(images: Path) -> None:
    """A small view makes a small atlas; a large one makes it grow, and what it held is still shown."""
    level = level_of(images, "flat", 0)
    offscreen = OffscreenView((900, 700), clim=(0, 65535), max_texture=600)
    with offscreen, Engine.in_thread(sink=offscreen.sink) as engine:
        image = engine.open(images / "flat")
        sizes = []
        for zoom in (8.0, 1.0):
            view = View.plane(image, canvas=(900, 700), center=(349.5, 449.5), zoom=zoom, level=0)
            offscreen.show(view)
            engine.show(image, view)
            engine.complete(timeout=30)
            picture = offscreen.draw()[..., 0]
            sizes.append(offscreen.sink.gpu_bytes)
    assert sizes[0] < sizes[1]
    assert np.abs(picture - level / 257).max() <= 0.51


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_drafts_show_the_whole_scene_again_and_again(ndisplay: int, images: Path) -> None:
    with OffscreenView((300, 240)) as offscreen, Engine.in_thread(sink=offscreen.sink) as engine:
        image = engine.open(images / "brain")
        view = (View.plane if ndisplay == 2 else View.volume)(image, canvas=(300, 240))
        offscreen.show(view)
        engine.show(image, view)
        offscreen.draw(draft=True)
        while not offscreen.sink.has_pixels:
            engine.wait()
            engine.poll(0)
            offscreen.commit(0)
        assert offscreen.sink.coarseness > 1
        drafts = [offscreen.draw(draft=True) for _ in range(3)]
        full = offscreen.draw()
    np.testing.assert_array_equal(drafts[0], drafts[1])
    np.testing.assert_array_equal(drafts[0], drafts[2])
    a, b = (picture[..., 0].astype(float).ravel() for picture in (drafts[0], full))
    assert np.corrcoef(a, b)[0, 1] > 0.95


def test_a_snapshot_writes_a_trace_of_everything_that_it_did(
    server: ThreadedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"{server.url}/brain", str(tmp_path / "a.png"), "--trace", str(tmp_path / "trace.json")]
    code, report, _ = run(capsys, "snapshot", *words)
    assert code == 0
    assert "telemetry" not in report
    trace = json.loads((tmp_path / "trace.json").read_text())
    spans = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    for lane in lanes(trace):
        assert_nested(lane)
    assert sum(event["cat"] == "requests" and "where" in event["args"] for event in spans) == report["requests"]
    assert sum(event["cat"] == "decoding" for event in spans) == report["chunks_read"]
    assert {"plan", "poll", "commit", "draw", "frame"} == {e["name"] for e in spans if e["cat"] == "render"}
    assert sum(event["name"] == "draw" for event in spans) == report["frames_drawn"]


def test_a_snapshot_says_what_was_done_if_it_is_asked(
    server: ThreadedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["snapshot", f"{server.url}/brain", str(tmp_path / "a.png"), "--stats"]
    code, report, _ = run(capsys, *words)
    total = report["telemetry"]["total"]  # type: ignore[index]
    assert (code, total["requests"]["begun"]) == (0, report["requests"])
    assert total["bytes"]["read"] == report["bytes_read"]
    assert total["chunks"]["loaded"] == report["chunks_read"]
    assert main(words) == 0
    assert re.search(r"first pixels +1 ", capsys.readouterr().out)


def test_labels_have_colours_unless_limits_are_asked_for(tmp_path: Path) -> None:
    image = trees.image(shape=(24, 20))
    document = json.loads(image["zarr.json"])
    colors = [{"label-value": 7, "rgba": [10, 200, 30, 255]}]
    document["attributes"]["ome"]["image-label"] = {"version": "0.5", "colors": colors}
    trees.write(tmp_path / "things", {**image, "zarr.json": trees.dump(document)})
    for level in (0, 1):
        zarr.open_array(tmp_path / "things" / str(level), mode="r+")[...] = 7
    for words, expected in (([], [10, 200, 30]), (["--clim", "0,14"], [128] * 3)):
        assert main(["snapshot", str(tmp_path / "things"), str(tmp_path / "a.png"), "--size", "40x48", *words]) == 0
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png"))[24, 20, :3], expected)
