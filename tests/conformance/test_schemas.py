"""The JSON schemas of the specification, as ngff-zarr's wheel carries them, say the same as our reader.

Where they do not, the text of the specification decides: docs/conformance.md has the clause for each rule below.
"""

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
from clauses import RULES as EARLIER
from clauses import Rule, axis, image, level, plate, wrapped
from clauses_v06 import RULES_V06, scene
from documents import KEYS, KINDS, changed, documents, places
from hypothesis import given
from hypothesis import strategies as st
from suites import folder

from brickstream.errors import MetadataError
from brickstream.multiscale import read_document

RULES = [*EARLIER, *RULES_V06]
BESIDE = {("omero",), ("ome", "omero"), ("ome", "version")}
PACKAGE = "ngff_zarr-0.50.0.wheel"
TEXT = Path(__file__).parents[2] / "docs" / "conformance.md"
OLD = ("image", "plate", "well")
SCHEMAS = [(version, kind) for version in ("0.1", "0.2", "0.3") for kind in OLD]
SCHEMAS += [(version, kind) for version in ("0.4", "0.5") for kind in KINDS if kind != "scene"]
SCHEMAS += [("0.6", kind) for kind in KINDS]


@cache
def schemas() -> dict[tuple[str, str], Any]:
    """Validators by version and kind; what they refer to is in the wheel too, and nothing else is looked for."""
    root = folder(PACKAGE) / "ngff_zarr" / "spec"
    found = {(p.parts[-3], p.stem): json.loads(p.read_text()) for p in sorted(root.glob("*/schemas/*.schema"))}
    resources = [(s["$id"], referencing.Resource.from_contents(s)) for s in found.values() if "$schema" in s]
    registry = referencing.Registry().with_resources(resources)
    return {
        key: jsonschema.Draft202012Validator(schema, registry=registry)
        for key, schema in found.items()
        if key in SCHEMAS
    }


def accepts(version: str, kind: str, document: dict[str, Any]) -> bool:
    return bool(schemas()[version, kind].is_valid(document))


def refused(document: dict[str, Any]) -> MetadataError | None:
    try:
        read_document(document)
    except MetadataError as error:
        return error
    return None


def unnumbered(text: str) -> str:
    return re.sub(r"\d+", "N", text)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.version} {rule.text} {rule.where}")
def test_each_rule_beyond_the_schemas_is_one_and_has_its_clause(rule: Rule) -> None:
    assert accepts(rule.version, rule.kind, rule.example)
    error = refused(rule.example)
    assert error is not None
    assert rule.explains(error), error
    assert f"`{unnumbered(error.rule)}`" in unnumbered(TEXT.read_text(encoding="utf-8")), "not in docs/conformance.md"


def unquirked(document: dict[str, Any]) -> dict[str, Any]:
    """The same document without what the schemas misjudge: docs/conformance.md says why each is allowed."""
    document = copy.deepcopy(document)
    values = document.get("ome", document)
    placed = [*values.get("multiscales", ()), *([values["scene"]] if "scene" in values else [])]
    for entry in placed:
        for axes in [entry.get("axes", ()), *(system["axes"] for system in entry.get("coordinateSystems", ()))]:
            for found in axes:
                _plain_axis(found)
        for dataset in entry.get("datasets", ()):
            for step in dataset.get("coordinateTransformations", ()):
                _plain_step(step, "path")
        for step in entry.get("coordinateTransformations", ()):
            _plain_step(step, "name")
    return document


def _plain_axis(found: dict[str, Any]) -> None:
    """A null counts as an unknown type or unit, and from 0.4 on an axis without a type is counted as one of space."""
    if found.get("type") is None:
        found["type"] = usual(found["name"])
    for key in ("unit", "longName"):
        if found.get(key, "") is None:
            del found[key]


def _plain_step(step: dict[str, Any], source: str) -> None:
    """In 0.6, ends are objects of two keys, and scales above zero."""
    for key, name in (("input", source), ("output", "name")):
        end = step.get(key)
        if isinstance(end, str):
            step[key] = {name: end}
        elif isinstance(end, dict):
            step[key] = {k: end[k] for k in ("name", "path") if end.get(k) is not None}
    if "scale" in step:
        step["scale"] = [abs(number) for number in step["scale"]]
    parts = [part.get("transformation", part) for part in step.get("transformations", ())]
    for inner in [*parts, *(step[key] for key in ("forward", "inverse") if key in step)]:
        _plain_step(inner, source)


