"""Embed the engine in a program that has a frame loop of its own and no event loop.

Run: python examples/your_own_loop.py URL
"""

import sys

import brickstream as bs


def main(url: str) -> None:
    with bs.Engine.in_thread(max_ram_bytes=1 << 30) as engine:
        image = engine.open(url, timeout=30)
        engine.show(image, bs.View.plane(image, canvas=(800, 600)))
        frames = 0
        while not engine.is_complete:
            engine.wait(1 / 60)  # a real host draws here
            for update in engine.poll(budget_ms=4):
                print(f"frame {frames}: a chunk of level {update.level}, {update.progress:.0%}")
            frames += 1
        print(f"complete: {engine.stats().requests} requests, {engine.stats().bytes_read:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
