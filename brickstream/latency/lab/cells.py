"""From what a worker and a server say of a run to its measures, and from runs to a cell of the result. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf
from statistics import median
from typing import Any

from brickstream.latency.engines.protocol import Seen, Shot
from brickstream.latency.measures.frames import dropped, frame_times
from brickstream.latency.measures.quality import Curve, first_seen, measure_curve
from brickstream.latency.measures.requests import Moves, count_requests, read_log
from brickstream.multiscale import Pyramid

MEASURES = (
    "open_s",
    "first_s",
    "half_s",
    "most_s",
    "complete_s",
    "settle_s",
    "missing_s",
    "requests",
    "bytes",
    "bytes_wasted",
    "twice",
    "left",
    "frame_p50_ms",
    "frame_p95_ms",
    "frame_p99_ms",
    "frame_max_ms",
    "stall_ms",
    "dropped",
    "cpu_s",
    "peak_mb",
)
# A curve of a thousand steps looks the same with fewer.
MOST_STEPS = 400


def failed_run(reason: str) -> dict[str, Any]:
    """Make the entry of a run that came to nothing."""
    timeline = {"open": None, "first": None, "complete": None}
    return {"failed": reason, "measures": {}, "curve": [], "moves": [], "timeline": timeline, "requests": []}


def read_run(
    raw: Mapping[str, Any],
    log: Sequence[Mapping[str, Any]],
    root: str,
    ahead: float,
    shots: Sequence[Shot],
    pyramid: Pyramid,
    playback: bool,
    unmeasured: Sequence[str] = (),
) -> dict[str, Any]:
    """Make the entry of a run.

    Parameters
    ----------
    raw : mapping
        What the worker says.
    log : sequence of mapping
        The server's log of this run.
    root : str
        Key of the image on the server.
    ahead : float
        Seconds by which the log's clock is ahead of the worker's.
    shots : sequence of Shot
    pyramid : Pyramid
    playback : bool
        Whether each view counts for itself.
    unmeasured : sequence of str
        Measures that say nothing of the engine.
    """
    if raw["failed"]:
        return failed_run(raw["failed"])
    began = raw["began"]
    shown = [(number, t - began) for number, t in raw["shown"]]
    seen = [Seen(t - began, level, _box(box), share) for t, level, box, share in raw["seen"]]
    moves = [t for _, t in shown]
    curve = measure_curve(shots, shown, seen, [level.shape for level in pyramid.levels])
    asked = read_log(log, root, began + ahead, Moves(pyramid, moves, [shots[number].view for number, _ in shown]))
    timeline = {"open": raw["opened"] - began, "first": first_seen(seen, 0.0), "complete": raw["ended"] - began}
    due = raw["opened"] - began + shots[-1].at
    measures = _times(curve, timeline, moves, 0.0 if len(shots) == 1 else due, due)
    measures |= count_requests(asked) | frame_times(raw["frames"], raw["begun"])
    measures |= {"cpu_s": raw["cpu_s"], "peak_mb": raw["peak_mb"], "dropped": None}
    if playback:
        measures["dropped"] = dropped(len(shots), _completions(curve, moves))
    return {
        "failed": None,
        "measures": {name: None if name in unmeasured else measures[name] for name in MEASURES},
        "curve": _thinned(curve),
        "moves": moves,
        "timeline": timeline,
        "requests": [asdict(row) for row in asked],
    }


def _times(
    curve: Curve, timeline: Mapping[str, float | None], moves: Sequence[float], since: float, due: float
) -> dict[str, float | None]:
    """Waiting times: who opened an image has waited since then; who moved, since the last move was due."""
    reached = {part: curve.reached(part, moves[-1]) for part in (0.5, 0.95, 1.0)}
    after = {part: None if t is None else t - since for part, t in reached.items()}
    whole = reached[1.0]
    return {
        "open_s": timeline["open"],
        "first_s": timeline["first"],
        "half_s": after[0.5],
        "most_s": after[0.95],
        "complete_s": after[1.0],
        "settle_s": None if whole is None else whole - due,
        "missing_s": None if whole is None else curve.missing(0.0, whole),
    }


def _completions(curve: Curve, moves: Sequence[float]) -> list[float | None]:
    """For each view when it was complete, if it was before the next one."""
    ends = [*moves[1:], float("inf")]
    found = [curve.reached(1.0, begin) for begin in moves]
    return [t if t is not None and t < end else None for t, end in zip(found, ends, strict=True)]


def _thinned(curve: Curve) -> list[tuple[float, float]]:
    steps = list(zip(curve.times, curve.parts, strict=True))
    stride = -(-len(steps) // MOST_STEPS)
    kept = steps[::stride] if steps else []
    return kept if not steps or kept[-1] == steps[-1] else [*kept, steps[-1]]


def _box(box: Sequence[Sequence[int]] | None) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    return None if box is None else (tuple(box[0]), tuple(box[1]))


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float] | None]:
    """Median and range of each measure over the runs that succeeded; None where it was not measured."""
    done = [run["measures"] for run in runs if run["failed"] is None]
    found: dict[str, dict[str, float] | None] = {}
    for name in MEASURES:
        values = [measures[name] for measures in done if measures[name] is not None]
        found[name] = None
        if values:
            spread = {"median": median(values), "min": min(values), "max": max(values)}
            found[name] = spread | {"count": len(values)}
    return found


def middle(runs: Sequence[Mapping[str, Any]]) -> int | None:
    """Number of the run whose missing seconds are the median ones; the lower one of two."""
    good = ((run["measures"]["missing_s"], number) for number, run in enumerate(runs) if run["failed"] is None)
    done = sorted((inf if missing is None else missing, number) for missing, number in good)
    return done[(len(done) - 1) // 2][1] if done else None
