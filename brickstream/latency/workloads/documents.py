"""What every document of the lab's has: a format, a version, known keys; errors say where they are."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from brickstream.errors import BrickstreamError, StoreError, ViewError

T = TypeVar("T", str, bool)


def read_json(path: str | Path) -> Any:
    """Read a document.

    Raises
    ------
    StoreError
        If the file cannot be read.
    ViewError
        If it is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot be read ({error.strerror or error})", str(path)) from error
    except (ValueError, RecursionError) as error:
        raise ViewError(f"not a JSON document ({error})", str(path)) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a file that is there wholly or not at all.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot be written ({error.strerror or error})", str(path)) from error


def check_format(document: Any, where: str, name: str, version: int) -> None:
    """Refuse what is not a document of a format, or is of another version of it.

    Raises
    ------
    ViewError
    """
    if not isinstance(document, Mapping) or document.get("format") != name:
        raise ViewError(f"not a {name}", where, f'such a document has "format": "{name}"')
    if document.get("version") != version:
        raise ViewError(f"version {document.get('version')!r} of a {name}"[:80], where, f"here, {version} is known")


def check_keys(value: Any, where: str, known: Collection[str], needed: Collection[str] = ()) -> None:
    """Refuse what is not an object, has unknown keys, or lacks some.

    Raises
    ------
    ViewError
    """
    if not isinstance(value, Mapping):
        raise ViewError("not an object", where, f"its keys are {', '.join(known)}")
    for what, names in (("unknown", set(value) - set(known)), ("missing", set(needed) - set(value))):
        if names:
            raise ViewError(f"{what}: {', '.join(sorted(names))}"[:120], where, f"the keys are {', '.join(known)}")


def value(document: Mapping[str, Any], name: str, usual: T) -> T:
    """What a document says under a name, or what is usual; of the same type.

    Raises
    ------
    ViewError
    """
    found = document.get(name, usual)
    if type(found) is not type(usual):
        raise ViewError(f"{name} is a {type(usual).__name__}", name, f"found {found!r}"[:80])
    return found


def lines_of(head: Mapping[str, Any], name: str, entries: Iterable[Mapping[str, Any]]) -> str:
    """Write an object as JSON whose last value is a list with a line for each of its entries."""
    lines = ",\n    ".join(json.dumps(entry, allow_nan=False) for entry in entries)
    fields = [f'  "{key}": {json.dumps(value, allow_nan=False)}' for key, value in head.items()]
    return "{\n" + ",\n".join([*fields, f'  "{name}": [\n    {lines}\n  ]']) + "\n}\n"


@contextmanager
def at_place(where: str) -> Iterator[None]:
    """Say where in a document values are not usable."""
    try:
        yield
    except BrickstreamError as error:
        place = f"{where}, {error.where}" if error.where else where
        raise ViewError(error.what, place, error.hint) from error
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise ViewError(f"not usable: {error}"[:200], where) from error
