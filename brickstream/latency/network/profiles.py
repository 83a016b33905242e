"""Networks by name: typical ones, from the machine next door to a bad day on the road."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from brickstream.errors import BrickstreamError
from brickstream.latency.network.shaping import Network

# An object store behind TLS 1.3.
_STORE = Network(ttfb_ms=30, connect_round_trips=2, tail_rate=0.02, tail_factor=5)

PROFILES: Mapping[str, Network] = MappingProxyType(
    {
        "lan": Network(latency_ms=0.5, jitter_ms=0.2, ttfb_ms=1, connect_round_trips=1, bandwidth_mbps=940),
        "campus": Network(
            latency_ms=4,
            jitter_ms=1,
            ttfb_ms=5,
            connect_round_trips=2,
            bandwidth_mbps=500,
            keep_alive_s=5,
            requests_per_connection=100,
        ),
        "s3-same-region": replace(_STORE, latency_ms=1.5, jitter_ms=0.5, bandwidth_mbps=2000, connection_mbps=700),
        "s3-far": replace(_STORE, latency_ms=80, jitter_ms=8, bandwidth_mbps=300, connection_mbps=60),
        "home-30mbps": replace(_STORE, latency_ms=30, jitter_ms=8, bandwidth_mbps=30),
        "mobile": replace(_STORE, latency_ms=70, jitter_ms=30, bandwidth_mbps=12),
        "bad-day": Network(
            latency_ms=120,
            jitter_ms=60,
            ttfb_ms=40,
            connect_round_trips=3,
            bandwidth_mbps=8,
            tail_rate=0.05,
            tail_factor=8,
            rate_503=0.03,
            retry_after=1,
            rate_reset=0.02,
            rate_hang=0.005,
            rate_trickle=0.01,
            requests_per_connection=100,
        ),
    }
)
"""Networks by name, each a plain :class:`Network`: ``dataclasses.replace`` changes single settings."""

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "lan": "one switch of gigabit Ethernet, of which 94 % is left for the data of TCP; plain HTTP",
        "campus": "a few routers to a web server of the same institute, with the default keep-alive of Apache httpd "
        "(5 s, 100 requests); HTTPS with TLS 1.3",
        "s3-same-region": "a round trip between the zones of a region; Amazon's performance guidelines count 85 to "
        "90 MB/s for each request and 100 to 200 ms for a small object, which is the tail here: most answers within a "
        "region begin after some 30 ms",
        "s3-far": "the same store over an ocean: a round trip between the east of North America and western Europe is "
        "some 80 ms, and a TCP window of 600 kB carries 60 Mbit/s over that",
        "home-30mbps": "a home on 30 Mbit/s, 20 ms of access network and 10 ms to a data centre in the same country",
        "mobile": "the LTE setting that web page tests use, 12 Mbit/s and 70 ms, with the spread of radio",
        "bad-day": "not measured anywhere: a crowded network and a server under load, made so that a few hundred "
        "requests meet every failure that a client has to live with; no wrong pixels (no truncate, no corrupt), so "
        "that a picture can still be complete; TLS 1.2",
    }
)
"""Where the numbers of each profile come from, one sentence each."""


def profile(name: str) -> Network:
    """Return the network of that name.

    Raises
    ------
    BrickstreamError
        When there is none.
    """
    if name not in PROFILES:
        raise BrickstreamError("there is no such network", name, f"known are {', '.join(PROFILES)}")
    return PROFILES[name]
