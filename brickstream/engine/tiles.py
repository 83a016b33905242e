"""The tiles of an oblique cut: each gathers its samples from chunks of the image, and is done with the last of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks import ChunkState, Entry
from brickstream.multiscale import LevelPlan, Plan, Projection, thick_axes
from brickstream.multiscale.affine import IntArray

Index = tuple[int, ...]


@dataclass(eq=False)
class Tile:
    """One tile on its way.

    Attributes
    ----------
    index : tuple of int
        In the chunk grid of the cut.
    region : ndarray of shape (2, ndim), int64
        Its pixels in the level of the cut, half-open.
    first, last : ndarray of shape (n,), int64
        Its samples, both inclusive.
    left : int
        Chunks that have not come yet.
    pixels : ndarray, Projection or None
        What has come; None before anything has.
    missing : bool
        Whether all chunks that came are missing from the store.
    failed : Entry or None
        The first chunk that failed: then the tile has failed.
    """

    index: Index
    region: IntArray
    first: IntArray
    last: IntArray
    left: int = 0
    pixels: NDArray[Any] | Projection | None = None
    missing: bool = True
    failed: Entry | None = None

    @property
    def state(self) -> ChunkState:
        """What has become of the tile."""
        if self.failed is not None:
            return ChunkState.FAILED
        return ChunkState.MISSING if self.missing else ChunkState.LOADED

    def picture(self) -> NDArray[np.generic] | None:
        """The finished pixels, read-only; 0 outside the image. None where the tile has failed."""
        if self.failed is not None or self.pixels is None:
            return None
        pixels = self.pixels.result() if isinstance(self.pixels, Projection) else self.pixels
        pixels.flags.writeable = False
        return pixels


class Tiles:
    """The tiles of one planned level. A tile is shown when all its chunks are here: coarser ones show until then.

    Parameters
    ----------
    plan : Plan
        Of an oblique cut.
    part : LevelPlan
        One of its levels.
    held : collection of tuple of int
        Tiles that need not be put together.
    """

    def __init__(self, plan: Plan, part: LevelPlan, held: Collection[Index]) -> None:
        if plan.oblique is None or part.sources is None:
            raise ValueError("tiles are parts of an oblique cut")
        self._cut, self._level = plan.oblique, part.level
        self._samples = plan.oblique.samples(part.level)
        self._others, *self._planes = plan.oblique.planes(part.level)
        # A slice of one plane is thick all the same: its pixels are those of the projection.
        thick = bool(self._samples.depth or thick_axes(plan.local))
        self._projection = plan.view.projection if thick else None
        tiles = [self._tile(tuple(index)) for index in part.chunks.tolist()]
        self._waiting: dict[Index, list[Tile]] = {}
        for row, chunk in zip(part.sources.owner.tolist(), part.sources.chunks.tolist(), strict=True):
            if tiles[row].index not in held:
                tiles[row].left += 1
                self._waiting.setdefault(tuple(chunk), []).append(tiles[row])

    @property
    def chunks(self) -> Collection[Index]:
        """Chunks of the image that tiles wait for."""
        return self._waiting.keys()

    def settle(self, entry: Entry) -> Iterator[Tile]:
        """Take the samples out of a chunk that is loaded, missing or failed; give the tiles for which it was the last.

        Nothing of the chunk is kept.
        """
        index = entry.key[1]
        start, stop = np.array(self._cut.image.levels[self._level].chunk_box(index), dtype=np.int64)
        for tile in self._waiting.pop(index, ()):
            tile.left -= 1
            if entry.state is ChunkState.FAILED:
                tile.failed = tile.failed or entry
            elif tile.failed is None:
                tile.missing &= entry.state is ChunkState.MISSING
                self._gather(tile, self._block(entry, start, stop), start, stop)
            if not tile.left:
                yield tile

    def _tile(self, index: Index) -> Tile:
        region = np.array(self._cut.pyramid.levels[self._level].chunk_box(index), dtype=np.int64)
        first, last = self._samples.box(*region[:, list(self._cut.axes), None])
        return Tile(index, region, first[:, 0], last[:, 0])

    def _block(self, entry: Entry, start: IntArray, stop: IntArray) -> NDArray[Any]:
        """The planes of a chunk that the cut has, on the other axes first, then on those along which samples vary."""
        chunk = entry.data
        if chunk is None:
            fill = np.asarray(entry.source.fill_value, dtype=entry.source.dtype)
            chunk = np.broadcast_to(fill, tuple((stop - start).tolist()))
        where = [slice(None)] * chunk.ndim
        for axis, first, last in zip(self._others, *self._planes, strict=True):
            where[axis] = slice(max(int(first - start[axis]), 0), int(last + 1 - start[axis]))
        return chunk[tuple(where)].transpose(*self._others, *self._samples.axes)

    def _gather(self, tile: Tile, block: NDArray[Any], start: IntArray, stop: IntArray) -> None:
        """Add the samples that lie in a block of pixels to a tile."""
        axes, n = list(self._samples.axes), len(self._cut.axes)
        numbers, pixels = self._samples.within(tile.first, tile.last, start[axes], stop[axes])
        at: tuple[Any, ...] = (slice(None), *pixels)
        values = block.reshape(-1, *block.shape[len(self._others) :])[at]
        if tile.pixels is None:
            tile.pixels = self._blank(tuple((tile.last - tile.first + 1)[:n].tolist()), block.dtype)
        if not isinstance(tile.pixels, Projection):
            tile.pixels[numbers] = values[0]
            return
        # No place twice at a time: those behind one another in a rotated image one by one.
        deep = np.ravel_multi_index(numbers[n:], self._samples.depth) if numbers[n:] else np.zeros_like(numbers[0])
        for depth in np.unique(deep):
            here = deep == depth
            tile.pixels.merge(values[:, here], 0, tuple(rows[here] for rows in numbers[:n]))

    def _blank(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | Projection:
        return np.zeros(shape, dtype) if self._projection is None else Projection(shape, dtype, self._projection)


__all__ = ["Tile", "Tiles"]
