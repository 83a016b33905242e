"""Wakes a thread that waits."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue

# A signal may reach another thread than the one that sleeps: that one hears of it when it wakes up.
NAP_S = 0.5


class Bell:
    """What :class:`threading.Event` does, without a lock that Ctrl-C can leave locked.

    An event holds its lock in Python code: an interrupt in the middle of it, on the render thread, kept it for ever,
    and the engine's thread waited for it at its end. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake who waits, and whoever will wait until it is cleared."""
        if self._rings.empty():
            self._rings.put(None)

    def clear(self) -> None:
        """Let who waits sleep from now on."""
        try:
            while True:
                self._rings.get_nowait()
        except Empty:
            return

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until it is set; False where `timeout` seconds passed first."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = NAP_S if until is None else min(until - time.monotonic(), NAP_S)
            try:
                self._rings.get(timeout=max(left, 0.0))
            except Empty:
                if until is not None and time.monotonic() >= until:
                    return False
                continue
            self._rings.put(None)
            return True
