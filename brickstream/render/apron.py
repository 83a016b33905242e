"""Bricks with an apron: padded slots, the skins that neighbours need, and the faces that are patched. Pure NumPy.

An offset is a step to one of the neighbours, each axis -1, 0 or 1. The apron of a brick falls into one block for each
offset; what belongs into a block comes from the brick that lies there. Beyond the border of the level there is none:
the offset is then taken as 0 on that axis, which repeats the border pixels as a clamped dense texture does. Only the
last brick of an axis can be thinner than an apron: beyond it is the border, so its last pixel is repeated too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from brickstream.render.grid import Index, LevelGrid
from brickstream.render.layout import AtlasLayout, Triple

Array = NDArray[np.generic]
Offset = tuple[int, int, int]
Face = tuple[int, int]
"""Axis and side (-1 or 1)."""
Box = tuple[slice, slice, slice]
Border = tuple[bool, bool, bool]


@dataclass(eq=False)
class Brick:
    """A brick that has a slot.

    Attributes
    ----------
    index : tuple of int
    slot : int
    size : tuple of int
        Pixels of the interior, clipped to the level.
    skins : dict
        Outermost pixels on each face, along its axis as many as an apron has, or all where there are fewer.
    low, high : float
        Smallest and largest texel in the slot.
    known : frozenset of tuple of int, or None
        Chunks whose pixels the brick has; None means all that it can have.
    joined : set of offset
        Blocks of the apron that hold the neighbour's pixels.
    joints : int
        How many can.
    used : int
        When it was wanted last: a number that grows with each plan.
    uploaded : bool
        Whether the GPU has it.
    stands : bool
        Whether the GPU has, in its slot, what it replaces.
    missing : bool
        Whether the store has none of its chunks: it shows the fill value.
    """

    index: Index
    slot: int
    size: Triple
    skins: dict[Face, Array] = field(default_factory=dict)
    low: float = nan
    high: float = nan
    known: frozenset[tuple[int, ...]] | None = None
    joined: set[Offset] = field(default_factory=set)
    joints: int = 0
    used: int = 0
    uploaded: bool = False
    stands: bool = False
    missing: bool = False


def offsets(apron: Triple) -> list[Offset]:
    """All steps to neighbours across axes that have an apron."""
    steps = [(-1, 0, 1) if a else (0,) for a in apron]
    return [(z, y, x) for z, y, x in product(*steps) if (z, y, x) != (0, 0, 0)]


class Joint(NamedTuple):
    """How one block of an apron is filled from a neighbour.

    Attributes
    ----------
    offset : tuple of int
        Of the block.
    reach : tuple of int
        The same inside the level: where the neighbour lies.
    block : tuple of slice
        Texels of the block, within the slot.
    shape : tuple of int
        Texels of the block along each axis.
    face : (axis, side)
        Of the neighbour.
    strip : tuple of slice
        The part of its skin on that face which touches the brick.
    """

    offset: Offset
    reach: Offset
    block: Box
    shape: Triple
    face: Face
    strip: Box

    def pixels(self, neighbour: Brick) -> Array:
        """Pixels of the neighbour that fill the block."""
        strip = neighbour.skins[self.face][self.strip]
        # Beyond the border, and beyond a neighbour that is thinner than the apron, its last pixels are repeated.
        return strip if strip.shape == self.shape else _repeat_edges(strip, (0, 0, 0), self.shape)


def joints(grid: LevelGrid, index: Index, layout: AtlasLayout) -> tuple[Joint, ...]:
    """All blocks of a brick's apron that neighbours fill."""
    return _joints(layout.apron, layout.slot, grid.size(index), *grid.at_border(index))


@lru_cache(512)
def _joints(apron: Triple, slot: Triple, size: Triple, low: Border, high: Border) -> tuple[Joint, ...]:
    made = []
    for offset in offsets(apron):
        z, y, x = (0 if (o < 0 and a) or (o > 0 and b) else o for o, a, b in zip(offset, low, high, strict=True))
        if (z, y, x) != (0, 0, 0):
            block = _block(apron, slot, size, offset)
            shape = block[0].stop - block[0].start, block[1].stop - block[1].start, block[2].stop - block[2].start
            made.append(Joint(offset, (z, y, x), block, shape, *_strip(apron, offset, (z, y, x))))
    return tuple(made)


def around(grid: LevelGrid, index: Index, layout: AtlasLayout) -> Iterator[Index]:
    """Indices of all neighbours of a brick inside the level."""
    z, y, x = index
    return ((z + dz, y + dy, x + dx) for dz, dy, dx in _inside(layout.apron, *grid.at_border(index)))


@lru_cache(128)
def _inside(apron: Triple, low: Border, high: Border) -> tuple[Offset, ...]:
    """Steps to neighbours that do not leave the level, for a brick that is the first or the last along some axes."""
    leaving = [((-1,) if first else ()) + ((1,) if last else ()) for first, last in zip(low, high, strict=True)]
    return tuple(o for o in offsets(apron) if not any(s in out for s, out in zip(o, leaving, strict=True)))


