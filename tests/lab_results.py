"""Results of suites that were never run: engines with a few habits, the same numbers every time."""

import heapq
from dataclasses import dataclass
from itertools import pairwise, product
from random import Random
from statistics import median
from typing import Any

from brickstream.latency.report.result import measures

Document = dict[str, Any]


@dataclass(frozen=True)
class Habits:
    """How an engine that does not exist behaves."""

    inflight: int = 64
    pyramid: bool = True
    overhead_s: float = 0.0004
    round_trips: int = 2
    volumes: bool = True
    state: str = "measured"


ENGINES = {
    "brickstream": Habits(),
    "neuroglancer": Habits(inflight=32, overhead_s=0.001, round_trips=3),
    "napari": Habits(inflight=4, overhead_s=0.004, round_trips=5, volumes=False),
    "tensorstore": Habits(inflight=32, pyramid=False, overhead_s=0.0003),
    "zarr-python": Habits(inflight=10, pyramid=False, overhead_s=0.0012),
    "lodstone": Habits(inflight=64, overhead_s=0.0013, round_trips=3),
    "dask": Habits(inflight=2, pyramid=False, overhead_s=0.003, round_trips=4),
    "webknossos": Habits(state="absent"),
}
NETWORKS = {"lan": {"latency_ms": 1.0}, "s3-far": {"latency_ms": 80.0, "bandwidth_mbps": 800.0, "tail_rate": 0.02}}
WHY = {
    "absent": "not installed: pip install webknossos",
    "unable": "it shows no volumes from a pyramid",
    "failed": "no run came to an end: <timeout> after 120 s & nothing drawn",
}
CHUNK = 141_312


def _workload(title: str, ndisplay: int = 2, views: int = 1, seconds: float = 0.0) -> Document:
    return {
        "title": title,
        "ndisplay": ndisplay,
        "canvas": [800, 600],
        "views": views,
        "seconds": seconds,
        "playback": False,
    }


WORKLOADS = {
    "open-plane": _workload("Open an image and wait until one plane is complete"),
    "open-volume": _workload("Open an image and wait until the volume is complete", ndisplay=3),
    "pan": _workload("Pan over the image for three seconds, then wait", views=90, seconds=3.0),
}


def lab_result(
    workloads: tuple[str, ...] = tuple(WORKLOADS),
    networks: tuple[str, ...] = tuple(NETWORKS),
    engines: tuple[str, ...] = tuple(ENGINES),
    runs: int = 3,
    chunks: int = 48,
    seed: int = 0,
) -> Document:
    """Make a result: a cell for each engine at each place, with about so many chunks to read."""
    random = Random(seed)
    cells = [
        _cell(random, workload, network, engine, runs, chunks)
        for workload, network, engine in product(workloads, networks, engines)
    ]
    return {
        "format": "brickstream-bench",
        "version": 1,
        "suite": "short",
        "command": "brickstream bench run short --out out",
        "date": "2026-11-22T05:10:00+00:00",
        "seconds": 512.3,
        "runs": runs,
        "machine": {
            "system": "Linux",
            "processor": "x86_64",
            "cores": 2,
            "memory_bytes": 8_321_499_136,
            "python": "3.11.7",
            "load": [0.31, 0.42, 0.4],
            "packages": {
                **dict.fromkeys(("brickstream", "neuroglancer", "napari"), "0.9.1"),
                **dict.fromkeys(("tensorstore", "zarr", "lodstone", "dask"), "2026.8.0"),
                "webknossos": None,
            },
        },
        "networks": {name: NETWORKS[name] for name in networks},
        "data": {
            "volume-64": {
                "title": "A volume of cells",
                "shape": [512, 1024, 1024],
                "axes": "zyx",
                "chunks": [64, 64, 64],
                "shards": None,
                "codec": "zstd, level 1",
                "dtype": "uint16",
                "levels": 4,
            }
        },
        "workloads": {name: WORKLOADS[name] for name in workloads},
        "cells": cells,
    }


def _cell(random: Random, workload: str, network: str, engine: str, runs: int, chunks: int) -> Document:
    habits = ENGINES[engine]
    unable = WORKLOADS[workload]["ndisplay"] == 3 and not habits.volumes
    fails = habits.inflight == 2 and workload == "pan" and network != "lan"
    state = "unable" if unable else "failed" if fails else habits.state
    done = [_run(random, habits, workload, network, chunks) for _ in range(runs)] if state == "measured" else []
    return {
        "workload": workload,
        "data": "volume-64",
        "network": network,
        "engine": engine,
        "state": state,
        "why": WHY.get(state, ""),
        "limit": _limit(network, chunks),
        "runs": done,
        "summary": summary(done),
    }


def summary(runs: list[Document]) -> Document:
    """Sum the runs that did not fail up, as a suite does."""
    good = [run["measures"] for run in runs if run["failed"] is None]
    return {measure.name: _stat([run[measure.name] for run in good]) for measure in measures()}


def _stat(values: list[float | None]) -> Document | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return {"median": median(known), "min": min(known), "max": max(known), "count": len(known)}


def _limit(network: str, chunks: int) -> Document:
    trip = NETWORKS[network]["latency_ms"] / 1000
    transfer = chunks * CHUNK * 8 / 1e6 / NETWORKS[network].get("bandwidth_mbps", 10_000.0)
    complete = 2 * trip + transfer + 0.03
    return {
        "first_s": 2 * trip + 0.004,
        "half_s": 2 * trip + transfer / 2 + 0.015,
        "most_s": 2 * trip + transfer * 0.95 + 0.028,
        "complete_s": complete,
        "settle_s": complete,
        "missing_s": 2 * trip + transfer / 2,
        "requests": chunks + 2,
        "bytes": chunks * CHUNK,
        "parts": {
            "round_trip_s": trip,
            "rounds": 2,
            "concurrency": 64,
            "transfer_s": transfer,
            "decode_s": 0.03,
            "set_up_s": trip,
        },
    }


