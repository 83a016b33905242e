"""The engine in virtual time: how long people wait, counted in round trips, with nothing of this machine in it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import SIDE, write_image
from virtual import now, virtually

from brickstream.chunks import ChunkedImage
from brickstream.chunks.http.pace import FIRST_WINDOW, LOST_LEAST_S
from brickstream.chunks.source import Index
from brickstream.engine import Engine
from brickstream.engine.update import Outcome
from brickstream.latency import PROFILES, Fault, Network, Server
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


@virtually
async def test_documents_and_the_first_level_do_not_tell_how_many_reads_a_link_can_do_with(folder: Path) -> None:
    async with Server(folder, Network(latency_ms=100)) as server, Engine() as engine:
        await watch(engine, await engine.open(f"{server.url}/image"))
        await server.idle()
        begun = Counter(round(row.start, 6) for row in server.log if "/c/" in row.key)
    assert begun[0.2] == 4
    assert begun[0.3] == FIRST_WINDOW


@virtually
async def test_a_pan_reads_stand_ins_for_its_first_view_and_none_for_a_strip(folder: Path) -> None:
    """The strip that comes into view is a column of chunks: stand-ins would be half as many reads besides."""
    async with Server(folder, Network(latency_ms=100)) as server, Engine() as engine:
        image = await engine.open(f"{server.url}/image")
        viewport, half = engine.viewport(), GRID * SIDE // 2
        plans = []
        for step in range(GRID // 2 + 1):
            center = {"y": half - 0.5, "x": half / 2 - 0.5 + step * SIDE}
            plans.append(viewport.show(image, View.plane(image, canvas=(half, 2 * half), center=center, zoom=1.0)))
            await asyncio.sleep(0.15)
            viewport.poll()
        await viewport.complete()
        await server.idle()
        asked = Counter(row.key for row in server.log if "/c/" in row.key)
    standins = [{f"image/1/c/{y}/{x}" for p in plan.levels if p.level == 1 for y, x in p.chunks} for plan in plans]
    assert [len(names) for names in standins[:3]] == [GRID, GRID, 0]  # by the third view finer ones are here
    assert all(later <= earlier for earlier, later in pairwise(standins))
    assert {key for key in asked if key.startswith("image/1/")} == standins[0]
    assert set(asked.values()) == {1}


def test_the_same_network_takes_the_same_time_twice(folder: Path) -> None:
    async def play() -> Times:
        async with Server(folder, PROFILES["home-30mbps"]) as server, Engine() as engine:
            return await watch(engine, await engine.open(f"{server.url}/image"))

    runs = []
    for _ in range(2):
        with asyncio.Runner(loop_factory=VirtualClock) as runner:
            runs.append(runner.run(play()))
    assert runs[0] == runs[1]


@virtually
async def test_a_document_whose_answer_is_lost_is_asked_for_again_after_three_seconds(folder: Path) -> None:

    def first(key: str, number: int) -> Fault | None:
        return Fault("hang") if key == "image/zarr.json" and number == 0 else None

    async with Server(folder, Network(latency_ms=100), faults=first) as server, Engine() as engine:
        await engine.open(f"{server.url}/image")
        assert LOST_LEAST_S < now() < LOST_LEAST_S + 0.5


@pytest.mark.parametrize("seed", range(6))
@virtually
async def test_on_a_bad_day_a_picture_is_complete_all_the_same(folder: Path, seed: int) -> None:
    """3 % of the answers are 503, others are reset, never begin, or stop half-way."""
    network = replace(PROFILES["bad-day"], seed=seed)
    async with Server(folder, network) as server, Engine() as engine:
        image = await engine.open(f"{server.url}/image")
        view = View.plane(image, canvas=(GRID * SIDE, GRID * SIDE))
        updates = [update async for update in engine.slice(image, view)]
        assert len([update for update in updates if update.level == 0]) == GRID * GRID
        assert {update.outcome for update in updates} == {Outcome.LOADED}
        assert now() < 25
