"""Look at a computation that nobody has made yet: the chunks of a dask array are computed when they come into view.

Run: python examples/dask_array.py [OUT.png]
"""

import asyncio
import sys

import dask.array as da
import numpy as np

import brickstream as bs
from brickstream.viewers.files import write_gray

SIDE = 16_384
CHUNK = 256


def lazy(level: int) -> da.Array:
    """How long points of the complex plane take to escape (Mandelbrot): every 2^level-th pixel of 16,384 x 16,384."""
    side = SIDE >> level
    chunks = (min(side, CHUNK),) * (side // min(side, CHUNK))
    return da.map_blocks(escape, side, chunks=(chunks, chunks), dtype=np.uint8, meta=np.empty((0, 0), np.uint8))


def escape(side: int, block_info: dict | None = None) -> np.ndarray:
    rows, columns = (np.arange(*ends) for ends in block_info[None]["array-location"])
    y, x = (rows + 0.5) / side * 2.4 - 1.2, (columns + 0.5) / side * 2.4 - 1.8
    c = x[None, :] + 1j * y[:, None]
    z, steps = np.zeros_like(c), np.zeros(c.shape, np.uint8)
    for _ in range(250):
        near = np.abs(z) < 2
        z[near] = z[near] ** 2 + c[near]
        steps += near
    return steps


async def main(out: str | None = None) -> None:
    async with bs.Engine() as engine:
        image = await engine.open([lazy(level) for level in range(7)])
        view = bs.View.plane(image, canvas=(500, 500), zoom=0.5, center={"y": SIDE * 0.546, "x": SIDE * 0.44})
        async for update in engine.slice(image, view):
            print(f"level {update.level}: {update.progress:.0%}")
        picture, computed = update.to_array(), engine.stats().ram_peak_bytes
        print(f"computed {computed:,} of {SIDE * SIDE:,} pixels of level 0")
    if out is not None:
        write_gray(out, np.log1p(picture))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
