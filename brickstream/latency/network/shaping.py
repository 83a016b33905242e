"""A far and bad network: how long a response waits, how fast its bytes go, which requests fail."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import accumulate
from random import Random
from typing import Any

from brickstream.errors import BrickstreamError
from brickstream.latency.network.faults import Fault, FaultKind

_RATES: dict[str, FaultKind] = {
    "rate_503": "status",
    "rate_reset": "reset",
    "rate_truncate": "truncate",
    "rate_hang": "hang",
    "rate_corrupt": "corrupt",
    "rate_trickle": "trickle",
}
# Ten times 0.1 is a little more than 1.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Network:
    """The network between a server and its clients.

    Parameters
    ----------
    latency_ms : float, default 0
        A round trip on the line: time from a request to the first byte of its response.
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
        Part of the requests, 0 .. 1, whose latency and time to first byte are so many times as long.
    retry_after : int or None, default None
        Seconds that the Retry-After header of a 503 names.
    seed : int, default 0
        All of this depends on the seed, the key, the range and on how often that was asked for before; not on the
        order of requests. The same run meets the same network.
    ttfb_ms : float, default 0
        What the server itself takes before the first byte, on top of the line's latency.
    connect_round_trips : float, default 0
        So many times `latency_ms`, without jitter, come on top of `connect_ms`: 1 is what TCP takes, 2 is TCP and
        TLS 1.3, 3 is TCP and TLS 1.2.
    connection_mbps : float or None, default None
        Megabits per second of body bytes on each connection; None is unlimited.
    max_connections : int or None, default None
        Connections that are served at once. Requests on further ones wait until one of those closes, as in the queue
        of a listening server.
    keep_alive_s : float or None, default None
        Seconds after which a connection that nothing is asked on is closed; None is an hour.
    requests_per_connection : int or None, default None
        After so many the server closes a connection, and says so; 1 is a server without keep-alive.
    rate_trickle, trickle_kbps : float, default 0 and 8
        Part of the requests, 0 .. 1, whose body goes on at so many kilobits per second from a random place.

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
    ttfb_ms: float = 0.0
    connect_round_trips: float = 0.0
    connection_mbps: float | None = None
    max_connections: int | None = None
    keep_alive_s: float | None = None
    requests_per_connection: int | None = None
    rate_trickle: float = 0.0
    trickle_kbps: float = 8.0

    def __post_init__(self) -> None:
        for name in ("latency_ms", "jitter_ms", "connect_ms", "ttfb_ms", "retry_after"):
            self._check(name, 0, 3_600_000)
        self._check("connect_round_trips", 0, 100)
        for name in ("bandwidth_mbps", "connection_mbps", "keep_alive_s", "trickle_kbps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise BrickstreamError(f"a network needs {name} > 0", str(value), "leave it out")
        for name in ("max_connections", "requests_per_connection"):
            self._check(name, 1, 1_000_000)
        for name in (*_RATES, "tail_rate"):
            self._check(name, 0, 1)
        self._check("tail_factor", 1, 1_000_000)
        if sum(self._rates()) > 1 + _ROUNDING:
            raise BrickstreamError("a request goes wrong in one way: the rates add up to 1 at most", str(self._rates()))

    @property
    def connect_s(self) -> float:
        """Seconds that the first request of each connection waits in addition."""
        return (self.connect_ms + self.connect_round_trips * self.latency_ms) / 1000

    def settings(self) -> dict[str, Any]:
        """Return what is not as on a plain network, by name; ``Network(**settings)`` is the same network."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if value is not None and not low <= value <= high:
            raise BrickstreamError(f"a network needs {low} <= {name} <= {high}", str(value))

    def _rates(self) -> tuple[float, ...]:
        return tuple(getattr(self, name) for name in _RATES)

    def draw(self, key: str, range_header: str, number: int) -> tuple[float, Fault | None]:
        """Return the seconds to the first byte (without connecting) and the fault, if any, of one request.

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
        return (max(0.0, self.latency_ms + off) + self.ttfb_ms) * factor / 1000, fault

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
        return Fault(kind, share=place, count=1 if kind == "corrupt" else None, kbps=self.trickle_kbps)
