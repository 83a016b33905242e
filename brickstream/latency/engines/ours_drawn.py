"""Ours with its renderer: every frame takes what has come, uploads for its share of the frame, and draws."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from brickstream.chunks import ChunkedImage
from brickstream.engine import ChunkId, Engine, ThreadedEngine, Update
from brickstream.errors import StoreError
from brickstream.latency.engines.ours import OPEN_S, POLL_MS
from brickstream.latency.engines.protocol import Shot, Watch
from brickstream.multiscale import Budget, Plan, Pyramid, View
from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.render import OffscreenView


class Noted:
    """A sink between the engine and the renderer that a failed chunk does not get past."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def budget(self, pyramid: Pyramid, view: View) -> Budget:
        """Ask the renderer."""
        budget: Budget = self._sink.budget(pyramid, view)
        return budget

    def begin(self, generation: int, plan: Plan) -> Collection[ChunkId]:
        """Pass a plan on."""
        held: Collection[ChunkId] = self._sink.begin(generation, plan)
        return held

    def put(self, update: Update) -> None:
        """Pass a chunk on."""
        if update.failure is not None:
            raise StoreError(f"a chunk failed: {update.failure.reason}", update.failure.key)
        self._sink.put(update)

    def drop(self, pyramid: Pyramid, regions: Mapping[int, IntArray]) -> None:
        """Pass it on."""
        self._sink.drop(pyramid, regions)

    def complete(self, generation: int) -> None:
        """Pass it on."""
        self._sink.complete(generation)


def drawn_part(plan: Plan, level_at: Callable[[FloatArray], int | None]) -> float:
    """Part of the finished picture, 0 to 1, that the renderer draws from bricks as fine as it is going to have.

    Parameters
    ----------
    plan : Plan
    level_at : callable
        Level that is drawn at a position, z, y, x in the image's own coordinates; of a plane z is 0.
    """
    there = total = 0.0
    axes = list(plan.local.axes)
    for part in plan.levels:
        scale, shift = plan.pyramid.scales[part.level, axes], plan.pyramid.translations[part.level, axes]
        size = np.array(plan.brick_shape)
        first, stop = part.corner_pixels[:, axes] + np.array([[0], [1]])
        for brick in part.bricks[part.final]:
            low, high = np.maximum(brick * size, first), np.minimum((brick + 1) * size, stop)
            weight = float(((high - low) * scale).prod())
            middle = shift + scale * (low + high - 1) / 2
            # The renderer's places have three axes; those of a plane are the last two.
            level = level_at(np.concatenate([np.zeros(3 - len(middle)), middle]))
            total += weight
            there += weight if level is not None and level <= part.level else 0.0
    return there / total if total else 1.0


class OursDrawn:
    """The engine in its thread, and an offscreen view that draws each frame in which something changed."""

    def __init__(self, watch: Watch, canvas: tuple[int, int]) -> None:
        self._watch = watch
        self._screen = OffscreenView(canvas)
        self._engine: ThreadedEngine | None = None
        self._image: ChunkedImage | None = None
        self._sink: Noted | None = None
        self._drawn: tuple[float, int] | None = None
        self._moved = False
        self._part = 0.0

    def warm_up(self, url: str) -> None:
        """Draw the small image, as a plane and as a volume: shaders are compiled then."""
        self._screen.open()
        with Engine.in_thread(sink=self._screen.sink) as engine:
            image = engine.open(url, OPEN_S)
            for view in (View.plane(image, canvas=self._screen.size), View.volume(image, canvas=self._screen.size)):
                engine.show(image, view)
                self._screen.show(view)
                engine.complete(OPEN_S)
                self._screen.draw()
        self._sink = Noted(self._screen.sink)
        self._engine = Engine.in_thread(sink=self._sink)

    def open(self, url: str) -> None:
        """Open the image."""
        self._image = self._parts[0].open(url, OPEN_S)

    def set_view(self, shot: Shot) -> None:
        """Show a view."""
        engine, _ = self._parts
        if self._image is not None:
            engine.show(self._image, shot.view)
            self._screen.show(shot.view)
            self._moved = True
            self._tell()

    def poll(self) -> None:
        """Take what has come, upload for the rest of the time, and draw where the picture is another one."""
        engine, _ = self._parts
        waited = self._screen.sink.pending_uploads
        if not engine.poll(POLL_MS / 2) and not waited and not self._moved:
            return
        self._moved = False
        self._screen.draw(POLL_MS / 2, draft=True)
        self._tell()

    def _tell(self) -> None:
        """Say what part of the view's bricks is on the GPU: how long it takes to draw them is in the frame times."""
        sink = self._screen.sink
        if sink.plan is not None and sink.has_pixels:
            self._part = drawn_part(sink.plan, sink.level_at)
            self._watch.share(self._part)

    def is_complete(self) -> bool:
        """Whether everything is there and drawn."""
        engine, _ = self._parts
        drawn = not self._moved and self._part == 1.0
        return engine.is_complete and not self._screen.sink.pending_uploads and drawn

    def usage(self) -> None:
        """Everything happens in this process."""

    def close(self) -> None:
        """End the engine and the context."""
        if self._engine is not None:
            self._engine.close()
        self._screen.close()

    @property
    def _parts(self) -> tuple[ThreadedEngine, Noted]:
        if self._engine is None or self._sink is None:
            raise StoreError("the engine was not warmed up", "")
        return self._engine, self._sink


def make(watch: Watch, canvas: tuple[int, int]) -> OursDrawn:
    """Make the adapter."""
    return OursDrawn(watch, canvas)
