"""Streams an image through an engine and says how much memory that took, as JSON. Run it in a process of its own."""

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count, product
from pathlib import Path

from brickstream.chunks import ChunkedImage, HttpOptions
from brickstream.engine import Engine, Outcome, Update
from brickstream.multiscale import View

PLANE, VOLUME = 1024, 192


def planes(image: ChunkedImage) -> Iterator[View]:
    """Planes of level 0, each through other chunks than those before."""
    level = image.pyramid.levels[0]
    steps = [range(chunk // 2, length, chunk) for length, chunk in zip(level.shape[:1], level.chunks[:1], strict=True)]
    places = [range(PLANE // 2, length, PLANE) for length in level.shape[1:]]
    for z, y, x in product(*steps, *places):
        yield View.plane(image, point={"z": z}, canvas=(PLANE, PLANE), center={"y": y, "x": x}, zoom=1.0)


def boxes(image: ChunkedImage) -> Iterator[View]:
    """Small volumes of level 0, each of other chunks than those before."""
    places = [range(VOLUME // 2, length, VOLUME) for length in image.pyramid.levels[0].shape]
    for center in product(*places):
        yield View.volume(image, canvas=(VOLUME, VOLUME), center=dict(zip("zyx", center, strict=True)), zoom=1.0)


async def shown(engine: Engine, image: ChunkedImage, view: View) -> AsyncIterator[Update]:
    """Updates of a view as a host without a sink gets them."""
    engine.show(image, view)
    for _ in count():
        updates = engine.poll()
        for update in updates:
            yield update
        if updates and updates[-1].complete:
            return
        await asyncio.sleep(0)


async def stream(url: str, nbytes: int, budget: int) -> dict[str, int]:
    """Look at planes through slices and at volumes by showing them, until so many bytes were read and decoded."""
    async with Engine(budget, http=HttpOptions(hedge=False)) as engine:
        image = await engine.open(url)
        (chunk,) = {level.chunk_nbytes for level in image.pyramid.levels}
        of_metadata = engine.stats().requests
        flat, deep = planes(image), boxes(image)
        while (engine.stats().requests - of_metadata) * chunk < nbytes:
            async for update in engine.slice(image, next(flat)):
                assert update.outcome is Outcome.LOADED, update.failure
            async for update in shown(engine, image, next(deep)):
                assert update.outcome is Outcome.LOADED, update.failure
        stats = engine.stats()
    return {
        "decoded": (stats.requests - of_metadata) * chunk,
        "ram_peak_bytes": stats.ram_peak_bytes,
        "peak": peak_bytes(),
    }


def peak_bytes() -> int:
    """Most memory so far. On Linux ru_maxrss also counts what the parent had at the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(stream(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
