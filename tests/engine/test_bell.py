"""The bell that wakes the render thread: as an event, but safe against interrupts."""

import sys
import threading
from typing import Any

from brickstream.engine.bell import Bell


def test_it_stays_set_until_it_is_cleared() -> None:
    bell = Bell()
    assert not bell.wait(0)
    bell.set()
    bell.set()
    assert bell.wait(0)
    assert bell.wait(0)
    bell.clear()
    assert not bell.wait(0)
    assert not bell.wait(-1)


def test_it_wakes_a_thread_that_waits() -> None:
    bell, woken = Bell(), []
    thread = threading.Thread(target=lambda: woken.append(bell.wait(30)))
    thread.start()
    bell.set()
    thread.join(30)
    assert woken == [True]


def test_an_interrupt_at_any_moment_leaves_it_usable() -> None:
    """An interrupt at each instruction of `clear`, `set` and `wait` in turn; another thread can ring afterwards."""
    for moment in range(60):
        bell = Bell()
        count = 0

        def interrupt(frame: Any, event: str, arg: Any, moment: int = moment) -> Any:
            nonlocal count
            frame.f_trace_opcodes = True
            if event == "opcode":
                count += 1
                if count == moment:
                    raise KeyboardInterrupt
            return interrupt

        def use(bell: Bell = bell) -> None:
            bell.clear()
            bell.set()
            bell.wait(0)

        before = sys.gettrace()
        try:
            sys.settrace(interrupt)
            use()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        thread = threading.Thread(target=bell.set)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
        assert bell.wait(30)
