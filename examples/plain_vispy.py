"""A sink that drives vispy's own Volume: all pixels of the target level in one array, sharper with each chunk.

Run: python examples/plain_vispy.py URL [OUT.png]
"""

import sys

import numpy as np

import brickstream as bs
from brickstream.engine import Update
from brickstream.multiscale import Budget, Plan, Pyramid, localize
from brickstream.render import use_headless
from brickstream.viewers.files import write_png

LARGEST = 256 << 20


class Dense:
    """Paints chunks of any level onto the pixels of the target level; finer ones over coarser ones."""

    def __init__(self, changed=lambda pixels: None) -> None:
        self.changed = changed

    def budget(self, pyramid: Pyramid, view: bs.View) -> Budget:
        chunk = tuple(pyramid.levels[0].chunks[axis] for axis in localize(pyramid, view).axes)
        return Budget(max(1, LARGEST // int(np.prod(chunk)) // 4), chunk, mixed=False)

    def begin(self, generation: int, plan: Plan) -> tuple[()]:
        self.axes = list(plan.displayed)
        corners = np.array([0, -1])[:, None] if plan.empty else plan.target.corner_pixels[:, self.axes]
        self.first, last = np.broadcast_to(corners, (2, len(self.axes)))
        self.pixels = np.zeros(last - self.first + 1, np.float32)
        self.levels = np.full(self.pixels.shape, len(plan.pyramid.levels), np.int8)
        return ()

    def put(self, update: Update) -> None:
        if update.data is None:
            return
        here, there = [], []
        for place, axis in enumerate(self.axes):
            fine, own = (update.plan.pyramid.levels[k] for k in (update.plan.target.level, update.level))
            pixels = self.first[place] + np.arange(self.pixels.shape[place])
            world = fine.translation[axis] + fine.scale[axis] * pixels
            found = np.floor((world - own.translation[axis]) / own.scale[axis] + 0.5).astype(int)
            found = found.clip(0, own.shape[axis] - 1) - update.region[0, axis]
            here.append(np.flatnonzero((found >= 0) & (found < update.data.shape[place])))
            there.append(found[here[-1]])
        box = np.ix_(*here)
        finer = self.levels[box] >= update.level
        self.pixels[box] = np.where(finer, update.data[np.ix_(*there)], self.pixels[box])
        self.levels[box] = np.minimum(self.levels[box], update.level)
        self.changed(self.pixels)

    def drop(self, pyramid: Pyramid, regions: object) -> None:
        """Nothing is ever held here."""

    def complete(self, generation: int) -> None:
        self.changed(self.pixels)


def main(url: str, out: str | None = None) -> None:
    if out is not None:
        use_headless()
    from vispy import scene

    canvas = scene.SceneCanvas(size=(600, 600), bgcolor="black", show=out is None)
    canvas.set_current()
    viewbox = canvas.central_widget.add_view()
    volume = scene.visuals.Volume(np.zeros((2, 2, 2), np.float32), clim=(0, 1), parent=viewbox.scene)
    sink = Dense()
    with bs.Engine.in_thread(sink=sink) as engine:
        image = engine.open(url, timeout=30)
        engine.show(image, bs.View.volume(image, canvas=(300, 300)))
        while not engine.is_complete:
            engine.wait(1 / 60)
            engine.poll(budget_ms=4)
            print(f"{engine.live.progress:.0%}, level {engine.live.shown_level}")
        volume.set_data(sink.pixels, clim=(0, float(sink.pixels.max())))
        viewbox.camera = scene.cameras.TurntableCamera(azimuth=30, elevation=20, fov=0)
        viewbox.camera.set_range()
        print(f"{sink.pixels.shape} pixels of level {engine.live.level}")
    if out is not None:
        write_png(out, canvas.render())
    else:
        canvas.app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
