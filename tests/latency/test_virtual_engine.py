"""The engine in virtual time: how long people wait, counted in round trips, with nothing of this machine in it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import SIDE, write_image
from virtual import now, virtually

from brickstream.chunks import ChunkedImage
from brickstream.chunks.source import Index
from brickstream.engine import Engine
from brickstream.latency import PROFILES, Network, Server
from brickstream.multiscale import View
from brickstream.testing import StepSource, VirtualClock, memory_image

GRID = 8
Times = list[tuple[float, int]]


class FarSource(StepSource):
    """Answers every read after a tenth of a second."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, held=False)

    async def read(self, index: Index, *started: Callable[[], None]) -> Any:
        await asyncio.sleep(0.1)
        return await super().read(index, *started)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("far")
    write_image(folder / "image", grid=(GRID, GRID), levels=3)
    return folder


async def watch(engine: Engine, image: ChunkedImage) -> Times:
    """Show all of an image; return the time since then and the level of each update."""
    view, began = View.plane(image, canvas=(GRID * SIDE, GRID * SIDE)), now()
    return [(now() - began, update.level) async for update in engine.slice(image, view)]


@pytest.mark.parametrize(("inflight", "rounds"), [(16, 5), (32, 3)])
@virtually
async def test_a_picture_takes_exactly_its_round_trips(inflight: int, rounds: int) -> None:
    """The first level has the line to itself; the 80 chunks of the others come as many at once as may be read."""
    pixels = np.arange((GRID * SIDE) ** 2, dtype=np.uint16).reshape(GRID * SIDE, GRID * SIDE)
    image = memory_image(pixels, (SIDE, SIDE), levels=3, source=FarSource)
    async with Engine(max_inflight=inflight) as engine:
        times = await watch(engine, image)
    assert Counter(round(when, 6) for when, _ in times[:20]) == {0.1: 4, 0.2: 16}
    assert times[-1] == (pytest.approx(0.1 + 0.1 * rounds, abs=1e-9), 0)
    assert len({round(when, 6) for when, _ in times}) == 1 + rounds


@virtually
async def test_an_image_opens_in_two_round_trips_and_is_seen_after_the_third(folder: Path) -> None:
    async with Server(folder, Network(latency_ms=100)) as server, Engine() as engine:
        image = await engine.open(f"{server.url}/image")
        assert now() == pytest.approx(0.2, abs=1e-9)
        times = await watch(engine, image)
        assert times[0] == (pytest.approx(0.1, abs=1e-9), 2)


def test_the_same_network_takes_the_same_time_twice(folder: Path) -> None:
    async def play() -> Times:
        async with Server(folder, PROFILES["home-30mbps"]) as server, Engine() as engine:
            return await watch(engine, await engine.open(f"{server.url}/image"))

    runs = []
    for _ in range(2):
        with asyncio.Runner(loop_factory=VirtualClock) as runner:
            runs.append(runner.run(play()))
    assert runs[0] == runs[1]
