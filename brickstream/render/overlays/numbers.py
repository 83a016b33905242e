"""Round lengths, prefixes of units, and ticks. Pure."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, floor, isclose, log10

from brickstream.errors import TransformError
from brickstream.multiscale.units import conversion, has_unit

PREFIXES = ("y", "z", "a", "f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z", "Y")
# Two numbers that are closer than this share of their size have no ticks between them.
CLOSE = 1e-12


def round_length(most: float) -> float:
    """Largest of 1, 2 and 5 times a power of ten that is not above `most`, a positive number."""
    power = floor(log10(most))
    choices = (float(f"{step}e{p}") for p in (power + 1, power, power - 1) for step in (5, 2, 1))
    return next(length for length in choices if length <= most)


def bar_length(most: float, unit: str | None) -> tuple[float, str]:
    """Length of a scale bar, and how it is written.

    Parameters
    ----------
    most : float
        No longer than this, in `unit`.
    unit : str or None
        Of the world: a UDUNITS name or symbol. None counts pixels.

    Returns
    -------
    length : float
        In `unit`; above 0.4 times `most`.
    label : str
        The length in the same unit with the SI prefix that suits it, such as ``"200 nm"``; in a unit without prefixes,
        or of a name that is not known, with that name.
    """
    base, factor = si_base(unit)
    length = round_length(most * factor)
    return length / factor, with_prefix(length, base) if base else f"{length:.15g} {unit if has_unit(unit) else 'px'}"


def si_base(unit: str | None) -> tuple[str, float]:
    """Symbol of the metre or second that a unit is a decimal multiple of, and the factor; ``("", 1.0)`` for others."""
    for symbol in ("m", "s") if has_unit(unit) else ():
        try:
            factor = conversion(unit, symbol)
        except TransformError:
            continue
        if factor == float(f"1e{round(log10(factor))}"):
            return symbol, factor
    return "", 1.0


def with_prefix(value: float, symbol: str) -> str:
    """Write a positive number of an SI unit with the prefix that leaves one to three digits before the point."""
    third = min(max(floor(log10(value) / 3 + 1e-9), -8), 8)
    return f"{value / 10.0 ** (3 * third):.6g} {PREFIXES[third + 8]}{symbol}"


def ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Tidy numbers from `low` to `high`, both included.

    Returns
    -------
    tuple of float
        Multiples of 1, 2 or 5 times a power of ten, increasing; at most `most` (2 or more). Where the limits can hardly
        be told apart, the lower one alone.
    """
    low, high = min(low, high), max(low, high)
    if not high / 2 - low / 2 > CLOSE * max(abs(low), abs(high)):
        return (low,)
    power = floor(log10(high / 2 - low / 2)) - ceil(log10(most)) - 1
    steps = (float(f"{step}e{p}") for p in range(power, power + 9) for step in (1, 2, 5))
    for step in steps:
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
        if last - first < most:
            return tuple(_times(n, step) for n in range(first, last + 1))
    return (low,)


def _times(count: int, step: float) -> float:
    """A multiple of 1, 2 or 5 times a power of ten, rounded once."""
    mantissa, _, power = f"{step:.0e}".partition("e")
    return float(f"{count * int(mantissa)}e{power}")


def tick_labels(values: tuple[float, ...]) -> tuple[str, ...]:
    """Write ticks with as few digits as tell them apart, all with equally many."""
    if len(values) < 2:
        return tuple(f"{value:.4g}" for value in values)
    step = min(b - a for a, b in pairwise(values))
    largest = max(map(abs, values))
    decimals = max(0, -floor(log10(step) + 1e-9))
    if decimals <= 4 and largest < 1e6:
        return tuple(f"{0.0 if isclose(value, 0, abs_tol=step / 2) else value:.{decimals}f}" for value in values)
    digits = floor(log10(largest)) - floor(log10(step) + 1e-9) + 1
    return tuple(f"{value:.{digits}g}" for value in values)
