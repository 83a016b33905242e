"""Moving about: from a view and a gesture to the next view. Pure; the same for every host.

Canvas positions and distances are physical pixels, x to the right and y down, from the canvas's top left corner. A
pointer in logical pixels is multiplied by ``view.pixel_ratio`` first. What a gesture does not concern stays as it is:
points, margins, projection, bias.
"""

from __future__ import annotations

from dataclasses import replace
from math import cos, floor, isfinite, radians, sin

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale import framing, plain
from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.canvas import world_along
from brickstream.multiscale.view import View

DEGREES_PER_PIXEL = 0.5
# How often the canvas may fit into its distance from the origin, before zooming in stops.
DEEPEST = 1e12
# Canvas pixels per world unit at which zooming out stops.
FARTHEST = 1e-60


def pan(view: View, dx: float, dy: float) -> View:
    """Move what is shown by (dx, dy) canvas pixels, along the directions of an oblique cut; a line has no dy."""
    return _about(view, np.array(view.center) - world_along(view, dx, dy))


def zoom_at(view: View, factor: float, x: float, y: float) -> View:
    """Magnify by a factor; the world under (x, y) stays where it is, but a volume grows about its centre.

    Stops where float64 could not tell the pixels of the canvas apart.

    Raises
    ------
    ViewError
        If the factor is not finite and above zero.
    """
    if not 0 < factor < float("inf"):
        raise ViewError("a zoom factor is finite and above zero", f"factor={factor}")
    deepest = min(view.canvas) * DEEPEST / max(1 / plain.LARGEST, *map(abs, view.center))
    zoom = min(max(view.zoom * factor, min(FARTHEST, view.zoom)), max(deepest, view.zoom), plain.LARGEST)
    if view.camera is not None:
        distance = view.camera.distance
        camera = replace(view.camera, distance=None if distance is None else distance * view.zoom / zoom)
        return replace(view, zoom=zoom, camera=camera)
    there = world_along(view, x - view.canvas[0] / 2, y - view.canvas[1] / 2)
    return replace(_about(view, np.array(view.center) + there * (1 - view.zoom / zoom)), zoom=zoom)


def orbit(view: View, dx: float, dy: float) -> View:
    """Turn a volume as if (dx, dy) canvas pixels were dragged; whatever is flat stays as it is.

    Raises
    ------
    ViewError
        If the distances are not finite.
    """
    _check_finite("distances on the canvas are finite", dx, dy)
    if view.camera is None:
        return view
    azimuth = (view.camera.azimuth - dx * DEGREES_PER_PIXEL + 180.0) % 360.0 - 180.0
    elevation = float(np.clip(view.camera.elevation + dy * DEGREES_PER_PIXEL, -90.0, 90.0))
    return replace(view, camera=replace(view.camera, azimuth=azimuth, elevation=elevation))


def cut_through(view: View, axis: str) -> View:
    """Show a plane as an oblique cut that can be tilted out of it, along one more axis; the picture stays the same.

    Parameters
    ----------
    view : View
        A plane, or a cut within a plane.
    axis : str
        An axis that has a point; it becomes the first displayed one. Its margins are lost: a cut has no thickness.

    Raises
    ------
    ViewError
        If the view is no plane, or the axis has no point.
    """
    if view.ndisplay != 2 or len(view.displayed) != 2:
        raise ViewError("only a plane becomes a cut", ", ".join(view.displayed))
    point = dict(view.point)
    if axis not in point:
        raise ViewError(f"no point on axis {axis!r}", "", f"there is one on {', '.join(point) or 'none'}")
    down, right = view.frame().tolist()
    return replace(
        view,
        displayed=(axis, *view.displayed),
        center=(point.pop(axis), *view.center),
        point=tuple(point.items()),
        margins=tuple((name, reach) for name, reach in view.margins if name != axis),
        directions=((0.0, *down), (0.0, *right)),
    )


def turn(view: View, degrees: float) -> View:
    """Turn a plane or cut about the middle of the canvas; above zero, what is shown turns counterclockwise.

    Raises
    ------
    ViewError
        If the view is neither, or the angle is not finite.
    """
    _check_finite("an angle is finite", degrees)
    if view.ndisplay != 2:
        raise ViewError("only a plane or a cut can be turned", ", ".join(view.displayed))
    down, right = view.frame()
    right, down = _turned(right, down, degrees)
    return _directed(view, down, right)


