"""How fast bricks get to the GPU, against bare ``glTexSubImage3D`` calls with the same texels, in the same context.

Three rates: the bare calls, the writing of finished slots, and all that is done from a brick's pixels to the texture:
aprons out of neighbours, what neighbours will need of it, smallest and largest value, bookkeeping.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from statistics import median
from typing import Any

import numpy as np

from brickstream.render import OffscreenView
from brickstream.render.apron import Array
from brickstream.render.encoding import encoding_of
from brickstream.render.grid import Layer, LevelGrid
from brickstream.render.layout import AtlasLayout
from brickstream.render.residency import Residency
from brickstream.render.textures import Textures

RUNS = 7
# As many different slots as caches hold few of: bricks come from chunks that have just been decoded.
ARRAYS = 8
DTYPE = np.dtype(np.uint16)


@dataclass(frozen=True)
class Case:
    """Bricks of one size."""

    side: int
    per_axis: int
    """Bricks along each axis of the volume."""


CASES = (Case(32, 6), Case(64, 4))


def measure(progress: Callable[[int, int], None], runs: int = RUNS) -> dict[str, Any]:
    """Measure every case, as :func:`brickstream.latency.suites.bench.run_suite` has it."""
    rows = []
    with OffscreenView((64, 64)) as screen:
        textures = screen.scene.textures
        for number, case in enumerate(CASES):
            rows.append(_measure(case, textures, runs))
            progress(number + 1, len(CASES))
    return {"runs": runs, "rows": rows}


def _measure(case: Case, textures: Textures, runs: int) -> dict[str, Any]:
    side = case.side
    layout = AtlasLayout((side,) * 3, (1, 1, 1), (case.per_axis + 1,) * 3, encoding_of(DTYPE), case.per_axis + 1)
    textures.allocate(layout)
    rng = np.random.default_rng(0)
    slots: list[Array] = [rng.integers(0, 65536, layout.slot, dtype=DTYPE) for _ in range(ARRAYS)]
    ways = {"bare": _bare, "write": _write, "all": _all}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(runs + 1):  # the first of each is not counted
        for name, way in ways.items():
            spent = way(case, textures, layout, slots)
            times[name] += [spent] if run else []
    row: dict[str, Any] = {**asdict(case), "bytes": layout.slot_nbytes}
    for name, values in times.items():
        bricks = [1e6 * value / case.per_axis**3 for value in values]
        row[f"{name}_us"] = {"median": median(bricks), "min": min(bricks), "max": max(bricks)}
    for name in ("write", "all"):
        row[f"{name}_rate"] = row["bare_us"]["min"] / row[f"{name}_us"]["min"]
    return row


def _timed(work: Callable[[], object]) -> float:
    from OpenGL import GL

    GL.glFinish()
    begin = time.perf_counter()
    work()
    GL.glFinish()
    return time.perf_counter() - begin


def _bare(case: Case, textures: Textures, layout: AtlasLayout, slots: list[Array]) -> float:
    from OpenGL import GL

    # What is written first leaves the texture bound.
    textures.write((0, 0, 0), slots[0])
    GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)

    def work() -> None:
        for n in range(case.per_axis**3):
            (z, y, x), (depth, height, width), texels = layout.origin(n + 1), layout.slot, slots[n % ARRAYS]
            box = x, y, z, width, height, depth
            GL.glTexSubImage3D(GL.GL_TEXTURE_3D, 0, *box, GL.GL_RED, GL.GL_UNSIGNED_SHORT, texels)

    spent = _timed(work)
    GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 4)
    return spent


def _write(case: Case, textures: Textures, layout: AtlasLayout, slots: list[Array]) -> float:
    def work() -> None:
        for n in range(case.per_axis**3):
            textures.write(layout.origin(n + 1), slots[n % ARRAYS])

    return _timed(work)


def _all(case: Case, textures: Textures, layout: AtlasLayout, slots: list[Array]) -> float:
    size = np.array(layout.brick)
    grid = LevelGrid(Layer(0, (-1,) * 3, (0, 1, 2)), case.per_axis * size, size, size, np.ones(3), np.zeros(3))
    residency = Residency(layout)

    def work() -> None:
        places = range(case.per_axis)
        for n, index in enumerate(product(places, places, places)):
            residency.add(grid, index, slots[n % ARRAYS], None, lambda key: -1)
            upload = residency.next_upload()
            if upload is not None:
                textures.write(upload.start, upload.texels)

    return _timed(work)


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people."""
    head = ("brick", "bytes", "bare", "write", "all", "write", "all")
    lines = ["{:8}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}".format(*head)]
    for row in result["rows"]:
        times = "".join(f"{row[name]['median']:>9.0f} us" for name in ("bare_us", "write_us", "all_us"))
        lines.append(f"{row['side']:>3}^3  {row['bytes']:>12}{times}{row['write_rate']:>12.0%}{row['all_rate']:>12.0%}")
    lines.append(
        f"{DTYPE} and an apron of one; medians of {result['runs']} runs; shares: of the bare rate, the quickest runs"
    )
    return "\n".join(lines)
