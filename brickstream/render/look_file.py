"""Looks as plain values for JSON, and back. Pure; the keys are those of :class:`~brickstream.render.look.Look`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from brickstream.errors import BrickstreamError, ViewError
from brickstream.render.look import Look
from brickstream.render.transfer import TransferFunction

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def read_look(document: Any, where: str = "look") -> Look:
    """Make a look of plain values.

    Parameters
    ----------
    document : mapping
        Values by the names of :class:`Look`'s fields; what is left out has its default. Tuples are lists; `slab`,
        `surfaces`, its `caps` and `slices`, and each entry of `clip` are objects of their own fields. `colormap` is a
        name, or an object: the fields of a :class:`TransferFunction`.
    where : str
        What errors call the document.

    Raises
    ------
    ViewError
        If a key is unknown or missing, or a value none that can be drawn; with its JSON path.
    """
    return cast("Look", _object(Look, document, where))


def write_look(look: Look) -> dict[str, Any]:
    """Give the plain values that :func:`read_look` makes the same look of; defaults are left out.

    Raises
    ------
    ViewError
        If the colormap is an object of vispy, which has no name.
    """
    return cast("dict[str, Any]", _plain(look, "look"))


def _object(kind: Any, value: Any, where: str) -> Any:
    known = {key.name: key for key in fields(kind)}
    if not isinstance(value, Mapping):
        raise ViewError("not an object", where, f"its keys are {', '.join(known)}")
    for name in value:
        if name not in known:
            raise ViewError("no such key", f"{where}.{name}", f"the keys are {', '.join(known)}")
    for name, key in known.items():
        if name not in value and key.default is MISSING and key.default_factory is MISSING:
            raise ViewError("a key is missing", f"{where}.{name}")
    hints = get_type_hints(kind)
    made = {name: _value(hints[name], entry, f"{where}.{name}") for name, entry in value.items()}
    try:
        return kind(**made)
    except BrickstreamError as error:
        raise ViewError(str(error), where) from error


def _value(hint: Any, value: Any, where: str) -> Any:
    """What a JSON value means where a field has this type."""
    if get_origin(hint) in {Union, UnionType}:
        hint = _choose(get_args(hint), value)
    if hint is NoneType:
        return None
    if is_dataclass(hint):
        return _object(hint, value, where)
    if get_origin(hint) is tuple:
        return _several(get_args(hint), value, where)
    return _coloured(value, where) if hint is Any else _one(hint, value, where)


def _choose(hints: tuple[Any, ...], value: Any) -> Any:
    """Of several types the one that a JSON value can be; else the first."""
    if value is None and NoneType in hints:
        return NoneType
    several = isinstance(value, list | tuple)
    return next((hint for hint in hints if hint is not NoneType and several == (get_origin(hint) is tuple)), hints[0])


def _several(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ViewError("not a list", where)
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(hints) != len(value):
        raise ViewError(f"a list of {len(hints)}, not of {len(value)}", where)
    return tuple(_value(hint, part, f"{where}[{i}]") for i, (hint, part) in enumerate(zip(hints, value, strict=True)))


def _one(kind: type, value: Any, where: str) -> Any:
    fits = isinstance(value, int | float if kind is float else kind) and isinstance(value, bool) == (kind is bool)
    if not fits or (kind is float and not isfinite(value)):
        raise ViewError(f"not {WORDS[kind]}", where)
    return kind(value)


def _coloured(value: Any, where: str) -> Any:
    """A colormap: a name, a transfer function, or colours at places."""
    if isinstance(value, Mapping):
        return _object(TransferFunction, value, where)
    return _tuples(value) if isinstance(value, list | tuple) else _one(str, value, where)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _plain(value: Any, where: str) -> Any:
    if is_dataclass(value):
        own = [(key.name, getattr(value, key.name)) for key in fields(value) if getattr(value, key.name) != _usual(key)]
        return {name: _plain(part, f"{where}.{name}") for name, part in own}
    if isinstance(value, tuple):
        return [_plain(part, f"{where}[{i}]") for i, part in enumerate(value)]
    if not isinstance(value, str | int | float | NoneType):
        raise ViewError("only a colormap with a name can be written", where, "name one of vispy or of cmap")
    return value


def _usual(key: Field[Any]) -> Any:
    return key.default if key.default_factory is MISSING else key.default_factory()
