"""Engines side by side: every engine plays the same sessions on the same images over the same networks."""

from __future__ import annotations

from brickstream.latency.lab.plan import SUITES, Case, Suite
from brickstream.latency.lab.running import Options, measure

__all__ = ["SUITES", "Case", "Options", "Suite", "measure"]
