"""A network on which everything goes wrong: what says that it is loaded is right, and the rest is told about."""

import threading
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest
import stored
from hypothesis import settings
from moments import every_file_closed, run_and_leave_nothing
from numpy.typing import NDArray
from scenes import StrictSink

from brickstream.chunks import ChunkedImage, HttpOptions, RetryPolicy
from brickstream.engine import Engine, Outcome, Update
from brickstream.errors import BrickstreamError
from brickstream.latency import Network, ThreadedServer
from brickstream.multiscale import View
from brickstream.testing import settle

pytestmark = pytest.mark.soak

LONG = settings().max_examples > 100
ROUNDS = 25 if LONG else 1
VIEWS = 200
GRID = (6, 6)
HOLES = ((0, 0), (3, 4), (5, 1))
SECRET = "hunter2"
CHAOS = {"rate_503": 0.10, "rate_reset": 0.05, "rate_truncate": 0.05, "rate_hang": 0.02, "rate_corrupt": 0.02}
# What hangs is given up soon, also before its answer begins, and tried again at once.
HASTY = HttpOptions(connect_s=0.25, read_s=0.25, retry=RetryPolicy(first_s=0.001, longest_s=0.01))
INFLIGHT = 16


class Witness(StrictSink):
    """Compares all that it is told with what the image holds; each planned chunk must come, once, or be held."""

    def __init__(self, arrays: list[NDArray[np.uint16]]) -> None:
        super().__init__()
        self.arrays = arrays

    def put(self, update: Update) -> None:
        super().put(update)
        witness(update, self.arrays)


def witness(update: Update, arrays: list[NDArray[np.uint16]]) -> None:
    """An update tells nothing but the truth."""
    hole = update.level == 0 and update.index in HOLES
    if update.outcome is Outcome.FAILED:
        failure = update.failure
        assert failure is not None
        assert update.data is None
        assert failure.url.startswith("http://127.0.0.1:")
        assert failure.url.endswith("/image?...")
        assert failure.key.startswith(f"{update.level}/c/")
        assert failure.reason
        assert SECRET not in f"{failure} {update}"
        return
    assert update.failure is None
    assert update.outcome is (Outcome.MISSING if hole else Outcome.LOADED)
    box = tuple(slice(low, high) for low, high in update.region.T)
    np.testing.assert_array_equal(update.data, arrays[update.level][box])


@dataclass
class Traveller:
    """Looks at random places of an image, mostly without waiting for the picture."""

    engine: Engine
    image: ChunkedImage
    arrays: list[NDArray[np.uint16]]
    dice: Random

    def view(self) -> View:
        size = GRID[0] * stored.SIDE
        canvas = (self.dice.randrange(4, size), self.dice.randrange(4, size))
        center = {name: self.dice.uniform(0, size) for name in "yx"}
        return View.plane(self.image, canvas=canvas, center=center, zoom=self.dice.choice([0.2, 0.5, 1.0, 1.0, 2.0]))

    async def look(self) -> None:
        """Change the view, or cut a slice, and go on at any time."""
        if self.dice.random() < 0.2:
            await self.slice()
            return
        self.engine.show(self.image, self.view())
        if self.dice.random() < 0.2:
            await self.engine.complete()
            return
        for _ in range(self.dice.randrange(4)):
            await settle(self.dice.randrange(40))
            self.engine.poll(self.dice.choice([None, 0]))

    async def slice(self) -> None:
        most = self.dice.choice([1, 3, 1000])
        async for update in self.engine.slice(self.image, self.view()):
            if update.outcome is not Outcome.NOTHING:
                witness(update, self.arrays)
            most -= 1
            if not most:
                return
        assert update.complete


async def opened(engine: Engine, url: str) -> ChunkedImage:
    """Metadata has no checksum: what cannot be read is told of, and asked for again."""
    for _ in range(20):
        try:
            return await engine.open(url)
        except BrickstreamError as error:
            assert SECRET not in f"{error} {error!r}"  # noqa: PT017 - most of the time there is none
    raise AssertionError("it never opened")


async def travel(url: str, arrays: list[NDArray[np.uint16]], seed: int) -> None:
    sink = Witness(arrays)
    # Memory for less than one view: what was seen is read again.
    async with Engine(24 * arrays[0].itemsize * stored.SIDE**2, INFLIGHT, sink=sink, http=HASTY) as engine:
        image = await opened(engine, url)
        traveller = Traveller(engine, image, arrays, Random(seed))
        for _ in range(VIEWS):
            await traveller.look()
        side = GRID[0] * stored.SIDE
        whole = View.plane(image, canvas=(side, side))
        engine.show(image, whole)
        await engine.complete()
        for _ in range(30):
            if not sink.updates[-1].failed:
                break
            engine.retry_failed()
            await engine.complete()
        np.testing.assert_array_equal(sink.picture(), arrays[0])
        assert {update.outcome for update in sink.updates} >= {Outcome.LOADED, Outcome.MISSING, Outcome.FAILED}
        assert engine.core.fetcher.table.running == 0
        connector = engine._run().client.session.connector
        assert connector is not None
        assert not connector._acquired


@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("kind", stored.KINDS)
def test_after_two_hundred_views_nothing_is_wrong_and_nothing_is_left(tmp_path: Path, kind: str, seed: int) -> None:
    arrays = stored.write_image(tmp_path / "image", kind, GRID, 3, seed, HOLES)
    threads = set(threading.enumerate())
    with every_file_closed(), ThreadedServer(tmp_path, Network(seed=seed, **CHAOS)) as server:
        url = f"{server.url}/image?token={SECRET}"
        run_and_leave_nothing(lambda: travel(url, arrays, seed))
        server.idle()
        assert {row.fault for row in server.log} == {None, "status", "reset", "truncate", "hang", "corrupt"}
    assert set(threading.enumerate()) <= threads
