"""Pictures to files."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import StoreError

# Of the PNG standard: colours with opacity, and lines as differences to the line above.
PNG_RGBA, PNG_UP = 6, 2
PNG_EFFORT = 6


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
        raise _unwritten(path, error) from error


class PngFile:
    """A PNG file that is written strip by strip, from the top: for pictures that are too large for memory.

    A context manager. The file appears when all of it is there; until then it has another name, and after an exception
    there is none.

    Parameters
    ----------
    path : str or pathlib.Path
    size : tuple of (int, int)
        Width and height in pixels.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """

    def __init__(self, path: str | Path, size: tuple[int, int]) -> None:
        self.path, self.size = Path(path), size
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._file: BinaryIO | None = None
        self._packer = zlib.compressobj(PNG_EFFORT)
        self._last = np.zeros(size[0] * 4, dtype=np.uint8)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        try:
            if error is None:
                self._chunk(b"IDAT", self._packer.flush())
                self._chunk(b"IEND", b"")
            self._file.close()
            if error is None:
                self._part.replace(self.path)
        except OSError as problem:
            raise _unwritten(self.path, problem) from problem
        finally:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def write(self, strip: NDArray[np.uint8]) -> None:
        """Add lines: ndarray of shape (some lines, width, 4), uint8."""
        lines = strip.reshape(len(strip), -1)
        # Each byte relative to the one above it: what is smooth then takes little.
        filtered = np.empty((len(lines), 1 + lines.shape[1]), dtype=np.uint8)
        filtered[:, 0] = PNG_UP
        np.subtract(lines[0], self._last, out=filtered[0, 1:])
        np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
        self._last = lines[-1].copy()
        try:
            if self._file is None:
                self._begin()
            self._chunk(b"IDAT", self._packer.compress(filtered.data))
        except OSError as error:
            raise _unwritten(self.path, error) from error

    def _begin(self) -> None:
        self._file = self._part.open("wb")
        self._file.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", *self.size, 8, PNG_RGBA, 0, 0, 0))

    def _chunk(self, name: bytes, content: bytes) -> None:
        if self._file is not None and (content or name == b"IEND"):
            crc = zlib.crc32(content, zlib.crc32(name))
            self._file.write(struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc))


def _unwritten(path: str | Path, error: OSError) -> StoreError:
    return StoreError(f"cannot be written ({error.strerror or error})", str(path))


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
