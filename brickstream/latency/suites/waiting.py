"""How long people wait for pixels, measured over the built-in server: the suite `quick`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.errors import BrickstreamError, MissingPackageError
from brickstream.latency.network import Network
from brickstream.latency.network.process import server_process
from brickstream.multiscale import View
from brickstream.samples import write_sample
from brickstream.viewers.snapshot import Report, Snapshot

Progress = Callable[[int, int], None]

# Latency in milliseconds, and bandwidth in Mbit/s (None: as fast as the machine is).
LINKS: tuple[tuple[float, float | None], ...] = ((0.0, None), (20.0, None), (50.0, None), (50.0, 20.0))
RUNS = 3
CANVAS = (800, 600)
# A plane on a large screen: the one view of these samples that is many chunks in 2D.
LARGE_CANVAS = (3840, 2160)


@dataclass(frozen=True)
class Case:
    """One thing to measure: an image, seen in 2D or 3D, over a link."""

    image: str
    ndisplay: int
    latency_ms: float
    bandwidth_mbps: float | None
    canvas: tuple[int, int] = CANVAS

    def view(self, image: ChunkedImage) -> View:
        """Make the view: all of the image, on the canvas of the suite."""
        return (View.plane if self.ndisplay == 2 else View.volume)(image, canvas=self.canvas)


def measure(progress: Progress) -> dict[str, Any]:
    """Measure every case, as :func:`brickstream.latency.suites.bench.run_suite` has it.

    Raises
    ------
    BrickstreamError
        If a run did not complete.
    """
    with TemporaryDirectory(prefix="brickstream-bench-") as folder:
        names = _make_images(Path(folder))
        cases = [Case(name, nd, *link) for name, nd in names for link in LINKS]
        cases.append(Case(*names[0], *LINKS[-1], LARGE_CANVAS))
        rows = []
        for number, case in enumerate(cases):
            rows.append(_measure(case, Path(folder)))
            progress(number + 1, len(cases))
    return {"runs": RUNS, "rows": rows}


def _make_images(folder: Path) -> list[tuple[str, int]]:
    """Write the images that can be written here: the real ones need the `samples` extra."""
    try:
        for name in ("globe", "brain"):
            write_sample(name, folder / name)
    except MissingPackageError:
        write_sample("synthetic", folder / "synthetic", shape=(192, 224, 192))
        return [("synthetic", 2), ("synthetic", 3)]
    return [("globe", 2), ("brain", 2), ("brain", 3)]


def _measure(case: Case, folder: Path) -> dict[str, Any]:
    with server_process(folder, Network(latency_ms=case.latency_ms, bandwidth_mbps=case.bandwidth_mbps)) as url:
        reports = [_once(f"{url}/{case.image}", case) for _ in range(RUNS)]
    row: dict[str, Any] = {**asdict(case), "level": reports[0].level, "first_level": reports[0].first_level}
    for name in ("open_s", "first_pixels_s", "complete_s", "requests", "bytes_read", "chunks_wanted"):
        values = [getattr(report, name) for report in reports]
        row[name] = {"median": median(values), "min": min(values), "max": max(values)}
    return row


def _once(url: str, case: Case) -> Report:
    snapshot = Snapshot(url, case.view, case.canvas, ndisplay=case.ndisplay)
    snapshot.take()
    report = snapshot.report
    if not report.complete or report.chunks_failed or report.first_pixels_s is None:
        raise BrickstreamError("a run of the benchmark did not complete", url)
    return report


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people: medians of the runs."""
    head = ("image", "view", "canvas", "latency", "link", "open", "first", "complete", "share", "requests", "bytes")
    lines = ["{:10}{:>5}{:>11}{:>9}{:>10}{:>8}{:>8}{:>10}{:>7}{:>10}{:>12}".format(*head)]
    for row in result["rows"]:
        open_s, first, whole = (row[name]["median"] for name in ("open_s", "first_pixels_s", "complete_s"))
        canvas = "{}x{}".format(*row["canvas"])
        speed = f"{row['bandwidth_mbps']:g} Mb/s" if row["bandwidth_mbps"] else "-"
        counts = f"{row['requests']['median']:>10.0f}{row['bytes_read']['median']:>12,.0f}"
        times = f"{open_s:8.3f}{first:8.3f}{whole:10.3f}{first / whole:7.2f}"
        case = f"{row['image']:10}{row['ndisplay']:>4}D{canvas:>11}{row['latency_ms']:>6.0f} ms{speed:>10}"
        lines.append(f"{case}{times}{counts}")
    machine = result["machine"]
    lines.append(f"seconds; medians of {result['runs']} runs on {machine['cores']} cores; share: first / complete")
    return "\n".join(lines)
