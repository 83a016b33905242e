"""One layer of napari and the engine: what napari shows becomes views, what comes becomes pixels. Qt thread."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.engine import Failure, ThreadedEngine, Update
from brickstream.multiscale import View
from brickstream.viewers.napari.layers import LayerSource
from brickstream.viewers.napari.state import NOTHING, State, read_state
from brickstream.viewers.napari.views import plane_view, volume_view
from brickstream.viewers.napari.volume import LayerVolume


class LayerStream:
    """Keeps one layer up to date. Everything runs on the Qt thread.

    Parameters
    ----------
    viewer : napari Viewer
    layer : napari Image
        Its data are the levels of `source`.
    source : LayerSource
    engine : ThreadedEngine

    Attributes
    ----------
    failures : list of Failure
        Of the view that is shown.
    """

    def __init__(self, viewer: Any, layer: Any, source: LayerSource, engine: ThreadedEngine) -> None:
        self.layer, self.source = layer, source
        self.failures: list[Failure] = []
        self._viewer, self._engine = viewer, engine
        self._flat = engine.viewport(source.picture)
        self._deep: Any = None
        self._volume: LayerVolume | None = None
        self._state: State = NOTHING
        self._limits = tuple(map(float, layer.contrast_limits))
        self._not_before = 0.0
        self._has_told = False

    @property
    def image(self) -> ChunkedImage:
        """What the layer shows, in its own coordinates."""
        return self.source.image

    def tick(self, pixel_ratio: float, budget_ms: float) -> None:
        """Follow napari, and show what has come, within about a time."""
        state = read_state(self._viewer, self.layer, self.source.where, pixel_ratio)
        if state != self._state:
            self._show(state)
        if state.eye is not None and self._volume is not None:
            self._note(self._deep.poll(budget_ms))
            self._volume.commit(budget_ms)
            self._fit_contrast(self._volume.scene.sink.value_range)
        elif state.cut is not None:
            self._note(self._flat.poll(budget_ms))
            self._refresh()

    def is_complete(self, pixel_ratio: float) -> bool:
        """Whether all of what napari shows now is there, as far as it can come."""
        state = read_state(self._viewer, self.layer, self.source.where, pixel_ratio)
        if state != self._state:
            return False
        if state.eye is not None and self._volume is not None:
            return bool(self._deep.is_complete) and self._volume.is_settled
        # Until napari has drawn at its present zoom, it has not chosen the level yet.
        there = bool(self._flat.is_complete) and self.source.picture.is_published
        return state.cut is None or (there and _has_drawn(self._viewer, self.layer))

    def close(self, *, window_is_gone: bool = False) -> None:
        """Stop streaming; give the GPU's memory back where there still is one."""
        self._flat.close()
        if self._deep is not None:
            self._deep.close()
        volume, self._volume = self._volume, None
        if volume is not None and not window_is_gone:
            volume.close()

    def _show(self, state: State) -> None:
        before, self._state = self._state.eye is not None, state
        self.failures.clear()
        if state.eye is None:
            self._hide_volume()
        if state.cut is None or state.eye is not None:
            self._flat.stop()
            self.source.picture.clear()
        if state.cut is None:
            return
        if state.eye is not None and not before:
            # napari's own volume becomes one dark pixel under ours.
            self.layer.refresh(extent=False)
        where = self.source.where
        if state.eye is not None:
            self._show_volume(volume_view(where, state.cut, state.eye))
        else:
            self._flat.show(self.image, plane_view(where, state.cut, state.level, state.corner_pixels))

    def _refresh(self) -> None:
        """Have napari read the picture anew where there is more of it, but for no more than half of the time."""
        begin = perf_counter()
        if begin < self._not_before or not self.source.picture.publish():
            return
        self._fit_contrast(self.source.picture.value_range)
        self.layer.refresh(extent=False, highlight=False, thumbnail=self._flat.is_complete)
        end = perf_counter()
        self._not_before = end + (end - begin)

    def _show_volume(self, view: View) -> None:
        if self._volume is None:
            self._volume = LayerVolume(self._viewer, self.layer, self.source.where)
            self._deep = self._engine.viewport(self._volume.scene.sink)
        self._volume.show(view)
        self._deep.show(self.image, view)

    def _hide_volume(self) -> None:
        if self._volume is not None:
            self._volume.hide()
            self._deep.stop()

    def _note(self, updates: list[Update]) -> None:
        failed = [update.failure for update in updates if update.failure is not None]
        self.failures += failed
        if failed and not self._has_told:
            from napari.utils.notifications import show_warning

            self._has_told = True
            show_warning(f"{self.layer.name}: chunk {failed[0].key} could not be read ({failed[0].reason})")

    def _fit_contrast(self, seen: tuple[float, float] | None) -> None:
        """Widen contrast limits that nobody knows to what was seen, until somebody sets them."""
        layer = self.layer
        ours = tuple(map(float, layer.contrast_limits)) == self._limits
        if self.source.knows_range or not ours or seen is None or not seen[0] < seen[1] or seen == self._limits:
            return
        layer.contrast_limits_range = seen
        layer.contrast_limits = seen
        self._limits = tuple(map(float, layer.contrast_limits))


def _has_drawn(viewer: Any, layer: Any) -> bool:
    return bool(abs(layer.scale_factor * viewer.scene.camera.zoom - 1) < 1e-6)
