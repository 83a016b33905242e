"""How long the engine holds up the render thread of a host with 60 frames a second: the suite `hold`.

A host polls and commits once a frame while about 200 chunks a second arrive. When a view is complete everything is
taken to be written anew, so that the chunks come again; what that costs on the render thread is a view change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, ThreadedEngine
from brickstream.latency.process import server_process
from brickstream.multiscale import View
from brickstream.render import OffscreenView
from brickstream.samples import write_sample

FRAME_S = 1 / 60
SECONDS = 20.0
# Reads at the same time: more than 200 a second, with that latency; less what the host holds back.
INFLIGHT, LATENCY_MS = 32, 100.0
# For both halves of a frame together: half of it for what has arrived, then what is left for the GPU.
BUDGET_MS = 6.0
SHAPE = (256, 512, 512)
CANVAS = (1024, 1024)


@dataclass(frozen=True)
class Case:
    """A plane or a volume of the same image."""

    name: str
    ndisplay: int

    def view(self, image: ChunkedImage) -> View:
        """All of the finest level."""
        make = View.plane if self.ndisplay == 2 else View.volume
        return make(image, canvas=CANVAS, level=0)


CASES = (Case("plane", 2), Case("volume", 3))


def measure(progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Measure every case, as :func:`brickstream.latency.bench.run_suite` has it."""
    rows = []
    with TemporaryDirectory(prefix="brickstream-bench-") as folder:
        write_sample("synthetic", Path(folder) / "image", shape=SHAPE)
        with server_process(Path(folder), LATENCY_MS) as url:
            for number, case in enumerate(CASES):
                rows.append(_measure(case, f"{url}/image"))
                progress(number + 1, len(CASES))
    return {"runs": 1, "seconds": SECONDS, "rows": rows}


def _measure(case: Case, url: str) -> dict[str, Any]:
    with (
        OffscreenView(CANVAS) as screen,
        Engine.in_thread(max_inflight=INFLIGHT, sink=screen.sink) as engine,
    ):
        image = engine.open(url, 60)
        view = case.view(image)
        screen.show(view)
        screen.warm_up()
        engine.show(image, view)
        engine.complete(60)
        screen.commit()
        host = _Host(engine, screen, image)
        host.run(SECONDS)
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


def _spread(values: Any) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99]).tolist()
    return {"p50": p50, "p99": p99, "max": float(values.max())}


class _Host:
    """A render thread that does nothing but what the engine asks of it, 60 times a second."""

    def __init__(self, engine: ThreadedEngine, screen: OffscreenView, image: ChunkedImage) -> None:
        self._engine, self._screen, self._image = engine, screen, image
        self.held: list[float] = []
        self.polls: list[float] = []
        self.worked: list[float] = []
        self.changes: list[float] = []
        self.chunks = self.late = 0

    def run(self, seconds: float) -> None:
        """Run for a while."""
        begin = time.perf_counter()
        due = begin
        while due < begin + seconds:
            if self._engine.is_complete and not self._screen.sink.pending_uploads:
                self._change()
            self._frame()
            due += FRAME_S
            left = due - time.perf_counter()
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
        self._screen.commit(BUDGET_MS - 1e3 * (polled - start))
        self.polls.append(polled - start)
        self.held.append(time.perf_counter() - start)
        self.worked.append(time.thread_time() - worked)


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people."""
    head = ("case", "frames", "late", "chunks/s", "p50", "p99", "max", "cpu p99", "cpu max", "change p50", "change max")
    lines = ["{:10}{:>8}{:>6}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}{:>12}".format(*head)]
    for row in result["rows"]:
        hold, cpu, change = (row[name] for name in ("hold_ms", "cpu_ms", "change_ms"))
        counts = f"{row['name']:10}{row['frames']:>8}{row['late_frames']:>6}{row['chunks_per_s']:>10.0f}"
        times = "".join(f"{hold[name]:>7.2f} ms" for name in ("p50", "p99", "max"))
        rest = f"{cpu['p99']:>7.2f} ms{cpu['max']:>7.2f} ms{change['p50']:>9.2f} ms{change['max']:>9.2f} ms"
        lines.append(counts + times + rest)
    lines.append(
        f"poll and commit of each frame for {result['seconds']:g} s on {result['machine']['cores']} cores; "
        "cpu: of the render thread alone"
    )
    return "\n".join(lines)
