"""Fetches ahead of what is shown: plans the guesses of :mod:`ahead` one by one, and wants their chunks in tier 1.

Lives on the event loop. The table starts no read of tier 1 before everything visible is there, whoever wants it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from brickstream.chunks import ChunkedImage, ChunkKey, ChunkState, Entry, Fetcher, Want
from brickstream.chunks.entry import PREFETCH
from brickstream.chunks.source import chunk_nbytes
from brickstream.chunks.table import ChunkTable
from brickstream.engine.ahead import Ahead, ahead_views, footprint, remember
from brickstream.errors import BrickstreamError
from brickstream.multiscale import Budget, Plan, View, plan_picture
from brickstream.multiscale.plan import MAX_CHUNKS

SHARE_OF_RAM = 4
# The queue is rebuilt with every view: however small chunks are, so many of them are enough.
MOST_CHUNKS = 2048
# Plans of guesses that are kept, so that a view that moves by a pixel does not cause them all again.
MOST_PLANS = 64


@dataclass(eq=False)
class _Trail:
    """What is known of one slot; to the fetcher, a client.

    Attributes
    ----------
    views : tuple of View
        The last ones of this image.
    ready : bool
        Whether everything that the last one needs is there.
    plans : dict of hashable to Plan
        Of guesses, by what their chunks follow from.
    wants : dict of hashable to list of Want
        What is being fetched ahead, by guess.
    reads : set of ChunkKey
        Chunks of it that are not there yet.
    """

    slot: Hashable
    image: ChunkedImage
    plan: Plan
    budget: Budget
    views: tuple[View, ...] = ()
    ready: bool = False
    plans: dict[Hashable, Plan] = field(default_factory=dict)
    wants: dict[Hashable, list[Want]] = field(default_factory=dict)
    reads: set[ChunkKey] = field(default_factory=set)
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
        self._playing: dict[Hashable, Ahead] = {}
        self._trails: dict[Hashable, _Trail] = {}
        self._read: set[ChunkKey] = set()
        self._failed: set[ChunkKey] = set()
        fetcher.planning = lambda: any(trail.handle is not None for trail in self._trails.values())

    def forgive(self, image: ChunkedImage, plan: Plan) -> None:
        """Let a view try for itself what could not be read ahead: nobody was told, and nothing is known to be wrong."""
        if not self._failed:
            return
        needed = self._failed.intersection(_keys(image, plan))
        for key in self._those(needed, ChunkState.FAILED):
            self._fetcher.table.move(self._fetcher.table.entries[key], ChunkState.ABSENT)
        self._failed -= needed

    def follow(self, slot: Hashable, image: ChunkedImage, plan: Plan, budget: Budget, complete: bool) -> None:
        """Hear that a slot shows another view, and that what it needs is wanted already.

        What was fetched ahead and is no longer guessed is given up at once, unless the view is complete: then nothing
        is in a hurry, and what goes on being guessed goes on being read.
        """
        trail = self._trails.setdefault(slot, _Trail(slot, image, plan, budget))
        trail.pause()
        if trail.image is not image:
            trail.views, trail.plans = (), {}
            self._want(trail, {})
        trail.image, trail.plan, trail.budget, trail.ready = image, plan, budget, complete
        trail.views = remember(trail.views, plan.view)
        self._count_hits(image, plan)
        if complete:
            self._begin(trail)
        elif trail.wants:
            still = {self._key(trail, view) for view in self._views(trail)}
            self._want(trail, {key: wants for key, wants in trail.wants.items() if key in still})

    def go(self, slot: Hashable, plan: Plan) -> None:
        """Hear that everything that a view needs is there."""
        trail = self._trails.get(slot)
        if trail is not None and trail.plan is plan and not trail.ready:
            trail.ready = True
            self._begin(trail)

    def play(self, slot: Hashable, ahead: Ahead | None) -> None:
        """Fetch the frames of a playback ahead of one slot, whatever else is fetched ahead; None ends that."""
        self._playing.pop(slot, None)
        if ahead is not None:
            self._playing[slot] = ahead
        trail = self._trails.get(slot)
        if trail is not None:
            self._begin_anew(trail)

    def change(self, ahead: Ahead | None) -> None:
        """Fetch something else from now on, or nothing."""
        self._ahead = ahead
        for trail in self._trails.values():
            self._begin_anew(trail)

    def _begin_anew(self, trail: _Trail) -> None:
        trail.pause()
        if self._ahead_of(trail) is not None and trail.ready:
            self._begin(trail)
        else:
            self._want(trail, {})

    def _ahead_of(self, trail: _Trail) -> Ahead | None:
        return self._playing.get(trail.slot, self._ahead)

    def stop(self, slot: Hashable) -> None:
        """Forget a slot."""
        self._playing.pop(slot, None)
        trail = self._trails.pop(slot, None)
        if trail is not None:
            trail.pause()
            self._want(trail, {})

    def close(self) -> None:
        """Forget all slots."""
        for slot in list(self._trails):
            self.stop(slot)

    def _begin(self, trail: _Trail) -> None:
        ahead = self._ahead_of(trail)
        if ahead is not None:
            self._fetcher.idle.clear()
            trail.work = self._work(trail, ahead)
            trail.handle = asyncio.get_running_loop().call_soon(self._step, trail)

    def _step(self, trail: _Trail) -> None:
        """Plan one guess, then let the event loop do other things."""
        trail.handle = None
        for _ in trail.work:
            trail.handle = asyncio.get_running_loop().call_soon(self._step, trail)
            return

    def _work(self, trail: _Trail, ahead: Ahead) -> Iterator[None]:
        """Plan the guesses, the likeliest first; then want their chunks, and nothing else any more."""
        table = self._fetcher.table
        limit = table.limits.max_bytes
        room = _Room(table, min(limit // SHARE_OF_RAM if ahead.max_bytes is None else ahead.max_bytes, limit))
        room.taken.update(_keys(trail.image, trail.plan))
        wants: dict[Hashable, list[Want]] = {}
        for view in self._views(trail):
            key = self._key(trail, view)
            plan = trail.plans.get(key) or self._plan(trail, view)
            if plan is None or key in wants:
                continue
            trail.plans[key] = plan
            wants[key] = room.take(trail.image, plan)
            if room.full:
                break
            yield
        self._want(trail, wants)
        if len(trail.plans) > MOST_PLANS:
            trail.plans = {key: trail.plans[key] for key in wants}

    def _views(self, trail: _Trail) -> list[View]:
        ahead = self._ahead_of(trail)
        if ahead is None:
            return []
        try:
            return ahead_views(trail.plan, trail.views, ahead)
        except BrickstreamError:
            # An image at the limits of float64: it can be shown here, and elsewhere perhaps not.
            return []

    def _key(self, trail: _Trail, view: View) -> Hashable:
        return trail.budget, footprint(trail.image.pyramid, view)

    def _plan(self, trail: _Trail, view: View) -> Plan | None:
        budget = trail.budget
        if view.canvas != trail.plan.view.canvas:
            # Its level is given, and what of it is fetched is bounded in bytes.
            budget = replace(budget, max_bricks=max(budget.max_bricks, MAX_CHUNKS))
        try:
            return plan_picture(trail.image.pyramid, view, budget)
        except BrickstreamError:
            # Not every guess is a view that can be.
            return None

    def _want(self, trail: _Trail, by_guess: dict[Hashable, list[Want]]) -> None:
        """Want these chunks and no others; those that are there are only marked, to stay longer than others."""
        entries = self._fetcher.table.entries
        trail.wants = {key: wants for key, wants in by_guess.items() if wants}
        wants = [want for wants in trail.wants.values() for want in wants]
        if not wants:
            self._fetcher.forget(trail)
            return
        ready = [w.key for w in wants if w.key in entries and entries[w.key].state is ChunkState.LOADED]
        trail.reads = {want.key for want in wants}.difference(ready)
        self._fetcher.want(trail, wants, partial(self._on_settled, trail))
        self._fetcher.release(trail, ready)

    def _on_settled(self, trail: _Trail, entry: Entry) -> None:
        if entry.key not in trail.reads:
            return
        trail.reads.discard(entry.key)
        if entry.rank is not None and entry.rank[0] == PREFETCH:
            self._take_down(entry)
        # Nobody shows it: it may leave memory before anything visible does.
        self._fetcher.release(trail, [entry.key])

    def _take_down(self, entry: Entry) -> None:
        if entry.state is ChunkState.LOADED:
            self.bytes_read += entry.nbytes
            self._read.add(entry.key)
        elif entry.state is ChunkState.FAILED:
            self._failed.add(entry.key)

    def _count_hits(self, image: ChunkedImage, plan: Plan) -> None:
        if not self._read:
            return
        needed = self._read.intersection(_keys(image, plan))
        self.hits += len(self._those(needed, ChunkState.LOADED))
        self._read -= needed
        if len(self._read) > 2 * MOST_CHUNKS:
            self._read = self._those(self._read, ChunkState.LOADED)

    def _those(self, keys: set[ChunkKey], state: ChunkState) -> set[ChunkKey]:
        entries = self._fetcher.table.entries
        return {key for key in keys if key in entries and entries[key].state is state}


class _Room:
    """How much more may be fetched ahead, and what not."""

    def __init__(self, table: ChunkTable, max_bytes: int) -> None:
        self.taken: set[ChunkKey] = set()
        self.full = False
        self._entries = table.entries
        self._bytes, self._chunks = max_bytes, MOST_CHUNKS
        self._place = 0

    def take(self, image: ChunkedImage, plan: Plan) -> list[Want]:
        """Choose the chunks of a guess that are not in view, nor chosen already, nor known to hold nothing."""
        wants: list[Want] = []
        for part in plan.levels:
            source = image.sources[part.level]
            nbytes = chunk_nbytes(source)
            # Row by row: a plan may be much longer than the room.
            for row, distance in zip(*part.reads(), strict=True):
                key = (id(source), tuple(row.tolist()))
                if key in self.taken or self._over(key):
                    continue
                if nbytes > self._bytes or not self._chunks:
                    self.full = True
                    return wants
                self.taken.add(key)
                self._bytes, self._chunks = self._bytes - nbytes, self._chunks - 1
                wants.append(Want(key, source, (PREFETCH, self._place, float(distance))))
            self._place += 1
        return wants

    def _over(self, key: ChunkKey) -> bool:
        entry = self._entries.get(key)
        return entry is not None and (entry.state is ChunkState.MISSING or entry.state is ChunkState.FAILED)


def _keys(image: ChunkedImage, plan: Plan) -> Iterator[ChunkKey]:
    for part in plan.levels:
        source = id(image.sources[part.level])
        yield from ((source, tuple(index)) for index in part.reads()[0].tolist())
