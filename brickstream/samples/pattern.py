"""A picture with structure at every scale, known in closed form at every level of a pyramid.

The picture is a sum of lattices of soft blobs: one lattice for each wavelength 16, 128, 1024 ... level-0 voxels. Each
is a product of raised cosines, one per axis, so its mean over any box is a product of means that are known exactly: a
coarse voxel is computed without the fine voxels that it stands for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

_FINEST_WAVE = 16
# Neighbouring wavelengths differ by 8: whatever the zoom, a canvas of a few hundred pixels shows at least two lattices,
# and few lattices leave each of them a good share of the grey values.
_WAVE_RATIO = 8
# Profiles are whole numbers up to 2**15, so that a sum of products of three stays below 2**53: it is exact in float64
# in whatever order BLAS adds, and a region equals the chunks that it is made of bit for bit.
_ONE = 2**15
_GOLDEN = 0.6180339887498949


def pattern(
    start: Sequence[int],
    stop: Sequence[int],
    *,
    factor: Sequence[int],
    extent: Sequence[int],
    dtype: DTypeLike = np.uint8,
    turn: float = 0.0,
) -> NDArray[Any]:
    """Compute a box of a level of the picture.

    A pure function, safe in any thread. Its cost is that of the box, wherever it lies and however large the image is.

    Parameters
    ----------
    start, stop : sequence of int
        The box in pixels of the level, half-open, one number per spatial axis in storage order.
    factor : sequence of int
        How many level-0 pixels a pixel of this level spans along each axis.
    extent : sequence of int
        Shape of level 0. A pixel at the far edge is the mean of the part of it that lies inside.
    dtype : dtype, default uint8
        An unsigned integer type of at most 32 bits; the picture uses its whole range.
    turn : float, default 0
        Shifts every lattice by this part of its wavelength: another picture for another channel or time.

    Returns
    -------
    ndarray
        Shape ``stop - start``, C order.
    """
    waves = _wavelengths(max(extent))
    profiles = [
        # Blobs are longer along each further axis: swapped axes are seen at once.
        _profile(np.arange(a, b), f, n, waves * (1 + axis / 4), turn + axis * _GOLDEN)
        for axis, (a, b, f, n) in enumerate(zip(start, stop, factor, extent, strict=True))
    ]
    lead = np.ones((1, len(waves)))
    for profile in profiles[:-1]:
        lead = lead[..., None, :] * profile.T
    # Row by row of the first axis: such small products stay in this thread. Larger ones wake BLAS's own threads, which
    # costs many times the product itself on a busy machine.
    picture = lead @ profiles[-1]
    picture *= np.iinfo(np.dtype(dtype)).max / (len(waves) * float(_ONE) ** len(profiles))
    picture += 0.5
    return picture.astype(dtype).reshape([b - a for a, b in zip(start, stop, strict=True)])


def _wavelengths(longest: int) -> NDArray[np.float64]:
    """Return the wavelengths in level-0 pixels of an image whose longest axis has `longest` pixels."""
    waves = [_FINEST_WAVE]
    while waves[-1] * _WAVE_RATIO <= longest:
        waves.append(waves[-1] * _WAVE_RATIO)
    return np.array(waves, dtype=np.float64)


def _profile(
    index: NDArray[np.int64], factor: int, size: int, waves: NDArray[np.float64], turn: float
) -> NDArray[np.float64]:
    """Return the mean of each raised cosine over each pixel of one axis: (waves, pixels), whole numbers 0 .. _ONE."""
    low = index * factor
    high = np.minimum(low + factor, size)
    phase = (low + high)[None, :] / 2 / waves[:, None] + turn + _GOLDEN * np.arange(len(waves))[:, None]
    damping = np.sinc((high - low)[None, :] / waves[:, None])
    mean: NDArray[np.float64] = (1 + damping * np.cos(2 * np.pi * (phase % 1))) / 2
    return np.rint(mean * _ONE)
