"""Counters and histograms: for each image, and in all."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from brickstream.chunks import ChunkedImage, ChunkSource, ChunkState
from brickstream.engine.telemetry.histogram import Histogram

# So many images have numbers of their own, the newest; in all, every image counts.
MOST_IMAGES = 64
_MS = 1e6
_FETCH_TIMES = ("queued", "wait", "receive", "decode")
_VIEW_TIMES = ("first_pixels", "complete")


@dataclass(slots=True)
class Fetching:
    """What the event loop has counted. Only the event loop writes it.

    Attributes
    ----------
    now : dict of ChunkState to int
        Chunks in each state at this moment.
    ended : dict of str to int
        Chunks by outcome.
    statuses : dict of str to int
        Requests by HTTP status.
    """

    now: dict[ChunkState, int] = field(default_factory=lambda: dict.fromkeys(ChunkState, 0))
    ended: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("loaded", "missing", "failed", "given up", "evicted"), 0)
    )
    views: int = 0
    left: int = 0
    wanted: int = 0
    held: int = 0
    known: int = 0
    delivered: int = 0
    stale: int = 0
    requests: int = 0
    requests_ended: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("done", "failed", "cancelled"), 0))
    statuses: dict[str, int] = field(default_factory=dict)
    retries: int = 0
    hedges: int = 0
    bytes_read: int = 0
    bytes_wasted: int = 0
    bytes_decoded: int = 0
    times: dict[str, Histogram] = field(default_factory=lambda: {name: Histogram() for name in _FETCH_TIMES})


@dataclass(slots=True)
class Handing:
    """What was counted where updates are handed over: on the render thread, or in the loop of a slice."""

    complete: int = 0
    stale: int = 0
    times: dict[str, Histogram] = field(default_factory=lambda: {name: Histogram() for name in _VIEW_TIMES})


@dataclass(slots=True)
class Tally:
    """The numbers of one image, or of all."""

    loop: Fetching = field(default_factory=Fetching)
    host: Handing = field(default_factory=Handing)

    def as_dict(self) -> dict[str, Any]:
        """Say it as JSON; the keys are in ``docs/telemetry.md``."""
        loop, host = self.loop, self.host
        in_flight = loop.now[ChunkState.REQUESTED] + loop.now[ChunkState.RECEIVING]
        return {
            "views": {"shown": loop.views, "complete": host.complete, "left": loop.left},
            "chunks": {
                "queued": loop.now[ChunkState.QUEUED],
                "in_flight": in_flight,
                "decoding": loop.now[ChunkState.DECODING],
                "in_memory": loop.now[ChunkState.LOADED],
                "wanted": loop.wanted,
                "held": loop.held,
                "known": loop.known,
                **{name.replace(" ", "_"): count for name, count in loop.ended.items()},
            },
            "updates": {"delivered": loop.delivered, "stale": loop.stale + host.stale},
            "requests": {
                "begun": loop.requests,
                **loop.requests_ended,
                "retries": loop.retries,
                "hedges": loop.hedges,
                "statuses": dict(sorted(loop.statuses.copy().items())),
            },
            "bytes": {"read": loop.bytes_read, "wasted": loop.bytes_wasted, "decoded": loop.bytes_decoded},
            "ms": {name: times.as_dict(_MS) for name, times in (loop.times | host.times).items()},
        }


class Place(NamedTuple):
    """What is known of a source: its image's number, its level, and which numbers it counts in."""

    image: int
    level: int
    tallies: tuple[Tally, ...]


@dataclass(frozen=True)
class Known:
    """An image that was opened or shown."""

    number: int
    url: str
    name: str
    tally: Tally


class Book:
    """The numbers of all images. The event loop writes; any thread reads.

    It keeps no image alive: who forgets an image gets its memory back.
    """

    def __init__(self) -> None:
        self.total = Tally()
        self.images: deque[Known] = deque(maxlen=MOST_IMAGES)
        self._unknown = Place(0, -1, (self.total,))
        self._numbers: WeakKeyDictionary[ChunkedImage, Place] = WeakKeyDictionary()
        self._places: dict[int, tuple[ref[Any], Place]] = {}

    def learn(self, image: ChunkedImage) -> Place:
        """Find the place of an image's level 0; an image that is new gets its number."""
        place = self._numbers.get(image)
        if place is None:
            number = (self.images[-1].number if self.images else 0) + 1
            known = Known(number, image.url, image.pyramid.name, Tally())
            self.images.append(known)
            place = self._numbers[image] = Place(number, 0, (self.total, known.tally))
            # Sources that are gone may have given their id to others; of an image that is gone chunks may be left.
            alive = {key: value for key, value in self._places.items() if value[0]() is not None}
            levels = {
                id(source): (_weakly(source, image), place._replace(level=k)) for k, source in enumerate(image.sources)
            }
            self._places = alive | levels
        return place

    def tallies(self, image: ChunkedImage) -> tuple[Tally, ...]:
        """Find the numbers in which an image counts, without taking it down."""
        return self._numbers.get(image, self._unknown).tallies

    def place(self, source: int) -> Place:
        """Find what is known of a source by its id."""
        found = self._places.get(source)
        return self._unknown if found is None else found[1]


def _weakly(source: ChunkSource, image: ChunkedImage) -> ref[Any]:
    """Refer to a source; to its image, where nobody can refer to the source without keeping it alive."""
    try:
        return ref(source)
    except TypeError:
        return ref(image)
