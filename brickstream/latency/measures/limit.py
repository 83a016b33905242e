"""The physical limit: how soon a session could have its pixels on a network, whoever fetches them. Pure.

A lower bound, on purpose: whoever fetches is taken to know at once what is wanted, to lose no time between requests,
and to have everything that earlier views needed. Counted is the level that fills the canvas and nothing coarser. Nobody
is taken to guess: what a view shows for the first time is asked for when the view is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
        From a request to the first byte of its answer, on a connection that is there.
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
    """What a view needs that no view before it did.

    Attributes
    ----------
    at : float
        Seconds after the first view.
    held : float
        Part of the view, 0 to 1, that earlier views needed too.
    parts : ndarray of shape (n,), float64
        Part of the view that each new chunk brings.
    sizes : ndarray of shape (n,), float64
        Bytes of each new chunk as it is stored.
    decoded : float
        Bytes of a chunk when it is decoded.
    """

    at: float
    held: float
    parts: FloatArray
    sizes: FloatArray
    decoded: float


@dataclass(frozen=True)
class Limit:
    """The bounds, in seconds, named as the measures are, and what they are made of.

    `concurrency` is how many requests are taken to be under way at once: all, where a network allows any number.
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
    """When the 1st, 2nd, ... new chunk of a view can be there at the earliest, in seconds after it was set.

    Each of three things bounds it: rounds of latency at the allowed concurrency, bytes over bandwidth (the smallest
    first), decoding over cores.

    Returns
    -------
    ndarray of shape (n,), float64
    """
    count = np.arange(1, len(need.sizes) + 1)
    rounds = means.round_trip_s * (1 if means.concurrency is None else np.ceil(count / means.concurrency))
    sizes = np.sort(need.sizes)
    sent = np.maximum(np.cumsum(sizes) / (means.bytes_per_s or inf), sizes / (means.connection_bytes_per_s or inf))
    decoded = count * need.decoded / means.decode_bytes_per_s
    bound: FloatArray = np.maximum(rounds, means.round_trip_s + np.maximum(sent, decoded))
    return bound


def best_curve(needs: Sequence[Need], means: Means, opened: float) -> Curve:
    """Quality over time, from when the image was asked for, if every bound were met; the largest parts come first."""
    times, parts = [], []
    ends = [opened + need.at for need in needs[1:]] + [inf]
    for need, end in zip(needs, ends, strict=True):
        begin = opened + need.at
        there = need.held + np.cumsum(np.sort(need.parts)[::-1])
        steps = zip(begin + arrivals(need, means), there, strict=True)
        inside = [(t, min(1.0, float(part) + 1e-9)) for t, part in steps if t < end]
        times += [begin, *(t for t, _ in inside)]
        parts += [need.held, *(part for _, part in inside)]
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
    # Whoever opened an image has been waiting since then; who moved, since the move.
    moved = opened + last.at
    since = 0.0 if len(needs) == 1 else moved
    reached = {part: curve.reached(part, moved) or moved for part in (0.5, 0.95, 1.0)}
    count = sum(len(need.sizes) for need in needs)
    sent = sum(float(need.sizes.sum()) for need in needs)
    return Limit(
        first_s=opened + means.round_trip_s + smallest / rate,
        half_s=reached[0.5] - since,
        most_s=reached[0.95] - since,
        complete_s=reached[1.0] - since,
        settle_s=reached[1.0] - moved,
        missing_s=curve.missing(0.0, reached[1.0]),
        requests=count + 1,
        bytes=int(sent) + documents,
        parts={
            "round_trip_s": means.round_trip_s,
            "rounds": 2 if means.concurrency is None else 1 + -(-len(last.sizes) // means.concurrency),
            "concurrency": means.concurrency or max(1, len(last.sizes)),
            "transfer_s": float(last.sizes.sum()) / rate,
            "decode_s": len(last.sizes) * last.decoded / means.decode_bytes_per_s,
            "set_up_s": means.set_up_s,
        },
    )
