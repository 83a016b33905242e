"""A field of view: the convex part of space that a canvas shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale.affine import FloatArray, IntArray

TINY = 1e-60
# By so many units in the last place may the sum be off that says on which side of a plane a point lies.
ULPS = 16
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Region:
    """A box, or the part of space inside half-spaces (a frustum, a rotated rectangle, a cut through a volume).

    Attributes
    ----------
    box : ndarray of shape (2, d), float64, or None
        Half-open.
    planes : ndarray of shape (n, d + 1), float64, or None
        Half-spaces, one a row ``(a, b, ..., e)``: a point is inside where ``a p0 + b p1 + ... + e >= 0`` for every row.
        The axes are in the same order as a box's.
    """

    box: FloatArray | None
    planes: FloatArray | None

    def overlaps(self, low: FloatArray, high: FloatArray) -> NDArray[np.bool_]:
        """Which boxes may be in view.

        Parameters
        ----------
        low, high : ndarray of shape (n, d), float64
            Lower and upper corners.

        Returns
        -------
        ndarray of shape (n,), bool
            Exact for a box; for half-spaces a few boxes near the region's edges are kept that are just outside.
        """
        # Axis by axis: with long rows NumPy is several times faster than with long columns.
        low, high = low.T, high.T
        if self.box is not None:
            first, last = self.box[:, :, None]
            return np.asarray(((low < last) & (high > first)).all(axis=0), dtype=bool)
        against, along, least = self._sides
        best = against @ low
        best += along @ high
        return np.asarray((best >= least).all(axis=0), dtype=bool)

    def seen(self, box: FloatArray) -> FloatArray | None:
        """Smallest box around the part of a box that is inside.

        Parameters
        ----------
        box : ndarray of shape (2, d), float64
            Lower and upper corner.

        Returns
        -------
        ndarray of shape (2, d), float64, or None
            None where nothing of the box is inside.
        """
        if self.box is not None:
            low, high = np.maximum(box[0], self.box[0]), np.minimum(box[1], self.box[1])
            return np.stack([low, high]) if (low < high).all() else None
        return _polytope_box(self._planes, box)

    @property
    def _planes(self) -> FloatArray:
        return self.planes if self.planes is not None else box_planes(self.box)  # type: ignore[arg-type]

    @cached_property
    def _sides(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of each half-space, what decides on the lower and on the upper corner of a box, and what both must reach.

        It is the corner that lies farthest inside the half-space.
        """
        normals = self._planes[:, :-1]
        return np.minimum(normals, 0.0), np.maximum(normals, 0.0), -self._planes[:, -1:]

    def to_planes(self) -> FloatArray:
        """Half-spaces of the region, a box's too: ndarray of shape (n, d + 1), float64."""
        return self._planes


def box_planes(box: FloatArray) -> FloatArray:
    """Half-spaces of a box (2, d): ndarray of shape (2 d, d + 1), float64."""
    d = box.shape[1]
    rows = np.zeros((2, d, d + 1))
    rows[0, :, :d], rows[1, :, :d] = np.eye(d), -np.eye(d)
    rows[0, :, d], rows[1, :, d] = -box[0], box[1]
    return rows.reshape(2 * d, d + 1)


def place_planes(planes: FloatArray, directions: FloatArray, origin: FloatArray) -> FloatArray:
    """Carry half-spaces over a linear map, into a space of as many or more axes.

    Parameters
    ----------
    planes : ndarray of shape (n, d + 1), float64
        Half-spaces on coordinates b.
    directions : ndarray of shape (s, d), float64
        Independent columns; ``origin + directions @ b`` is the place of b. Where s is larger than d, the places lie in
        a flat subspace: for every direction across it two more half-spaces touch there.
    origin : ndarray of shape (s,), float64

    Returns
    -------
    ndarray of shape (n + 2 (s - d), s + 1), float64
    """
    s, d = directions.shape
    left = np.linalg.inv(directions) if s == d else np.linalg.pinv(directions)
    normals = planes[:, :d] @ left
    rows = [np.column_stack([normals, planes[:, d] - normals @ origin])]
    if s > d:
        across = np.linalg.svd(directions)[0][:, d:].T
        offsets = -(across @ origin)
        # The two must not miss each other by rounding, wherever the origin is.
        noise = ULPS * EPSILON * (np.abs(across) @ np.abs(origin))
        rows += [np.column_stack([across, offsets + noise]), np.column_stack([-across, noise - offsets])]
    return np.concatenate(rows)


def _polytope_box(planes: FloatArray, box: FloatArray) -> FloatArray | None:
    """From the corners of the polytope: every point where d planes meet and no other plane excludes it."""
    d = box.shape[1]
    rows = np.concatenate([planes, box_planes(box)])
    # Relative to the box: the world may lie far from its origin, and cancellation would hide a small box.
    middle = box.mean(axis=0)
    size = np.maximum(box[1] - box[0], np.finfo(np.float64).tiny)
    off = ULPS * EPSILON * (np.abs(rows[:, :d]) @ np.abs(middle) + np.abs(rows[:, d]))
    rows[:, d] += rows[:, :d] @ middle
    # Every axis gets the box's own length for its unit, so that a thin box is as good as a cube.
    rows[:, :d] *= size
    lengths = np.linalg.norm(rows[:, :d], axis=1)
    # A plane that no direction of the box crosses, as far as float64 can tell, is passed or not by all of it.
    flat = lengths <= TINY
    if (rows[flat, d] < -off[flat]).any():
        return None
    rows, off = rows[~flat] / lengths[~flat, None], off[~flat] / lengths[~flat] + 1e-9
    rows[np.abs(rows) < TINY] = 0.0  # subnormal numbers overflow in determinants
    meeting = _meetings(len(rows), d)
    lhs, rhs = rows[meeting][:, :, :d], -rows[meeting][:, :, d]
    usable = np.abs(np.linalg.det(lhs)) > 1e-12
    points = np.linalg.solve(lhs[usable], rhs[usable][:, :, None])[:, :, 0]
    slack = points @ rows[:, :d].T + rows[:, d]
    corners = points[(slack >= -off).all(axis=1)]
    if not len(corners):
        return None
    corners = corners * size + middle
    around = np.stack([corners.min(axis=0), corners.max(axis=0)])
    return np.asarray(np.clip(around, box[0], box[1]), dtype=np.float64)


@lru_cache(maxsize=32)
def _meetings(planes: int, d: int) -> IntArray:
    """Every way to pick d of some planes: ndarray of shape (n, d)."""
    return np.array(list(combinations(range(planes), d)), dtype=np.int64).reshape(-1, d)
