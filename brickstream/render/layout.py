"""How bricks are cut and where they lie in the atlas texture. Pure NumPy; needs no GPU.

Everything here is in three axes, first to last (z, y, x): a plane is a volume whose first axis has one pixel, one brick
and no apron.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np

from brickstream.errors import BudgetError
from brickstream.multiscale import Pyramid, View, localize
from brickstream.multiscale.affine import IntArray
from brickstream.render.encoding import Encoding

Triple = tuple[int, int, int]

LIMIT_VOLUME, LIMIT_PLANE = 64, 256
SMALLEST, AIM = 16, 32
LEAST_ALONG = 4
# What the page table may take of the budget; the atlas gets the rest.
TABLE_SHARE = 16
# Planes and time points that were shown a moment ago stay resident in an atlas with room for some.
SPARE_PLANES = 4


class TextureLimits(NamedTuple):
    """What the textures of a context can be.

    Attributes
    ----------
    flat, deep : int
        Largest size of a 2D and of a 3D texture along an axis, in texels.
    atlases : int
        3D textures that a shader can read an atlas from.
    """

    flat: int
    deep: int
    atlases: int = 1


@dataclass(frozen=True)
class AtlasLayout:
    """The slots of an atlas: one texture, or several of the same size, taken as one stack along z.

    Attributes
    ----------
    brick : tuple of int
        Interior of a brick in pixels (z, y, x).
    apron : tuple of int
        Border pixels on each side, by axis.
    grid : tuple of int
        Slots along each axis; along z those of all textures. A row are the slots with the same z.
    encoding : Encoding
        What the texels are.
    most_rows : int
        Rows that one texture has, where there are several, and at most where there is one.
    """

    brick: Triple
    apron: Triple
    grid: Triple
    encoding: Encoding
    most_rows: int

    @cached_property
    def slot(self) -> Triple:
        """Texels of one slot (z, y, x)."""
        z, y, x = (b + 2 * a for b, a in zip(self.brick, self.apron, strict=True))
        return z, y, x

    @property
    def shape(self) -> Triple:
        """Texels of the atlas (z, y, x), its textures stacked along z."""
        z, y, x = (s * n for s, n in zip(self.slot, self.grid, strict=True))
        return z, y, x

    @property
    def textures(self) -> int:
        """Textures that the atlas is made of."""
        return -(-self.grid[0] // self.most_rows)

    @property
    def texture_grid(self) -> Triple:
        """Slots of one texture along each axis."""
        return min(self.grid[0], self.most_rows), self.grid[1], self.grid[2]

    @cached_property
    def texture_shape(self) -> Triple:
        """Texels of one texture (z, y, x)."""
        return self.slot[0] * self.texture_grid[0], *self.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the texels."""
        return self.encoding.dtype

    @property
    def capacity(self) -> int:
        """Bricks that fit; slot 0 is "nothing" and holds none."""
        return prod(self.grid) - 1

    @property
    def slot_nbytes(self) -> int:
        """Bytes of one slot."""
        return prod(self.slot) * self.encoding.texel_nbytes

    @property
    def nbytes(self) -> int:
        """Bytes of the textures."""
        return prod(self.shape) * self.encoding.texel_nbytes

    def rows(self, count: int) -> AtlasLayout:
        """The first `count` rows, or as many more as fill a texture: slots keep their numbers and places."""
        if count > self.most_rows:
            count = -(-count // self.most_rows) * self.most_rows
        return replace(self, grid=(count, self.grid[1], self.grid[2]))

    def row_of(self, slot: int) -> int:
        """Row that a slot lies in."""
        return slot // (self.grid[1] * self.grid[2])

    def origin(self, slot: int) -> Triple:
        """First texel (z, y, x) of a slot."""
        _, ny, nx = self.grid
        z, y, x = slot // (ny * nx), slot // nx % ny, slot % nx
        return z * self.slot[0], y * self.slot[1], x * self.slot[2]


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


def choose_layout(
    pyramid: Pyramid, view: View, encoding: Encoding, max_bytes: int, limits: TextureLimits, apron: int = 1
) -> AtlasLayout:
    """Lay out an atlas for the displayed axes of a view.

    Parameters
    ----------
    pyramid : Pyramid
    view : View
    encoding : Encoding
        How the pixels of the picture lie in texels.
    max_bytes : int
        GPU bytes for the atlas and the page table together.
    limits : TextureLimits
    apron : int, default 1
        Border pixels that a sampler needs on each side of a brick.

    Returns
    -------
    AtlasLayout
        Of as many textures as hold what the image has or the budget allows, if one does not.

    Raises
    ------
    BudgetError
        If not even one brick fits.
    """
    axes, level = list(localize(pyramid, view).axes), pyramid.levels[0]
    flat = view.ndisplay == 2
    # A slot that fits a texture hardly more than twice along an axis would waste up to half of it, on each.
    limit = min(LIMIT_PLANE if flat else LIMIT_VOLUME, limits.deep // LEAST_ALONG - 2 * apron)
    chunks, shape = (tuple(values[a] for a in axes) for values in (level.chunks, level.shape))
    brick = choose_brick(chunks, shape, max(limit, 1))
    z, y, x = (1, *brick) if flat else brick
    one = AtlasLayout((z, y, x), (0 if flat else apron, apron, apron), (1, 1, 1), encoding, 1)
    slots = max_bytes * (TABLE_SHARE - 1) // TABLE_SHARE // one.slot_nbytes
    need = int((-(-pyramid.shapes[:, axes] // np.array(brick))).prod(axis=1).astype(float).sum().clip(max=2**40))
    if view.directions is not None or any(pyramid.shapes[0, a] > 1 for a in range(pyramid.ndim) if a not in axes):
        need *= SPARE_PLANES
    layout = _filled(one, need + need // 8 + 8, slots, limits)
    if layout.capacity < 1:
        raise BudgetError("the GPU budget holds less than one brick", f"{max_bytes} bytes", "raise the GPU budget")
    return layout


def _filled(one: AtlasLayout, need: int, most: int, limits: TextureLimits) -> AtlasLayout:
    """Give a layout about `need` slots, or nearly `most` where that is less, in as few textures as hold them."""
    choices = _choices(one, limits.deep)
    largest = prod(int(counts[-1]) for counts in choices)
    textures = max(1, min(limits.atlases, -(-min(need, most) // largest)))
    z, y, x = _grid(one.slot, choices, -(-need // textures), most // textures)
    return replace(one, grid=(z * textures, y, x), most_rows=z if textures > 1 else int(choices[0][-1]))


def _choices(one: AtlasLayout, max_texture: int) -> list[IntArray]:
    """How many slots a texture can have along each axis.

    Along an axis without apron the number is a power of two: there the sampler must hit texel centres exactly, and a
    float32 coordinate does that only over a power of two.
    """
    tops = [max(1, max_texture // s) for s in one.slot]
    return [
        np.arange(1, top + 1) if a else 2 ** np.arange(top.bit_length()) for top, a in zip(tops, one.apron, strict=True)
    ]


def _grid(size: Triple, choices: list[IntArray], need: int, most: int) -> Triple:
    """Slots of a texture: about `need` in all and not fewer, or nearly `most` where that is less; near to a cube."""
    z, y = np.meshgrid(choices[0], choices[1], indexing="ij")
    fits = most // (z * y)
    x = np.minimum(np.minimum(-(-need // (z * y)), fits), choices[2][-1])
    total = z * y * x
    edge = np.maximum(np.maximum(z * size[0], y * size[1]), x * size[2])
    enough = total >= min(need, int(0.97 * total.max()))
    good = enough & (total <= 1.03 * total[enough].min())
    best = np.unravel_index(np.argmin(np.where(good, edge, np.iinfo(np.int64).max)), edge.shape)
    return int(z[best]), int(y[best]), int(x[best])
