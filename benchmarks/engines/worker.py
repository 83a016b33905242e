"""One run of one engine, in a process of its own: `python -m engines.worker TASK`, JSON in, one line of JSON out."""

import importlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from engines import ENGINES
from engines.task import Case, Task, Watch


def main(text: str) -> None:
    print(json.dumps(_measured(json.loads(text))), flush=True)
    # How an engine's threads end when the interpreter does is not what is measured; some abort.
    os._exit(0)


def _measured(wanted: dict[str, Any]) -> dict[str, Any]:
    module, settings = ENGINES[wanted["engine"]]
    try:
        engine = importlib.import_module(f"engines.{module}")
    except ImportError as error:
        return {"absent": str(error)}
    case = Case(wanted["case"]["name"], tuple(wanted["case"]["grid"]), wanted["case"]["plane"])
    watch = Watch()
    try:
        engine.run(Task(wanted["url"], case, settings), watch)
    except BaseException as error:  # noqa: BLE001 - engines fail as they like; how often is a result
        return {"failed": _line(error)}
    if watch.total() != wanted["sum"]:
        return {"failed": "delivered other pixels than there are"}
    times = {name: getattr(watch, name) for name in ("open_s", "first_s", "complete_s", "cpu_s")}
    return {**times, "peak_mb": _peak_mb()}


def _line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _peak_mb() -> float:
    """Most memory so far. On Linux ru_maxrss counts what the parent had at the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1])
