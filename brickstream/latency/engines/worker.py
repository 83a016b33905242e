"""One run of one engine, in a process of its own: a task as JSON on its standard input, an answer on its output.

Whatever an engine has imported, cached or started is gone with the process; so are its threads, of which some abort.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine
from brickstream.latency.engines import make_adapter
from brickstream.latency.engines.host import Played, play
from brickstream.latency.engines.protocol import Adapter, Seen, Shot, Watch, shot_of
from brickstream.latency.workloads import read_session

OPEN_S = 60.0
ANSWER = "\nbrickstream-answer: "
"""What the answer begins with: libraries write to the same output, some without ending their line."""


def main() -> None:
    """Carry out the task, say what came of it, and end the process at once."""
    sys.stdout.write(ANSWER + json.dumps(run(json.load(sys.stdin))) + "\n")
    sys.stdout.flush()
    os._exit(0)


def run(task: Mapping[str, Any]) -> dict[str, Any]:
    """Play a session on an engine.

    Parameters
    ----------
    task : mapping
        ``engine``, ``url``, ``warm_url``, ``session`` and ``folder`` (where the image lies), ``timeout``.

    Returns
    -------
    dict
        ``failed``: a line; or what :class:`Played` and :class:`Seen` have, with ``cpu_s`` and ``peak_mb``.
    """
    session = read_session(task["session"])
    image = _pyramid(task["folder"])
    shots = [shot_of(step.at, step.view, image.pyramid) for step in session.steps]
    watch = Watch()
    try:
        adapter = make_adapter(task["engine"], watch, session.canvas)
    except Exception as error:  # noqa: BLE001 - engines fail as they like; how often is a result
        return {"failed": _line(error)}
    try:
        return _measured(adapter, watch, shots, task)
    except BaseException as error:  # noqa: BLE001 - as above
        return {"failed": _line(error)}
    finally:
        adapter.close()


def _pyramid(folder: str) -> ChunkedImage:
    """Read what the image is from the disk, before time begins: no engine under test is asked for it."""
    with Engine.in_thread() as engine:
        return engine.open(folder, OPEN_S)


def _measured(adapter: Adapter, watch: Watch, shots: list[Shot], task: Mapping[str, Any]) -> dict[str, Any]:
    adapter.warm_up(task["warm_url"])
    # What imports have left behind is not the engine's: a full collection takes as long as the first chunk.
    gc.collect()
    _forget_peak()
    before, others = time.process_time(), adapter.usage()
    played = play(adapter, watch, task["url"], shots, timeout=task["timeout"])
    cpu, peak = time.process_time() - before, _peak_mb()
    ended = adapter.usage()
    if others is not None and ended is not None:
        cpu, peak = cpu + ended[0] - others[0], peak + ended[1]
    return {"failed": None, "cpu_s": cpu, "peak_mb": peak, **_plain(played, watch.seen)}


def _plain(played: Played, seen: list[Seen]) -> dict[str, Any]:
    return {
        "began": played.began,
        "opened": played.opened,
        "ended": played.ended,
        "shown": played.shown,
        "begun": played.begun,
        "frames": played.frames,
        "seen": [(event.t, event.level, event.box, event.share) for event in seen if event.t >= played.began],
    }


def _line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _forget_peak() -> None:
    """Let the peak of memory begin at what is used now, where the system can do so."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")


def _peak_mb() -> float:
    """Most memory so far, of this process, in millions of bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
