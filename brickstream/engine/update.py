"""One step of progress: a frozen, atomic answer that a host can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import overload

import numpy as np
from numpy.typing import NDArray

from brickstream.engine.compose import Piece, compose
from brickstream.multiscale import Affine, LevelPlan, Plan
from brickstream.multiscale.affine import IntArray


class Outcome(Enum):
    """How the wait for a chunk ended. The three that are not LOADED are three different things to the user."""

    LOADED = "loaded"
    MISSING = "missing"
    """The store has no such chunk: by the rules of Zarr its pixels have the fill value."""
    FAILED = "failed"
    """The chunk could not be read; its pixels are unknown."""
    NOTHING = "nothing"
    """Nothing of the image is in view; nothing was asked for."""


@dataclass(frozen=True)
class Failure:
    """Why a chunk failed.

    Attributes
    ----------
    url : str
        The image, without secrets.
    key : str
        The chunk's key.
    reason : str
        One line.
    """

    url: str
    key: str
    reason: str


@dataclass(frozen=True, eq=False)
class Update:
    """One chunk of the picture, and how far the picture is; of an oblique cut one tile, a chunk of its plane grid.

    Attributes
    ----------
    request_id : int
        Unique for every `slice` or `show` of an engine.
    generation : int
        Number of the view change, counted for each view; an update of an older generation is stale.
    plan : Plan
        What the view needs; its `view` is the one that was asked for, its `pyramid` that whose pixels and chunks the
        update speaks of: the image's own, or the plane grid of an oblique cut.
    level : int
        Level of the plan's pyramid that this update brings pixels of.
    outcome : Outcome
    index : tuple of int
        Chunk index in the grid of `level`, over all axes.
    region : ndarray of shape (2, ndim), int64
        Box of the chunk in pixels of `level`, half-open, clipped to the level.
    data : ndarray or None
        Pixels of `region` on the displayed axes, in the view's order, at the view's point; read-only. Missing chunks
        bring their fill value; None where the chunk failed or nothing is in view. In a thick slice what all planes that
        have come there so far give together: each update of a place replaces those before it.
    settled, wanted : int
        Chunks that are loaded, missing or failed, and chunks planned, over all levels.
    failed : int
        Chunks that failed so far.
    failure : Failure or None
        Why, where the outcome is FAILED.
    history : sequence of Update
        All updates of this request up to this one, where the whole picture may be asked for; empty otherwise.
    """

    request_id: int
    generation: int
    plan: Plan
    level: int
    outcome: Outcome
    index: tuple[int, ...]
    region: IntArray
    data: NDArray[np.generic] | None
    settled: int
    wanted: int
    failed: int
    failure: Failure | None = None
    history: Sequence[Update] = field(default=(), repr=False)

    @property
    def level_plan(self) -> LevelPlan | None:
        """The part of the plan that concerns this update's level; None where nothing is in view."""
        return next((part for part in self.plan.levels if part.level == self.level), None)

    @property
    def corner_pixels(self) -> IntArray:
        """First and last pixel in view, both inclusive: ndarray of shape (2, ndim), int64, pixels of `level`.

        Of shape (0, ndim) where nothing is in view.
        """
        part = self.level_plan
        return part.corner_pixels if part is not None else np.empty((0, self.plan.pyramid.ndim), dtype=np.int64)

    @property
    def progress(self) -> float:
        """Share of the planned chunks that are settled, 0 to 1."""
        return self.settled / self.wanted if self.wanted else 1.0

    @property
    def complete(self) -> bool:
        """Whether nothing is pending any more."""
        return self.settled == self.wanted

    @property
    def to_world(self) -> Affine:
        """Map from pixels of `level` to the world, on all axes: for images that may be rotated or sheared."""
        return self.plan.pyramid.to_world(self.level)

    @property
    def scale(self) -> tuple[float, ...]:
        """World units per pixel of `level` along the picture's directions, in their order; below zero where flipped.

        These are the displayed axes, or those of an oblique cut.
        """
        linear, shown = self.to_world.linear, self._displayed()
        return tuple((self.plan.view.frame() @ linear[np.ix_(shown, self.plan.displayed)]).diagonal().tolist())

    @property
    def translation(self) -> tuple[float, ...]:
        """World centre of pixel 0 of `level` along the picture's directions, in their order."""
        return tuple((self.plan.view.frame() @ self.to_world.offset[self._displayed()]).tolist())

    def _displayed(self) -> list[int]:
        return [self.plan.pyramid.axis_index(name) for name in self.plan.view.displayed]

    def to_array(self) -> NDArray[np.generic]:
        """Compose the picture so far, at this update's level.

        Returns
        -------
        ndarray
            The pixels of `corner_pixels` on the displayed axes, in the view's order. Where the level has not arrived
            yet (or has failed) it holds the pixels of the finest coarser level that has, taken by nearest centre, and
            zero where there is none. The last update of a finished slice gives what NumPy slicing of the level gives.
            A new array each time.
        """
        if self.level_plan is None:
            return np.zeros((0,) * len(self.plan.displayed), self.plan.pyramid.dtype)
        pieces = (Piece(u.level, u.region, u.data) for u in self.history or (self,) if u.data is not None)
        return compose(self.plan, self.level, pieces)


class Prefix(Sequence[Update]):
    """The first `count` items of a list that only ever grows: a history that stays what it was."""

    def __init__(self, items: list[Update], count: int) -> None:
        self._items = items
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Update: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Update]: ...
    def __getitem__(self, place: int | slice) -> Update | Sequence[Update]:
        if isinstance(place, slice):
            return self._items[: self._count][place]
        return self._items[range(self._count)[place]]
