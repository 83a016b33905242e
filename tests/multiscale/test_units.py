"""Units: every name that OME-NGFF lists, exact factors, and what does not go together."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import TransformError
from brickstream.multiscale.units import conversion, has_unit

# The names that the specification recommends, with what a number of them is in metres or seconds.
LENGTHS = {
    "yoctometer": "1e-24",
    "zeptometer": "1e-21",
    "attometer": "1e-18",
    "femtometer": "1e-15",
    "picometer": "1e-12",
    "angstrom": "1e-10",
    "nanometer": "1e-9",
    "micrometer": "1e-6",
    "millimeter": "1e-3",
    "centimeter": "1e-2",
    "inch": "0.0254",
    "decimeter": "1e-1",
    "foot": "0.3048",
    "yard": "0.9144",
    "meter": "1",
    "hectometer": "1e2",
    "kilometer": "1e3",
    "mile": "1609.344",
    "megameter": "1e6",
    "gigameter": "1e9",
    "terameter": "1e12",
    "petameter": "1e15",
    "parsec": "30856775814913672.789139379577965",
    "exameter": "1e18",
    "zettameter": "1e21",
    "yottameter": "1e24",
}
TIMES = {
    "yoctosecond": "1e-24",
    "zeptosecond": "1e-21",
    "attosecond": "1e-18",
    "femtosecond": "1e-15",
    "picosecond": "1e-12",
    "nanosecond": "1e-9",
    "microsecond": "1e-6",
    "millisecond": "1e-3",
    "centisecond": "1e-2",
    "decisecond": "1e-1",
    "second": "1",
    "minute": "60",
    "hectosecond": "1e2",
    "kilosecond": "1e3",
    "hour": "3600",
    "day": "86400",
    "megasecond": "1e6",
    "gigasecond": "1e9",
    "terasecond": "1e12",
    "petasecond": "1e15",
    "exasecond": "1e18",
    "zettasecond": "1e21",
    "yottasecond": "1e24",
}


@pytest.mark.parametrize(("values", "base"), [(LENGTHS, "meter"), (TIMES, "second")])
def test_every_name_of_the_specification_has_its_exact_value(values: dict[str, str], base: str) -> None:
    assert {name: conversion(name, base) for name in values} == {name: float(value) for name, value in values.items()}


@pytest.mark.parametrize("values", [LENGTHS, TIMES])
def test_every_pair_is_the_nearest_float(values: dict[str, str]) -> None:
    """Decimal fractions of 28 digits, rounded once; a product of two rounded floats misses many."""
    for (one, a), (other, b) in product(values.items(), repeat=2):
        assert conversion(one, other) == float(Decimal(a) / Decimal(b)), (one, other)


def test_the_common_case_is_exact() -> None:
    assert conversion("micrometer", "millimeter") == 0.001
    assert conversion("nanometer", "micrometer") == 0.001
    assert conversion("inch", "micrometer") == 25400.0
    assert conversion("light_year", "kilometer") == 9460730472580.8


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("um", "micrometer"),
        ("µm", "micrometer"),
        ("μm", "micrometer"),
        ("micron", "micrometer"),
        ("microns", "micrometer"),
        ("Micrometers", "micrometer"),
        ("micrometre", "micrometer"),
        (" micrometer ", "micrometer"),
        ("nm", "nanometer"),
        ("mm", "millimeter"),
        ("Mm", "megameter"),
        ("pm", "picometer"),
        ("Pm", "petameter"),
        ("Å", "angstrom"),
        ("\u212b", "angstrom"),  # the code point of the sign, not of the letter
        ("ångström", "angstrom"),
        ("feet", "foot"),
        ("in", "inch"),
        ("inches", "inch"),
        ("light-years", "light_year"),
        ("ly", "lightyear"),
        ("pc", "parsec"),
        ("s", "second"),
        ("ms", "millisecond"),
        ("Ms", "megasecond"),
        ("µs", "microsecond"),
        ("us", "microsecond"),
        ("min", "minute"),
        ("h", "hour"),
        ("Days", "day"),
        ("das", "decasecond"),
    ],
)
def test_other_spellings_mean_the_same(spelled: str, name: str) -> None:
    assert conversion(spelled, name) == conversion(name, spelled) == 1.0
    base = "second" if name in TIMES or name == "decasecond" else "meter"
    assert conversion(spelled, base) == conversion(name, base)


@pytest.mark.parametrize("nothing", [None, "", " ", "pixel", "Pixels", "px", "voxel"])
def test_a_unit_that_says_nothing_goes_with_every_other(nothing: str | None) -> None:
    assert not has_unit(nothing)
    for other in ("micrometer", "second", "parrot", None, "pixel"):
        assert conversion(nothing, other) == conversion(other, nothing) == 1.0


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("second", "meter", "a time cannot be turned into a length: second and meter"),
        ("um", "ms", "a length cannot be turned into a time"),
        ("parrot", "meter", "no unit of this name: 'parrot'"),
        ("meter", "parrot", "no unit of this name: 'parrot'"),
        ("parrot", "snake", "no unit of this name: 'parrot'"),
        ("MM", "mm", "no unit of this name: 'MM'"),  # capitals of a symbol say how much it is
        ("S", "s", "no unit of this name: 'S'"),
    ],
)
def test_units_that_do_not_go_together_are_refused(one: str, other: str, message: str) -> None:
    with pytest.raises(TransformError, match=message):
        conversion(one, other)


def test_an_unknown_unit_goes_with_itself() -> None:
    assert has_unit("degree")
    assert conversion("degree", " degree") == 1.0


def test_the_error_for_an_endless_name_is_short() -> None:
    with pytest.raises(TransformError) as caught:
        conversion("x" * 10**6, "y" * 10**6)
    assert len(str(caught.value)) < 300


@given(st.sampled_from([LENGTHS, TIMES]), st.data())
def test_there_and_back_again_is_one(values: dict[str, str], data: st.DataObject) -> None:
    one, other, third = (data.draw(st.sampled_from(sorted(values))) for _ in range(3))
    assert conversion(one, other) * conversion(other, one) == pytest.approx(1.0, rel=4e-16, abs=0)
    through = conversion(one, third) * conversion(third, other)
    assert through == pytest.approx(conversion(one, other), rel=4e-16, abs=0)
