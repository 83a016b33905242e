"""Which colour stands for which value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brickstream.render.colors import resolve_colormap
from brickstream.render.overlays.drawing import Drawing, Shown, check_corner
from brickstream.render.overlays.ink import Color, Ink, Picture, edge_of, line_height, text_size
from brickstream.render.overlays.numbers import tick_labels, ticks

SHARE = 0.4  # of the canvas's height
SHADES = 256


@dataclass(frozen=True)
class ColorBar:
    """The colormap between the contrast limits, with ticks; what is measured stands above it.

    Attributes
    ----------
    corner : str
    size : float or None
        Height of the letters in pixels; None suits the canvas.
    name : str or None
        What stands above the bar; None takes the picture's own.
    color : tuple of (int, int, int)
        Of letters and frame.
    """

    corner: str = "top-right"
    size: float | None = None
    name: str | None = None
    color: Color = (255, 255, 255)

    def __post_init__(self) -> None:
        check_corner(self.corner)

    def draw(self, shown: Shown) -> Drawing | None:
        """Draw itself, in less than half of the canvas's height."""
        size = self.size or shown.letter_size
        name = shown.name if self.name is None else self.name
        height = max(SHARE * shown.view.canvas[1], 3 * size)
        return Drawing(self._drawn(shown, name, size, height), self.corner)

    def _drawn(self, shown: Shown, name: str, size: float, height: float) -> Picture:
        low, high = shown.clim
        values = ticks(low, high, max(2, int(height / (2 * size))))
        labels = tick_labels(values)
        edge, gap, wide = edge_of(size), size / 3, size
        above = line_height(size) * (1 + name.count("\n")) if name else 0.0
        beside = max(text_size(label, size)[0] for label in labels)
        title = text_size(name, size)[0] if name else 0.0
        ink = Ink(max(wide + gap + beside, title) + 4 * edge, above + height + size + 4 * edge)
        top, is_right = 2 * edge + above + size / 2, self.corner.endswith("right")
        left = ink.size[0] - 2 * edge - wide if is_right else 2 * edge
        if name:
            ink.letters(
                (ink.size[0] - 2 * edge - title / 2 if is_right else 2 * edge + title / 2, edge + above / 2),
                name,
                size,
                self.color,
            )
        ink.shape([(left - 1, top - 1), (left + wide + 1, top - 1), (left + wide + 1, top + height + 1),
                   (left - 1, top + height + 1)], self.color)  # fmt: skip
        ink.picture((left, top, left + wide, top + height), ramp(shown.colormap, shown.gamma))
        for value, label in zip(values, labels, strict=True):
            y = top + height * (1 - ((value - low) / (high - low) if high != low else 0.0))
            x = left if is_right else left + wide
            out = -1 if is_right else 1
            ink.line((x, y), (x + out * gap / 2, y), max(1.0, size / 12), self.color)
            ink.letters((x + out * (gap + text_size(label, size)[0] / 2), y), label, size, self.color)
        return ink.finish(edge)


def ramp(colormap: Any, gamma: float = 1.0) -> Picture:
    """Colours of a colormap from its highest value down, on black: ndarray of shape (256, 1, 3), uint8."""
    colors = resolve_colormap(colormap).map(np.linspace(1, 0, SHADES)[:, None] ** gamma)
    return np.asarray(np.rint(255 * colors[:, None, :3] * colors[:, None, 3:]), dtype=np.uint8)
