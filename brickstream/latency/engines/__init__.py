"""Engines that can be measured: ours and others, each behind the same small Protocol, each an optional extra."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from brickstream.errors import MissingPackageError
from brickstream.latency.engines.chromium import find_chromium
from brickstream.latency.engines.protocol import Adapter, Watch

__all__ = ["ENGINES", "Adapter", "EngineInfo", "Watch", "make_adapter", "missing"]


@dataclass(frozen=True)
class EngineInfo:
    """An engine and what it is made with.

    Attributes
    ----------
    title : str
        What is measured, in a line.
    module : str
        Of this package; it has ``make(watch, canvas)``.
    needs : tuple of str
        Distributions that have to be installed.
    settings : dict
        Keywords of ``make``.
    volumes : bool
        Whether it shows volumes at the level that fills the canvas.
    browser : bool
        Whether it runs in one.
    unmeasured : tuple of str
        Measures that say nothing of it.
    """

    title: str
    module: str
    needs: tuple[str, ...]
    settings: dict[str, Any]
    volumes: bool = True
    browser: bool = False
    unmeasured: tuple[str, ...] = ()


ENGINES: dict[str, EngineInfo] = {
    "brickstream": EngineInfo("this engine, without a screen, at its defaults", "ours", (), {}),
    "brickstream-drawn": EngineInfo("the same, every frame drawn by our renderer", "ours_drawn", (), {}),
    "dask": EngineInfo("one dask slice of the whole view, in the host's thread", "dask_slice", ("dask", "aiohttp"), {}),
    "zarr": EngineInfo("zarr-python's async arrays, chunk by chunk", "zarr_async", ("zarr", "aiohttp"), {}),
    "tensorstore": EngineInfo("tensorstore, chunk by chunk, with a cache", "tensorstore_reads", ("tensorstore",), {}),
    "lodstone": EngineInfo("lodstone's Stream and Planner at their defaults", "lodstone_stream", ("lodstone",), {}),
    "napari": EngineInfo("napari's layer, slicing in the host's thread", "napari_layer", ("napari",), {}, False),
    "napari-async": EngineInfo(
        "napari's layer, slicing in its thread", "napari_layer", ("napari",), {"in_thread": True}, False
    ),
    "neuroglancer": EngineInfo(
        "neuroglancer in headless Chromium",
        "neuroglancer_page",
        ("neuroglancer", "playwright", "psutil"),
        {},
        browser=True,
        # It opens an image with the first view; its frames are the browser's, those of the host are only questions.
        unmeasured=("open_s", "frame_p50_ms", "frame_p95_ms", "frame_p99_ms", "frame_max_ms", "stall_ms"),
    ),
}


def missing(name: str) -> str:
    """Say what an engine lacks here; empty where it can be measured."""
    info = ENGINES[name]
    lacking = [package for package in info.needs if not _is_there(package)]
    if lacking:
        return f"not installed: {', '.join(lacking)} (pip install 'brickstream[bench]')"
    return "no Chromium on this machine (apt-get install chromium)" if info.browser and not find_chromium() else ""


def make_adapter(name: str, watch: Watch, canvas: tuple[int, int]) -> Adapter:
    """Make an engine's adapter.

    Raises
    ------
    MissingPackageError
        If something that it needs is not installed.
    """
    info = ENGINES[name]
    if lacking := missing(name):
        raise MissingPackageError(f"the engine {name} cannot be measured", lacking)
    module = import_module(f"brickstream.latency.engines.{info.module}")
    adapter: Adapter = module.make(watch, canvas, **info.settings)
    return adapter


def _is_there(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
