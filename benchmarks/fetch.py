"""How long engines take to fetch a view, over the built-in server at several latencies: ours, others', and a bare loop.

`make bench-fetch ARGS="--latency 20 100 --runs 5"` sets up .venv-bench with the other engines and runs it.

Each run of an engine is a process of its own, which imports everything before its time begins and makes no connection
before it opens the array; engines take turns in random order. *first* is the first chunk, *complete* the last, both
from when the array is open; *best* is the fastest run; *CPU* is that of the process (all its threads) in between.
"""

import argparse
import json
import os
import platform
import random
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import dataset
from engines import BARE, ENGINES
from engines.task import CASES, SMALL, Case

HERE = Path(__file__).resolve().parent
PACKAGES = ("brickstream", "aiohttp", "numcodecs", "zarr", "fsspec", "dask", "tensorstore", "obstore", "lodstone")
TAIL = ["--tail-rate", "0.03", "--tail-factor", "20"]
FIGURES = ("open_s", "first_s", "complete_s", "cpu_s", "peak_mb")


def main() -> int:
    options = _options()
    cases = [(SMALL if options.small else CASES)[name] for name in options.case]
    with TemporaryDirectory(prefix="brickstream-bench-") as scratch:
        folder = options.data or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        _say(f"writing {', '.join(case.path for case in cases)}")
        sums = dataset.write(folder, cases)
        rows = []
        for case in cases:
            for latency in options.latency:
                words = ["--latency-ms", str(latency), *options.chaos, *(TAIL if options.tail else [])]
                found = measure(folder, case, sums[case.path], words, options)
                rows += [{"case": case.name, "chunks": case.chunks, "latency_ms": latency, **row} for row in found]
                if not options.json:
                    print(table(rows[-len(found) :], words), flush=True)
    result = {"machine": _machine(), "options": {k: str(v) for k, v in vars(options).items()}, "rows": rows}
    print(json.dumps(result, indent=1) if options.json else _footer(result["machine"], options.runs))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--latency", nargs="+", type=float, default=None, help="milliseconds; default 0 20 50 100")
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES), metavar="NAME")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--chaos", type=shlex.split, default=[], help='words for the server: "--rate-503 .02"')
    parser.add_argument("--tail", action="store_true", help=f"50 ms, and the server takes {' '.join(TAIL)}")
    parser.add_argument("--small", action="store_true", help="views of 9 and 8 chunks, to see that it works")
    parser.add_argument("--data", type=Path, help="keep the data here instead of writing it anew")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout instead of tables")
    options = parser.parse_args()
    options.latency = options.latency or ([50.0] if options.tail else [0.0, 20.0, 50.0, 100.0])
    return options


def measure(
    folder: Path, case: Case, expected: int, words: list[str], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Run every engine so many times. A run has a seed of its own; within it every engine meets the same network."""
    outcomes: dict[str, list[dict[str, Any]]] = {name: [] for name in options.engine}
    for number in range(options.runs):
        with serving(folder, [*words, "--seed", str(number)]) as url:
            for name in random.Random(number).sample(options.engine, len(options.engine)):
                if any("absent" in outcome for outcome in outcomes[name]):
                    continue
                _forget(url)
                task = {"engine": name, "case": asdict(case), "url": f"{url}/{case.path}", "sum": expected}
                outcome = _run(task, options.timeout)
                outcomes[name].append(outcome)
                _say(f"{case.name} {' '.join(words)} run {number + 1}/{options.runs} {name}: {_brief(outcome)}")
    return [_row(name, outcomes[name]) for name in options.engine]


@contextmanager
def serving(folder: Path, words: list[str]) -> Iterator[str]:
    """Serve from a process of its own."""
    command = [sys.executable, "-m", "brickstream", "serve", str(folder), "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            url = server.stdout.readline().strip() if server.stdout is not None else ""
            if not url:
                raise SystemExit(f"the server did not start: {shlex.join(command)}")
            yield url
        finally:
            server.terminate()


def _forget(url: str) -> None:
    """Let the next engine meet the faults that this one met."""
    request = urllib.request.Request(f"{url}/_serve/log", method="DELETE")
    urllib.request.urlopen(request, timeout=10).close()


def _run(task: dict[str, Any], timeout: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "engines.worker", json.dumps(task)]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"not complete after {timeout:g} s"}
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"failed": f"exit code {done.returncode}: {' '.join(done.stderr.split())[-200:]}"}
    return json.loads(lines[-1])


def _brief(outcome: dict[str, Any]) -> str:
    return f"{outcome['complete_s']:.3f} s" if "complete_s" in outcome else next(iter(outcome.values()))


def _row(name: str, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    done = [outcome for outcome in outcomes if "complete_s" in outcome]
    row: dict[str, Any] = {"engine": name, "runs": len(outcomes), "completed": len(done), "outcomes": outcomes}
    for reason in ("absent", "failed"):
        row[reason] = next((outcome[reason] for outcome in outcomes if reason in outcome), None)
    for figure in FIGURES:
        row[figure] = median(outcome[figure] for outcome in done) if done else None
    # What else runs on the machine only makes a run slower: the fastest says what an engine can do.
    row["best_s"] = min((outcome["complete_s"] for outcome in done), default=None)
    return row


def table(rows: list[dict[str, Any]], words: list[str]) -> str:
    """Lay out one case for people: medians, and ratios to the fastest bare loop."""
    bare = min((row for row in rows if row["engine"] in BARE and row["completed"]), key=_complete, default=None)
    lines = [f"\n{rows[0]['case']}, {rows[0]['chunks']} chunks, {' '.join(words)}"]
    lines.append(
        f"{'':16}{'runs':>6}{'first':>9}{'complete':>10}{'ratio':>7}{'best':>10}{'CPU/chunk':>12}{'ratio':>7}{'peak':>9}"
    )
    for row in rows:
        runs = f"{row['completed']}/{row['runs']}"
        if row["absent"] or not row["completed"]:
            lines.append(f"{row['engine']:16}{runs:>6}  {'absent' if row['absent'] else 'failed'}: {_why(row)}")
            continue
        times = f"{1000 * row['first_s']:6.0f} ms{row['complete_s']:8.3f} s{_ratio(row, bare, 'complete_s')}"
        times += f"{row['best_s']:8.3f} s"
        cpu = f"{1000 * row['cpu_s'] / row['chunks']:9.3f} ms{_ratio(row, bare, 'cpu_s')}"
        lines.append(f"{row['engine']:16}{runs:>6}{times}{cpu}{row['peak_mb']:6.0f} MB  {_why(row)}".rstrip())
    return "\n".join(lines)


def _complete(row: dict[str, Any]) -> float:
    return float(row["complete_s"])


def _ratio(row: dict[str, Any], bare: dict[str, Any] | None, figure: str) -> str:
    return f"{'-':>7}" if bare is None else f"{row[figure] / bare[figure]:7.2f}"


def _why(row: dict[str, Any]) -> str:
    return str(row["absent"] or row["failed"] or "")


def _machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _footer(machine: dict[str, Any], runs: int) -> str:
    packages = ", ".join(f"{name} {number or 'absent'}" for name, number in machine["packages"].items())
    load = " ".join(map(str, machine["load"]))
    return f"\nmedians of {runs} runs; {machine['cores']} cores, load {load}; Python {machine['python']}, {packages}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
