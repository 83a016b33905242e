"""However a program ends, the engine closes what it has: requests, threads, files."""

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import write_image

from brickstream.engine import Engine
from brickstream.latency import Fault, Network, ThreadedServer
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, StepSource, memory_image

COROUTINE = """
import asyncio, sys
import brickstream as bs

async def main():
    async with bs.Engine() as engine:
        image = await engine.open(sys.argv[1])
        engine.show(image, bs.View.plane(image))
        print("waiting", flush=True)
        await engine.complete()

asyncio.run(main())
"""
THREAD = """
import sys
import brickstream as bs

with bs.Engine.in_thread() as engine:
    image = engine.open(sys.argv[1])
    engine.show(image, bs.View.plane(image))
    print("waiting", flush=True)
    engine.complete()
"""


def never(key: str, number: int) -> Fault | None:
    return Fault("hang") if "/c/" in key else None


@pytest.mark.parametrize("program", [COROUTINE, THREAD], ids=["coroutine", "thread"])
def test_a_signal_ends_everything(tmp_path: Path, program: str) -> None:
    """While chunks are waited for that never come: no warning, no thread that hangs, and the requests are closed."""
    write_image(tmp_path / "image")
    with ThreadedServer(tmp_path, Network(), faults=never) as server:
        child = subprocess.Popen(
            [sys.executable, "-X", "dev", "-c", program, f"{server.url}/image"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # type: ignore[arg-type, return-value]
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == "waiting\n"
            child.send_signal(signal.SIGINT)
            _, said = child.communicate(timeout=60)
        assert child.returncode == -signal.SIGINT
        assert said.strip().splitlines()[-1] == "KeyboardInterrupt"
        assert "never" not in said
        assert "Warning" not in said
        server.idle()
        assert {record.outcome for record in server.log if "/c/" in record.key} <= {"cancelled", "fault"}


async def test_an_exception_in_the_body_closes_the_engine(tmp_path: Path) -> None:
    tasks = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        async with Engine(sink=RecordingSink()):
            raise ZeroDivisionError
    assert asyncio.all_tasks() == tasks
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("brickstream-decode")]


async def test_an_exception_in_a_slice_cancels_what_only_it_wanted() -> None:
    image = memory_image(np.ones((16, 16), np.uint8), (8, 8), source=StepSource)
    source: Any = image.sources[0]
    async with Engine() as engine:

        async def consume() -> None:
            async for _ in engine.slice(image, View.plane(image, canvas=(16, 16), zoom=1.0)):
                raise ZeroDivisionError

        task = asyncio.create_task(consume())
        for index in await source.requested(4):
            source.release(index)
            break
        with pytest.raises(ZeroDivisionError):
            await task
        await engine.idle.wait()
        assert not source.waiting


def test_an_exception_in_a_host_without_a_loop_ends_the_thread() -> None:
    with pytest.raises(ZeroDivisionError), Engine.in_thread():
        raise ZeroDivisionError
    assert not [thread for thread in threading.enumerate() if thread.name == "brickstream"]