def _run(random: Random, habits: Habits, workload: str, network: str, chunks: int) -> Document:
    views, seconds = WORKLOADS[workload]["views"], WORKLOADS[workload]["seconds"]
    opened, requests = _metadata(random, habits, network)
    moves = [opened + seconds * k / max(views - 1, 1) for k in range(views)]
    asked = _asked(habits, opened, seconds, chunks)
    requests += _fetch(random, habits, network, asked, seconds)
    curve = _curve(requests, moves)
    return {
        "failed": None,
        "measures": _measures(random, habits, requests, curve, moves, opened),
        "curve": curve,
        "moves": moves,
        "timeline": {"open": opened, "first": curve[1][0], "complete": curve[-1][0]},
        "requests": sorted(requests, key=lambda request: request["start"]),
    }


def _metadata(random: Random, habits: Habits, network: str) -> tuple[float, list[Document]]:
    now, found = 0.002, []
    for k in range(habits.round_trips):
        end = now + _trip(random, network)
        found.append(_request(f"zarr.json?{k}", now, end, 2_048, kind="metadata"))
        now = end + 0.001
    return now, found


def _asked(habits: Habits, opened: float, seconds: float, chunks: int) -> list[tuple[float, int, bool]]:
    """When which level is asked for, and whether that view is soon left."""
    coarse = [(opened, 2, False)] * (chunks // 16) + [(opened, 1, False)] * (chunks // 4) if habits.pyramid else []
    passed = [(opened + seconds * k / chunks, 0, True) for k in range(chunks)] if seconds else []
    return [*coarse, *passed, *[(opened + seconds, 0, False)] * chunks]


def _fetch(
    random: Random, habits: Habits, network: str, asked: list[tuple[float, int, bool]], seconds: float
) -> list[Document]:
    busy: list[float] = []
    found = []
    for k, (when, level, leaves) in enumerate(asked):
        start = max(when, heapq.heappop(busy)) if len(busy) >= habits.inflight else when
        start += habits.overhead_s * random.uniform(0.5, 1.5) * (k % habits.inflight)
        cancelled = leaves and habits.inflight >= 32 and random.random() < 0.3
        end = start + _trip(random, network) * (0.6 if cancelled else 1.0)
        heapq.heappush(busy, end)
        outcome = "cancelled" if cancelled else "fault" if random.random() < 0.01 else "served"
        left = leaves and outcome == "served" and end > when + 0.2 and end < seconds
        found.append(_request(f"{level}/c/{k}", start, end, CHUNK, level=level, outcome=outcome, left=left))
    return found


def _trip(random: Random, network: str) -> float:
    slow = 10.0 if random.random() < NETWORKS[network].get("tail_rate", 0.0) else 1.0
    return float(NETWORKS[network]["latency_ms"] / 1000 * slow + random.uniform(0.001, 0.004))


def _request(key: str, start: float, end: float, size: int, **about: Any) -> Document:
    whole = about.get("outcome", "served") == "served"
    return {
        "key": key,
        "range": None,
        "start": start,
        "first": start + (end - start) * 0.8 if whole else None,
        "end": end,
        "bytes": size if whole else size // 5,
        "status": 200,
        "outcome": "served",
        "connection": 1,
        "kind": "chunk" if "level" in about else "metadata",
        "level": None,
        "left": False,
        **about,
    }


def _curve(requests: list[Document], moves: list[float]) -> list[list[float]]:
    fine = sorted(r["end"] for r in requests if r["level"] == 0 and r["outcome"] != "cancelled")
    curve = [[0.0, 0.0]]
    for k, end in enumerate(fine):
        # While the view moves, a part of what came is no longer in view.
        part = 0.6 * (k % 7) / 7 if end < moves[-1] else (k + 1) / len(fine)
        curve.append([end, part])
    return curve


def _measures(
    random: Random,
    habits: Habits,
    requests: list[Document],
    curve: list[list[float]],
    moves: list[float],
    opened: float,
) -> Document:
    begin = moves[-1] if len(moves) > 1 else 0.0
    complete = curve[-1][0]
    cancelled = [r for r in requests if r["outcome"] == "cancelled"]
    left = [r for r in requests if r["left"]]
    frame = 2.0 + habits.overhead_s * 4000 * random.uniform(0.8, 1.2)
    return {
        "open_s": opened,
        "first_s": min(r["end"] for r in requests if r["kind"] == "chunk"),
        **{name: _reached(curve, begin, part) for name, part in (("half_s", 0.5), ("most_s", 0.95))},
        "complete_s": complete - begin,
        "settle_s": complete - moves[-1],
        "missing_s": sum((b[0] - a[0]) * (1 - a[1]) for a, b in pairwise(curve)),
        "requests": len(requests),
        "bytes": sum(r["bytes"] for r in requests),
        "bytes_wasted": sum(r["bytes"] for r in cancelled + left),
        "twice": 0,
        "left": len(left),
        "frame_p50_ms": frame,
        "frame_p95_ms": frame * 2,
        "frame_p99_ms": frame * 3,
        "frame_max_ms": frame * 5,
        "stall_ms": frame * 6,
        "dropped": None,
        "cpu_s": len(requests) * (0.001 + habits.overhead_s),
        "peak_mb": 180.0 + len(requests) * 0.3,
    }


def _reached(curve: list[list[float]], begin: float, part: float) -> float:
    return next(time for time, quality in curve if time >= begin and quality >= part) - begin
