"""What of an image may have changed, where a part of it is being written anew. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from brickstream.chunks import ChunkedImage, ChunkKey
from brickstream.multiscale import Plan, Pyramid
from brickstream.multiscale.affine import IntArray

Regions = Mapping[int, IntArray]
"""By level a box: ndarray of shape (2, ndim), int64, start and stop, half-open, in pixels of the level."""


def outdated(pyramid: Pyramid, box: IntArray) -> dict[int, IntArray]:
    """Find what of every level depends on a part of the finest one.

    Parameters
    ----------
    pyramid : Pyramid
    box : ndarray of shape (2, ndim), int64
        Start and stop, half-open, in pixels of level 0.

    Returns
    -------
    dict of int to ndarray of shape (2, ndim), int64
        Start and stop, half-open, in pixels of each level, clipped to it. One pixel more on each side than the box
        covers: a coarser pixel may be made of more than lies under it.
    """
    edges = (box - 0.5) * pyramid.scales[0] + pyramid.translations[0]
    regions = {0: box.copy()}
    for level in range(1, len(pyramid.levels)):
        pixels = np.sort((edges - pyramid.translations[level]) / pyramid.scales[level] + 0.5, axis=0)
        reach = np.array([np.floor(pixels[0]) - 1, np.ceil(pixels[1]) + 1])
        regions[level] = np.clip(reach, 0, pyramid.levels[level].shape).astype(np.int64)
    return regions


def outdated_of(plan: Plan, regions: Regions) -> Regions:
    """Find what depends on parts of an image among the pixels that a plan speaks of: of a cut, those of its grid."""
    oblique = plan.oblique
    if oblique is None:
        return regions
    # How a cut lies in a level that is not planned may take long to say.
    planned = {part.level for part in plan.levels}
    whole = np.zeros_like(oblique.pyramid.shapes)
    return {
        level: oblique.covering(level, box)
        if level in planned
        else np.stack([whole[level], oblique.pyramid.shapes[level]])
        for level, box in regions.items()
    }


def chunks_in(image: ChunkedImage, regions: Regions) -> Callable[[ChunkKey], bool]:
    """Make the question whether a chunk of an image has a pixel in the region of its level."""
    levels = {id(source): level for level, source in enumerate(image.sources)}

    def has(key: ChunkKey) -> bool:
        level = levels.get(key[0])
        return level is not None and touches(key[1], image.sources[level].chunks, regions[level])

    return has


def touches(index: tuple[int, ...], size: tuple[int, ...], region: IntArray) -> bool:
    """Whether the box at an index of a grid of boxes has a pixel in a region."""
    start, stop = region.tolist()
    return all(i * n < b and a < (i + 1) * n for i, n, a, b in zip(index, size, start, stop, strict=True))
