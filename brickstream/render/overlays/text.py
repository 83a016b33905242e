"""Words in a corner."""

from __future__ import annotations

from dataclasses import dataclass

from brickstream.render.overlays.drawing import Drawing, Shown, check_corner
from brickstream.render.overlays.ink import Color, Ink, edge_of, text_size


@dataclass(frozen=True)
class Text:
    """Some lines of text.

    Attributes
    ----------
    text : str
        Lines are ended by line breaks; nothing is drawn of an empty one.
    corner : str
    size : float or None
        Height of the letters in pixels; None suits the canvas.
    color : tuple of (int, int, int)
    """

    text: str
    corner: str = "top-left"
    size: float | None = None
    color: Color = (255, 255, 255)

    def __post_init__(self) -> None:
        check_corner(self.corner)

    def draw(self, shown: Shown) -> Drawing | None:
        """Draw itself."""
        if not self.text.strip():
            return None
        size = self.size or shown.letter_size
        edge = edge_of(size)
        wide, tall = text_size(self.text, size)
        ink = Ink(wide + 4 * edge, tall + 4 * edge)
        ink.letters((ink.size[0] / 2, ink.size[1] / 2), self.text, size, self.color)
        return Drawing(ink.finish(edge), self.corner)
