"""Ours, without a screen: a host that polls, and a sink that keeps what it was given."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from brickstream.chunks import ChunkedImage
from brickstream.engine import ChunkId, Engine, Outcome, ThreadedEngine, Update
from brickstream.errors import StoreError
from brickstream.latency.engines.protocol import Shot, Watch
from brickstream.multiscale import Budget, Plan, Pyramid, View, localize
from brickstream.multiscale.affine import IntArray

# Of the 16 ms of a frame, those that a host leaves to an engine.
POLL_MS = 6.0
OPEN_S = 60.0
MAX_BRICKS = 100_000


class Screen:
    """A sink that keeps chunks as a renderer keeps bricks, as long as the same plane or volume is shown.

    Parameters
    ----------
    watch : Watch
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._plan: Plan | None = None
        self._kept: dict[ChunkId, Update] = {}

    def budget(self, pyramid: Pyramid, view: View) -> Budget:
        """Allow all that the other engines are asked for: one level for all of the canvas."""
        chunks = pyramid.chunk_shapes[0]
        return Budget(MAX_BRICKS, tuple(int(chunks[axis]) for axis in localize(pyramid, view).axes), mixed=False)

    def begin(self, generation: int, plan: Plan) -> Collection[ChunkId]:
        """Keep what is of the same place, and tell what of it the new view shows."""
        before = self._plan
        if before is not None and (before.view.point != plan.view.point or before.pyramid is not plan.pyramid):
            self._kept.clear()
        self._plan = plan
        planned = {(part.level, tuple(index)) for part in plan.levels for index in part.chunks.tolist()}
        self._kept = {chunk: update for chunk, update in self._kept.items() if chunk in planned}
        for update in self._kept.values():
            self._tell(update)
        return tuple(self._kept)

    def put(self, update: Update) -> None:
        """Take a chunk."""
        if update.failure is not None:
            raise StoreError(f"a chunk failed: {update.failure.reason}", update.failure.key)
        if update.outcome is not Outcome.NOTHING:
            self._kept[update.level, update.index] = update
            self._tell(update)

    def drop(self, pyramid: Pyramid, regions: Mapping[int, IntArray]) -> None:
        """Hold nothing any more."""
        self._kept.clear()

    def complete(self, generation: int) -> None:
        """Nothing is left to do."""

    def _tell(self, update: Update) -> None:
        start, stop = update.region.tolist()
        self._watch.box(update.level, tuple(start), tuple(stop))


class Ours:
    """The engine in its thread, polled once a frame."""

    def __init__(self, watch: Watch) -> None:
        self._sink = Screen(watch)
        self._engine: ThreadedEngine | None = None
        self._image: ChunkedImage | None = None

    def warm_up(self, url: str) -> None:
        """Start the engine and show the small image."""
        with Engine.in_thread() as engine:
            image = engine.open(url, OPEN_S)
            engine.show(image, View.plane(image))
            engine.complete(OPEN_S)
        self._engine = Engine.in_thread(sink=self._sink)

    def open(self, url: str) -> None:
        """Open the image."""
        self._image = self._running.open(url, OPEN_S)

    def set_view(self, shot: Shot) -> None:
        """Show a view."""
        if self._image is not None:
            self._running.show(self._image, shot.view)

    def poll(self) -> None:
        """Take what has come."""
        self._running.poll(POLL_MS)

    def is_complete(self) -> bool:
        """Whether every chunk has come."""
        return self._running.is_complete

    def usage(self) -> None:
        """Everything happens in this process."""

    def close(self) -> None:
        """End the engine."""
        if self._engine is not None:
            self._engine.close()

    @property
    def _running(self) -> ThreadedEngine:
        if self._engine is None:
            raise StoreError("the engine was not warmed up", "")
        return self._engine


def make(watch: Watch, canvas: tuple[int, int]) -> Ours:
    """Make the adapter; the canvas is in the views."""
    return Ours(watch)
