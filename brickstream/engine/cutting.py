"""What of a chunk a view shows: all of it, one plane, or what its planes give to a thick slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from brickstream.engine.sink import ChunkId
from brickstream.multiscale import LevelPlan, Plan, thick_axes
from brickstream.multiscale.projections import Projection

Index = tuple[int, ...]


class Cut(Protocol):
    """Makes the pixels of updates out of the chunks of one level."""

    def of(self, chunk: NDArray[Any], index: Index, start: NDArray[np.int64]) -> NDArray[np.generic]:
        """Pixels on the displayed axes, in the view's order, read-only.

        Parameters
        ----------
        chunk : ndarray
            On all axes, clipped to the level; kept by nobody but as the answer itself.
        index : tuple of int
            In the chunk grid.
        start : ndarray of shape (ndim,), int64
            The chunk's first pixel.
        """

    def without(self, index: Index) -> None:
        """Hear that a chunk will not come."""


def make_cut(plan: Plan, part: LevelPlan) -> Cut:
    """Choose how chunks of a planned level are cut."""
    thick = thick_axes(plan.local)
    return _Thick(plan, part, thick) if thick else _Thin(plan, part)


def columns(plan: Plan, part: LevelPlan) -> dict[Index, list[Index]]:
    """Planned chunks of a level that lie behind one another, by their index on the displayed axes."""
    axes, found = list(plan.displayed), dict[Index, list[Index]]()
    for index, column in zip(part.chunks.tolist(), part.chunks[:, axes].tolist(), strict=True):
        found.setdefault(tuple(column), []).append(tuple(index))
    return found


def settled_by(plan: Plan, held: Collection[ChunkId]) -> frozenset[ChunkId]:
    """Those of the chunks that are shown already which need not be delivered: of a thick slice only whole columns."""
    if not held or not thick_axes(plan.local):
        return frozenset(held)
    whole: set[ChunkId] = set()
    for part in plan.levels:
        for column in columns(plan, part).values():
            chunks = {(part.level, index) for index in column}
            if chunks.issubset(held):
                whole |= chunks
    return frozenset(whole)


class _Thin:
    """One pixel on each axis that is not displayed."""

    def __init__(self, plan: Plan, part: LevelPlan) -> None:
        axes, ndim = plan.displayed, plan.pyramid.ndim
        remaining = sorted(axes)
        self._fixed = [(axis, int(part.corner_pixels[0, axis])) for axis in range(ndim) if axis not in axes]
        self._order = None if list(axes) == remaining else [remaining.index(axis) for axis in axes]
        self._all: list[slice | int] = [slice(None)] * ndim

    def of(self, chunk: NDArray[Any], index: Index, start: NDArray[np.int64]) -> NDArray[np.generic]:
        """Cut; see :class:`Cut`. A whole chunk is not copied."""
        data = chunk
        if self._fixed:
            where = self._all.copy()
            for axis, point in self._fixed:
                where[axis] = point - int(start[axis])
            data = chunk[tuple(where)]
        data = data if self._order is None else data.transpose(self._order)
        if not any(data.strides):
            # One number, repeated without memory.
            return data
        data = np.ascontiguousarray(data)
        if data.base is not None and data.size < chunk.size:
            # One plane must not keep a whole chunk in memory that the budget believes to be gone.
            data = data.copy()
        elif data is chunk:
            data = chunk.view()
        data.flags.writeable = False
        return data

    def without(self, index: Index) -> None:
        """Nothing depends on it."""


class _Thick:
    """Several planes taken together, chunk by chunk: each answer is what all chunks behind one another give so far."""

    def __init__(self, plan: Plan, part: LevelPlan, thick: tuple[int, ...]) -> None:
        self._axes, self._thick, self._corners = list(plan.displayed), thick, part.corner_pixels
        self._dtype, self._projection = plan.pyramid.dtype, plan.view.projection
        kept = sorted([*self._axes, *thick])
        self._gone = [kept.index(axis) for axis in thick]
        left = sorted(self._axes)
        self._order = [left.index(axis) for axis in self._axes]
        self._left = Counter({column: len(chunks) for column, chunks in columns(plan, part).items()})
        self._parts: dict[Index, Projection] = {}

    def of(self, chunk: NDArray[Any], index: Index, start: NDArray[np.int64]) -> NDArray[np.generic]:
        """Add a chunk to those before and behind it; see :class:`Cut`."""
        column = self._column(index)
        where: list[slice | int] = [slice(None)] * chunk.ndim
        for axis in set(range(chunk.ndim)) - set(self._axes):
            first, last = (int(corner) - int(start[axis]) for corner in self._corners[:, axis])
            where[axis] = slice(max(first, 0), min(last + 1, chunk.shape[axis])) if axis in self._thick else first
        parts = self._parts.get(column)
        if parts is None:
            shape = [chunk.shape[axis] for axis in sorted(self._axes)]
            parts = self._parts[column] = Projection(shape, self._dtype, self._projection)
        parts.merge(chunk[tuple(where)], self._gone)
        self.without(index)
        data = np.ascontiguousarray(parts.result().transpose(self._order))
        data.flags.writeable = False
        return data

    def without(self, index: Index) -> None:
        """Forget what was gathered, once nothing more comes to it."""
        column = self._column(index)
        self._left[column] -= 1
        if not self._left[column]:
            self._parts.pop(column, None)

    def _column(self, index: Index) -> Index:
        return tuple(index[axis] for axis in self._axes)


__all__ = ["Cut", "make_cut", "settled_by"]
