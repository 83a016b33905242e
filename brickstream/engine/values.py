"""How values are distributed, from what has streamed so far: histograms and contrast limits without another read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.engine.sink import ChunkId
from brickstream.engine.update import Update
from brickstream.errors import ViewError
from brickstream.multiscale import Plan, plain
from brickstream.multiscale.affine import FloatArray

# So many values of a chunk are kept: enough for percentiles, and nothing beside the chunk.
PER_CHUNK = 1024
# And so many of a picture, of so many pictures.
PER_PICTURE = 1 << 19
PICTURES = 8


class ValueSample:
    """Some values of each chunk that was put, evenly spread over it; as long as the newest view needs the chunk.

    What is asked is answered from the finest level of which everything in view has come; before there is one, from all
    that has come. Render thread.
    """

    def __init__(self) -> None:
        self._pictures: OrderedDict[Hashable, dict[ChunkId, tuple[NDArray[Any], int]]] = OrderedDict()
        self._values: dict[ChunkId, tuple[NDArray[Any], int]] = {}
        self._plan: Plan | None = None
        self._most = PER_CHUNK

    def begin(self, plan: Plan) -> None:
        """Keep what the newest plan needs; of a few planes before, which a sink may still hold, what they needed."""
        if self._plan is None or self._plan.pyramid is not plan.pyramid:
            self._pictures.clear()
        self._plan = plan
        self._most = min(PER_CHUNK, max(1, PER_PICTURE // max(plan.chunk_count, 1)))
        needed = {(part.level, index) for part in plan.levels for index in map(tuple, part.chunks.tolist())}
        known = self._pictures.pop(_picture(plan), {})
        self._values = {chunk: values for chunk, values in known.items() if chunk in needed}
        self._pictures[_picture(plan)] = self._values
        while len(self._pictures) > PICTURES:
            self._pictures.popitem(last=False)

    def put(self, update: Update) -> None:
        """Take some values of an update."""
        data, oblique = update.data, update.plan.oblique
        if data is not None and oblique is not None:
            data = data[oblique.inside(update.level, update.region)]
        if data is None or not data.size or not any(data.strides):
            values = np.empty(0) if data is None or not data.size else data.reshape(-1)[:1]
        else:
            values = data.reshape(-1)[:: _step(data.shape, self._most)].copy()
        self._values[update.level, update.index] = values, 0 if data is None else data.size

    def histogram(
        self, bins: int = 256, limits: tuple[float, float] | None = None
    ) -> tuple[FloatArray, FloatArray] | None:
        """Estimate how many pixels have which values; see :meth:`Viewport.histogram`."""
        bins = plain.whole(bins, "bins")
        ends = limits or (0.0, 1.0)
        if bins < 1 or not (np.isfinite(ends).all() and ends[0] <= ends[1]):
            raise ViewError("a histogram has bins between two limits, the smaller one first", f"{bins}, {limits}")
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


def _step(shape: tuple[int, ...], most: int) -> int:
    """How far apart the values that are kept lie: with no side of the chunk has it a divisor in common.

    Then every column and every row is met as often as any other one.
    """
    step = max(1, prod(shape) // most)
    while any(gcd(step, side) > 1 for side in shape):
        step += 1
    return step


def _picture(plan: Plan) -> Hashable:
    """What two plans of an image have in common whose chunks give the same pixels."""
    view = plan.view
    return view.displayed, view.point, view.margins, view.projection, str(view.directions)
