"""Where a view begins: which axes it displays, at which point, how large. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import floor
from operator import index
from typing import Any, SupportsIndex

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale.affine import NOISE, FloatArray
from brickstream.multiscale.camera import Camera
from brickstream.multiscale.pyramid import Pyramid

MARGIN_3D = 1.04  # a little air around a whole volume
# An image, or a canvas, of less than this share of its distance from the origin is lost in the rounding of float64.
LOST = 1e-13
# The largest world number that a view may have: squares and products of a few of them are still finite.
LARGEST = 1e75
MAX_CANVAS = 1 << 31
MAX_BIAS = 64.0


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
    """World units that an image takes along some axes: ndarray of shape (len(axes),).

    Raises
    ------
    ViewError
        If float64 cannot tell its ends apart, so far is the image from the origin of the world.
    """
    extent = pyramid.extent()[:, [pyramid.axis_index(name) for name in axes]]
    size, far = extent[1] - extent[0], np.abs(extent).max(axis=0)
    if not (size > np.maximum(LOST * far, 1 / LARGEST)).all() or far.max() > LARGEST:
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
    along the axis, the middle of its extent.
    """
    start, step, count = steps_of(pyramid, axis)
    middle = start + step * (count // 2)
    if source_of(pyramid, axis) is None:
        middle = float(pyramid.extent()[:, axis].mean())
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
    """
    pixels = pyramid.to_world(0)
    source = source_of(pyramid, axis)
    if source is not None:
        return float(pixels.offset[axis]), float(pixels.linear[axis, source]), int(pyramid.shapes[0, source])
    step = 1 / float(np.abs(pixels.inverse().linear[:, axis]).max())
    low, high = pyramid.extent()[:, axis].tolist()
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


def whole(value: Any, what: str) -> int:
    """An integer that is given as some kind of whole number.

    Raises
    ------
    ViewError
        If it is not a whole number.
    """
    if isinstance(value, SupportsIndex):
        return index(value)
    if not number(value, what).is_integer():
        raise ViewError(f"{what} is a whole number", f"{value!r}")
    return int(value)


def canvas_of(canvas: Any) -> tuple[int, int]:
    """Width and height as plain integers.

    Raises
    ------
    ViewError
        If they are not two whole numbers.
    """
    if not isinstance(canvas, Iterable) or len(sides := tuple(canvas)) != 2:
        raise ViewError("a canvas has a width and a height", f"canvas={canvas!r}")
    return whole(sides[0], "the canvas's width"), whole(sides[1], "the canvas's height")


def margins_of(
    margins: Mapping[str, float | Sequence[float]] | Iterable[tuple[str, float | Sequence[float]]] | None,
) -> tuple[tuple[str, tuple[float, float]], ...]:
    """Margins below and above the point, by axis; one number counts for both.

    Raises
    ------
    ViewError
        If there are other than one or two numbers for an axis.
    """
    pairs = []
    for name, reach in margins.items() if isinstance(margins, Mapping) else margins or ():
        both = numbers(reach, f"{name} margins") if isinstance(reach, Iterable) else (number(reach, f"{name} margin"),)
        if len(both) not in {1, 2}:
            raise ViewError("margins are one number, or one below and one above", f"{name}={reach!r}")
        pairs.append((str(name), (both[0], both[-1])))
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
    try:
        rows = [np.array(direction, dtype=np.float64) for direction in directions]
    except (TypeError, ValueError, OverflowError) as error:
        raise ViewError("a direction is one number for each axis", f"{directions!r}") from error
    where = f"directions={[row.tolist() for row in rows]}"
    if len(rows) != 2 or rows[0].shape != rows[1].shape or rows[0].ndim != 1 or len(rows[0]) < 2:
        raise ViewError("a cut has two directions, with one number for each axis", where)
    if not all(np.isfinite(row).all() and row.any() for row in rows):
        raise ViewError("the directions of a cut are finite and not zero", where)
    rows = [row / np.abs(row).max() for row in rows]  # squares of the numbers as they are might overflow
    down, right = (row / np.linalg.norm(row) for row in rows)
    right = right - (right @ down) * down
    length = float(np.linalg.norm(right))
    if length < 1e-9:
        raise ViewError("the directions of a cut are not parallel", where)
    return tuple(down.tolist()), tuple((right / length).tolist())


def number(value: Any, what: str = "a position") -> float:
    """A float that is given as some kind of number.

    Raises
    ------
    ViewError
        If it is a text, or no number at all.
    """
    if isinstance(value, str | bytes):
        raise ViewError(f"{what} is a number", f"{value!r}"[:80])
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ViewError(f"{what} is a number", f"{value!r}"[:80]) from error


def numbers(values: Any, what: str) -> tuple[float, ...]:
    """Floats, as :func:`number` makes them."""
    return tuple(number(value, what) for value in values)


def plain_numbers(view: Any) -> dict[str, Any]:
    """The values of a view as plain tuples, strings, integers and floats: it is compared, hashed and written as JSON.

    Raises
    ------
    ViewError
        If a value is not what it should be.
    """
    point = view.point.items() if isinstance(view.point, Mapping) else view.point
    try:
        return {
            "displayed": tuple(str(name) for name in view.displayed),
            "point": tuple((str(name), number(position, str(name))) for name, position in point),
            "canvas": canvas_of(view.canvas),
            "center": numbers(view.center, "center"),
            "zoom": number(view.zoom, "zoom"),
            "level": None if view.level is None else whole(view.level, "level"),
            "directions": view.directions
            if view.directions is None
            else tuple(numbers(row, "direction") for row in view.directions),
            "margins": margins_of(view.margins),
            "bias": number(view.bias, "bias"),
            "pixel_ratio": number(view.pixel_ratio, "pixel_ratio"),
        }
    except (TypeError, ValueError) as error:
        if isinstance(error, ViewError):
            raise
        raise ViewError("a view is made of names and numbers", f"{error}") from error


def check_keys(value: Mapping[str, Any], known: Sequence[str], what: str = "a view") -> None:
    """Refuse plain values that have more keys than are known.

    Raises
    ------
    ViewError
        If a key is unknown, or the value has no keys at all.
    """
    if not isinstance(value, Mapping):
        raise ViewError(f"{what} is made of names and values", f"{value!r}"[:80])
    unknown = sorted(set(map(str, value)) - set(known))
    if unknown:
        raise ViewError(f"{what} has no such key", ", ".join(unknown), f"it has {', '.join(known)}")


def plain_view(value: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Turn plain values into the arguments of a view.

    Raises
    ------
    ViewError
        If a key is unknown.
    KeyError, TypeError, ValueError
        If a value is not what it should be.
    """
    check_keys(value, known)
    made = {key: given for key, given in value.items() if given is not None}
    for name in ("displayed", "canvas", "center"):
        if not isinstance(value[name], list | tuple):
            raise ViewError(f"{name} is a list", f"{value[name]!r}")
    for name in ("point", "margins"):
        if not isinstance(value.get(name, {}), Mapping):
            raise ViewError(f"{name} names axes", f"{value[name]!r}")
    if value.get("camera") is not None:
        made["camera"] = Camera(**value["camera"])
    return made
