"""Pictures that are too large to be drawn at once, cut into tiles. Pure."""

from __future__ import annotations

MAX_SIDE = 4096
MAX_STRIP = 32 << 20

Part = tuple[int, int, int, int]
"""Left, top, width and height in canvas pixels."""


def tile_size(canvas: tuple[int, int], limit: int = MAX_SIDE) -> tuple[int, int]:
    """Width and height of the tiles of a canvas: all are equally large, and a row of them takes at most 32 MiB.

    Parameters
    ----------
    canvas : tuple of (int, int)
        Width and height in pixels.
    limit : int
        Largest side of a tile.
    """
    width, height = canvas
    lines = max(1, min(limit, MAX_STRIP // (4 * width)))
    return _even(width, limit), _even(height, lines)


def _even(length: int, most: int) -> int:
    return -(-length // -(-length // most))


def tile_rows(canvas: tuple[int, int], tile: tuple[int, int]) -> list[list[Part]]:
    """Places of the tiles, row by row from the top; the last ones overlap those before, to be as large as all."""
    lefts, tops = (_starts(length, side) for length, side in zip(canvas, tile, strict=True))
    return [[(left, top, *tile) for left in lefts] for top in tops]


def _starts(length: int, side: int) -> list[int]:
    return [min(start, length - side) for start in range(0, length, side)]
