"""What a result was measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "brickstream",
    "numpy",
    "aiohttp",
    "numcodecs",
    "zarr",
    "fsspec",
    "dask",
    "vispy",
    "tensorstore",
    "lodstone",
    "napari",
    "neuroglancer",
    "playwright",
)


def describe_machine() -> dict[str, Any]:
    """Say what this machine is, how busy it is, and which versions are installed; None: not installed."""
    load = list(os.getloadavg()) if hasattr(os, "getloadavg") else []
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": _memory(),
        "python": platform.python_version(),
        "load": [round(value, 2) for value in load],
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _memory() -> int:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
