"""Small pyramids, updates without an engine, and a device without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from brickstream.engine.update import Outcome, Update
from brickstream.multiscale import Axis, Level, Plan, Pyramid, plan_view


class MemoryDevice:
    """Keeps the textures in NumPy."""

    def __init__(self) -> None:
        self.layout: Any = None
        self.atlas = np.zeros((1, 1, 1), dtype=np.uint8)
        self.cells = np.zeros((1, 1, 4), dtype=np.float32)

    def allocate(self, layout: Any) -> None:
        self.layout = layout
        self.atlas = np.zeros(layout.shape, dtype=layout.dtype)

    def grow(self, layout: Any) -> None:
        old = self.atlas
        self.allocate(layout)
        self.atlas[: old.shape[0]] = old

    def write(self, start: tuple[int, int, int], texels: np.ndarray) -> None:
        z, y, x = (slice(s, s + n) for s, n in zip(start, texels.shape, strict=True))
        assert self.atlas[z, y, x].shape == texels.shape
        self.atlas[z, y, x] = texels

    def write_table(self, cells: np.ndarray, first: int, stop: int) -> None:
        if self.cells.shape != cells.shape:
            self.cells = np.full(cells.shape, -1, dtype=np.float32)
        self.cells[first:stop] = cells[first:stop]

    @property
    def nbytes(self) -> int:
        return self.atlas.nbytes + self.cells.nbytes


def make_pyramid(
    arrays: list[np.ndarray],
    chunks: tuple[int, ...],
    scales: list[tuple[float, ...]] | None = None,
    translations: list[tuple[float, ...]] | None = None,
    axes: str = "zyx",
) -> Pyramid:
    """A pyramid over arrays; levels cover the same extent unless told otherwise."""
    base = np.array(arrays[0].shape)
    levels = []
    for k, a in enumerate(arrays):
        scale = tuple(base / np.array(a.shape)) if scales is None else scales[k]
        shift = tuple((np.array(scale) - 1) / 2) if translations is None else translations[k]
        levels.append(Level(str(k), a.shape, a.dtype, chunks, tuple(map(float, scale)), tuple(map(float, shift))))
    kinds = {"t": "time", "c": "channel"}
    return Pyramid("test", tuple(Axis(c, kinds.get(c, "space")) for c in axes), tuple(levels))


def shrink(array: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """Mean over blocks; shapes are rounded up."""
    pads = [(0, -n % f) for n, f in zip(array.shape, factors, strict=True)]
    padded = np.pad(array, pads, mode="edge").astype(np.float64)
    for axis, f in enumerate(factors):
        shape = list(padded.shape)
        shape[axis : axis + 1] = [shape[axis] // f, f]
        padded = padded.reshape(shape).mean(axis=axis + 1)
    return padded.astype(array.dtype)


def updates(
    plan: Plan,
    read: Callable[[int, tuple[slice | int, ...]], np.ndarray],
    generation: int,
    held: Collection[Any] = (),
    failed: Collection[Any] = (),
    rng: np.random.Generator | None = None,
) -> Iterator[Update]:
    """What an engine would deliver, in the plan's order or shuffled."""
    names = [(part.level, tuple(c)) for part in plan.levels for c in part.chunks.tolist()]
    names = [name for name in names if name not in held]
    if rng is not None:
        names = [names[i] for i in rng.permutation(len(names))]
    for n, (k, index) in enumerate(names):
        level = plan.pyramid.levels[k]
        start, stop = level.chunk_box(index)
        part = next(p for p in plan.levels if p.level == k)
        at = tuple(
            slice(start[a], stop[a]) if a in plan.displayed else int(part.corner_pixels[0, a])
            for a in range(plan.pyramid.ndim)
        )
        data: Any = None
        outcome = Outcome.FAILED
        if (k, index) not in failed:
            order = sorted(plan.displayed)
            data, outcome = read(k, at).transpose([order.index(a) for a in plan.displayed]), Outcome.LOADED
        yield Update(1, generation, plan, k, outcome, index, np.array([start, stop]), data, n + 1, len(names), 0)


def feed(sink: Any, plan: Plan, arrays: list[np.ndarray], generation: int = 1, **how: Any) -> set[Any]:
    """Begin a plan, put all it needs and complete it; returns what was held."""
    held = set(sink.begin(generation, plan))
    for update in updates(plan, lambda k, at: arrays[k][at], generation, held, **how):
        sink.put(update)
    sink.complete(generation)
    return held


def plan_for(sink: Any, pyramid: Pyramid, view: Any) -> Plan:
    return plan_view(pyramid, view, sink.budget(pyramid, view))


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    return SimpleNamespace(
        MemoryDevice=MemoryDevice,
        make_pyramid=make_pyramid,
        shrink=shrink,
        updates=updates,
        feed=feed,
        plan_for=plan_for,
    )
