"""Where a view begins: which axes it displays, at which point, how large. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale import plain
from brickstream.multiscale.affine import NOISE, FloatArray
from brickstream.multiscale.camera import Camera
from brickstream.multiscale.pyramid import Pyramid

MARGIN_3D = 1.04  # a little air around a whole volume
# An image, or a canvas, of less than this share of its distance from the origin is lost in the rounding of float64.
LOST = 1e-13
# A cut whose normal is an axis to this share has another axis run right.
STEEP = 0.9
# Steps that an axis can have without one of them being lost in float64.
MOST_STEPS = 2**53


def displayed_axes(pyramid: Pyramid, displayed: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Names of `count` displayed axes: those asked for, or the last axes of space."""
    if displayed is not None:
        displayed = plain.names(displayed, "displayed")
        for name in displayed:
            pyramid.axis_index(name)
        if len(displayed) != count:
            raise ViewError(f"{count} axes are displayed", ", ".join(displayed))
        return displayed
    space = [axis.name for axis in pyramid.axes if axis.type == "space"]
    names = space if len(space) >= count else list(pyramid.axis_names)
    if len(names) < count:
        raise ViewError(f"{count} axes are needed", pyramid.name, f"the image has {', '.join(names)}; try ndisplay 2")
    return tuple(names[-count:])


