"""Where the pixels of an oblique cut lie in a level of the image.

A *sample* is numbered by its pixel in the cut, and in a thick slice of a rotated image by its place across the slice as
well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brickstream.multiscale.affine import FloatArray, IntArray

Numbers = FloatArray | np.float64
# By so much of a pixel may an estimate of what is in a box be off; what is in it is then looked at sample by sample.
SLACK = 1e-3


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of one level of a cut.

    The position of a sample is ``offset + steps @ number``, in pixels of the image's level; the pixel that holds it is
    found half-up.

    Attributes
    ----------
    axes : tuple of int
        Array axes of the image along which positions vary.
    offset : ndarray of shape (d,), float64
        Position of sample 0 on these axes.
    steps : ndarray of shape (d, n), float64
        From one sample to the next.
    depth : tuple of int
        Samples across a thick slice of a rotated image, for each of its margins; their numbers come last.
    low, high : ndarray of shape (d,), float64
        The part of the level that is within the image, half-open, in pixels.
    noise : ndarray of shape (d,), float64
        What is taken for float noise, in pixels.
    shape, chunk : ndarray of shape (d,), int64
        Pixels of the level, and of a chunk.
    """

    axes: tuple[int, ...]
    offset: FloatArray
    steps: FloatArray
    depth: tuple[int, ...]
    low: FloatArray
    high: FloatArray
    noise: FloatArray
    shape: IntArray
    chunk: IntArray

    def box(self, start: IntArray, stop: IntArray) -> tuple[IntArray, IntArray]:
        """First and last sample (inclusive) of half-open boxes of the cut's pixels, shapes (p, m): (n, m)."""
        deep = np.array(self.depth, dtype=np.int64)[:, None]
        across = np.broadcast_to(deep - 1, (len(deep), start.shape[1]))
        return np.concatenate([start, np.zeros_like(across)]), np.concatenate([stop - 1, across])

    def pixel(self, axis: int, numbers: Sequence[IntArray]) -> IntArray:
        """Pixels that hold samples, on one of the varying axes.

        Parameters
        ----------
        axis : int
            Its place among `axes`.
        numbers : sequence of ndarray, int64
            Of the samples, one array for each column of `steps`; they broadcast.

        Returns
        -------
        ndarray, int64
            -1 before the image, and the length of the level behind it.
        """
        place = np.float64(self.offset[axis])
        for step, number in zip(self.steps[axis].tolist(), numbers, strict=True):
            if step:
                place = place + step * number
        return held_by(place, self.low[axis], self.high[axis], self.noise[axis], self.shape[axis])

    def within(
        self, first: IntArray, last: IntArray, start: IntArray, stop: IntArray
    ) -> tuple[tuple[IntArray, ...], tuple[IntArray, ...]]:
        """Find the samples of a box that lie in a box of the image's pixels.

        Parameters
        ----------
        first, last : ndarray of shape (n,), int64
            Of the samples, both inclusive.
        start, stop : ndarray of shape (d,), int64
            Of the pixels, half-open.

        Returns
        -------
        numbers : tuple of n ndarrays of shape (m,), int64
            Of the samples, counted from `first`.
        pixels : tuple of d ndarrays of shape (m,), int64
            Where each lies, counted from `start`.
        """
        begin, end = self.narrowed(first, last, start, stop)
        if (begin > end).any():
            none = np.empty(0, dtype=np.int64)
            return (none,) * len(first), (none,) * len(start)
        mesh = np.ix_(*(np.arange(a, b + 1) for a, b in zip(begin.tolist(), end.tolist(), strict=True)))
        pixels = [self.pixel(axis, mesh) for axis in range(len(self.axes))]
        inside = np.ones([len(numbers.ravel()) for numbers in mesh], dtype=bool)
        for pixel, a, b in zip(pixels, start.tolist(), stop.tolist(), strict=True):
            inside &= (pixel >= a) & (pixel < b)
        numbers = np.nonzero(inside)
        held = tuple(np.broadcast_to(p, inside.shape)[numbers] - a for p, a in zip(pixels, start, strict=True))
        return tuple(n + a for n, a in zip(numbers, begin - first, strict=True)), held

    def narrowed(self, first: IntArray, last: IntArray, start: IntArray, stop: IntArray) -> tuple[IntArray, IntArray]:
        """A box within a box of samples, as small as is easily told, that has all of them which lie in a box of pixels.

        Parameters as for :meth:`within`. Returns the first and the last sample; where there is none a last one may lie
        before the first.
        """
        one, other = self.steps * first, self.steps * last
        low, high = np.minimum(one, other), np.maximum(one, other)
        least = self.offset[:, None] + low.sum(axis=1, keepdims=True) - low
        most = self.offset[:, None] + high.sum(axis=1, keepdims=True) - high
        with np.errstate(divide="ignore", invalid="ignore"):
            one = ((start - 0.5 - SLACK)[:, None] - most) / self.steps
            other = ((stop - 0.5 + SLACK)[:, None] - least) / self.steps
        still = self.steps == 0
        begin = np.ceil(np.where(still, -np.inf, np.minimum(one, other)).max(axis=0))
        end = np.floor(np.where(still, np.inf, np.maximum(one, other)).min(axis=0))
        begin, end = np.clip(begin, first, last + 1), np.clip(end, first - 1, last)
        return begin.astype(np.int64), end.astype(np.int64)


def held_by(place: Numbers, low: Numbers, high: Numbers, noise: Numbers, length: IntArray | np.int64) -> IntArray:
    """Pixels that hold positions, half-up; -1 before the image and `length` behind it. All broadcast."""
    held = np.clip(np.floor(place + 0.5 + noise), 0, length - 1)
    held = np.where(place < low - noise, -1, np.where(place >= high - noise, length, held))
    return np.asarray(held, dtype=np.int64)
