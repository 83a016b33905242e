"""Tests in virtual time: what waits for hours ends at once, at times that can be calculated."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from brickstream.testing import VirtualClock


def virtually(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine test in a loop with a virtual clock, which begins at 0."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualClock) as runner:
            runner.run(test(*args, **kwargs))

    return run


def now() -> float:
    """Return the seconds on the clock of the running loop."""
    return asyncio.get_running_loop().time()
