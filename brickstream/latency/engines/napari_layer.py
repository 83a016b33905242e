"""napari's own slicing without a window: its viewer model and image layer, told of the canvas as its canvas tells them.

What a window does with slices that are ready is done here once a frame, by the same calls, private ones of napari 0.9.
Levels are dask arrays over zarr-python, as napari's readers make them; napari's cache for dask is on, its default.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

# The settings of whoever runs this are left alone.
os.environ.setdefault("NAPARI_CONFIG", "")

import dask.array
import numpy as np
import zarr
from napari.components import ViewerModel
from napari.settings import get_settings
from napari.utils import resize_dask_cache

from brickstream.latency.engines.protocol import Shot, Watch
from brickstream.latency.engines.reading import level_paths


class NapariLayer:
    """A viewer model with one layer of all levels.

    Parameters
    ----------
    watch : Watch
    in_thread : bool
        Whether napari's experimental asynchronous slicing is on.
    """

    def __init__(self, watch: Watch, *, in_thread: bool) -> None:
        self._watch = watch
        self._in_thread = in_thread
        self._viewer: Any = None
        self._layer: Any = None
        self._shot: Shot | None = None
        self._told = True
        self._ready: deque[Any] = deque()

    def warm_up(self, url: str) -> None:
        """Show the small image in another viewer."""
        resize_dask_cache()
        get_settings().experimental.async_ = False
        self._add(ViewerModel(), url)
        get_settings().experimental.async_ = self._in_thread

    def open(self, url: str) -> None:
        """Open the image and add its layer, which shows the coarsest level."""
        self._viewer = ViewerModel()
        self._viewer._layer_slicer.events.ready.connect(lambda event: self._ready.append(event.value))
        self._layer = self._add(self._viewer, url)

    def set_view(self, shot: Shot) -> None:
        """Move the dims' point, then tell the layer what the canvas shows."""
        self._shot, self._told = shot, False
        view, layer = shot.view, self._layer
        names, point = layer.axis_labels, dict(view.point)
        wanted = [point.get(name, now) for name, now in zip(names, self._viewer.dims.point, strict=True)]
        if not np.allclose(wanted, self._viewer.dims.point):
            self._viewer.dims.point = wanted
        half = np.array(view.world_size[::-1]) / 2
        corners = np.array([np.array(view.center) - half, np.array(view.center) + half])
        layer._update_draw(1 / view.zoom, corners, view.canvas[::-1])

    def poll(self) -> None:
        """Give the layer its slice, if it is ready, and look whether it has its pixels."""
        while self._ready:
            for layer, response in self._ready.popleft().items():
                layer()._slicing_state._update_slice_response(response)
                layer()._slicing_state._update_loaded_slice_id(response.request_id)
        if self._told or self._shot is None or not self._layer.loaded:
            return
        self._told = True
        start, stop = (np.array(side) for side in self._shot.bounds)
        shown = list(self._viewer.dims.displayed)
        start[shown], stop[shown] = self._layer.corner_pixels[0, shown], self._layer.corner_pixels[1, shown] + 1
        self._watch.box(int(self._layer.data_level), tuple(start.tolist()), tuple(stop.tolist()))

    def is_complete(self) -> bool:
        """Whether the layer has its pixels."""
        return self._told

    def usage(self) -> None:
        """Everything happens in this process."""

    def close(self) -> None:
        """Nothing is left running but napari's own pool of threads."""
        get_settings().experimental.async_ = False

    @staticmethod
    def _add(viewer: Any, url: str) -> Any:
        group: Any = zarr.open_group(url, mode="r")
        attributes = dict(group.attrs)
        described = attributes.get("ome", attributes)["multiscales"][0]
        from_zarr: Any = dask.array.from_zarr
        levels = [from_zarr(group[path]) for path in level_paths(attributes)]
        placed = described["datasets"][0]["coordinateTransformations"]
        scale = next(item["scale"] for item in placed if item["type"] == "scale")
        shift = next((item["translation"] for item in placed if item["type"] == "translation"), [0] * len(scale))
        names = [axis["name"] for axis in described["axes"]]
        # Limits come with the metadata, as readers take them from there: napari would read pixels to find some.
        return viewer.add_image(
            levels, multiscale=True, scale=scale, translate=shift, contrast_limits=(0, 65535), axis_labels=names
        )


def make(watch: Watch, canvas: tuple[int, int], *, in_thread: bool = False) -> NapariLayer:
    """Make the adapter; the canvas is in the views."""
    return NapariLayer(watch, in_thread=in_thread)
