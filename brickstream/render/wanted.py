"""What a plan wants, in bricks: which are in view, and which planned chunks each of them waits for. Pure NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from brickstream.multiscale import LevelPlan, Plan
from brickstream.multiscale.affine import IntArray
from brickstream.render.apron import Brick
from brickstream.render.grid import Index, LevelGrid, expand, level_grid, ravel, three
from brickstream.render.layout import Triple


@dataclass(eq=False)
class Wanted:
    """One planned level in bricks.

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
    """

    grid: LevelGrid
    bricks: list[Index]
    chunks: list[tuple[int, ...]]
    cells: list[Index]
    parts: dict[Index, list[int]] = field(default_factory=dict)
    bricks_of: dict[int, list[Index]] = field(default_factory=dict)
    whole: dict[Index, bool] = field(default_factory=dict)
    final: set[Index] = field(default_factory=set)

    def is_whole(self, brick: Brick) -> bool:
        """Whether a brick has all pixels of it that are in view."""
        return brick.known is None or all(self.chunks[row] in brick.known for row in self.parts.get(brick.index, ()))


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
    names = [tuple(row) for row in part.chunks.tolist()]
    wanted = Wanted(grid, [(z, y, x) for z, y, x in bricks.tolist()], names, [(z, y, x) for z, y, x in cells.tolist()])
    wanted.final = {name for name, final in zip(wanted.bricks, part.final.tolist(), strict=False) if final}
    low = bricks * grid.brick // grid.chunk
    high = (np.minimum((bricks + 1) * grid.brick, grid.shape) - 1) // grid.chunk
    owner, points = expand(low, high)
    count = -(-grid.shape // grid.chunk)
    planned, keys = ravel(cells, count), ravel(points, count)
    order = np.argsort(planned, kind="stable")
    begin, end = (np.searchsorted(planned, keys, side=side, sorter=order).tolist() for side in ("left", "right"))
    total = (high - low + 1).prod(axis=1)
    there = dict.fromkeys(wanted.bricks, 0)
    for name in wanted.bricks:
        wanted.parts[name] = []
    for b, first, last in zip(owner.tolist(), begin, end, strict=True):
        name = wanted.bricks[b]
        there[name] += first < last
        # In a thick slice several chunks lie behind one another.
        for row in order[first:last].tolist():
            wanted.parts[name].append(row)
            wanted.bricks_of.setdefault(row, []).append(name)
    for name, n in zip(wanted.bricks, total.tolist(), strict=True):
        wanted.whole[name] = there[name] == n
    return wanted


def _three(rows: IntArray, first: int = 0) -> IntArray:
    return np.array([three(row, first) for row in rows.tolist()], dtype=np.int64).reshape(-1, 3)
