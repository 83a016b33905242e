"""Demands on JSON values: what the rules for images and for collections are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import islice
from math import inf
from typing import Any, TypeGuard

from brickstream.errors import MetadataError
from brickstream.multiscale.ome.fields import take_number
from brickstream.multiscale.ome.versions import UNWRAPPED


def demand(fulfilled: bool, path: str, value: object, rule: str) -> None:
    """Raise MetadataError where something is not as the specification demands."""
    if not fulfilled:
        raise MetadataError(path, value, rule)


def demand_text(owner: Mapping[str, Any], path: str, *keys: str) -> None:
    """Demand that keys hold texts, where they are there."""
    for key in keys:
        demand(isinstance(owner.get(key, ""), str), f"{path}.{key}", owner.get(key), "a text")


def demand_version(value: Mapping[str, Any], path: str) -> None:
    """Demand a known version, where an object of 0.4 or before says one."""
    known = "version" not in value or value["version"] in UNWRAPPED
    demand(known, f"{path}.version", value.get("version"), f"one of {', '.join(UNWRAPPED)}")


def demand_distinct(items: Sequence[Any], path: str, rule: str, key: Callable[[Any], object] | None = None) -> None:
    """Demand that entries of a list differ, as a whole or in their `key`."""
    seen: set[Hashable] = set()
    for i, item in enumerate(items):
        one = frozen(item if key is None else key(item))
        demand(one not in seen, f"{path}[{i}]", item, rule)
        seen.add(one)


def shortened(names: Iterable[object]) -> str:
    """Name things in a message: not all, and not at any length."""
    return ", ".join(f"{name!s:.40}" for name in islice(names, 20))


def frozen(value: object) -> Hashable:
    """Give a hashable stand-in for a JSON value: equal for values that are equal in JSON, where true is not 1."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, Mapping):
        return frozenset((key, frozen(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return tuple(frozen(inner) for inner in value)
    return value


def is_whole(value: object, least: float = -inf, most: float = inf) -> TypeGuard[int | float]:
    """Whether a value is an integer in the sense of JSON (1.0 is one), and within bounds, both included."""
    number = take_number(value)
    return number is not None and number.is_integer() and least <= number <= most


def is_rgba(value: object) -> TypeGuard[Sequence[int | float]]:
    """Whether a value is four integers from 0 to 255."""
    return isinstance(value, list | tuple) and len(value) == 4 and all(is_whole(part, 0, 255) for part in value)


def is_inside(path: object) -> TypeGuard[str]:
    """Whether a value is a path that leads to something below the group that names it."""
    return isinstance(path, str) and bool(path) and not path.startswith("/") and ".." not in path.split("/")


def matches(pattern: re.Pattern[str], value: object) -> TypeGuard[str]:
    """Whether a value is a text, and as a whole what the pattern says."""
    return isinstance(value, str) and bool(pattern.fullmatch(value))
