"""Several channels of an image, streamed into one offscreen picture. Runs on the thread that calls it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Failure, Telemetry, ThreadedEngine, Update
from brickstream.multiscale import Plan
from brickstream.render import ImageLayer, LayeredScene, OffscreenView
from brickstream.viewers.snapshot import Limits, MakeView, Picture, Report

MakeLayers = Callable[[ChunkedImage], Sequence[ImageLayer]]
_POLL_MS = 10.0


class ChannelsSnapshot:
    """Streams one view of several layers into an offscreen picture. Runs on the thread that calls it.

    Parameters
    ----------
    where : str or Path
    make_view : callable
        Makes the view of the opened image.
    make_layers : callable
        Makes the layers of the opened image.
    canvas : tuple of (int, int)
        Width and height in pixels.
    limits : Limits
    on_progress : callable
        Takes settled and planned chunks, of all layers.
    telemetry : Telemetry, optional

    Attributes
    ----------
    report : Report
        Numbers are those of all visible layers together; level and corner pixels those of the first.
    failures : list of Failure
    """

    def __init__(
        self,
        where: str | Path,
        make_view: MakeView,
        make_layers: MakeLayers,
        canvas: tuple[int, int] = (800, 600),
        limits: Limits | None = None,
        *,
        on_progress: Callable[[int, int], None] = lambda settled, wanted: None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._where = where
        self._make_view, self._make_layers = make_view, make_layers
        self._canvas, self._limits = canvas, limits or Limits()
        self._on_progress, self._telemetry = on_progress, telemetry
        self.report = Report()
        self.failures: list[Failure] = []
        self._started = 0.0

    def take(self) -> Picture:
        """Open, stream and draw until all layers are complete or the time is up.

        Returns
        -------
        ndarray of shape (height, width, 4), uint8

        Raises
        ------
        BrickstreamError
            If the image cannot be opened, or the view or the layers cannot be made.
        """
        limits = self._limits
        how: dict[str, Any] = {"max_gpu_bytes": limits.max_gpu_bytes, "max_texture": limits.max_texture}
        with (
            OffscreenView(self._canvas, **how, telemetry=self._telemetry) as screen,
            Engine.in_thread(
                limits.max_ram_bytes, limits.max_inflight, prefetch=limits.prefetch, telemetry=self._telemetry
            ) as engine,
        ):
            self._started = time.perf_counter()
            image = engine.open(self._where, limits.timeout)
            self.report.open_s = self._seconds()
            scene = screen.layered(engine)
            scene.layers = self._make_layers(image)
            scene.show(self._make_view(image))
            self._stream(scene)
            picture = screen.draw()
            self._finish(scene, engine)
            scene.close()
        return picture

    def take_strips(self, write: Callable[[Picture], None]) -> None:
        """Take the picture and write it, in one strip; as :meth:`Snapshot.take_strips`."""
        write(self.take())

    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _left(self) -> float | None:
        return None if self._limits.timeout is None else self._limits.timeout - self._seconds()

    def _stream(self, scene: LayeredScene) -> None:
        wanted = sum(plan.chunk_count for plan in scene.plans)
        while not scene.is_settled:
            left = self._left()
            if left is not None and left <= 0:
                return
            for update in scene.poll(_POLL_MS):
                self._take(update, wanted)
            scene.commit(_POLL_MS)
            if not scene.pending_uploads:
                scene.wait(left)

    def _take(self, update: Update, wanted: int) -> None:
        self.report.count_chunk(update)
        if update.failure is not None:
            self.failures.append(update.failure)
        self._on_progress(self.report.chunks_settled, wanted)

    def _finish(self, scene: LayeredScene, engine: ThreadedEngine) -> None:
        report, plans = self.report, scene.plans
        report.count_cost(engine.stats(), scene.gpu_bytes)
        report.complete, report.frames_drawn = scene.is_settled, 1
        report.complete_s = self._seconds() if report.complete else None
        report.first_pixels_s = report.complete_s
        report.levels_shown = sorted({level for part in scene.scenes for level in part.sink.shown_levels()})
        report.chunks_wanted = sum(plan.chunk_count for plan in plans)
        report.partial = any(plan.partial for plan in plans)
        first: Plan | None = next((plan for plan in plans if not plan.empty), None)
        if first is not None:
            report.level, report.corner_pixels = first.target.level, first.target.corner_pixels.tolist()
