"""Pictures to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import StoreError


def write_png(path: str | Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture as PNG.

    Parameters
    ----------
    path : str or pathlib.Path
    picture : ndarray of shape (height, width, 3 or 4), uint8

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    from PIL import Image

    try:
        Image.fromarray(picture).save(path, format="PNG")
    except OSError as error:
        raise StoreError(f"cannot be written ({error.strerror or error})", str(path)) from error


def write_gray(path: str | Path, pixels: NDArray[Any]) -> None:
    """Write pixels of any type as a PNG in shades of gray, from their smallest to their largest value.

    Parameters
    ----------
    path : str or pathlib.Path
    pixels : ndarray of shape (height, width)

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    values = pixels.astype(np.float64)
    low, high = np.nanmin(values), np.nanmax(values)
    shades = np.nan_to_num((values - low) * (255 / max(high - low, 1e-300)))
    write_png(path, np.repeat(shades.astype(np.uint8)[..., None], 3, axis=2))


def write_array(path: str | Path, pixels: NDArray[Any]) -> None:
    """Write an array of any shape and dtype as NumPy's own format; a name without ``.npy`` gets it.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    try:
        np.save(path, pixels)
    except OSError as error:
        raise StoreError(f"cannot be written ({error.strerror or error})", str(path)) from error
