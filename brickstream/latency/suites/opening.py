"""How long it takes from `engine.open` to the first update, in round trips, and what a pan costs: the suite `open`.

The process is warm: an engine runs, and has opened another image from the same server. First update means handed to the
sink; the frame that is drawn of it comes beside. Then the view is panned by a few pixels, and back again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, ThreadedEngine
from brickstream.errors import TimedOutError
from brickstream.latency.network import Network
from brickstream.latency.network.process import server_process
from brickstream.multiscale import View
from brickstream.multiscale.navigate import pan
from brickstream.render import OffscreenView
from brickstream.samples import write_sample

RUNS = 5
LATENCY_MS = 50.0
SHAPE = (256, 384, 384)
CANVAS = (800, 600)
PAN = 160.0
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Case:
    """One image, seen in one way."""

    name: str
    image: str
    ndisplay: int
    round_trips: int
    """Two for the metadata and one for a chunk; one more for the index of a shard."""

    def view(self, image: ChunkedImage) -> View:
        """The middle of it, close up, so that a pan brings something new."""
        if self.ndisplay == 2:
            return View.plane(image, canvas=CANVAS, zoom=4.0)
        return View.volume(image, canvas=CANVAS, zoom=4.0)


CASES = (
    Case("plane", "chunks", 2, 3),
    Case("volume", "chunks", 3, 3),
    Case("plane, sharded", "shards", 2, 4),
    Case("volume, sharded", "shards", 3, 4),
)


def measure(progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Measure every case, as :func:`brickstream.latency.suites.bench.run_suite` has it."""
    rows = []
    with TemporaryDirectory(prefix="brickstream-bench-") as folder:
        for name in ("warm", "chunks"):
            write_sample("synthetic", Path(folder) / name, shape=SHAPE)
        write_sample("synthetic", Path(folder) / "shards", shape=SHAPE, sharded=True)
        with server_process(Path(folder), Network(latency_ms=LATENCY_MS)) as url:
            for number, case in enumerate(CASES):
                rows.append(_measure(case, url))
                progress(number + 1, len(CASES))
    return {"runs": RUNS, "latency_ms": LATENCY_MS, "rows": rows}


def _measure(case: Case, url: str) -> dict[str, Any]:
    runs = [_once(case, url) for _ in range(RUNS)]
    limit = case.round_trips * LATENCY_MS / 1e3
    row: dict[str, Any] = {**asdict(case), "round_trips_s": limit}
    for name in runs[0]:
        values = [run[name] for run in runs]
        row[name] = {"median": median(values), "min": min(values), "max": max(values)}
    row["over_ms"] = 1e3 * (row["first_update_s"]["median"] - limit)
    return row


def _once(case: Case, url: str) -> dict[str, float]:
    with OffscreenView(CANVAS) as screen, Engine.in_thread(sink=screen.sink) as engine:
        warm = engine.open(f"{url}/warm", TIMEOUT_S)
        screen.show(case.view(warm))
        screen.warm_up()
        engine.show(warm, case.view(warm))
        engine.complete(TIMEOUT_S)
        screen.draw()
        begin = time.perf_counter()
        image = engine.open(f"{url}/{case.image}", TIMEOUT_S)
        opened = time.perf_counter()
        view = case.view(image)
        engine.show(image, view)
        while not engine.poll():
            if not engine.wait(TIMEOUT_S):
                raise TimedOutError(f"no chunk came within {TIMEOUT_S:g} s", case.name)
        first = time.perf_counter()
        screen.show(view)
        screen.draw(draft=True)
        drawn = time.perf_counter()
        engine.complete(TIMEOUT_S)
        counts = _requests(engine, image, view)
    return {"open_s": opened - begin, "first_update_s": first - begin, "first_frame_s": drawn - begin, **counts}


def _requests(engine: ThreadedEngine, image: ChunkedImage, view: View) -> dict[str, float]:
    """Requests of a pan, chunks of it that were not in view before, and requests of the way back."""
    before = _chunks(engine, image, view)
    panned = pan(view, PAN, 0.0)
    counts = [engine.stats().requests]
    for other in (panned, view):
        engine.show(image, other)
        engine.complete(TIMEOUT_S)
        counts.append(engine.stats().requests)
    new = len(_chunks(engine, image, panned) - before)
    return {"pan_requests": counts[1] - counts[0], "pan_new_chunks": new, "back_requests": counts[2] - counts[1]}


def _chunks(engine: ThreadedEngine, image: ChunkedImage, view: View) -> set[tuple[int, tuple[int, ...]]]:
    """Chunks that a view needs."""
    plan = engine.show(image, view)
    engine.complete(TIMEOUT_S)
    return {(part.level, tuple(index)) for part in plan.levels for index in part.chunks.tolist()}


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people: medians of the runs."""
    head = ("case", "open", "first update", "round trips", "over", "first frame", "pan", "new", "back")
    lines = ["{:18}{:>9}{:>14}{:>13}{:>9}{:>13}{:>6}{:>6}{:>6}".format(*head)]
    for row in result["rows"]:
        times = [row[name]["median"] for name in ("open_s", "first_update_s")]
        text = f"{row['name']:18}{times[0]:>7.3f} s{times[1]:>12.3f} s"
        text += f"{row['round_trips']:>5} = {row['round_trips_s']:.2f} s{row['over_ms']:>6.0f} ms"
        text += f"{row['first_frame_s']['median']:>11.3f} s"
        lines.append(text + "".join(f"{row[name]['median']:>6.0f}" for name in _COUNTS))
    lines.append(
        f"{result['latency_ms']:g} ms latency; medians of {result['runs']} runs on {result['machine']['cores']} cores; "
        f"pan, new, back: requests of a pan by {PAN:g} pixels, chunks new in view, requests of the way back"
    )
    return "\n".join(lines)


_COUNTS = ("pan_requests", "pan_new_chunks", "back_requests")
