"""How bricks are cut and where they lie in the atlas texture. Pure NumPy; needs no GPU.

Everything here is in three axes, first to last (z, y, x): a plane is a volume whose first axis has one pixel, one brick
and no apron.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np

from brickstream.errors import BudgetError
from brickstream.multiscale import Pyramid, View, localize, picture_dtype

Triple = tuple[int, int, int]

LIMIT_VOLUME, LIMIT_PLANE = 64, 256
SMALLEST, AIM = 16, 32
# What the page table may take of the budget; the atlas gets the rest.
TABLE_SHARE = 16
# Planes and time points that were shown a moment ago stay resident in an atlas with room for some.
SPARE_PLANES = 4


@dataclass(frozen=True)
class AtlasLayout:
    """The slots of an atlas texture.

    Attributes
    ----------
    brick : tuple of int
        Interior of a brick in pixels (z, y, x).
    apron : tuple of int
        Border pixels on each side, by axis.
    grid : tuple of int
        Slots along each axis.
    dtype : numpy.dtype
        Type of the texels: uint8, uint16 or float32.
    """

    brick: Triple
    apron: Triple
    grid: Triple
    dtype: np.dtype[np.generic]

    @cached_property
    def slot(self) -> Triple:
        """Texels of one slot (z, y, x)."""
        z, y, x = (b + 2 * a for b, a in zip(self.brick, self.apron, strict=True))
        return z, y, x

    @property
    def shape(self) -> Triple:
        """Texels of the atlas (z, y, x)."""
        z, y, x = (s * n for s, n in zip(self.slot, self.grid, strict=True))
        return z, y, x

    @property
    def capacity(self) -> int:
        """Bricks that fit; slot 0 is "nothing" and holds none."""
        return prod(self.grid) - 1

    @property
    def slot_nbytes(self) -> int:
        """Bytes of one slot."""
        return prod(self.slot) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of the texture."""
        return prod(self.shape) * self.dtype.itemsize

    def rows(self, count: int) -> AtlasLayout:
        """The first `count` rows of slots (along z): slots keep their numbers and places."""
        return replace(self, grid=(count, self.grid[1], self.grid[2]))

    def row_of(self, slot: int) -> int:
        """Row that a slot lies in."""
        return slot // (self.grid[1] * self.grid[2])

    def origin(self, slot: int) -> Triple:
        """First texel (z, y, x) of a slot."""
        _, ny, nx = self.grid
        z, y, x = slot // (ny * nx), slot // nx % ny, slot % nx
        return z * self.slot[0], y * self.slot[1], x * self.slot[2]


def texel_dtype(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """Type of the texels that hold pixels of `dtype`: itself where the GPU has it, uint8 for bool, else float32."""
    if dtype == np.bool_:
        return np.dtype(np.uint8)
    return np.dtype(dtype.type) if dtype.type in (np.uint8, np.uint16, np.float32) else np.dtype(np.float32)


def texel_unit(dtype: np.dtype[np.generic]) -> float:
    """Data value of a texel that a shader reads as 1."""
    return float(2 ** (8 * dtype.itemsize) - 1) if dtype.kind == "u" else 1.0


def choose_brick(chunks: tuple[int, ...], shape: tuple[int, ...], limit: int) -> tuple[int, ...]:
    """Choose the interior of a brick for chunks of a shape, axis by axis.

    Parameters
    ----------
    chunks, shape : tuple of int
        Of level 0, on the displayed axes.
    limit : int
        Largest interior along an axis.

    Returns
    -------
    tuple of int
        A chunk axis from 16 to the limit is used as it is; a larger one is split evenly where that works, else cut at
        the limit; a smaller one is multiplied up to about 32. Never more than the image has.
    """
    return tuple(min(_brick_axis(c, limit), n, limit) for c, n in zip(chunks, shape, strict=True))


def _brick_axis(chunk: int, limit: int) -> int:
    if chunk < SMALLEST:
        return chunk * (AIM // chunk)
    for parts in range(1, chunk // SMALLEST + 1):
        if chunk % parts == 0 and chunk // parts <= limit:
            return chunk // parts
    return limit


def choose_layout(pyramid: Pyramid, view: View, max_bytes: int, max_texture: int) -> AtlasLayout:
    """Lay out an atlas for the displayed axes of a view.

    Parameters
    ----------
    pyramid : Pyramid
    view : View
    max_bytes : int
        GPU bytes for the atlas and the page table together.
    max_texture : int
        Largest size of a 3D texture along an axis, in texels.

    Raises
    ------
    BudgetError
        If not even one brick fits.
    """
    local = localize(pyramid, view)
    axes, level = list(local.axes), pyramid.levels[0]
    flat = view.ndisplay == 2
    limit = min(LIMIT_PLANE if flat else LIMIT_VOLUME, max_texture - 2)
    chunks, shape = (tuple(values[a] for a in axes) for values in (level.chunks, level.shape))
    brick = choose_brick(chunks, shape, max(limit, 1))
    z, y, x = (1, *brick) if flat else brick
    apron = (0, 1, 1) if flat else (1, 1, 1)
    dtype = texel_dtype(picture_dtype(pyramid, local, view))
    slots = max_bytes * (TABLE_SHARE - 1) // TABLE_SHARE // AtlasLayout((z, y, x), apron, (1, 1, 1), dtype).slot_nbytes
    need = int((-(-pyramid.shapes[:, axes] // np.array(brick))).prod(axis=1).astype(float).sum().clip(max=2**40))
    if view.directions is not None or any(pyramid.shapes[0, a] > 1 for a in range(pyramid.ndim) if a not in axes):
        need *= SPARE_PLANES
    grid = _grid((z, y, x), apron, need + need // 8 + 8, slots, max_texture)
    layout = AtlasLayout((z, y, x), apron, grid, dtype)
    if layout.capacity < 1:
        raise BudgetError("the GPU budget holds less than one brick", f"{max_bytes} bytes", "raise the GPU budget")
    return layout


def _grid(brick: Triple, apron: Triple, need: int, most: int, max_texture: int) -> Triple:
    """Slots along each axis: about `need` in all and not fewer, or nearly `most` where that is less; near to a cube.

    Along an axis without apron the number is a power of two: there the sampler must hit texel centres exactly, and a
    float32 coordinate does that only over a power of two.
    """
    size = [b + 2 * a for b, a in zip(brick, apron, strict=True)]
    tops = [max(1, max_texture // s) for s in size]
    choices = [
        np.arange(1, top + 1) if a else 2 ** np.arange(top.bit_length()) for top, a in zip(tops, apron, strict=True)
    ]
    z, y = np.meshgrid(choices[0], choices[1], indexing="ij")
    fits = most // (z * y)
    x = np.minimum(np.minimum(-(-need // (z * y)), fits), tops[2])
    total = z * y * x
    edge = np.maximum(np.maximum(z * size[0], y * size[1]), x * size[2])
    enough = total >= min(need, int(0.97 * total.max()))
    good = enough & (total <= 1.03 * total[enough].min())
    best = np.unravel_index(np.argmin(np.where(good, edge, np.iinfo(np.int64).max)), edge.shape)
    return int(z[best]), int(y[best]), int(x[best])
