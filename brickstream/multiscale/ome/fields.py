"""Fields of JSON documents: taken as what they must be, or refused with their place."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from brickstream.errors import MetadataError

_LARGEST = sys.float_info.max


def take_object(value: object, path: str) -> Mapping[str, Any]:
    """Take a JSON object.

    Raises
    ------
    MetadataError
        If the value is anything else, as in all functions of this module.
    """
    if not isinstance(value, Mapping):
        raise MetadataError(path, value, "an object")
    return value


def take_list(value: object, path: str, *, least: int = 0) -> Sequence[Any]:
    """Take a JSON list of at least so many entries; a text is none."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise MetadataError(path, value, "a list")
    if len(value) < least:
        raise MetadataError(path, value, f"a list of at least {least}")
    return value


def take_text(value: object, path: str, rule: str) -> str:
    """Take a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise MetadataError(path, value, rule)
    return value


def text_or(value: object, otherwise: str = "") -> str:
    """Take a name for people: a text or a number as it is, something else where it is neither, or empty."""
    if isinstance(value, str):
        return value or otherwise
    return otherwise if take_number(value) is None else str(value)


def take_number(value: object) -> float | None:
    """Take a finite number; None where it is anything else. JSON has integers that no float can hold."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LARGEST:
        return None
    return float(value)


def take_numbers(value: object, path: str) -> tuple[float, ...]:
    """Take a list of finite numbers."""
    numbers = [take_number(item) for item in take_list(value, path)]
    if any(number is None for number in numbers):
        raise MetadataError(path, value, "finite numbers")
    return tuple(number for number in numbers if number is not None)


def take_counts(value: object, path: str, rule: str) -> tuple[int, ...]:
    """Take a list of whole numbers, zero or above; ``1.0`` is whole too."""
    numbers = take_numbers(value, path)
    if any(number < 0 or not number.is_integer() for number in numbers):
        raise MetadataError(path, value, rule)
    return tuple(int(number) for number in numbers)
