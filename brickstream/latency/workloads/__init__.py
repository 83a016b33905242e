"""What engines are asked to show: sessions of views, by name or recorded, and the images that they run on."""

from __future__ import annotations

from brickstream.latency.workloads.data import DATA, Data, write_data
from brickstream.latency.workloads.named import WORKLOADS, load_workload
from brickstream.latency.workloads.session import Session, Step, read_session, write_session
from brickstream.latency.workloads.workload import Workload, read_workload, workload_of, write_workload

__all__ = [
    "DATA",
    "WORKLOADS",
    "Data",
    "Session",
    "Step",
    "Workload",
    "load_workload",
    "read_session",
    "read_workload",
    "workload_of",
    "write_data",
    "write_session",
    "write_workload",
]
