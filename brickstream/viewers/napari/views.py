"""From what napari shows of a layer to a view of its image, in the image's own coordinates. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from brickstream.multiscale import Camera, Pyramid, View
from brickstream.multiscale.affine import FloatArray

# So many canvas pixels along one of the level: the region ends within the outermost pixels, whatever is rounded.
FINENESS = 2
# Perspective that a view can have, in degrees.
WIDEST = 170.0


@dataclass(frozen=True, eq=False)
class LayerAxes:
    """Which axes of an image a layer has.

    Attributes
    ----------
    pyramid : Pyramid
        In its own coordinates.
    axes : tuple of (int or None)
        Which axis of the pyramid each axis of the layer runs along; None for one of one pixel that was put in front.
    fixed : dict of str to float
        Own position on the axes that the layer does not have.
    """

    pyramid: Pyramid
    axes: tuple[int | None, ...]
    fixed: dict[str, float]

    def shown(self, cut: Slice) -> list[int]:
        """Axes of the pyramid that a slice displays, in the order of the picture."""
        return [axis for axis in (self.axes[i] for i in cut.displayed) if axis is not None]

    def hidden(self, cut: Slice) -> list[tuple[int, int]]:
        """Axes of the layer that a slice does not display, each with that of the pyramid."""
        return [(i, axis) for i, axis in enumerate(self.axes) if axis is not None and i not in cut.displayed]

    def names(self, cut: Slice) -> list[str]:
        """Names of the displayed axes."""
        return [self.pyramid.axis_names[axis] for axis in self.shown(cut)]


@dataclass(frozen=True)
class Slice:
    """Which axes of a layer are displayed, and where it is cut on the others.

    Attributes
    ----------
    displayed : tuple of int
        Axes of the layer, in the order of the picture.
    point : tuple of float
        Pixel of level 0 on every axis of the layer.
    margins : tuple of (float, float)
        How far a thick slice reaches below and above the point, in pixels of level 0; none for one plane.
    projection : str
        Of a thick slice.
    """

    displayed: tuple[int, ...]
    point: tuple[float, ...]
    margins: tuple[tuple[float, float], ...] = ()
    projection: str = "mean"


@dataclass(frozen=True)
class Eye:
    """A camera in pixels of level 0 of a layer, on the displayed axes in their order.

    Attributes
    ----------
    center, forward, up : tuple of (float, float, float)
    zoom : float
        Physical canvas pixels along one of napari's world units, at the centre.
    unit : float
        Own units of the image in one of napari's world units.
    perspective : float
        Degrees.
    canvas : tuple of (int, int)
        Width and height in physical pixels.
    pixel_ratio : float
    """

    center: tuple[float, ...]
    forward: tuple[float, ...]
    up: tuple[float, ...]
    zoom: float
    unit: float
    perspective: float
    canvas: tuple[int, int]
    pixel_ratio: float = 1.0


def is_inside(where: LayerAxes, cut: Slice) -> bool:
    """Whether a slice meets the image, by napari's rule: the point, or a margin, rounds to one of its pixels."""
    for i, axis in where.hidden(cut):
        below, above = cut.margins[i] if cut.margins else (0.0, 0.0)
        last = int(where.pyramid.shapes[0, axis]) - 1
        if round(cut.point[i] + above) < 0 or round(cut.point[i] - below) > last:
            return False
    return True


