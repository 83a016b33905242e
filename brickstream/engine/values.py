"""How values are distributed, from what has streamed so far: histograms and contrast limits without another read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.engine.sink import ChunkId
from brickstream.engine.update import Update
from brickstream.errors import ViewError
from brickstream.multiscale import Plan
from brickstream.multiscale.affine import FloatArray

# So many values of a chunk are kept: enough for percentiles, and nothing beside the chunk.
PER_CHUNK = 1024


class ValueSample:
    """Some values of each chunk that was put, evenly spread over it; as long as the newest view needs the chunk.

    What is asked is answered from the finest level of which everything in view has come; before there is one, from all
    that has come. Render thread.
    """

    def __init__(self) -> None:
        self._values: dict[ChunkId, tuple[NDArray[Any], int]] = {}
        self._plan: Plan | None = None

    def begin(self, plan: Plan) -> None:
        """Keep what the newest plan needs, if it shows the same picture."""
        old, self._plan = self._plan, plan
        if old is None or not _is_same(old, plan):
            self._values.clear()
        if self._values:
            needed = {(part.level, index) for part in plan.levels for index in map(tuple, part.chunks.tolist())}
            self._values = {chunk: values for chunk, values in self._values.items() if chunk in needed}

    def put(self, update: Update) -> None:
        """Take some values of an update."""
        data, oblique = update.data, update.plan.oblique
        if data is not None and oblique is not None:
            data = data[oblique.inside(update.level, update.region)]
        if data is None or not data.size or not any(data.strides):
            values = np.empty(0) if data is None or not data.size else data.reshape(-1)[:1]
        else:
            # An odd step does not meet the same column of every row.
            values = data.reshape(-1)[:: data.size // PER_CHUNK | 1].copy()
        self._values[update.level, update.index] = values, 0 if data is None else data.size

    def histogram(
        self, bins: int = 256, limits: tuple[float, float] | None = None
    ) -> tuple[FloatArray, FloatArray] | None:
        """Estimate how many pixels have which values; see :meth:`Viewport.histogram`."""
        values, weights = self._gathered()
        if not values.size:
            return None
        counts, edges = np.histogram(values, bins=bins, range=limits, weights=weights)
        return counts, edges

    def limits(self, low: float, high: float) -> tuple[float, float] | None:
        """Values below which `low` and `high` percent of the pixels lie; see :meth:`Viewport.contrast_limits`."""
        if not 0 <= low < high <= 100:
            raise ViewError("percentages go from 0 to 100, upwards", f"low={low:g}, high={high:g}")
        values, weights = self._gathered()
        if not values.size:
            return None
        order = np.argsort(values)
        below = np.cumsum(weights[order])
        places = np.searchsorted(below, np.array([low, high]) / 100 * below[-1])
        first, last = values[order[np.minimum(places, len(order) - 1)]].tolist()
        return first, last

    def _gathered(self) -> tuple[FloatArray, FloatArray]:
        """Finite values, and how many pixels of the level each stands for."""
        found = [self._values[chunk] for chunk in self._chosen()]
        parts = [
            (values.astype(np.float64), np.full(len(values), size / max(len(values), 1))) for values, size in found
        ]
        if not parts:
            return np.empty(0), np.empty(0)
        values, weights = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        finite = np.isfinite(values)
        return values[finite], weights[finite]

    def _chosen(self) -> list[ChunkId]:
        for part in reversed(self._plan.levels if self._plan is not None else ()):
            chunks = [(part.level, index) for index in map(tuple, part.chunks.tolist())]
            if all(chunk in self._values for chunk in chunks):
                return chunks
        return list(self._values)


def _is_same(old: Plan, new: Plan) -> bool:
    """Whether chunks of both plans give the same pixels."""
    names = ("point", "margins", "projection", "displayed")
    return old.pyramid is new.pyramid and all(getattr(old.view, name) == getattr(new.view, name) for name in names)