def skins(interior: Array, apron: Triple) -> dict[Face, Array]:
    """Copy the outermost pixels of each face that a neighbour can need."""
    return {face: interior[box].copy() for face, box in _skin_boxes(apron)}


@lru_cache(16)
def _skin_boxes(apron: Triple) -> tuple[tuple[Face, Box], ...]:
    sides = [(axis, side) for axis in range(3) if apron[axis] for side in (-1, 1)]
    return tuple(((a, s), _along(a, slice(0, apron[a]) if s < 0 else slice(-apron[a], None))) for a, s in sides)


def interior_of(slot: Array, apron: Triple, size: Triple) -> Array:
    """The part of a slot that the pixels of a brick itself fill; a view."""
    (z, y, x), (d, h, w) = apron, size
    return slot[z : z + d, y : y + h, x : x + w]


def extend(slot: Array, before: Triple, size: Triple) -> None:
    """Repeat the edges of a box of `size` that begins at `before` to the ends of a slot."""
    (z, y, x), (d, h, w) = before, size
    # Each axis repeats what those before it have filled. ``np.pad`` took ten times as long.
    rows = slot[z : z + d, y : y + h]
    rows[:, :, :x], rows[:, :, x + w :] = rows[:, :, x : x + 1], rows[:, :, x + w - 1 : x + w]
    planes = slot[z : z + d]
    planes[:, :y], planes[:, y + h :] = planes[:, y : y + 1], planes[:, y + h - 1 : y + h]
    slot[:z], slot[z + d :] = slot[z : z + 1], slot[z + d - 1 : z + d]


def _repeat_edges(pixels: Array, before: Triple, total: Triple) -> Array:
    """Put pixels into a larger box and repeat their edges to its ends."""
    out = np.empty(total, pixels.dtype)
    d, h, w = pixels.shape
    interior_of(out, before, (d, h, w))[...] = pixels
    extend(out, before, (d, h, w))
    return out


def _block(apron: Triple, slot: Triple, size: Triple, offset: Offset) -> Box:
    """Texels of one block of the apron, within the slot."""
    parts = []
    for o, a, total, n in zip(offset, apron, slot, size, strict=True):
        parts.append(slice(0, a) if o < 0 else slice(a, a + n) if o == 0 else slice(a + n, total))
    return parts[0], parts[1], parts[2]


def _strip(apron: Triple, offset: Offset, reach: Offset) -> tuple[Face, Box]:
    """Face of a neighbour that touches the brick at an offset, and the part of its skin there."""
    axis = next(a for a in range(3) if reach[a])
    parts = []
    for a, (o, r) in enumerate(zip(offset, reach, strict=True)):
        if a == axis or o == 0:
            parts.append(slice(None))
        else:
            # Inside the level the nearest pixels are on the side that faces the brick; at its border, the border's own.
            first, width = r > 0 or (r == 0 and o < 0), apron[a] if r else 1
            parts.append(slice(0, width) if first else slice(-width, None))
    return (axis, -reach[axis]), (parts[0], parts[1], parts[2])


def faces_of(new: dict[Offset, Offset]) -> set[Face]:
    """Few faces that together hold all the given blocks (offset -> offset inside the level)."""
    faces: set[Face] = set()
    for offset, reach in sorted(new.items(), key=lambda item: sum(map(abs, item[1]))):
        own = [(a, offset[a]) for a in range(3) if reach[a]]
        if not faces.intersection(own):
            faces.add(own[0])
    return faces


def face_slab(layout: AtlasLayout, brick: Brick, face: Face) -> tuple[Triple, Array]:
    """Apron of one face as clamped pixels of the brick itself: where it starts within the slot, and its texels."""
    axis, side = face
    own = brick.skins[face][_along(axis, slice(0, 1) if side < 0 else slice(-1, None))]
    before, total, start = list(layout.apron), list(layout.slot), [0, 0, 0]
    before[axis], total[axis] = 0, layout.apron[axis]
    start[axis] = 0 if side < 0 else layout.apron[axis] + brick.size[axis]
    first, shape = (before[0], before[1], before[2]), (total[0], total[1], total[2])
    return (start[0], start[1], start[2]), _repeat_edges(own, first, shape)


def join_slab(slab: Array, axis: int, joint: Joint, neighbour: Brick) -> None:
    """Write the pixels of a neighbour into the slab of a face across `axis`."""
    parts = list(joint.block)
    parts[axis] = slice(None)
    slab[parts[0], parts[1], parts[2]] = joint.pixels(neighbour)


def _along(axis: int, at: slice) -> tuple[slice, slice, slice]:
    parts = [slice(None)] * 3
    parts[axis] = at
    return parts[0], parts[1], parts[2]
