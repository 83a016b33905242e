"""neuroglancer in a real browser, on the real server: what it reads is what the lab asks for, what it tells is true."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
from blockbuster import BlockBuster
from numpy.typing import NDArray
from PIL import Image

from brickstream.engine import Engine
from brickstream.errors import BrickstreamError, StoreError
from brickstream.latency import Fault, ThreadedServer
from brickstream.latency.engines.host import Played, play
from brickstream.latency.engines.neuroglancer_page import NeuroglancerPage
from brickstream.latency.engines.protocol import Shot, Watch, shot_of
from brickstream.latency.measures.quality import measure_curve
from brickstream.multiscale import Camera, Pyramid, View
from brickstream.samples import write_sample

pytestmark = pytest.mark.lab

CANVAS = (200, 150)
LIMIT_S = 20.0


@pytest.fixture(autouse=True)
def _a_loop_that_is_not_ours(blockbuster: BlockBuster) -> None:
    """Let our code block: while a page is open, playwright's event loop counts as running in the host's thread."""
    blockbuster.deactivate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("neuroglancer")
    write_sample("synthetic", root / "cube", shape=(128, 160, 192), chunks=(32, 32, 32))
    return root


@pytest.fixture(scope="module")
def pyramid(folder: Path) -> Pyramid:
    with Engine.in_thread() as engine:
        return engine.open(str(folder / "cube"), LIMIT_S).pyramid


@pytest.fixture
def server(folder: Path) -> Iterator[ThreadedServer]:
    """A server of its own for each test: what a page has read of another one it does not know here."""
    with ThreadedServer(folder) as running:
        yield running


@pytest.fixture(scope="module")
def adapter(folder: Path) -> Iterator[NeuroglancerPage]:
    page = NeuroglancerPage(Watch(), CANVAS)
    try:
        with ThreadedServer(folder) as small:
            page.warm_up(f"{small.url}/cube")
        yield page
    finally:
        page.close()


def play_on(adapter: NeuroglancerPage, server: ThreadedServer, *shots: Shot) -> tuple[Played, Watch]:
    adapter.watch = Watch()
    return play(adapter, adapter.watch, f"{server.url}/cube", shots, timeout=LIMIT_S), adapter.watch


def read(server: ThreadedServer) -> dict[int, set[tuple[int, ...]]]:
    """Chunks that were asked for, by level."""
    server.idle()
    found: dict[int, set[tuple[int, ...]]] = {}
    for row in server.log:
        level, _, index = row.key.removeprefix("cube/").partition("/c/")
        if index:
            found.setdefault(int(level), set()).add(tuple(map(int, index.split("/"))))
    return found


def pixels(adapter: NeuroglancerPage) -> NDArray[np.uint8]:
    return np.asarray(Image.open(BytesIO(adapter.browser.screenshot())).convert("RGB"))


def chunks(shot: Shot) -> set[tuple[int, ...]]:
    return set(map(tuple, shot.chunks.tolist()))


def final(played: Played, watch: Watch, pyramid: Pyramid, *shots: Shot) -> float:
    """Part of the last view that is at its final quality at the end."""
    return measure_curve(shots, played.shown, watch.seen, [level.shape for level in pyramid.levels]).parts[-1]


@pytest.mark.parametrize(("zoom", "level"), [(1.2, 0), (0.55, 0), (0.45, 1)])
def test_a_plane_is_read_at_the_level_that_fills_the_canvas(
    adapter: NeuroglancerPage, server: ThreadedServer, pyramid: Pyramid, zoom: float, level: int
) -> None:
    shot = shot_of(0, View.plane(pyramid, canvas=CANVAS, zoom=zoom, point={"z": 70.0}), pyramid)
    played, watch = play_on(adapter, server, shot)
    assert shot.level == level == min(read(server))
    assert read(server)[level] == chunks(shot)
    assert final(played, watch, pyramid, shot) == 1


@pytest.mark.parametrize("fov", [0.0, 45.0])
def test_a_volume_is_read_at_the_level_that_fills_the_canvas(
    adapter: NeuroglancerPage, server: ThreadedServer, pyramid: Pyramid, fov: float
) -> None:
    shot = shot_of(0, View.volume(pyramid, canvas=CANVAS, zoom=0.45, camera=Camera(30, 20, fov=fov)), pyramid)
    played, watch = play_on(adapter, server, shot)
    assert set(read(server)) == {shot.level}
    assert read(server)[shot.level] == chunks(shot)
    assert final(played, watch, pyramid, shot) == 1


def test_axes_and_positions_are_those_of_the_view(
    adapter: NeuroglancerPage, server: ThreadedServer, pyramid: Pyramid
) -> None:
    view = View.plane(pyramid, ("z", "y"), {"x": 170.0}, CANVAS, center={"z": 20.0, "y": 140.0}, zoom=8.0)
    shot = shot_of(0, view, pyramid)
    played, watch = play_on(adapter, server, shot)
    assert read(server)[0] >= chunks(shot)
    assert {index[2] for index in read(server)[0]} == {5}
    assert final(played, watch, pyramid, shot) == 1


def test_of_a_new_view_only_what_is_new_is_read(
    adapter: NeuroglancerPage, server: ThreadedServer, pyramid: Pyramid
) -> None:
    views = [View.plane(pyramid, canvas=CANVAS, zoom=1.2, center=(80.0, x)) for x in (60.0, 100.0)]
    shots = [shot_of(at, view, pyramid) for at, view in zip((0, 0.05), views, strict=True)]
    played, watch = play_on(adapter, server, *shots)
    server.idle()
    keys = [row.key for row in server.log]
    assert len(keys) == len(set(keys))
    assert final(played, watch, pyramid, *shots) == 1


@pytest.mark.parametrize("make", [View.plane, View.volume])
def test_a_picture_that_is_complete_does_not_change_any_more(
    adapter: NeuroglancerPage, server: ThreadedServer, pyramid: Pyramid, make: Callable[..., View]
) -> None:
    play_on(adapter, server, shot_of(0, make(pyramid, canvas=CANVAS), pyramid))
    finished = pixels(adapter)
    assert finished.shape == (CANVAS[1], CANVAS[0], 3)
    assert len(np.unique(finished)) > 50
    adapter.browser.run("() => { viewer.display.draw(); }")
    np.testing.assert_array_equal(pixels(adapter), finished)


def test_what_cannot_be_read_fails_with_one_line(
    adapter: NeuroglancerPage, server: ThreadedServer, pyramid: Pyramid
) -> None:
    url, shot = f"{server.url}/nothing", shot_of(0, View.plane(pyramid, canvas=CANVAS), pyramid)
    with pytest.raises(StoreError, match=r"neuroglancer cannot show the image: .*nothing") as caught:
        play(adapter, adapter.watch, url, [shot], timeout=LIMIT_S)
    assert "\n" not in str(caught.value)


def test_a_chunk_that_cannot_be_read_fails_with_one_line(
    adapter: NeuroglancerPage, folder: Path, pyramid: Pyramid
) -> None:
    shot = shot_of(0, View.plane(pyramid, canvas=CANVAS), pyramid)
    with ThreadedServer(
        folder, faults=lambda key, _: Fault("status", 500) if key.endswith("0/c/2/2/2") else None
    ) as broken:
        with pytest.raises(BrickstreamError, match=r"Error retrieving chunk .*500") as caught:
            play_on(adapter, broken, shot)
        assert "\n" not in str(caught.value)


def test_a_script_that_fails_is_an_error_of_one_line(adapter: NeuroglancerPage) -> None:
    with pytest.raises(BrickstreamError, match=r"the page failed: .*no such thing") as caught:
        adapter.browser.run("() => { throw new Error('no such thing') }")
    assert "\n" not in str(caught.value)


def test_no_process_is_left_when_the_lab_is_done(adapter: NeuroglancerPage) -> None:
    """The last test of the module: others need the browser."""
    cpu, peak = adapter.usage()
    processes = [process for process in psutil.Process().children(recursive=True) if "chrom" in process.name()]
    adapter.close()
    assert cpu > 0
    assert peak > 10
    assert processes
    ended = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    assert not [process for process in processes if process.is_running() and process.status() not in ended]
