"""Bricks with an apron: padded slots, the skins that neighbours need, and the faces that are patched. Pure NumPy.

An offset is a step to one of the neighbours, each axis -1, 0 or 1. The apron of a brick falls into one block for each
offset; what belongs into a block comes from the brick that lies there. Beyond the border of the level there is none:
the offset is then taken as 0 on that axis, which repeats the border pixels as a clamped dense texture does. Only the
last brick of an axis can be thinner than an apron: beyond it is the border, so its last pixel is repeated too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

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
        Smallest and largest value in the slot, as data.
    known : frozenset of tuple of int, or None
        Chunks whose pixels the brick has; None means all that it can have.
    joined : set of offset
        Blocks of the apron that hold the neighbour's pixels.
    uploaded : bool
        Whether the GPU has it.
    stands : bool
        Whether the GPU has, in its slot, what it replaces.
    """

    index: Index
    slot: int
    size: Triple
    skins: dict[Face, Array]
    low: float
    high: float
    known: frozenset[tuple[int, ...]] | None
    joined: set[Offset] = field(default_factory=set)
    uploaded: bool = False
    stands: bool = False


def offsets(apron: Triple) -> list[Offset]:
    """All steps to neighbours across axes that have an apron."""
    steps = [(-1, 0, 1) if a else (0,) for a in apron]
    return [(z, y, x) for z, y, x in product(*steps) if (z, y, x) != (0, 0, 0)]


Reach = tuple[Offset, Offset]
"""An offset, and the same inside the level."""


def reaches(grid: LevelGrid, index: Index, apron: Triple) -> tuple[Reach, ...]:
    """Offsets of a brick's apron, each as it is and taken as 0 along axes where it leaves the level."""
    low, high = grid.at_border(index)
    return _reaches(low, high, apron)


@lru_cache(512)
def _reaches(low: Border, high: Border, apron: Triple) -> tuple[Reach, ...]:
    made = []
    for offset in offsets(apron):
        z, y, x = (0 if (o < 0 and a) or (o > 0 and b) else o for o, a, b in zip(offset, low, high, strict=True))
        made.append((offset, (z, y, x)))
    return tuple(made)


def step(index: Index, offset: Offset) -> Index:
    """Index of the neighbour at an offset."""
    return index[0] + offset[0], index[1] + offset[1], index[2] + offset[2]


def skins(interior: Array, apron: Triple) -> dict[Face, Array]:
    """Copy the outermost pixels of each face that a neighbour can need."""
    faces = {}
    for axis in (a for a in range(3) if apron[a]):
        for side in (-1, 1):
            at = slice(0, apron[axis]) if side < 0 else slice(-apron[axis], None)
            faces[axis, side] = interior[_along(axis, at)].copy()
    return faces


def padded(interior: Array, layout: AtlasLayout) -> Array:
    """Fill a slot with a brick: the interior, and its own edge pixels repeated all around."""
    return _repeat_edges(interior, layout.apron, layout.slot)


def _repeat_edges(pixels: Array, before: Triple, total: Triple) -> Array:
    """Put pixels into a larger box and repeat their edges to its ends: ``np.pad`` took ten times as long."""
    out = np.empty(total, pixels.dtype)
    (z, y, x), (d, h, w) = before, pixels.shape
    out[z : z + d, y : y + h, x : x + w] = pixels
    # Each axis repeats what those before it have filled.
    rows = out[z : z + d, y : y + h]
    rows[:, :, :x], rows[:, :, x + w :] = rows[:, :, x : x + 1], rows[:, :, x + w - 1 : x + w]
    planes = out[z : z + d]
    planes[:, :y], planes[:, y + h :] = planes[:, y : y + 1], planes[:, y + h - 1 : y + h]
    out[:z], out[z + d :] = out[z : z + 1], out[z + d - 1 : z + d]
    return out


def join(slot: Array, layout: AtlasLayout, brick: Brick, offset: Offset, reach: Offset, neighbour: Brick) -> None:
    """Write the pixels of a neighbour into one block of a slot's apron; `reach` is the offset inside the level."""
    part = slot[block(layout, brick.size, offset)]
    part[...] = _strip(layout.apron, offset, reach, neighbour, part.shape)


def block(layout: AtlasLayout, size: Triple, offset: Offset) -> Box:
    """Texels of one block of the apron, within the slot."""
    return _block(layout.apron, layout.slot, size, offset)


@lru_cache(4096)
def _block(apron: Triple, slot: Triple, size: Triple, offset: Offset) -> Box:
    parts = []
    for o, a, total, n in zip(offset, apron, slot, size, strict=True):
        parts.append(slice(0, a) if o < 0 else slice(a, a + n) if o == 0 else slice(a + n, total))
    return parts[0], parts[1], parts[2]


def _strip(apron: Triple, offset: Offset, reach: Offset, neighbour: Brick, shape: tuple[int, ...]) -> Array:
    """Pixels of a neighbour that touch the brick at an offset; they, or their repetition, fill a block of `shape`."""
    face, box = _strip_box(apron, offset, reach)
    strip = neighbour.skins[face][box]
    if any(n not in (1, whole) for n, whole in zip(strip.shape, shape, strict=True)):
        z, y, x = shape
        strip = _repeat_edges(strip, (0, 0, 0), (z, y, x))
    return strip


@lru_cache(1024)
def _strip_box(apron: Triple, offset: Offset, reach: Offset) -> tuple[Face, Box]:
    """Face of the neighbour, and the part of it."""
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


def join_slab(
    slab: Array, layout: AtlasLayout, brick: Brick, axis: int, offset: Offset, reach: Offset, neighbour: Brick
) -> None:
    """Write the pixels of a neighbour into the slab of a face across `axis`."""
    parts = list(block(layout, brick.size, offset))
    parts[axis] = slice(None)
    part = slab[parts[0], parts[1], parts[2]]
    part[...] = _strip(layout.apron, offset, reach, neighbour, part.shape)


def block_texels(
    layout: AtlasLayout, brick: Brick, offset: Offset, reach: Offset, neighbour: Brick
) -> tuple[Triple, Array]:
    """Give one block alone: where it starts within the slot, and its texels."""
    z, y, x = block(layout, brick.size, offset)
    shape = z.stop - z.start, y.stop - y.start, x.stop - x.start
    texels = np.broadcast_to(_strip(layout.apron, offset, reach, neighbour, shape), shape)
    return (z.start, y.start, x.start), np.ascontiguousarray(texels)


def _along(axis: int, at: slice) -> tuple[slice, slice, slice]:
    parts = [slice(None)] * 3
    parts[axis] = at
    return parts[0], parts[1], parts[2]
