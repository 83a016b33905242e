"""What telemetry costs: a change of a chunk's state, a request and a frame, with and without it.

Run: python benchmarks/telemetry.py
"""

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from brickstream.chunks import ChunkState, Traffic
from brickstream.chunks.table import ChunkTable, Limits
from brickstream.chunks.traffic import Exchange
from brickstream.engine import Telemetry
from brickstream.testing import memory_image

CHUNKS, RUNS = 2_000, 15
WAY = (
    ChunkState.QUEUED,
    ChunkState.REQUESTED,
    ChunkState.RECEIVING,
    ChunkState.DECODING,
    ChunkState.LOADED,
    ChunkState.ABSENT,
)
DATA = np.zeros(1, np.uint8)


def moves(telemetry: Telemetry | None) -> int:
    """Bring chunks through all states, until they are evicted; how many changes that were."""
    source: Any = memory_image(np.zeros((1, 1), np.uint8), (1, 1)).sources[0]
    table = ChunkTable(Limits(max_bytes=1 << 30, max_inflight=CHUNKS))
    table.observer = None if telemetry is None else telemetry.chunks.moved
    for number in range(CHUNKS):
        entry = table.get((1, (0, number)), source)
        for state in WAY:
            table.move(entry, state, DATA if state is ChunkState.LOADED else None)
    return CHUNKS * len(WAY)


def requests(telemetry: Telemetry | None) -> int:
    traffic = Traffic(observer=None if telemetry is None else telemetry.requests)
    for _ in range(CHUNKS):
        with Exchange(traffic, "http://host/image/0/c/0/0") as exchange:
            exchange.begins(0.0, 200)
            exchange.took(100)
    return CHUNKS


def polls(telemetry: Telemetry | None) -> int:
    for _ in range(CHUNKS):
        if telemetry is not None:
            with telemetry.work("poll"):
                pass
    return CHUNKS


def cost(act: Callable[[Telemetry | None], int], *, told: bool) -> float:
    """Microseconds of processor time a piece: the lowest of some runs, each with a telemetry of its own."""
    found = []
    for _ in range(RUNS):
        telemetry = Telemetry() if told else None
        gc.collect()
        begin = time.thread_time()
        count = act(telemetry)
        found.append((time.thread_time() - begin) / count * 1e6)
    return min(found)


def event_bytes() -> float:
    """Bytes of memory that an event takes, of chunks."""
    telemetry = Telemetry()
    tracemalloc.start()
    moves(telemetry)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / len(telemetry.events())


def main() -> None:
    for name, act in (("change of a chunk's state", moves), ("request", requests), ("poll or frame", polls)):
        off, on = cost(act, told=False), cost(act, told=True)
        print(f"{name:26} off {off:5.2f} µs   on {on:5.2f} µs   more {on - off:5.2f} µs")
    telemetry = Telemetry()
    moves(telemetry)
    begin = time.thread_time()
    telemetry.summary()
    print(f"{'summary':26} {(time.thread_time() - begin) * 1e3:.2f} ms   event {event_bytes():.0f} bytes")


if __name__ == "__main__":
    main()
