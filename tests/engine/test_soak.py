"""Endurance: much data through little memory, and very many views, without growth."""

import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import settings
from moments import run_and_leave_nothing

from brickstream.chunks import ChunkedImage, table
from brickstream.engine import Engine
from brickstream.errors import StoreError
from brickstream.latency import ThreadedServer
from brickstream.multiscale import Axis, Level, Pyramid, View
from brickstream.testing import settle

pytestmark = pytest.mark.soak

LONG = settings().max_examples > 100
GB = 1000**3
MARGIN = 300 * 1000**2
"""Bytes of memory beside the budget: the interpreter, its libraries, and what is on its way."""

# ---- much data


def write_volume(path: Path, grid: tuple[int, int, int]) -> None:
    """Write a volume all of whose chunks are one file on disk: it costs nothing to store and little to send."""
    side = 64
    array = zarr.create_array(str(path), shape=[n * side for n in grid], chunks=(side,) * 3, dtype="u2")
    array[:side, :side, :side] = np.broadcast_to(np.arange(1, side + 1), (side,) * 3)
    for index in np.ndindex(*grid):
        chunk = path / "c" / "/".join(map(str, index))
        if any(index):
            chunk.parent.mkdir(parents=True, exist_ok=True)
            os.link(path / "c" / "0" / "0" / "0", chunk)


def streamed(url: str, nbytes: int, budget: int) -> dict[str, int]:
    """Stream in a process of its own, where nothing else has used memory; see `streaming.py`."""
    script = Path(__file__).parents[1] / "streaming.py"
    command = [sys.executable, str(script), url, str(nbytes), str(budget)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, int] = json.loads(done.stdout)
    return result


def test_what_is_streamed_through_does_not_stay(tmp_path: Path) -> None:
    """Far more than fits: 20 GB in the long form, 1 GB in the short one."""
    nbytes, budget = (20 * GB, 512 << 20) if LONG else (GB, 128 << 20)
    if not LONG:
        write_volume(tmp_path / "volume", (8, 16, 32))
    with ThreadedServer(tmp_path) as server:
        url = f"{server.url}/synthetic/8192x8192x8192" if LONG else f"{server.url}/volume"
        result = streamed(url, nbytes, budget)
    assert result["decoded"] >= nbytes
    assert budget / 2 < result["ram_peak_bytes"] <= budget
    assert result["peak"] <= budget + MARGIN


# ---- many views


class Endless:
    """A level without end, whose chunks are there at once; some are missing, and some fail."""

    fill_value = 0
    dtype = np.dtype("u1")

    def __init__(self, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        self.shape = shape
        self.chunks = chunks

    def key(self, index: tuple[int, ...]) -> str:
        return "/".join(map(str, index))

    async def read(self, index: tuple[int, ...], started: Callable[[], None]) -> Any:
        await settle(hash(index) % 5)
        started()
        await settle(hash(index) % 3)
        if hash(index) % 20 == 0:
            raise StoreError("failed on purpose", self.key(index))
        return None if hash(index) % 20 == 1 else np.ones(self.chunks, self.dtype)


def endless_image() -> ChunkedImage:
    """A million pixels along each axis, in three levels."""
    sources = tuple(Endless((1 << (20 - k),) * 2, (32, 32)) for k in range(3))
    levels = tuple(
        Level(str(k), source.shape, source.dtype, source.chunks, (2.0**k,) * 2, ((2.0**k - 1) / 2,) * 2)
        for k, source in enumerate(sources)
    )
    pyramid = Pyramid("endless", tuple(Axis(name, "space") for name in "yx"), levels)
    return ChunkedImage("endless", "memory", None, pyramid, sources)


class Wanderer:
    """Looks at one place after the other, and mostly goes on before the picture is there."""

    def __init__(self, engine: Engine, image: ChunkedImage) -> None:
        self.engine = engine
        self.image = image
        self.dice = Random(0)

    def view(self, y: float, x: float) -> View:
        zoom = self.dice.choice([0.25, 0.5, 1.0])
        return View.plane(self.image, canvas=(60, 40), center={"y": y, "x": x}, zoom=zoom)

    async def wander(self, views: int) -> None:
        """Change the view, again and again, and come home in the end."""
        y, x = self.dice.uniform(0, 1 << 20), self.dice.uniform(0, 1 << 20)
        for _ in range(views):
            y, x = y + self.dice.uniform(-100, 100), x + self.dice.uniform(-100, 100)
            self.engine.show(self.image, self.view(y, x))
            await settle(self.dice.randrange(8))
            self.engine.poll()
        self.engine.show(self.image, View.plane(self.image, canvas=(60, 40), center={"y": 0.0, "x": 0.0}, zoom=1.0))
        await self.engine.complete()
        self.engine.poll()


def test_views_come_and_go_without_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 in the long form, 2,000 in the short one: in the end there is as much in memory as near the start."""
    tenth = 10_000 if LONG else 200
    # How chunks ended that hold no data is remembered, of so many: here of few, so that this is full soon.
    monkeypatch.setattr(table, "MAX_REMEMBERED", 100)

    async def main() -> None:
        async with Engine(64 << 10, 16) as engine:
            wanderer = Wanderer(engine, endless_image())
            await wanderer.wander(tenth)
            objects = count_objects()
            await wanderer.wander(8 * tenth)
            tracemalloc.start()
            try:
                # What is replaced in the first of these is not counted before it, and all of it is in the second.
                await wanderer.wander(tenth // 2)
                before = traced()
                await wanderer.wander(tenth // 2)
                grown = traced() - before
            finally:
                tracemalloc.stop()
            assert grown < 100_000, f"{grown:,} bytes more after {tenth // 2:,} more views"
            # Less than one for each view of the short form: the last view may need more than an early one.
            assert count_objects() - objects < 1_800
            assert len(engine.core.fetcher.table.entries) < 400

    run_and_leave_nothing(main)


def count_objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
