"""A picture of a remote image, drawn offscreen while it streams in, with the times that it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Failure, Outcome, Telemetry, ThreadedEngine, Update
from brickstream.errors import TimedOutError
from brickstream.multiscale import Plan, View, find_oblique, localize, picture_pyramid
from brickstream.render import OffscreenView, draw_dense
from brickstream.render.colors import known_clim
from brickstream.render.look import Look

Picture = NDArray[np.uint8]
MakeView = Callable[[ChunkedImage], View]

# How long the render thread takes what has arrived before it looks whether there is something to draw.
_POLL_MS = 10.0
# Before the first picture one chunk at a time: it shows the first that came, also when much has come at once. A picture
# of the half-way point needs a look in between for the same reason.
_STAGE_POLL_MS = {"first": 0.0, "half": 0.5}


@dataclass(frozen=True)
class Limits:
    """Budgets of a snapshot.

    Attributes
    ----------
    max_ram_bytes, max_gpu_bytes, max_inflight : int
    max_texture : int or None
        Pretend that the GL limit of a texture's side is this.
    timeout : float or None
        Seconds from the start of the opening.
    prefetch : bool
        Whether chunks are fetched ahead while the finished picture is drawn and written.
    """

    max_ram_bytes: int = 2 << 30
    max_gpu_bytes: int = 512 << 20
    max_inflight: int = 64
    max_texture: int | None = None
    timeout: float | None = None
    prefetch: bool = False


@dataclass
class Report:
    """What a snapshot did: the keys of ``snapshot --json``. Times are seconds from the start of the opening.

    ``first_pixels_s`` and ``complete_s`` are taken when the frame that shows them has been drawn.
    """

    level: int | None = None
    levels_shown: list[int] = field(default_factory=list)
    corner_pixels: list[list[int]] = field(default_factory=list)
    chunks_wanted: int = 0
    chunks_read: int = 0
    chunks_missing: int = 0
    chunks_failed: int = 0
    bytes_read: int = 0
    requests: int = 0
    first_pixels_s: float | None = None
    complete_s: float | None = None
    complete: bool = False
    partial: bool = False
    gpu_bytes: int = 0
    ram_peak_bytes: int = 0
    inflight_max: int = 0
    queue_max: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    open_s: float | None = None
    first_level: int | None = None
    frames_drawn: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return asdict(self)


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
        Width and height in pixels.
    look : Look
    limits : Limits
    ndisplay : {2, 3}
        What the view will be, so that its shaders can be compiled beforehand.
    on_frame : callable
        Takes each frame that is drawn on the way, and the last.
    on_progress : callable
        Takes settled and planned chunks.
    keep_data : bool
        Keep the updates, so that :meth:`data` can give the array.
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
        keep_data: bool = False,
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
        self._keep_data = keep_data
        self._telemetry = telemetry
        self.report = Report()
        self.image: ChunkedImage | None = None
        self.view: View | None = None
        self.plan: Plan | None = None
        self.failures: list[Failure] = []
        self._updates: list[Update] = []
        self._started = 0.0

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
        limits = self._limits
        with OffscreenView(
            self._canvas,
            max_gpu_bytes=limits.max_gpu_bytes,
            max_texture=limits.max_texture,
            look=self._look,
            telemetry=self._telemetry,
        ) as offscreen:
            # Shaders are compiled before the clock starts, as in a viewer whose window is open already.
            offscreen.warm_up(self._ndisplay)
            with Engine.in_thread(
                limits.max_ram_bytes,
                limits.max_inflight,
                sink=offscreen.sink,
                prefetch=limits.prefetch,
                telemetry=self._telemetry,
            ) as engine:
                self._started = time.perf_counter()
                try:
                    picture = self._stream(engine, offscreen)
                finally:
                    self._count(engine, offscreen)
        return picture

    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _left(self) -> float | None:
        return None if self._limits.timeout is None else self._limits.timeout - self._seconds()

    def _stream(self, engine: ThreadedEngine, offscreen: OffscreenView) -> Picture:
        try:
            self.image = engine.open(self._where, self._left())
        except TimedOutError:
            left = self._left()
            if left is None or left > 0:
                raise  # the server's time-out, not ours
            return offscreen.draw()
        self.report.open_s = self._seconds()
        self.view = view = self._make_view(self.image)
        self.plan = engine.show(self.image, view)
        offscreen.show(view)
        # While the first answer is on its way, the first frame's transforms and shaders are made ready.
        offscreen.prepare_draft()
        while True:
            with nullcontext() if self._telemetry is None else self._telemetry.frame():
                picture = self._frame(engine, offscreen)
            if picture is not None:
                return picture
            if not offscreen.sink.pending_uploads:
                engine.wait(self._left())

    def _frame(self, engine: ThreadedEngine, offscreen: OffscreenView) -> Picture | None:
        """Take what has arrived and draw what there is to draw; None while there is more to wait for."""
        for update in engine.poll(_STAGE_POLL_MS.get(next(iter(self._stages), ""), _POLL_MS)):
            self._take(update)
        offscreen.commit(_POLL_MS)
        settled = engine.is_complete and not offscreen.sink.pending_uploads
        left = self._left()
        if settled or (left is not None and left <= 0):
            return self._finish(offscreen, settled)
        self._draw_stages(engine, offscreen)
        return None

    def _take(self, update: Update) -> None:
        report = self.report
        report.chunks_read += update.outcome is Outcome.LOADED
        report.chunks_missing += update.outcome is Outcome.MISSING
        report.chunks_failed += update.outcome is Outcome.FAILED
        if update.failure is not None:
            self.failures.append(update.failure)
        if self._keep_data:
            self._updates.append(update)
        self._on_progress(update.settled, update.wanted)

    def _draw_stages(self, engine: ThreadedEngine, offscreen: OffscreenView) -> None:
        """Draw the frames on the way: the first pixels, and half-way."""
        if not self._stages or not offscreen.sink.has_pixels:
            return
        latest = engine.latest
        progress = latest.progress if latest is not None else 0.0
        if self._stages[0] == "first":
            self._draw(offscreen, "first", progress)
        elif self._stages[0] == "half" and progress >= 0.5:
            self._draw(offscreen, "half", progress)

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
        self._on_frame(Frame(stage, seconds, picture, level, progress))
        return picture

    def _finish(self, offscreen: OffscreenView, settled: bool) -> Picture:
        report, plan = self.report, self.plan
        done = report.chunks_read + report.chunks_missing + report.chunks_failed
        wanted = plan.chunk_count if plan is not None else 0
        progress = 1.0 if settled else done / max(wanted, 1)
        for stage in [stage for stage in self._stages if stage == "half"]:
            self._draw(offscreen, stage, progress)
        picture = self._draw(offscreen, "done", progress)
        report.complete = settled
        report.complete_s = self._seconds() if settled else None
        return picture

    def _count(self, engine: ThreadedEngine, offscreen: OffscreenView) -> None:
        report, plan, stats = self.report, self.plan, engine.stats()
        report.bytes_read, report.requests = stats.bytes_read, stats.requests
        report.ram_peak_bytes, report.inflight_max, report.queue_max = (
            stats.ram_peak_bytes,
            stats.inflight_max,
            stats.queue_max,
        )
        report.gpu_bytes = offscreen.sink.gpu_bytes
        report.failures = [asdict(failure) for failure in self.failures]
        if plan is not None:
            report.chunks_wanted, report.partial = plan.chunk_count, plan.partial
            report.levels_shown = offscreen.sink.shown_levels()
            if not plan.empty:
                report.level = plan.target.level
                report.corner_pixels = plan.target.corner_pixels.tolist()

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
