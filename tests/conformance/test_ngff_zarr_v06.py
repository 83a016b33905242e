"""The rules that ngff-zarr tests for images with coordinate systems and for paths of fields, with our reader."""

from dataclasses import dataclass, fields
from typing import Any

import pytest
from foreign import Refused, load, names_of_tests, run
from suites import folder, refusal

PACKAGE = "ngff_zarr-0.50.0"


class Model:
    """A model as the tests make it; what is None is left out of the document."""

    def plain(self) -> dict[str, Any]:
        found = {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]
        return {key: value for key, value in found.items() if value is not None}


def plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.plain()
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


@dataclass
class Axis(Model):
    name: str
    type: str


@dataclass
class CoordinateSystem(Model):
    name: str
    axes: list[Axis]


@dataclass
class CoordinateSystemIdentifier(Model):
    name: str | None = None
    path: str | None = None


@dataclass(kw_only=True)
class Step(Model):
    input: CoordinateSystemIdentifier | None = None
    output: CoordinateSystemIdentifier | None = None
    name: str | None = None


@dataclass(kw_only=True)
class Identity(Step):
    type: str = "identity"


@dataclass(kw_only=True)
class Scale(Step):
    scale: list[float]
    type: str = "scale"


@dataclass(kw_only=True)
class Translation(Step):
    translation: list[float]
    type: str = "translation"


@dataclass(kw_only=True)
class TransformSequence(Step):
    transformations: list[Step]
    type: str = "sequence"


@dataclass
class Dataset(Model):
    path: str
    coordinateTransformations: list[Step]  # noqa: N815 - their names


@dataclass
class Metadata(Model):
    coordinateSystems: list[CoordinateSystem]  # noqa: N815 - their names
    datasets: list[Dataset]
    coordinateTransformations: list[Step] | None = None  # noqa: N815


class AnyRule:
    """Which of its rules is broken, that package says with names of its own."""

    def __getattr__(self, name: str) -> str:
        return name


def check(metadata: Metadata) -> None:
    why = refusal({"ome": {"version": "0.6", "multiscales": [metadata.plain()]}})
    if why:
        raise Refused(why)


MODELS = (
    *(Axis, CoordinateSystem, CoordinateSystemIdentifier, Dataset, Metadata),
    *(Identity, Scale, TransformSequence, Translation),
)
NAMES: dict[str, Any] = {model.__name__: model for model in MODELS} | {
    "SpecRule": AnyRule(),
    "ValidationError": Refused,
    "validate_structural": check,
}
# What is about the models' own ways, or goes through a store.
OTHERS = {"test_axes_property_is_not_a_field", "test_validate_structural_after_round_trip"}


def test_its_rules_for_coordinate_systems_are_ours() -> None:
    space = load(folder(PACKAGE) / "test" / "test_structural_validation_v06.py", ["ngff_zarr"], NAMES)
    tests = names_of_tests(space) - OTHERS
    assert names_of_tests(space) >= OTHERS
    assert len(tests) == 8
    assert sum(run(space, test) for test in sorted(tests)) == 10


def test_its_paths_of_fields_are_ours() -> None:
    """From 0.6 on, a field is named by any node name of Zarr that is safe everywhere."""
    space = load(folder(PACKAGE) / "test" / "test_well_path_schema.py", ["ngff_zarr"], {})

    def judged(path: str) -> bool:
        return not refusal({"ome": {"version": "0.6", "well": {"images": [{"path": path}]}}}, "well")

    space["is_valid_well_image_path"] = judged
    assert sum(run(space, test) for test in sorted(names_of_tests(space))) == 18


def test_what_is_wrong_is_not_accepted_for_lack_of_a_rule() -> None:
    """The stand-ins pass on what the models hold: a document that is wrong only inside them is refused."""
    bad = Metadata([CoordinateSystem("a", [Axis("x", "space"), Axis("x", "space")])], [Dataset("0", [])])
    with pytest.raises(Refused, match="axis names are unique"):
        check(bad)
