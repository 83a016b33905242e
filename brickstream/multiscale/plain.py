"""Plain values of views, cameras and dims: taken as what they must be, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from brickstream.errors import ViewError

# The largest world number that a view may have: squares and products of a few of them are still finite.
LARGEST = 1e75


def number(value: Any, what: str = "a position") -> float:
    """A float that is given as some kind of number.

    Raises
    ------
    ViewError
        If it is a text or a truth value, or no number at all.
    """
    if isinstance(value, str | bytes | bool | np.bool_):
        raise ViewError(f"{what} is a number", _short(value))
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ViewError(f"{what} is a number", _short(value)) from error


def numbers(values: Any, what: str) -> tuple[float, ...]:
    """Floats, as :func:`number` makes them."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ViewError(f"{what} is a list of numbers", _short(values))
    return tuple(number(value, what) for value in values)


def rows(values: Any, what: str) -> tuple[tuple[float, ...], ...]:
    """Rows of floats, as :func:`number` makes them."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ViewError(f"{what} are lists of numbers", _short(values))
    return tuple(numbers(row, what) for row in values)


def whole(value: Any, what: str) -> int:
    """An integer that is given as some kind of whole number.

    Raises
    ------
    ViewError
        If it is not a whole number.
    """
    made = number(value, what)
    if not made.is_integer():
        raise ViewError(f"{what} is a whole number", _short(value))
    return int(made)


def names(values: Any, what: str) -> tuple[str, ...]:
    """Names of axes; ``"yx"`` stands for two of one letter each.

    Raises
    ------
    ViewError
        If they are not texts.
    """
    made = tuple(values) if isinstance(values, Iterable) else (values,)
    if not all(isinstance(name, str) for name in made):
        raise ViewError(f"{what} is a list of names", _short(values))
    return tuple(str(name) for name in made)


def canvas_of(canvas: Any) -> tuple[int, int]:
    """Width and height as plain integers.

    Raises
    ------
    ViewError
        If they are not two whole numbers.
    """
    if not isinstance(canvas, Iterable) or len(sides := tuple(canvas)) != 2:
        raise ViewError("a canvas has a width and a height", f"canvas={_short(canvas)}")
    return whole(sides[0], "the canvas's width"), whole(sides[1], "the canvas's height")


def part_of(part: Any) -> tuple[int, int, int, int]:
    """Left, top, width and height as plain integers.

    Raises
    ------
    ViewError
        If they are not four whole numbers.
    """
    if not isinstance(part, Iterable) or len(numbers := tuple(part)) != 4:
        raise ViewError("a part has a left, a top, a width and a height", f"part={_short(part)}")
    left, top, width, height = (whole(number, "a part's side") for number in numbers)
    return left, top, width, height


def pairs_of(values: Any, what: str) -> tuple[tuple[str, Any], ...]:
    """Values by name, given as a mapping or as pairs.

    Raises
    ------
    ViewError
        If they are neither.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise ViewError(f"{what} names axes", _short(values))
    pairs = tuple(values.items() if isinstance(values, Mapping) else values)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise ViewError(f"{what} has one value for each of some axes", _short(pairs))
    return tuple((str(name), value) for name, value in pairs)


def positions_of(point: Any) -> tuple[tuple[str, float], ...]:
    """Positions by axis, as :func:`number` makes them."""
    return tuple((name, number(value, name)) for name, value in pairs_of(point, "a point"))


def margins_of(
    margins: Mapping[str, float | Sequence[float]] | Iterable[tuple[str, float | Sequence[float]]] | None,
) -> tuple[tuple[str, tuple[float, float]], ...]:
    """Margins below and above the point, by axis; one number counts for both.

    Raises
    ------
    ViewError
        If there are other than one or two numbers for an axis.
    """
    made = []
    for name, reach in pairs_of(() if margins is None else margins, "margins"):
        both = numbers(reach, f"{name} margins") if _several(reach) else (number(reach, f"{name} margin"),)
        if len(both) not in {1, 2}:
            raise ViewError("margins are one number, or one below and one above", f"{name}={_short(reach)}")
        made.append((name, (both[0], both[-1])))
    return tuple(made)


def check_keys(value: Any, kind: type, what: str) -> None:
    """Refuse what cannot be the values of a dataclass by name.

    Raises
    ------
    ViewError
        If the value has no keys at all, a key is unknown, or one without a default is missing.
    """
    if not isinstance(value, Mapping):
        raise ViewError(f"{what} is made of names and values", _short(value))
    known = {key.name: key for key in fields(kind)}
    hint = f"it has {', '.join(known)}"
    unknown = sorted(set(map(str, value)) - set(known))
    if unknown:
        raise ViewError(f"{what} has no such key", ", ".join(unknown)[:80], hint)
    missing = [name for name, key in known.items() if key.default is MISSING and name not in value]
    if missing:
        raise ViewError(f"{what} lacks a key", ", ".join(missing), hint)


def _several(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def _short(value: object) -> str:
    try:
        return f"{value!r}"[:80]
    except (ValueError, RecursionError):  # an integer of thousands of digits; a value that contains itself
        return f"a value of type {type(value).__name__}"
