"""Open a remote image and watch a plane of it arrive, coarse to fine.

Run: python examples/open_and_look.py URL [OUT.png]
"""

import asyncio
import sys

import brickstream as bs
from brickstream.viewers.files import write_gray


async def main(url: str, out: str | None = None) -> None:
    async with bs.Engine(max_ram_bytes=1 << 30, max_inflight=64) as engine:
        image = await engine.open(url)
        view = bs.View.plane(image, canvas=(800, 600))
        async for update in engine.slice(image, view):
            print(f"level {update.level}: {update.progress:.0%}")
        picture = update.to_array()
        print(f"{picture.shape[0]} x {picture.shape[1]} pixels of level {update.level}, mean {picture.mean():.2f}")
    if out is not None:
        write_gray(out, picture)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
