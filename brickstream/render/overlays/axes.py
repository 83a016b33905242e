"""Arrows along the displayed axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from brickstream.multiscale import View
from brickstream.multiscale.affine import FloatArray
from brickstream.render.overlays.drawing import Drawing, Shown, check_corner
from brickstream.render.overlays.ink import Color, Ink, Picture, edge_of

# x, y and z as everywhere; light enough for a dark picture. Other axes take the colour of their place.
COLORS: dict[str, Color] = {"x": (255, 110, 100), "y": (110, 220, 110), "z": (120, 170, 255)}
OTHERS: tuple[Color, ...] = ((255, 210, 90), (220, 140, 255), (120, 225, 225))
LENGTH = 3.0  # of an arrow that lies in the canvas, in heights of letters

Arrow = tuple[str, float, float]


@dataclass(frozen=True)
class Axes:
    """Where the displayed axes run: named arrows that turn with the camera. Of a plane or cut as they lie in it.

    Attributes
    ----------
    corner : str
    size : float or None
        Height of the letters in pixels; None suits the canvas.
    """

    corner: str = "bottom-left"
    size: float | None = None

    def __post_init__(self) -> None:
        check_corner(self.corner)

    def draw(self, shown: Shown) -> Drawing | None:
        """Draw itself."""
        view = shown.view
        along = directions(view)
        # What points away from us is drawn first.
        order = np.argsort(-along[:, 2], kind="stable")
        arrows = tuple((view.displayed[i], float(along[i, 0]), float(along[i, 1])) for i in order)
        colors = tuple(COLORS.get(name, OTHERS[view.displayed.index(name) % 3]) for name, _, _ in arrows)
        return Drawing(_drawn(arrows, colors, self.size or shown.letter_size, view.ndisplay == 3), self.corner)


def directions(view: View) -> FloatArray:
    """Where the displayed axes run on the canvas.

    Returns
    -------
    ndarray of shape (len(displayed), 3), float64
        Of a world unit along each axis, seen without perspective: to the right, down, and away from us. Of a plane or
        cut the last is 0.
    """
    if view.camera is not None:
        right, forward, up = view.camera.rotation().T
        return np.stack([right, -up, forward], axis=1)[::-1]
    frame = view.frame()
    right, down = frame[-1], frame[0] if len(frame) > 1 else np.zeros(len(view.displayed))
    return np.stack([right, down, np.zeros(len(view.displayed))], axis=1)


@lru_cache(maxsize=64)
def _drawn(arrows: tuple[Arrow, ...], colors: tuple[Color, ...], size: float, turns: bool) -> Picture:
    tips = np.array([arrow[1:] for arrow in arrows]) * LENGTH * size
    # What turns keeps its place; what does not takes as little as it can.
    low, high = np.minimum(tips.min(axis=0), 0), np.maximum(tips.max(axis=0), 0)
    if turns:
        low, high = np.full(2, -LENGTH * size), np.full(2, LENGTH * size)
    ink = Ink(*(high - low + 2.4 * size))
    start = 1.2 * size - low
    for (name, _, _), tip, color in zip(arrows, tips, colors, strict=True):
        _arrow(ink, name, start, tip, size, color)
    return ink.finish(edge_of(size))


def _arrow(ink: Ink, name: str, start: FloatArray, tip: FloatArray, size: float, color: Color) -> None:
    length = float(np.hypot(*tip))
    along = tip / length if length > 1e-6 else np.array([0.0, -1.0])
    across = np.array([-along[1], along[0]])
    head = min(0.7 * size, length)
    end, neck = start + tip, start + tip - head * along
    ink.line(_point(start), _point(neck), size / 6, color)
    ink.shape([_point(end), _point(neck + 0.28 * size * across), _point(neck - 0.28 * size * across)], color)
    ink.letters(_point(end + 0.65 * size * along), name, size, color)


def _point(place: FloatArray) -> tuple[float, float]:
    return float(place[0]), float(place[1])
