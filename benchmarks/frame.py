"""Time of one finished 3D frame of the sample brain: bricks, and vispy's dense Volume of the same data and camera.

Run: python benchmarks/frame.py BRAIN   (a folder or URL that `brickstream sample brain` wrote)
"""

import sys
import time
from statistics import median

import numpy as np

from brickstream.engine import Engine
from brickstream.multiscale import Camera, View
from brickstream.render import DenseView, OffscreenView

RUNS = 9
CANVAS = (800, 600)


def timed(draw) -> tuple[float, np.ndarray]:
    begin = time.perf_counter()
    picture = draw()
    return time.perf_counter() - begin, picture


def main(where: str) -> None:
    for fov in (0.0, 45.0):
        with OffscreenView(CANVAS) as bricks, Engine.in_thread(sink=bricks.sink) as engine:
            image = engine.open(where)
            view = View.volume(image, canvas=CANVAS, camera=Camera(fov=fov))
            bricks.show(view)
            engine.show(image, view)
            engine.complete(timeout=120)
            bricks.draw()
            level = image.pyramid.levels[0]
            array = _whole(where)
            dense = DenseView(array, view, level.scale, level.translation, clim=bricks.scene.clim)
            dense.draw()
            pairs = [(timed(bricks.draw), timed(dense.draw)) for _ in range(RUNS)]
            dense.close()
        ours, theirs = (median(pair[i][0] for pair in pairs) for i in (0, 1))
        ratio = median(pair[0][0] / pair[1][0] for pair in pairs)
        a, b = (pairs[0][i][1][..., 0].astype(int) for i in (0, 1))
        covered = (a > 0) | (b > 0)
        apart = (np.abs(a - b) > 1)[covered].mean()
        print(
            f"fov {fov:2.0f}: bricks {ours:.3f} s, dense {theirs:.3f} s, ratio {ratio:.2f}, apart {100 * apart:.3f} %"
        )


def _whole(where: str) -> np.ndarray:
    import zarr

    return np.asarray(zarr.open_array(f"{where}/0", mode="r")[...])


if __name__ == "__main__":
    main(sys.argv[1])
