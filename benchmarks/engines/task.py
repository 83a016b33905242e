"""What an engine is asked to do, and the watch that it reports to."""

import gc
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any, Self

import numpy as np

CHUNK = 64
# As many as our engine takes; the same for all that decode in Python's threads.
THREADS = min(4, max(2, os.cpu_count() or 2))

Index = tuple[int, int, int]


@dataclass(frozen=True)
class Case:
    """A view of chunks of 64^3 pixels: one plane through all of an array, or all of it."""

    name: str
    grid: Index
    plane: int | None = None

    @property
    def path(self) -> str:
        return f"{self.name}-{'x'.join(map(str, self.grid))}"

    @property
    def shape(self) -> Index:
        z, y, x = (n * CHUNK for n in self.grid)
        return z, y, x

    @property
    def chunks(self) -> int:
        return prod(self.grid)

    @property
    def selection(self) -> tuple[int | slice, ...]:
        """What NumPy slicing of the whole array would take."""
        return (slice(None) if self.plane is None else self.plane, slice(None), slice(None))

    def indices(self) -> Iterator[Index]:
        return product(*map(range, self.grid))

    def box(self, index: Index) -> tuple[int | slice, ...]:
        """What of the array is seen of a chunk."""
        z, y, x = (slice(i * CHUNK, (i + 1) * CHUNK) for i in index)
        return (z if self.plane is None else self.plane, y, x)

    def seen(self, chunk: np.ndarray) -> np.ndarray:
        """Cut what is seen out of a decoded chunk; a plane does not keep the chunk in memory."""
        return chunk if self.plane is None else chunk[self.plane % CHUNK].copy()


CASES = {case.name: case for case in (Case("plane", (1, 17, 17), plane=32), Case("volume", (6, 9, 12)))}
SMALL = {case.name: case for case in (Case("plane", (1, 3, 3), plane=32), Case("volume", (2, 2, 2)))}


@dataclass(frozen=True)
class Task:
    """One run: a view of an array under a URL, with an engine's settings."""

    url: str
    case: Case
    settings: dict[str, Any]

    @property
    def concurrency(self) -> int:
        return int(self.settings["concurrency"])


@dataclass
class Watch:
    """Measures a view: enter it when the array is open, :meth:`deliver` what comes, leave it when all is there."""

    made: float = field(default_factory=time.perf_counter)
    open_s: float = 0.0
    first_s: float | None = None
    complete_s: float = 0.0
    cpu_s: float = 0.0
    pixels: list[np.ndarray] = field(default_factory=list)

    def __enter__(self) -> Self:
        # What imports have left behind is not the engine's: a full collection takes as long as the first chunk.
        gc.collect()
        self._cpu, self._began = time.process_time(), time.perf_counter()
        self.open_s = self._began - self.made
        return self

    def __exit__(self, *exc: object) -> None:
        self.complete_s = time.perf_counter() - self._began
        self.cpu_s = time.process_time() - self._cpu

    def deliver(self, pixels: np.ndarray) -> None:
        """Take pixels that could be shown now."""
        if self.first_s is None:
            self.first_s = time.perf_counter() - self._began
        self.pixels.append(pixels)

    def total(self) -> int:
        """Sum of everything that was delivered: what makes sure that it is right."""
        return sum(int(part.sum(dtype=np.uint64)) for part in self.pixels)
