"""What is there of a picture, and how it becomes pixels of any level. Pure NumPy; any thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brickstream.engine.compose import Piece, paste
from brickstream.multiscale import Pyramid
from brickstream.multiscale.affine import IntArray


@dataclass(frozen=True, eq=False)
class Painting:
    """One moment of a picture: never changed, so that another thread may read it.

    Attributes
    ----------
    pyramid : Pyramid
    axes : tuple of int
        Positions of the picture's axes among the pyramid's, in the order of the picture.
    dtype : numpy.dtype
    pieces : tuple of Piece
        Pixels of chunks, in any order; of one level none overlaps another.
    under : Piece or None
        What was shown before all of these, and lies under them.
    """

    pyramid: Pyramid
    axes: tuple[int, ...]
    dtype: np.dtype[np.generic]
    pieces: tuple[Piece, ...] = ()
    under: Piece | None = None

    def pixels(self, level: int, box: IntArray) -> NDArray[np.generic]:
        """Paint a box of a level: coarser levels first, then finer ones, then the level itself.

        Parameters
        ----------
        level : int
        box : ndarray of shape (2, len(axes)), int64
            In pixels of the level, half-open, in the order of the picture.

        Returns
        -------
        ndarray
            Of the size of `box`. Where the level itself has come, its pixels; elsewhere those of other levels that
            hold the centre of a pixel; zero where there are none.
        """
        canvas = np.zeros(tuple(box[1] - box[0]), self.dtype)
        own = [piece for piece in self.pieces if piece.level == level]
        if sum(self._shared(piece, box) for piece in own) < canvas.size:
            if self.under is not None:
                self._resample(canvas, box, level, self.under)
            for piece in sorted(self.pieces, key=lambda piece: -piece.level):
                if piece.level != level:
                    self._resample(canvas, box, level, piece)
        for piece in own:
            paste(canvas, box[0], piece.data, piece.region[0, list(self.axes)])
        return canvas

    def _shared(self, piece: Piece, box: IntArray) -> int:
        """Pixels that a piece of the box's own level has in it."""
        region = piece.region[:, list(self.axes)]
        sides = np.minimum(region[1], box[1]) - np.maximum(region[0], box[0])
        return int(sides.clip(0).prod())

    def _resample(self, canvas: NDArray[np.generic], box: IntArray, level: int, piece: Piece) -> None:
        """Copy a piece of any level: each pixel of the canvas takes the one that its centre lies in."""
        here, there = [], []
        for place, axis in enumerate(self.axes):
            first, last = piece.region[:, axis]
            pixels = self._pixels_along(axis, np.arange(box[0, place], box[1, place]), level, piece.level)
            inside = np.flatnonzero((pixels >= first) & (pixels < last))
            if not len(inside):
                return
            here.append(slice(int(inside[0]), int(inside[-1]) + 1))
            there.append(pixels[inside] - first)
        part: NDArray[np.generic] = piece.data
        for place, index in enumerate(there):
            part = part.take(index, axis=place)
        canvas[tuple(here)] = part

    def _pixels_along(self, axis: int, pixels: IntArray, level: int, other: int) -> IntArray:
        """Pixel of another level, half-up and clamped to it, that holds the centre of each pixel of a level."""
        scales, translations = self.pyramid.scales[:, axis], self.pyramid.translations[:, axis]
        own = pixels * scales[level] + translations[level]
        found = np.floor((own - translations[other]) / scales[other] + 0.5)
        inside: IntArray = np.clip(found, 0, self.pyramid.shapes[other, axis] - 1).astype(np.int64)
        return inside
