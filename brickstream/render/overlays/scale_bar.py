"""A bar of a round length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from brickstream.multiscale.canvas import center_zoom
from brickstream.render.overlays.drawing import Drawing, Shown, check_corner
from brickstream.render.overlays.ink import Color, Ink, Picture, edge_of, text_size
from brickstream.render.overlays.numbers import bar_length

SHARE = 0.25


@dataclass(frozen=True)
class ScaleBar:
    """How long something is: a bar of a round length with its unit. In perspective it is true at the centre.

    Attributes
    ----------
    corner : str
    size : float or None
        Height of the letters in pixels; None suits the canvas.
    color : tuple of (int, int, int)
    """

    corner: str = "bottom-right"
    size: float | None = None
    color: Color = (255, 255, 255)

    def __post_init__(self) -> None:
        check_corner(self.corner)

    def draw(self, shown: Shown) -> Drawing | None:
        """Draw itself: as long as fits into a quarter of the canvas."""
        length, label = measure(shown)
        return Drawing(_drawn(length, label, self.size or shown.letter_size, self.color), self.corner)


def measure(shown: Shown) -> tuple[float, str]:
    """Canvas pixels of the bar, and its label; in pixels of level 0 where the world has no unit."""
    unit = shown.units[-1] if shown.units else None
    zoom = center_zoom(shown.view)
    if unit is None and shown.pixels:
        zoom *= shown.pixels[-1]
    length, label = bar_length(SHARE * shown.view.canvas[0] / zoom, unit)
    return length * zoom, label


@lru_cache(maxsize=16)
def _drawn(length: float, label: str, size: float, color: Color) -> Picture:
    wide, tall = text_size(label, size)
    thick, edge = max(2.0, size / 4), edge_of(size)
    ink = Ink(max(length, wide) + 4 * edge, tall + 2 * thick + 4 * edge)
    middle = ink.size[0] / 2
    ink.letters((middle, 2 * edge + tall / 2), label, size, color)
    y = 2 * edge + tall + thick
    ink.line((middle - length / 2, y), (middle + length / 2, y), thick, color)
    return ink.finish(edge)
