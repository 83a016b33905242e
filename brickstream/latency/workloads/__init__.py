"""What engines are asked to show: sessions of views, by name or recorded, and the images that they run on."""

from __future__ import annotations

from brickstream.latency.workloads.data import DATA, Data, write_data

__all__ = ["DATA", "Data", "write_data"]
