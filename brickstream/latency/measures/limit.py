"""The physical limit: how soon a session could have its pixels on a network, whoever fetches them. Pure.

A lower bound, on purpose: whoever fetches is taken to lose no time between requests, to have its connections ready, and
to read nothing but what the view is made of that is looked at, at the level that fills the canvas. Nobody is taken to
guess: what no view has shown yet is asked for when the first view that shows it is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

import numpy as np

from brickstream.latency.measures.quality import Curve
from brickstream.multiscale.affine import FloatArray


@dataclass(frozen=True)
class Means:
    """What a network and a machine give.

    Attributes
    ----------
    round_trip_s : float
        From a request to the first byte of its answer, on a connection that is there: the least it can be.
    set_up_s : float
        What the first request of a connection waits in addition.
    concurrency : int or None
        Requests that can be under way at once; None: any number.
    bytes_per_s : float or None
        Of all answers together; None: as fast as the machine is.
    connection_bytes_per_s : float or None
        Of one answer.
    decode_bytes_per_s : float
        Decoded bytes in a second, of all cores together.
    """

    round_trip_s: float
    set_up_s: float
    concurrency: int | None
    bytes_per_s: float | None
    connection_bytes_per_s: float | None
    decode_bytes_per_s: float


@dataclass(frozen=True, eq=False)
class Need:
    """What a view is made of.

    Attributes
    ----------
    at : float
        Seconds from the first view to this one.
    known : ndarray of shape (n,), float64
        Seconds from the first view to the first one that needed each chunk; `at` for those that are new.
    parts : ndarray of shape (n,), float64
        Part of the view that each chunk brings; they add up to 1.
    sizes : ndarray of shape (n,), float64
        Bytes of each chunk as it is stored; 0 where nothing is.
    decoded : ndarray of shape (n,), float64
        Bytes of each chunk that have to be decoded; 0 where nothing is stored.
    """

    at: float
    known: FloatArray
    parts: FloatArray
    sizes: FloatArray
    decoded: FloatArray


@dataclass(frozen=True)
class Limit:
    """The bounds, in seconds, named as the measures are, and what they are made of.

    `requests`, `bytes` and `parts` are those of the last view (and of the first document): a session may leave the
    others early. In `parts`, `concurrency` is how many requests are taken to be under way at once: all, where a network
    allows any number.
    """

    first_s: float
    half_s: float
    most_s: float
    complete_s: float
    settle_s: float
    missing_s: float
    requests: int
    bytes: int
    parts: dict[str, float]


def arrivals(need: Need, means: Means) -> FloatArray:
    """When the 1st, 2nd, ... chunk of a view can be there at the earliest, if nothing else is read.

    Each resource by itself bounds how many there can be at a time: rounds of latency at the allowed concurrency, the
    line, one connection, decoding. A line serves most chunks soonest when the one with the least left goes first
    (Schrage, Operations Research 16(3), 1968, https://doi.org/10.1287/opre.16.3.687).

    Returns
    -------
    ndarray of shape (n,), float64
        Rising, in seconds after the first view.
    """
    asked = np.sort(need.known)
    count = np.arange(1, len(asked) + 1)
    begun = need.known + means.round_trip_s
    alone = np.sort(begun + need.sizes / (means.connection_bytes_per_s or inf))
    line = shortest_first(begun, need.sizes / (means.bytes_per_s or inf))
    cores = shortest_first(begun, need.decoded / means.decode_bytes_per_s)
    bounds = [alone, line, cores]
    if means.concurrency is not None and len(asked):
        bounds.append(asked[0] + means.round_trip_s * np.ceil(count / means.concurrency))
    return np.asarray(np.max(bounds, axis=0), dtype=np.float64)


def shortest_first(release: FloatArray, work: FloatArray) -> FloatArray:
    """When one server has done its jobs, if it always does what has the least left of what is there.

    Parameters
    ----------
    release, work : ndarray of shape (n,), float64
        When each job is there, and how long it takes.

    Returns
    -------
    ndarray of shape (n,), float64
        Times at which jobs are done, rising: no order of work has more of them done at any time.
    """
    waiting: list[float] = []
    done: list[float] = []
    now = -inf
    there = sorted(zip(release.tolist(), work.tolist(), strict=True))
    for row, (begin, takes) in enumerate(there):
        now = max(now, begin)
        heappush(waiting, takes)
        until = there[row + 1][0] if row + 1 < len(there) else inf
        while waiting and now + waiting[0] <= until:
            now += heappop(waiting)
            done.append(now)
        if waiting and now < until:
            heappush(waiting, heappop(waiting) - (until - now))
            now = until
    return np.array(done)


def best_curve(needs: Sequence[Need], means: Means, opened: float) -> Curve:
    """Quality over time, from when the image was asked for, if every bound were met; the largest parts come first."""
    times, parts = [], []
    ends = [opened + need.at for need in needs[1:]] + [inf]
    for need, end in zip(needs, ends, strict=True):
        begin = opened + need.at
        there = np.cumsum(np.sort(need.parts)[::-1])
        steps = [
            (opened + t, min(1.0, float(part) + 1e-9)) for t, part in zip(arrivals(need, means), there, strict=True)
        ]
        before = [part for t, part in steps if t <= begin]
        times.append(begin)
        parts.append(max(before, default=0.0 if steps else 1.0))
        inside = [(t, part) for t, part in steps if begin < t < end]
        times += [t for t, _ in inside]
        parts += [part for _, part in inside]
    return Curve(tuple(map(float, times)), tuple(parts))


def find_limit(needs: Sequence[Need], means: Means, documents: int, smallest: float) -> Limit:
    """Work the bounds of a session out.

    Parameters
    ----------
    needs : sequence of Need
        Of every view.
    means : Means
    documents : int
        Bytes of metadata that the first view needs: one round trip.
    smallest : float
        Bytes of the smallest chunk that shows anything: of the coarsest level.
    """
    rate = means.bytes_per_s or inf
    opened = means.set_up_s + means.round_trip_s + documents / rate
    last = needs[-1]
    curve = best_curve(needs, means, opened)
    moved = opened + last.at
    # Whoever opened an image has been waiting since then; who moved, since the move.
    since = 0.0 if len(needs) == 1 else moved
    reached = {part: curve.reached(part, moved) or moved for part in (0.5, 0.95, 1.0)}
    stored = int((last.sizes > 0).sum())
    at_once = means.concurrency or max(1, len(last.sizes))
    return Limit(
        first_s=opened + means.round_trip_s + smallest / rate,
        half_s=reached[0.5] - since,
        most_s=reached[0.95] - since,
        complete_s=reached[1.0] - since,
        settle_s=reached[1.0] - moved,
        missing_s=curve.missing(0.0, reached[1.0]),
        requests=stored + 1,
        bytes=int(last.sizes.sum()) + documents,
        parts={
            "round_trip_s": means.round_trip_s,
            "rounds": 1 + -(-len(last.sizes) // at_once),
            "concurrency": at_once,
            "transfer_s": float(last.sizes.sum()) / rate,
            "decode_s": float(last.decoded.sum()) / means.decode_bytes_per_s,
            "set_up_s": means.set_up_s,
        },
    )
