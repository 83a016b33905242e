"""Places and directions in the world that a look speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from brickstream.errors import ViewError

Place = tuple[float, float, float]


@dataclass(frozen=True)
class HalfSpace:
    """What lies on one side of a plane.

    Attributes
    ----------
    position : tuple of float
        A point of the plane, in the world, in the order of the displayed axes.
    normal : tuple of float
        Points to the side that is kept; any length but 0.
    """

    position: Place
    normal: Place

    def __post_init__(self) -> None:
        object.__setattr__(self, "position", _vector(self.position, "position"))
        object.__setattr__(self, "normal", _vector(self.normal, "normal", zero=False))


@dataclass(frozen=True)
class Slab(HalfSpace):
    """A plane to cast rays across, instead of through the whole volume.

    Attributes
    ----------
    position, normal : tuple of float
        As of a half-space; both sides count.
    thickness : float
        Pixels of the target level along the normal, 1 or more; divided by the relative step size that is the number
        of samples, a pixel apart, as in vispy; at least one, where vispy draws nothing.
    """

    thickness: float = 1.0

    def __post_init__(self) -> None:
        HalfSpace.__post_init__(self)
        if not (isfinite(self.thickness) and self.thickness >= 1):
            raise ViewError("a slab is one pixel thick or more", f"thickness={self.thickness!r}")


def _vector(values: Any, name: str, *, zero: bool = True) -> Place:
    try:
        a, b, c = (float(v) for v in values)
    except (TypeError, ValueError) as error:
        raise ViewError("a place or direction is three numbers", f"{name}={values!r}") from error
    if not all(map(isfinite, (a, b, c))):
        raise ViewError("a place or direction is three finite numbers", f"{name}={values!r}")
    if not zero and a == b == c == 0:
        raise ViewError("a normal has a direction", f"{name}={values!r}")
    return a, b, c
