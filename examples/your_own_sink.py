"""A sink of your own: three planes through the middle of an image, painted with NumPy as their chunks arrive.

Run: python examples/your_own_sink.py URL [OUT.png]
"""

import asyncio
import sys

import numpy as np

import brickstream as bs
from brickstream.engine import Update
from brickstream.multiscale import Budget, Plan, Pyramid, localize
from brickstream.viewers.files import write_gray

PLANES = (("y", "x"), ("z", "x"), ("y", "z"))


class Canvas:
    """Paints chunks of any level onto the pixels of the finest one; never a coarser one over a finer one."""

    def budget(self, pyramid: Pyramid, view: bs.View) -> Budget:
        chunk = pyramid.levels[0].chunks
        return Budget(10_000, tuple(chunk[axis] for axis in localize(pyramid, view).axes), mixed=False)

    def begin(self, generation: int, plan: Plan) -> tuple[()]:
        self.axes = list(plan.displayed)
        self.first, last = plan.target.corner_pixels[:, self.axes]
        self.pixels = np.zeros(tuple(last - self.first + 1))
        self.levels = np.full(self.pixels.shape, len(plan.pyramid.levels))
        return ()

    def put(self, update: Update) -> None:
        if update.data is None:
            return
        levels, target = update.plan.pyramid.levels, update.plan.target.level
        here, there = [], []
        for place, axis in enumerate(self.axes):
            fine, own = levels[target], levels[update.level]
            world = fine.translation[axis] + fine.scale[axis] * (
                self.first[place] + np.arange(self.pixels.shape[place])
            )
            pixel = np.floor((world - own.translation[axis]) / own.scale[axis] + 0.5).astype(int)
            pixel = pixel.clip(0, own.shape[axis] - 1) - update.region[0, axis]
            here.append(np.flatnonzero((pixel >= 0) & (pixel < update.data.shape[place])))
            there.append(pixel[here[-1]])
        box = np.ix_(*here)
        finer = self.levels[box] >= update.level
        self.pixels[box] = np.where(finer, update.data[np.ix_(*there)], self.pixels[box])
        self.levels[box] = np.minimum(self.levels[box], update.level)

    def drop(self, pyramid: Pyramid, regions: object) -> None:
        """Nothing is ever held here, so there is nothing to drop."""

    def complete(self, generation: int) -> None:
        print(f"complete: {self.pixels.shape[0]} x {self.pixels.shape[1]} pixels, mean {self.pixels.mean():.2f}")


async def main(url: str, out: str | None = None) -> None:
    async with bs.Engine() as engine:
        image = await engine.open(url)
        canvases = [Canvas() for _ in PLANES]
        viewports = [engine.viewport(canvas) for canvas in canvases]
        for viewport, displayed in zip(viewports, PLANES, strict=True):
            viewport.show(image, bs.View.plane(image, displayed, canvas=(800, 600)))
        for viewport in viewports:
            await viewport.complete()
        print(f"100% of {sum(canvas.pixels.size for canvas in canvases)} pixels, {engine.stats().requests} requests")
    if out is not None:
        height = max(canvas.pixels.shape[0] for canvas in canvases)
        padded = [np.pad(c.pixels, ((0, height - len(c.pixels)), (0, 4))) for c in canvases]
        write_gray(out, np.hstack(padded))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
