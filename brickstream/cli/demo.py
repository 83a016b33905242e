"""``brickstream demo``: real images, a server with latency, and what one sees while they come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from brickstream.cli import console
from brickstream.errors import BrickstreamError, StoreError
from brickstream.latency import Network, ThreadedServer
from brickstream.multiscale import Camera, View
from brickstream.render.look import Look
from brickstream.samples import write_sample
from brickstream.viewers.files import write_png
from brickstream.viewers.snapshot import Frame, MakeView, Snapshot

SAMPLES = ("globe", "brain")
STAGES = ("first", "half", "done")
FLAT_CANVAS = (1600, 800)
VOLUME_CANVAS = (800, 600)
# From the side, and bright matter only: so that a projection of maxima looks like a brain and not like a stone.
CAMERA = Camera(azimuth=100.0, elevation=8.0)
VOLUME_LOOK = Look("mip", clim=(110.0, 240.0))
_WINDOW_S = 120.0


def run_demo(out: Path, *, stay: bool, latency_ms: float) -> int:
    """Make the samples, serve them, draw the pictures in a child process, show windows where there is a display.

    Returns the exit code. Files of `out`: ``2d-first.png``, ``2d-half.png``, ``2d-done.png``, the same for 3d, and
    ``timeline.json``, and all six on one sheet as ``overview.png``; the sample images stay in ``out/images``.
    """
    images = out / "images"
    try:
        images.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot be made ({error.strerror})", str(images), "choose another --out") from error
    for name in SAMPLES:
        with console.progress(f"making the sample {name}") as step:
            write_sample(name, images / f"{name}.ome.zarr", progress=step)
    with ThreadedServer(images, Network(latency_ms=latency_ms)) as server:
        urls = [f"{server.url.rstrip('/')}/{name}.ome.zarr" for name in SAMPLES]
        console.tell(f"serving {images} with {latency_ms:g} ms of latency")
        code = _child(["demo-pictures", *urls, str(out)])
        if code:
            return code
        timeline = json.loads((out / "timeline.json").read_text())
        console.say(_table(timeline, out))
        if _has_window():
            _show_windows(urls, stay)
    return 0


def _child(words: Sequence[str]) -> int:
    """Run a command of our own in a process of its own: an EGL canvas cannot live beside a Qt one."""
    return subprocess.run([sys.executable, "-m", "brickstream", *words], check=False).returncode


def _has_window() -> bool:
    display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if display and find_spec("PySide6") is None:
        console.tell("no window: install 'brickstream[desktop]' to see one")
        return False
    return display


def _show_windows(urls: Sequence[str], stay: bool) -> None:
    ending = [] if stay else ["--exit-when-complete", "--timeout", str(_WINDOW_S)]
    for url, extra in zip(urls, ([], ["--ndisplay", "3"]), strict=True):
        code = _child(["view", url, *extra, *ending])
        if code:
            console.tell(f"the window of {url} ended with code {code}")


def draw_pictures(flat: str, volume: str, out: Path) -> int:
    """Draw both views offscreen and write pictures and timeline; return the exit code."""
    timeline = {
        "2d": _draw("2d", flat, out, FLAT_CANVAS, Look(), lambda image: View.plane(image, canvas=FLAT_CANVAS)),
        "3d": _draw(
            "3d",
            volume,
            out,
            VOLUME_CANVAS,
            VOLUME_LOOK,
            lambda image: View.volume(image, canvas=VOLUME_CANVAS, camera=CAMERA),
        ),
    }
    _write_overview(out)
    (out / "timeline.json").write_text(json.dumps(timeline, indent=2) + "\n")
    return 3 if any(part["chunks_failed"] for part in timeline.values()) else 0


def _draw(name: str, url: str, out: Path, canvas: tuple[int, int], look: Look, make_view: MakeView) -> dict[str, Any]:
    frames: list[Frame] = []
    with console.progress(f"{name} chunks") as step:
        snapshot = Snapshot(
            url,
            make_view,
            canvas,
            look,
            ndisplay=int(name[0]),
            on_frame=frames.append,
            on_progress=step,
            stages=STAGES,
        )
        snapshot.take()
    for frame in frames:
        write_png(out / f"{name}-{frame.stage}.png", frame.picture)
    if not snapshot.report.complete:
        raise BrickstreamError("the picture was not completed", url)
    moments = [
        {"stage": frame.stage, "seconds": frame.seconds, "level": frame.level, "progress": frame.progress}
        for frame in frames
    ]
    return {"url": url, "canvas": list(canvas), "frames": moments, **snapshot.report.as_dict()}


def _write_overview(out: Path) -> None:
    """Put the six pictures on one sheet: first, half-way and done, side by side."""
    from PIL import Image

    width, heights = 400, {"2d": 200, "3d": 300}
    sheet = Image.new("RGB", (3 * width, sum(heights.values())))
    top = 0
    for name, height in heights.items():
        for column, stage in enumerate(STAGES):
            with Image.open(out / f"{name}-{stage}.png") as picture:
                sheet.paste(picture.convert("RGB").resize((width, height)), (column * width, top))
        top += height
    sheet.save(out / "overview.png", optimize=True)


def _table(timeline: dict[str, Any], out: Path) -> str:
    rows = [f"{'':4}{'picture':18}{'seconds':>9}{'level':>7}{'chunks':>8}"]
    for name, part in timeline.items():
        for frame in part["frames"]:
            picture = f"{name}-{frame['stage']}.png"
            share = f"{100 * frame['progress']:.0f} %"
            rows.append(f"{name:4}{picture:18}{frame['seconds']:9.3f}{frame['level']!s:>7}{share:>8}")
        rows.append(
            f"{'':4}first pixels {part['first_pixels_s']:.3f} s, complete {part['complete_s']:.3f} s, "
            f"{part['requests']} requests, {part['bytes_read']:,} bytes"
        )
    rows.append(f"pictures and timeline.json are in {out}")
    return "\n".join(rows)
