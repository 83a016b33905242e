"""All channels of an image as a volume, each in its colour and its own limits, and then the first of them hidden.

Run: python examples/channels.py URL OUT.png
"""

import sys
from dataclasses import replace

import brickstream as bs
from brickstream.render import OffscreenView, channel_layers
from brickstream.viewers.files import write_png

CANVAS = 640, 480


def main(url: str, out: str) -> None:
    with OffscreenView(CANVAS) as screen, bs.Engine.in_thread() as engine:
        image = engine.open(url, timeout=30)
        scene = screen.layered(engine)
        scene.layers = channel_layers(image)
        scene.show(bs.View.volume(image, canvas=CANVAS, camera=bs.Camera(azimuth=30, elevation=20)))
        while not scene.is_complete:
            scene.wait(1 / 60)
            scene.poll(budget_ms=4)
            progress = [viewport.live.progress for viewport in scene.viewports]
            print(", ".join(f"{layer.name} {part:.0%}" for layer, part in zip(scene.layers, progress, strict=True)))
        scene.commit()
        write_png(out, screen.draw())
        first, *others = scene.layers
        scene.layers = replace(first, visible=False), *others
        print(f"{len(others)} of {len(scene.layers)} channels are still visible")


if __name__ == "__main__":
    main(*sys.argv[1:])
