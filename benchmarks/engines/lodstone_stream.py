"""lodstone's Stream with a plan of exactly these chunks, at its defaults or with as many workers as it is given.

Its source reads a zarr-python array in the threads of asyncio's default executor, of which there are five or six on a
small machine: with more workers it gets a larger one, and one batch instead of batches of eight.
"""

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lodstone
import numpy as np
import zarr
from lodstone.sources import ArrayPyramidSource

from engines.task import CHUNK, Case, Index, Task, Watch


class Target:
    """Takes what comes, as a renderer would."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def layout(self, view: Any, pyramid: Any) -> lodstone.Layout:
        return lodstone.Layout(kind="bricked", block_shape=(CHUNK,) * len(view.displayed_axes), memory_limit=4 << 30)

    def apply(self, updates: Sequence[Any]) -> None:
        for update in updates:
            self._watch.deliver(update.data)

    def discard(self, keys: Collection[Any]) -> None:
        pass

    def redraw(self) -> None:
        pass


def run(task: Task, watch: Watch) -> None:
    settings: dict[str, Any] = {"inflight": 4 << 30}
    if "concurrency" in task.settings:
        settings |= {"workers": task.concurrency, "batch_size": task.case.chunks}
        zarr.config.set({"async.concurrency": task.concurrency})
    source = ArrayPyramidSource([zarr.open_array(task.url, mode="r")], axes=("z", "y", "x"))
    view, ended = _view(task.case), threading.Event()
    stages = [(0, [_slices(task.case, index) for index in task.case.indices()])]
    plan = lodstone.plan_from_slices(source.pyramid, view, stages, target_level=0)
    with lodstone.Stream(source, Target(watch), **settings) as stream:
        if "concurrency" in task.settings:
            stream.runtime.loop.set_default_executor(ThreadPoolExecutor(task.concurrency))
        stream.on_status_changed(lambda status: ended.set() if status.state in ("complete", "failed") else None)
        with watch:
            stream.submit(view, plan)
            ended.wait()
        if stream.status.error is not None:
            raise stream.status.error


def _slices(case: Case, index: Index) -> tuple[slice, ...]:
    return tuple(slice(part, part + 1) if isinstance(part, int) else part for part in case.box(index))


def _view(case: Case) -> lodstone.View:
    canvas = (case.shape[2], case.shape[1])
    if case.plane is None:
        return lodstone.View((0, 1, 2), (None, None, None), canvas, np.eye(4))
    return lodstone.View((1, 2), (case.plane, None, None), canvas, np.eye(4))
