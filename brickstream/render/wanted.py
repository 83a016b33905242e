"""What a plan wants, in bricks: which are in view, and which planned chunks each of them waits for. Pure NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from brickstream.multiscale import LevelPlan, Plan
from brickstream.multiscale.affine import IntArray
from brickstream.render.apron import Brick
from brickstream.render.grid import Index, LevelGrid, expand, level_grid, ravel
from brickstream.render.layout import Triple
from brickstream.render.stage import Stage


@dataclass(eq=False)
class Wanted:
    """One planned level in bricks, and what has not come of it.

    Attributes
    ----------
    grid : LevelGrid
    bricks : list of (int, int, int)
        Bricks in view, nearest to the focus first.
    chunks : list of tuple of int
        Planned chunks, as full indices of the pyramid's axes, in the plan's order.
    cells : list of (int, int, int)
        The same chunks on the three axes of the grid.
    parts : dict
        Chunks that each brick needs and the plan has: brick -> rows of `chunks`.
    bricks_of : dict
        Bricks that each chunk gives pixels to: row of `chunks` -> bricks.
    whole : dict
        Brick -> whether its planned chunks are all it has.
    final : set of (int, int, int)
        Bricks of the finished picture; the others stand in until finer ones have come.
    missing : dict
        Brick that waits -> how many of its planned chunks have not come.
    stages : dict
        Brick that waits -> what has come of it.
    """

    grid: LevelGrid
    bricks: list[Index]
    chunks: list[tuple[int, ...]]
    cells: list[Index]
    parts: dict[Index, list[int]] = field(default_factory=dict)
    bricks_of: dict[int, list[Index]] = field(default_factory=dict)
    whole: dict[Index, bool] = field(default_factory=dict)
    final: set[Index] = field(default_factory=set)
    missing: dict[Index, int] = field(default_factory=dict)
    stages: dict[Index, Stage] = field(default_factory=dict)

    def is_whole(self, brick: Brick) -> bool:
        """Whether a brick has all pixels of it that are in view."""
        known = brick.known
        return known is None or all(self.chunks[row] in known for row in self.parts.get(brick.index, ()))

    def begin(self, resident: Mapping[Index, Brick], stages: Mapping[Index, Stage]) -> list[Stage]:
        """Note what each brick waits for.

        Parameters
        ----------
        resident : mapping
            Bricks of the layer that have a slot.
        stages : mapping
            Bricks that were half put together for an older plan: they go on.

        Returns
        -------
        list of Stage
            Those of them that wait for nothing any more.
        """
        for index in self.bricks:
            brick = resident.get(index)
            if brick is None or not self.is_whole(brick):
                self.missing[index] = len(self.parts[index])
        for index in self.missing.keys() & stages.keys():
            stage = self.stages[index] = stages[index]
            self.missing[index] -= sum(self.chunks[row] in stage.known for row in self.parts[index])
        return [stage for index, stage in self.stages.items() if not self.missing[index]]

    def lacks(self, index: Index, row: int) -> bool:
        """Whether a brick waits for a chunk."""
        if index not in self.missing:
            return False
        stage = self.stages.get(index)
        return stage is None or self.chunks[row] not in stage.known

    def awaited(self) -> list[int]:
        """Rows of the chunks that some brick waits for, in the plan's order."""
        rows = {row for index in self.missing for row in self.parts[index] if self.lacks(index, row)}
        return sorted(rows)


def wanted_levels(plan: Plan, brick: Triple, room: int) -> Iterator[Wanted]:
    """Say what a plan wants, coarsest level first.

    Parameters
    ----------
    plan : Plan
    brick : tuple of int
        Interior of a brick (z, y, x).
    room : int
        Bricks that fit in the atlas; what is over that is dropped, finest and farthest first.
    """
    for part in plan.levels:
        wanted = _wanted(plan, part, brick, room)
        room -= len(wanted.bricks)
        yield wanted


def _wanted(plan: Plan, part: LevelPlan, brick: Triple, room: int) -> Wanted:
    grid = level_grid(plan, part.level, brick)
    axes = list(plan.displayed)
    cells = _three(part.chunks[:, axes])
    bricks = _three(part.bricks)[:room]
    names = list(map(tuple, part.chunks.tolist()))
    wanted = Wanted(grid, _triples(bricks), names, _triples(cells))
    wanted.final = {name for name, final in zip(wanted.bricks, part.final.tolist(), strict=False) if final}
    low = bricks * grid.brick // grid.chunk
    high = (np.minimum((bricks + 1) * grid.brick, grid.shape) - 1) // grid.chunk
    owner, points = expand(low, high)
    count = -(-grid.shape // grid.chunk)
    planned, keys = ravel(cells, count), ravel(points, count)
    order = np.argsort(planned, kind="stable")
    begin, end = (np.searchsorted(planned, keys, side=side, sorter=order) for side in ("left", "right"))
    there = np.bincount(owner[begin < end], minlength=len(bricks))
    wanted.whole = dict(zip(wanted.bricks, (there == (high - low + 1).prod(axis=1)).tolist(), strict=True))
    wanted.parts = {name: [] for name in wanted.bricks}
    # In a thick slice several chunks lie behind one another.
    pair, at = expand(begin[:, None], end[:, None] - 1)
    for b, row in zip(owner[pair].tolist(), order[at[:, 0]].tolist(), strict=True):
        name = wanted.bricks[b]
        wanted.parts[name].append(row)
        wanted.bricks_of.setdefault(row, []).append(name)
    return wanted


def _three(rows: IntArray) -> IntArray:
    """Give points of a plane a first axis."""
    if rows.shape[1] == 3:
        return rows
    return np.concatenate([np.zeros((len(rows), 1), dtype=np.int64), rows], axis=1)


def _triples(rows: IntArray) -> list[Index]:
    return [(z, y, x) for z, y, x in rows.tolist()]
