"""A picture of a remote image, drawn offscreen while it streams in, with the times that it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Failure, Telemetry, ThreadedEngine, Update
from brickstream.errors import TimedOutError, ViewError
from brickstream.multiscale import Plan, View, find_oblique, localize, picture_pyramid
from brickstream.render import OffscreenView, draw_dense
from brickstream.render.colors import known_clim
from brickstream.render.look import Look, labelled
from brickstream.render.overlays import Overlay
from brickstream.viewers.painter import POLL_MS, Painter, Picture
from brickstream.viewers.report import Limits, Report
from brickstream.viewers.tiling import tile_rows

__all__ = ["Frame", "Limits", "MakeView", "Picture", "Report", "Snapshot", "take_dense"]

MakeView = Callable[[ChunkedImage], View]

# Before the first picture one chunk at a time: it shows the first that came, also when much has come at once. A picture
# of the half-way point needs a look in between for the same reason.
_STAGE_POLL_MS = {"first": 0.0, "half": 0.5}


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture that was drawn on the way.

    Attributes
    ----------
    stage : str
        ``"first"``, ``"half"`` or ``"done"``.
    seconds : float
        From the start of the opening to the finished frame.
    picture : ndarray of shape (height, width, 4), uint8
    level : int or None
        The finest level shown.
    progress : float
        Share of the planned chunks that are settled.
    """

    stage: str
    seconds: float
    picture: Picture
    level: int | None
    progress: float


