"""The cases of RFC-5 that packages carry: points and where they go, and transformations that are valid or not."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from suites import MISSING, attributes, collected, folder

from brickstream.errors import MetadataError
from brickstream.multiscale import read_document
from brickstream.multiscale.ome.transforms import read_transformation
from brickstream.multiscale.ome.v06 import read_scene

POINTS = "ome_zarr_transformations_conformance-0.1.2"
VERDICTS = "ngff_zarr-0.50.0"
Names = tuple[str, ...]


@dataclass(frozen=True)
class PointsCase:
    """Points of one coordinate system of a scene, and where they are in another."""

    name: str
    scene: dict[str, Any]
    conformance: dict[str, Any]


@dataclass(frozen=True)
class VerdictCase:
    """A transformation, the axes it is to lead between (where they are known), and whether it is valid."""

    name: str
    value: dict[str, Any]
    inputs: Names | None
    outputs: Names | None
    valid: bool


def points(home: Path) -> Iterator[PointsCase]:
    for path in sorted((home / "cases").iterdir()):
        told = tomllib.loads((path / "conformance.toml").read_text(encoding="utf-8"))
        yield PointsCase(path.name.partition(".")[0], attributes(path / "zarr.json")["ome"]["scene"], told)


def verdicts(home: Path) -> Iterator[VerdictCase]:
    told = json.loads((home / "test" / "rfc5_transform_cases.json").read_text(encoding="utf-8"))
    systems = {system["name"]: tuple(axis["name"] for axis in system["axes"]) for system in told["coordinateSystems"]}
    for case in told["cases"]:
        value = case["transformation"]
        ends = [systems.get(value.get(end, {}).get("name")) for end in ("input", "output")]
        yield VerdictCase(case["name"], value, ends[0], ends[1], case["ok"])


@pytest.mark.parametrize("case", collected(POINTS, points), ids=lambda case: case.name)
def test_points_go_where_they_are_said_to_go(case: PointsCase | None) -> None:
    if case is None:
        pytest.fail(MISSING)
    told = case.conformance
    start, end = told["source"], told["target"]

    def moved() -> np.ndarray[Any, Any]:
        return read_scene(case.scene, "ome.scene").between(start["name"], end["name"])(start["coordinates"])

    if told["should_error"]:
        with pytest.raises(MetadataError):
            moved()
        return
    want = np.array(end["coordinates"], dtype=float)
    found = moved()
    off = np.abs(found - want)
    # Both tolerances hold, as in the package's own runner.
    assert (off <= told["absolute_tolerance"]).all()
    assert (off <= told["relative_tolerance"] * np.maximum(np.abs(found), np.abs(want))).all()


def test_no_case_is_missing() -> None:
    assert sum(1 for _ in points(folder(POINTS))) == 24
    told = [case.valid for case in verdicts(folder(VERDICTS))]
    assert (told.count(True), told.count(False)) == (9, 31)


@pytest.mark.parametrize("case", collected(VERDICTS, verdicts), ids=lambda case: case.name)
def test_a_transformation_is_judged_as_it_is_said_to_be(case: VerdictCase | None) -> None:
    if case is None:
        pytest.fail(MISSING)
    if case.valid:
        read_transformation(case.value, "t", case.inputs, case.outputs)
        return
    with pytest.raises(MetadataError):
        read_transformation(case.value, "t", case.inputs, case.outputs)


@pytest.mark.parametrize(("name", "edges"), [("registration", 1), ("stitching", 4)])
def test_the_scenes_of_the_specification_are_read(name: str, edges: int) -> None:
    found = attributes_of_scene(folder(VERDICTS) / "test" / "fixtures" / "scene" / f"scene_{name}.json")
    assert len(read_scene(found["ome"]["scene"], "ome.scene").edges) == edges
    collection = read_document(found).collection
    assert collection is not None
    assert collection.kind == "scene"


def attributes_of_scene(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["attributes"]
    return document
