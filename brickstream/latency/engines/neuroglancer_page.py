"""neuroglancer's own client, out of its wheel, in a headless Chromium.

What can be seen is told by the page: after each frame that neuroglancer draws, when the GPU is done with it, the chunks
that it shows. Screenshots are not taken while time runs: one holds the browser up longer than most reads take.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from brickstream.engine import Engine
from brickstream.errors import MissingPackageError, StoreError, TimedOutError, ViewError
from brickstream.latency.engines.chromium import Chromium
from brickstream.latency.engines.protocol import Shot, Watch, shot_of
from brickstream.multiscale import View
from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.canvas import center_zoom

# Vertical, in degrees; neuroglancer has no other perspective.
FOV = 45.0
WARM_S = 60.0
OPEN_S = 30.0
TURN_S = 0.005
# Frames of the host between two looks at the browser's memory.
LOOK = 60
# The client asks a Python server for its state when its address holds none; and it listens to one in any case.
_ADDRESS = "/v/lab/index.html#!{}"
_NO_SERVER = "window.EventSource = class { close() {} };"
_SHOW = "([url, scene]) => { lab.show(url, scene); return lab.take(); }"
_SCRIPT = Path(__file__).with_suffix(".js")


class NeuroglancerPage:
    """One image layer in one panel that fills the page.

    Parameters
    ----------
    watch : Watch
    canvas : tuple of (int, int)
        Width and height in physical pixels.

    Attributes
    ----------
    browser : Chromium
    watch : Watch
        Who is told what is seen.
    """

    def __init__(self, watch: Watch, canvas: tuple[int, int]) -> None:
        self.browser = Chromium(canvas, "Error retrieving chunk")
        self.watch = watch
        self._canvas = canvas
        self._stack = ExitStack()
        self._url = ""
        self._shot: Shot | None = None
        self._complete = False
        self._frames = 0

    def warm_up(self, url: str) -> None:
        """Start the browser, load the client, and show the small image as a plane and, where it can be, as a volume.

        Shaders are compiled for a type of pixel, decoders loaded for a codec: the small image should have both in
        common with the one that is measured.
        """
        self._stack.callback(self.browser.close)
        self.browser.start()
        address = self._stack.enter_context(_client())
        self.browser.open(address + _ADDRESS, "window.viewer !== undefined", _NO_SERVER)
        self.browser.run(_SCRIPT.read_text(encoding="utf-8"))
        watch, self.watch = self.watch, Watch()
        for shot in _warm_shots(url, self._canvas):
            self.open(url)
            self.set_view(shot)
            self._wait(WARM_S)
        self._leave()
        self.watch = watch

    def open(self, url: str) -> None:
        """Keep the URL: neuroglancer opens an image and shows it at once, so the first view does both."""
        if self._url:
            self._leave()
        self._url = url
        self.browser.forget_peak()

    def set_view(self, shot: Shot) -> None:
        """Change neuroglancer's state, in the page."""
        self._shot, self._complete = shot, False
        self._tell(self.browser.run(_SHOW, [self._url, scene_of(shot)]))

    def poll(self) -> None:
        """Ask the page what it has shown since.

        Raises
        ------
        StoreError
            If neuroglancer cannot show the image.
        """
        self._frames += 1
        if self._frames % LOOK == 0:
            self.browser.usage()
        self._tell(self.browser.run("() => lab.take()"))

    def is_complete(self) -> bool:
        """Whether a frame was drawn that lacks nothing; coarser levels, which neuroglancer wants too, count."""
        return self._complete

    def usage(self) -> tuple[float, float]:
        """Processor seconds and most megabytes of the browser's processes."""
        return self.browser.usage()

    def close(self) -> None:
        """End the browser."""
        self._stack.close()

    def _tell(self, told: dict[str, Any]) -> None:
        if told["failure"]:
            raise StoreError(f"neuroglancer cannot show the image: {' '.join(told['failure'].split())}", self._url)
        if self._shot is None:
            return
        if told["first"]:
            self.watch.first()
        for start, stop in told["boxes"]:
            if _meets(self._shot, start, stop):
                self.watch.box(self._shot.level, tuple(start), tuple(stop))
        if told["complete"] and not self._complete and self._shot.view.camera is not None:
            self.watch.share(1.0)  # what lies too near to its eye it neither shows nor reads
        self._complete = told["complete"]

    def _leave(self) -> None:
        """Remove what is shown."""
        self.browser.run("() => lab.clear()")
        self._url, self._shot = "", None

    def _wait(self, seconds: float) -> None:
        end = self.watch.clock() + seconds
        while not self._complete:
            self.poll()
            if self.watch.clock() > end:
                raise TimedOutError(f"neuroglancer did not show the small image in {seconds:g} s", self._url)
            time.sleep(TURN_S)


