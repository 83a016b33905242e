"""The sink of a plane: it keeps the pixels of chunks that have come, for arrays that napari reads from."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from brickstream.engine import ChunkId, Update
from brickstream.engine.compose import Piece
from brickstream.engine.showing import memory_budget
from brickstream.multiscale import Budget, Plan, Pyramid, View, picture_dtype, thick_axes
from brickstream.multiscale.affine import IntArray
from brickstream.viewers.napari.painting import Painting

MAX_BYTES = 1 << 30
# napari makes one texture of what it is given; beyond so many pixels it could not.
MOST_PIXELS = 1 << 26


class Picture:
    """Takes the updates of one plane. All methods run on the Qt thread; `painting` may be read on any.

    Attributes
    ----------
    painting : Painting or None
        What there is to see; a new one after each :meth:`publish`.
    """

    def __init__(self) -> None:
        self.painting: Painting | None = None
        self._plan: Plan | None = None
        self._pieces: dict[ChunkId, Piece] = {}
        self._stale: set[ChunkId] = set()
        self._under: Piece | None = None
        self._changed = False

    def budget(self, pyramid: Pyramid, view: View) -> Budget:
        """Say what a picture that is one array can hold."""
        return memory_budget(pyramid, view, MAX_BYTES)

    def begin(self, generation: int, plan: Plan) -> Collection[ChunkId]:
        """Start a generation; return the planned chunks that are there already.

        What is on screen stays under the pieces that come, until the view is complete.
        """
        if self._plan is None or not _same_pixels(self._plan, plan):
            self._under = self._on_screen(plan)
            self._pieces = {}
        self._plan, planned = plan, _names(plan)
        self._pieces = {name: piece for name, piece in self._pieces.items() if name in planned or _in_view(plan, piece)}
        self._stale &= self._pieces.keys()
        # Until something comes, what was published last is what there is to see.
        self._changed |= self.painting is None or self.painting.axes != plan.displayed
        return {chunk for name, chunk in planned.items() if name in self._pieces and name not in self._stale}

    def put(self, update: Update) -> None:
        """Take one chunk; of a place, the last one counts."""
        if update.data is None or not update.data.size:
            return
        name = update.level, tuple(update.index[axis] for axis in update.plan.displayed)
        self._pieces[name] = Piece(update.level, update.region, update.data)
        self._stale.discard(name)
        self._changed = True

    def drop(self, pyramid: Pyramid, regions: Mapping[int, IntArray]) -> None:
        """Hold nothing of these regions any more; it goes on being shown."""
        if self._plan is None or self._plan.pyramid is not pyramid:
            return
        for name, piece in self._pieces.items():
            region = regions[piece.level]
            if (np.maximum(region[0], piece.region[0]) < np.minimum(region[1], piece.region[1])).all():
                self._stale.add(name)

    def complete(self, generation: int) -> None:
        """Forget what was shown before: places without pixels of the newest view have failed or are coarser."""
        planned = _names(self._plan) if self._plan is not None else {}
        kept = {name: piece for name, piece in self._pieces.items() if name in planned}
        self._changed = self._changed or self._under is not None or len(kept) < len(self._pieces)
        self._pieces, self._under = kept, None

    @property
    def is_published(self) -> bool:
        """Whether `painting` has all that has come."""
        return not self._changed

    def publish(self) -> bool:
        """Bring `painting` up to date; return whether it is another one."""
        plan = self._plan
        if plan is None or not self._changed:
            return False
        dtype = picture_dtype(plan.pyramid, plan.local, plan.view)
        self.painting = Painting(plan.pyramid, plan.displayed, dtype, tuple(self._pieces.values()), self._under)
        self._changed = False
        return True

    def clear(self) -> None:
        """Forget everything, and show nothing."""
        self.painting, self._plan, self._pieces, self._under, self._changed = None, None, {}, None, False

    def _on_screen(self, plan: Plan) -> Piece | None:
        """What is shown now, as one piece, where a new plan has the same axes."""
        self.publish()
        painting, before = self.painting, self._plan
        if painting is None or before is None or before.empty:
            return None
        if before.pyramid is not plan.pyramid or before.displayed != plan.displayed:
            return None
        region: IntArray = np.add(before.target.corner_pixels, [[0], [1]])
        pixels = painting.pixels(before.target.level, region[:, list(painting.axes)])
        return Piece(before.target.level, region, pixels)


def _same_pixels(before: Plan, plan: Plan) -> bool:
    """Whether chunks of two plans show the same pixels; what a thick slice has gathered so far begins anew."""
    old, new = before.view, plan.view
    same = before.pyramid is plan.pyramid and (old.displayed, old.point) == (new.displayed, new.point)
    return same and not thick_axes(before.local) and not thick_axes(plan.local)


def _names(plan: Plan) -> dict[ChunkId, ChunkId]:
    """The planned chunks: their places in the picture, and their own names."""
    axes = list(plan.displayed)
    return {
        (part.level, tuple(index[axis] for axis in axes)): (part.level, tuple(index))
        for part in plan.levels
        for index in part.chunks.tolist()
    }


def _in_view(plan: Plan, piece: Piece) -> bool:
    """Whether a piece of any level shares a place with the picture of a plan."""
    if plan.empty:
        return False
    scales, translations = plan.pyramid.scales, plan.pyramid.translations
    target = plan.target
    seen = np.add(target.corner_pixels, [[-0.5], [0.5]]) * scales[target.level] + translations[target.level]
    there = (piece.region - 0.5) * scales[piece.level] + translations[piece.level]
    axes = list(plan.displayed)
    return bool((np.maximum(seen[0], there[0]) < np.minimum(seen[1], there[1]))[axes].all())
