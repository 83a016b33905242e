"""Views between two views, for animations. Pure."""

from __future__ import annotations

from dataclasses import replace
from math import atan2, degrees, exp, expm1, hypot, log

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.camera import Camera
from brickstream.multiscale.framing import right_angle
from brickstream.multiscale.view import View

# Zooms that differ by less than this, in the logarithm, are one.
SAME_ZOOM = 1e-9


def between(one: View, other: View, share: float) -> View:
    """The view that lies a share of the way from one to another.

    The zoom changes by equal factors in equal times, and the centre with it, so that what zooms about a place keeps
    that place still. Cameras and cuts turn about one axis, at a constant rate. Points and margins change linearly. What
    cannot change bit by bit (level, projection) is that of the first view until the end.

    Parameters
    ----------
    one, other : View
        Of the same axes and the same canvas.
    share : float
        From 0, which gives `one` itself, to 1, which gives `other` itself.

    Raises
    ------
    ViewError
        If the views show other axes, are of other kinds or have other canvases.
    """
    _check_alike(one, other)
    if share >= 1:
        return other
    if share <= 0 or one == other:
        return one
    ratio = log(other.zoom / one.zoom)
    moved = share if abs(ratio) < SAME_ZOOM else expm1(-share * ratio) / expm1(-ratio)
    return replace(
        one,
        point=tuple((name, _mix(value, dict(other.point)[name], share)) for name, value in one.point),
        center=tuple(_mix(a, b, moved) for a, b in zip(one.center, other.center, strict=True)),
        zoom=one.zoom * exp(share * ratio),
        camera=_camera_between(one, other, share),
        directions=_directions_between(one, other, share),
        margins=_margins_between(one, other, share),
        bias=_mix(one.bias, other.bias, share),
    )


def turned(one: FloatArray, other: FloatArray, share: float) -> FloatArray:
    """A rotation that lies a share of the way from one to another, about the axis that leads straight there.

    It is the spherical interpolation of their quaternions (Shoemake 1985), written with the axis and the angle.

    Parameters
    ----------
    one, other : ndarray of shape (3, 3), float64
        Rotations. Where half a turn lies between them, one of the two ways is taken.
    """
    axis, angle = _axis_angle(other @ one.T)
    x, y, z = axis
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    part = share * angle
    made = np.eye(3) + np.sin(part) * across + (1 - np.cos(part)) * across @ across
    return np.asarray(made @ one, dtype=np.float64)


def camera_of(rotation: FloatArray) -> tuple[float, float, float]:
    """Azimuth, elevation and roll, in degrees, of a camera with this rotation (see :meth:`Camera.rotation`)."""
    # R = roll about y, azimuth about z, elevation about x backwards; of the two ways to write it, the one whose
    # elevation is from -90 to 90.
    flat = hypot(rotation[0, 0], rotation[2, 0])
    if flat < 1e-9:
        # Elevation and roll turn about the same axis: all of it is elevation, as far as that goes.
        side = float(np.sign(rotation[1, 0]))
        together = degrees(atan2(rotation[0, 2], -side * rotation[0, 1]))
        roll = 0.0 if abs(together) <= 90 else 180.0
        return 90.0 * side, -side * (together - float(np.copysign(roll, together))), roll
    azimuth = atan2(rotation[1, 0], flat)
    elevation = atan2(rotation[1, 2], rotation[1, 1])
    roll = atan2(-rotation[2, 0], rotation[0, 0])
    if abs(elevation) > np.pi / 2:
        azimuth, elevation = np.pi - azimuth, elevation - np.copysign(np.pi, elevation)
        roll -= np.copysign(np.pi, roll)
    return degrees(azimuth), float(np.clip(degrees(elevation), -90, 90)), degrees(roll)


def _check_alike(one: View, other: View) -> None:
    kinds = [(view.displayed, view.ndisplay, view.directions is None, view.canvas, view.part) for view in (one, other)]
    if kinds[0] != kinds[1] or dict(one.point).keys() != dict(other.point).keys():
        raise ViewError("there is nothing between views of other axes, kinds or canvases", f"{kinds[0]}, {kinds[1]}")


def _mix(a: float, b: float, share: float) -> float:
    return a if a == b else (1 - share) * a + share * b


def _axis_angle(rotation: FloatArray) -> tuple[FloatArray, float]:
    """Axis of length 1 and angle, 0 to pi, of a rotation."""
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    sine, cosine = np.linalg.norm(skew) / 2, (np.trace(rotation) - 1) / 2
    if sine > 1e-6:
        return skew / (2 * sine), float(np.arctan2(sine, cosine))
    if cosine > 0:
        return np.array([1.0, 0.0, 0.0]), 0.0
    # Half a turn: the axis is the one direction that stays.
    outer = (rotation + np.eye(3)) / 2
    column = outer[:, int(np.argmax(np.diagonal(outer)))]
    return column / np.linalg.norm(column), float(np.pi)


def _camera_between(one: View, other: View, share: float) -> Camera | None:
    a, b = one.camera, other.camera
    if a is None or b is None or a == b:
        return a
    azimuth, elevation, roll = a.azimuth, a.elevation, a.roll
    if (azimuth, elevation, roll) != (b.azimuth, b.elevation, b.roll):
        azimuth, elevation, roll = camera_of(turned(a.rotation(), b.rotation(), share))
    distance = a.distance
    if a.distance != b.distance and a.fov and b.fov:
        # The distance that follows from the zoom is a distance too.
        eyes = [view.camera.eye_distance(view.world_size[1]) for view in (one, other) if view.camera is not None]
        distance = eyes[0] ** (1 - share) * eyes[1] ** share
    return Camera(azimuth, elevation, roll, _mix(a.fov, b.fov, share), distance)


def _directions_between(one: View, other: View, share: float) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    if one.directions is None or other.directions is None or one.directions == other.directions:
        return one.directions
    if len(one.displayed) != 3:
        raise ViewError("only cuts through three axes can turn", ", ".join(one.displayed))
    frames = [np.array([*view.frame(), np.cross(*view.frame())]).T for view in (one, other)]
    down, right, _ = turned(frames[0], frames[1], share).T
    return right_angle((down.tolist(), right.tolist()))


def _margins_between(one: View, other: View, share: float) -> tuple[tuple[str, tuple[float, float]], ...]:
    first, last = dict(one.margins), dict(other.margins)
    names = dict.fromkeys([*first, *last])
    reach = {name: (first.get(name, (0.0, 0.0)), last.get(name, (0.0, 0.0))) for name in names}
    return tuple((name, (_mix(a[0], b[0], share), _mix(a[1], b[1], share))) for name, (a, b) in reach.items())
