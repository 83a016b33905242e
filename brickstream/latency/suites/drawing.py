"""How long a finished frame takes, against vispy's dense Volume on the same GL; and how fast bricks are uploaded.

The suite `render`. Both draw the same array with the same camera, one after the other, in pairs. *noise* is random
everywhere, so that nothing can be left out; *brain* is real, and under these contrast limits most bricks are empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy.color import Colormap

from brickstream.chunks import image_of
from brickstream.engine import Engine
from brickstream.latency.suites import uploads
from brickstream.multiscale import Camera, View
from brickstream.render import DenseView, OffscreenView
from brickstream.render.look import Look
from brickstream.samples import write_sample

SIZES = ((800, 600), (1920, 1080))
NOISE = 256
PAIRS, LEAST_PAIRS = 7, 3
ENOUGH_S = 12.0
"""Pairs of one case end after this long."""
CAMERA = Camera(30, 20)
MIST = Colormap([(0, 0, 0, 0), (0.9, 0.2, 0.1, 0.04), (1, 1, 0.6, 0.3)])


@dataclass(frozen=True)
class Case:
    """One volume, drawn by one method."""

    data: str
    method: str
    goal: float
    """Frame time relative to the dense Volume's."""


CASES = (
    Case("noise", "mip", 1.2),
    Case("noise", "average", 1.2),
    Case("noise", "translucent", 1.5),
    Case("noise", "iso", 1.5),
    Case("brain", "mip", 0.9),
    Case("brain", "translucent", 0.5),
    Case("brain", "iso", 0.5),
)


@dataclass(frozen=True)
class Data:
    """An array, how it is cut, and which values matter."""

    array: NDArray[np.generic]
    chunk: int
    clim: tuple[float, float]
    threshold: float

    @property
    def empty(self) -> float:
        """Share of the bricks that have no value above the lower contrast limit."""
        cut = self.chunk
        counts = [-(-n // cut) for n in self.array.shape]
        whole = np.zeros([n * cut for n in counts], self.array.dtype)
        whole[tuple(slice(n) for n in self.array.shape)] = self.array
        z, y, x = counts
        largest = whole.reshape(z, cut, y, cut, x, cut).max((1, 3, 5))
        return float((largest <= self.clim[0]).mean())


def measure(progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Measure every case, as :func:`brickstream.latency.suites.bench.run_suite` has it."""
    rows = []
    total = len(CASES) * len(SIZES) + len(uploads.CASES)
    for name, data in (("noise", _noise()), ("brain", _brain())):
        for case in (case for case in CASES if case.data == name):
            for size in SIZES:
                rows.append({**asdict(case), "canvas": size, "empty": data.empty, **_measure(case, data, size)})
                progress(len(rows), total)
    done = len(rows)
    uploaded = uploads.measure(lambda number, count: progress(done + number, total))
    return {"runs": PAIRS, "gl": _renderer(), "rows": rows, "uploads": uploaded}


def _noise() -> Data:
    values = np.random.default_rng(1).integers(0, 65536, (NOISE,) * 3, dtype=np.uint16)
    return Data(values, 64, (2000.0, 64000.0), 50000.5)


def _brain() -> Data:
    import zarr

    with TemporaryDirectory(prefix="brickstream-bench-") as folder:
        write_sample("brain", Path(folder) / "brain")
        array: NDArray[np.generic] = np.asarray(zarr.open_array(f"{folder}/brain/0", mode="r")[...])
    # The brightest hundredth of it.
    return Data(array, 32, (225.0, 250.0), 228.5)


def _look(case: Case, data: Data) -> Look:
    colormap = MIST if case.method == "translucent" else "grays"
    return Look(method=case.method, clim=data.clim, threshold=data.threshold, colormap=colormap)


@contextmanager
def _drawers(case: Case, data: Data, size: tuple[int, int]) -> Iterator[tuple[OffscreenView, DenseView]]:
    """Both, with everything loaded, and drawn once."""
    look = _look(case, data)
    image = image_of(data.array, name=case.data, chunks=(data.chunk,) * 3)
    with OffscreenView(size, look=look) as bricks, Engine.in_thread(sink=bricks.sink) as engine:
        view = View.volume(image, canvas=size, camera=CAMERA)
        bricks.show(view)
        engine.show(image, view)
        engine.complete()
        level = image.pyramid.levels[0]
        dense = DenseView(data.array, view, level.scale, level.translation, look=look)
        try:
            bricks.draw()
            dense.draw()
            yield bricks, dense
        finally:
            dense.close()


def _measure(case: Case, data: Data, size: tuple[int, int]) -> dict[str, Any]:
    ours: list[float] = []
    theirs: list[float] = []
    with _drawers(case, data, size) as (bricks, dense):
        begin = time.perf_counter()
        while len(ours) < LEAST_PAIRS or (len(ours) < PAIRS and time.perf_counter() - begin < ENOUGH_S):
            first, a = _timed(bricks.draw)
            second, b = _timed(dense.draw)
            ours.append(first)
            theirs.append(second)
        covered = (a[..., :3].max(-1) > 0) | (b[..., :3].max(-1) > 0)
        apart = np.abs(a.astype(int) - b)[..., :3].max(-1) > 1
    ratios = [x / y for x, y in zip(ours, theirs, strict=True)]
    figures = {"ours_s": ours, "dense_s": theirs, "ratio": ratios}
    row: dict[str, Any] = {
        name: {"median": median(values), "min": min(values), "max": max(values)} for name, values in figures.items()
    }
    return {**row, "pairs": len(ours), "apart": float(apart[covered].mean()) if covered.any() else 0.0}


def _timed(draw: Callable[[], NDArray[np.uint8]]) -> tuple[float, NDArray[np.uint8]]:
    begin = time.perf_counter()
    picture = draw()
    return time.perf_counter() - begin, picture


def _renderer() -> str:
    """Name of the GL that draws."""
    from vispy.gloo import gl

    with OffscreenView((16, 16)):
        return str(gl.glGetParameter(gl.GL_RENDERER))


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people: medians of the pairs."""
    lines = ["{:8}{:13}{:>11}{:>7}{:>11}{:>11}{:>8}{:>7}{:>9}".format(*_HEAD)]
    for row in result["rows"]:
        width, height = row["canvas"]
        text = f"{row['data']:8}{row['method']:13}{f'{width}x{height}':>11}{row['empty']:>7.0%}"
        text += f"{row['ours_s']['median']:>9.3f} s{row['dense_s']['median']:>9.3f} s"
        lines.append(text + f"{row['ratio']['median']:>8.2f}{row['goal']:>7.1f}{row['apart']:>9.3%}")
    lines.append(f"medians of up to {result['runs']} pairs on {result['machine']['cores']} cores; {result['gl']}")
    return "\n".join([*lines, "", uploads.table(result["uploads"])])


_HEAD = ("data", "method", "canvas", "empty", "bricks", "dense", "ratio", "goal", "apart")
