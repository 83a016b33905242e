"""Scales of plots, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LEAST_HIGH = 1e-9
"""Where a scale ends at the earliest: no clock tells less than a nanosecond apart."""

_ROUND = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A scale from numbers to 0 .. 1.

    Parameters
    ----------
    low, high : float
        Numbers at 0 and at 1; ``low < high``, and above 0 where it is logarithmic.
    logarithmic : bool, default False
    """

    low: float
    high: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a number stands, 0 .. 1; numbers beyond the ends stand at the ends."""
        kept = min(max(value, self.low), self.high)
        if self.logarithmic:
            return math.log(kept / self.low) / math.log(self.high / self.low)
        return (kept - self.low) / (self.high - self.low)

    def ticks(self, most: int = 6) -> tuple[float, ...]:
        """Round numbers within the scale, at most about so many."""
        return tuple(self._decades(most) if self.logarithmic else self._steps(most))

    def _steps(self, most: int) -> Iterable[float]:
        step = _round_up((self.high - self.low) / most)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return (k * step for k in range(first, last + 1))

    def _decades(self, most: int) -> Iterable[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [
                d * 10.0**k
                for k in decades
                for d in digits
                if self.low <= d * 10.0**k * 1.000001 <= self.high * 1.00001
            ]
            if len(found) <= most:
                break
        return found


def time_axis(starts: Iterable[float], ends: Iterable[float], moved: bool) -> Axis:
    """Choose a scale for times from open on.

    Parameters
    ----------
    starts, ends : iterable of float
        The first and the last moment of each thing drawn, in seconds.
    moved : bool
        Whether views were set over time. Where not, ends that lie far apart (more than eight times) make the scale
        logarithmic: on a straight one the slowest would press all others into a corner.
    """
    known = sorted(end for end in ends if end > 0)
    if not known:
        return Axis(0.0, 1.0)
    last = max(known[-1] * 1.03, LEAST_HIGH)
    if moved or known[-1] <= 8 * known[0]:
        return Axis(0.0, last)
    first = min((start for start in starts if start > 0), default=known[0] / 8)
    return logarithmic_axis(first / 1.25, last)


def logarithmic_axis(low: float, high: float) -> Axis:
    """Make a logarithmic scale of nine decades at most, as nobody reads more of them."""
    high = max(high, LEAST_HIGH)
    return Axis(max(low, high * 1e-9), high, logarithmic=True)


def number(value: float | None, unit: str = "") -> str:
    """Write a number with its unit in three digits; a dash where there is none.

    Parameters
    ----------
    value : float or None
    unit : {"s", "ms", "MB", "bytes", ""}
        Seconds below one become milliseconds, bytes kB, MB or GB.
    """
    if value is None:
        return "–"
    if unit == "s" and abs(value) < 0.9995:
        return f"{digits(value * 1000)} ms"
    if unit == "bytes":
        return _byte_count(value)
    if unit == "":
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    return f"{digits(value)} {unit}"


def digits(value: float) -> str:
    """Write a number in three digits, more where it is a thousand or above."""
    if value == 0:
        return "0"
    after = min(max(2 - math.floor(math.log10(abs(value)) + 1e-9), 0), 3)
    return f"{value:,.{after}f}"


def span(low: float, high: float, unit: str) -> str:
    """Write a range, its unit once where both ends have the same."""
    begin, end = number(low, unit), number(high, unit)
    same = begin.partition(" ")[2] == end.partition(" ")[2]
    return f"{begin.partition(' ')[0] if same else begin}–{end}"


def _byte_count(value: float) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= size * 0.9995:
            return f"{digits(value / size)} {unit}"
    return f"{value:,.0f} B"


def _round_up(step: float) -> float:
    scale = 10.0 ** math.floor(math.log10(step))
    return next(digit * scale for digit in _ROUND if digit * scale >= step * (1 - 1e-9))
