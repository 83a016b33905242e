"""``brickstream snapshot``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.cli import console
from brickstream.cli.options import Channels
from brickstream.cli.panel import say_panel
from brickstream.engine import Telemetry
from brickstream.errors import ViewError
from brickstream.multiscale import Camera, View, directions_across
from brickstream.render import ImageLayer, channel_layers
from brickstream.render.look import Look
from brickstream.render.overlays import Overlay
from brickstream.viewers.channels import ChannelsSnapshot
from brickstream.viewers.files import PngFile, write_array, write_png
from brickstream.viewers.snapshot import Limits, Report, Snapshot, take_dense


@dataclass(frozen=True)
class Wish:
    """Everything that the command line asks of a picture; see ``--help``."""

    url: str
    out: Path
    canvas: tuple[int, int]
    ndisplay: int
    camera: Camera
    look: Look
    limits: Limits
    displayed: tuple[str, ...] | None = None
    point: Mapping[str, float] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    projection: str = "mean"
    normal: Mapping[str, float] = field(default_factory=dict)
    level: int | None = None
    center: Mapping[str, float] | tuple[float, ...] | None = None
    zoom: float | None = None
    overlays: tuple[Overlay, ...] = ()
    data: Path | None = None
    trace: Path | None = None
    stats: bool = False
    channels: Channels | None = None
    as_labels: bool = False

    def view(self, image: ChunkedImage) -> View:
        """Make the view of an opened image."""
        where = (image, self.displayed, self.point, self.canvas)
        framed: dict[str, Any] = {"center": self.center, "zoom": self.zoom, "level": self.level}
        if self.normal:
            return self._cut(image, framed)
        if self.ndisplay == 2:
            return View.plane(*where, **framed, margins=self.margins, projection=self.projection)
        if self.margins:
            raise ViewError("a volume has no thickness", "--margins", "leave it out, or show a plane: --ndisplay 2")
        return View.volume(*where, **framed, camera=self.camera)

    def _cut(self, image: ChunkedImage, framed: Mapping[str, Any]) -> View:
        if self.ndisplay != 2:
            raise ViewError("a volume has no normal", "--normal", "leave it out, or show a cut: --ndisplay 2")
        axes = self.displayed or tuple(axis.name for axis in image.pyramid.axes if axis.type == "space")[-3:]
        for name in self.normal:
            if name not in axes:
                raise ViewError(f"the normal names {name!r}", "--normal", f"the cut is across {', '.join(axes)}")
        directions = directions_across([self.normal.get(name, 0.0) for name in axes])
        thick: dict[str, Any] = {"margins": self.margins, "projection": self.projection}
        return View.oblique(image, directions, axes, self.point, self.canvas, **framed, **thick)

    def layers(self, image: ChunkedImage) -> tuple[ImageLayer, ...]:
        """Make the layers of an opened image."""
        wanted = self.channels or Channels(None, None)
        return channel_layers(image, wanted.numbers, wanted.colors, self.look)


def run_snapshot(wish: Wish, *, dense: bool, as_json: bool) -> int:
    """Take a snapshot, write its files, say what it cost; return the exit code."""
    others = {"--dense": dense, "--data": wish.data is not None, "overlays": bool(wish.overlays)}
    for option in (name for name, given in others.items() if given and wish.channels is not None):
        raise ViewError(f"--channels and {option} do not go together", "", "show one channel: --point c=0")
    if dense:
        return _run_dense(wish, as_json)
    telemetry = Telemetry() if wish.stats or wish.trace is not None else None
    with console.progress("chunks") as step, PngFile(wish.out, wish.canvas) as png:
        snapshot = _snapshot(wish, step, telemetry)
        snapshot.take_strips(png.write)
    if wish.data is not None and isinstance(snapshot, Snapshot):
        write_array(wish.data, snapshot.data())
    if telemetry is not None and wish.trace is not None:
        telemetry.write_trace(wish.trace)
    report = snapshot.report
    for failure in snapshot.failures:
        console.tell(f"failed: {failure.url}/{failure.key}: {failure.reason}")
    _say(wish, report, telemetry if wish.stats else None, as_json)
    if not report.complete:
        console.tell(f"timeout: {_settled(report)} of {report.chunks_wanted} chunks after {wish.limits.timeout:g} s")
        return 4
    return 3 if report.chunks_failed else 0


def _snapshot(
    wish: Wish, on_progress: Callable[[int, int], None], telemetry: Telemetry | None
) -> Snapshot | ChannelsSnapshot:
    how: dict[str, Any] = {"on_progress": on_progress, "telemetry": telemetry}
    if wish.channels is not None:
        return ChannelsSnapshot(wish.url, wish.view, wish.layers, wish.canvas, wish.limits, **how)
    how |= {"ndisplay": wish.ndisplay, "overlays": wish.overlays, "keep_data": wish.data is not None}
    how |= {"as_labels": wish.as_labels}
    return Snapshot(wish.url, wish.view, wish.canvas, wish.look, wish.limits, **how)


def _settled(report: Report) -> int:
    return report.chunks_read + report.chunks_missing + report.chunks_failed


def _say(wish: Wish, report: Report, telemetry: Telemetry | None, as_json: bool) -> None:
    if as_json:
        numbers = {} if telemetry is None else {"telemetry": telemetry.summary()}
        console.say_json(report.as_dict() | numbers)
        return
    first = f"{report.first_pixels_s:.3f} s" if report.first_pixels_s is not None else "never"
    whole = f"{report.complete_s:.3f} s" if report.complete_s is not None else "not yet"
    console.say(
        f"{wish.out}: level {report.level}, first pixels {first}, complete {whole}, "
        f"{report.chunks_read} chunks, {report.requests} requests, {report.bytes_read:,} bytes"
    )
    if telemetry is not None:
        say_panel(telemetry.summary())


def _run_dense(wish: Wish, as_json: bool) -> int:
    picture, level = take_dense(wish.url, wish.view, wish.look, wish.limits)
    write_png(wish.out, picture)
    if as_json:
        console.say_json({"level": level, "dense": True, "complete": True})
    else:
        console.say(f"{wish.out}: level {level}, drawn dense")
    return 0
