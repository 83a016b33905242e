"""A view as one image sees it: in the image's own coordinates, where its levels are nothing but scales."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale.affine import NOISE, Affine, FloatArray, IntArray
from brickstream.multiscale.canvas import center_zoom
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.region import Region, box_planes, place_planes
from brickstream.multiscale.view import View

# A billionth of a pixel is taken for float noise: an exact edge must not add a row of pixels.
PIXEL_NOISE = 1e-9
# So many units in the last place may a position be off that has been through a few sums and products.
ULPS = 8
# A view change asks for the same view of the same image a dozen times, from the planner to the visual.
KEPT = 16


@dataclass(frozen=True, eq=False)
class Eye:
    """Where a camera with perspective looks from, in own coordinates on the axes of the view.

    Attributes
    ----------
    position, forward : ndarray of shape (d,), float64
        `forward` has length 1.
    focal : float
        Canvas pixels of one unit at depth 1: at depth z a unit is ``focal / z`` pixels long.
    near : float
        Depth of the near plane; nothing nearer is drawn.
    spread : float
        Cosine of the widest angle between `forward` and a ray.
    """

    position: FloatArray
    forward: FloatArray
    focal: float
    near: float
    spread: float


@dataclass(frozen=True, eq=False)
class LocalView:
    """What a view needs of one image, in the image's own coordinates.

    Attributes
    ----------
    axes : tuple of int
        Positions of the array axes that vary within the view, in the order of the picture's axes where they are the
        same, else in array order (an oblique cut has more of them than the picture has axes).
    region : Region
        Field of view on `axes`.
    focus : ndarray of shape (d,), float64
        The middle of the canvas, on `axes`.
    resolution : ndarray of shape (d,), float64
        Canvas pixels along one own unit of each axis: everywhere, or at the focus in perspective. The view's bias is in
        it.
    window : ndarray of shape (2, ndim), float64
        What is needed of the other axes: first and last position, both the point's own in a thin slice. Not a number
        on `axes`.
    eye : Eye or None
        Of a camera with perspective.
    along : ndarray of shape (d, n), float64
        Own directions (columns) of the picture's axes: own = focus + along @ (world offset from the view's centre along
        the picture's axes). A thick slice of a rotated image has a column more for each of its margins.
    """

    axes: tuple[int, ...]
    region: Region
    focus: FloatArray
    resolution: FloatArray
    window: FloatArray
    eye: Eye | None
    along: FloatArray

    @property
    def flat(self) -> bool:
        """Whether the view is a line or a cut across more of the image's axes than it has directions of its own."""
        return bool(self.along.shape[0] > self.along.shape[1])

    @property
    def aligned(self) -> bool:
        """Whether every direction of the view runs along one array axis: its picture is a slice of the array."""
        return _diagonal(self.along)


@lru_cache(KEPT)
def localize(pyramid: Pyramid, view: View) -> LocalView:
    """Bring a view into the coordinates of an image; the newest answers are kept, their arrays are read-only.

    Axes are matched by name. An axis of the view that the image does not have is no restriction; an axis of the image
    that the view does not name is taken at its first pixel.

    Raises
    ------
    ViewError
        If a displayed axis is not one of the image.
    """
    names = pyramid.axis_names
    shown = [pyramid.axis_index(name) for name in view.displayed]
    world = pyramid.origin.copy()
    for name, value in (*view.point, *zip(view.displayed, view.center, strict=True)):
        if name in names:
            world[names.index(name)] = value
    placement = pyramid.placed
    directions = np.zeros((len(names), view.ndisplay))
    directions[shown] = view.frame().T
    directions, span, window = _thicken(pyramid, view, placement, directions, world)
    own = np.asarray(np.linalg.solve(placement.linear, directions), dtype=np.float64)
    own[np.abs(own) < NOISE] = 0.0
    center = placement.solve(world)
    axes = _varying(own)
    window = np.stack([center, center]) if window is None else window
    window[:, list(axes)] = np.nan
    focus = center[list(axes)]
    along = own[list(axes)]
    region, resolution = _place(span, along, focus), _resolution(view, along)
    for array in (focus, resolution, window, along, region.box, region.planes):
        if array is not None:
            array.flags.writeable = False
    return LocalView(axes, region, focus, resolution, window, _eye(view, along, focus), along)


