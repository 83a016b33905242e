"""Units of length and time by name, and the exact factors between them.

Names are those of UDUNITS and OME ("micrometer", "second"; also "metre", plurals, capitals) and their symbols ("um",
"µm", "ms", where capitals matter). What is exact by definition stays exact until the very end: from micrometer to
millimeter is the float64 nearest to 1/1000, not a product of rounded numbers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from brickstream.errors import TransformError

# What says no more than that pixels are counted: as good as no unit.
_NOTHING = frozenset({"", "pixel", "pixels", "px", "voxel", "voxels"})

_PREFIXES = {
    "yotta": ("Y", 24),
    "zetta": ("Z", 21),
    "exa": ("E", 18),
    "peta": ("P", 15),
    "tera": ("T", 12),
    "giga": ("G", 9),
    "mega": ("M", 6),
    "kilo": ("k", 3),
    "hecto": ("h", 2),
    "deca": ("da", 1),
    "deci": ("d", -1),
    "centi": ("c", -2),
    "milli": ("m", -3),
    "micro": ("u", -6),
    "nano": ("n", -9),
    "pico": ("p", -12),
    "femto": ("f", -15),
    "atto": ("a", -18),
    "zepto": ("z", -21),
    "yocto": ("y", -24),
}
_INCH = Fraction(254, 10_000)
_AU = 149_597_870_700
# So many digits that the parsec, which is defined by it, comes out as the nearest float64.
_PI = Fraction(31415926535897932384626433832795028841971693993751, 10**49)


@dataclass(frozen=True)
class _Unit:
    kind: str  # what it measures
    value: Fraction  # in metres or seconds
    names: tuple[str, ...]
    symbols: tuple[str, ...] = ()


def _decimal(kind: str, bases: tuple[str, ...], symbol: str) -> Iterator[_Unit]:
    yield _Unit(kind, Fraction(1), bases, (symbol,))
    for prefix, (short, power) in _PREFIXES.items():
        yield _Unit(kind, Fraction(10) ** power, tuple(prefix + base for base in bases), (short + symbol,))


_UNITS = (
    *_decimal("length", ("meter", "metre"), "m"),
    *_decimal("time", ("second",), "s"),
    _Unit("length", Fraction(1, 10**6), ("micron",), ("μm",)),
    _Unit("time", Fraction(1, 10**6), (), ("μs",)),
    _Unit("length", Fraction(1, 10**10), ("angstrom", "ångström"), ("Å",)),
    _Unit("length", _INCH, ("inch", "inches"), ("in",)),
    _Unit("length", 12 * _INCH, ("foot", "feet"), ("ft",)),
    _Unit("length", 36 * _INCH, ("yard",), ("yd",)),
    _Unit("length", 63_360 * _INCH, ("mile",), ("mi",)),
    _Unit("length", Fraction(_AU), ("astronomical_unit",), ("au", "ua")),
    _Unit("length", Fraction(299_792_458 * 31_557_600), ("light_year", "lightyear"), ("ly",)),
    _Unit("length", 648_000 * _AU / _PI, ("parsec",), ("pc",)),
    _Unit("time", Fraction(60), ("minute",), ("min",)),
    _Unit("time", Fraction(3600), ("hour",), ("h",)),
    _Unit("time", Fraction(86_400), ("day",), ("d",)),
)
_BY_SYMBOL = {symbol: unit for unit in _UNITS for symbol in unit.symbols}
_BY_NAME = {name: unit for unit in _UNITS for name in unit.names}


def has_unit(unit: str | None) -> bool:
    """Whether a unit says anything: None, "" and "pixel" do not."""
    return bool(_plain(unit))


@lru_cache(maxsize=1024)
def conversion(from_unit: str | None, to_unit: str | None) -> float:
    """Factor that turns a number of one unit into a number of another.

    Where one of the two says nothing (None, "", "pixel"), it is taken to be the other one: the factor is 1. A name that
    is not known goes with itself alone.

    Parameters
    ----------
    from_unit, to_unit : str or None
        Such as ``"micrometer"``, ``"µm"``, ``"second"``.

    Returns
    -------
    float
        The float64 nearest to the exact factor.

    Raises
    ------
    TransformError
        If the units measure different things, as a length and a time do, or one of two different names is not known.
    """
    first, second = _plain(from_unit), _plain(to_unit)
    if first == second or not first or not second:
        return 1.0
    one, other = _known(first, second), _known(second, first)
    if one.kind != other.kind:
        raise TransformError(f"a {one.kind} cannot be turned into a {other.kind}", f"{first} and {second}")
    return float(one.value / other.value)


def _plain(unit: str | None) -> str:
    """Spell a unit in one way; "" where it says nothing."""
    # Å and µ have two code points each.
    name = unicodedata.normalize("NFKC", unit or "").strip()
    return "" if name.lower() in _NOTHING else name


def _known(name: str, other: str) -> _Unit:
    lower = name.lower().replace(" ", "_").replace("-", "_")
    found = _BY_SYMBOL.get(name) or _BY_NAME.get(lower) or _BY_NAME.get(lower.removesuffix("s"))
    if found is None:
        hint = f"it cannot be turned into {other[:40]!r}; lengths and times are known by their UDUNITS names"
        raise TransformError("no unit of this name", repr(name[:40]), hint)
    return found
