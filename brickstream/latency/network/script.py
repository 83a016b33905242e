"""Scripts of faults: which request for which key goes wrong, and how, as a small JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from brickstream.errors import BrickstreamError, NotFoundError
from brickstream.latency.network.faults import Fault

FORMAT, VERSION = "brickstream-faults", 1

_OF_FAULT: Mapping[str, tuple[type, ...]] = {
    "kind": (str,),
    "status": (int,),
    "after": (int,),
    "share": (int, float),
    "count": (int,),
    "headers": (dict,),
    "kbps": (int, float),
}


@dataclass(frozen=True)
class Scripted:
    """One line of a script.

    Parameters
    ----------
    key : str
        Path below the root; ``*`` stands for any text, ``?`` for any character.
    requests : tuple of int or None
        Which requests for a key, counted from 0 for each key by itself; None is all of them.
    fault : Fault
        What goes wrong.
    """

    key: str
    requests: tuple[int, ...] | None
    fault: Fault


@dataclass(frozen=True)
class Script:
    """Faults for a server, in the order in which they are looked at; give it as ``faults``.

    Parameters
    ----------
    lines : tuple of Scripted
        The first line that fits a request decides.
    """

    lines: tuple[Scripted, ...]

    def __call__(self, key: str, number: int) -> Fault | None:
        """Return what goes wrong with the `number`-th request (from 0) of `key`, or None."""
        fitting = (
            line.fault
            for line in self.lines
            if (line.requests is None or number in line.requests) and fnmatchcase(key, line.key)
        )
        return next(fitting, None)


def read_script(path: Path) -> Script:
    """Read a script from a file. Blocks.

    Raises
    ------
    NotFoundError
        When there is no such file.
    BrickstreamError
        When it is no JSON, or not a script; the message has the place in it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFoundError(f"the script cannot be read ({error.strerror})", str(path)) from error
    except (ValueError, RecursionError) as error:
        raise BrickstreamError(f"the script is no JSON document ({error})", str(path)) from error
    return script_of(document, str(path))


def script_of(document: Any, where: str = "script") -> Script:
    """Check a script that was read from JSON.

    Parameters
    ----------
    document : object
        ``{"format": "brickstream-faults", "version": 1, "faults": [{"key": ..., "requests": [...], "kind": ...}]}``;
        each fault may have the other fields of :class:`Fault` too.
    where : str
        Names the document in errors.

    Raises
    ------
    BrickstreamError
        When something is missing, unknown, of another type or out of range.
    """
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (FORMAT, VERSION):
        raise BrickstreamError("not a script of faults", where, f'it has "format": "{FORMAT}", "version": {VERSION}')
    lines = document.get("faults")
    _known(document, ("format", "version", "faults"), where)
    if not isinstance(lines, list):
        raise BrickstreamError("a script needs a list", f"{where}, faults")
    return Script(tuple(_line(line, f"{where}, faults/{i}") for i, line in enumerate(lines)))


def _line(line: Any, where: str) -> Scripted:
    if not isinstance(line, dict):
        raise BrickstreamError(
            "not an object", where, 'for example {"key": "0/c/0/0", "requests": [2], "kind": "reset"}'
        )
    _known(line, ("key", "requests", *_OF_FAULT), where)
    for name in ("key", "kind"):
        if not isinstance(line.get(name), str):
            raise BrickstreamError("a text is missing", f"{where}/{name}")
    given = {name: line[name] for name in _OF_FAULT if name in line}
    for name, value in given.items():
        if not isinstance(value, _OF_FAULT[name]) or isinstance(value, bool):
            raise BrickstreamError("a value of another type", f"{where}/{name}", f"not {value!r}")
    if not all(isinstance(value, str) for value in given.get("headers", {}).values()):
        raise BrickstreamError("the values of headers are texts", f"{where}/headers")
    try:
        fault = Fault(**given)
    except BrickstreamError as error:
        raise BrickstreamError(error.what, where, error.hint) from error
    return Scripted(line["key"], _requests(line.get("requests"), f"{where}/requests"), fault)


def _requests(numbers: Any, where: str) -> tuple[int, ...] | None:
    if numbers is None:
        return None
    if not isinstance(numbers, list) or not all(type(n) is int and n >= 0 for n in numbers):
        raise BrickstreamError("not a list of whole numbers from 0", where, "leave it out for all requests")
    return tuple(numbers)


def _known(document: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    unknown = [name for name in document if name not in names]
    if unknown:
        raise BrickstreamError(f"unknown: {unknown[0]}", where, f"known are {', '.join(names)}")
