"""Engines to measure: each name is a module here and its settings."""

from typing import Any

ENGINES: dict[str, tuple[str, dict[str, Any]]] = {
    "bare-16": ("bare_loop", {"concurrency": 16}),
    "bare-32": ("bare_loop", {"concurrency": 32}),
    "bare-64": ("bare_loop", {"concurrency": 64}),
    "bare-128": ("bare_loop", {"concurrency": 128}),
    "ours": ("brickstream_engine", {}),
    "ours-16": ("brickstream_engine", {"concurrency": 16}),
    "ours-32": ("brickstream_engine", {"concurrency": 32}),
    "ours-64": ("brickstream_engine", {"concurrency": 64}),
    "ours-128": ("brickstream_engine", {"concurrency": 128}),
    "tensorstore-32": ("tensorstore_reads", {"concurrency": 32}),
    "tensorstore-64": ("tensorstore_reads", {"concurrency": 64}),
    "tensorstore-128": ("tensorstore_reads", {"concurrency": 128}),
    "obstore-32": ("obstore_reads", {"concurrency": 32}),
    "obstore-64": ("obstore_reads", {"concurrency": 64}),
    "obstore-128": ("obstore_reads", {"concurrency": 128}),
    "zarr-slice": ("zarr_async", {"concurrency": 64, "whole": True}),
    "zarr-32": ("zarr_async", {"concurrency": 32}),
    "zarr-64": ("zarr_async", {"concurrency": 64}),
    "zarr-obstore-64": ("zarr_async", {"concurrency": 64, "obstore": True}),
    "lodstone": ("lodstone_stream", {}),
    "lodstone-64": ("lodstone_stream", {"concurrency": 64}),
    "dask": ("dask_slice", {}),
}
BARE = tuple(name for name in ENGINES if name.startswith("bare-"))
