"""Colour and opacity over the place between two values. Frozen values; needs no GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

from brickstream.errors import ViewError

Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class TransferFunction:
    """A colormap with opacities of its own: what :attr:`Look.colormap` can be for any method.

    Both run over the place of a value between the contrast limits: 0 at the lower one, 1 at the upper one. They are
    drawn from a table of 1024 places in float32, linear between them, so that opacities far below 1/255 count.

    Attributes
    ----------
    colormap : str, colormap of vispy, or tuple of (place, colour)
        Whose own opacity does not count; or colours at places that rise from 0 to 1, linear between them. A colour is a
        name, ``"#rrggbb"``, or three shares of red, green and blue from 0 to 1.
    opacity : tuple of (place, opacity)
        At places that rise from 0 to 1, linear between them; 0 lets everything through.

    Raises
    ------
    ViewError
        If places do not rise from 0 to 1, or an opacity is not from 0 to 1.
    """

    colormap: Any = "grays"
    opacity: Curve = ((0.0, 0.0), (1.0, 1.0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "opacity", check_curve(self.opacity, "an opacity curve"))
        if isinstance(self.colormap, Sequence) and not isinstance(self.colormap, str):
            object.__setattr__(self, "colormap", _check_colours(self.colormap))


def check_share(value: Any, name: str) -> float:
    """Give a number from 0 to 1.

    Raises
    ------
    ViewError
        If it is none.
    """
    if not (isinstance(value, int | float) and isfinite(value) and 0 <= value <= 1):
        raise ViewError(f"{name} is from 0 to 1", f"{name}={value!r}")
    return float(value)


def check_curve(points: Any, what: str) -> Curve:
    """Give points (place, opacity) whose places rise from 0 to 1.

    Raises
    ------
    ViewError
        If they are none; it calls them `what`.
    """
    pairs = _check_places(points, what, "(place, opacity)")
    return tuple((place, check_share(opacity, "opacity")) for place, opacity in pairs)


def _check_colours(points: Any) -> tuple[tuple[float, Any], ...]:
    pairs = _check_places(points, "a colour curve", "(place, colour)")
    return tuple((place, colour if isinstance(colour, str) else _three_shares(colour)) for place, colour in pairs)


def _three_shares(colour: Any) -> tuple[float, ...]:
    if not isinstance(colour, Sequence) or len(colour) != 3:
        raise ViewError("a colour is a name, #rrggbb, or red, green and blue from 0 to 1", repr(colour))
    return tuple(check_share(share, "a share of a colour") for share in colour)


def _check_places(points: Any, what: str, form: str) -> list[tuple[float, Any]]:
    try:
        pairs = [(float(place), value) for place, value in points]
    except (TypeError, ValueError) as error:
        raise ViewError(f"{what} is points {form}", repr(points)) from error
    rising = all(a < b for (a, _), (b, _) in pairwise(pairs))
    if len(pairs) < 2 or pairs[0][0] != 0 or pairs[-1][0] != 1 or not rising:
        raise ViewError(f"the places of {what} rise from 0 to 1", repr(points))
    return pairs