def scene_of(shot: Shot) -> dict[str, Any]:
    """Say in plain values what neuroglancer is to show.

    Returns
    -------
    dict
        ``axes``: those displayed, first the one that runs to the right; ``world``: where the middle of the canvas is on
        every axis, in world units; ``zoom``: canvas pixels along a world unit there; ``height`` of the canvas;
        ``level``; and of a camera ``orientation``, a quaternion x, y, z, w that turns neuroglancer's right, down, ahead
        into the scene, and whether it has ``perspective``.

    Raises
    ------
    ViewError
        If neuroglancer has no such view: lines, oblique cuts, thick slices, and perspectives of other than 45 degrees.
    """
    view = shot.view
    camera = view.camera
    if view.ndisplay == 1 or view.directions is not None or view.thick:
        raise ViewError("the lab shows planes and volumes in neuroglancer, and no other views")
    if camera is not None and camera.fov not in (0, FOV):
        raise ViewError(f"neuroglancer's perspective has {FOV:g} degrees", f"fov={camera.fov:g}")
    return {
        "axes": list(view.displayed[::-1]),
        "world": {**dict(view.point), **dict(zip(view.displayed, view.center, strict=True))},
        "zoom": center_zoom(view),
        "height": view.canvas[1],
        "level": shot.level,
        "orientation": None if camera is None else quaternion(camera.rotation() @ _AXES @ _TILT).tolist(),
        "perspective": camera is not None and camera.fov > 0,
    }


# Right, down, ahead of a picture, in the right, forward, up of a camera.
_AXES = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
# For rays along an axis neuroglancer's shader divides by zero, and on llvmpipe begins some of them two thousand million
# samples before the volume: 20 s a frame. Turned by less than a hundredth of a degree none is.
_TILT = np.eye(3) + 1e-4 * np.array([[0, 0, 1.0], [0, 0, -0.7], [-1.0, 0.7, 0]])


def quaternion(rotation: FloatArray) -> FloatArray:
    """Write a rotation as a quaternion x, y, z, w of length 1.

    The eigenvector of Bar-Itzhack (2000), https://doi.org/10.2514/2.4654: no case is special.

    Parameters
    ----------
    rotation : ndarray of shape (3, 3), float64
    """
    (a, b, c), (d, e, f), (g, h, i) = rotation
    matrix = np.array(
        [
            [a - e - i, b + d, c + g, h - f],
            [b + d, e - a - i, f + h, c - g],
            [c + g, f + h, i - a - e, d - b],
            [h - f, c - g, d - b, a + e + i],
        ]
    )
    largest: FloatArray = np.linalg.eigh(matrix)[1][:, -1]
    return largest


def _meets(shot: Shot, start: list[int], stop: list[int]) -> bool:
    """Whether anything of a box is in view."""
    low, high = shot.regions[:, 0], shot.regions[:, 1]
    return bool(((low < stop) & (high > start)).all(axis=1).any())


def _warm_shots(url: str, canvas: tuple[int, int]) -> list[Shot]:
    """Views of all of an image, which is opened by our engine: with a camera only where it has three axes of space."""
    with Engine.in_thread() as engine:
        pyramid = engine.open(url, OPEN_S).pyramid
    views = [View.plane(pyramid, canvas=canvas)]
    if sum(axis.type == "space" for axis in pyramid.axes) > 2:
        views.append(View.volume(pyramid, canvas=canvas))
    return [shot_of(0.0, view, pyramid) for view in views]


@contextmanager
def _client() -> Iterator[str]:
    """Serve the files of neuroglancer's client; gives the address."""
    found = find_spec("neuroglancer")
    if found is None or found.origin is None:
        raise MissingPackageError("neuroglancer is not installed", "", "pip install 'brickstream[bench]'")
    folder = Path(found.origin).parent / "static" / "client"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, name="lab-client", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Files(SimpleHTTPRequestHandler):
    """Files of a folder, below the path that the client looks for its name in."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/v/lab"))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing on the terminal."""


def make(watch: Watch, canvas: tuple[int, int]) -> NeuroglancerPage:
    """Make the adapter."""
    return NeuroglancerPage(watch, canvas)
