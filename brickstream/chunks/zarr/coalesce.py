"""Reads of neighbouring parts of one value, in one request.

Chunks of a shard lie next to each other, and a view wants many of them at once. What begins in the same turn of the
event loop is looked at together: parts with no or small gaps between them are read by one request.

A request brings its bytes to everybody at its end, so its size bounds how long an urgent part can wait for others: with
the default of 1 MiB not longer than the parts would have taken side by side, since all of them were to be under way at
the same time in any case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from brickstream.chunks.reader import ByteRange, Reader, Span, nothing_started
from brickstream.chunks.tagged import Answer, Decorator, Tagged, ask
from brickstream.chunks.zarr.joint import Joint

# On a link of 20 Mbit/s the bytes of such a gap take 7 ms: less than another request costs.
MAX_GAP = 16 << 10
MAX_REQUEST = 1 << 20


def merge(spans: Sequence[Span], max_gap: int, max_bytes: int) -> list[list[int]]:
    """Say which spans to read together.

    Parameters
    ----------
    spans : sequence of Span
    max_gap : int
        Bytes between two neighbours that are worth reading for nothing.
    max_bytes : int
        Length of what is read together; a longer span is read alone.

    Returns
    -------
    list of list of int
        Groups of places in `spans`, each place in one of them.
    """
    groups: list[list[int]] = []
    start = end = 0
    for place in sorted(range(len(spans)), key=lambda place: spans[place].start):
        span = spans[place]
        reach = max(end, span.start + span.length)
        if groups and span.start - end <= max_gap and reach - start <= max_bytes:
            groups[-1].append(place)
            end = reach
        else:
            groups.append([place])
            start, end = span.start, span.start + span.length
    return groups


@dataclass(eq=False)
class _Wish:
    """One read that waits for the end of the turn."""

    key: str
    span: Span
    tag: str | None
    request: asyncio.Future[_Request]


@dataclass(eq=False)
class _Request:
    """One request, and whom to tell that its answer begins."""

    span: Span
    alone: bool
    waiting: dict[_Wish, Callable[[], None]] = field(default_factory=dict)
    has_begun: bool = False

    def begun(self) -> None:
        if not self.has_begun:
            self.has_begun = True
            for started in list(self.waiting.values()):
                started()


class CoalescingReader:
    """A reader that reads neighbouring spans of one key in one request, if they are asked for in the same turn.

    A request is cancelled when all who wait for it are, and an error of it reaches all of them.

    Parameters
    ----------
    reader : Reader
    max_gap, max_bytes : int
        See :func:`merge`.
    """

    def __init__(self, reader: Reader, max_gap: int = MAX_GAP, max_bytes: int = MAX_REQUEST) -> None:
        self._reader = reader
        self._max_gap = max_gap
        self._max_bytes = max_bytes
        self._wishes: list[_Wish] = []
        self._requests: Joint[Tagged] = Joint()

    @property
    def url(self) -> str:
        """Where this is, for people."""
        return self._reader.url

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read a value or a part of it; see :meth:`brickstream.chunks.reader.Reader.read`."""
        if not isinstance(span, Span) or not span.length:
            return await self._reader.read(key, span, started)
        return (await self.read_tagged(key, span, None, started)).body

    async def read_tagged(
        self, key: str, span: ByteRange | None, tag: str | None, started: Callable[[], None] = nothing_started
    ) -> Tagged:
        """Read by tag; see :meth:`brickstream.chunks.tagged.TaggedReader.read_tagged`."""
        if not isinstance(span, Span) or not span.length:
            return await ask(self._reader, key, span, tag, started)
        loop = asyncio.get_running_loop()
        if not self._wishes:
            loop.call_soon(self._decide)
        wish = _Wish(key, span, tag, loop.create_future())
        self._wishes.append(wish)
        request = await wish.request
        if request.alone:
            return await ask(self._reader, key, span, tag, started)
        return await self._shared(wish, request, started)

    async def _shared(self, wish: _Wish, request: _Request, started: Callable[[], None]) -> Tagged:
        request.waiting[wish] = started
        try:
            answer = await self._requests.do(
                request, lambda: ask(self._reader, wish.key, request.span, wish.tag, request.begun)
            )
        finally:
            del request.waiting[wish]
        if answer.body is None:
            return answer
        start = wish.span.start - request.span.start
        return Answer(answer.body[start : start + wish.span.length], answer.tag)

    def _decide(self) -> None:
        """Tell everybody who has come in this turn which request is theirs; the first of them to wake begins it."""
        wishes, self._wishes = self._wishes, []
        alike: dict[tuple[str, str | None], list[int]] = {}
        for place, wish in enumerate(wishes):
            if not wish.request.done():
                alike.setdefault((wish.key, wish.tag), []).append(place)
        groups: list[list[int]] = []
        for places in alike.values():
            spans = [wishes[place].span for place in places]
            groups += [[places[i] for i in group] for group in merge(spans, self._max_gap, self._max_bytes)]
        for group in sorted(groups, key=min):
            members = [wishes[place] for place in group]
            start = min(wish.span.start for wish in members)
            end = max(wish.span.start + wish.span.length for wish in members)
            request = _Request(Span(start, end - start), alone=len(members) == 1)
            for wish in members:
                wish.request.set_result(request)


def coalescing(reader: Reader) -> Reader:
    """Make a reader coalesce. What decorates it stays on top: a cache keeps parts as they are asked for, not merged."""
    return reader.over(coalescing) if isinstance(reader, Decorator) else CoalescingReader(reader)
