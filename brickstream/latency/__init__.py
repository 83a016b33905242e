"""The latency lab: a server that can behave like a far and bad network, computed volumes, and measurements."""

from __future__ import annotations

from brickstream.latency.network import Fault, Faults, Network, Quirks, RequestRecord, Server, ThreadedServer

__all__ = ["Fault", "Faults", "Network", "Quirks", "RequestRecord", "Server", "ThreadedServer"]
