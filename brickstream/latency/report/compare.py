"""What differs between two results, beyond noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal, NamedTuple

from brickstream.latency.report.result import Cell, Measure, Place, Result, measures

Kind = Literal["worse", "better", "lost", "gained"]

LEAST_RUNS, ENOUGH_RUNS = 3, 5
"""With fewer runs nothing is said; from these on, runs that do not mix are enough."""

LEAST_CHANGE = 0.05
"""Part of the median by which it must change."""

# What nobody notices and no clock of a busy machine tells apart, by unit.
_LEAST_STEP = {"s": 0.005, "ms": 0.5, "MB": 1.0, "bytes": 1.0, "": 1.0}


@dataclass(frozen=True)
class Difference:
    """A measure of a cell that changed, or what one of two results has fewer answers of: a measure, or a whole cell.

    Attributes
    ----------
    place : Place
    engine : str
    kind : {"worse", "better", "lost", "gained"}
        Of a measure: ``worse`` is slower or more. Of a measure or a cell: a smaller part of its runs gives an answer
        than before, or a greater one.
    measure : str
        "" where it is about the cell.
    before, after : float or None
        Medians, in the measure's unit; None where no run has it.
    why : str, default ""
        In words, of what was lost or gained.
    """

    place: Place
    engine: str
    kind: Kind
    measure: str = ""
    before: float | None = None
    after: float | None = None
    why: str = ""

    @property
    def is_regression(self) -> bool:
        """Whether somebody should look at it."""
        return self.kind in ("worse", "lost")

    @property
    def factor(self) -> float | None:
        """After to before; None where before is nothing."""
        return self.after / self.before if self.before and self.after is not None else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        about = {name: value for name, value in asdict(self).items() if name != "place"}
        return {**asdict(self.place), **about, "factor": self.factor}


def compare(a: Result, b: Result) -> list[Difference]:
    """Say what became worse or better from one result to another, beyond noise.

    Every measure of every cell that both have is compared (see :func:`changed`). A cell counts as *lost* where a
    greater part of its runs failed than before, or the engine can no longer do it; a measure where a smaller part of
    the runs that did not fail has it, as with a view that is never complete; as *gained* the other way round. Cells
    that are in one result only, or whose engine is not installed, are told by :func:`cautions`.

    Returns
    -------
    list of Difference
        In the order of `b`.
    """
    before = {(cell.place, cell.engine): cell for cell in a.cells}
    both = ((before[key], cell) for cell in b.cells if (key := (cell.place, cell.engine)) in before)
    return [difference for old, new in both for difference in _differences(old, new)]


def changed(before: Sequence[float], after: Sequence[float], unit: str = "s") -> Literal["worse", "better"] | None:
    """Decide whether runs differ beyond noise. Smaller is better.

    They do if all runs of one side are above all of the other, and the medians differ by more than 5 % and by more than
    nothing (5 ms, 0.5 ms of a frame, 1 MB, one). That no run mixes with the others is the most extreme outcome of the
    rank test of Mann and Whitney (1947): without a change it comes, to one side, once in C(2n, n) times, which with
    5 runs is 0.4 %, with 3 runs 5 %. So with fewer than five runs the gap must also be as wide as the runs of either
    side spread, which makes that 0.4 % too, whatever the noise (``benchmarks/false_alarms.py``).

    Parameters
    ----------
    before, after : sequence of float
        One number a run, in any order.
    unit : {"s", "ms", "MB", "bytes", ""}, default "s"

    Returns
    -------
    {"worse", "better"} or None
        None also where a side has fewer than three runs.
    """
    if min(len(before), len(after)) < LEAST_RUNS:
        return None
    if median(before) > median(after):
        return "better" if _above(after, before, unit) else None
    return "worse" if _above(before, after, unit) else None


def _above(low: Sequence[float], high: Sequence[float], unit: str) -> bool:
    step = median(high) - median(low)
    if step <= LEAST_CHANGE * median(low) or step < _LEAST_STEP[unit]:
        return False
    gap = min(high) - max(low)
    few = min(len(low), len(high)) < ENOUGH_RUNS
    spread = max(max(low) - min(low), max(high) - min(high)) if few else 0.0
    return gap > 0 and gap >= spread


def _differences(old: Cell, new: Cell) -> Iterator[Difference]:
    if old.state == new.state == "measured":
        yield from _measured(old, new)
    elif old.state == "measured" and new.state in ("failed", "unable"):
        yield Difference(new.place, new.engine, "lost", why=new.why or new.state)
    elif new.state == "measured" and old.state in ("failed", "unable"):
        yield Difference(new.place, new.engine, "gained", why=old.why or old.state)


def _measured(old: Cell, new: Cell) -> Iterator[Difference]:
    kind, why = _answers(Share(len(old.good), len(old.runs)), Share(len(new.good), len(new.runs)))
    if kind is not None:
        yield Difference(new.place, new.engine, kind, why=f"{why} came to an end")
    for measure in measures():
        yield from _of_measure(old, new, measure)


def _of_measure(old: Cell, new: Cell, measure: Measure) -> Iterator[Difference]:
    before, after = old.values(measure.name), new.values(measure.name)
    medians = median(before) if before else None, median(after) if after else None
    kind, why = _answers(Share(len(before), len(old.good)), Share(len(after), len(new.good)))
    if kind is not None:
        yield Difference(new.place, new.engine, kind, measure.name, *medians, f"{why} measured it")
    trend = changed(before, after, measure.unit)
    if trend is not None:
        yield Difference(new.place, new.engine, trend, measure.name, *medians)


class Share(NamedTuple):
    """How many of all runs gave an answer."""

    many: int
    of: int


def _answers(before: Share, after: Share) -> tuple[Literal["lost", "gained"] | None, str]:
    """Say whether a smaller or a greater part of the runs gives an answer, and how many do."""
    change = after.many * before.of - before.many * after.of
    if change == 0:
        return None, ""
    return "lost" if change < 0 else "gained", f"{after.many} of {after.of} runs, before {before.many} of {before.of},"


def comparisons(a: Result, b: Result) -> int:
    """Count the pairs of numbers that :func:`compare` looks at: how many there are to be wrong about."""
    before = {(cell.place, cell.engine): cell for cell in a.cells}
    pairs = [(before[key], cell) for cell in b.cells if (key := (cell.place, cell.engine)) in before]
    return sum(_enough(old, new, measure) for old, new in pairs for measure in measures())


def _enough(old: Cell, new: Cell, measure: Measure) -> bool:
    return min(len(old.values(measure.name)), len(new.values(measure.name))) >= LEAST_RUNS


def cautions(a: Result, b: Result) -> list[str]:
    """Say what else differs between two results, and may be the reason: in sentences for people."""
    found = [*_other_machine(a.head["machine"], b.head["machine"]), *_other_versions(a, b)]
    found += [
        f"other settings of {key.removesuffix('s')} {name}" for key in _SETTINGS for name in _differing(a, b, key)
    ]
    found += _in_one_only(a, b)
    if min(a.head["runs"], b.head["runs"]) < LEAST_RUNS:
        found.append(f"fewer than {LEAST_RUNS} runs of each cell: nothing can be said of such")
    return found


_SETTINGS = ("networks", "data", "workloads")


def _other_machine(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    keys = [key for key in ("system", "processor", "cores", "memory_bytes") if a[key] != b[key]]
    return [f"another machine: {', '.join(f'{key} {a[key]} and {b[key]}' for key in keys)}"] if keys else []


def _other_versions(a: Result, b: Result) -> list[str]:
    old, new = ({"python": r.head["machine"]["python"], **r.head["machine"]["packages"]} for r in (a, b))
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    moved = (f"{name} {old.get(name) or 'absent'} and {new.get(name) or 'absent'}" for name in names)
    return [f"other versions: {', '.join(moved)}"] if names else []


def _differing(a: Result, b: Result, key: str) -> list[str]:
    """Names that both results have, and mean something else by."""
    old, new = a.head[key], b.head[key]
    return [name for name in old if name in new and old[name] != new[name]]


def _in_one_only(a: Result, b: Result) -> list[str]:
    old, new = ({(cell.place, cell.engine) for cell in r.cells if cell.state != "absent"} for r in (a, b))
    said = []
    for many, word in ((len(old - new), "first"), (len(new - old), "second")):
        said += [f"{many} {'cell is' if many == 1 else 'cells are'} only in the {word} result"] if many else []
    return said
