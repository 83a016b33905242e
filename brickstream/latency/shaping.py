"""A far and bad network: how long a response waits, how fast its bytes go, which requests fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from brickstream.errors import BrickstreamError
from brickstream.latency.faults import Fault

SLICE = 8 * 1024
"""Bytes that a response may send before the next response has its turn (more on a link faster than 65 Mbit/s)."""

# Shorter waits than this drown in the cost of waiting; a wide link has larger slices instead.
_SHORTEST_S = 0.001

_UNLIMITED_SLICE = 256 * 1024


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
    error_rate : float, default 0
        Part of the requests, 0 .. 1, that is answered with status 503.
    seed : int, default 0
        Jitter and errors depend on the seed, the key, the range and on how often that was asked for before; not on the
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
    error_rate: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("latency_ms", "jitter_ms", "connect_ms"):
            value = getattr(self, name)
            if not 0 <= value <= 3_600_000:
                raise BrickstreamError(f"a network needs 0 <= {name} <= 3600000", str(value))
        if self.bandwidth_mbps is not None and not 0 < self.bandwidth_mbps < float("inf"):
            raise BrickstreamError("a network needs bandwidth_mbps > 0", str(self.bandwidth_mbps), "leave it out")
        if not 0 <= self.error_rate <= 1:
            raise BrickstreamError("a network needs 0 <= error_rate <= 1", str(self.error_rate))

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
        fault = Fault("status") if dice.random() < self.error_rate else None
        return max(0.0, self.latency_ms + off) / 1000, fault


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
