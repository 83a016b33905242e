"""The page table: for each place in view the best resident brick, with the fallback resolved here and not on the GPU.

Each level that takes part has a *window* of cells, one for each of its bricks around what is in view. A cell names the
slot of its own brick, if that is resident, and the level to draw there: its own, or the finest coarser one that is
resident over the whole cell. A cell can lie across several coarser bricks (ratios need not be whole numbers), so a
reader that is sent to another level looks up that level's own table at the very place: two lookups, for any ratio.
Where even that is empty (near bricks are finer than far ones, their grids need not meet), it goes on to coarser levels.

Levels finer than the target take part only while the target is not there yet: what was on screen before stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.ma  # np.unique loads it at its first call: 40 ms that the first picture would pay
from numpy.typing import NDArray

from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.render.apron import Brick
from brickstream.render.grid import Index, Layer, LevelGrid, bricks_between, ravel

SLOT, LEVEL, LOW, HIGH = range(4)
# What a cell says of its own brick.
OWN = [SLOT, LOW, HIGH]
HEADER = 3
# Added to a slot, which is a whole number: what marks show, and nothing else looks at.
MISSING, FAILED = 0.125, 0.25
Box = tuple[IntArray, IntArray]
"""First cell and last one, both inclusive."""


class Axis(NamedTuple):
    """One axis of a window: its first brick, its cells, and the grid there."""

    low: int
    cells: int
    brick: int
    shape: int
    scale: float
    shift: float


class Overlap(NamedTuple):
    """How the cells of a fine and of a coarse window lie over one another, along one axis.

    Attributes
    ----------
    low, high : ndarray of shape (cells of the fine one,), int64
        First and last cell (inclusive) of the coarse window under each, beyond its ends too.
    under : list of (int, int)
        For each cell of the coarse window the cells of the fine one that it lies under, half-open.
    """

    low: IntArray
    high: IntArray
    under: list[tuple[int, int]]


@dataclass(eq=False)
class Window:
    """The cells of one level.

    Attributes
    ----------
    grid : LevelGrid
    low, count : ndarray of shape (3,), int64
        First brick, and bricks along each axis.
    first : int
        Number of the first cell in the table.
    """

    grid: LevelGrid
    low: IntArray
    count: IntArray
    first: int = 0
    slots: NDArray[np.int32] = field(init=False)
    whole: NDArray[np.bool_] = field(init=False)
    dirty: tuple[list[int], list[int]] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.slots = np.zeros(self.count, dtype=np.int32)
        self.whole = np.zeros(self.count, dtype=bool)
        # As plain numbers: they are asked for with every brick, and an array of three takes ten times as long.
        self._low: list[int] = self.low.tolist()
        self._count: list[int] = self.count.tolist()
        grid = self.grid
        columns = [self._low, self._count, *(v.tolist() for v in (grid.brick, grid.shape, grid.scale, grid.shift))]
        self.axes = [Axis(*values) for values in zip(*columns, strict=True)]

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.count.prod())

    def cell(self, index: Index) -> Index | None:
        """Cell of a brick; None where the window does not reach."""
        (z, y, x), (low_z, low_y, low_x), (nz, ny, nx) = index, self._low, self._count
        z, y, x = z - low_z, y - low_y, x - low_x
        return (z, y, x) if 0 <= z < nz and 0 <= y < ny and 0 <= x < nx else None

    def row(self, cell: Index) -> int:
        """Number of a cell in the table."""
        return self.first + (cell[0] * self._count[1] + cell[1]) * self._count[2] + cell[2]

    def spoil(self, low: Iterable[int], high: Iterable[int]) -> None:
        """Mark a box of cells (half-open, within the window) to be resolved again."""
        before = self.dirty or (low, high)
        self.dirty = list(map(min, low, before[0])), list(map(max, high, before[1]))

    def spoil_all(self) -> None:
        """Mark every cell."""
        self.dirty = [0, 0, 0], list(self._count)


def make_windows(
    grids: list[LevelGrid],
    target: int,
    boxes: list[Box],
    reach: tuple[FloatArray, FloatArray],
    focus: FloatArray,
    room: int,
) -> list[Window]:
    """Choose the windows of the levels.

    Parameters
    ----------
    grids : list of LevelGrid
        Finest first.
    target : int
        Position of the target level in `grids`.
    boxes : list of (low, high)
        Bricks that each level has to show (inclusive). Each window holds those of the finer levels besides, and the
        coarsest all of the reach, so that there is always something to fall back to.
    reach : tuple of ndarray of shape (3,)
        Box around the picture, in own coordinates.
    focus : ndarray of shape (3,), float64
        Own position around which a window is kept when it is too large for the table.
    room : int
        Cells in the table. The target gets at most half, the next coarser level half of the rest, and so on.
    """
    boxes = list(boxes)
    for i, grid in enumerate(grids):
        others = [grid.bricks_in(*reach)] if i == len(grids) - 1 else []
        if i:
            low, high = grids[i - 1].box(np.stack(boxes[i - 1]))
            others.append(grid.bricks_in(low[0], high[1]))
        for first, last in others:
            boxes[i] = np.minimum(boxes[i][0], first), np.maximum(boxes[i][1], last)
    windows: list[Window] = []
    for i in [*range(target, len(grids)), *range(target - 1, -1, -1)]:
        room = room - windows[-1].cells if windows else room
        first, last = _shrink(boxes[i], grids[i].bricks_in(focus, focus)[0], max(1, room // 2))
        windows.append(Window(grids[i], first, last - first + 1))
    windows.sort(key=lambda w: w.grid.layer.level)
    return windows


def _shrink(box: Box, focus: IntArray, limit: int) -> Box:
    first, last = box[0].copy(), box[1].copy()
    focus = np.clip(focus, first, last)
    while (last - first + 1).prod(dtype=float) > limit:
        axis = int(np.argmax(last - first))
        reach = int(last[axis] - first[axis]) // 3
        first[axis] = max(int(first[axis]), int(focus[axis]) - reach)
        last[axis] = min(int(last[axis]), int(focus[axis]) + reach)
    return first, last


class PageTable:
    """Cells of all levels that take part, packed one after the other.

    Parameters
    ----------
    windows : list of Window
        Finest first.
    target : int
        Position of the target level.
    width : int
        Cells in one row of the texture; a power of two.
    unit : float
        Data value of a texel that reads as 1.

    Attributes
    ----------
    cells : ndarray of shape (rows, width, 4), float32
        Slot, position of the level to draw, smallest and largest value in the slot as texel values. Slot 0: nothing.
        Before these come three cells for each level: its pixels for one of the target (x, y, z) and the number of its
        first cell; where the first pixel of the target's window lies in it, relative to its own window, and its number;
        the cells of its window, and 1 if it is the last.
    """

    def __init__(self, windows: list[Window], target: int, width: int, unit: float = 1.0) -> None:
        self._unit = unit
        self.windows = windows
        self.target = target
        total = HEADER * len(windows)
        for window in windows:
            window.first, total = total, total + window.cells
            window.spoil_all()
        self.cells = np.zeros((-(-total // width), width, 4), dtype=np.float32)
        self._flat = self.cells.reshape(-1, 4)
        self._flat[: HEADER * len(windows)] = self._header()
        self._places = {window.grid.layer: i for i, window in enumerate(windows)}
        self._overlaps = {
            (i, j): list(map(_overlap, windows[i].axes, windows[j].axes))
            for i in range(len(windows))
            for j in self._order(i)
            if i != j
        }
        self._finer = [[i for i in range(len(windows)) if (i, j) in self._overlaps] for j in range(len(windows))]

    def _header(self) -> NDArray[np.float32]:
        target = self.windows[self.target]
        origin = target.grid.shift + target.low * target.grid.brick * target.grid.scale
        rows = np.zeros((len(self.windows), HEADER, 4), dtype=np.float32)
        for row, window in zip(rows, self.windows, strict=True):
            grid = window.grid
            row[0, :3] = (target.grid.scale / grid.scale)[::-1]
            row[0, 3] = window.first
            row[1, :3] = ((origin - grid.shift) / grid.scale - window.low * grid.brick)[::-1]
            row[1, 3] = grid.layer.level
            row[2, :3] = window.count[::-1]
        rows[-1, 2, 3] = 1
        return rows.reshape(-1, 4)

    def _order(self, i: int) -> list[int]:
        """Levels that may be drawn in a cell of level i, best first."""
        rest = list(range(i, len(self.windows)))
        if i >= self.target:
            return rest
        return [self.target, *(j for j in rest if j != self.target)]

    def fill(self, layer: Layer, bricks: Sequence[tuple[Brick, bool]]) -> None:
        """Enter resident bricks of a level, as :meth:`place` does, before anything was resolved."""
        j = self._places.get(layer)
        if j is None or not bricks:
            return
        window = self.windows[j]
        cells = np.array([brick.index for brick, _ in bricks]) - window.low
        inside = ((cells >= 0) & (cells < window.count)).all(axis=1)
        rows = window.first + ravel(cells[inside], window.count)
        about = np.array([(b.slot, b.missing, b.low, b.high, whole) for b, whole in bricks])[inside].T
        at = tuple(cells[inside].T)
        window.slots[at], window.whole[at] = about[0], about[4]
        self._flat[rows[:, None], OWN] = self._entries(*about[:4]).T

    def _entries(self, slot: Any, missing: Any, low: Any, high: Any) -> NDArray[np.float64]:
        """What the cells of bricks say of them: the columns `OWN`; of one brick, or an array for each argument."""
        low, high = low / self._unit, high / self._unit
        # Float noise of the sampler must not pass for a value outside the brick's range.
        return np.array([slot + MISSING * missing, low - 1e-6 * abs(low), high + 1e-6 * abs(high)])

    def place(self, layer: Layer, brick: Brick, whole: bool) -> None:
        """Enter a resident brick; `whole` where it has all pixels that are in view."""
        entry = self._entries(brick.slot, brick.missing, brick.low, brick.high)
        self._set(layer, brick.index, brick.slot, whole, entry)

    def fail(self, layer: Layer, index: Index) -> None:
        """Note that nothing more comes for a brick, since a chunk has failed."""
        found = self._find(layer, index)
        if found is not None:
            j, cell = found
            row = self._flat[self.windows[j].row(cell)]
            row[SLOT] = np.floor(row[SLOT]) + FAILED
            self.windows[j].spoil(cell, [c + 1 for c in cell])

    def remove(self, layer: Layer, index: Index) -> None:
        """Take a brick out."""
        self._set(layer, index, 0, False, np.zeros(3))

    def holds(self, layer: Layer, index: Index) -> bool:
        """Whether a brick has a cell and so may be on screen."""
        found = self._find(layer, index)
        return found is not None and bool(self.windows[found[0]].slots[found[1]])

    def _find(self, layer: Layer, index: Index) -> tuple[int, Index] | None:
        """Position of the level and cell in its window of a brick; None where there is none."""
        j = self._places.get(layer)
        cell = None if j is None else self.windows[j].cell(index)
        return None if j is None or cell is None else (j, cell)

    def _set(self, layer: Layer, index: Index, slot: int, whole: bool, entry: NDArray[np.float64]) -> None:
        found = self._find(layer, index)
        if found is None:
            return
        j, cell = found
        window = self.windows[j]
        window.slots[cell], window.whole[cell] = slot, whole
        self._flat[window.row(cell), OWN] = entry
        window.spoil(cell, [c + 1 for c in cell])
        for i in self._finer[j]:
            fine = [overlap.under[c] for overlap, c in zip(self._overlaps[i, j], cell, strict=True)]
            if all(first < stop for first, stop in fine):
                self.windows[i].spoil(*zip(*fine, strict=True))

    def refresh(self) -> Iterable[tuple[int, int]]:
        """Resolve what has changed; return the changed rows of `cells` as (first, stop) runs."""
        width = self.cells.shape[1]
        rows = []
        for i, window in enumerate(self.windows):
            if window.dirty is None:
                continue
            (z0, y0, x0), (z1, y1, x1) = window.dirty
            window.dirty = None
            levels = self._resolve(i, (slice(z0, z1), slice(y0, y1), slice(x0, x1)))
            mine = self._flat[window.first : window.first + window.cells].reshape(*window.count, 4)
            mine[z0:z1, y0:y1, x0:x1, LEVEL] = levels
            first, last = window.row((z0, y0, x0)), window.row((z1 - 1, y1 - 1, x1 - 1))
            rows.append((first // width, last // width + 1))
        return rows

    def _resolve(self, i: int, at: tuple[slice, slice, slice]) -> NDArray[np.int32]:
        """Position of the level to draw in a box of cells of level i."""
        window = self.windows[i]
        own = window.slots[at]
        found = np.full(own.shape, -1, dtype=np.int32)
        for j in self._order(i):
            covered = window.whole[at] & (own > 0) if j == i else self._covered(i, j, at)
            found[(found < 0) & covered] = j
            if (found >= 0).all():
                return found
        found[(found < 0) & (own > 0)] = i
        # A part of a coarser brick is better than nothing.
        for j in self._order(i):
            if j > i and (found < 0).any():
                found[(found < 0) & self._covered(i, j, at, every=False)] = j
        found[found < 0] = i
        return found

    def _covered(self, i: int, j: int, at: tuple[slice, slice, slice], *, every: bool = True) -> NDArray[np.bool_]:
        """Whether level j is resident over the whole (or any part) of each cell of level i."""
        window = self.windows[j]
        there = window.whole if every else window.slots > 0
        merge = np.logical_and if every else np.logical_or
        for axis, ((low, high, _), part) in enumerate(zip(self._overlaps[i, j], at, strict=True)):
            low, high, top = low[part], high[part], int(window.count[axis]) - 1
            inside = (low >= 0) & (high <= top) if every else (low <= top) & (high >= 0)
            low, high = low.clip(0, top), high.clip(0, top)
            taken = np.take(there, low, axis=axis)
            for more in range(1, int((high - low).max(initial=0)) + 1):
                taken = merge(taken, np.take(there, np.minimum(low + more, high), axis=axis))
            shape = [1, 1, 1]
            shape[axis] = -1
            there = taken & inside.reshape(shape)
        return there

    def level_at(self, own: FloatArray) -> int | None:
        """Level that is drawn at an own position (z, y, x), as a shader finds it; None where there is nothing."""
        drawn = 0
        for i, window in enumerate(self.windows):
            pixel = (own - window.grid.shift) / window.grid.scale + 0.5
            cell = np.floor(pixel / window.grid.brick).astype(np.int64) - window.low
            if i < drawn or (cell < 0).any() or (cell >= window.count).any():
                continue
            row = self._flat[window.first + int(np.ravel_multi_index(tuple(cell), tuple(window.count)))]
            drawn = int(row[LEVEL])
            if drawn == i and row[SLOT] >= 1:
                return window.grid.layer.level
        return None

    def rows_of(self, final: Iterable[tuple[Layer, IntArray]]) -> list[tuple[int, IntArray]]:
        """Where the cells of bricks are.

        Parameters
        ----------
        final : iterable of (Layer, ndarray of shape (n, 3))
            Bricks by level; those outside a level's window are left out.

        Returns
        -------
        list of (int, ndarray of shape (n,))
            Position of each level, and numbers of the cells in the table.
        """
        found = []
        for layer, cells in final:
            window = self.windows[self._places[layer]]
            at = cells - window.low
            at = at[((at >= 0) & (at < window.count)).all(axis=1)]
            found.append((self._places[layer], window.first + ravel(at, window.count)))
        return found

    def shown(self, final: Iterable[tuple[int, IntArray]]) -> list[int]:
        """Positions of the levels that are drawn in some cells, as :meth:`rows_of` has them, or are finer and kept."""
        counts = np.zeros(len(self.windows), dtype=np.int64)
        for i, rows in final:
            drawn = self._flat[rows, LEVEL].astype(np.int64)
            there = (drawn != i) | (self._flat[rows, SLOT] >= 1)
            counts += np.bincount(drawn[there], minlength=len(counts))
        finer = [i for i, window in enumerate(self.windows[: self.target]) if window.slots.any()]
        return sorted({*np.flatnonzero(counts).tolist(), *finer})


@lru_cache(512)
def _overlap(fine: Axis, coarse: Axis) -> Overlap:
    """How the cells of two windows lie over one another; from one view to the next most windows are the same ones."""
    start = np.arange(fine.low, fine.low + fine.cells) * fine.brick
    edges = np.stack([start, np.minimum(start + fine.brick, fine.shape)]) - 0.5
    low, high = edges * fine.scale + fine.shift
    low, high = bricks_between(low, high, coarse.brick, coarse.shape, coarse.scale, coarse.shift)
    low, high = low - coarse.low, high - coarse.low
    cells = np.arange(coarse.cells)
    first, stop = np.searchsorted(high, cells), np.searchsorted(low, cells, side="right")
    return Overlap(low, high, list(zip(first.tolist(), stop.tolist(), strict=True)))
