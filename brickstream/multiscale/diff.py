"""From one plan to the next: what to start, what to cancel, what to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale.affine import IntArray
from brickstream.multiscale.grids import column_keys
from brickstream.multiscale.plan import Plan


@dataclass(frozen=True, eq=False)
class PlanDiff:
    """Chunks of each level, as ndarrays of shape (n, ndim), int64; a level without any has no entry.

    Attributes
    ----------
    start : mapping of int to ndarray
        What only the new plan needs, most urgent first.
    cancel : mapping of int to ndarray
        What only the old plan needs.
    keep : mapping of int to ndarray
        What both need, in the order of the new plan: read on, with the new ranks.
    """

    start: Mapping[int, IntArray]
    cancel: Mapping[int, IntArray]
    keep: Mapping[int, IntArray]


def diff_plans(old: Plan | None, new: Plan) -> PlanDiff:
    """Compare two plans by their chunks.

    Parameters
    ----------
    old : Plan or None
        A plan of another pyramid has nothing in common with the new one.
    new : Plan
    """
    before = {part.level: part.chunks for part in old.levels} if old is not None else {}
    after = {part.level: part.chunks for part in new.levels}
    start, cancel, keep = {}, {}, {}
    same = old is not None and old.pyramid is new.pyramid
    for level, chunks in after.items():
        known = _among(chunks, before[level]) if same and level in before else np.zeros(len(chunks), dtype=bool)
        start[level], keep[level] = chunks[~known], chunks[known]
    for level, chunks in before.items():
        wanted = _among(chunks, after[level]) if same and level in after else np.zeros(len(chunks), dtype=bool)
        cancel[level] = chunks[~wanted]
    return PlanDiff(*({k: rows for k, rows in part.items() if len(rows)} for part in (start, cancel, keep)))


def _among(rows: IntArray, others: IntArray) -> NDArray[np.bool_]:
    """Which rows are among others."""
    keys = column_keys(np.concatenate([rows, others]).T)
    return np.asarray(np.isin(keys[: len(rows)], keys[len(rows) :]), dtype=bool)
