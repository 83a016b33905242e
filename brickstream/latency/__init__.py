"""The latency lab: a server that can behave like a far and bad network, computed volumes, and measurements."""

from __future__ import annotations

from brickstream.latency.answers import Quirks
from brickstream.latency.exchange import RequestRecord
from brickstream.latency.faults import Fault, Faults
from brickstream.latency.server import Server, ThreadedServer
from brickstream.latency.shaping import Network

__all__ = ["Fault", "Faults", "Network", "Quirks", "RequestRecord", "Server", "ThreadedServer"]
