"""Whether a document is what a JSON Schema says: the few keywords of it that our own schema has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from brickstream.errors import MetadataError

_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
}
_LARGEST = sys.float_info.max


def check(document: object, schema: Mapping[str, Any], where: str = "") -> None:
    """Check a document against a schema.

    Of JSON Schema these keywords are known: ``type``, ``const``, ``enum``, ``minimum``, ``maximum``, ``required``,
    ``properties``, ``additionalProperties`` (a schema), ``items``, ``minItems``, ``maxItems`` and ``$ref`` to
    ``#/$defs``.

    Parameters
    ----------
    document : object
        As :func:`json.load` gives it.
    schema : mapping
    where : str, default ""
        The document's path, for the error.

    Raises
    ------
    MetadataError
        With the JSON path of the first value that is something else, and the rule that it breaks.
    """
    _Check(schema.get("$defs", {}), where).value(document, schema, "")


class _Check:
    def __init__(self, shared: Mapping[str, Any], where: str) -> None:
        self._shared = shared
        self._where = where

    def value(self, value: object, schema: Mapping[str, Any], path: str) -> None:
        schema = self._shared[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema
        rule = _broken(value, schema)
        if rule:
            raise MetadataError(path, value, rule, self._where)
        if isinstance(value, dict):
            self._object(value, schema, path)
        elif isinstance(value, list) and "items" in schema:
            for k, item in enumerate(value):
                self.value(item, schema["items"], f"{path}[{k}]")

    def _object(self, value: dict[str, Any], schema: Mapping[str, Any], path: str) -> None:
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for key, item in value.items():
            of = properties.get(key, others)
            if of is not None:
                self.value(item, of, f"{path}.{key}" if path else key)


def _broken(value: object, schema: Mapping[str, Any]) -> str:
    """The rule that a value breaks by itself; empty where it breaks none."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return " or ".join(kinds)
    if "const" in schema and value != schema["const"]:
        return f"always {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"one of {', '.join(schema['enum'])}"
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        return f"at least {schema['minimum']}"
    if isinstance(value, int | float) and value > schema.get("maximum", value):
        return f"at most {schema['maximum']:g}"
    if isinstance(value, list) and not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return f"a list of {schema.get('minItems', 0)} to {schema.get('maxItems', 'any number')}"
    if isinstance(value, dict):
        missing = [key for key in schema.get("required", []) if key not in value]
        return f"an object with {', '.join(map(repr, missing))}" if missing else ""
    return ""


def _is(value: object, kind: str) -> bool:
    if kind in _KINDS:
        return isinstance(value, _KINDS[kind])
    # true is no number, and neither is what JSON has no word for.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        return False
    return kind == "number" or float(value).is_integer()
