"""Curves that shaders read from small textures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

KNOTS = 512
PLACES = 1024


def cubic_weights() -> NDArray[np.float32]:
    """Weights of four pixels in a row, over the place between the inner two.

    They are those of vispy's "cubic", from the table that it keeps. That is linear between its entries, and so is this.

    Returns
    -------
    ndarray of shape (1, 513, 4), float32
    """
    from vispy.io import load_spatial_filters

    packed, names = load_spatial_filters()
    # Its shaders read these bytes as numbers from 0 to 1: 1/255 more than was packed.
    kernel = packed[names.index("Cubic")] / 255.0 @ 256.0 ** -np.arange(4)
    low, high = SPAN
    kernel = kernel * (high - low) + low
    # The table covers a reach of two pixels in 1024 steps; its last entry goes on.
    kernel = np.append(kernel, kernel[-1])
    i = np.arange(KNOTS + 1)
    weights = np.stack([kernel[KNOTS + i], kernel[i], kernel[KNOTS - i], kernel[2 * KNOTS - i]], axis=-1)
    return np.ascontiguousarray(weights[None], dtype=np.float32)


# Smallest and largest weight of all kernels of vispy, which its table has as 0 and 1.
SPAN = (-0.23437733388100893, 1.2419743353536359 - 0.23437733388100893)


def visible_places(colormap: Any, method: str = "additive") -> NDArray[np.float32]:
    """Share of the visible places of a colormap that lie below each of them, and below its end.

    Parameters
    ----------
    colormap : vispy colormap
    method : {"additive", "translucent"}
        What has no opacity is invisible where it is "translucent"; where colours are added up, only (0, 0, 0, 0) is.

    Returns
    -------
    ndarray of shape (1, 1025), float32
        The same values for two places where no place between them is visible.
    """
    rgba = np.asarray(colormap.map(np.linspace(0, 1, PLACES, dtype=np.float32)[:, None]))
    seen = rgba.reshape(PLACES, 4)[:, 3:] if method == "translucent" else rgba.reshape(PLACES, 4)
    below = np.concatenate([[0], np.cumsum(seen.any(axis=1))]) / PLACES
    return below[None].astype(np.float32)


def bright_values(
    visible: NDArray[np.float32], clim: tuple[float, float], gamma: float
) -> tuple[tuple[float, float], bool]:
    """Say between which values all lie that a colormap makes visible.

    Parameters
    ----------
    visible : ndarray of shape (1, 1025)
        As :func:`visible_places` gives it.
    clim : tuple of (float, float)
        Contrast limits; equal ones are (low, inf).
    gamma : float

    Returns
    -------
    tuple of (float, float)
        In the units of the limits. What is not above the first, and what is not below the second, cannot be seen.
    bool
        Whether some values between them cannot be seen either.
    """
    seen = np.flatnonzero(np.diff(visible[0]) > 0)
    if len(seen) == 0:
        return (np.inf, -np.inf), False
    first, last = int(seen[0]), int(seen[-1])
    gaps = len(seen) < last - first + 1
    if np.isinf(clim[1]):  # everything has the first colour
        return ((-np.inf, np.inf) if first == 0 else (np.inf, -np.inf)), False
    # Colours are interpolated between the places, so that those beside the visible ones are visible in part.
    low, high = ((place / (PLACES - 1)) ** (1 / gamma) for place in (max(first - 1, 0), min(last + 1, PLACES - 1)))
    ends = [clim[0] + place * (clim[1] - clim[0]) for place in (low, high)]
    open_low, open_high = first == 0, last == PLACES - 1
    if clim[0] > clim[1]:
        ends, open_low, open_high = ends[::-1], open_high, open_low
    return (-np.inf if open_low else ends[0], np.inf if open_high else ends[1]), gaps
