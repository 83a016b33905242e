"""Play an axis of a remote image at ten frames a second, and count what the network could not keep up with.

Run: python examples/time_lapse.py URL [OUT.png]
"""

import sys

import numpy as np

import brickstream as bs
from brickstream.testing import RecordingSink
from brickstream.viewers.files import write_gray

SHOWN = 6


def main(url: str, out: str | None = None) -> None:
    sink, frames = RecordingSink(), []
    with bs.Engine.in_thread(sink=sink) as engine:
        image = engine.open(url, timeout=30)
        names = image.pyramid.axis_names
        axis = "t" if "t" in names else names[0]
        low = image.pyramid.extent()[0, image.pyramid.axis_index(axis)]
        engine.show(image, bs.View.plane(image, point={axis: low}, canvas=(300, 300)))
        playback = engine.play(axis, fps=10, step=max(1, image.pyramid.levels[0].shape[0] // 12), circular=False)
        while playback.is_running:
            engine.wait(1 / 60)
            shown = playback.shown
            engine.poll(budget_ms=4)
            if playback.shown > shown:
                frames.append(sink.picture())
                print(f"{axis} = {engine.live.shown_point[axis]:g}: {playback.shown} shown, {playback.dropped} dropped")
        print(f"100%: {playback.shown} frames shown, {playback.dropped} dropped")
    if out is not None:
        write_gray(out, np.hstack(frames[:: max(1, len(frames) // SHOWN)][:SHOWN]))


if __name__ == "__main__":
    main(*sys.argv[1:])
