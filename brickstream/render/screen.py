"""What is on screen of one plan: its page table, made of the bricks that are resident, and what it still lacks.

Pure NumPy; the page table is written to the GPU through a :class:`Device`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale import Plan
from brickstream.multiscale.affine import FloatArray
from brickstream.render.apron import Brick
from brickstream.render.frame import Frame, drafted, make_frame
from brickstream.render.grid import Index, Layer, LevelGrid, level_grid, three
from brickstream.render.page_table import Box, PageTable, make_windows
from brickstream.render.residency import Key, Residency
from brickstream.render.wanted import Wanted


class TableDevice(Protocol):
    """Where the page table is written to."""

    def write_table(self, cells: NDArray[np.float32], first: int, stop: int) -> None:
        """Write rows of the page table, now; make the texture anew where `cells` has another shape."""


class Screen:
    """The picture of one plan.

    Parameters
    ----------
    plan : Plan
        Something of the image is in view.
    wanted : dict of Layer to Wanted
        What the plan wants, coarsest level first; not empty.
    residency : Residency
    room : tuple of int
        Cells in a row of the page table, and in all of it.

    Attributes
    ----------
    table : PageTable
    frame : Frame
        As of the last :meth:`write`.
    """

    def __init__(self, plan: Plan, wanted: dict[Layer, Wanted], residency: Residency, room: tuple[int, int]) -> None:
        self.plan = plan
        self._wanted, self._residency = wanted, residency
        self._began_with: dict[Layer, list[tuple[Brick, bool]]] = {}
        self._final = [(layer, np.array(list(w.final), dtype=np.int64)) for layer, w in wanted.items() if w.final]
        cover = {part.level for part in plan.levels[: plan.cover]}
        self._unshown = self._without({layer: w.final for layer, w in wanted.items()})
        self._uncovered = self._without({layer: set(w.bricks) for layer, w in wanted.items() if layer.level in cover})
        self._leftovers = False
        self._reach = self._find_reach()
        grids, boxes = self._take_part()
        target = next(i for i, grid in enumerate(grids) if grid.layer in wanted)
        width, cells = room
        focus = np.array(three(plan.local.focus.tolist(), 0.0))
        windows = make_windows(grids, target, boxes, self._reach, focus, cells)
        self.table = PageTable(windows, target, width, residency.layout.encoding.unit)
        self._fill(grids)
        self._began_with.clear()
        self.table.refresh()
        self._cells = self.table.rows_of(self._final)
        self._shown = self.table.shown(self._cells)
        self.frame: Frame = make_frame(self.table, self._reach, self._shown, self.plan.oblique)

    def _without(self, bricks: dict[Layer, set[Index]]) -> dict[Layer, set[Index]]:
        """Leave out the bricks that are on the GPU with all that is in view of them, and layers with no other ones."""
        there = {layer: {brick.index for brick, whole in self._uploaded(layer) if whole} for layer in bricks}
        left = {layer: names - there[layer] for layer, names in bricks.items()}
        return {layer: names for layer, names in left.items() if names}

    def _fill(self, grids: list[LevelGrid]) -> None:
        for grid in grids:
            wanted = self._wanted.get(grid.layer)
            there = self._uploaded(grid.layer)
            planned = [b for b in there if wanted is not None and b[0].index in wanted.parts]
            self._leftovers |= bool(self._unshown) and len(planned) < len(there)
            self.table.fill(grid.layer, there if self._unshown else planned)

    def _find_reach(self) -> tuple[FloatArray, FloatArray]:
        """Box, in own coordinates, around the bricks of the finished picture."""
        boxes = [self._wanted[layer].grid.box(cells) for layer, cells in self._final]
        low, high = ([box[i] for box in boxes] for i in (0, 1))
        return np.concatenate(low).min(axis=0), np.concatenate(high).max(axis=0)

    def _uploaded(self, layer: Layer) -> list[tuple[Brick, bool]]:
        """Bricks of a layer that the GPU has, and whether each has all pixels that are in view; as of the beginning."""
        if layer not in self._began_with:
            wanted = self._wanted.get(layer)
            bricks = self._residency.layers.get(layer, {}).values()
            self._began_with[layer] = [(b, is_whole(wanted, b)) for b in bricks if b.uploaded or b.stands]
        return self._began_with[layer]

    def _take_part(self) -> tuple[list[LevelGrid], list[Box]]:
        """Levels of the page table, finest first, and the bricks that each has to show.

        What is resident and not planned takes part until the finished picture is there.
        """
        grids: list[LevelGrid] = []
        boxes: list[Box] = []
        planned = {layer.level: wanted for layer, wanted in self._wanted.items()}
        for level in range(len(self.plan.pyramid.levels)):
            wanted = planned.get(level)
            grid = wanted.grid if wanted is not None else level_grid(self.plan, level, self._residency.layout.brick)
            cells = np.array(wanted.bricks if wanted is not None else [], dtype=np.int64).reshape(-1, 3)
            if self._unshown:
                first, last = grid.bricks_in(*self._reach)
                there = np.array([b.index for b, _ in self._uploaded(grid.layer)], dtype=np.int64).reshape(-1, 3)
                cells = np.concatenate([cells, there[((there >= first) & (there <= last)).all(axis=1)]])
            if len(cells):
                grids.append(grid)
                boxes.append((cells.min(axis=0), cells.max(axis=0)))
        return grids, boxes

    # -- what changes ------------------------------------------------------------------------------------------------

    def place(self, key: Key, brick: Brick) -> None:
        """Show a brick that has just been uploaded."""
        wanted = self._wanted.get(key[0])
        whole = is_whole(wanted, brick)
        self.table.place(key[0], brick, whole)
        if whole:
            self.settle(key)
            _discard(self._unshown, key)

    def remove(self, key: Key) -> None:
        """Show a brick no longer: it has lost its slot."""
        self.table.remove(*key)

    def settle(self, key: Key) -> None:
        """Wait no longer for a brick of the first picture: it is there, or will not come."""
        _discard(self._uncovered, key)

    def fail(self, key: Key) -> None:
        """Wait no longer for a brick, and let marks say why."""
        self.settle(key)
        self.table.fail(*key)

    def write(self, device: TableDevice, *, everything: bool) -> int:
        """Bring the page table on the GPU up to date; return how many bytes that took.

        Parameters
        ----------
        device : TableDevice
        everything : bool
            Whether the device has another table, or none.
        """
        runs = list(self.table.refresh())
        cells = self.table.cells
        if everything:
            runs = [(0, cells.shape[0])]
        for first, stop in runs:
            device.write_table(cells, first, stop)
        if runs:
            self._shown = self.table.shown(self._cells)
            self.frame = drafted(self.frame, self.table, self._shown)
        return sum(stop - first for first, stop in runs) * int(cells[0].nbytes)

    # -- what is there -----------------------------------------------------------------------------------------------

    def holds(self, key: Key) -> bool:
        """Whether a brick is on screen."""
        return self.table.holds(*key)

    @property
    def is_covered(self) -> bool:
        """Whether everything in view is there, at least coarsely, or will not come."""
        return not self._uncovered

    @property
    def is_littered(self) -> bool:
        """Whether the finished picture is there, and what was on screen before it still is as well."""
        return self._leftovers and not self._unshown

    def shown_levels(self) -> list[int]:
        """Levels that the bricks in view are drawn from as of the last :meth:`write`, sorted."""
        return sorted(self.table.windows[i].grid.layer.level for i in self._shown)

    def is_like(self, other: Screen) -> bool:
        """Whether both show the same planes: bricks of the one may stand in for those of the other."""
        finest = min((layer for layer in self._wanted), key=lambda layer: layer.level)
        return level_grid(other.plan, finest.level, self._residency.layout.brick).layer == finest


def is_whole(wanted: Wanted | None, brick: Brick) -> bool:
    """Whether a brick has all pixels of it that are in view."""
    return brick.uploaded and (brick.known is None or (wanted is not None and wanted.is_whole(brick)))


def _discard(bricks: dict[Layer, set[Index]], key: Key) -> None:
    """Take a brick out, and its layer with the last one."""
    layer, index = key
    names = bricks.get(layer)
    if names is not None:
        names.discard(index)
        if not names:
            del bricks[layer]
