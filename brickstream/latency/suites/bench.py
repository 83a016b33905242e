"""The benchmark suites of the command line."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from brickstream.errors import BrickstreamError
from brickstream.latency.suites import drawing, holding, opening, planning, waiting

SUITES = {"quick": waiting, "open": opening, "hold": holding, "plan": planning, "render": drawing}
_PACKAGES = ("brickstream", "numpy", "zarr", "aiohttp", "vispy")


def run_suite(suite: str, progress: Callable[[int, int], None] = lambda done, total: None) -> dict[str, Any]:
    """Run a suite.

    Parameters
    ----------
    suite : {"quick", "open", "hold", "plan", "render"}
        How long people wait for pixels; for the first ones, in round trips; how long the render thread is held up; what
        a plan costs; how long a frame of a volume takes.
    progress : callable
        Takes finished and planned cases.

    Returns
    -------
    dict
        ``suite``, ``machine``, ``runs``, and ``rows``: for each case the median, lowest and highest of every figure.

    Raises
    ------
    BrickstreamError
        If there is no such suite, or a run did not complete.
    """
    if suite not in SUITES:
        raise BrickstreamError(f"no suite {suite!r}", "", f"there is {', '.join(SUITES)}")
    return {"suite": suite, "machine": _machine(), **SUITES[suite].measure(progress)}


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people: medians of the runs."""
    return str(SUITES[result["suite"]].table(result))


def _machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }
