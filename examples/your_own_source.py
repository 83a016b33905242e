"""A source of your own: anything that can say its shape and give one chunk. Here, waves that meet.

Run: python examples/your_own_source.py [OUT.png]
"""

import asyncio
import sys
from collections.abc import Callable

import numpy as np

import brickstream as bs
from brickstream.viewers.files import write_gray


class Waves:
    """One level: every `step`-th pixel of a pool of 65,536 x 65,536."""

    chunks, dtype, fill_value = (256, 256), np.dtype(np.float32), 0.0

    def __init__(self, step: int) -> None:
        self.step, self.shape = step, (65_536 // step, 65_536 // step)

    def key(self, index: tuple[int, ...]) -> str:
        return f"waves/{self.step}/{index}"

    async def read(self, index: tuple[int, ...], started: Callable[[], None] = lambda: None) -> np.ndarray:
        """Make one chunk; a thread does the work, so that the event loop goes on."""
        return await asyncio.to_thread(self.pixels, index)

    def pixels(self, index: tuple[int, ...]) -> np.ndarray:
        y, x = ((i * 256 + np.arange(256) + 0.5) * self.step / 65_536 for i in index)
        stones = [(0.3, 0.35), (0.7, 0.5), (0.45, 0.75)]
        away = [np.hypot(y[:, None] - a, x[None, :] - b) for a, b in stones]
        return sum(np.sin(160 * d) / (1 + 4 * d) for d in away).astype(np.float32)


async def main(out: str | None = None) -> None:
    async with bs.Engine() as engine:
        image = await engine.open([Waves(1 << level) for level in range(9)])
        async for update in engine.slice(image, bs.View.plane(image, canvas=(512, 512))):
            print(f"level {update.level}: {update.progress:.0%}")
        picture = update.to_array()
        print(f"{picture.shape[0]} x {picture.shape[1]} pixels of {image.pyramid.levels[0].shape}")
    if out is not None:
        write_gray(out, picture)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
