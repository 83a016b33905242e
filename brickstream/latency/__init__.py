"""The latency lab: a server that can behave like a far and bad network, computed volumes, and measurements."""

from __future__ import annotations

from brickstream.latency.network import (
    PROFILES,
    Fault,
    Faults,
    Network,
    Quirks,
    RequestRecord,
    Server,
    ThreadedServer,
    profile,
)

__all__ = [
    "PROFILES",
    "Fault",
    "Faults",
    "Network",
    "Quirks",
    "RequestRecord",
    "Server",
    "ThreadedServer",
    "profile",
]
