"""What a viewer does that knows nothing of streaming: one dask slice of the whole view, in the host's thread."""

from __future__ import annotations

from typing import Any

import dask.array
import zarr

from brickstream.latency.engines.protocol import Shot, Watch
from brickstream.latency.engines.reading import level_paths, slices


class DaskSlice:
    """Dask arrays over zarr-python over fsspec, with dask's own threads."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._levels: list[Any] = []
        self._picture: Any = None

    def warm_up(self, url: str) -> None:
        """Read a pixel of the small image."""
        self.open(url)
        self._levels[-1][0, 0, 0].compute()

    def open(self, url: str) -> None:
        """Open the group, and the arrays of all levels."""
        group: Any = zarr.open_group(url, mode="r")
        from_zarr: Any = dask.array.from_zarr
        self._levels = [from_zarr(group[path]) for path in level_paths(dict(group.attrs))]

    def set_view(self, shot: Shot) -> None:
        """Read the view: nothing else happens meanwhile."""
        if len(shot.chunks):
            self._picture = self._levels[shot.level][slices(shot.bounds)].compute()
            self._watch.box(shot.level, *shot.bounds)

    def poll(self) -> None:
        """Nothing comes later."""

    def is_complete(self) -> bool:
        """Whether the view was read: it was, when :meth:`set_view` returned."""
        return True

    def usage(self) -> None:
        """Everything happens in this process."""

    def close(self) -> None:
        """Nothing was begun."""


def make(watch: Watch, canvas: tuple[int, int]) -> DaskSlice:
    """Make the adapter; the canvas is in the views."""
    return DaskSlice(watch)
