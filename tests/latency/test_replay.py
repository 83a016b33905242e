"""Sessions are replayed: each view at its time, the same requests in the same order, and what people waited."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import SIDE, write_image
from virtual import now, virtually

from brickstream.chunks import ChunkedImage, HttpOptions
from brickstream.chunks.source import Index
from brickstream.cli import main
from brickstream.engine import Engine
from brickstream.errors import TimedOutError
from brickstream.latency import PROFILES, Network, Server, ThreadedServer
from brickstream.latency.workloads import Session, Step, load_workload, write_session
from brickstream.latency.workloads.replay import Replayed, replay, replay_on_loop
from brickstream.multiscale import View
from brickstream.multiscale.navigate import move_point
from brickstream.testing import RecordingSink, StepSource, VirtualClock, memory_image

READ_S = 0.05
SHAPE = (32, 48, 64)
PIXELS = np.arange(np.prod(SHAPE), dtype=np.uint32).astype(np.uint8).reshape(SHAPE)
GRID = 8
# A machine that stands still for a moment must not make a read late: here every request counts.
PLAIN = HttpOptions(hedge=False)

Asked = list[tuple[float, tuple[int, ...], Index]]


def far_image(asked: Asked, levels: int = 3) -> ChunkedImage:
    """A small volume; every read takes a twentieth of a second, and is noted with the time and the level's shape."""

    class FarSource(StepSource):
        async def read(self, index: Index, *started: Callable[[], None]) -> Any:
            asked.append((now(), self.shape, index))
            await asyncio.sleep(READ_S)
            return await super().read(index, *started)

    return memory_image(PIXELS, (8, 16, 16), levels=levels, source=lambda *level: FarSource(*level, held=False))


def virtual(session: Callable[[ChunkedImage], Session]) -> tuple[Asked, Replayed]:
    """Replay a session in virtual time: what was read when, and what came of it."""
    asked: Asked = []
    image = far_image(asked)

    async def play() -> Replayed:
        async with Engine(sink=RecordingSink(), max_inflight=4) as engine:
            return await replay_on_loop(engine.main, image, session(image))

    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        return asked, runner.run(play())


def session(steps: Iterable[tuple[float, View]]) -> Session:
    return Session("", (64, 48), tuple(Step(at, view) for at, view in steps))


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """Planes and places of the small volume, some of them left before they are there."""
    gaps = draw(st.lists(st.sampled_from([0.01, 0.03, 0.06, 0.2]), min_size=1, max_size=6))
    image = memory_image(PIXELS, (8, 16, 16), levels=3)
    views = [
        View.plane(
            image,
            canvas=(64, 48),
            point={"z": float(draw(st.integers(0, 31)))},
            center=(draw(st.integers(0, 47)), draw(st.integers(0, 63))),
            zoom=draw(st.sampled_from([0.25, 1.0, 3.0])),
        )
        for _ in range(len(gaps) + 1)
    ]
    return session(zip([0.0, *np.cumsum(gaps).tolist()], views, strict=True))


@given(sessions())
@settings(max_examples=12)
def test_the_same_session_reads_the_same_in_the_same_order_at_the_same_times(given_session: Session) -> None:
    assert virtual(lambda image: given_session) == virtual(lambda image: given_session)


@pytest.mark.parametrize("name", ["open-volume", "jump", "scrub", "playback", "fly", "recorded"])
def test_a_workload_reads_the_same_in_the_same_order_at_the_same_times(name: str) -> None:
    first, second = (virtual(load_workload(name).session) for _ in range(2))
    assert first == second
    assert first[0]


def test_another_seed_reads_something_else() -> None:
    jump = load_workload("jump")
    places = tuple(zip((at for at, _ in jump.places), (place for _, place in jump.places[::-1]), strict=True))
    assert virtual(jump.session)[0] != virtual(replace(jump, places=places).session)[0]


@virtually
async def test_each_view_is_shown_at_its_time_and_the_last_is_waited_for() -> None:
    asked: Asked = []
    image = far_image(asked, levels=1)
    view = View.plane(image, canvas=(64, 48), point={"z": 0.0})
    moved = session([(0.0, view), (0.4, move_point(view, "z", 8.0)), (1.0, move_point(view, "z", 24.0))])
    async with Engine(max_inflight=64) as engine:
        shown: list[float] = []
        engine.main.events.generation.connect(lambda *_: shown.append(now()))
        played = await replay_on_loop(engine.main, image, moved)
    assert shown == pytest.approx([0.0, 0.4, 1.0], abs=1e-9)
    assert {when for when, _, _ in asked} == set(shown)
    # A host looks 60 times a second: the read takes three frames.
    assert played.first_s == pytest.approx(READ_S, abs=1 / 60)
    assert played.settle_s == pytest.approx(READ_S, abs=1 / 60)
    assert played.seconds == pytest.approx(1.0 + played.settle_s)
    assert played.failed == 0


# ---- over HTTP


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_image(folder / "image", grid=(GRID, GRID), levels=3)
    return folder


def walk(image: ChunkedImage) -> Session:
    """From place to place, closer and farther; some are left before they are there."""
    side = GRID * SIDE
    dice = np.random.default_rng(1)
    places = [(dice.uniform(0, side, 2).tolist(), float(dice.choice([0.5, 1.0, 2.0]))) for _ in range(12)]
    views = [View.plane(image, canvas=(32, 24), center=center, zoom=zoom) for center, zoom in places]
    return session(zip(np.cumsum([0, *[0.1, 0.3, 0.02] * 4])[:12].tolist(), views, strict=True))


