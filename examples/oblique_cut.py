"""Watch a cut through the middle of an image arrive, along none of its axes.

Run: python examples/oblique_cut.py URL [OUT.png]
"""

import asyncio
import sys

import brickstream as bs
from brickstream.multiscale import directions_across
from brickstream.viewers.files import write_gray


async def main(url: str, out: str | None = None) -> None:
    async with bs.Engine() as engine:
        image = await engine.open(url)
        # The cut stands across this direction, given along z, y and x of the world.
        view = bs.View.oblique(image, directions_across((1.0, 0.6, 0.3)), canvas=(800, 600))
        async for update in engine.slice(image, view):
            print(f"level {update.level}, tile {update.index}: {update.progress:.0%}")
        picture = update.to_array()
        print(f"the cut shows {picture.shape[0]} x {picture.shape[1]} pixels of level {update.level}")
    if out is not None:
        write_gray(out, picture)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
