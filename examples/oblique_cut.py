"""Watch a cut through the middle of an image arrive, along none of its axes.

Run: python examples/oblique_cut.py URL [OUT.png]
"""

import asyncio
import sys
from pathlib import Path

import numpy as np

import brickstream as bs
from brickstream.multiscale import directions_across
from brickstream.viewers.files import write_png


async def main(url: str, out: Path | None) -> None:
    async with bs.Engine() as engine:
        image = await engine.open(url)
        # The cut stands across this direction, given along z, y and x of the world.
        view = bs.View.oblique(image, directions_across((1.0, 0.6, 0.3)), canvas=(800, 600))
        async for update in engine.slice(image, view):
            print(f"level {update.level}, tile {update.index}: {update.progress:.0%}")
        picture = update.to_array()
        print(f"the cut shows {picture.shape[0]} x {picture.shape[1]} pixels of level {update.level}")
    if out is not None:
        grey = (255.0 * picture / max(picture.max(), 1)).astype(np.uint8)
        write_png(out, np.dstack([grey, grey, grey, np.full_like(grey, 255)]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None))
