"""Wakes a thread that waits."""

from __future__ import annotations

from queue import Empty, SimpleQueue


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
        try:
            self._rings.get(timeout=None if timeout is None else max(timeout, 0.0))
        except Empty:
            return False
        self._rings.put(None)
        return True
