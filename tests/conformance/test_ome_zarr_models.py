"""The cases that ome-zarr-models carries: example documents, and tests that make models and expect refusals."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from foreign import Refused, load, names_of_tests, run
from suites import Case, attributes, collected, folder, judge, refusal

from brickstream.multiscale import read_document

PACKAGE = "ome_zarr_models-1.7"
KINDS = {
    "bioformats2raw_example": "plate",
    "hcs_example": "plate",
    "image_example": "image",
    "image_label_example": "label",
    "image_no_version_example": "image",
    "labels_example": "labels",
    "labels_image_example": "image",
    "multiscales_example": "image",
    "plate_example_1": "plate",
    "plate_example_2": "plate",
    "spec_example_multiscales": "image",
    "well_example": "well",
    "well_example_1": "well",
    "well_example_2": "well",
}
# Examples that are the content of a key.
INNER = {("v04", "omero_example"): "omero", ("v04", "plate_example_1"): "plate", ("v04", "plate_example_2"): "plate"}


def examples(home: Path) -> Iterator[Case]:
    data = home / "tests" / "data"
    for path in sorted([*data.rglob("*.json"), *data.rglob(".zattrs")]):
        name, version = path.stem, path.parent.name
        document = attributes(path)
        if (version, name) in INNER:
            document = {INNER[version, name]: document}
        kind = KINDS.get(name, "any")
        yield Case(f"{path.relative_to(data)}", document, kind, "no_version" not in name)


EXAMPLES = collected(PACKAGE, examples)


@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: case.name)
def test_an_example_is_judged_as_it_is_said_to_be(case: Case | None) -> None:
    judge(case)


def test_no_example_is_missing() -> None:
    folder(PACKAGE)
    assert len(EXAMPLES) == 32
    assert [case.name for case in EXAMPLES if not case.valid] == [
        "examples/v05/image_no_version_example.json",
        "examples/v06/image_no_version_example.json",
    ]


def test_the_example_of_omero_is_accepted_beside_an_image() -> None:
    found = {case.name: case.document for case in examples(folder(PACKAGE))}
    image = found["examples/v04/multiscales_example.json"] | found["examples/v04/omero_example.json"]
    assert not refusal(image, "image")


# ---- models

AXES = {2: "yx", 3: "zyx", 4: "czyx", 5: "tczyx"}
TYPES = {"t": "time", "c": "channel"}


class Model:
    """A model as the tests make it: its fields, and the smallest document that holds it."""

    version = "0.4"

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        document = self.document()
        why = refusal(self.wrapped(document)) if document else ""
        if why:
            raise Refused(why)

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["fields"].get(name)

    def document(self) -> dict[str, Any]:
        return {}

    def wrapped(self, document: dict[str, Any]) -> dict[str, Any]:
        return document if self.version == "0.4" else {"ome": document | {"version": self.version}}

    def plain(self) -> dict[str, Any]:
        return {key.replace("label_value", "label-value"): plain(value) for key, value in self.fields.items()}


def plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.plain()
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


class Axis(Model):
    pass


class Vector(Model):
    @classmethod
    def build(cls, numbers: Sequence[float]) -> "Vector":
        kind = cls.__name__.removeprefix("Vector").lower()
        return cls(type=kind, **{kind: list(numbers)})


class VectorScale(Vector):
    pass


class VectorTranslation(Vector):
    pass


def build_transforms(scale: Sequence[float], translation: Sequence[float] | None) -> tuple[Vector, ...]:
    first = VectorScale.build(scale)
    return (first,) if translation is None else (first, VectorTranslation.build(translation))


class Dataset(Model):
    @classmethod
    def build(cls, *, path: str, scale: Sequence[float], translation: Sequence[float] | None) -> "Dataset":
        return cls(path=path, coordinateTransformations=build_transforms(scale, translation))

    def document(self) -> dict[str, Any]:
        first = self.fields["coordinateTransformations"][0].plain()
        names = AXES.get(len(first[first["type"]]), "")
        axes = [{"name": name, "type": TYPES.get(name, "space")} for name in names]
        # Without an image, too few or too many numbers are no fault of a dataset.
        return {"multiscales": [{"axes": axes, "datasets": [self.plain()]}]} if axes else {}


class Multiscale(Model):
    def document(self) -> dict[str, Any]:
        return {"multiscales": [self.plain()]}


class Color(Model):
    def document(self) -> dict[str, Any]:
        return {"image-label": {"colors": [self.plain()]}}


class Property(Model):
    def document(self) -> dict[str, Any]:
        return {"image-label": {"properties": [self.plain()]}}


class Label(Model):
    def document(self) -> dict[str, Any]:
        # To leave a key out is how JSON says what None says to a model.
        return {"image-label": {key: value for key, value in self.plain().items() if value is not None}}

    @property
    def source(self) -> Model:
        label = read_document(self.wrapped(self.document())).label
        assert label is not None
        return Model(image=label.source)


class Line(Model):
    def document(self) -> dict[str, Any]:
        row, column = ({"name": "A"} for _ in range(2))
        lines = {"rows": [row], "columns": [column], "wells": [{"path": "A/A", "rowIndex": 0, "columnIndex": 0}]}
        return {"plate": lines | {f"{type(self).__name__.lower()}s": [self.plain()]}}


class Row(Line):
    pass


class Column(Line):
    pass


class WellInPlate(Model):
    pass


class Plate(Model):
    def document(self) -> dict[str, Any]:
        return {"plate": self.plain()}


MODELS = (
    *(Axis, VectorScale, VectorTranslation, Dataset, Multiscale),
    *(Color, Property, Label, Row, Column, WellInPlate, Plate),
)
NAMES: dict[str, Any] = {model.__name__: model for model in MODELS} | {
    "ValidationError": Refused,
    "_build_transforms": build_transforms,
    "warns": lambda *args, **kwargs: nullcontext(),
}

# Of each module, the tests that are about metadata alone.
SHARED = {
    "test_multiscales": {
        "test_multiscale_unique_axis_names",
        "test_multiscale_space_axes_last",
        "test_axes_order",
        "test_multiscale_axis_length",
        "test_invalid_dataset_dimensions",
        "test_transform_invalid_ndims",
        "test_transform_invalid_length",
        "test_transform_invalid_first_element",
        "test_transform_invalid_second_element",
        "test_validate_axes_top_transforms",
        "test_validate_axes_dset_transforms",
        "test_ordered_multiscales",
    },
    "test_plate": {
        "test_unique_column_names",
        "test_unique_row_names",
        "test_alphanumeric_column_names",
        "test_well_paths",
    },
    "test_image_label": {"test_null_colors"},
}
TESTS = {
    "v04": SHARED
    | {"test_image_label": {"test_null_colors", "test_invalid_label", "test_invalid_rgba", "test_default_source"}},
    "v05": SHARED,
}
# What is about arrays and groups, the models' own ways, or documents that are among the examples.
OTHERS = {
    "test_immutable",
    "test_hashable",
    "test_conversion_v04_to_v05",
    "test_conversion_v05_to_v04",
    "test_multiscale_group_datasets_exist",
    "test_multiscale_group_datasets_ndim",
    "test_multiscale_group_missing_arrays",
    "test_multiscale_group_ectopic_group",
    "test_from_zarr_missing_metadata",
    "test_from_zarr_missing_array",
    "test_from_zarr_ectopic_group",
    "test_example_plate_json",
    "test_example_plate_json_2",
    "test_image_label_example_json",
    "test_image_label",
}
# Accepted there, against the specification: docs/conformance.md.
EXCEPTIONS = {"test_swap_translation_scale"}


def module(version: str, name: str) -> dict[str, Any]:
    path = folder(PACKAGE) / "tests" / version / f"{name}.py"
    number = {"v04": "0.4", "v05": "0.5"}[version]
    names = {
        key: type(key, (value,), {"version": number}) if isinstance(value, type) and issubclass(value, Model) else value
        for key, value in NAMES.items()
    }
    return load(path, ["ome_zarr_models", "pydantic", "pydantic_zarr", "tests"], names)


@pytest.mark.parametrize(
    ("version", "name", "test"),
    [(v, name, test) for v, modules in TESTS.items() for name, tests in modules.items() for test in sorted(tests)],
)
def test_a_test_of_the_models_passes_with_our_reader(version: str, name: str, test: str) -> None:
    assert run(module(version, name), test) > 0


@pytest.mark.parametrize(("version", "name"), [(version, name) for version in TESTS for name in SHARED])
def test_no_test_of_the_models_is_overlooked(version: str, name: str) -> None:
    assert names_of_tests(module(version, name)) - OTHERS - EXCEPTIONS == TESTS[version][name]


@pytest.mark.parametrize("version", ["v04", "v05"])
def test_an_exception_is_still_one(version: str) -> None:
    """A translation before the scale is swapped there; 0.4 and 0.5: "it MUST be listed after `scale`"."""
    space = module(version, "test_multiscales")
    with pytest.raises(AssertionError, match=r"refused what is to be accepted: .* the translation after the scale"):
        run(space, "test_swap_translation_scale")
