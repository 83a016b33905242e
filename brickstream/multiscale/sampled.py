"""Which chunks hold the samples of a cut: exactly those, without a look at every sample.

The position of a sample is linear in its numbers, and rounding keeps the order of positions: the chunks that a box of
samples takes lie between those that its corners take. A box is cut in halves until all that lie between are known to
hold one of its samples, or it is a sample. All levels go together, since each step costs more than its boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale.affine import IntArray
from brickstream.multiscale.grids import halves, points
from brickstream.multiscale.samples import Samples, held_by

# Boxes with more chunks than this between their corners are cut before these are looked at one by one.
FEW_CHUNKS = 8

Boxes = tuple[IntArray, IntArray]
"""First and last sample of boxes, both inclusive: ndarrays of shape (n, m), int64."""


def find_chunks(parts: Sequence[tuple[Samples, Boxes]]) -> list[tuple[IntArray, IntArray]]:
    """Find the chunks that hold the samples of boxes.

    Parameters
    ----------
    parts : sequence of (Samples, Boxes)
        Boxes of several levels of a cut.

    Returns
    -------
    list of (owner, chunks)
        For each level: which box each chunk is of, ascending, ndarray of shape (c,), int64; and the chunks on the
        varying axes, ndarray of shape (d, c), int64.
    """
    first, last = (np.concatenate([boxes[end] for _, boxes in parts], axis=1) for end in (0, 1))
    counts = [boxes[0].shape[1] for _, boxes in parts]
    cells = _Cells([samples for samples, _ in parts], np.repeat(np.arange(len(parts)), counts))
    owner, chunks = _search(cells, first, last)
    ends = np.cumsum(counts)
    places = np.searchsorted(owner, np.concatenate([[0], ends])).tolist()
    starts = (ends - counts).tolist()
    return [(owner[a:b] - n, chunks[:, a:b]) for (a, b), n in zip(pairwise(places), starts, strict=True)]


def _search(cells: _Cells, first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
    owner = np.arange(first.shape[1])
    corners, grid = cells.at(owner, first, last)
    known = _Known(corners.min(axis=0), corners.max(axis=0))
    while len(owner):
        # Corners are samples themselves.
        corner, box = np.nonzero(((corners >= 0) & (corners < grid)).all(axis=1))
        known.add(owner[box], corners[corner, :, box].T)
        low, high = np.maximum(corners.min(axis=0), 0), np.minimum(corners.max(axis=0), grid - 1)
        left = np.flatnonzero((low <= high).all(axis=0))
        left = left[known.lacks(owner[left], low[:, left], high[:, left])]
        first, last, owner = first[:, left], last[:, left], owner[left]
        for _ in first:
            first, last, owner = halves(first, last, owner)
        corners, grid = cells.at(owner, first, last)
    return known.all()


class _Cells:
    """The chunks of samples of several levels.

    Parameters
    ----------
    levels : sequence of Samples
    level : ndarray of shape (t,), int64
        For each owner its level, by its place among `levels`.
    """

    def __init__(self, levels: Sequence[Samples], level: IntArray) -> None:
        self._level = level
        self._numbers = np.stack([(it.offset, it.low, it.high, it.noise) for it in levels], axis=-1)
        self._steps = np.stack([it.steps for it in levels], axis=-1)
        self._sizes = np.stack([(it.shape, it.chunk) for it in levels], axis=-1)

    def at(self, owner: IntArray, first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
        """Chunks at the corners of boxes, and how many chunks their levels have along each axis.

        Returns
        -------
        corners : ndarray of shape (corners, d, m), int64
            -1 before the image, and the number of chunks behind it.
        grid : ndarray of shape (d, m), int64
        """
        level, n = self._level[owner], len(first)
        place, low, high, noise = self._numbers.take(level, axis=-1)
        shape, chunk = self._sizes.take(level, axis=-1)
        steps = self._steps.take(level, axis=-1)
        numbers = np.stack([first, last])[np.array(list(product((0, 1), repeat=n))), np.arange(n)]
        # One after the other as `Samples.pixel` does: what is added otherwise may be rounded to another pixel.
        for i in range(n):
            place = place + steps[:, i] * numbers[:, None, i]
        pixels, grid = held_by(place, low, high, noise, shape), -(-shape // chunk)
        return np.where(pixels < shape, pixels // chunk, grid), grid


class _Known:
    """Chunks that are known to hold a sample of a box.

    Parameters
    ----------
    low, high : ndarray of shape (d, m), int64
        Of each box the first and the last chunk that it may have.
    """

    def __init__(self, low: IntArray, high: IntArray) -> None:
        self._low = low
        self._sizes = (high - low).max(axis=1, initial=0) + 1
        self._keys: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def add(self, owner: IntArray, chunks: IntArray) -> None:
        """Take down chunks (d, c) of boxes."""
        self._keys = np.union1d(self._keys, self._numbers(owner, chunks))

    def lacks(self, owner: IntArray, low: IntArray, high: IntArray) -> NDArray[np.bool_]:
        """Which parts of boxes may have chunks (from `low` to `high`, inclusive) that are not known."""
        lacks = np.ones(len(owner), dtype=bool)
        few = np.flatnonzero((high - low + 1.0).prod(axis=0) <= FEW_CHUNKS)
        part, chunks = points(low[:, few], high[:, few])
        numbers = self._numbers(owner[few[part]], chunks)
        places = np.minimum(np.searchsorted(self._keys, numbers), max(len(self._keys) - 1, 0))
        new = self._keys[places] != numbers if len(self._keys) else np.ones(len(numbers), dtype=bool)
        lacks[few] = np.bincount(part[new], minlength=len(few)) > 0
        return lacks

    def all(self) -> tuple[IntArray, IntArray]:
        """Box by box: the number of the box and the chunk (d, c)."""
        owner, *chunks = np.unravel_index(self._keys, (max(1, self._low.shape[1]), *self._sizes.tolist()))
        return owner.astype(np.int64), np.stack(chunks).astype(np.int64) + self._low.take(owner, axis=1)

    def _numbers(self, owner: IntArray, chunks: IntArray) -> IntArray:
        keys = owner
        for row, size in zip(chunks - self._low.take(owner, axis=1), self._sizes.tolist(), strict=True):
            keys = keys * size + row
        return keys
