"""What people see on stderr: progress and one-line errors. Results go to stdout elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from brickstream.errors import BrickstreamError

Progress = Callable[[int, int], None]
_LINES = 10  # progress lines where there is no terminal
_LONG_S = 5.0  # of what takes longer, people want to know how long


def tell(text: str) -> None:
    """Write one line to stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the place where the command line speaks


def say(text: str) -> None:
    """Write a result to stdout."""
    print(text, flush=True)  # noqa: T201 - as above


def say_json(document: Any) -> None:
    """Write the one JSON document of a command to stdout."""
    say(json.dumps(document, indent=2, allow_nan=False))


def error_line(error: BrickstreamError | str) -> None:
    """Say what went wrong, in one line."""
    tell("brickstream: error: " + " ".join(str(error).split()))


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show how far something long is: a bar on a terminal, a few lines otherwise."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(title, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)
        return
    yield _Lines(title)


class _Lines:
    """Progress as lines: one a tenth."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._last = -1
        self._began = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        step = _LINES * done // max(total, 1)
        if step > self._last:
            self._last = step
            tell(f"{self._title}: {100 * done // max(total, 1)} %{self._estimate(done, total)}")

    def _estimate(self, done: int, total: int) -> str:
        spent = time.monotonic() - self._began
        if spent < _LONG_S or not 0 < done < total:
            return ""
        return f", about {spent * (total - done) / done:.0f} s left"