def usual(name: object) -> str:
    return {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}.get(str(name), "custom")


@pytest.mark.parametrize(
    "axes",
    [
        [axis("y", "space") | {"unit": None}, axis("x", "space")],
        [{"name": "angle", "type": None}, axis("y", "space"), axis("x", "space")],
        [{"name": "angle"}, axis("z", "space"), axis("y", "space"), axis("x", "space")],
    ],
)
def test_what_the_schemas_misjudge_is_accepted(axes: list[dict[str, Any]]) -> None:
    document = image(axes=axes, datasets=[level("0", [1.0] * len(axes))])
    assert not accepts("0.4", "image", document)
    assert refused(document) is None
    assert accepts("0.4", "image", unquirked(document))


def compare(version: str, kind: str, document: dict[str, Any]) -> None:
    """Assert that schema and reader say the same, or what they differ in is listed."""
    error = refused(document)
    if accepts(version, kind, document):
        assert error is None or any(rule.explains(error) for rule in RULES), f"refused: {error}\n{json.dumps(document)}"
    elif error is None:
        assert kind in ("image", "scene"), f"accepted: {json.dumps(document)}"
        assert accepts(version, kind, unquirked(document)), f"accepted: {json.dumps(document)}"


def open_to_change(document: dict[str, Any]) -> list[tuple[str | int, ...]]:
    """Places inside the object that the schema is about; another key or version would make it one of another schema."""
    return [
        place
        for place in places(document)
        if place in BESIDE or (KEYS & set(place[:-1]) and place[-1] != "version") or "omero" in place[:-1]
    ]


@pytest.mark.parametrize(("version", "kind"), SCHEMAS)
@given(data=st.data())
@pytest.mark.oracle
def test_schema_and_reader_say_the_same(version: str, kind: str, data: st.DataObject) -> None:
    document = data.draw(documents(kind, version))
    assert accepts(version, kind, document), "the strategy makes valid documents"
    assert refused(document) is None
    for _ in range(data.draw(st.integers(1, 2))):
        allowed = open_to_change(document)
        if allowed:
            document = data.draw(changed(document, allowed))
    compare(version, kind, document)


CONTENTS: dict[str, tuple[str, Any]] = {
    "image": ("multiscales", image()["multiscales"]),
    "plate": ("plate", plate()["plate"]),
    "well": ("well", {"images": [{"path": "0"}]}),
    "label": ("image-label", {}),
    "bf2raw": ("bioformats2raw.layout", 3),
    "ome": ("series", ["0"]),
    "scene": ("scene", scene({"name": "world"})["ome"]["scene"]),
}
# Before 0.5, what bioformats2raw writes says no version.
VERSIONED = [(version, kind) for version, kind in SCHEMAS if version >= "0.5" or kind not in ("bf2raw", "ome")]


@pytest.mark.parametrize(("version", "kind"), VERSIONED)
@pytest.mark.parametrize("wrong", ["foo", None, 0.4, "0.9"])
def test_an_unknown_version_is_refused_by_both(version: str, kind: str, wrong: object) -> None:
    key, inner = CONTENTS[kind]
    if version >= "0.5":
        document = {"ome": {key: inner, "version": wrong}}
    else:
        document = {key: [inner[0] | {"version": wrong}] if kind == "image" else inner | {"version": wrong}}
    assert not accepts(version, kind, document)
    assert refused(document) is not None


def test_what_makes_a_document_one_of_its_kind_is_asked_for() -> None:
    """A key that is missing makes a document of another kind, which is no error, or of none."""
    for version, document in {"0.1": {}, "0.4": {}, "0.5": {"ome": {"version": "0.5"}}}.items():
        assert not accepts(version, "image", document)
        assert refused(document) is not None
    assert not accepts("0.5", "image", wrapped(image())["ome"])


def test_no_schema_is_missing() -> None:
    assert set(schemas()) == set(SCHEMAS)
