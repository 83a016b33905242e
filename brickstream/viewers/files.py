"""Pictures to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import StoreError


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture as PNG.

    Parameters
    ----------
    path : Path
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
