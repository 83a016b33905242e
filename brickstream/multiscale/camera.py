"""The 3D camera: a turntable around a centre, and the part of the world that it sees.

Angles, distance and field of view mean what vispy's ``TurntableCamera`` (up = +z) means by them, so that the same
numbers give the same picture. Scene coordinates are x, y, z = the displayed axes from last to first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite, radians, sqrt, tan
from typing import Any

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale import plain
from brickstream.multiscale.affine import FloatArray

# vispy's depth range: orthographic near and far planes lie this far on both sides of the centre; in perspective the
# ratio of far to near is ten times this.
DEPTH = 1e6
# The sides of a whole canvas, from its middle.
WHOLE = np.array([[-1.0, -1.0], [1.0, 1.0]])


@dataclass(frozen=True)
class Camera:
    """A turntable camera.

    Attributes
    ----------
    azimuth, elevation, roll : float
        Degrees.
    fov : float
        Vertical field of view in degrees; 0 is orthographic.
    distance : float or None
        From the centre, in world units; None derives it from the zoom. Without effect where `fov` is 0.
    """

    azimuth: float = 30.0
    elevation: float = 30.0
    roll: float = 0.0
    fov: float = 0.0
    distance: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name == "distance" and value is None:
                continue
            made = plain.number(value, f"the camera's {name}")
            if not isfinite(made):
                raise ViewError("camera numbers must be finite", f"{name}={made}")
            object.__setattr__(self, name, made)
        if not 0 <= self.fov < 180:
            raise ViewError("the camera's fov must be from 0 to below 180 degrees", f"fov={self.fov}")
        if not -90 <= self.elevation <= 90:
            raise ViewError("the camera's elevation must be from -90 to 90 degrees", f"elevation={self.elevation}")
        if self.distance is not None and not 1 / plain.LARGEST <= self.distance <= plain.LARGEST:
            raise ViewError("the camera's distance must be finite and above zero", f"distance={self.distance}")

    def to_dict(self) -> dict[str, float | None]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Camera:
        """Make a camera of what :meth:`to_dict` gives; keys that are left out have their defaults.

        Raises
        ------
        ViewError
            If a key is unknown, or a value is not usable.
        """
        plain.check_keys(value, cls, "a camera")
        return cls(**value)

    def rotation(self) -> FloatArray:
        """Rotation from camera directions (right, forward, up) to the scene: ndarray of shape (3, 3), columns."""
        elevation = _rotate_x(-self.elevation)
        azimuth = _rotate_z(self.azimuth)
        roll = _rotate_y(self.roll)
        return roll @ azimuth @ elevation

    def eye_distance(self, height: float) -> float:
        """World units from the eye to the centre, when `height` world units fill the canvas at the centre."""
        if self.fov == 0:
            return self.distance or 0.0
        return self.distance or height / (2 * self._slope)

    def focal(self, height: int) -> float:
        """Canvas pixels along one unit at depth 1, on a canvas `height` pixels high, in perspective."""
        return height / (2 * self._slope)

    @property
    def _slope(self) -> float:
        """Of the uppermost ray in perspective."""
        return tan(radians(max(self.fov, 0.01)) / 2)

    def lens(self, width: float, height: float) -> tuple[float, FloatArray]:
        """Depth of the near plane, and the slopes of the outermost rays to the right and up, in perspective.

        The canvas fixes aspect and angle; a distance of one's own only moves the eye.
        """
        near = self.eye_distance(height) / sqrt(DEPTH * 10)
        return near, np.array([self._slope * width / height, self._slope])


def _rotate_x(degrees: float) -> FloatArray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _rotate_y(degrees: float) -> FloatArray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _rotate_z(degrees: float) -> FloatArray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def frustum(camera: Camera, center: FloatArray, width: float, height: float, sides: FloatArray = WHOLE) -> FloatArray:
    """Half-spaces that a camera sees.

    Parameters
    ----------
    camera : Camera
    center : ndarray of shape (3,), float64
        Scene x, y, z that the camera turns around.
    width, height : float
        World units that fill the canvas at the centre.
    sides : ndarray of shape (2, 2), float64
        Left and top, right and bottom of what is seen of the canvas: -1 and 1 are its own sides.

    Returns
    -------
    ndarray of shape (6, 4), float64
        Rows (a, b, c, d): a point is seen where ``a x + b y + c z + d >= 0`` for every row. Scene coordinates.
    """
    right, forward, up = camera.rotation().T
    distance = camera.eye_distance(height)
    eye = center - distance * forward
    (left, top), (right_side, bottom) = sides
    if camera.fov == 0:
        normals = [right, -right, up, -up, forward, -forward]
        # The depth range is about the eye, as the projection's is.
        offsets = [-left * width / 2, right_side * width / 2, bottom * height / 2, -top * height / 2, DEPTH, DEPTH]
        points = [eye] * 6
    else:
        near, (slope_x, slope_y) = camera.lens(width, height)
        far = distance * sqrt(DEPTH * 10)
        normals = [
            right - left * slope_x * forward,
            -right + right_side * slope_x * forward,
            up + bottom * slope_y * forward,
            -up - top * slope_y * forward,
        ]
        normals += [forward, -forward]
        offsets = [0.0, 0.0, 0.0, 0.0, -near, far]
        points = [eye] * 6
    rows = [np.append(n, o - n @ p) for n, o, p in zip(normals, offsets, points, strict=True)]
    return np.array(rows, dtype=np.float64)
