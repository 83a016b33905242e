"""Aprons that neighbours complete: looked at within the time of a frame, not where a chunk arrives. Pure NumPy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Set

from brickstream.render import apron
from brickstream.render.grid import Index, Layer, LevelGrid
from brickstream.render.residency import Key, Residency

Missing = Callable[[Layer], Set[Index]]


class Patching:
    """What is left to do for the aprons of resident bricks.

    A brick's apron is patched once, when all of its neighbours have settled. Which bricks waited for one that settles
    is found out here too, since that takes as long as the patch.

    Parameters
    ----------
    residency : Residency
    """

    def __init__(self, residency: Residency) -> None:
        self._residency = residency
        self._settled: deque[tuple[LevelGrid, Index]] = deque()
        self._ripe: dict[Key, LevelGrid] = {}

    def __len__(self) -> int:
        return len(self._settled) + len(self._ripe)

    def clear(self) -> None:
        """Forget everything: there is another plan."""
        self._settled.clear()
        self._ripe.clear()

    def settled(self, grid: LevelGrid, index: Index) -> None:
        """Note that a brick has come, or will not come."""
        self._settled.append((grid, index))

    def ripen(self, grid: LevelGrid) -> None:
        """Note that no brick of a layer waits for another one any more."""
        for index, brick in self._residency.layers.get(grid.layer, {}).items():
            if len(brick.joined) < brick.joints:
                self._ripe[grid.layer, index] = grid

    def step(self, missing_of: Missing) -> None:
        """Do one piece of it; the uploads that follow are queued.

        Parameters
        ----------
        missing_of : callable
            Gives the bricks of a layer that have not settled.
        """
        if self._settled:
            grid, index = self._settled.popleft()
            bricks, missing = self._residency.layers.get(grid.layer, {}), missing_of(grid.layer)
            layout = self._residency.layout
            for name in apron.around(grid, index, layout):
                if name in bricks and not any(other in missing for other in apron.around(grid, name, layout)):
                    self._ripe[grid.layer, name] = grid
        elif self._ripe:
            key = next(iter(self._ripe))
            self._residency.patch(self._ripe.pop(key), key[1])
