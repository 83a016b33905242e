"""What a plan costs, on computed pyramids of any size: the suite `plan`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from brickstream.multiscale import Axis, Budget, Camera, Level, Pyramid, View, plan_view

WARM_UP, RUNS = 20, 200
HUGE = 1 << 20
# A scanned mouse brain whose owner waited 15 s for another viewer's plan: 132,000 bricks of 128^3 at level 0.
SCAN = (16821, 7494, 2070)


@dataclass(frozen=True)
class Case:
    """One plan to make."""

    name: str
    pyramid: Pyramid
    view: View
    budget: Budget


def halved(name: str, shape: tuple[int, int, int], chunk: int) -> Pyramid:
    """Make a pyramid whose levels are halves (rounded up) of the one before, until one chunk holds all."""
    levels: list[Level] = []
    while not levels or max(levels[-1].shape) > chunk:
        size = 2.0 ** len(levels)
        levels.append(Level(str(len(levels)), shape, np.dtype("u2"), (chunk,) * 3, (size,) * 3, ((size - 1) / 2,) * 3))
        shape = (-(-shape[0] // 2), -(-shape[1] // 2), -(-shape[2] // 2))
    return Pyramid(name, tuple(Axis(axis, "space") for axis in "zyx"), tuple(levels))


def cases() -> list[Case]:
    """Every case: planes, then each volume of 512^3 with the same view of one of 1,048,576^3, then a scan."""
    small, huge, scan = halved("512^3", (512,) * 3, 64), halved("1M^3", (HUGE,) * 3, 64), halved("scan", SCAN, 128)
    made = [
        Case(f"plane {width}x{height} of 1M^3", huge, plane(huge, (width, height)), Budget(2000, (64, 64)))
        for width, height in ((800, 600), (1920, 1080), (3840, 2160))
    ]
    for name, camera, brick, zoom in (
        ("whole", Camera(30.0, 20.0), 48, None),
        ("whole, perspective", Camera(30.0, 20.0, 0.0, 45.0), 32, None),
        ("close, perspective", Camera(30.0, 20.0, 0.0, 45.0), 32, 1.0),
    ):
        for pyramid in (small, huge):
            view = View.volume(pyramid, canvas=(800, 600), camera=camera, zoom=zoom)
            made.append(Case(f"{name}, of {pyramid.name}", pyramid, view, Budget(2000, (brick,) * 3)))
    for name, camera in (("whole", Camera(30.0, 20.0)), ("whole, perspective", Camera(30.0, 20.0, 0.0, 45.0))):
        view = View.volume(scan, canvas=(3840, 2160), camera=camera, level=0 if camera.fov == 0 else None)
        made.append(Case(f"{name}, of 16821x7494x2070", scan, view, Budget(2000, (128,) * 3)))
    return made


def plane(pyramid: Pyramid, canvas: tuple[int, int]) -> View:
    """View a plane in the middle, one canvas pixel for one pixel of level 0."""
    return View.plane(pyramid, canvas=canvas, zoom=1.0)


def measure(progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Measure every case, in seconds of one plan made alone; see :func:`brickstream.latency.suites.bench.run_suite`."""
    rows = []
    every = cases()
    for number, case in enumerate(every):
        rows.append(_measure(case))
        progress(number + 1, len(every))
    return {"runs": RUNS, "rows": rows}


def _measure(case: Case) -> dict[str, Any]:
    for _ in range(WARM_UP):
        plan = plan_view(case.pyramid, case.view, case.budget)
    times = []
    for _ in range(RUNS):
        start = perf_counter()
        plan_view(case.pyramid, case.view, case.budget)
        times.append(perf_counter() - start)
    return {
        "case": case.name,
        "bricks": sum(len(part.bricks) for part in plan.levels),
        "chunks": plan.chunk_count,
        "levels": [part.level for part in plan.levels],
        "plan_s": {"median": median(times), "min": min(times), "max": max(times)},
    }


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people."""
    lines = [f"{'plan':40}{'bricks':>8}{'chunks':>8}{'levels':>8}{'median':>10}{'min':>10}"]
    for row in result["rows"]:
        first, last = row["levels"][0], row["levels"][-1]
        times = "".join(f"{row['plan_s'][name] * 1e3:>7.2f} ms" for name in ("median", "min"))
        lines.append(f"{row['case']:40}{row['bricks']:>8}{row['chunks']:>8}{f'{first}-{last}':>8}{times}")
    lines.append(f"medians of {result['runs']} plans on {result['machine']['cores']} cores, made alone")
    return "\n".join(lines)