def plane_view(where: LayerAxes, cut: Slice, level: int, corner_pixels: ArrayLike) -> View:
    """View just the pixels of a level that napari asks for.

    Parameters
    ----------
    where : LayerAxes
    cut : Slice
    level : int
        The one that napari has chosen.
    corner_pixels : array-like of shape (2, ndim of the layer), int
        First and last pixel, both inclusive, in pixels of `level`.
    """
    pyramid, shown = where.pyramid, where.shown(cut)
    scale = pyramid.scales[level, shown]
    corners = np.asarray(corner_pixels, dtype=np.float64)[:, list(cut.displayed)]
    count = corners[1] - corners[0] + 1
    zoom = FINENESS / float(scale.min())
    height, width = np.maximum(np.floor(count * scale * zoom + 1e-6) - 1, 1).astype(int).tolist()
    center = corners.mean(axis=0) * scale + pyramid.translations[level, shown]
    return View.plane(
        pyramid,
        where.names(cut),
        _point(where, cut),
        (width, height),
        center=center.tolist(),
        zoom=zoom,
        level=level,
        margins=_margins(where, cut),
        projection=cut.projection if cut.margins else "mean",
    )


def volume_view(where: LayerAxes, cut: Slice, eye: Eye, level: int | None = None) -> View:
    """View what napari's 3D camera sees, in one level or in those that fill the canvas."""
    pyramid, shown = where.pyramid, where.shown(cut)
    scale = pyramid.scales[0, shown]
    center = np.array(eye.center) * scale + pyramid.translations[0, shown]
    return View.volume(
        pyramid,
        where.names(cut),
        _point(where, cut),
        eye.canvas,
        center=center.tolist(),
        zoom=eye.zoom / eye.unit,
        camera=turntable(np.array(eye.forward) * scale, np.array(eye.up) * scale, min(eye.perspective, WIDEST)),
        level=level,
        pixel_ratio=eye.pixel_ratio,
    )


def turntable(forward: FloatArray, up: FloatArray, fov: float = 0.0) -> Camera:
    """The camera that looks along one direction and has another one up on the canvas.

    Parameters
    ----------
    forward, up : ndarray of shape (3,), float64
        In the order z, y, x; of any length, not parallel. `up` gives way to a right angle.
    fov : float

    Returns
    -------
    Camera
        Its rotation is about y, then z, then x (`Camera.rotation`), taken apart here; of the two ways to do that, the
        one whose elevation is from -90 to 90 degrees.
    """
    ahead = forward[::-1] / np.linalg.norm(forward)
    above = up[::-1] - (up[::-1] @ ahead) * ahead
    above /= np.linalg.norm(above)
    right = np.cross(ahead, above)
    # Of the matrix with the columns right, ahead, above, by rows of Ry(roll) Rz(azimuth) Rx(-elevation).
    azimuth = np.degrees(np.arctan2(right[1], np.hypot(right[0], right[2])))
    if np.hypot(right[0], right[2]) > 1e-9:
        roll = np.degrees(np.arctan2(-right[2], right[0]))
        elevation = -np.degrees(np.arctan2(-above[1], ahead[1]))
    else:  # looking along the turn: roll and elevation are one
        roll = np.degrees(np.arctan2(above[0], above[2]))
        elevation = 0.0
    if abs(elevation) > 90:
        azimuth, roll, elevation = 180 - azimuth, roll + 180, elevation - np.copysign(180, elevation)
    return Camera(float(azimuth), float(np.clip(elevation, -90, 90)), float(roll), fov)


def _point(where: LayerAxes, cut: Slice) -> dict[str, float]:
    """Own position on every axis that is not displayed; within the image, where only a margin reaches into it."""
    point, pyramid = dict(where.fixed), where.pyramid
    for i, axis in where.hidden(cut):
        pixel = float(np.clip(cut.point[i], 0, pyramid.shapes[0, axis] - 1))
        point[pyramid.axis_names[axis]] = float(pyramid.translations[0, axis] + pixel * pyramid.scales[0, axis])
    return point


def _margins(where: LayerAxes, cut: Slice) -> dict[str, tuple[float, float]]:
    """Margins in own units, on the axes that have any."""
    pyramid = where.pyramid
    return {
        pyramid.axis_names[axis]: (below * pyramid.scales[0, axis], above * pyramid.scales[0, axis])
        for i, axis in (where.hidden(cut) if cut.margins else ())
        for below, above in [cut.margins[i]]
        if below or above
    }
