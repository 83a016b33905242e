"""What can be asked of an image besides a picture: arrays, profiles, values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage, Fetcher
from brickstream.engine.exact import (
    box_of,
    mean_along,
    pixel_of,
    read_box,
    read_pixels,
    sample_line,
    value_in_memory,
)
from brickstream.multiscale.affine import FloatArray

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Profile:
    """Values along a line.

    Attributes
    ----------
    distance : ndarray of shape (n,), float64
        World units from the start of the line.
    values : ndarray of shape (n,), float64
        Not a number outside the image.
    """

    distance: FloatArray
    values: FloatArray


class Reads(ABC):
    """Exact reads of an engine, behind everything visible; on its event loop.

    Each needs room for a chunk in the RAM budget beside what waits to be polled, or to be taken of a slice: await it in
    a task of its own where that goes on meanwhile, not within ``async for update in engine.slice(...)``.
    """

    @property
    @abstractmethod
    def fetcher(self) -> Fetcher:
        """Who reads."""

    @abstractmethod
    async def _until_closed(self, work: Coroutine[Any, Any, T]) -> T:
        """Await what ends when the engine does."""

    async def export(
        self, image: ChunkedImage, region: Mapping[str, tuple[int, int]] | None = None, level: int = 0
    ) -> NDArray[Any]:
        """Read a part of a level as an exact array; what is visible comes first.

        Parameters
        ----------
        image : ChunkedImage
        region : mapping of str to (int, int), optional
            By name of an axis start and stop, half-open, in pixels of `level`, such as ``{"z": (10, 20)}``; axes that
            are not named are taken whole.
        level : int, default 0

        Returns
        -------
        ndarray
            On all axes, in array order, of the image's type: what NumPy slicing of the level gives. Missing chunks have
            their fill value.

        Raises
        ------
        ViewError
            If there is no such level, axis or pixel.
        BrickstreamError
            If a chunk of it failed, now or before (see :meth:`Engine.retry_failed`): an exact array has no gaps.

        Examples
        --------
        >>> async def stack(engine: Engine, image: ChunkedImage):
        ...     return await engine.export(image, {"z": (10, 20)}, level=2)
        """
        box = box_of(image.pyramid, level, region)
        return await self._until_closed(read_box(self.fetcher, image, level, box))

    async def profile(
        self, image: ChunkedImage, axis: str, region: Mapping[str, tuple[int, int]] | None = None, level: int = 0
    ) -> FloatArray:
        """Average a box over all axes but one, chunk by chunk: however large it is, it takes no memory.

        Parameters
        ----------
        image : ChunkedImage
        axis : str
            The one that is left.
        region, level
            As for :meth:`export`.

        Returns
        -------
        ndarray of shape (pixels along the axis,), float64

        Raises
        ------
        ViewError, BrickstreamError
            As :meth:`export`.
        """
        box, place = box_of(image.pyramid, level, region), image.pyramid.axis_index(axis)
        return await self._until_closed(mean_along(self.fetcher, image, level, box, place))

    async def line_profile(
        self,
        image: ChunkedImage,
        start: Mapping[str, float],
        stop: Mapping[str, float],
        level: int = 0,
        samples: int | None = None,
    ) -> Profile:
        """Read the values along a line, each from the pixel that it lies in; no chunk is read beside the line.

        Parameters
        ----------
        image : ChunkedImage
        start, stop : mapping of str to float
            World position on each axis of the image; both ends are included.
        level : int, default 0
        samples : int, optional
            Evenly along the line; default one for each pixel along the axis on which it crosses the most.

        Raises
        ------
        ViewError
            If a point does not have just the image's axes, there is no such level, or there are too many samples.
        BrickstreamError
            If a chunk on the line failed.
        """
        distance, pixels, inside = sample_line(image.pyramid, level, start, stop, samples)
        values = np.full(len(pixels), np.nan)
        values[inside] = await self._until_closed(read_pixels(self.fetcher, image, level, pixels[inside]))
        return Profile(distance, values)

    async def value_at(self, image: ChunkedImage, point: Mapping[str, float], level: int = 0) -> Any | None:
        """Read the value at a point of the world, by name of each axis; None outside the image. See :meth:`export`.

        Raises
        ------
        ViewError
            If the point does not have just the image's axes, or there is no such level.
        BrickstreamError
            If its chunk failed.
        """
        pixel = pixel_of(image.pyramid, level, point)
        if pixel is None:
            return None
        box = np.add([pixel, pixel], [[0], [1]])
        return (await self._until_closed(read_box(self.fetcher, image, level, box))).item()

    def value_shown(self, image: ChunkedImage, point: Mapping[str, float]) -> tuple[Any, int] | None:
        """Look up the value at a point of the world in what is in memory, without a read: for under the mouse.

        Returns
        -------
        (value, level) or None
            Of the finest level whose chunk is there; None where none is, and outside the image.

        Raises
        ------
        ViewError
            If the point does not have just the image's axes.
        """
        return value_in_memory(self.fetcher, image, point)
