"""Semi-transparent isosurfaces, caps and slices of a volume: settings, and the mask of what is drawn. Needs no GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import ViewError
from brickstream.multiscale.affine import FloatArray
from brickstream.render.places import HalfSpace, Place
from brickstream.render.transfer import Curve, check_curve, check_share

PATTERNS = {"all": -1, "even": 0, "odd": 1}
SCALES = ("uniform", "min", "max", "extremes")
LEAST_OPACITY = 0.1
KNOTS = 256
MOST_SHEETS = 16


@dataclass(frozen=True)
class Sheet(HalfSpace):
    """A slice through a volume, at any place and in any direction.

    Attributes
    ----------
    position, normal : tuple of float
        A point of it and its normal, in the world, in the order of the displayed axes.
    fill : float
        Share of it that is drawn, 0 to 1.
    """

    fill: float = 1.0

    def __post_init__(self) -> None:
        HalfSpace.__post_init__(self)
        check_share(self.fill, "fill")

    @classmethod
    def across(cls, axis: int, at: float, fill: float = 1.0) -> Sheet:
        """Slice across a displayed axis (0 is the first) at a position in the world."""
        position, normal = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
        position[axis], normal[axis] = at, 1.0
        return cls(_three(position), _three(normal), fill)


@dataclass(frozen=True)
class Cap:
    """The two faces of the volume across one axis.

    Attributes
    ----------
    show : bool
    fill : float
        Share of them that is drawn, 0 to 1.
    """

    show: bool = True
    fill: float = 1.0

    def __post_init__(self) -> None:
        check_share(self.fill, "fill")


@dataclass(frozen=True)
class Surfaces:
    """What the method "surfaces" draws.

    Attributes
    ----------
    isomin, isomax : float or None
        Smallest and largest data value that is drawn; None are the contrast limits.
    count : int
        Surfaces, the first at `isomin`, the last at `isomax`; a single one is in the middle; 0 leaves caps and slices.
    opacity : float
        Of everything, 0 to 1.
    opacityscale : {"uniform", "min", "max", "extremes"} or tuple of (place, opacity)
        Opacity over the place between `isomin` (0) and `isomax` (1), linear between the points given. "min" makes small
        values opaque, "max" large ones, "extremes" both.
    fill : float
        Share of each surface that is drawn, 0 to 1: less leaves a square opening in the middle of each voxel cell.
    pattern : {"all", "odd", "even"}
        Draw all voxel cells of a surface, or those for which the sum of the voxel's indices is odd or even.
    caps : tuple of Cap
        On the faces across the first, second and third displayed axis.
    slices : tuple of Sheet

    Raises
    ------
    ViewError
        If a value is none that can be drawn.
    """

    isomin: float | None = None
    isomax: float | None = None
    count: int = 2
    opacity: float = 1.0
    opacityscale: str | Curve = "uniform"
    fill: float = 1.0
    pattern: str = "all"
    caps: tuple[Cap, Cap, Cap] = field(default_factory=lambda: (Cap(), Cap(), Cap()))
    slices: tuple[Sheet, ...] = ()

    def __post_init__(self) -> None:
        for name in ("isomin", "isomax"):
            value = getattr(self, name)
            if value is not None and not isfinite(value):
                raise ViewError("values of surfaces must be finite", f"{name}={value!r}")
        if self.isomin is not None and self.isomax is not None and self.isomin > self.isomax:
            raise ViewError("isomin is above isomax", f"{self.isomin} > {self.isomax}")
        if not 0 <= self.count <= 1000:
            raise ViewError("surfaces are 0 to 1000", f"count={self.count!r}")
        check_share(self.opacity, "opacity")
        check_share(self.fill, "fill")
        if self.pattern not in PATTERNS:
            raise ViewError(f"no pattern {self.pattern!r}", "", f"it is one of {', '.join(PATTERNS)}")
        object.__setattr__(self, "slices", tuple(self.slices))
        if len(self.caps) != 3:
            raise ViewError("caps are for three axes", f"{len(self.caps)} given")
        if len(self.slices) > MOST_SHEETS - 6:
            raise ViewError(f"at most {MOST_SHEETS - 6} slices", f"{len(self.slices)} given")
        if not isinstance(self.opacityscale, str):
            object.__setattr__(self, "opacityscale", check_curve(self.opacityscale, "an opacity scale"))
        elif self.opacityscale not in SCALES:
            known = f"it is one of {', '.join(SCALES)}, or points (place, opacity)"
            raise ViewError(f"no opacity scale {self.opacityscale!r}", "", known)

    def span(self, clim: tuple[float, float]) -> tuple[float, float]:
        """Smallest and largest value that is drawn, with these contrast limits."""
        low, high = min(clim), max(clim)
        return low if self.isomin is None else self.isomin, high if self.isomax is None else self.isomax

    def levels(self, clim: tuple[float, float]) -> FloatArray:
        """Values of the surfaces, ascending, ndarray of shape (count,), float64."""
        low, high = self.span(clim)
        return np.array([(low + high) / 2]) if self.count == 1 else np.linspace(low, high, self.count)

    def opacities(self, places: FloatArray) -> FloatArray:
        """Opacity at places from 0 (`isomin`) to 1 (`isomax`), without that of everything."""
        if not isinstance(self.opacityscale, str):
            curve = np.array(self.opacityscale)
            return np.asarray(np.interp(places, curve[:, 0], curve[:, 1]), dtype=np.float64)
        shapes = {
            "uniform": np.ones_like(places),
            "min": 1 - places,
            "max": places,
            "extremes": np.cos(np.pi * places) ** 2,
        }
        opacity: FloatArray = LEAST_OPACITY + (1 - LEAST_OPACITY) * shapes[self.opacityscale]
        return opacity


def is_drawn(places: FloatArray, normals: FloatArray, fill: float, pattern: str = "all") -> NDArray[np.bool_]:
    """Say which places of a surface are drawn: what the shader does, in NumPy.

    Parameters
    ----------
    places : ndarray of shape (n, 3)
        In pixels of the target level; voxel i covers [i - 0.5, i + 0.5).
    normals : ndarray of shape (n, 3)
        Of the surface there, of any length. Openings lie across the two axes that it is least along.
    fill : float
    pattern : {"all", "odd", "even"}

    Returns
    -------
    ndarray of shape (n,), bool
    """
    cells = np.floor(places + 0.5)
    across = np.abs(places - cells)
    np.put_along_axis(across, np.abs(normals).argmax(axis=1)[:, None], 0.0, axis=1)
    drawn: NDArray[np.bool_] = across.max(axis=1) >= 0.5 * np.sqrt(1 - fill)
    parity = PATTERNS[pattern]
    return drawn if parity < 0 else drawn & (cells.sum(axis=1).astype(np.int64) % 2 == parity)


def _three(values: list[float]) -> Place:
    a, b, c = values
    return a, b, c