def tilt(view: View, dx: float, dy: float) -> View:
    """Tilt a cut about the middle of the canvas, as if (dx, dy) canvas pixels were dragged.

    With dx its right side goes along the normal, about the direction that runs down; with dy its lower side does, about
    the one that runs to the right.

    Raises
    ------
    ViewError
        If the view is not a cut through three axes (:func:`cut_through` makes one of a plane), or the distances are not
        finite.
    """
    _check_finite("distances on the canvas are finite", dx, dy)
    ahead = normal(view)
    down, right = view.frame()
    right, ahead = _turned(right, ahead, dx * DEGREES_PER_PIXEL)
    down, _ = _turned(down, ahead, dy * DEGREES_PER_PIXEL)
    return _directed(view, down, right)


def slide(view: View, distance: float) -> View:
    """Move a cut so many world units along its normal, or a volume's camera and centre along its line of sight.

    Raises
    ------
    ViewError
        If the view is neither.
    """
    ahead = normal(view) if view.camera is None else view.camera.rotation()[::-1, 1]
    return _about(view, np.array(view.center) + distance * ahead)


def normal(view: View) -> FloatArray:
    """World direction across a cut, of length 1, in the order of its displayed axes: ndarray of shape (3,), float64.

    Of a cut whose directions run along the second and the third axis, it runs along the first.

    Raises
    ------
    ViewError
        If the view is not a cut through three axes.
    """
    if view.directions is None or len(view.displayed) != 3:
        raise ViewError("only a cut through three axes has a normal", ", ".join(view.displayed), "see cut_through")
    down, right = view.frame()
    return np.asarray(np.cross(down, right), dtype=np.float64)


def resize(view: View, width: int, height: int) -> View:
    """Give the canvas another size, all of it in view; the centre and the zoom stay, so that more or less is seen.

    A side of no pixels, as a hidden window has, is taken for one pixel.

    Raises
    ------
    ViewError
        If a side is not a whole number.
    """
    width, height = plain.canvas_of((width, height))
    return replace(view, canvas=(max(1, width), max(1, height)), part=None)


def refit(view: View, width: int, height: int) -> View:
    """Show the same world on another canvas: all that was in view, and more on two sides where the shape is another.

    Raises
    ------
    ViewError
        If a side is not a whole number.
    """
    fitted = resize(view, width, height)
    sides = [new / old for new, old in zip(fitted.canvas, view.canvas, strict=True)]
    factor = sides[0] if view.ndisplay == 1 else min(sides)
    camera = view.camera
    if camera is not None and camera.distance is not None:
        # The canvas's height always shows the same angle: what no longer fits in its width is seen from farther away.
        camera = replace(camera, distance=camera.distance * sides[1] / factor)
    return replace(fitted, zoom=view.zoom * factor, camera=camera)


def rescale(view: View, pixel_ratio: float) -> View:
    """Go to a screen with another pixel ratio: the same world on the canvas, on more or fewer physical pixels.

    Raises
    ------
    ViewError
        If the ratio is not finite and above zero.
    """
    if not 0 < pixel_ratio < float("inf"):
        raise ViewError("the pixel ratio must be finite and above zero", f"pixel_ratio={pixel_ratio}")
    factor = pixel_ratio / view.pixel_ratio
    width, height = (max(1, floor(side * factor + 0.5)) for side in view.canvas)
    height = 1 if view.ndisplay == 1 else height
    return replace(view, canvas=(width, height), zoom=view.zoom * factor, pixel_ratio=pixel_ratio, part=None)


def move_point(view: View, axis: str, position: float) -> View:
    """Go to another world position on an axis that is not displayed.

    Raises
    ------
    ViewError
        If the view has no point on this axis, or the position is not finite.
    """
    if axis not in dict(view.point):
        raise ViewError(f"no point on axis {axis!r}", "", f"displayed are {', '.join(view.displayed)}")
    return replace(view, point=tuple((name, position if name == axis else old) for name, old in view.point))


def keep_place(old: View, new: View) -> View:
    """Give a new view (of other displayed axes) the centre of the old one on the axes that both know."""
    known = dict(zip(old.displayed, old.center, strict=True)) | dict(old.point)
    center = tuple(known.get(name, value) for name, value in zip(new.displayed, new.center, strict=True))
    return replace(new, center=center)


def _check_finite(rule: str, *numbers: float) -> None:
    if not all(isfinite(plain.number(value)) for value in numbers):
        raise ViewError(rule, ", ".join(map(str, numbers)))


def _about(view: View, center: FloatArray) -> View:
    return replace(view, center=tuple(center.tolist()))


def _turned(one: FloatArray, other: FloatArray, degrees: float) -> tuple[FloatArray, FloatArray]:
    """Two directions at a right angle, turned in their plane: the first towards the second."""
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return c * one + s * other, c * other - s * one


def _directed(view: View, down: FloatArray, right: FloatArray) -> View:
    # Brought to a right angle each time: the roundings of a thousand small turns would add up.
    return replace(view, directions=framing.right_angle((down.tolist(), right.tolist())))