class Snapshot:
    """Streams one view of one image into an offscreen picture. Runs on the thread that calls it.

    Parameters
    ----------
    where : str or Path
    make_view : callable
        Makes the view of the opened image.
    canvas : tuple of (int, int)
        Width and height in pixels. What is too large to be drawn at once is drawn in tiles.
    look : Look
    limits : Limits
    ndisplay : {2, 3}
        What the view will be, so that its shaders can be compiled beforehand.
    on_frame : callable
        Takes each frame that is drawn on the way, and the last; not of a picture in tiles.
    on_progress : callable
        Takes settled and planned chunks, or tiles where there are several.
    overlays : sequence of Overlay
        What is drawn over the picture.
    keep_data : bool
        Keep the updates, so that :meth:`data` can give the array.
    as_labels : bool
        Show an image that its metadata calls labels in a colour for each id.
    telemetry : Telemetry, optional
        What remembers everything that is done for it.
    """

    def __init__(
        self,
        where: str | Path,
        make_view: MakeView,
        canvas: tuple[int, int] = (800, 600),
        look: Look | None = None,
        limits: Limits | None = None,
        *,
        ndisplay: int = 2,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        on_progress: Callable[[int, int], None] = lambda settled, wanted: None,
        stages: tuple[str, ...] = ("first", "done"),
        overlays: Sequence[Overlay] = (),
        keep_data: bool = False,
        as_labels: bool = False,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._where = where
        self._make_view = make_view
        self._canvas = canvas
        self._ndisplay = ndisplay
        self._look = look or Look()
        self._limits = limits or Limits()
        self._on_frame = on_frame
        self._on_progress = on_progress
        self._stages = [*stages]
        self._overlays = overlays
        self._keep_data = keep_data
        self._as_labels = as_labels
        self._telemetry = telemetry
        self.report = Report()
        self.image: ChunkedImage | None = None
        self.view: View | None = None
        self.plan: Plan | None = None
        self.failures: list[Failure] = []
        self._updates: list[Update] = []
        self._started = 0.0
        self._tiles = 1

    def take(self) -> Picture:
        """Open, stream and draw until the view is complete or the time is up.

        Returns
        -------
        ndarray of shape (height, width, 4), uint8
            The finished picture, or what is there when the time is up (`report.complete` is False then).

        Raises
        ------
        BrickstreamError
            If the image cannot be opened or the view cannot be made.
        """
        strips: list[Picture] = []
        self.take_strips(strips.append)
        return strips[0] if len(strips) == 1 else np.concatenate(strips)

    def take_strips(self, on_strip: Callable[[Picture], None]) -> None:
        """As :meth:`take`, of pictures that may be too large for memory.

        Parameters
        ----------
        on_strip : callable
            Takes the picture in strips of shape (some lines, width, 4), from the top.

        Raises
        ------
        BrickstreamError
            As :meth:`take`.
        """
        painter = Painter(
            self._canvas,
            self._look,
            self._limits,
            overlays=self._overlays,
            ndisplay=self._ndisplay,
            telemetry=self._telemetry,
        )
        with painter:
            self._started = time.perf_counter()
            try:
                self._stream(painter, on_strip)
            finally:
                self.report.count_cost(painter.engine.stats(), painter.offscreen.sink.gpu_bytes)

    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _left(self) -> float | None:
        return None if self._limits.timeout is None else self._limits.timeout - self._seconds()

    def _stream(self, painter: Painter, on_strip: Callable[[Picture], None]) -> None:
        rows = tile_rows(self._canvas, painter.tile)
        self.report.tiles = self._tiles = len(rows) * len(rows[0])
        if self._tiles > 1 and self._keep_data:
            raise ViewError("the data of a picture in tiles are not kept", f"{self._canvas}", "export them")
        try:
            self.image = image = painter.open(self._where, self._left())
        except TimedOutError:
            left = self._left()
            if left is None or left > 0:
                raise  # the server's time-out, not ours
            for row in rows:
                on_strip(np.full((row[0][3], self._canvas[0], 4), (0, 0, 0, 255), dtype=np.uint8))
            return
        self.report.open_s = self._seconds()
        self.view = self._make_view(image)
        if self._as_labels:
            painter.offscreen.scene.look = labelled(self._look, image.pyramid)
        self.report.complete = True
        for strip in painter.strips(image, self.view, lambda view: self._take_tile(painter, image, view)):
            on_strip(strip)
        self.report.complete_s = self._seconds() if self.report.complete else None

    def _take_tile(self, painter: Painter, image: ChunkedImage, view: View) -> Picture:
        self._begin(painter.show(image, view))
        if self._tiles == 1:
            # While the first answer is on its way, the first frame's transforms and shaders are made ready.
            painter.offscreen.prepare_draft()
        while True:
            with nullcontext() if self._telemetry is None else self._telemetry.frame():
                picture = self._frame(painter)
            if picture is not None:
                return picture
            painter.wait(self._left())

    def _begin(self, plan: Plan) -> None:
        """Count a tile's plan."""
        report, self.plan = self.report, plan
        report.chunks_wanted += plan.chunk_count
        report.partial |= plan.partial
        if plan.empty:
            return
        corners = plan.target.corner_pixels
        if report.level == plan.target.level:
            before = np.array(report.corner_pixels)
            corners = np.stack([np.minimum(before[0], corners[0]), np.maximum(before[1], corners[1])])
        if report.level is None or plan.target.level <= report.level:
            report.level, report.corner_pixels = plan.target.level, corners.tolist()

    def _frame(self, painter: Painter) -> Picture | None:
        """Take what has arrived and draw what there is to draw; None while there is more to wait for."""
        for update in painter.turn(_STAGE_POLL_MS.get(next(iter(self._stages), ""), POLL_MS)):
            self._take(update)
        settled, left = painter.is_settled, self._left()
        if settled or (left is not None and left <= 0):
            return self._finish(painter, settled)
        self._draw_stages(painter)
        return None

    def _take(self, update: Update) -> None:
        self.report.count_chunk(update)
        if update.failure is not None:
            self.failures.append(update.failure)
        if self._keep_data:
            self._updates.append(update)
        if self._tiles == 1:
            self._on_progress(update.settled, update.wanted)

    def _draw_stages(self, painter: Painter) -> None:
        """Draw the frames on the way, of a picture that is drawn at once: the first pixels, and half-way."""
        if not self._stages or self._tiles > 1 or not painter.offscreen.sink.has_pixels:
            return
        latest = painter.viewport.latest
        progress = latest.progress if latest is not None else 0.0
        if self._stages[0] == "first":
            self._draw(painter.offscreen, "first", progress)
        elif self._stages[0] == "half" and progress >= 0.5:
            self._draw(painter.offscreen, "half", progress)

    def _draw(self, offscreen: OffscreenView, stage: str, progress: float) -> Picture:
        if stage in self._stages:
            self._stages.remove(stage)
        picture = offscreen.draw(draft=stage != "done")
        seconds = self._seconds()
        shown = offscreen.sink.shown_levels()
        level = min(shown) if shown else None
        self.report.frames_drawn += 1
        if self.report.first_pixels_s is None and shown:
            self.report.first_pixels_s, self.report.first_level = seconds, level
        if self._tiles == 1:
            self._on_frame(Frame(stage, seconds, picture, level, progress))
        return picture

    def _finish(self, painter: Painter, settled: bool) -> Picture:
        report, plan = self.report, self.plan
        wanted = plan.chunk_count if plan is not None else 0
        progress = 1.0 if settled else report.chunks_settled / max(wanted, 1)
        for stage in [stage for stage in self._stages if stage == "half"]:
            self._draw(painter.offscreen, stage, progress)
        picture = self._draw(painter.offscreen, "done", progress)
        report.complete &= settled
        report.levels_shown = sorted({*report.levels_shown, *painter.offscreen.sink.shown_levels()})
        if self._tiles > 1:
            self._on_progress(min(report.frames_drawn, self._tiles), self._tiles)
        return picture

    def data(self) -> NDArray[np.generic]:
        """The picture's pixels at the target level: what NumPy slicing of that level gives, where all was loaded.

        Needs `keep_data`. Where nothing is in view, an empty array. Where the picture is of several levels (a volume in
        perspective), the box around what is needed of the finest one; what coarser levels show in it comes from them.
        """
        if self.plan is None or not self._updates:
            return np.zeros((0, 0))
        level = self.plan.target.level if not self.plan.empty else 0
        last = next((u for u in reversed(self._updates) if u.level == level), self._updates[-1])
        picture: NDArray[np.generic] = replace(last, level=level, history=tuple(self._updates)).to_array()
        return picture


def take_dense(
    where: str | Path,
    make_view: MakeView,
    look: Look | None = None,
    limits: Limits | None = None,
) -> tuple[Picture, int]:
    """Draw the same view with vispy's dense visuals: the whole target level in one texture. An oracle, not a viewer.

    Returns
    -------
    ndarray of shape (height, width, 4), uint8
    int
        The level.

    Raises
    ------
    BrickstreamError
        As for :meth:`Snapshot.take`.
    """
    look, limits = look or Look(), limits or Limits()
    with Engine.in_thread(limits.max_ram_bytes, limits.max_inflight) as engine:
        image = engine.open(where, limits.timeout)
        view = make_view(image)
        level = _target_level(engine, image, view)
        point, oblique = dict(view.point), find_oblique(image.pyramid, view)
        if oblique is not None:
            whole = replace(oblique.view, zoom=oblique.view.zoom / 2, level=level)
        elif view.camera is None:
            thick: dict[str, Any] = {"margins": dict(view.margins), "projection": view.projection}
            whole = View.plane(image, view.displayed, point, view.canvas, level=level, **thick)
        else:
            whole = View.volume(image, view.displayed, point, view.canvas, level=level)
        updates = _collect(engine, image, whole, limits.timeout)
    array = replace(updates[-1], level=level, history=tuple(updates)).to_array()
    pyramid = picture_pyramid(image.pyramid, view)
    clim = look.clim or known_clim(pyramid, view) or (float(array.min()), float(array.max()))
    local = localize(pyramid, view)
    scale = tuple(pyramid.scales[level, list(local.axes)].tolist())
    shift = tuple(pyramid.translations[level, list(local.axes)].tolist())
    if image.pyramid.is_labels:
        look = replace(look, interpolation="nearest")
    picture = draw_dense(array, view, scale, shift, local=local, look=replace(look, clim=clim))
    return picture, level


def _target_level(engine: ThreadedEngine, image: ChunkedImage, view: View) -> int:
    plan = engine.show(image, view)
    return 0 if plan.empty else plan.target.level


def _collect(engine: ThreadedEngine, image: ChunkedImage, view: View, timeout: float | None) -> list[Update]:
    engine.show(image, view)
    updates: list[Update] = []
    until = None if timeout is None else time.monotonic() + timeout
    while not engine.is_complete:
        updates += engine.poll()
        if engine.is_complete:
            break
        left = None if until is None else until - time.monotonic()
        if (left is not None and left <= 0) or not engine.wait(left):
            raise TimedOutError("the whole level was not read in time", image.url)
    return updates
