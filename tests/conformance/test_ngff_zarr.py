"""The rules that ngff-zarr tests one by one, beyond what a JSON schema can say: run against our reader."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from foreign import Refused, load, names_of_tests, run
from suites import folder, refusal

from brickstream.errors import MetadataError
from brickstream.multiscale import read_collection

PACKAGE = "ngff_zarr-0.50.0"


@dataclass
class Axis:
    name: str
    type: str
    unit: str | None = None
    orientation: Any = None

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type}


@dataclass
class Scale:
    scale: list[float]

    def plain(self) -> dict[str, Any]:
        return {"type": "scale", "scale": self.scale}


@dataclass
class Translation:
    translation: list[float]

    def plain(self) -> dict[str, Any]:
        return {"type": "translation", "translation": self.translation}


@dataclass
class Dataset:
    path: str
    coordinateTransformations: list[Any]  # noqa: N815 - their names

    def plain(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "coordinateTransformations": [step.plain() for step in self.coordinateTransformations],
        }


@dataclass
class Window:
    min: float
    max: float
    start: float
    end: float


@dataclass
class Channel:
    color: str
    window: Window

    def plain(self) -> dict[str, Any]:
        return {"color": self.color, "window": vars(self.window)}


@dataclass
class Omero:
    channels: list[Channel]


@dataclass
class Metadata:
    axes: list[Axis]
    datasets: list[Dataset]
    coordinateTransformations: list[Any] | None = None  # noqa: N815 - their names
    omero: Omero | None = None
    version: str = "0.4"
    extra: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "axes": [axis.plain() for axis in self.axes],
            "datasets": [dataset.plain() for dataset in self.datasets],
        }
        if self.coordinateTransformations is not None:
            entry["coordinateTransformations"] = [step.plain() for step in self.coordinateTransformations]
        document: dict[str, Any] = {"multiscales": [entry | self.extra]}
        if self.omero is not None:
            document["omero"] = {"channels": [channel.plain() for channel in self.omero.channels]}
        return {"ome": document | {"version": self.version}} if self.version == "0.5" else document


@dataclass
class Line:
    name: str


@dataclass
class WellInPlate:
    path: str
    rowIndex: int  # noqa: N815 - their names
    columnIndex: int  # noqa: N815


@dataclass
class Acquisition:
    id: int


@dataclass
class Plate:
    columns: list[Line]
    rows: list[Line]
    wells: list[WellInPlate]
    acquisitions: list[Acquisition] | None = None

    def plain(self) -> dict[str, Any]:
        lists = {key: value for key, value in vars(self).items() if value is not None}
        return {"plate": {key: [vars(item) for item in items] for key, items in lists.items()}}


@dataclass
class WellImage:
    path: str
    acquisition: int | None = None


@dataclass
class Well:
    images: list[WellImage]

    def plain(self) -> dict[str, Any]:
        images = [{key: value for key, value in vars(image).items() if value is not None} for image in self.images]
        return {"well": {"images": images}}


class Level:
    STRICT = "strict"
    SCHEMA_ONLY = "schema only"


@dataclass
class Options:
    level: str = Level.STRICT


class AnyRule:
    """Which of its rules is broken, that package says with names of its own."""

    def __getattr__(self, name: str) -> str:
        return name


def check(thing: Metadata | Plate, options: Options | None = None) -> None:
    """Judge by what our reader says; where only a schema is asked, nothing is left to say."""
    why = refusal(thing.plain()) if options is None or options.level == Level.STRICT else ""
    if why:
        raise Refused(why)


def check_well(plate: Plate, well: Well, options: Options | None = None) -> None:
    if options is None or options.level == Level.STRICT:
        try:
            read_collection(well.plain(), plate=read_collection(plate.plain()))
        except MetadataError as error:
            raise Refused(str(error)) from error


RULES = (
    *("axis_count", "axis_type", "axis_order", "spatial_axis_order", "axis_names_unique"),
    *("per_dataset_scale_count", "scale_length", "transform_order", "dataset_order", "omero_color_hex"),
    *("zarr_format_for_version", "ome_namespace", "structural"),
    *("plate", "plate_well_index_consistency"),
)
NAMES: dict[str, Any] = {
    **{model.__name__: model for model in (Axis, Scale, Translation, Dataset, Omero, Metadata, Plate, Well, WellImage)},
    **{f"validate_{rule}": check for rule in RULES},
    "validate_well": check_well,
    "validate_well_acquisition": check_well,
    "OmeroChannel": Channel,
    "OmeroWindow": Window,
    "PlateRow": Line,
    "PlateColumn": Line,
    "PlateWell": WellInPlate,
    "PlateAcquisition": Acquisition,
    "SpecRule": AnyRule(),
    "ValidateOptions": Options,
    "ValidationError": Refused,
    "ValidationLevel": Level,
}

# Of each module, the tests that are not about metadata up to 0.5, or about names that are that package's own.
OTHERS = {
    "test_structural_validation": {
        "test_is_v06_version_accepts_enum_members_and_strings",
        "test_spatial_axis_order_accepts_v06_array_coordinate_system",
        "test_spatial_axis_order_array_branch_is_v06_only",
        "test_spatial_axis_order_needs_two_array_axes",
        "test_spec_rule_values",
        "test_validation_level_default_is_strict",
        "test_validate_options_defaults",
        "test_validation_error_str",
    },
    "test_structural_validation_hcs": set(),
    "test_structural_validation_v05": set(),
}
# Refused there, and allowed by the specification: docs/conformance.md.
EXCEPTIONS = {"test_spatial_axis_order_invalid"}
COUNTS = {"test_structural_validation": 23, "test_structural_validation_hcs": 7, "test_structural_validation_v05": 11}


def module(name: str) -> dict[str, Any]:
    return load(folder(PACKAGE) / "test" / f"{name}.py", ["ngff_zarr"], NAMES)


@pytest.mark.parametrize("name", OTHERS)
def test_its_rules_are_ours(name: str) -> None:
    space = module(name)
    tests = names_of_tests(space) - OTHERS[name] - EXCEPTIONS
    assert OTHERS[name] <= names_of_tests(space)
    assert len(tests) == COUNTS[name]
    for test in sorted(tests):
        assert run(space, test) > 0


def test_two_of_three_orders_of_space_are_judged_alike() -> None:
    """There, axes of space must be named z, y, x; 0.4 and 0.5: "SHOULD be ordered as zyx", and names are free."""
    space = module("test_structural_validation")
    judged = {}
    for case, location in [("suffix-mismatch", "axes[1]"), ("too-many-spatial", "axes"), ("too-few-spatial", "axes")]:
        arguments = {"case": case, "location": location, "valid_metadata": space["valid_metadata"]()}
        try:
            space["test_spatial_axis_order_invalid"](**arguments)
        except pytest.fail.Exception:
            judged[case] = "accepted"
        else:
            judged[case] = "refused"
    assert judged == {"suffix-mismatch": "accepted", "too-many-spatial": "refused", "too-few-spatial": "refused"}
