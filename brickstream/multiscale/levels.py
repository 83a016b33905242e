"""Which level fills the canvas.

The rule looks at each axis by itself: how many canvas pixels does a pixel of the level take along it? It depends on the
zoom and on nothing else; how large the field of view is does not matter, so there is no size at which it jumps.
"""

from __future__ import annotations

from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import ViewError
from brickstream.multiscale import framing
from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.local import LocalView, localize
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.view import View

# Float noise of a zoom that was itself computed from extents must not push the choice one level finer.
TOLERANCE = 1e-6
# A level stays while another zoom that differs by at most this factor would choose it.
HYSTERESIS = 1.1


def improvable(scales: FloatArray) -> NDArray[np.bool_]:
    """Which axes count at which level: those that some finer level resolves better.

    Parameters
    ----------
    scales : ndarray of shape (levels, d), float64
        Own units per pixel, finest level first.

    Returns
    -------
    ndarray of shape (levels, d), bool
        False all over level 0. Going finer would not help the axes that are False.
    """
    better = np.zeros(scales.shape, dtype=bool)
    finest = np.minimum.accumulate(scales, axis=0)[:-1]
    better[1:] = scales[1:] > finest * (1 + TOLERANCE)
    return better


def level_errors(pyramid: Pyramid, view: View, local: LocalView | None = None) -> FloatArray:
    """Canvas pixels along one pixel of each level, on the axis where they are most.

    Axes that no finer level resolves better do not count; a level without any axis that counts has 0, as level 0 has.
    The view's bias is in it, a level that the view names is not. For a camera, canvas pixels are those at the centre.

    Parameters
    ----------
    pyramid : Pyramid
    view : View
    local : LocalView, optional
        What :func:`localize` makes of the two, where it is at hand.

    Returns
    -------
    ndarray of shape (levels,), float64
        A level fills the canvas where it is at most 1.

    Raises
    ------
    ViewError
        If a displayed axis is not one of the image.
    """
    local = localize(pyramid, view) if local is None else local
    scales = pyramid.scales[:, list(local.axes)]
    with np.errstate(over="ignore"):  # infinitely many canvas pixels are too many, as they should be
        sizes = np.where(improvable(scales), scales * local.resolution, 0.0)
    return np.asarray(sizes.max(axis=1), dtype=np.float64)


def choose_level(
    pyramid: Pyramid,
    view: View,
    previous: int | None = None,
    *,
    hysteresis: float = HYSTERESIS,
    local: LocalView | None = None,
) -> int:
    """Choose the coarsest level with at least one pixel per canvas pixel on every displayed axis.

    An axis that no finer level resolves better does not count: going finer would not help it. Level 0 where no level
    has enough. For a volume the pixels are those at the centre of the view. A level that the view names is taken as it
    is.

    Parameters
    ----------
    pyramid : Pyramid
    view : View
    previous : int, optional
        The level shown until now. It stays while the rule would choose it for some zoom within a factor of `hysteresis`
        of the view's, so that zooming out and in again by a hair does not change levels twice.
    hysteresis : float, default 1.1
        At least 1; 1 is the bare rule.
    local : LocalView, optional
        What :func:`localize` makes of the two, where it is at hand.

    Raises
    ------
    ViewError
        If the view names a level that the image does not have, or `previous` is none of its levels, or `hysteresis` is
        below 1, or a displayed axis is not one of the image.
    """
    named, previous = framing.level_of(pyramid, view.level), framing.level_of(pyramid, previous)
    if not (isfinite(hysteresis) and hysteresis >= 1):
        raise ViewError("hysteresis is a finite factor of at least 1", f"hysteresis={hysteresis}")
    if named is not None:
        return named
    errors = level_errors(pyramid, view, local)
    if previous is not None and _stays(errors, previous, hysteresis):
        return previous
    return int(np.flatnonzero(errors <= 1 + TOLERANCE)[-1])


def _stays(errors: FloatArray, level: int, factor: float) -> bool:
    """Whether the rule chooses a level for some zoom within a factor of the present one.

    The zooms for which it does are those at which the level is fine enough and no coarser one is.
    """
    limit, coarser = 1 + TOLERANCE, float(errors[level + 1 :].min(initial=inf))
    return bool(errors[level] < coarser and errors[level] <= limit * factor and coarser * factor > limit)
