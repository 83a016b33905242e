"""Where a view begins: which axes it displays, at which point, how large. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale.affine import NOISE, FloatArray
from brickstream.multiscale.camera import Camera
from brickstream.multiscale.pyramid import Pyramid

MARGIN_3D = 1.04  # a little air around a whole volume


def displayed_axes(pyramid: Pyramid, displayed: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Names of `count` displayed axes: those asked for, or the last axes of space."""
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


def size_of(pyramid: Pyramid, axes: Sequence[str]) -> FloatArray:
    """World units that an image takes along some axes: ndarray of shape (len(axes),)."""
    extent = pyramid.extent()[:, [pyramid.axis_index(name) for name in axes]]
    return np.asarray(extent[1] - extent[0])


def point_of(
    pyramid: Pyramid, displayed: Sequence[str], point: Mapping[str, float] | None
) -> tuple[tuple[str, float], ...]:
    """World position on every axis that is not displayed; by default the middle (space) or the start (others).

    Raises
    ------
    ViewError
        If an axis is unknown or displayed, or a position is outside the image.
    """
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
        first, middle, last = _centers(pyramid, i)
        value = float(given.get(axis.name, middle if axis.type == "space" else first))
        if not extent[0, i] <= value <= extent[1, i]:
            low, high = sorted((first, last))
            hint = f"{axis.name} runs from {low:g} to {high:g}"
            raise ViewError(f"point {axis.name}={value:g} is outside the image", pyramid.name, hint)
        values.append((axis.name, value))
    return tuple(values)


def _centers(pyramid: Pyramid, axis: int) -> tuple[float, float, float]:
    """World position of the first, middle and last pixel's centre along an axis.

    The middle pixel's own centre, so that no level has to round it across an edge. Where the image's pixels do not run
    along the axis, the ends and the middle of its extent.
    """
    pixels = pyramid.to_world(0)
    own = np.abs(pixels.linear[axis])
    if (np.delete(own, axis) > NOISE * own[axis]).any():
        low, high = pyramid.extent()[:, axis].tolist()
        return low, (low + high) / 2, high
    count = int(pyramid.shapes[0, axis])
    scale, shift = float(pixels.linear[axis, axis]), float(pixels.offset[axis])
    return shift, scale * (count // 2) + shift, scale * (count - 1) + shift


def center_of(
    pyramid: Pyramid, axes: tuple[str, ...], center: Sequence[float] | Mapping[str, float] | None
) -> tuple[float, ...]:
    """World position of the middle of the canvas; by default of the image.

    Raises
    ------
    ViewError
        If it has other axes than the displayed ones.
    """
    extent = pyramid.extent()[:, [pyramid.axis_index(name) for name in axes]]
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


def canvas_of(canvas: tuple[int, int]) -> tuple[int, int]:
    """Width and height as plain integers."""
    width, height = canvas
    return int(width), int(height)


def margins_of(
    margins: Mapping[str, float | tuple[float, float]] | None,
) -> tuple[tuple[str, tuple[float, float]], ...]:
    """Margins below and above the point; one number counts for both."""
    pairs = []
    for name, reach in (margins or {}).items():
        below, above = reach if isinstance(reach, Sequence) else (reach, reach)
        pairs.append((name, (float(below), float(above))))
    return tuple(pairs)


def level_of(pyramid: Pyramid, level: int | None) -> int | None:
    """The level asked for, checked.

    Raises
    ------
    ViewError
        If the image has no such level.
    """
    if level is not None and not 0 <= level < len(pyramid.levels):
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
    rows = [np.array(direction, dtype=np.float64) for direction in directions]
    where = f"directions={[row.tolist() for row in rows]}"
    if len(rows) != 2 or rows[0].shape != rows[1].shape or rows[0].ndim != 1 or len(rows[0]) < 2:
        raise ViewError("a cut has two directions, with one number for each axis", where)
    if not all(np.isfinite(row).all() and row.any() for row in rows):
        raise ViewError("the directions of a cut are finite and not zero", where)
    down, right = (row / np.linalg.norm(row) for row in rows)
    right = right - (right @ down) * down
    length = float(np.linalg.norm(right))
    if length < 1e-9:
        raise ViewError("the directions of a cut are not parallel", where)
    return tuple(down.tolist()), tuple((right / length).tolist())


def plain_view(value: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Turn plain values into the arguments of a view.

    Raises
    ------
    ViewError
        If a key is unknown.
    KeyError, TypeError, ValueError
        If a value is not what it should be.
    """
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise ViewError("a view has no such key", ", ".join(map(str, unknown)), f"it has {', '.join(known)}")
    made = dict(value)
    made["displayed"] = tuple(str(name) for name in value["displayed"])
    made["point"] = tuple((str(name), float(position)) for name, position in value["point"].items())
    made["canvas"] = canvas_of(value["canvas"])
    made["center"] = tuple(float(position) for position in value["center"])
    made["zoom"] = float(value["zoom"])
    made["margins"] = margins_of(value.get("margins"))
    if value.get("camera") is not None:
        made["camera"] = Camera(**value["camera"])
    if value.get("directions") is not None:
        made["directions"] = tuple(tuple(map(float, direction)) for direction in value["directions"])
    return made
