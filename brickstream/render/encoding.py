"""How values of data lie in texels: types that the GPU has, and for all others numbers around a base. Pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from brickstream.errors import ViewError

Limits = tuple[float, float]
SHADES = 1024
"""Steps between the contrast limits that a texel must be able to tell apart."""
EPSILON = 2.0**-24
"""What float32 rounds by, relative to the number."""


@dataclass(frozen=True)
class Encoding:
    """How values of data lie in the texels of an atlas, and what a shader reads there.

    A texel is the value less a base. The base is exact where texels are integers; where they are float32 and the data
    has more digits, it lies where the digits matter: in the middle of the contrast limits, or of the first data.

    Attributes
    ----------
    source : numpy.dtype
        Type of the data, in native byte order.
    dtype : numpy.dtype
        Type of the texels: uint8, uint16 or float32.
    base : float, int or None
        What a texel of 0 stands for; None until there is something to choose it by.
    components : int
        Numbers in one texel.
    """

    source: np.dtype[np.generic]
    dtype: np.dtype[np.generic]
    base: float | int | None = 0
    components: int = 1

    @property
    def unit(self) -> float:
        """The texel that a shader reads as 1."""
        return float(2 ** (8 * self.dtype.itemsize) - 1) if self.dtype.kind == "u" else 1.0

    @property
    def texel_nbytes(self) -> int:
        """Bytes of one texel."""
        return self.components * self.dtype.itemsize

    @property
    def is_relative(self) -> bool:
        """Whether the base is a choice, because texels have fewer digits than the data."""
        return self.dtype == np.float32 and self.source.itemsize >= 4 and self.source != np.float32

    def about(self, low: float, high: float) -> Encoding:
        """The same around the middle of some values, where the base is a choice and they are finite."""
        middle = low / 2 + high / 2
        if not self.is_relative or not isfinite(middle):
            return self
        if self.source.kind == "f":
            return replace(self, base=middle)
        bits = 8 * self.source.itemsize
        least = -(1 << (bits - 1)) if self.source.kind == "i" else 0
        return replace(self, base=min(max(round(middle), least), least + (1 << bits) - 1))

    def serves(self, limits: Limits) -> bool:
        """Whether the shades between contrast limits can be told apart."""
        low, high = limits
        if not self.is_relative or self.base is None or low == high:
            return True
        return max(abs(low - self.base), abs(high - self.base)) * EPSILON * SHADES <= abs(high - low)

    def encode(self, data: NDArray[np.generic]) -> NDArray[np.generic]:
        """Give the texels of values; those of types that the GPU has are not copied."""
        if self.dtype.kind == "u" and self.source.kind == "i":
            # Adding half of the range to a signed integer is turning its first bit.
            native = data.astype(self.source, copy=False).view(self.dtype)
            turned: NDArray[np.generic] = native ^ self.dtype.type(1 << (8 * self.dtype.itemsize - 1))
            return turned
        if not self.is_relative or not self.base:
            with np.errstate(over="ignore"):
                return data.astype(self.dtype, copy=False)
        with np.errstate(over="ignore"):
            return _less(data, self.base, self.source).astype(np.float32)

    def texel_of(self, value: float) -> float:
        """Give the texel of one value, unrounded."""
        return value - (self.base or 0)

    def value_of(self, texel: float) -> float:
        """Give the value of the data for a texel."""
        return texel + (self.base or 0)

    def read_as(self, value: float) -> float:
        """Give what a shader reads where the data has a value."""
        return self.texel_of(value) / self.unit


def encoding_of(dtype: np.dtype[np.generic], limits: Limits | None = None) -> Encoding:
    """Choose how values of a type lie in texels.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the data.
    limits : (float, float), optional
        Contrast limits, where they are known.

    Returns
    -------
    Encoding
        bool, integers of 8 and 16 bits and float32 as they are, signed ones around the middle of their range; float16
        as float32; all others as float32 around a base.

    Raises
    ------
    ViewError
        If such values cannot be shown: complex numbers, texts, records.
    """
    source: np.dtype[np.generic] = np.dtype(dtype.type) if dtype.kind in "biuf" else dtype
    if source.kind not in "biuf":
        hint = "show its magnitude or its phase" if source.kind == "c" else ""
        raise ViewError("pixels of this type cannot be shown", str(dtype), hint)
    if source.kind == "b":
        return Encoding(source, np.dtype(np.uint8))
    if source.kind in "iu" and source.itemsize <= 2:
        base = 0 if source.kind == "u" else -(1 << (8 * source.itemsize - 1))
        return Encoding(source, np.dtype(f"u{source.itemsize}"), base)
    plain = Encoding(source, np.dtype(np.float32))
    if not plain.is_relative:
        return plain
    open_base = replace(plain, base=None)
    return open_base if limits is None else open_base.about(*limits)


def _less(data: NDArray[np.generic], base: float, source: np.dtype[np.generic]) -> NDArray[np.float64]:
    """Differences from a base, exact wherever float64 can hold them."""
    about: NDArray[np.float64] = data.astype(np.float64) - base
    if source.kind == "f" or source.itemsize < 8:
        return about
    # Beyond 2**53 float64 has no odd numbers; differences of integers are exact up to half of their range.
    words = data.astype(source, copy=False).view(np.uint64) - np.uint64(int(base) % 2**64)
    return np.where(np.abs(about) < 2.0**62, words.view(np.int64).astype(np.float64), about)
