"""Ours, without a screen: the updates of a slice, at default settings or with a fixed number of reads."""

import asyncio

import numpy as np

from brickstream import Engine, View
from engines.task import Case, Task, Watch


def run(task: Task, watch: Watch) -> None:
    asyncio.run(_run(task, watch))


async def _run(task: Task, watch: Watch) -> None:
    options = {"max_inflight": task.concurrency} if "concurrency" in task.settings else {}
    async with Engine(**options) as engine:
        image = await engine.open(task.url)
        view = _view(image, task.case)
        with watch:
            async for update in engine.slice(image, view):
                if update.failure is not None:
                    raise RuntimeError(f"a chunk failed: {update.failure.reason}")
                watch.deliver(np.asarray(update.data))
        if update.wanted != task.case.chunks:
            raise RuntimeError(f"the plan has {update.wanted} chunks instead of {task.case.chunks}")


def _view(image: object, case: Case) -> View:
    canvas = (case.shape[2], case.shape[1])
    if case.plane is None:
        return View.volume(image, canvas=canvas, level=0)
    return View.plane(image, point={"z": float(case.plane)}, canvas=canvas, level=0)
