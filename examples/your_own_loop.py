"""Embed the engine in a program that has a frame loop of its own and no event loop.

Run: python examples/your_own_loop.py URL [OUT.png]
"""

import sys

import brickstream as bs
from brickstream.testing import RecordingSink
from brickstream.viewers.files import write_gray


def main(url: str, out: str | None = None) -> None:
    sink = RecordingSink()
    with bs.Engine.in_thread(max_ram_bytes=1 << 30, sink=sink) as engine:
        image = engine.open(url, timeout=30)
        # Signals come on this thread, within `show` and `poll`.
        engine.events.level.connect(lambda level: print(f"level {level} fills the canvas"))
        engine.show(image, bs.View.plane(image, canvas=(800, 600)))
        frames = 0
        while not engine.is_complete:
            engine.wait(1 / 60)  # a real host draws here
            engine.poll(budget_ms=4)
            frames += 1
            print(f"frame {frames}: {engine.live.progress:.0%}, level {engine.live.shown_level} is there")
        print(f"complete: {engine.stats().requests} requests, {engine.stats().bytes_read:,} bytes")
    if out is not None:
        write_gray(out, sink.picture())


if __name__ == "__main__":
    main(*sys.argv[1:])
