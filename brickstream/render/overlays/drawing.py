"""Overlays as values: what they are told of the picture, what they draw, and where it goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale import Pyramid, View
from brickstream.render.overlays.ink import Picture

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")


@dataclass(frozen=True)
class Shown:
    """What a picture shows, as far as overlays tell of it.

    Attributes
    ----------
    view : View
    units : tuple of (str or None)
        Of the displayed axes.
    pixels : tuple of float
        World units that a pixel of level 0 takes on each displayed axis; counts where there is no unit.
    clim : tuple of (float, float)
        Contrast limits in data values.
    colormap : str or vispy colormap
    gamma : float
        The colour is that of the place between the limits to this power.
    name : str
        Of what is measured, for the colour bar.
    """

    view: View
    units: tuple[str | None, ...] = ()
    pixels: tuple[float, ...] = ()
    clim: tuple[float, float] = (0.0, 1.0)
    colormap: Any = field(default="grays", hash=False)
    gamma: float = 1.0
    name: str = ""

    @classmethod
    def of(cls, pyramid: Pyramid, view: View, **look: Any) -> Shown:
        """Take units and pixels from an image; `look` has the other attributes."""
        axes = [pyramid.axis_index(name) for name in view.displayed]
        units = tuple(pyramid.axes[axis].unit for axis in axes)
        pixels = tuple(float(abs(pyramid.scales[0, axis])) for axis in axes)
        return cls(view, units, pixels, **look)

    @property
    def letter_size(self) -> float:
        """Height of letters in pixels that suits the canvas."""
        return max(11 * self.view.pixel_ratio, min(self.view.canvas) / 36)


@dataclass(frozen=True, eq=False)
class Drawing:
    """What an overlay has drawn.

    Attributes
    ----------
    pixels : ndarray of shape (height, width, 4), uint8
        Red, green, blue, opacity; colours are not multiplied by the opacity.
    corner : str
        One of :data:`CORNERS`.
    """

    pixels: Picture
    corner: str


class Overlay(Protocol):
    """Something that is drawn over a picture."""

    def draw(self, shown: Shown) -> Drawing | None:
        """Draw itself; None where there is nothing to tell."""


@dataclass(frozen=True, eq=False)
class Placed:
    """Pixels of a drawing, and the canvas pixel (x, y) of their top left corner."""

    pixels: Picture
    x: int
    y: int


def check_corner(corner: str) -> None:
    """Refuse corners that there are not.

    Raises
    ------
    ViewError
    """
    if corner not in CORNERS:
        raise ViewError(f"no corner {corner!r}", "", f"the corners are {', '.join(CORNERS)}")


def arrange(overlays: Iterable[Overlay], shown: Shown) -> list[Placed]:
    """Draw overlays and place them on the canvas of the view; those of one corner stack towards the middle."""
    drawings = [drawing for overlay in overlays if (drawing := overlay.draw(shown)) is not None]
    width, height = shown.view.canvas
    margin = round(min(width, height) / 50)
    used = dict.fromkeys(CORNERS, margin)
    placed = []
    for drawing in drawings:
        tall, wide = drawing.pixels.shape[:2]
        x = margin if drawing.corner.endswith("left") else width - margin - wide
        y = used[drawing.corner] if drawing.corner.startswith("top") else height - used[drawing.corner] - tall
        used[drawing.corner] += tall
        placed.append(Placed(drawing.pixels, x, y))
    return placed


def paste(picture: Picture, placed: Sequence[Placed], left: int = 0, top: int = 0) -> None:
    """Blend drawings into a picture, in place.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3 or 4), uint8
        The whole canvas or a part of it; of its opacity nothing changes.
    placed : sequence of Placed
    left, top : int
        Canvas pixel that the picture begins with.
    """
    for one in placed:
        x, y = one.x - left, one.y - top
        tall, wide = one.pixels.shape[:2]
        rows, columns = slice(max(y, 0), max(y + tall, 0)), slice(max(x, 0), max(x + wide, 0))
        below = picture[rows, columns, :3]
        if not below.size:
            continue
        first = rows.start - y, columns.start - x
        above = one.pixels[first[0] : first[0] + below.shape[0], first[1] : first[1] + below.shape[1]]
        opacity = above[..., 3:].astype(np.uint16)
        below[...] = (above[..., :3] * opacity + below * (255 - opacity) + 127) // 255
