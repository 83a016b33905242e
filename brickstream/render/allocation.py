"""Which atlas a view gets, within the budget and what the GPU can give, and how much of it is there already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from brickstream.errors import BudgetError, TextureMemoryError
from brickstream.multiscale import Plan, Pyramid, View, localize, picture_dtype
from brickstream.render.encoding import Encoding, Limits, encoding_of
from brickstream.render.ids import id_encoding
from brickstream.render.layout import TABLE_SHARE, AtlasLayout, TextureLimits, choose_layout
from brickstream.render.residency import Residency

CELL_NBYTES = 16
MAX_CELLS = 1 << 20
MAX_WIDTH = 1024

Contrast = Callable[[Pyramid, View], Limits | None]


class AtlasDevice(Protocol):
    """Where the atlas is. All methods run on the render thread."""

    def allocate(self, layout: AtlasLayout) -> None:
        """Make a new atlas; an older one goes. Raises TextureMemoryError where there is no room for it."""

    def grow(self, layout: AtlasLayout) -> None:
        """Make the atlas larger along z, now; what it holds stays where it is. Raises as `allocate` does."""


@dataclass(frozen=True)
class AtlasWish:
    """What an atlas is to be.

    Attributes
    ----------
    max_bytes : int
        Budget for it and the page table together.
    apron : int
        Border pixels around a brick.
    of_ids : bool
        Whether pixels are numbers of things, to be told apart exactly.
    """

    max_bytes: int
    apron: int = 1
    of_ids: bool = False


class Allocation:
    """The size of one sink's atlas and page table. Render thread only.

    Parameters
    ----------
    wish : AtlasWish
    limits : callable
        Gives the limits of textures; asked when first needed.
    contrast : callable
        Gives the contrast limits of a picture in data values, where they are known.
    """

    def __init__(self, wish: AtlasWish, limits: Callable[[], TextureLimits], contrast: Contrast) -> None:
        self._limits, self._contrast = limits, contrast
        self._given: AtlasLayout | None = None
        self.wish = wish

    @property
    def wish(self) -> AtlasWish:
        """What the atlas is to be; of the bytes it gets less where the GPU has no room for them."""
        return self._wish

    @wish.setter
    def wish(self, wish: AtlasWish) -> None:
        self._wish, self._max_bytes = wish, wish.max_bytes

    def layout(self, pyramid: Pyramid, view: View) -> AtlasLayout:
        """Lay out the atlas for a view.

        Raises
        ------
        BudgetError
            If not even one brick fits.
        ViewError
            If pixels of this type cannot be shown.
        """
        dtype = picture_dtype(pyramid, localize(pyramid, view), view)
        encoding = id_encoding(dtype) if self._wish.of_ids else encoding_of(dtype, self._contrast(pyramid, view))
        return choose_layout(pyramid, view, encoding, self._max_bytes, self._limits(), self._wish.apron)

    def layout_for(self, plan: Plan, old: AtlasLayout | None) -> AtlasLayout:
        """Lay out the atlas for a plan: `old`, the one that there is for this image, where that does.

        Raises
        ------
        BudgetError
            If the plan was made for bricks of another shape.
        """
        new = self.layout(plan.pyramid, plan.view)
        if new.brick[3 - plan.view.ndisplay :] != plan.brick_shape:
            raise BudgetError("the plan was made for other bricks", f"{plan.brick_shape}", "plan with budget()")
        if old is None:
            return new
        new = replace(new, encoding=_kept(old.encoding, new.encoding, self._contrast(plan.pyramid, plan.view)))
        return old if _fits(old, new, plan) else new

    def suits_contrast(self, encoding: Encoding, plan: Plan) -> bool:
        """Whether texels have digits enough for the contrast limits, as far as these are known."""
        limits = self._contrast(plan.pyramid, plan.view)
        return limits is None or encoding.serves(limits)

    def table_room(self) -> tuple[int, int]:
        """Cells in a row of the page table, and in all of it."""
        flat = self._limits().flat
        width = 1 << (min(flat, MAX_WIDTH).bit_length() - 1)
        fits = self._max_bytes // TABLE_SHARE // CELL_NBYTES
        while width > 16 and width * width > fits:
            width //= 2
        return width, max(min(fits, width * flat, MAX_CELLS) - width, width)

    def forget(self) -> None:
        """Hear that the device has no atlas, or is to have another one."""
        self._given = None

    def make_room(self, device: AtlasDevice, residency: Residency) -> None:
        """Give the atlas the rows that the slots in use need: a small view must not cost the whole budget.

        Rows double, so that growing, which copies a texture, is rare.

        Raises
        ------
        TextureMemoryError
            If the GPU has no room: the atlas is gone, and from now on the budget is half of what was asked for.
        """
        full, now = residency.layout, self._given
        needed = full.row_of(residency.last_slot) + 1
        if now is not None and needed <= now.grid[0]:
            return
        rows = 1 if now is None else now.grid[0]
        while rows < needed:
            rows *= 2
        layout = full.rows(min(rows, full.grid[0]))
        try:
            (device.allocate if now is None else device.grow)(layout)
        except TextureMemoryError:
            self._max_bytes = layout.nbytes // 2
            raise
        self._given = layout


def _kept(old: Encoding, new: Encoding, limits: Limits | None) -> Encoding:
    """The encoding that the data have already, where it does for the limits."""
    if old.base is None or type(old) is not type(new) or (old.source, old.components) != (new.source, new.components):
        return new
    return old if limits is None or old.serves(limits) else new


def _fits(old: AtlasLayout, new: AtlasLayout, plan: Plan) -> bool:
    """Whether an atlas does for another plan of the image. Cuts differ a little in size from one to the next."""
    if plan.oblique is None:
        return old == new
    alike = replace(old, grid=new.grid, most_rows=new.most_rows) == new
    return alike and old.capacity >= sum(len(part.bricks) for part in plan.levels)
