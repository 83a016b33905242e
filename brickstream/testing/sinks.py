"""A sink that draws with NumPy and remembers everything."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brickstream.engine import ChunkId, Outcome, Update
from brickstream.engine.outdated import touches
from brickstream.multiscale import Budget, LevelPlan, Plan, Pyramid, View, localize, picture_dtype
from brickstream.multiscale.affine import IntArray

BLANK = -1
"""In :meth:`RecordingSink.levels_shown`: nothing is shown here."""


@dataclass(frozen=True, eq=False)
class _Shown:
    """A chunk on the canvas."""

    level: int
    region: IntArray
    pixels: NDArray[np.generic]


class RecordingSink:
    """A sink that keeps every chunk it was given and paints them, coarse first, onto a NumPy canvas.

    Bricks are chunks. What a new view does not need stays until the view is complete, and is shown where nothing
    better is there; another image, another plane or other displayed axes clear the canvas. All methods belong to the
    render thread.

    Parameters
    ----------
    max_bricks : int, default 100_000
        What :meth:`budget` answers.

    Attributes
    ----------
    begun : list of (int, Plan)
        Every generation, with its plan.
    updates : list of Update
        Everything that was put, of all generations.
    completed : list of int
        Generations that were complete.
    plan : Plan or None
        Of the newest generation.
    """

    def __init__(self, max_bricks: int = 100_000) -> None:
        self.max_bricks = max_bricks
        self.begun: list[tuple[int, Plan]] = []
        self.updates: list[Update] = []
        self.completed: list[int] = []
        self.plan: Plan | None = None
        self._shown: dict[ChunkId, _Shown] = {}
        self._stale: set[ChunkId] = set()

    def budget(self, pyramid: Pyramid, view: View) -> Budget:
        """Allow `max_bricks` bricks, each a chunk of level 0 on the axes of the picture."""
        chunks = pyramid.levels[0].chunks
        shape = tuple(chunks[axis] for axis in localize(pyramid, view).axes)
        return Budget(self.max_bricks, shape, mixed=False)

    def begin(self, generation: int, plan: Plan) -> Collection[ChunkId]:
        """Start a generation; planned chunks that are on the canvas are held."""
        if self.plan is not None and not _same_place(self.plan, plan):
            self._shown.clear()
            self._stale.clear()
        self.begun.append((generation, plan))
        self.plan = plan
        return [chunk for chunk in _planned(plan) if chunk in self.held]

    def put(self, update: Update) -> None:
        """Paint a chunk; a failed one is only written down."""
        self.updates.append(update)
        if update.data is not None and update.outcome is not Outcome.NOTHING:
            region = update.region[:, list(update.plan.displayed)]
            self._stale.discard((update.level, update.index))
            # The newest last: in a thick slice it shows what those before it of its place show, and more.
            self._shown.pop((update.level, update.index), None)
            self._shown[update.level, update.index] = _Shown(update.level, region, update.data)

    def drop(self, pyramid: Pyramid, regions: Mapping[int, IntArray]) -> None:
        """Hold nothing of these regions any more; it stays on the canvas."""
        if self.plan is not None and self.plan.pyramid is pyramid:
            for level, index in self._shown:
                if touches(index, pyramid.levels[level].chunks, regions[level]):
                    self._stale.add((level, index))

    def complete(self, generation: int) -> None:
        """Write down that a generation is complete, and drop what it does not need."""
        self.completed.append(generation)
        if self.plan is not None:
            needed = set(_planned(self.plan))
            self._shown = {chunk: shown for chunk, shown in self._shown.items() if chunk in needed}

    @property
    def held(self) -> frozenset[ChunkId]:
        """Chunks on the canvas now, but for those that may be out of date."""
        return frozenset(self._shown).difference(self._stale)

    def picture(self) -> NDArray[np.generic]:
        """Paint the target level's pixels in view: shape of its `corner_pixels` on the displayed axes; zero is blank.

        Coarser pixels stand where finer ones have not come, taken by nearest centre.
        """
        plan, target = self._target()
        canvas = np.zeros(_extent(plan, target), picture_dtype(plan.pyramid, plan.local, plan.view))
        for shown, places, sources in self._painted(plan, target):
            canvas[np.ix_(*places)] = shown.pixels[np.ix_(*sources)]
        return canvas

    def levels_shown(self) -> IntArray:
        """Level that each pixel of :meth:`picture` comes from; -1 is blank. Shape of the picture, int64."""
        plan, target = self._target()
        levels = np.full(_extent(plan, target), BLANK, dtype=np.int64)
        for shown, places, _ in self._painted(plan, target):
            levels[np.ix_(*places)] = shown.level
        return levels

    def _target(self) -> tuple[Plan, LevelPlan]:
        if self.plan is None or self.plan.empty:
            raise LookupError("nothing is in view")
        return self.plan, self.plan.target

    def _painted(self, plan: Plan, target: LevelPlan) -> list[tuple[_Shown, list[IntArray], list[IntArray]]]:
        """What is on the canvas, coarse first, with canvas places and chunk pixels by displayed axis."""
        painted = []
        for shown in sorted(self._shown.values(), key=lambda s: -s.level):
            places, sources = [], []
            for d, axis in enumerate(plan.displayed):
                fine, own = plan.pyramid.levels[target.level], plan.pyramid.levels[shown.level]
                pixels = np.arange(target.corner_pixels[0, axis], target.corner_pixels[1, axis] + 1)
                world = fine.translation[axis] + pixels * fine.scale[axis]
                nearest = np.floor((world - own.translation[axis]) / own.scale[axis] + 0.5).astype(np.int64)
                nearest = np.clip(nearest, 0, own.shape[axis] - 1)
                inside = np.flatnonzero((nearest >= shown.region[0, d]) & (nearest < shown.region[1, d]))
                places.append(inside)
                sources.append(nearest[inside] - shown.region[0, d])
            painted.append((shown, places, sources))
        return painted


def _planned(plan: Plan) -> list[ChunkId]:
    return [(part.level, tuple(index)) for part in plan.levels for index in part.chunks.tolist()]


def _same_place(old: Plan, new: Plan) -> bool:
    """Whether pixels of one plan may stand for those of another."""
    same = old.pyramid is new.pyramid and old.view.displayed == new.view.displayed
    return same and all(
        getattr(old.view, what) == getattr(new.view, what) for what in ("point", "margins", "projection")
    )


def _extent(plan: Plan, part: LevelPlan) -> tuple[int, ...]:
    corners = part.corner_pixels[:, list(plan.displayed)]
    return tuple(int(n) for n in corners[1] - corners[0] + 1)