def extent_of(pyramid: Pyramid) -> FloatArray:
    """World box around an image, as :meth:`Pyramid.extent` has it: ndarray of shape (2, ndim), float64.

    Raises
    ------
    ViewError
        If it reaches farther than a view can.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        extent = pyramid.extent()
    if not (np.abs(extent) <= plain.LARGEST).all():
        hint = "correct its scales and translations"
        raise ViewError(f"the image reaches farther than {plain.LARGEST:g}", pyramid.name, hint)
    return extent


def size_of(pyramid: Pyramid, axes: Sequence[str]) -> FloatArray:
    """World units that an image takes along some axes: ndarray of shape (len(axes),).

    Raises
    ------
    ViewError
        If float64 cannot tell its ends apart, so far is the image from the origin of the world.
    """
    extent = extent_of(pyramid)[:, [pyramid.axis_index(name) for name in axes]]
    size, far = extent[1] - extent[0], np.abs(extent).max(axis=0)
    if not (size > np.maximum(LOST * far, 1 / plain.LARGEST)).all():
        where = ", ".join(f"{name} from {low:g} to {high:g}" for name, (low, high) in zip(axes, extent.T, strict=True))
        raise ViewError("the image is too small for its distance from the origin", where, "correct its translation")
    return np.asarray(size, dtype=np.float64)


def point_of(
    pyramid: Pyramid, displayed: Sequence[str], point: Mapping[str, float] | None
) -> tuple[tuple[str, float], ...]:
    """World position on every axis that is not displayed; by default the middle (space) or the start (others).

    Raises
    ------
    ViewError
        If an axis is unknown or displayed, or a position is outside the image.
    """
    given = dict(plain.positions_of(point or {}))
    for name in given:
        pyramid.axis_index(name)
        if name in displayed:
            raise ViewError(f"axis {name!r} is displayed and cannot have a point", pyramid.name)
    extent = extent_of(pyramid)
    values = []
    for i, axis in enumerate(pyramid.axes):
        if axis.name in displayed:
            continue
        first, middle, last = _centers(pyramid, i)
        value = given.get(axis.name, middle if axis.type == "space" else first)
        if not extent[0, i] <= value <= extent[1, i]:
            low, high = sorted((first, last))
            hint = f"{axis.name} runs from {low:g} to {high:g}"
            raise ViewError(f"point {axis.name}={value:g} is outside the image", pyramid.name, hint)
        values.append((axis.name, value))
    return tuple(values)


def _centers(pyramid: Pyramid, axis: int) -> tuple[float, float, float]:
    """World position of the first, middle and last pixel's centre along an axis.

    The middle pixel's own centre, so that no level has to round it across an edge. Where the image's pixels do not run
    along the axis, the middle of its extent.
    """
    start, step, count = steps_of(pyramid, axis)
    middle = start + step * (count // 2)
    if source_of(pyramid, axis) is None:
        middle = float(extent_of(pyramid)[:, axis].mean())
    return start, middle, start + step * (count - 1)


def source_of(pyramid: Pyramid, axis: int) -> int | None:
    """Position of the array axis that alone runs along a world axis; None where several do in part."""
    own = np.abs(pyramid.to_world(0).linear)
    there = np.flatnonzero(own[axis] > NOISE * own[axis].max())
    if len(there) != 1:
        return None
    source = int(there[0])
    column = own[:, source] / pyramid.scales[0, source]
    return source if (np.delete(column, axis) <= NOISE).all() else None


def steps_of(pyramid: Pyramid, axis: int) -> tuple[float, float, int]:
    """World positions along an axis at which there is something new to see: ``start + step * i`` for i < count.

    Where one array axis runs along it, the centres of its pixels, in array order (so the step of a flipped axis is
    negative). Else the step is the longest that passes over no pixel, and the positions fill the extent.

    Returns
    -------
    start, step : float
    count : int
        At least 1.

    Raises
    ------
    ViewError
        If the steps cannot be told apart in float64.
    """
    pixels = pyramid.to_world(0)
    source = source_of(pyramid, axis)
    if source is not None:
        return float(pixels.offset[axis]), float(pixels.linear[axis, source]), int(pyramid.shapes[0, source])
    step = 1 / float(np.abs(pixels.inverse().linear[:, axis]).max())
    low, high = extent_of(pyramid)[:, axis].tolist()
    if not step > (high - low) / MOST_STEPS:
        raise ViewError(f"pixels too small for the size of the image: {step:g}", pyramid.name, "correct its scales")
    count = max(1, floor((high - low) / step + 0.5))
    return (low + high - (count - 1) * step) / 2, step, count


def center_of(
    pyramid: Pyramid, axes: tuple[str, ...], center: Sequence[float] | Mapping[str, float] | None
) -> tuple[float, ...]:
    """World position of the middle of the canvas; by default of the image.

    Raises
    ------
    ViewError
        If it has other axes than the displayed ones.
    """
    extent = extent_of(pyramid)[:, [pyramid.axis_index(name) for name in axes]]
    middle = dict(zip(axes, ((extent[0] + extent[1]) / 2).tolist(), strict=True))
    if isinstance(center, Mapping):
        for name in center:
            if name not in axes:
                raise ViewError(f"the centre names {name!r}, which is not displayed", ", ".join(axes))
        middle.update(plain.positions_of(center))
    elif center is not None:
        given = plain.numbers(center, "the centre")
        if len(given) != len(axes):
            raise ViewError("the centre has one number for each displayed axis", f"{len(given)} for {', '.join(axes)}")
        return given
    return tuple(middle[name] for name in axes)


def level_of(pyramid: Pyramid, level: int | None) -> int | None:
    """The level asked for, checked.

    Raises
    ------
    ViewError
        If the image has no such level.
    """
    if level is None:
        return None
    level = plain.whole(level, "level")
    if not 0 <= level < len(pyramid.levels):
        raise ViewError(f"no level {level}", pyramid.name, f"levels are 0 (finest) to {len(pyramid.levels) - 1}")
    return level


def fit_plane(size: FloatArray, canvas: tuple[int, int]) -> float:
    """Zoom at which a picture of `size` world units (down, right; or right alone) just fits the canvas."""
    return float((np.array(canvas[::-1][-len(size) :]) / size).min())


def fit_volume(camera: Camera, size: FloatArray, canvas: tuple[int, int]) -> float:
    """Zoom at which a box of `size` world units (z, y, x) just fits the canvas, turned as the camera sees it."""
    right, _, up = camera.rotation().T
    width = float(np.abs(right) @ size[::-1]) * MARGIN_3D
    height = float(np.abs(up) @ size[::-1]) * MARGIN_3D
    return min(canvas[0] / width, canvas[1] / height)


def right_angle(directions: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bring two directions to length 1 and to a right angle; the second one gives way.

    Raises
    ------
    ViewError
        If they are not two, have other numbers of axes, or are parallel.
    """
    rows = plain.rows(directions, "directions")
    where = f"directions={rows}"[:200]
    if len(rows) != 2 or len(rows[0]) != len(rows[1]) or len(rows[0]) < 2:
        raise ViewError("a cut has two directions, with one number for each axis", where)
    if not all(np.isfinite(row).all() and any(row) for row in rows):
        raise ViewError("the directions of a cut are finite and not zero", where)
    down, right = (np.array(row) / np.abs(row).max() for row in rows)  # squares of the numbers themselves may overflow
    down /= np.linalg.norm(down)
    right /= np.linalg.norm(right)
    for _ in range(2):  # where the two are nearly parallel, once leaves an angle
        right = right - (right @ down) * down
        length = float(np.linalg.norm(right))
        if length < 1e-9:
            raise ViewError("the directions of a cut are not parallel", where)
        right /= length
    return tuple(down.tolist()), tuple(right.tolist())


def directions_across(normal: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Directions, down and to the right, of the cut that a normal stands on: the last axis runs as far as it can right.

    Parameters
    ----------
    normal : three floats
        On the axes of the cut, such as z, y, x; of any length.

    Raises
    ------
    ViewError
        If they are not three, or zero, or not finite.
    """
    across = np.array(plain.numbers(normal, "the normal"))
    if len(across) != 3 or not np.isfinite(across).all() or not across.any():
        raise ViewError("a normal has three finite numbers that are not all zero", f"normal={across.tolist()}")
    across /= np.abs(across).max()  # squares of the numbers themselves may overflow
    across /= np.linalg.norm(across)
    axis = max(i for i in range(3) if abs(across[i]) < STEEP)
    right = np.eye(3)[axis] - across[axis] * across
    right /= np.linalg.norm(right)
    down = np.cross(right, across)
    return tuple(down.tolist()), tuple(right.tolist())
