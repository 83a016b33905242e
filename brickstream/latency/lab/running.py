"""Runs suites: servers and workers in processes of their own, engines in an order that changes from run to run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine
from brickstream.errors import StoreError
from brickstream.latency.engines import ENGINES, missing
from brickstream.latency.engines.protocol import Shot, shot_of
from brickstream.latency.engines.worker import ANSWER
from brickstream.latency.lab.cells import middle, read_run, summary
from brickstream.latency.lab.machine import describe_machine
from brickstream.latency.lab.plan import Case, Suite
from brickstream.latency.measures.limit import Limit, Means, find_limit
from brickstream.latency.measures.needs import StoredImage
from brickstream.latency.network.process import server_process
from brickstream.latency.network.profiles import profile
from brickstream.latency.network.shaping import Network
from brickstream.latency.workloads import DATA, Session, load_workload, write_data, write_session
from brickstream.samples import write_sample

Progress = Callable[[int, int], None]
OPEN_S = 60.0
# What a worker needs beside its session: imports, a browser, the way down.
START_S = 90.0


@dataclass(frozen=True)
class Options:
    """How a suite is run.

    Attributes
    ----------
    engines : tuple of str
    runs : int or None
        Instead of the suite's own number.
    folder : Path or None
        Keep the images here for the next time; None writes them anew.
    command : str
        What was typed, for the result.
    """

    engines: tuple[str, ...] = tuple(ENGINES)
    runs: int | None = None
    folder: Path | None = None
    command: str = ""


@dataclass(frozen=True)
class _Scene:
    """A session on an image, ready to be played over any network."""

    case: Case
    folder: Path
    image: ChunkedImage
    session: Session
    file: Path
    shots: tuple[Shot, ...]


def measure(name: str, suite: Suite, options: Options, progress: Progress = lambda done, total: None) -> dict[str, Any]:
    """Run a suite and return its result, as docs/bench-results.md describes it; minutes.

    Raises
    ------
    BrickstreamError
        If an image cannot be written, or a server does not start.
    """
    begun, started = datetime.now(UTC), time.monotonic()
    runs = options.runs or suite.runs
    with TemporaryDirectory(prefix="brickstream-bench-") as scratch:
        folder = options.folder or Path(scratch)
        with Engine.in_thread() as reader:
            scenes = [
                _stage(case, folder, Path(scratch) / f"{number}.json", reader.open)
                for number, case in enumerate(suite.cases)
            ]
        total = runs * sum(not _obstacle(engine, scene) for scene in scenes for engine in options.engines)
        counter = iter(range(1, total + 1))
        cells: list[dict[str, Any]] = []
        with server_process(folder) as warm:
            for scene in scenes:
                step = lambda: progress(next(counter), total)  # noqa: E731
                cells += _measure(scene, suite, runs, options.engines, f"{warm}/{_warm_image(scene)}", step)
    found = {
        "format": "brickstream-bench",
        "version": 1,
        "suite": name,
        "command": options.command,
        "date": begun.isoformat(timespec="seconds"),
        "seconds": time.monotonic() - started,
        "runs": runs,
        "machine": describe_machine(),
        **_described(scenes),
        "cells": cells,
    }
    # What is handed on is what a file of it would hold.
    plain: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return plain


def _stage(case: Case, folder: Path, file: Path, open_image: Callable[[Path, float], ChunkedImage]) -> _Scene:
    """Write the image and the session of a case."""
    stored = write_data(case.data, folder)
    image = open_image(stored, OPEN_S)
    session = load_workload(case.workload).session(image)
    write_session(file, session)
    shots = tuple(shot_of(step.at, step.view, image.pyramid) for step in session.steps)
    return _Scene(case, stored, image, session, file, shots)


def _warm_image(scene: _Scene) -> str:
    """Path of a small image of the same type of pixel and codec: decoders and shaders differ."""
    data = DATA[scene.case.data]
    if data.dtype == "uint8":
        return "synthetic/64x64x64"
    name = f"warm-{data.codec}"
    write_sample("synthetic", scene.folder.parent / name, shape=(64, 64, 64), codec=data.codec)
    return name


def _described(scenes: Sequence[_Scene]) -> dict[str, Any]:
    """What the names in the cells stand for."""
    networks, data, workloads = {}, {}, {}
    for scene in scenes:
        case, steps = scene.case, scene.session.steps
        networks[case.network] = profile(case.network).settings()
        data[case.data] = asdict(DATA[case.data])
        workloads[case.workload] = {
            "title": scene.session.title,
            "ndisplay": steps[0].view.ndisplay,
            "canvas": list(scene.session.canvas),
            "views": len(steps),
            "seconds": steps[-1].at,
            "playback": scene.session.playback,
        }
    return {"networks": networks, "data": data, "workloads": workloads}


def _measure(
    scene: _Scene, suite: Suite, runs: int, engines: Sequence[str], warm: str, step: Callable[[], None]
) -> list[dict[str, Any]]:
    """Let every engine play a case. A run has a seed of its own; within it every engine meets the same network."""
    network = profile(scene.case.network)
    able = [name for name in engines if not _obstacle(name, scene)]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in engines}
    for number in range(runs):
        with server_process(scene.folder.parent, _seeded(network, number)) as url:
            for name in Random(number).sample(able, len(able)):
                found[name].append(_run(scene, name, url, warm, suite.timeout))
                step()
    limit = _limit(scene, network)
    return [_cell(scene, name, found[name], limit) for name in engines]


def _obstacle(name: str, scene: _Scene) -> tuple[str, str] | None:
    """Why an engine cannot play a case: state and reason; None where it can."""
    if lacking := missing(name):
        return "absent", lacking
    if scene.session.steps[0].view.ndisplay == 3 and not ENGINES[name].volumes:
        return "unable", "shows volumes at the coarsest level only"
    return None


def _cell(scene: _Scene, name: str, runs: list[dict[str, Any]], limit: Limit) -> dict[str, Any]:
    obstacle = _obstacle(name, scene)
    failures = [run["failed"] for run in runs if run["failed"]]
    state, why = obstacle or ("measured" if len(failures) < len(runs) else "failed", failures[0] if failures else "")
    shown = middle(runs)
    # The requests of one run are enough to look at; all of them are several megabytes.
    kept = [run if number == shown else run | {"requests": []} for number, run in enumerate(runs)]
    return {**asdict(scene.case), "engine": name, "state": state, "why": why, "limit": asdict(limit)} | {
        "runs": kept,
        "summary": summary(runs),
    }


def _run(scene: _Scene, name: str, url: str, warm: str, timeout: float) -> dict[str, Any]:
    """Play a session on an engine in a process of its own, and read what the server has seen of it."""
    _ask(f"{url}/_serve/log", "DELETE")
    task = {"engine": name, "url": f"{url}/{scene.folder.name}", "warm_url": warm, "timeout": timeout}
    task |= {"session": str(scene.file), "folder": str(scene.folder)}
    before = time.monotonic()
    ahead = json.loads(_ask(f"{url}/_serve/clock"))["now"] - (before + time.monotonic()) / 2
    limit = START_S + timeout + scene.session.steps[-1].at
    raw = _work(task, limit)
    log = json.loads(_ask(f"{url}/_serve/log"))
    pyramid, playback = scene.image.pyramid, scene.session.playback
    return read_run(raw, log, scene.folder.name, ahead, scene.shots, pyramid, playback, ENGINES[name].unmeasured)


def _work(task: dict[str, Any], limit: float) -> dict[str, Any]:
    """Run a worker; whatever becomes of it, there is an answer."""
    command = [sys.executable, "-m", "brickstream.latency.engines.worker"]
    try:
        done = subprocess.run(
            command, input=json.dumps(task), capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"did not end within {limit:.0f} s"}
    try:
        # What libraries print comes before it.
        answer: dict[str, Any] = json.loads(done.stdout.rpartition(ANSWER)[2])
    except ValueError:
        return {"failed": f"exit code {done.returncode}: {' '.join(done.stderr.split())[-200:]}"}
    return answer


def _ask(url: str, method: str = "GET") -> bytes:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
            body: bytes = answer.read()
    except OSError as error:
        raise StoreError(f"the server of the benchmark does not answer: {error}", url) from error
    return body


def _seeded(network: Network, number: int) -> Network:
    return Network(**(network.settings() | {"seed": number}))


def _limit(scene: _Scene, network: Network) -> Limit:
    stored = StoredImage(scene.folder, scene.image.pyramid)
    means = Means(
        round_trip_s=(max(0.0, network.latency_ms - network.jitter_ms) + network.ttfb_ms) / 1e3,
        set_up_s=network.connect_s,
        concurrency=network.max_connections,
        bytes_per_s=_bytes_per_s(network.bandwidth_mbps),
        connection_bytes_per_s=_bytes_per_s(network.connection_mbps),
        decode_bytes_per_s=stored.decode_rate(scene.shots[-1].level),
    )
    coarsest = len(scene.image.pyramid.levels) - 1
    return find_limit(stored.needs(scene.shots), means, stored.documents(), stored.mean_bytes(coarsest))


def _bytes_per_s(mbps: float | None) -> float | None:
    return None if mbps is None else mbps * 1e6 / 8