def _thicken(
    pyramid: Pyramid, view: View, placement: Affine, directions: FloatArray, world: FloatArray
) -> tuple[FloatArray, Region, FloatArray | None]:
    """Give a thick slice its extent: a window where its axes stand alone, else further directions."""
    span = view.span()
    names = pyramid.axis_names
    margins = [(names.index(name), reach) for name, reach in view.margins if name in names and sum(reach) > 0]
    if not margins:
        return directions, span, None
    if placement.aligned or all(_alone(placement, axis) for axis, _ in margins):
        low, high = world.copy(), world.copy()
        for axis, (below, above) in margins:
            low[axis], high[axis] = low[axis] - below, high[axis] + above
        ends = placement.solve(np.stack([low, high]))
        return directions, span, np.stack([ends.min(axis=0), ends.max(axis=0)])
    more = np.eye(len(names))[:, [axis for axis, _ in margins]]
    reach = np.array([[-below, above] for _, (below, above) in margins]).T
    planes = span.to_planes()
    d, extra = planes.shape[1] - 1, len(margins)
    wide = np.column_stack([planes[:, :d], np.zeros((len(planes), extra)), planes[:, d]])
    sides = box_planes(reach)
    sides = np.column_stack([np.zeros((len(sides), d)), sides])
    return np.column_stack([directions, more]), Region(None, np.concatenate([wide, sides])), None


def _alone(placement: Affine, axis: int) -> bool:
    """Whether an axis of the world is one of the image's own, and neither is mixed with others."""
    there = np.abs(placement.linear) > NOISE
    return bool(there[axis].sum() == 1 and there[:, axis].sum() == 1 and there[axis, axis])


def _varying(own: FloatArray) -> tuple[int, ...]:
    """Array axes along which a view's directions (columns) run; in their order where each runs along one."""
    there = own != 0
    used = np.flatnonzero(there.any(axis=1))
    if len(used) == own.shape[1] and (there.sum(axis=0) == 1).all():
        return tuple(int(i) for i in there.argmax(axis=0))
    if len(used) < own.shape[1]:
        raise ViewError("the directions of a view are independent", f"{own.T.tolist()}")
    if len(used) == own.shape[1]:
        # Mixed, but within as many axes as the picture has: each picture axis gets the one it mostly runs along.
        order = [int(i) for i in np.abs(own).argmax(axis=0)]
        if len(set(order)) == len(order):
            return tuple(order)
    return tuple(int(i) for i in used)


def _diagonal(along: FloatArray) -> bool:
    rows, columns = along.shape
    return bool(rows == columns and (np.diag(np.diagonal(along)) == along).all())


def _place(span: Region, along: FloatArray, focus: FloatArray) -> Region:
    if span.box is not None and _diagonal(along):
        return Region(np.sort(span.box * np.diagonal(along), axis=0) + focus, None)
    return Region(None, place_planes(span.to_planes(), along, focus))


def _resolution(view: View, along: FloatArray) -> FloatArray:
    """Canvas pixels along one own unit of each axis: of the part of it that lies within the picture."""
    if view.camera is not None:
        return np.full(len(along), center_zoom(view) * 2.0**view.bias)
    if _diagonal(along):
        return np.asarray(view.zoom * 2.0**view.bias / np.abs(np.diagonal(along)), dtype=np.float64)
    lengths = np.linalg.norm(np.linalg.pinv(along[:, : view.ndisplay]), axis=0)
    return np.asarray(lengths * view.zoom * 2.0**view.bias, dtype=np.float64)


