"""Sources and clients for the tests of the fetcher."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from brickstream.chunks import ChunkKey, ChunkSource, ChunkState, Entry, Fetcher, Want
from brickstream.chunks.entry import SETTLED, Rank
from brickstream.chunks.source import Index
from brickstream.testing import StepSource


class TwoStepSource(StepSource):
    """Reads and decodes in two steps; a test holds both."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.decoding: dict[Index, asyncio.Future[None]] = {}

    async def read_encoded(self, index: Index, started: Callable[[], None]) -> tuple[Index, Any] | None:
        chunk = await self.read(index, started)
        return None if chunk is None else (index, chunk)

    async def decode(self, encoded: tuple[Index, Any]) -> Any:
        index, chunk = encoded
        self.decoding[index] = asyncio.get_running_loop().create_future()
        try:
            if self.held:
                await self.decoding[index]
        finally:
            del self.decoding[index]
        return chunk

    def flow(self) -> None:
        super().flow()
        for gate in self.decoding.values():
            gate.set_result(None)


def step_source(grid: tuple[int, int] = (4, 4), side: int = 4, steps: int = 1, **options: Any) -> Any:
    shape = tuple(n * side for n in grid)
    kind = StepSource if steps == 1 else TwoStepSource
    return kind(np.arange(np.prod(shape), dtype="u1").reshape(shape), (side, side), **options)


def want(source: ChunkSource, index: Index, place: int = 0, distance: float = 0.0) -> Want:
    return Want((id(source), index), source, (0, place, distance))


class Client:
    """Wants chunks and writes down what comes."""

    def __init__(self, name: str, fetcher: Fetcher, releases: bool = True) -> None:
        self.name = name
        self.fetcher = fetcher
        self.releases = releases
        self.got: list[tuple[Index, ChunkState]] = []
        self.wanted: dict[ChunkKey, Rank] = {}
        self.settled: Counter[ChunkKey] = Counter()
        self.held: set[ChunkKey] = set()

    def want(self, wants: Iterable[Want]) -> None:
        wants = list(wants)
        self.wanted = {w.key: w.rank for w in wants}
        self.settled.clear()
        self.held &= set(self.wanted)
        self.fetcher.want(self.name, wants, self.on_settled)

    def on_settled(self, entry: Entry) -> None:
        assert entry.state in SETTLED
        assert (entry.data is not None) == (entry.state is ChunkState.LOADED)
        assert (entry.error is not None) == (entry.state is ChunkState.FAILED)
        self.got.append((entry.key[1], entry.state))
        self.settled[entry.key] += 1
        self.held.add(entry.key)
        if self.releases:
            self.release([entry.key])

    def release(self, keys: Iterable[ChunkKey]) -> None:
        keys = list(keys)
        self.held -= set(keys)
        self.fetcher.release(self.name, keys)

    @property
    def indices(self) -> list[Index]:
        return [index for index, _ in self.got]
