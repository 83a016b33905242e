"""The 2D picture of a layer: napari reads it anew whenever more of it has come. Qt thread."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from brickstream.engine import ThreadedEngine, Update
from brickstream.viewers.napari.layers import LayerSource
from brickstream.viewers.napari.state import State
from brickstream.viewers.napari.views import plane_view


class LayerPlane:
    """Shows planes of one layer, through nothing but what is public in napari.

    Parameters
    ----------
    viewer : napari Viewer
    layer : napari Image
    source : LayerSource
    engine : ThreadedEngine

    Attributes
    ----------
    viewport : ThreadedViewport
    """

    def __init__(self, viewer: Any, layer: Any, source: LayerSource, engine: ThreadedEngine) -> None:
        self.viewport = engine.viewport(source.picture)
        self._viewer, self._layer, self._source = viewer, layer, source
        self._not_before = 0.0

    def show(self, state: State) -> None:
        """Begin to show another plane, level or box."""
        if state.cut is not None and state.level is not None:
            view = plane_view(self._source.where, state.cut, state.level, state.corner_pixels)
            self.viewport.show(self._source.image, view)

    def take(self, budget_ms: float) -> list[Update]:
        """Take what has come, within a time; have napari read it, but for no more than half of the time."""
        updates = self.viewport.poll(budget_ms)
        begin = perf_counter()
        if begin >= self._not_before and self._source.picture.publish():
            self._layer.refresh(extent=False, highlight=False, thumbnail=self.viewport.is_complete)
            self._not_before = 2 * perf_counter() - begin
        return updates

    def hide(self) -> None:
        """Show nothing, and read nothing: of what napari asks for there is one dark pixel."""
        self.viewport.cancel()
        self._source.picture.clear()
        self._layer.refresh(extent=False)

    @property
    def is_complete(self) -> bool:
        """Whether napari has drawn at its present zoom, and so chosen the level, and has all of it."""
        has_drawn = abs(self._layer.scale_factor * self._viewer.scene.camera.zoom - 1) < 1e-6
        return bool(has_drawn and self.viewport.is_complete and self._source.picture.is_published)

    def close(self, *, window_is_gone: bool) -> None:
        """Stop streaming."""
        self.viewport.close()