@pytest.mark.parametrize("network", [replace(PROFILES["home-30mbps"], bandwidth_mbps=1), PROFILES["bad-day"]])
def test_over_http_the_same_session_counts_the_same_within_2_percent(network: Network, folder: Path) -> None:
    async def play() -> tuple[int, int]:
        async with Server(folder, network) as server, Engine(http=PLAIN) as engine:
            image = await engine.open(f"{server.url}/image")
            await replay_on_loop(engine.main, image, walk(image))
            return len(server.log), sum(row.bytes for row in server.log)

    counts = []
    for _ in range(3):
        with asyncio.Runner(loop_factory=VirtualClock) as runner:
            counts.append(runner.run(play()))
    requests, sent = np.array(counts).T
    assert requests.min() > 50
    assert np.ptp(requests) <= 0.02 * requests.min()
    assert np.ptp(sent) <= 0.02 * sent.min()


def test_a_session_whose_views_are_waited_for_counts_the_same_on_any_clock(folder: Path) -> None:
    counts = []
    for network in (Network(), Network(latency_ms=3, jitter_ms=3), Network(bandwidth_mbps=20)):
        with ThreadedServer(folder, network) as server, Engine.in_thread(http=PLAIN) as engine:
            image = engine.open(f"{server.url}/image")
            steps = walk(image)
            short = session((step.at / 100, step.view) for step in steps.steps)
            replay(engine.main, image, short, settled=True, timeout=20)
            server.idle()
            counts.append(sorted((row.key, row.bytes) for row in server.log if row.key.startswith("image/")))
    assert len(counts[0]) > 50
    assert counts[0] == counts[1] == counts[2]


def test_a_host_without_a_loop_replays_too(folder: Path) -> None:
    shown: list[tuple[int, int]] = []
    with ThreadedServer(folder) as server, Engine.in_thread(http=PLAIN) as engine:
        image = engine.open(f"{server.url}/image")
        steps = walk(image)
        short = session((step.at / 10, step.view) for step in steps.steps)
        played = replay(engine.main, image, short, progress=lambda done, total: shown.append((done, total)))
        assert engine.main.is_complete
        assert engine.main.live.failed == played.failed == 0
    assert shown == [(number, 12) for number in range(1, 13)]
    assert played.first_s is not None
    assert 0 < played.first_s <= played.seconds
    assert played.settle_s <= played.seconds - short.seconds


def test_who_waits_too_long_hears_of_it() -> None:
    image = memory_image(PIXELS, (8, 16, 16), source=StepSource)
    with Engine.in_thread() as engine, pytest.raises(TimedOutError, match="a view is not complete after 0"):
        replay(engine.main, image, session([(0.0, View.plane(image))]), timeout=0)


# ---- the command


def replayed(words: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["bench", "--replay", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_session_is_replayed_on_its_image_or_another_one(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view = View(("y", "x"), (), (32, 24), (31.5, 31.5), 1.0)
    made = session([(0.0, view), (0.05, replace(view, zoom=2.0))])
    write_session(tmp_path / "mine.json", replace(made, image=str(folder / "image"), title="Mine"))
    assert main(["bench", "--replay", str(tmp_path / "mine.json")]) == 0
    assert "first pixels" in capsys.readouterr().out
    result = replayed([str(tmp_path / "mine.json")], capsys)
    assert (result["title"], result["views"], result["network"]) == ("Mine", 2, None)
    assert result["requests"] > 10
    assert 0 <= result["first_s"] <= result["seconds"]
    write_session(tmp_path / "nowhere.json", made)
    assert replayed([str(tmp_path / "nowhere.json"), "--url", str(folder / "image")], capsys)["views"] == 2
    assert main(["bench", "--replay", str(tmp_path / "nowhere.json")]) == 2
    assert "--url or --data" in capsys.readouterr().err


def test_a_workload_is_replayed_by_name_over_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = replayed(["open-plane", "--data", "brain", "--network", "lan", "--folder", str(tmp_path)], capsys)
    assert (result["image"], result["network"], result["views"], result["failed"]) == ("brain", "lan", 1, 0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--replay", "jump"], "--url or --data"),
        (["--replay", "jump", "--data", "brain", "--url", "x"], "one image at a time"),
        (["--replay", "jump", "--data", "brains"], "volume-64, "),
        (["--replay", "jump", "--data", "brain", "--network", "slow"], "home-30mbps"),
        (["--replay", "jump", "--url", "http://127.0.0.1:9/x", "--network", "lan"], "only folders of this machine"),
        (["--replay", "nothing.json"], "cannot be read"),
        (["--folder", "x"], "name a command"),
        (["--network", "bad-day", "run", "plan"], "--network before run"),
        (["--replay", "pan", "run", "plan"], "--replay before run"),
        (["--folder", "bench-data", "compare", "a.json", "b.json"], "--folder before compare"),
        (["--json", "report", "a.json"], "--json before report"),
    ],
)
def test_what_cannot_be_replayed_is_one_clear_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len([line for line in err.splitlines() if "error" in line]) == 1
