"""lodstone's Stream, with its own Planner, source and defaults; the target is a host that takes bricks once a frame."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

import lodstone
import numpy as np
from lodstone.sources.ome_zarr import OMEZarrSource

from brickstream.errors import StoreError
from brickstream.latency.engines.protocol import Shot, Watch
from brickstream.multiscale import View
from brickstream.multiscale.affine import FloatArray

MEMORY = 4 << 30
# Near and far plane, in distances of the eye from the centre.
NEAR, FAR = 1e-3, 1e3


class Target:
    """Takes what comes, as a renderer would."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._held: dict[Any, Any] = {}

    def layout(self, view: Any, pyramid: Any) -> Any:
        """Ask for bricks as large as chunks, of one level."""
        chunk = pyramid.levels[0].chunks
        return lodstone.Layout(
            kind="bricked", block_shape=tuple(chunk[axis] for axis in view.displayed_axes), memory_limit=MEMORY
        )

    def apply(self, updates: Sequence[Any]) -> None:
        """Take bricks."""
        for update in updates:
            self._held[update.key] = update
            self.tell(update)

    def discard(self, keys: Collection[Any]) -> None:
        """Drop bricks."""
        for key in keys:
            self._held.pop(key, None)

    def redraw(self) -> None:
        """Nothing is drawn."""

    def tell_held(self, plan: Any) -> None:
        """Tell what a new plan can show of what is here."""
        for tile in plan.desired or plan.wanted:
            if tile.key in self._held:
                self.tell(self._held[tile.key])

    def tell(self, update: Any) -> None:
        """Tell of one brick."""
        self._watch.box(update.key.level, tuple(update.region.start), tuple(update.region.stop))


class LodstoneStream:
    """A stream whose calls to its target are carried out on the host's thread, once a frame."""

    def __init__(self, watch: Watch) -> None:
        self._target = Target(watch)
        self._calls: deque[Callable[[], None]] = deque()
        self._stream: Any = None
        self._source: Any = None

    def warm_up(self, url: str) -> None:
        """Stream the small image."""
        ended = threading.Event()
        source = OMEZarrSource.open(url)
        with lodstone.Stream(source, Target(Watch())) as stream:
            stream.on_status_changed(lambda status: ended.set() if status.state in ("complete", "failed") else None)
            size = source.pyramid.levels[0].shape
            view = lodstone.View((1, 2), (size[0] // 2, None, None), (64, 64), np.diag([2 / 64, 2 / 64, 1, 1]))
            stream.update(view)
            ended.wait(60)

    def open(self, url: str) -> None:
        """Open the image."""
        self._source = OMEZarrSource.open(url)
        self._stream = lodstone.Stream(self._source, self._target, dispatch=self._calls.append)

    def set_view(self, shot: Shot) -> None:
        """Plan and begin to stream."""
        self._target.tell_held(self._stream.update(self._view(shot)))

    def poll(self) -> None:
        """Carry out what the stream asks of its target."""
        while self._calls:
            self._calls.popleft()()
        if self._stream.status.state == "failed":
            raise StoreError(f"the stream failed: {self._stream.status.error}", "")

    def is_complete(self) -> bool:
        """Whether everything planned is there."""
        return bool(self._stream.status.state == "complete") and not self._calls

    def usage(self) -> None:
        """Everything happens in this process."""

    def close(self) -> None:
        """End the stream."""
        if self._stream is not None:
            self._stream.close()

    def _view(self, shot: Shot) -> Any:
        pyramid, view = self._source.pyramid, shot.view
        names = tuple(pyramid.axes)
        shown = tuple(names.index(name) for name in view.displayed)
        matrix, points = pyramid.levels[0].voxel_to_world, dict(view.point)
        index = tuple(
            None if axis in shown else round((points[name] - matrix[axis, -1]) / matrix[axis, axis])
            for axis, name in enumerate(names)
        )
        return lodstone.View(shown, index, view.canvas, world_to_clip(view))


def world_to_clip(view: View) -> FloatArray:
    """Matrix from world positions, in the order of the displayed axes, to OpenGL's clip space.

    Returns
    -------
    ndarray of shape (4, 4), float64
        Of a plane the third coordinate is 0.
    """
    width, height = view.world_size
    if view.camera is None:
        right, up, ahead = np.array([0.0, 1, 0]), np.array([-1.0, 0, 0]), np.array([0.0, 0, 1])
        center = np.array([*view.center, 0.0])
    else:
        right, ahead, up = view.camera.rotation()[::-1].T
        center = np.array(view.center)
    linear = np.stack([right, up, ahead])
    placed = np.eye(4)
    placed[:3, :3], placed[:3, 3] = linear, -linear @ center
    return _projection(view, width, height) @ placed


def _projection(view: View, width: float, height: float) -> FloatArray:
    """From right, up, ahead of the centre, in world units, to clip space."""
    if view.camera is None or view.camera.fov == 0:
        return np.diag([2 / width, 2 / height, 1 / (FAR * max(width, height)), 1.0])
    eye = view.camera.eye_distance(height)
    _, slopes = view.camera.lens(width, height)
    near, far = NEAR * eye, FAR * eye
    depth = (far + near) / (far - near)
    return np.array(
        [
            [1 / slopes[0], 0, 0, 0],
            [0, 1 / slopes[1], 0, 0],
            [0, 0, depth, depth * eye - 2 * far * near / (far - near)],
            [0, 0, 1, eye],
        ]
    )


def make(watch: Watch, canvas: tuple[int, int]) -> LodstoneStream:
    """Make the adapter; the canvas is in the views."""
    return LodstoneStream(watch)
