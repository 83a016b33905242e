"""Pictures for figures: of any size, in tiles, with what is drawn over them; written strip by strip."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from references import cells

import brickstream as bs
from brickstream.cli import main
from brickstream.engine import Engine
from brickstream.errors import StoreError, TimedOutError, ViewError
from brickstream.latency import Fault, ThreadedServer
from brickstream.multiscale import Camera, View, plan_view
from brickstream.multiscale.plan import Budget
from brickstream.render import BrickScene
from brickstream.render.aim import add_viewbox
from brickstream.render.offscreen import open_canvas
from brickstream.render.overlays import Axes, ColorBar, ScaleBar, Text
from brickstream.viewers.files import PngFile
from brickstream.viewers.keyframes import keyframes_of
from brickstream.viewers.painter import Painter
from brickstream.viewers.report import Limits
from brickstream.viewers.tiling import MAX_STRIP, tile_rows, tile_size

SIZE = (160, 120)
TILED = Limits(max_canvas=64)
OVERLAYS = (ScaleBar(), Axes(), ColorBar(), Text("in tiles"))
VIEWS = {
    "plane": View.plane(cells(), canvas=SIZE, zoom=7.31),
    "cut": View.oblique(cells(), ((0.6, 0.8, 0), (0, 0.1, 1)), canvas=SIZE, zoom=6.13),
    "orthographic": View.volume(cells(), canvas=SIZE, camera=Camera(35, 25)),
    "perspective": View.volume(cells(), canvas=SIZE, camera=Camera(35, 25, 10, fov=50)),
    "own distance": View.volume(cells(), canvas=SIZE, camera=Camera(35, 25, fov=50, distance=40)),
}
sides = st.integers(1, 50_000)


@given(sides, sides, st.integers(16, 5000))
def test_tiles_cover_a_canvas_and_keep_to_their_limits(width: int, height: int, limit: int) -> None:
    tile = tile_size((width, height), limit)
    assert max(tile) <= limit
    assert 4 * width * tile[1] <= MAX_STRIP
    rows = tile_rows((width, height), tile)
    for starts, side, length in (
        ([part[0] for part in rows[0]], tile[0], width),
        ([row[0][1] for row in rows], tile[1], height),
    ):
        assert starts[0] == 0
        assert starts[-1] + side == length
        assert all(0 < b - a <= side for a, b in pairwise(starts))
    assert {part[2:] for row in rows for part in row} == {tile}


@pytest.mark.parametrize("name", sorted(set(VIEWS) - {"cut"}))
def test_the_parts_of_a_view_see_what_the_whole_sees(name: str) -> None:
    """At the same level, and no part sees anything that the whole does not."""
    pyramid, view = cells().pyramid, VIEWS[name]
    budget = Budget(10_000, (16,) * view.ndisplay)
    whole = plan_view(pyramid, view, budget)
    parts = [
        plan_view(pyramid, bs.View.from_dict({**view.to_dict(), "part": part}), budget)
        for row in tile_rows(SIZE, tile_size(SIZE, 64))
        for part in row
    ]

    def final(plan: Any) -> set[tuple[int, ...]]:
        target = next((part for part in plan.levels if part.level == whole.target.level), None)
        return set() if target is None else {tuple(index) for index in target.chunks.tolist()}

    together = set().union(*map(final, parts))
    # Where half-spaces meet, planning keeps a few boxes that are just outside.
    assert together <= final(whole) if view.ndisplay == 3 else together == final(whole)
    assert len(together) > 0.7 * len(final(whole))
    assert any(len(final(part)) < len(final(whole)) for part in parts)


def test_a_part_lies_within_its_canvas() -> None:
    view = VIEWS["plane"].to_dict()
    for part in ((0, 0, 161, 10), (-1, 0, 10, 10), (0, 0, 0, 10), (150, 0, 11, 10)):
        with pytest.raises(ViewError, match="within the canvas"):
            View.from_dict({**view, "part": part})
    with pytest.raises(ViewError, match="a part has a left"):
        View.from_dict({**view, "part": (1, 2, 3)})
    assert View.from_dict({**view, "part": [1, 2, 3, 4]}).to_dict()["part"] == [1, 2, 3, 4]


def test_a_picture_in_tiles_is_the_picture() -> None:
    """Of planes, cuts and volumes, overlays included; rays are rounded a little otherwise."""
    image = cells()
    look = {"clim": (20, 235), "overlays": OVERLAYS}
    for name, view in VIEWS.items():
        whole, tiled = (bs.render_offscreen(image, view, limits=limits, **look) for limits in (None, TILED))
        apart = np.abs(whole.astype(int) - tiled).max(axis=-1)
        assert (apart > 1).mean() < 0.001, name
        assert (apart > 0).mean() < 0.005, name
        assert whole[..., :3].std() > 20, name


def test_without_known_limits_all_tiles_have_the_same() -> None:
    rng = np.random.default_rng(3)
    ramp = np.linspace(-500, 500, 300, dtype=np.float32) + rng.normal(0, 5, (300, 300)).astype(np.float32)
    whole, tiled = (bs.render_offscreen(ramp, size=SIZE, limits=limits) for limits in (None, TILED))
    assert np.ptp(whole[..., 0].astype(int)) > 200
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_one_call_makes_the_picture_that_a_view_asks_for() -> None:
    image = cells()
    made = bs.render_offscreen(image, size=SIZE, zoom=7.31, clim=(20, 235))
    np.testing.assert_array_equal(made, bs.render_offscreen(image, VIEWS["plane"], clim=(20, 235)))
    np.testing.assert_array_equal(made, bs.render_offscreen(image, lambda _: VIEWS["plane"], SIZE, clim=(20, 235)))
    volume = bs.render_offscreen(image, size=(80, 60), camera=Camera(35, 25), clim=(20, 235), method="average")
    assert volume.shape == (60, 80, 4)
    assert not np.array_equal(volume, bs.render_offscreen(image, VIEWS["orthographic"], (80, 60), clim=(20, 235)))


def test_an_engine_may_be_shared(images: Path) -> None:
    with ThreadedServer(images) as server, Engine.in_thread() as engine:
        image = engine.open(f"{server.url}/brain")
        view = View.plane(image, canvas=SIZE)
        first, second = (bs.render_offscreen(image, view, engine=engine) for _ in range(2))
        requests = engine.stats().requests
        np.testing.assert_array_equal(first, second)
        bs.render_offscreen(image, view, engine=engine)
        assert engine.stats().requests == requests, "it was in memory"


def test_a_figure_is_never_half_a_picture(images: Path) -> None:
    for fault, error, timeout in (("truncate", StoreError, None), ("hang", TimedOutError, 1.0)):
        with (
            ThreadedServer(images, faults={"brain/0/c/1/1/1": Fault(fault)}) as server,  # type: ignore[arg-type]
            pytest.raises(error),
        ):
            bs.render_offscreen(f"{server.url}/brain", point={"z": 90.0}, limits=Limits(timeout=timeout))


def test_the_command_draws_in_tiles_and_over_them(images: Path, tmp_path: Path) -> None:
    words = [str(images / "brain"), "--size", "160x120", "--zoom", "0.93", "--clim", "0,255"]
    words += ["--scale-bar", "--axes", "--colorbar", "--text", "bottom-left:one\\ntwo", "--text", "A: title"]
    pictures = []
    for name, more in (("whole", []), ("tiled", ["--max-canvas", "64"]), ("plain", None)):
        out = tmp_path / f"{name}.png"
        chosen = words[:7] if more is None else [*words, *more]
        assert main(["snapshot", chosen[0], str(out), *chosen[1:]]) == 0
        pictures.append(np.asarray(Image.open(out)).astype(int))
    whole, tiled, plain = pictures
    assert np.abs(whole - tiled).max() <= 1
    assert (np.abs(whole - plain) > 40).any(axis=-1).mean() > 0.02
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".png"] == []


def test_data_of_tiles_are_not_kept(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(images / "brain"), str(tmp_path / "a.png"), "--data", str(tmp_path / "a.npy"), "--max-canvas", "64"]
    assert main(["snapshot", *words]) == 2
    assert "the data of a picture in tiles are not kept" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@given(st.integers(1, 30), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 99))
def test_a_png_in_strips_is_the_picture(tmp_path_factory: Any, width: int, strips: list[int], seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (sum(strips), width, 4), dtype=np.uint8)
    path = tmp_path_factory.mktemp("png") / "a.png"
    with PngFile(path, (width, sum(strips))) as png:
        for part in np.split(picture, np.cumsum(strips)[:-1]):
            png.write(part)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), picture)


def test_a_png_that_fails_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    strips = iter([np.zeros((4, 4, 4), dtype=np.uint8)])
    with pytest.raises(StopIteration), PngFile(tmp_path / "a.png", (4, 8)) as png:
        [png.write(next(strips)) for _ in range(2)]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="cannot be written"), PngFile(tmp_path / "no" / "a.png", (4, 4)) as png:
        png.write(np.zeros((4, 4, 4), dtype=np.uint8))


def test_a_wide_plane_takes_memory_for_a_strip_and_not_for_all() -> None:
    """Ten thousand pixels wide and more: strips come one at a time, each of a few lines."""
    image = cells()
    canvas = (20_000, 40)
    view = View.plane(image, canvas=canvas, zoom=800.0)
    shapes = []
    with Painter(canvas, limits=Limits(max_canvas=4096), ndisplay=2) as painter:
        for strip in painter.strips(image, view, lambda part: painter.paint_part(image, part)):
            shapes.append(strip.shape)
            assert strip[..., :3].any()
    assert painter.tile == (4000, 40)
    assert shapes == [(40, 20_000, 4)]


def test_what_the_page_says_runs(images: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")
    figure, overlays = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"url": str(images / "computed")}
    exec(figure, names)
    assert names["picture"].shape == (180, 240, 4)
    canvas = open_canvas(SIZE)
    names |= {"viewbox": add_viewbox(canvas), "view": VIEWS["plane"]}
    scene = names["scene"] = BrickScene(canvas, names["viewbox"], 1 << 24, clim=(20, 235))
    with Engine.in_thread(sink=scene.sink) as engine:
        engine.show(cells(), VIEWS["plane"])
        engine.complete(timeout=30)
        scene.set_view(VIEWS["plane"])
        scene.commit()
        exec(overlays, names)
        (entries,) = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        assert [key.time for key in keyframes_of(json.loads(entries), VIEWS["perspective"])] == [0, 2, 3]
    canvas.close()
