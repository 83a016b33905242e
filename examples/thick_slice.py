"""Watch the maximum projection of a thick slice refine as its planes arrive, and ask for the value under its middle.

Run: python examples/thick_slice.py URL [OUT.png]
"""

import asyncio
import sys

import brickstream as bs
from brickstream.viewers.files import write_gray


async def main(url: str, out: str | None = None) -> None:
    async with bs.Engine() as engine:
        image = await engine.open(url)
        # Ten world units to both sides of the middle, on the axis that is not displayed.
        view = bs.View.plane(image, margins={"z": 10.0}, projection="max")
        async for update in engine.slice(image, view):
            seen = "nothing yet" if update.data is None else f"up to {update.data.max()}"
            print(f"level {update.level}: {update.progress:.0%}, {seen}")
        picture = update.to_array()
        print(f"brightest of the finished picture: {picture.max()}")
        middle = {**dict(view.point), **dict(zip(view.displayed, view.center, strict=True))}
        print(f"value in the middle: {await engine.value_at(image, middle)}")
    if out is not None:
        write_gray(out, picture)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
