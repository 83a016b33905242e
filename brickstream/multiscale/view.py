"""What of the data is in view: a frozen value that holds everything a plan depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import ViewError
from brickstream.multiscale.camera import Camera, frustum
from brickstream.multiscale.pyramid import FloatArray, Pyramid

MARGIN_3D = 1.04  # a little air around a whole volume


class HasPyramid(Protocol):
    """Anything that shows its pyramid: an opened image, for example."""

    @property
    def pyramid(self) -> Pyramid:
        """The levels and axes."""


@dataclass(frozen=True)
class View:
    """A 2D plane or a 3D camera on an image.

    Make one with :meth:`plane` or :meth:`volume`.

    Attributes
    ----------
    displayed : tuple of str
        Names of the two or three displayed axes; the last runs to the right on screen in 2D and is x in 3D.
    point : tuple of (str, float)
        World position on each axis that is not displayed.
    canvas : tuple of (int, int)
        Width and height in physical pixels.
    center : tuple of float
        World position of the middle of the canvas, in the order of `displayed`.
    zoom : float
        Physical canvas pixels per world unit; in perspective, at the centre.
    camera : Camera or None
        None for a plane.
    level : int or None
        A level to use instead of the one that fills the canvas; None chooses.
    """

    displayed: tuple[str, ...]
    point: tuple[tuple[str, float], ...]
    canvas: tuple[int, int]
    center: tuple[float, ...]
    zoom: float
    camera: Camera | None = field(default=None)
    level: int | None = None

    def __post_init__(self) -> None:
        if len(set(self.displayed)) != len(self.displayed) or len(self.displayed) not in (2, 3):
            raise ViewError("two or three different axes are displayed", ", ".join(self.displayed))
        if (self.camera is None) != (len(self.displayed) == 2):
            raise ViewError("a plane displays two axes, a camera three", ", ".join(self.displayed))
        if any(n < 1 for n in self.canvas):
            raise ViewError("a canvas has at least one pixel on each side", f"{self.canvas[0]}x{self.canvas[1]}")
        if not (isfinite(self.zoom) and self.zoom > 0):
            raise ViewError("the zoom must be finite and above zero", f"zoom={self.zoom}")
        if len(self.center) != len(self.displayed):
            raise ViewError("the centre has one number for each displayed axis", f"center={self.center}")
        if not all(isfinite(v) for v in (*self.center, *(v for _, v in self.point))):
            raise ViewError("world positions must be finite", f"center={self.center}, point={dict(self.point)}")

    @property
    def ndisplay(self) -> int:
        """2 for a plane, 3 for a volume."""
        return len(self.displayed)

    @property
    def world_size(self) -> tuple[float, float]:
        """Width and height of the canvas in world units (3D: at the centre)."""
        return self.canvas[0] / self.zoom, self.canvas[1] / self.zoom

    @classmethod
    def plane(
        cls,
        image: HasPyramid | Pyramid,
        displayed: Sequence[str] | None = None,
        point: Mapping[str, float] | None = None,
        canvas: tuple[int, int] = (800, 600),
        *,
        center: Sequence[float] | Mapping[str, float] | None = None,
        zoom: float | None = None,
        level: int | None = None,
    ) -> View:
        """View one plane of an image; without `center` and `zoom` the whole plane fits the canvas.

        Parameters
        ----------
        image : image or Pyramid
        displayed : sequence of two str, optional
            Vertical then horizontal axis; default the last two axes of space.
        point : mapping of str to float, optional
            World position on the other axes; default their middle (space) or start (anything else).
        canvas : tuple of (int, int), default (800, 600)
            Width and height in physical pixels.
        center : two floats, or mapping of str to float, optional
            World position of the middle of the canvas.
        zoom : float, optional
            Canvas pixels per world unit.
        level : int, optional
            Use this level instead of choosing one.

        Raises
        ------
        ViewError
            If an axis is unknown, missing or named twice, or a number is not usable.
        """
        return _make(cls, image, displayed, point, canvas, center, zoom, None, level)

    @classmethod
    def volume(
        cls,
        image: HasPyramid | Pyramid,
        displayed: Sequence[str] | None = None,
        point: Mapping[str, float] | None = None,
        canvas: tuple[int, int] = (800, 600),
        *,
        center: Sequence[float] | Mapping[str, float] | None = None,
        zoom: float | None = None,
        camera: Camera | None = None,
        level: int | None = None,
    ) -> View:
        """View an image with a 3D camera; without `center` and `zoom` the whole volume fits the canvas.

        Parameters
        ----------
        image, point, canvas, level
            As for :meth:`plane`.
        displayed : sequence of three str, optional
            Axes that become z, y, x of the scene; default the last three axes of space.
        center : three floats, or mapping of str to float, optional
            World position that the camera turns around.
        zoom : float, optional
            Canvas pixels per world unit at the centre.
        camera : Camera, optional
            Default azimuth 30, elevation 30, orthographic.

        Raises
        ------
        ViewError
            As for :meth:`plane`; also where the image has fewer than three axes.
        """
        return _make(cls, image, displayed, point, canvas, center, zoom, camera or Camera(), level)

    def region(self) -> Region:
        """Give the part of the displayed world that the canvas shows."""
        width, height = self.world_size
        center = np.array(self.center)
        if self.camera is None:
            half = np.array([height, width]) / 2
            return Region(np.stack([center - half, center + half]), None)
        return Region(None, frustum(self.camera, center[::-1], width, height))


@dataclass(frozen=True, eq=False)
class Region:
    """A field of view: a world box (a plane) or the half-spaces of a frustum (a volume).

    Attributes
    ----------
    box : ndarray of shape (2, 2), float64, or None
        Half-open world box in the order of the displayed axes.
    planes : ndarray of shape (6, 4), float64, or None
        Half-spaces in scene x, y, z.
    """

    box: FloatArray | None
    planes: FloatArray | None

    def overlaps(self, low: FloatArray, high: FloatArray) -> NDArray[np.bool_]:
        """Which boxes may be in view.

        Parameters
        ----------
        low, high : ndarray of shape (n, d), float64
            World corners in the order of the displayed axes.

        Returns
        -------
        ndarray of shape (n,), bool
            Exact for a box; for a frustum a few boxes near its edges are kept that are just outside.
        """
        if self.box is not None:
            inside: NDArray[np.bool_] = ((low < self.box[1]) & (high > self.box[0])).all(axis=1)
            return inside
        planes = self.planes
        keep = np.ones(len(low), dtype=bool)
        for normal, offset in zip(planes[:, :3], planes[:, 3], strict=True):  # type: ignore[index]
            n = normal[::-1]
            keep &= np.where(n > 0, high, low) @ n + offset >= 0
        return keep


def _make(
    cls: type[View],
    image: HasPyramid | Pyramid,
    displayed: Sequence[str] | None,
    point: Mapping[str, float] | None,
    canvas: tuple[int, int],
    center: Sequence[float] | Mapping[str, float] | None,
    zoom: float | None,
    camera: Camera | None,
    level: int | None,
) -> View:
    pyramid = _pyramid(image)
    axes = _displayed(pyramid, displayed, 2 if camera is None else 3)
    extent = pyramid.extent()[:, [pyramid.axis_index(name) for name in axes]]
    size = (extent[1] - extent[0])[::-1]
    if zoom is None:
        zoom = min(canvas[0] / size[0], canvas[1] / size[1]) if camera is None else _fit_volume(camera, size, canvas)
    middle = _center(axes, extent, center)
    others = _point(pyramid, axes, point)
    return cls(axes, others, _canvas(canvas), middle, float(zoom), camera, _level(pyramid, level))


def _pyramid(image: HasPyramid | Pyramid) -> Pyramid:
    return image if isinstance(image, Pyramid) else image.pyramid


def _displayed(pyramid: Pyramid, displayed: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if displayed is not None:
        for name in displayed:
            pyramid.axis_index(name)
        if len(displayed) != count:
            raise ViewError(f"{count} axes are displayed", ", ".join(displayed))
        return tuple(displayed)
    space = [axis.name for axis in pyramid.axes if axis.type == "space"]
    names = space if len(space) >= count else list(pyramid.axis_names)
    if len(names) < count:
        raise ViewError(f"{count} axes are needed", pyramid.name, f"the image has {', '.join(names)}; try ndisplay 2")
    return tuple(names[-count:])


def _point(
    pyramid: Pyramid, displayed: tuple[str, ...], point: Mapping[str, float] | None
) -> tuple[tuple[str, float], ...]:
    given = dict(point or {})
    for name in given:
        pyramid.axis_index(name)
        if name in displayed:
            raise ViewError(f"axis {name!r} is displayed and cannot have a point", pyramid.name)
    extent = pyramid.extent()
    values = []
    for i, axis in enumerate(pyramid.axes):
        if axis.name in displayed:
            continue
        first = float(pyramid.translations[0, i])
        # The middle pixel's own centre, so that no level has to round it across an edge.
        middle = first + float(pyramid.scales[0, i]) * (int(pyramid.shapes[0, i]) // 2)
        default = middle if axis.type == "space" else first
        value = float(given.get(axis.name, default))
        if not extent[0, i] <= value <= extent[1, i]:
            low, high = first, float(extent[1, i] - pyramid.scales[0, i] / 2)
            raise ViewError(
                f"point {axis.name}={value:g} is outside the image",
                pyramid.name,
                f"{axis.name} runs from {low:g} to {high:g}",
            )
        values.append((axis.name, value))
    return tuple(values)


def _center(
    axes: tuple[str, ...], extent: FloatArray, center: Sequence[float] | Mapping[str, float] | None
) -> tuple[float, ...]:
    middle = dict(zip(axes, ((extent[0] + extent[1]) / 2).tolist(), strict=True))
    if isinstance(center, Mapping):
        for name in center:
            if name not in axes:
                raise ViewError(f"the centre names {name!r}, which is not displayed", ", ".join(axes))
        middle.update({name: float(value) for name, value in center.items()})
    elif center is not None:
        if len(center) != len(axes):
            raise ViewError("the centre has one number for each displayed axis", f"{len(center)} for {', '.join(axes)}")
        middle = dict(zip(axes, (float(value) for value in center), strict=True))
    return tuple(middle[name] for name in axes)


def _canvas(canvas: tuple[int, int]) -> tuple[int, int]:
    width, height = canvas
    return int(width), int(height)


def _level(pyramid: Pyramid, level: int | None) -> int | None:
    if level is not None and not 0 <= level < len(pyramid.levels):
        raise ViewError(f"no level {level}", pyramid.name, f"levels are 0 (finest) to {len(pyramid.levels) - 1}")
    return level


def _fit_volume(camera: Camera, size: FloatArray, canvas: tuple[int, int]) -> float:
    """Zoom at which a box of `size` (scene x, y, z) just fits the canvas, turned as the camera sees it."""
    right, _, up = camera.rotation().T
    width = float(np.abs(right) @ size) * MARGIN_3D
    height = float(np.abs(up) @ size) * MARGIN_3D
    return min(canvas[0] / width, canvas[1] / height)