def _eye(view: View, along: FloatArray, focus: FloatArray) -> Eye | None:
    if view.camera is None or view.camera.fov == 0:
        return None
    width, height = view.world_size
    forward = view.camera.rotation()[:, 1][::-1]
    distance = view.camera.eye_distance(height)
    near, slopes = view.camera.lens(width, height)
    # Where the image is sheared, depths are those of its own coordinates: a length there is near enough to one here.
    ahead = along @ forward
    return Eye(
        focus - distance * ahead,
        ahead / np.linalg.norm(ahead),
        view.camera.focal(view.canvas[1]) * 2.0**view.bias,
        near,
        float(1 / np.sqrt(1 + slopes @ slopes)),
    )


def level_window(pyramid: Pyramid, level: int | slice, low: FloatArray, high: FloatArray) -> tuple[IntArray, IntArray]:
    """First and last pixel of a level that overlap half-open intervals ``[low, high)``, clamped to the level.

    Parameters
    ----------
    pyramid : Pyramid
    level : int, or slice
        Several levels at once give arrays of shape (levels, ndim).
    low, high : ndarray of shape (ndim,), float64
        In own coordinates, in array order. An empty interval is the pixel that holds `low`.

    Returns
    -------
    first, last : ndarray of shape (ndim,), int64
        Both inclusive; ``first <= last`` always: where nothing overlaps, the nearest pixel.
    """
    noise = pixel_noise(pyramid, level, np.maximum(np.abs(low), np.abs(high)))
    shift, scale = pyramid.translations[level], pyramid.scales[level]
    with np.errstate(over="ignore"):  # beyond all pixels is beyond the level
        return pixel_window((low - shift) / scale, (high - shift) / scale, pyramid.shapes[level], noise)


def pixel_noise(pyramid: Pyramid, level: int | slice, largest: FloatArray) -> FloatArray:
    """How far off positions may be, in pixels of a level: far from the origin float64 tells less apart.

    Parameters
    ----------
    pyramid : Pyramid
    level : int
    largest : ndarray of shape (ndim,), float64
        The largest magnitude of the positions in own coordinates.
    """
    largest = np.maximum(largest, np.abs(pyramid.translations[level]))
    with np.errstate(over="ignore"):
        return np.asarray(np.clip(ULPS * np.spacing(largest) / pyramid.scales[level], PIXEL_NOISE, 0.25))


def pixel_window(
    low: FloatArray, high: FloatArray, shape: IntArray, noise: FloatArray | float = PIXEL_NOISE
) -> tuple[IntArray, IntArray]:
    """First and last pixel that overlap half-open intervals ``[low, high)``, clamped to ``0 ... shape - 1``.

    Parameters
    ----------
    low, high : ndarray, float64
        In pixels of a level; pixel i covers ``[i - 0.5, i + 0.5)``. An empty interval is the pixel that holds `low`.
    shape : ndarray, int64
        Pixels along each axis; the three broadcast.
    noise : float or ndarray, default 1e-9
        What is taken for float noise, in pixels: an overlap by less is none.

    Returns
    -------
    first, last : ndarray, int64
        Both inclusive; ``first <= last`` always: where nothing overlaps, the nearest pixel.
    """
    shape = np.asarray(shape, dtype=np.int64)
    first = np.clip(pixel_at(low, shape, noise), 0, shape - 1)
    # Beyond the level all positions are alike; so clamped, no number is too large for an integer.
    last = np.ceil(np.clip(high, -1.0, shape) - 0.5 - noise).astype(np.int64)
    return first, np.clip(last, first, shape - 1)


def pixel_at(position: FloatArray, shape: IntArray, noise: FloatArray | float = PIXEL_NOISE) -> IntArray:
    """The pixel that holds each position, half-up.

    Parameters
    ----------
    position : ndarray, float64
        In pixels of a level.
    shape : ndarray, int64
        Pixels along each axis; broadcasts.
    noise : float or ndarray, default 1e-9
        A position so little below a pixel's edge, in pixels, is on it.

    Returns
    -------
    ndarray, int64
        -1 for whatever is before the first pixel, and `shape` for whatever is behind the last.
    """
    return np.asarray(np.floor(np.clip(position, -1.0, shape) + 0.5 + noise), dtype=np.int64)
