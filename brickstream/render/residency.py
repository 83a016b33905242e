"""Which bricks have a slot: allocation, eviction, aprons. Pure NumPy; what the GPU has to do is queued as uploads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from operator import itemgetter

import numpy as np

from brickstream.errors import BudgetError
from brickstream.render import apron
from brickstream.render.apron import Array, Brick, Joint, Offset
from brickstream.render.grid import Index, Layer, LevelGrid
from brickstream.render.layout import AtlasLayout, Triple
from brickstream.render.stage import value_span

Key = tuple[Layer, Index]


@dataclass(frozen=True, eq=False)
class Upload:
    """Texels for the atlas.

    Attributes
    ----------
    key : (Layer, index)
    brick : Brick
        Dropped unexecuted where it has lost its slot meanwhile.
    start : tuple of int
        First texel (z, y, x).
    texels : ndarray
    """

    key: Key
    brick: Brick
    start: Triple
    texels: Array


class Residency:
    """The bricks of one atlas.

    Parameters
    ----------
    layout : AtlasLayout

    Attributes
    ----------
    layers : dict
        Layer -> index -> Brick, least recently wanted layers first.
    uploads : deque of Upload
        In the order they must be executed.
    evicted : list of Key
        Bricks that lost their slot since the list was last cleared.
    last_slot : int
        The highest slot ever used.
    """

    def __init__(self, layout: AtlasLayout) -> None:
        self.layout = layout
        self.layers: dict[Layer, dict[Index, Brick]] = {}
        self.uploads: deque[Upload] = deque()
        self.evicted: list[Key] = []
        self.last_slot = 0
        self._free = list(range(layout.capacity, 0, -1))
        self._offsets = apron.offsets(layout.apron)
        self._now = 0
        self._oldest: dict[Key, None] | None = None

    def get(self, layer: Layer, index: Index) -> Brick | None:
        """Give a brick that has a slot."""
        return self.layers.get(layer, {}).get(index)

    def touch(self, layer: Layer, indices: Iterable[Index]) -> None:
        """Note which bricks of a layer are wanted now; those that have no slot are left out."""
        self._now += 1
        self._oldest = None
        there = self.layers.get(layer, {})
        for index in indices:
            brick = there.get(index)
            if brick is not None:
                brick.used = self._now

    def doubt(self, is_stale: Callable[[Key], bool]) -> None:
        """Take some bricks to have nothing of what they should; what they show stays until they are added anew."""
        for layer, bricks in self.layers.items():
            stale = {index for index in bricks if is_stale((layer, index))}
            for index in stale:
                bricks[index].known = frozenset()
            for index, brick in bricks.items():
                # Neighbours have a pixel of it in their aprons.
                if index in stale or not stale.isdisjoint(product(*(range(i - 1, i + 2) for i in index))):
                    brick.joined.clear()

    def drop_queued(self, keep: Callable[[Key], bool]) -> None:
        """Forget bricks that wait for their upload and are no longer wanted."""
        for key in {u.key for u in self.uploads if not u.brick.uploaded and not keep(u.key)}:
            self._release(key)
        self.uploads = deque(u for u in self.uploads if self._current(u))

    def add(
        self,
        grid: LevelGrid,
        index: Index,
        texels: Array,
        known: frozenset[tuple[int, ...]] | None,
        spare: Callable[[Key], int],
    ) -> Brick:
        """Give a brick a slot and queue its upload, with what its neighbours have for its apron.

        Parameters
        ----------
        grid, index
            Where the brick is.
        texels : ndarray
            A slot with the brick's interior in it, which is kept; its apron is filled here.
        known : frozenset of chunks, or None
            As in :class:`Brick`.
        spare : callable
            Rank of a brick among those that can go: 0 first; below 0 never.
        """
        layer, size, width = grid.layer, grid.size(index), self.layout.apron
        before = self.get(layer, index)
        slot = self._slot(layer, index, spare)
        brick = Brick(index, slot, size, known=known)
        brick.stands = before is not None and (before.uploaded or before.stands)
        apron.extend(texels, width, size)
        for joint, neighbour in self._neighbours(grid, index):
            texels[joint.block] = joint.pixels(neighbour)
            brick.joined.add(joint.offset)
        # Both read all of it in order; what then reads it across finds it in the processor's cache.
        brick.low, brick.high = value_span(texels)
        brick.joints, brick.used = len(apron.joints(grid, index, self.layout)), self._now
        brick.skins = apron.skins(apron.interior_of(texels, width, size), width)
        if before is not None and brick.stands:
            # Until the upload its slot has the texels of the one before.
            brick.low, brick.high = float(np.fmin(brick.low, before.low)), float(np.fmax(brick.high, before.high))
        self.layers.setdefault(layer, {})[index] = brick
        self.uploads.append(Upload((layer, index), brick, self.layout.origin(slot), texels))
        return brick

    def patch(self, grid: LevelGrid, index: Index) -> None:
        """Queue uploads for those parts of a brick's apron whose neighbours have come since it was uploaded."""
        brick = self.get(grid.layer, index)
        if brick is None:
            return
        there = {joint.offset: (joint, neighbour) for joint, neighbour in self._neighbours(grid, index)}
        new = set(there) - brick.joined
        if not new:
            return
        for start, texels in self._patches(brick, there, new):
            low, high = value_span(texels)
            brick.low, brick.high = float(np.fmin(brick.low, low)), float(np.fmax(brick.high, high))
            origin = self.layout.origin(brick.slot)
            first = origin[0] + start[0], origin[1] + start[1], origin[2] + start[2]
            self.uploads.append(Upload((grid.layer, index), brick, first, texels))
        brick.joined |= new

    def _patches(
        self, brick: Brick, there: dict[Offset, tuple[Joint, Brick]], new: set[Offset]
    ) -> list[tuple[Triple, Array]]:
        patches = []
        left = set(new)
        for axis, side in apron.faces_of({offset: there[offset][0].reach for offset in new}):
            blocks = [o for o in self._offsets if o[axis] == side]
            if any(o in brick.joined and o not in there for o in blocks):
                continue  # a neighbour has gone: its pixels are only in the atlas now
            start, slab = apron.face_slab(self.layout, brick, (axis, side))
            for offset in (o for o in blocks if o in there):
                apron.join_slab(slab, axis, *there[offset])
            left -= set(blocks)
            patches.append((start, slab))
        for offset in left:
            joint, neighbour = there[offset]
            z, y, x = joint.block
            patches.append(((z.start, y.start, x.start), np.ascontiguousarray(joint.pixels(neighbour))))
        return patches

    def _neighbours(self, grid: LevelGrid, index: Index) -> list[tuple[Joint, Brick]]:
        bricks = self.layers.get(grid.layer, {})
        z, y, x = index
        found = []
        for joint in apron.joints(grid, index, self.layout):
            dz, dy, dx = joint.reach
            neighbour = bricks.get((z + dz, y + dy, x + dx))
            if neighbour is not None:
                found.append((joint, neighbour))
        return found

    def _slot(self, layer: Layer, index: Index, spare: Callable[[Key], int]) -> int:
        before = self.get(layer, index)
        if before is not None:
            # It stays on screen until what is newer has been written over it.
            return before.slot
        if not self._free:
            self._release(self._victim(spare))
        slot = self._free.pop()
        self.last_slot = max(self.last_slot, slot)
        return slot

    def _victim(self, spare: Callable[[Key], int]) -> Key:
        """The least recently wanted of the bricks that are best spared."""
        if self._oldest is None:
            keys = [
                (brick.used, layer, index) for layer, bricks in self.layers.items() for index, brick in bricks.items()
            ]
            self._oldest = {(layer, index): None for _, layer, index in sorted(keys, key=itemgetter(0))}
        best: tuple[int, Key] | None = None
        for key in self._oldest:
            rank = spare(key)
            if rank == 0:
                return key
            if rank > 0 and (best is None or rank < best[0]):
                best = rank, key
        if best is None:
            raise BudgetError("a plan wants more bricks than the atlas holds", f"{self.layout.capacity} bricks")
        return best[1]

    def _release(self, key: Key) -> None:
        layer, index = key
        bricks = self.layers[layer]
        self._free.append(bricks.pop(index).slot)
        if not bricks:
            del self.layers[layer]
        self.evicted.append(key)
        if self._oldest is not None:
            self._oldest.pop(key, None)

    def _current(self, upload: Upload) -> bool:
        return self.get(*upload.key) is upload.brick

    def next_upload(self) -> Upload | None:
        """Take the next upload that is still meant."""
        while self.uploads:
            upload = self.uploads.popleft()
            if self._current(upload):
                return upload
        return None
