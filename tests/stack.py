"""A stack of planes whose reads are held, and an engine that fetches ahead of the one that is shown."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from brickstream.chunks import ChunkedImage, ChunkState
from brickstream.chunks.entry import PREFETCH
from brickstream.engine import Ahead, Engine
from brickstream.multiscale import View
from brickstream.multiscale.navigate import move_point
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

Index = tuple[int, ...]
SIDE = 8
CHUNK = SIDE * SIDE
Z_ONLY = Ahead(count=3, ring=0)


class Stack:
    """One chunk of one plane is in view."""

    def __init__(self, engine: Engine, image: ChunkedImage) -> None:
        self.engine = engine
        self.image = image
        self.view = View.plane(
            image, point={"t": 1.0, "z": 10.0}, canvas=(SIDE, SIDE), center={"y": 19.5, "x": 19.5}, zoom=1.0
        )

    @property
    def sources(self) -> tuple[StepSource, ...]:
        return self.image.sources  # type: ignore[return-value]

    @property
    def source(self) -> StepSource:
        return self.sources[0]

    @property
    def begun(self) -> list[Index]:
        return self.source.happened("begin")

    async def show(self, view: View) -> None:
        self.engine.show(self.image, view)
        await settle()

    async def see(self, *views: View) -> None:
        """Show views one after the other, each until it is complete."""
        for view in views:
            plan = self.engine.show(self.image, view)
            await settle()
            while not self.engine.main.is_complete:
                for part in plan.levels:
                    source = self.sources[part.level]
                    source.release(*({tuple(index) for index in part.chunks.tolist()} & set(source.waiting)))
                await settle()
                self.engine.poll()
            await settle()

    async def drain(self) -> list[Index]:
        """Let what is being read come, one after the other; return it."""
        came = []
        while self.source.waiting:
            came.append(self.source.waiting[0])
            self.source.release(came[-1])
            await settle()
        return came

    def at(self, **point: float) -> View:
        view = self.view
        for axis, position in point.items():
            view = move_point(view, axis, position)
        return view

    def guessed(self) -> list[Index]:
        """Chunks that are wanted in tier 1 alone."""
        entries = self.engine.core.fetcher.table.entries.values()
        return [entry.key[1] for entry in entries if entry.rank is not None and entry.rank[0] == PREFETCH]

    def resident(self) -> set[Index]:
        entries = self.engine.core.fetcher.table.entries.values()
        return {entry.key[1] for entry in entries if entry.state is ChunkState.LOADED}


@asynccontextmanager
async def shown(
    prefetch: bool | Ahead, max_ram_bytes: int = CHUNK * 1000, max_inflight: int = 1, **options: Any
) -> AsyncIterator[Stack]:
    data = np.arange(3 * 20 * 40 * 40, dtype=np.uint32).reshape(3, 20, 40, 40).astype(np.uint8)
    image = memory_image(data, (1, 1, SIDE, SIDE), axes="tzyx", source=StepSource, **options)
    async with Engine(max_ram_bytes, max_inflight, sink=RecordingSink(), prefetch=prefetch) as engine:
        yield Stack(engine, image)
    assert not [index for source in image.sources if isinstance(source, StepSource) for index in source.waiting]


def planes(indices: Iterable[Index], axis: int = 1) -> list[int]:
    return [index[axis] for index in indices]
