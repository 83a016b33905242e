"""Fetches ahead of what is shown: plans the guesses of :mod:`ahead` one by one, and wants their chunks in tier 1.

Lives on the event loop. The table starts no read of tier 1 before everything visible is there, whoever wants it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from brickstream.chunks import ChunkedImage, ChunkKey, ChunkState, Entry, Fetcher, Want
from brickstream.chunks.source import chunk_nbytes
from brickstream.chunks.table import PREFETCH, ChunkTable
from brickstream.engine.ahead import Ahead, ahead_views, footprint, remember
from brickstream.errors import BrickstreamError
from brickstream.multiscale import Budget, Plan, View, plan_view
from brickstream.multiscale.plan import MAX_CHUNKS

SHARE_OF_RAM = 4
# The queue is sorted with each plan: however small chunks are, so many of them are enough.
MOST_CHUNKS = 4096
_OVER = frozenset({ChunkState.MISSING, ChunkState.FAILED})


@dataclass(frozen=True, eq=False)
class Guess:
    """A view that may be asked for next: a client of the fetcher.

    Attributes
    ----------
    image : ChunkedImage
    plan : Plan
    reads : set of ChunkKey
        Chunks that were not there when they were wanted.
    """

    image: ChunkedImage
    plan: Plan
    reads: set[ChunkKey] = field(default_factory=set)


@dataclass(eq=False)
class _Trail:
    """What is known of one slot.

    Attributes
    ----------
    views : tuple of View
        The last ones of this image.
    ready : bool
        Whether everything that the last one needs is there.
    guesses : dict of hashable to Guess
        Clients, by what their chunks follow from.
    """

    image: ChunkedImage
    plan: Plan
    budget: Budget
    views: tuple[View, ...] = ()
    ready: bool = False
    guesses: dict[Hashable, Guess] = field(default_factory=dict)
    work: Iterator[None] = field(default_factory=lambda: iter(()))
    handle: asyncio.Handle | None = None

    def pause(self) -> None:
        """Plan nothing more."""
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None


class Prefetcher:
    """Fetches ahead of the views that are shown, one in each slot.

    Parameters
    ----------
    fetcher : Fetcher
    ahead : Ahead or None
        None fetches nothing.

    Attributes
    ----------
    bytes_read : int
        Of decoded chunks that were read ahead.
    hits : int
        Chunks that a view needed and found read ahead.
    """

    def __init__(self, fetcher: Fetcher, ahead: Ahead | None = None) -> None:
        self.bytes_read = self.hits = 0
        self._fetcher = fetcher
        self._ahead = ahead
        self._trails: dict[Hashable, _Trail] = {}
        self._read: set[ChunkKey] = set()

    def follow(self, slot: Hashable, image: ChunkedImage, plan: Plan, budget: Budget, complete: bool) -> None:
        """Hear that a slot shows another view, and that what it needs is wanted already.

        What was fetched ahead and is no longer guessed is given up at once, unless the view is complete: then nothing
        is in a hurry, and what goes on being guessed goes on being read.
        """
        trail = self._trails.setdefault(slot, _Trail(image, plan, budget))
        trail.pause()
        views = trail.views if trail.image is image else ()
        trail.image, trail.plan, trail.budget, trail.ready = image, plan, budget, complete
        trail.views = remember(views, plan.view)
        self._count_hits(image, plan)
        if complete:
            self._begin(trail)
        elif trail.guesses:
            still = {self._key(trail, view) for view in self._views(trail)}
            self._keep(trail, still)

    def go(self, slot: Hashable, plan: Plan) -> None:
        """Hear that everything that a view needs is there."""
        trail = self._trails.get(slot)
        if trail is not None and trail.plan is plan and not trail.ready:
            trail.ready = True
            self._begin(trail)

    def change(self, ahead: Ahead | None) -> None:
        """Fetch something else from now on, or nothing."""
        self._ahead = ahead
        for trail in self._trails.values():
            trail.pause()
            if ahead is None:
                self._keep(trail, set())
            elif trail.ready:
                self._begin(trail)

    def stop(self, slot: Hashable) -> None:
        """Forget a slot."""
        trail = self._trails.pop(slot, None)
        if trail is not None:
            trail.pause()
            self._keep(trail, set())

    def close(self) -> None:
        """Forget all slots."""
        for slot in list(self._trails):
            self.stop(slot)

    def _begin(self, trail: _Trail) -> None:
        if self._ahead is not None:
            trail.work = self._work(trail, self._ahead)
            trail.handle = asyncio.get_running_loop().call_soon(self._step, trail)

    def _step(self, trail: _Trail) -> None:
        """Do one piece of work, then let the event loop do others."""
        trail.handle = None
        for _ in trail.work:
            trail.handle = asyncio.get_running_loop().call_soon(self._step, trail)
            return

    def _work(self, trail: _Trail, ahead: Ahead) -> Iterator[None]:
        """Plan the guesses and want their chunks, the likeliest first; then give up what is no longer guessed."""
        table = self._fetcher.table
        limit = table.limits.max_bytes
        room = _Room(table, min(limit // SHARE_OF_RAM if ahead.max_bytes is None else ahead.max_bytes, limit))
        room.taken.update(_keys(trail.image, trail.plan))
        guessed = set()
        for view in self._views(trail):
            if room.full:
                break
            key = self._key(trail, view)
            guess = trail.guesses.get(key) or self._plan(trail, view)
            if guess is None or key in guessed:
                continue
            guessed.add(key)
            trail.guesses[key] = guess
            wants = room.take(guess)
            self._fetcher.want(guess, wants, partial(self._on_settled, guess))
            yield
        self._keep(trail, guessed)

    def _views(self, trail: _Trail) -> list[View]:
        if self._ahead is None:
            return []
        try:
            return ahead_views(trail.plan, trail.views, self._ahead)
        except BrickstreamError:
            # An image at the limits of float64: it can be shown here, and elsewhere perhaps not.
            return []

    def _key(self, trail: _Trail, view: View) -> Hashable:
        return id(trail.image), trail.budget, footprint(trail.image.pyramid, view)

    def _plan(self, trail: _Trail, view: View) -> Guess | None:
        budget = trail.budget
        if view.canvas != trail.plan.view.canvas:
            # Its level is given, and what of it is fetched is bounded in bytes.
            budget = replace(budget, max_bricks=max(budget.max_bricks, MAX_CHUNKS))
        try:
            return Guess(trail.image, plan_view(trail.image.pyramid, view, budget))
        except BrickstreamError:
            # Not every guess is a view that can be.
            return None

    def _keep(self, trail: _Trail, keys: set[Hashable]) -> None:
        for key in [key for key in trail.guesses if key not in keys]:
            self._fetcher.forget(trail.guesses.pop(key))

    def _on_settled(self, guess: Guess, entry: Entry) -> None:
        rank = entry.rank
        if entry.key in guess.reads and entry.state is ChunkState.LOADED and rank is not None and rank[0] == PREFETCH:
            self.bytes_read += entry.nbytes
            self._read.add(entry.key)
        guess.reads.discard(entry.key)
        # Nobody shows it: it may leave memory before anything visible does.
        self._fetcher.release(guess, [entry.key])

    def _count_hits(self, image: ChunkedImage, plan: Plan) -> None:
        if not self._read:
            return
        entries = self._fetcher.table.entries
        needed = self._read.intersection(_keys(image, plan))
        self.hits += sum(key in entries and entries[key].state is ChunkState.LOADED for key in needed)
        self._read -= needed
        if len(self._read) > 2 * MOST_CHUNKS:
            self._read = {key for key in self._read if key in entries and entries[key].state is ChunkState.LOADED}


class _Room:
    """How much more may be fetched ahead."""

    def __init__(self, table: ChunkTable, max_bytes: int) -> None:
        self.taken: set[ChunkKey] = set()
        self.full = False
        self._table = table
        self._bytes, self._chunks = max_bytes, MOST_CHUNKS
        self._place = 0

    def take(self, guess: Guess) -> list[Want]:
        """Choose the chunks of a guess that are not in view, nor chosen already, nor known to hold nothing."""
        wants: list[Want] = []
        guess.reads.clear()
        for part in guess.plan.levels:
            source = guess.image.sources[part.level]
            nbytes = chunk_nbytes(source)
            # More rows than these cannot be needed: the others are taken already.
            most = min(self._bytes // nbytes, self._chunks) + len(self.taken) + 1
            for index, distance in zip(part.chunks[:most].tolist(), part.distances[:most].tolist(), strict=True):
                key = (id(source), tuple(index))
                entry = self._table.entries.get(key)
                if key in self.taken or (entry is not None and entry.state in _OVER):
                    continue
                if nbytes > self._bytes or not self._chunks:
                    self.full = True
                    return wants
                self.taken.add(key)
                self._bytes, self._chunks = self._bytes - nbytes, self._chunks - 1
                if entry is None or entry.state is not ChunkState.LOADED:
                    guess.reads.add(key)
                wants.append(Want(key, source, (PREFETCH, self._place, distance)))
            self._place += 1
        return wants


def _keys(image: ChunkedImage, plan: Plan) -> Iterator[ChunkKey]:
    for part in plan.levels:
        source = id(image.sources[part.level])
        yield from ((source, tuple(index)) for index in part.chunks.tolist())
