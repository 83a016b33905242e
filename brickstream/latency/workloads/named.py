"""The workloads that have names: data files beside this one, in ``scripts/``."""

from __future__ import annotations

import json
from importlib.resources import files

from brickstream.errors import BrickstreamError
from brickstream.latency.workloads.workload import Workload, workload_from

WORKLOADS = (
    "open-plane",
    "open-volume",
    "jump",
    "pan",
    "zoom",
    "scrub",
    "playback",
    "orbit",
    "fly",
    "recorded",
)
"""Names for :func:`load_workload`."""


def load_workload(name: str) -> Workload:
    """Read a named workload.

    Raises
    ------
    BrickstreamError
        If there is none of this name.
    """
    if name not in WORKLOADS:
        raise BrickstreamError("there is no workload of this name", name, f"choose one of {', '.join(WORKLOADS)}")
    script = files("brickstream.latency.workloads") / "scripts" / f"{name}.json"
    return workload_from(json.loads(script.read_text(encoding="utf-8")), name)
