"""The half of the engine that lives on the event loop: requests in, updates out.

Nothing here knows who shows the updates, or on which thread.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks import ChunkedImage, ChunkKey, ChunkState, Entry, Fetcher, Want
from brickstream.chunks.entry import VISIBLE
from brickstream.engine.ahead import Ahead
from brickstream.engine.cutting import Cut, make_cut
from brickstream.engine.prefetcher import Prefetcher
from brickstream.engine.sink import ChunkId
from brickstream.engine.telemetry import Telemetry
from brickstream.engine.tiles import Tiles
from brickstream.engine.update import Failure, Outcome, Prefix, Update
from brickstream.errors import BrickstreamError
from brickstream.multiscale import Budget, Plan
from brickstream.multiscale.stock import Stock

_OUTCOMES = {
    ChunkState.LOADED: Outcome.LOADED,
    ChunkState.MISSING: Outcome.MISSING,
    ChunkState.FAILED: Outcome.FAILED,
}


@dataclass(frozen=True, eq=False)
class Request:
    """Everything that one answer depends on, captured.

    Attributes
    ----------
    request_id : int
        Unique in an engine.
    generation : int
        Number of the view change in its slot.
    image : ChunkedImage
    plan : Plan
    held : set of ChunkId
        Planned chunks that are shown already: counted as settled, not read.
    keep_history : bool
        Whether updates remember their forerunners, so that a whole picture can be made.
    budget : Budget or None
        What the plan was made to fit, and what is fetched ahead as well; None fetches nothing ahead.
    """

    request_id: int
    generation: int
    image: ChunkedImage
    plan: Plan
    held: frozenset[ChunkId] = frozenset()
    keep_history: bool = False
    budget: Budget | None = None


Emit = Callable[[Update], None]


class Session:
    """One request being answered.

    Parameters
    ----------
    request : Request
    emit : callable
        Takes each update, on the event loop.
    """

    def __init__(self, request: Request, emit: Emit) -> None:
        self.request = request
        self._emit = emit
        self._history: list[Update] = []
        self._levels: dict[ChunkKey, int] = {}
        self._cuts: dict[int, Cut] = {}
        self.wanted = request.plan.chunk_count
        self.settled = self.failed = 0

    @property
    def complete(self) -> bool:
        """Whether every planned chunk is loaded, missing, failed or held."""
        return self.settled == self.wanted

    def wants(self) -> list[Want]:
        """List the chunks that must be delivered, coarse levels first, each level nearest first."""
        wants, held = [], self.request.held
        for place, part in enumerate(self.request.plan.levels):
            level = part.level
            self._cuts[level] = make_cut(self.request.plan, part)
            source = self.request.image.sources[part.level]
            for index, distance in zip(part.chunks.tolist(), part.distances.tolist(), strict=True):
                if (level, tuple(index)) in held:
                    self.settled += 1
                    continue
                key = (id(source), tuple(index))
                self._levels[key] = level
                wants.append(Want(key, source, (VISIBLE, place, distance)))
        return wants

    def nothing(self) -> Update:
        """Make the update that says that nothing of the image is in view."""
        plan = self.request.plan
        none = np.empty((0, plan.pyramid.ndim), dtype=np.int64)
        return self._update(0, Outcome.NOTHING, (), none, None, None)

    def on_settled(self, entry: Entry) -> None:
        """Turn a settled chunk into an update."""
        level = self._levels[entry.key]
        index = entry.key[1]
        self.settled += 1
        self.failed += entry.state is ChunkState.FAILED
        region = np.array(self.request.plan.pyramid.levels[level].chunk_box(index), dtype=np.int64)
        data = self._pixels(entry, self._cuts[level], region)
        failure = self._failure(entry) if entry.error is not None else None
        self._emit(self._update(level, _OUTCOMES[entry.state], index, region, data, failure))

    def _pixels(self, entry: Entry, cut: Cut, region: NDArray[np.int64]) -> NDArray[np.generic] | None:
        index, chunk = entry.key[1], entry.data
        if entry.state is ChunkState.FAILED:
            cut.without(index)
            return None
        if chunk is None:
            fill = np.asarray(entry.source.fill_value, dtype=entry.source.dtype)
            chunk = np.broadcast_to(fill, tuple((region[1] - region[0]).tolist()))
        return cut.of(chunk, index, region[0])

    def _failure(self, entry: Entry) -> Failure:
        error = entry.error
        reason = (f"{error.what} ({error.hint})" if error.hint else error.what) if error is not None else ""
        return Failure(self.request.image.url, entry.name, reason)

    def _update(
        self,
        level: int,
        outcome: Outcome,
        index: tuple[int, ...],
        region: NDArray[np.int64],
        data: NDArray[np.generic] | None,
        failure: Failure | None,
    ) -> Update:
        request = self.request
        history = Prefix(self._history, len(self._history) + 1) if request.keep_history else ()
        update = Update(
            request.request_id,
            request.generation,
            request.plan,
            level,
            outcome,
            index,
            region,
            data,
            self.settled,
            self.wanted,
            self.failed,
            failure,
            history,
        )
        if request.keep_history:
            self._history.append(update)
        return update


class TileSession(Session):
    """A request for an oblique cut: it reads chunks of the image, and each update is a tile of the cut."""

    def __init__(self, request: Request, emit: Emit) -> None:
        super().__init__(request, emit)
        self._tiles: dict[int, Tiles] = {}

    def wants(self) -> list[Want]:
        """List the chunks that tiles need which are not held, each at the rank of the most urgent of them."""
        wants = []
        for place, part in enumerate(self.request.plan.levels):
            shown = {index for level, index in self.request.held if level == part.level}
            held = shown.intersection(map(tuple, part.chunks.tolist()))
            self._tiles[part.level] = tiles = Tiles(self.request.plan, part, held)
            self.settled += len(held)
            source = self.request.image.sources[part.level]
            for index, distance in zip(*(rows.tolist() for rows in part.reads()), strict=True):
                if tuple(index) in tiles.chunks:
                    key = (id(source), tuple(index))
                    self._levels[key] = part.level
                    wants.append(Want(key, source, (VISIBLE, place, distance)))
        return wants

    def on_settled(self, entry: Entry) -> None:
        """Turn a settled chunk into an update for each tile that it was the last of."""
        level = self._levels[entry.key]
        for tile in self._tiles[level].settle(entry):
            self.settled += 1
            self.failed += tile.failed is not None
            failure = None if tile.failed is None else self._failure(tile.failed)
            data = tile.picture()
            self._emit(self._update(level, _OUTCOMES[tile.state], tile.index, tile.region, data, failure))


class Core:
    """Answers requests, one at a time in each slot; a new request in a slot ends the old one.

    Parameters
    ----------
    fetcher : Fetcher
    ahead : Ahead, optional
        What is fetched ahead of requests that have a budget.
    telemetry : Telemetry, optional
        Who hears of views, and of every chunk.
    """

    def __init__(self, fetcher: Fetcher, ahead: Ahead | None = None, telemetry: Telemetry | None = None) -> None:
        self.fetcher = fetcher
        self.telemetry = telemetry
        if telemetry is not None:
            fetcher.table.observer = telemetry.chunks.moved
        self.prefetcher = Prefetcher(fetcher, ahead)
        self.sessions: dict[Hashable, Session] = {}

    def start(self, slot: Hashable, request: Request, emit: Emit, finished: Callable[[], None]) -> None:
        """Begin to answer a request; what its forerunner in the slot wanted and it does not is cancelled.

        Parameters
        ----------
        slot : hashable
        request : Request
        emit : callable
            Takes each update; its data stays in memory until :meth:`release`.
        finished : callable
            Called once, when nothing is pending any more.

        Raises
        ------
        BrickstreamError
            If the request cannot be answered within the budgets.
        """

        def step(update: Update) -> None:
            # A late answer to an older request of the slot dies here.
            fresh = self.sessions.get(slot) is session
            if self.telemetry is not None:
                self.telemetry.views.delivered(request, fresh)
            if fresh:
                emit(update)
                if session.complete:
                    finished()
                    self.prefetcher.go(slot, request.plan)

        def settle(entry: Entry) -> None:
            session.on_settled(entry)
            if tiled:
                self.fetcher.release(slot, [entry.key])  # tiles keep nothing of a chunk

        tiled = request.plan.oblique is not None
        session = (TileSession if tiled else Session)(request, step)
        self._leave(slot)
        self.sessions[slot] = session
        wants = session.wants()
        self.prefetcher.forgive(request.image, request.plan)
        if self.telemetry is not None:
            self.telemetry.views.began(request, session.settled, self.fetcher.known(wants))
        try:
            self.fetcher.want(slot, wants, settle)
        except BrickstreamError:
            self.stop(slot)
            raise
        if request.budget is not None:
            self.prefetcher.follow(slot, request.image, request.plan, request.budget, session.complete)
        if request.plan.empty:
            step(session.nothing())
        elif not wants:
            finished()

    def stock(self, image: ChunkedImage) -> Stock:
        """Say how near chunks of an image are, for plans; any thread may ask."""
        return lambda level, chunks: self.fetcher.nearness(image.sources[level], chunks)

    def release(self, slot: Hashable, request: Request, update: Update) -> None:
        """Say that an update was taken: its chunk may leave memory."""
        session = self.sessions.get(slot)
        if request.plan.oblique is not None or update.outcome is Outcome.NOTHING:
            return
        if session is not None and session.request is request:
            self.fetcher.release(slot, [(id(request.image.sources[update.level]), update.index)])

    def stop(self, slot: Hashable) -> None:
        """End what a slot asked for."""
        self._leave(slot)
        self.prefetcher.stop(slot)
        self.fetcher.forget(slot)

    def close(self) -> None:
        """End what all slots asked for; the fetcher, which ends with the engine, ends their reads."""
        self.prefetcher.close()
        for slot in list(self.sessions):
            self._leave(slot)

    def _leave(self, slot: Hashable) -> None:
        session = self.sessions.pop(slot, None)
        if session is not None and self.telemetry is not None:
            self.telemetry.views.left(session.request)
