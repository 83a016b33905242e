"""How long the engine holds up the render thread of a host with 60 frames a second: the suite `hold`.

Once with a sink that does nothing, so that it is the engine alone, and once with our renderer.

A host polls and commits once a frame while about 200 chunks a second arrive. When a view is complete everything is
taken to be written anew, so that the chunks come again; what that costs on the render thread is a view change.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, ThreadedEngine, Update
from brickstream.latency.network import Network
from brickstream.latency.network.process import server_process
from brickstream.multiscale import Budget, Plan, Pyramid, View
from brickstream.multiscale.affine import IntArray
from brickstream.render import OffscreenView
from brickstream.samples import write_sample

FRAME_S = 1 / 60
SECONDS = 20.0
# Reads at the same time: more than 200 a second, with that latency; less what the host holds back.
INFLIGHT, LATENCY_MS = 32, 100.0
# For both halves of a frame together: half of it for what has arrived, then what is left for the GPU.
BUDGET_MS = 4.0
TURN_S = 0.0005
SHAPE = (256, 512, 512)
CANVAS = (1024, 1024)


@dataclass(frozen=True)
class Case:
    """A plane or a volume of the same image."""

    name: str
    ndisplay: int
    draws: bool
    """Whether our renderer is the sink, or one that does nothing."""

    def view(self, image: ChunkedImage) -> View:
        """All of the finest level."""
        make = View.plane if self.ndisplay == 2 else View.volume
        return make(image, canvas=CANVAS, level=0)


CASES = (
    Case("plane, engine alone", 2, draws=False),
    Case("volume, engine alone", 3, draws=False),
    Case("plane, drawn", 2, draws=True),
    Case("volume, drawn", 3, draws=True),
)


def measure(progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Measure every case, as :func:`brickstream.latency.suites.bench.run_suite` has it."""
    rows = []
    with TemporaryDirectory(prefix="brickstream-bench-") as folder, _short_turns(), _frozen():
        write_sample("synthetic", Path(folder) / "image", shape=SHAPE)
        with server_process(Path(folder), Network(latency_ms=LATENCY_MS)) as url:
            for number, case in enumerate(CASES):
                rows.append(_measure(case, f"{url}/image"))
                progress(number + 1, len(CASES))
    return {"runs": 1, "seconds": SECONDS, "rows": rows}


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let threads take turns as docs/embedding.md advises hosts that have a frame rate."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _frozen() -> Iterator[None]:
    """Keep the garbage collector from what was there before, as docs/embedding.md advises."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _measure(case: Case, url: str) -> dict[str, Any]:
    host = _with_renderer(case, url) if case.draws else _alone(case, url)
    held, changes = 1e3 * np.array(host.held), 1e3 * np.array(host.changes)
    return {
        **asdict(case),
        "frames": len(held),
        "late_frames": host.late,
        "chunks_per_s": host.chunks / SECONDS,
        "hold_ms": _spread(held),
        "poll_ms": _spread(1e3 * np.array(host.polls)),
        "cpu_ms": _spread(1e3 * np.array(host.worked)),
        "change_ms": _spread(changes),
    }


def _with_renderer(case: Case, url: str) -> _Host:
    with OffscreenView(CANVAS) as screen, Engine.in_thread(max_inflight=INFLIGHT, sink=screen.sink) as engine:
        image = engine.open(url, 60)
        view = case.view(image)
        screen.show(view)
        screen.warm_up()
        engine.show(image, view)
        engine.complete(60)
        screen.commit()
        host = _Host(engine, image, screen.commit, lambda: screen.sink.pending_uploads)
        host.run(SECONDS)
    return host


def _alone(case: Case, url: str) -> _Host:
    with Engine.in_thread(max_inflight=INFLIGHT, sink=_Taker()) as engine:
        image = engine.open(url, 60)
        engine.show(image, case.view(image))
        engine.complete(60)
        host = _Host(engine, image, lambda budget_ms: 0, lambda: 0)
        host.run(SECONDS)
    return host


class _Taker:
    """A sink that takes everything and shows nothing: what then holds up the render thread is the engine alone."""

    def budget(self, pyramid: Pyramid, view: View) -> Budget:
        """Allow whatever there is."""
        chunks = pyramid.levels[0].chunks
        return Budget(100_000, tuple(chunks[pyramid.axis_index(name)] for name in view.displayed), mixed=False)

    def begin(self, generation: int, plan: Plan) -> tuple[()]:
        """Hold nothing."""
        return ()

    def put(self, update: Update) -> None:
        """Take a chunk."""

    def drop(self, pyramid: Pyramid, regions: Mapping[int, IntArray]) -> None:
        """Hold nothing still."""

    def complete(self, generation: int) -> None:
        """Nothing is left to do."""


def _spread(values: Any) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99]).tolist()
    return {"p50": p50, "p99": p99, "max": float(values.max())}


class _Host:
    """A render thread that does nothing but what the engine asks of it, 60 times a second."""

    def __init__(
        self,
        engine: ThreadedEngine,
        image: ChunkedImage,
        commit: Callable[[float], object],
        pending: Callable[[], int],
    ) -> None:
        self._engine, self._image, self._commit, self._pending = engine, image, commit, pending
        self.held: list[float] = []
        self.polls: list[float] = []
        self.worked: list[float] = []
        self.changes: list[float] = []
        self.chunks = self.late = 0

    def run(self, seconds: float) -> None:
        """Run for a while."""
        begin = time.perf_counter()
        # Counted, not added up: the clock of a machine that has run for long has no room for the last digits.
        for number in range(1, round(seconds / FRAME_S) + 1):
            if self._engine.is_complete and not self._pending():
                self._change()
            self._frame()
            left = begin + number * FRAME_S - time.perf_counter()
            self.late += left < 0
            time.sleep(max(left, 0))

    def _change(self) -> None:
        start = time.perf_counter()
        self._engine.invalidate(self._image)
        self.changes.append(time.perf_counter() - start)

    def _frame(self) -> None:
        start, worked = time.perf_counter(), time.thread_time()
        self.chunks += len(self._engine.poll(BUDGET_MS / 2))
        polled = time.perf_counter()
        self._commit(BUDGET_MS - 1e3 * (polled - start))
        self.polls.append(polled - start)
        self.held.append(time.perf_counter() - start)
        self.worked.append(time.thread_time() - worked)


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people."""
    head = ("case", "frames", "late", "chunks/s", "p50", "p99", "max", "cpu p99", "cpu max", "change p50", "change max")
    lines = ["{:22}{:>8}{:>6}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}{:>12}".format(*head)]
    for row in result["rows"]:
        hold, cpu, change = (row[name] for name in ("hold_ms", "cpu_ms", "change_ms"))
        counts = f"{row['name']:22}{row['frames']:>8}{row['late_frames']:>6}{row['chunks_per_s']:>10.0f}"
        times = "".join(f"{hold[name]:>7.2f} ms" for name in ("p50", "p99", "max"))
        rest = f"{cpu['p99']:>7.2f} ms{cpu['max']:>7.2f} ms{change['p50']:>9.2f} ms{change['max']:>9.2f} ms"
        lines.append(counts + times + rest)
    lines.append(
        f"poll and commit of each frame for {result['seconds']:g} s on {result['machine']['cores']} cores; "
        "cpu: of the render thread alone"
    )
    return "\n".join(lines)
