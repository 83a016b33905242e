"""Real and computed images, written as OME-Zarr, to look at and to measure with."""

from __future__ import annotations

from brickstream.samples.write import SAMPLE_NAMES, write_sample

__all__ = ["SAMPLE_NAMES", "write_sample"]
