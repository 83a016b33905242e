"""Small drawings of lines and letters, smooth, with a dark edge that keeps them readable on any picture.

Letters are those of Pillow's own font, so that they look alike everywhere and need no fonts on the machine. What that
font lacks is looked for in the fonts that systems usually have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Picture = NDArray[np.uint8]
Color = tuple[int, int, int]

# Drawn so many times larger, then made smaller: that is what smooths the edges.
FINE = 4
SYSTEM_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc")
MICRO = "µμ"  # both code points of the prefix
EDGE_OPACITY = 0.9


class Ink:
    """A transparent sheet to draw on. Positions are pixels from its top left corner, x to the right, y down.

    Parameters
    ----------
    width, height : float
        Of the sheet, in pixels; rounded up.
    """

    def __init__(self, width: float, height: float) -> None:
        self.size = max(1, int(np.ceil(width))), max(1, int(np.ceil(height)))
        self._image = Image.new("RGBA", (self.size[0] * FINE, self.size[1] * FINE))
        self._draw = ImageDraw.Draw(self._image)

    def shape(self, corners: Sequence[tuple[float, float]], color: Color) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * FINE, y * FINE) for x, y in corners], fill=(*color, 255))

    def line(self, start: tuple[float, float], stop: tuple[float, float], width: float, color: Color) -> None:
        """Draw a straight line with square ends."""
        along = np.subtract(stop, start)
        across = np.array([-along[1], along[0]]) * width / (2 * max(float(np.hypot(*along)), 1e-9))
        corners = [start - across, start + across, stop + across, stop - across]
        self.shape([(float(x), float(y)) for x, y in corners], color)

    def letters(self, middle: tuple[float, float], text: str, size: float, color: Color) -> None:
        """Write text of `size` pixels; its box has its middle there."""
        width, height = text_size(text, size)
        x, y = (middle[0] - width / 2) * FINE, (middle[1] - height / 2) * FINE
        for line in text.split("\n"):
            self._write(x, y, line, size * FINE, color)
            y += line_height(size) * FINE

    def _write(self, x: float, y: float, text: str, size: float, color: Color) -> None:
        plain = _without_micro(text)
        font = _font(plain, size)
        self._draw.text((x, y), plain, font=font, fill=(*color, 255))
        # A mu is a u with a tail.
        for i, letter in enumerate(text):
            if letter in MICRO and plain[i] == "u":
                left, _, _, bottom = font.getbbox("u")
                at = x + font.getlength(plain[:i]) + left
                box = (at, y + (font.getbbox("u")[1] + bottom) / 2, at + size * 0.075, y + bottom + size * 0.2)
                self._draw.rectangle(box, fill=(*color, 255))

    def picture(self, box: tuple[float, float, float, float], colors: Picture) -> None:
        """Put an array of shape (height, width, 3), uint8, into a box (left, top, right, bottom)."""
        left, top, right, bottom = (round(side * FINE) for side in box)
        made = Image.fromarray(colors).resize((right - left, bottom - top), Image.Resampling.NEAREST)
        self._image.paste(made, (left, top))

    def finish(self, edge: float) -> Picture:
        """Give what was drawn, with a dark edge of so many pixels: ndarray of shape (height, width, 4), uint8."""
        ink = self._image.reduce(FINE)
        around = ink.getchannel("A").filter(ImageFilter.MaxFilter(2 * max(1, round(edge)) + 1))
        shade = around.filter(ImageFilter.GaussianBlur(edge / 2)).point(lambda alpha: int(alpha * EDGE_OPACITY))
        below = Image.new("RGBA", ink.size)
        below.putalpha(shade)
        below.alpha_composite(ink)
        return np.asarray(below)


def edge_of(size: float) -> float:
    """Width of the dark edge around letters of some size, in pixels."""
    return max(1.5, size / 8)


def text_size(text: str, size: float) -> tuple[float, float]:
    """Width and height of some lines of text, in pixels."""
    lines = _without_micro(text).split("\n")
    width = max(float(_font(line, size * FINE).getlength(line)) for line in lines) / FINE
    return width, line_height(size) * len(lines)


def line_height(size: float) -> float:
    """From one line of text to the next, in pixels."""
    return 1.25 * size


def _without_micro(text: str) -> str:
    """Pillow's font has no mu; where it has all else, we make one of a u."""
    plain = "".join("u" if letter in MICRO else letter for letter in text)
    return plain if _has(_own_font(16), plain) else text


@lru_cache(maxsize=64)
def _font(text: str, size: float) -> Any:
    own = _own_font(size)
    if _has(own, text):
        return own
    for name in SYSTEM_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue  # not on this machine
    return own


@lru_cache(maxsize=16)
def _own_font(size: float) -> Any:
    return ImageFont.load_default(size)


@lru_cache(maxsize=256)
def _has(font: Any, text: str) -> bool:
    """Whether a font has all letters of a text: none looks like the one for what is not there."""
    nothing = bytes(font.getmask("\uffff"))
    return all(letter.isspace() or bytes(font.getmask(letter)) != nothing for letter in set(text))
