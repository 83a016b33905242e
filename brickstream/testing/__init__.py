"""Fakes and conformance classes for tests: of brickstream itself, and of the sources and sinks that people bring.

Needs nothing but what brickstream needs; the conformance classes are collected by pytest when a test class inherits
them.
"""

from brickstream.testing.clock import VirtualClock
from brickstream.testing.conformance import ChunkSourceConformance, SinkConformance
from brickstream.testing.images import ArrayFactory, Ratio, memory_image, shrink
from brickstream.testing.readers import CountingReader, FaultyReader, MemoryReader, ReadCall
from brickstream.testing.sinks import RecordingSink
from brickstream.testing.sources import Event, StepSource, settle

__all__ = [
    "ArrayFactory",
    "ChunkSourceConformance",
    "CountingReader",
    "Event",
    "FaultyReader",
    "MemoryReader",
    "Ratio",
    "ReadCall",
    "RecordingSink",
    "SinkConformance",
    "StepSource",
    "VirtualClock",
    "memory_image",
    "settle",
    "shrink",
]
