"""One layer of napari and the engine: what napari shows becomes views, what comes becomes pixels. Qt thread."""

from __future__ import annotations

from typing import Any

from brickstream.engine import Failure, ThreadedEngine, Update
from brickstream.engine.viewport import ThreadedViewport
from brickstream.viewers.napari.layers import UNKNOWN_RANGE, LayerSource
from brickstream.viewers.napari.plane import LayerPlane
from brickstream.viewers.napari.state import NOTHING, State, read_state
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
    volume : LayerVolume or None
        None before the layer is first shown in 3D.
    failures : list of Failure
        Of the view that is shown.
    """

    def __init__(self, viewer: Any, layer: Any, source: LayerSource, engine: ThreadedEngine) -> None:
        self.layer, self.source = layer, source
        self.failures: list[Failure] = []
        self.volume: LayerVolume | None = None
        self._viewer, self._engine = viewer, engine
        self._plane = LayerPlane(viewer, layer, source, engine)
        self._shown: LayerPlane | LayerVolume | None = None
        self._state: State = NOTHING
        self._limits: tuple[float, float] | None = None
        self._has_told = False

    def tick(self, pixel_ratio: float, budget_ms: float) -> None:
        """Follow napari, and show what has come, within about a time."""
        state = self._read(pixel_ratio)
        if state != self._state:
            self._show(state)
        updates = self._shown.take(budget_ms) if self._shown is not None else []
        if self._shown is not None and updates:
            self._note(updates)
            self._fit_contrast(self._shown.viewport)

    def is_complete(self, pixel_ratio: float) -> bool:
        """Whether all of what napari shows now is there, as far as it can come."""
        return self._read(pixel_ratio) == self._state and (self._shown is None or self._shown.is_complete)

    def close(self, *, window_is_gone: bool = False) -> None:
        """Stop streaming; give the GPU's memory back where there still is one."""
        for side in (self._plane, self.volume):
            if side is not None:
                side.close(window_is_gone=window_is_gone)

    def _read(self, pixel_ratio: float) -> State:
        return read_state(self._viewer, self.layer, self.source.where, pixel_ratio)

    def _show(self, state: State) -> None:
        self._state = state
        self.failures.clear()
        before, self._shown = self._shown, self._side(state)
        if before is not None and before is not self._shown:
            before.hide()
        if self._shown is not None:
            self._shown.show(state)

    def _side(self, state: State) -> LayerPlane | LayerVolume | None:
        """Who shows it: nobody, the plane or the volume."""
        if state.cut is None or state.eye is None:
            return None if state.cut is None else self._plane
        if self.volume is None:
            self.volume = LayerVolume(self._viewer, self.layer, self.source, self._engine)
        return self.volume

    def _note(self, updates: list[Update]) -> None:
        """Keep what failed; tell the user of the first failure."""
        failed = [update.failure for update in updates if update.failure is not None]
        self.failures += failed
        if failed and not self._has_told:
            from napari.utils.notifications import show_warning

            self._has_told = True
            show_warning(f"{self.layer.name}: chunk {failed[0].key} could not be read ({failed[0].reason})")

    def _fit_contrast(self, viewport: ThreadedViewport) -> None:
        """Widen contrast limits that nobody knows to what has come, until somebody sets them."""
        layer, before = self.layer, self._limits
        if self.source.knows_range or tuple(map(float, layer.contrast_limits)) != (before or UNKNOWN_RANGE):
            return
        seen = viewport.contrast_limits()
        if seen is None or not seen[0] < seen[1]:
            return
        limits = seen if before is None else (min(seen[0], before[0]), max(seen[1], before[1]))
        if limits != before:
            layer.contrast_limits_range = layer.contrast_limits = self._limits = limits
