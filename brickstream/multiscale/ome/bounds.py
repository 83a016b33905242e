"""What a document may be at most, so that nobody walks through one without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from brickstream.errors import MetadataError

# Of one document. Label images with 100,000 described objects have half as many, 50 megabytes have more.
MAX_VALUES = 1_000_000
# Objects and lists inside each other; what the specification knows has 10, and long transformations some more.
MAX_NESTING = 128
# So much text is one value.
_TEXT = 16


def check_bounds(document: Mapping[str, Any]) -> None:
    """Refuse a document that is absurdly large or deep, or holds what JSON does not.

    Raises
    ------
    MetadataError
    """
    keys: list[str | int] = []
    left, trail = MAX_VALUES - _size(document, keys), [_entries(document)]
    keys.append("")
    while trail:
        for keys[-1], value in trail[-1]:
            if value is None or isinstance(value, int | float):
                continue
            left -= _size(value, keys)
            if left < 0 or len(trail) > MAX_NESTING:
                rule = f"a document of at most {MAX_VALUES} values, at most {MAX_NESTING} deep in each other"
                raise MetadataError(_path(keys), value, rule)
            if not isinstance(value, str):
                trail.append(_entries(value))
                keys.append("")
                break
        else:
            trail.pop()
            keys.pop()


def _size(value: object, keys: Sequence[str | int]) -> int:
    """Count the values in an object, a list or a text, but not those in them."""
    if isinstance(value, str):
        return len(value) // _TEXT
    if isinstance(value, list | tuple):
        return len(value)
    if not isinstance(value, dict | Mapping):
        raise MetadataError(_path(keys), value, "a value that JSON has")
    if not all(isinstance(key, str) for key in value):
        raise MetadataError(_path(keys), list(value), "texts for keys")
    return len(value) + sum(map(len, value)) // _TEXT


def _entries(value: Mapping[str, Any] | list[Any] | tuple[Any, ...]) -> Iterator[tuple[str | int, Any]]:
    return enumerate(value) if isinstance(value, list | tuple) else iter(value.items())


def _path(keys: Sequence[str | int]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")
