"""A far and bad network: how long a response waits, how fast its bytes go, which requests fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from brickstream.errors import BrickstreamError
from brickstream.latency.network.faults import Fault, FaultKind

SLICE = 8 * 1024
"""Bytes that a response may send before the next response has its turn (more on a link faster than 65 Mbit/s)."""

# Shorter waits than this drown in the cost of waiting; a wide link has larger slices instead.
_SHORTEST_S = 0.001

_UNLIMITED_SLICE = 256 * 1024

_RATES: dict[str, FaultKind] = {
    "rate_503": "status",
    "rate_reset": "reset",
    "rate_truncate": "truncate",
    "rate_hang": "hang",
    "rate_corrupt": "corrupt",
}
# Ten times 0.1 is a little more than 1.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Network:
    """The network between a server and its clients.

    Parameters
    ----------
    latency_ms : float, default 0
        Time from a request to the first byte of its response.
    jitter_ms : float, default 0
        The latency of each request is off by up to this much, either way (never below 0), evenly distributed.
    connect_ms : float, default 0
        What the first request of each TCP connection waits in addition.
    bandwidth_mbps : float or None, default None
        Megabits per second of body bytes for all responses together, shared fairly; None is unlimited.
    rate_503, rate_reset, rate_truncate, rate_hang, rate_corrupt : float, default 0
        Part of the requests, 0 .. 1, that goes wrong in one of these ways; one request in one way only. 503 is the
        status. A reset, a cut with a Content-Length to match, and one inverted byte are at a random place of the body;
        one half of those that hang stops there and the other half before the headers.
    tail_rate, tail_factor : float, default 0 and 1
        Part of the requests, 0 .. 1, whose latency is so many times as long.
    retry_after : int or None, default None
        Seconds that the Retry-After header of a 503 names.
    seed : int, default 0
        All of this depends on the seed, the key, the range and on how often that was asked for before; not on the
        order of requests. The same run meets the same network.

    Raises
    ------
    BrickstreamError
        When a value is negative, not a number, or otherwise out of range.
    """

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    connect_ms: float = 0.0
    bandwidth_mbps: float | None = None
    rate_503: float = 0.0
    rate_reset: float = 0.0
    rate_truncate: float = 0.0
    rate_hang: float = 0.0
    rate_corrupt: float = 0.0
    tail_rate: float = 0.0
    tail_factor: float = 1.0
    retry_after: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("latency_ms", "jitter_ms", "connect_ms"):
            self._check(name, 0, 3_600_000)
        if self.bandwidth_mbps is not None and not 0 < self.bandwidth_mbps < float("inf"):
            raise BrickstreamError("a network needs bandwidth_mbps > 0", str(self.bandwidth_mbps), "leave it out")
        for name in (*_RATES, "tail_rate"):
            self._check(name, 0, 1)
        self._check("tail_factor", 1, 1_000_000)
        if self.retry_after is not None:
            self._check("retry_after", 0, 3_600_000)
        if sum(self._rates()) > 1 + _ROUNDING:
            raise BrickstreamError("a request goes wrong in one way: the rates add up to 1 at most", str(self._rates()))

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise BrickstreamError(f"a network needs {low} <= {name} <= {high}", str(value))

    def _rates(self) -> tuple[float, ...]:
        return tuple(getattr(self, name) for name in _RATES)

    def draw(self, key: str, range_header: str, number: int) -> tuple[float, Fault | None]:
        """Return the latency in seconds (without connecting) and the fault, if any, of one request.

        Parameters
        ----------
        key, range_header : str
            What is asked for.
        number : int
            How often that was asked for before.
        """
        dice = Random(f"{self.seed}/{key}/{range_header}/{number}")
        off = dice.uniform(-self.jitter_ms, self.jitter_ms)
        fault = self._fault(dice.random(), dice.random())
        factor = self.tail_factor if dice.random() < self.tail_rate else 1.0
        return max(0.0, self.latency_ms + off) * factor / 1000, fault

    def _fault(self, roll: float, place: float) -> Fault | None:
        """Return the fault whose part of 0 .. 1 the roll hits."""
        bounds = accumulate(self._rates())
        name = next((name for name, bound in zip(_RATES, bounds, strict=True) if roll < bound), None)
        if name is None:
            return None
        if name == "rate_503":
            return Fault("status", headers={} if self.retry_after is None else {"Retry-After": str(self.retry_after)})
        kind = _RATES[name]
        if kind == "hang":
            place = max(0.0, 2 * place - 1)
        return Fault(kind, share=place, count=1 if kind == "corrupt" else None)


class Link:
    """The one line that all responses share. It lives in one event loop.

    Parameters
    ----------
    bandwidth_mbps : float or None
        Megabits per second, None for unlimited.
    """

    def __init__(self, bandwidth_mbps: float | None) -> None:
        self._bytes_per_s = None if bandwidth_mbps is None else bandwidth_mbps * 1e6 / 8
        self.slice = _UNLIMITED_SLICE
        if self._bytes_per_s is not None:
            self.slice = min(max(SLICE, int(self._bytes_per_s * _SHORTEST_S)), _UNLIMITED_SLICE)
        # A lock wakes its waiters first come, first served: responses that ask again after each slice take turns.
        self._turn = asyncio.Lock()
        self._free_at = 0.0
        self._overslept = 0.0

    async def carry(self, nbytes: int) -> None:
        """Wait for a turn and then for as long as `nbytes` need; at most :attr:`slice` bytes."""
        if self._bytes_per_s is None:
            return
        clock = asyncio.get_running_loop().time
        async with self._turn:
            # A sleep ends late, and the next slice comes a moment later: that counts for the next slice, or a busy link
            # would lose bandwidth. An idle link must not save up more: a small response would then cost nothing.
            earliest = clock() - self._overslept - _SHORTEST_S
            self._free_at = max(self._free_at, earliest) + nbytes / self._bytes_per_s
            await asyncio.sleep(self._free_at - clock())
            self._overslept = max(0.0, clock() - self._free_at)
