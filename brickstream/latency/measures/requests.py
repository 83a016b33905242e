"""What the requests of a session were good for, by the server's log: the same for every engine. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brickstream.multiscale import Pyramid, View, corner_pixels

_DOCUMENTS = ("zarr.json", ".zattrs", ".zgroup", ".zarray", ".zmetadata")
_INDEX = re.compile(r"(?:c/)?(\d+(?:[/.]\d+)*)")


@dataclass(frozen=True)
class Asked:
    """One request of a session; the keys of the server's log, and what can be known of it.

    Attributes
    ----------
    key : str
        Below the image.
    range : str or None
    start, first, end : float
        Seconds since the image was asked for; `first` is that of the first byte sent, or None.
    bytes, status : int
    outcome : str
        served, cancelled or fault.
    connection : int or None
    kind : str
        metadata, chunk (or a shard, or a part of one) or other.
    level : int or None
        Of a chunk.
    left : bool
        Served for a chunk that the view of its end did not show any more.
    """

    key: str
    range: str | None
    start: float
    first: float | None
    end: float
    bytes: int
    status: int
    outcome: str
    connection: int | None
    kind: str
    level: int | None
    left: bool


@dataclass(frozen=True)
class Moves:
    """Which view was shown when.

    Attributes
    ----------
    pyramid : Pyramid
    times : sequence of float
        Seconds since the image was asked for, rising.
    views : sequence of View
    """

    pyramid: Pyramid
    times: Sequence[float]
    views: Sequence[View]

    def shows(self, t: float, level: int, start: Sequence[int], stop: Sequence[int]) -> bool:
        """Whether the view of a time shows something of a box of a level; before the first view everything is shown."""
        row = bisect_right(self.times, t) - 1
        if row < 0:
            return True
        low, high = corner_pixels(self.pyramid, self.views[row], level)
        return bool(np.all(np.asarray(start) <= high) and np.all(np.asarray(stop) > low))


def read_log(rows: Sequence[Mapping[str, Any]], root: str, offset: float, moves: Moves) -> list[Asked]:
    """Make sense of a server's log.

    Parameters
    ----------
    rows : sequence of mapping
        Of ``/_serve/log``.
    root : str
        Key of the image on the server; rows of other keys are left out.
    offset : float
        What is taken off the log's times.
    moves : Moves
        The views of the session.
    """
    found = [_asked(row, root, offset, moves) for row in rows if row["key"].startswith(f"{root}/")]
    return sorted(found, key=lambda asked: asked.start)


def _asked(row: Mapping[str, Any], root: str, offset: float, moves: Moves) -> Asked:
    key = row["key"].removeprefix(f"{root}/")
    chunk = _chunk(key, moves.pyramid)
    end, served = row["end"] - offset, row["outcome"] == "served"
    first = row.get("first")
    return Asked(
        key=key,
        range=row["range"],
        start=row["start"] - offset,
        first=None if first is None else first - offset,
        end=end,
        bytes=row["bytes"],
        status=row["status"],
        outcome=row["outcome"],
        connection=row.get("connection"),
        kind="metadata" if key.rpartition("/")[2] in _DOCUMENTS else "chunk" if chunk else "other",
        level=chunk[0] if chunk else None,
        left=bool(chunk and served and row["status"] in (200, 206) and not moves.shows(end, *chunk)),
    )


def _chunk(key: str, pyramid: Pyramid) -> tuple[int, list[int], list[int]] | None:
    """Level, start and stop of the chunk or shard of a key; None where it is none."""
    for number, level in enumerate(pyramid.levels):
        rest = key.removeprefix(f"{level.path}/") if level.path else key
        match = _INDEX.fullmatch(rest)
        if (rest == key and level.path) or match is None:
            continue
        index = [int(i) for i in re.split(r"[/.]", match[1])]
        size = level.shards or level.chunks
        if len(index) == len(size):
            start = [i * n for i, n in zip(index, size, strict=True)]
            return number, start, [low + n for low, n in zip(start, size, strict=True)]
    return None


def count_requests(asked: Sequence[Asked]) -> dict[str, float]:
    """Count requests and bytes, and what of them was in vain."""
    seen: set[tuple[str, str | None]] = set()
    wasted = twice = 0
    for row in asked:
        served = row.outcome == "served" and row.status in (200, 206)
        again = served and (row.key, row.range) in seen
        if served:
            seen.add((row.key, row.range))
        twice += again
        wasted += row.bytes if again or row.left or row.outcome != "served" else 0
    return {
        "requests": len(asked),
        "bytes": sum(row.bytes for row in asked),
        "bytes_wasted": wasted,
        "twice": twice,
        "left": sum(row.left for row in asked),
    }
