"""A server on the loopback that behaves like a far and bad network, and a process of its own for it."""

from __future__ import annotations

from brickstream.latency.network.answers import Quirks
from brickstream.latency.network.faults import Fault, Faults
from brickstream.latency.network.profiles import PROFILES, profile
from brickstream.latency.network.record import RequestRecord
from brickstream.latency.network.server import Server, ThreadedServer
from brickstream.latency.network.shaping import Network

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
