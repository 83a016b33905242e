"""Coordinate transformations of OME-NGFF 0.6, one by one: what is read, and how what is wrong is refused."""

import pytest
from rfc5 import Json, by_dimension, matrix, sequence

from brickstream.errors import MetadataError
from brickstream.multiscale.ome.transforms import MAX_DEPTH, read_transform, read_transformation


def refused(value: Json, inputs: str = "yx", outputs: str = "yx", *, draft: bool = False) -> MetadataError:
    with pytest.raises(MetadataError) as caught:
        read_transform(value, "t", tuple(inputs), tuple(outputs), draft=draft)
    assert "\n" not in str(caught.value)
    return caught.value


# ---- one transformation

KINDS: dict[str, tuple[Json, str, str, list[list[float]]]] = {
    "identity": ({"type": "identity"}, "ji", "yx", [[1, 0, 0], [0, 1, 0]]),
    "scale": ({"type": "scale", "scale": [2, 3.12]}, "ji", "yx", [[2, 0, 0], [0, 3.12, 0]]),
    "a flip": ({"type": "scale", "scale": [-2, 1]}, "ji", "yx", [[-2, 0, 0], [0, 1, 0]]),
    "translation": ({"type": "translation", "translation": [9, -1.42]}, "ji", "yx", [[1, 0, 9], [0, 1, -1.42]]),
    "affine": ({"type": "affine", "affine": [[1, 2, 3], [4, 5, 6]]}, "ji", "yx", [[1, 2, 3], [4, 5, 6]]),
    "affine to more axes": (
        {"type": "affine", "affine": [[0, 0, 1], [3, 4, 2], [6, 7, 5]]},
        "ji",
        "zyx",
        [[0, 0, 1], [3, 4, 2], [6, 7, 5]],
    ),
    "rotation": ({"type": "rotation", "rotation": [[0, -1], [1, 0]]}, "ji", "yx", [[0, -1, 0], [1, 0, 0]]),
    # The value at place i is the input that becomes the i-th output.
    "mapAxis": ({"type": "mapAxis", "mapAxis": [2, 0, 1]}, "abc", "zyx", [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]),
    "sequence": (
        {
            "type": "sequence",
            "transformations": [
                {"type": "translation", "translation": [0.5, 1]},
                {"type": "identity"},
                {"type": "scale", "scale": [2, 3]},
            ],
        },
        "ji",
        "yx",
        [[2, 0, 1], [0, 3, 3]],
    ),
    "a sequence in a sequence": (
        {"type": "sequence", "transformations": [{"type": "sequence", "transformations": [{"type": "identity"}]}]},
        "ji",
        "yx",
        [[1, 0, 0], [0, 1, 0]],
    ),
    "byDimension": (
        {
            "type": "byDimension",
            "transformations": [
                {
                    "transformation": {"type": "translation", "translation": [0.5, 1.5]},
                    "inputAxes": [3, 2],
                    "outputAxes": [1, 2],
                },
                {"transformation": {"type": "scale", "scale": [2]}, "inputAxes": [1], "outputAxes": [0]},
            ],
        },
        "ljki",
        "zyx",
        [[0, 2, 0, 0, 0], [0, 0, 0, 1, 0.5], [0, 0, 1, 0, 1.5]],
    ),
    "byDimension without an inner object": (
        {
            "type": "byDimension",
            "transformations": [
                {"type": "identity", "input_axes": [0], "output_axes": [0]},
                {"type": "scale", "scale": [10], "input_axes": [1], "output_axes": [1]},
            ],
        },
        "ji",
        "yx",
        [[1, 0, 0], [0, 10, 0]],
    ),
    "bijection": (
        {"type": "bijection", "forward": {"type": "scale", "scale": [2, 2]}, "inverse": {"type": "identity"}},
        "ji",
        "yx",
        [[2, 0, 0], [0, 2, 0]],
    ),
    "projectAxis, dropping": (
        {"type": "projectAxis", "droppedInputs": [0]},
        "cyx",
        "yx",
        [[0, 1, 0, 0], [0, 0, 1, 0]],
    ),
    "projectAxis, adding": (
        {"type": "projectAxis", "createdOutputs": [0]},
        "yx",
        "zyx",
        [[0, 0, 0], [1, 0, 0], [0, 1, 0]],
    ),
    "unknown keys": (
        {"type": "scale", "scale": [2, 2], "name": "x", "path": "unused", "input": {"name": "a"}, "vendor": {"a": 1}},
        "ji",
        "yx",
        [[2, 0, 0], [0, 2, 0]],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read(kind: str) -> None:
    value, inputs, outputs, want = KINDS[kind]
    read = read_transform(value, "t", tuple(inputs), tuple(outputs))
    assert matrix(read) == want
    assert read.inputs == tuple(inputs)
    assert read.outputs == tuple(outputs)
    # A draft may be spelled as the specification says.
    assert read_transform(value, "t", tuple(inputs), tuple(outputs), draft=True) == read


DRAFTS: dict[str, tuple[Json, list[list[float]]]] = {
    "a flat matrix": ({"type": "affine", "affine": [1, 2, 3, 4, 5, 6]}, [[1, 2, 3], [4, 5, 6]]),
    "a homogeneous matrix": ({"type": "affine", "affine": [[1, 2, 3], [4, 5, 6], [0, 0, 1]]}, [[1, 2, 3], [4, 5, 6]]),
    "a flat rotation": ({"type": "rotation", "rotation": [0, -1, 1, 0]}, [[0, -1, 0], [1, 0, 0]]),
    "axes mapped by name": ({"type": "mapAxis", "mapAxis": {"x": "j", "y": "i"}}, [[0, 1, 0], [1, 0, 0]]),
    "a projection": ({"type": "mapAxis", "mapAxis": [1, 1]}, [[0, 1, 0], [0, 1, 0]]),
    "dimensions by name": (
        {
            "type": "byDimension",
            "transformations": [
                {"type": "scale", "scale": [2], "input_axes": ["i"], "output_axes": ["y"]},
                {"type": "translation", "translation": [-10], "input": ["j"], "output": ["x"]},
            ],
        },
        [[0, 2, 0], [1, 0, -10]],
    ),
    "inverseOf": (
        {"type": "inverseOf", "transformation": {"type": "scale", "scale": [2, 4]}},
        [[0.5, 0, 0], [0, 0.25, 0]],
    ),
}


@pytest.mark.parametrize("spelling", DRAFTS)
def test_the_spellings_of_drafts_are_read_in_drafts(spelling: str) -> None:
    value, want = DRAFTS[spelling]
    assert matrix(read_transform(value, "t", ("j", "i"), ("y", "x"), draft=True)) == want
    refused(value, "ji", "yx")


def test_a_draft_is_not_read_at_any_price() -> None:
    def wrong(value: Json, words: str) -> None:
        assert words in refused(value, "ji", "yx", draft=True).rule

    wrong({"type": "affine", "affine": [1, 2, 3, 4, 5]}, "rows of 3 numbers")
    wrong({"type": "mapAxis", "mapAxis": {"y": "i", "x": "k"}}, "one of the axes j, i")
    wrong(by_dimension((ONE, ["j"], ["y"]), (ONE, ["k"], ["x"])), "axes out of j, i")
    wrong({"type": "inverseOf", "transformation": {"type": "affine", "affine": [[1, 1, 0]] * 2}}, "can be inverted")
    wrong({"type": "inverseOf", "transformation": {"type": "coordinates", "path": "p"}}, "a linear transformation")
    wrong({"type": "scale", "path": "p"}, "numbers in the document")
    with pytest.raises(MetadataError, match="axes by place"):
        read_transformation({"type": "mapAxis", "mapAxis": {"y": "i"}}, "t", draft=True)


ONE = {"type": "scale", "scale": [2]}
WRONG: dict[str, tuple[Json, str, str]] = {
    "no object": ([1], "t", "an object"),
    "no type": ({}, "t.type", "one of"),
    "a type that is none": ({"type": ["scale"]}, "t.type", "one of"),
    "an unknown type": ({"type": "thinPlateSpline"}, "t.type", "one of"),
    "no scale": ({"type": "scale"}, "t.scale", "a list"),
    "a scale of zero": ({"type": "scale", "scale": [0, 1]}, "t.scale", "not zero"),
    "a scale that is no number": ({"type": "scale", "scale": [float("nan"), 1]}, "t.scale", "finite"),
    "a scale without end": ({"type": "scale", "scale": [float("inf"), 1]}, "t.scale", "finite"),
    "a scale no float can hold": ({"type": "scale", "scale": [10**400, 1]}, "t.scale", "finite"),
    "a scale of truth": ({"type": "scale", "scale": [True, 1]}, "t.scale", "finite"),
    "a scale too many": ({"type": "scale", "scale": [1, 1, 1]}, "t.scale", "each of the 2 axes"),
    "a scale of nothing": ({"type": "scale", "scale": []}, "t.scale", "each of the 2 axes"),
    "an affine of many rows": ({"type": "affine", "affine": [[1, 0, 0]] * 17}, "t.affine", "at most 16 rows"),
    "a scale in an array": ({"type": "scale", "path": "p"}, "t.path", "stand in scale"),
    "a text for a translation": ({"type": "translation", "translation": "12"}, "t.translation", "a list"),
    "an affine of wrong shape": ({"type": "affine", "affine": [[1, 0], [0, 1]]}, "t.affine", "2 rows of 3"),
    "an affine of ragged rows": ({"type": "affine", "affine": [[1, 0, 0], [1]]}, "t.affine", "same length"),
    "an affine of no rows": ({"type": "affine", "affine": []}, "t.affine", "at least 1"),
    "an affine of texts": ({"type": "affine", "affine": [["1", 0, 0], [0, 1, 0]]}, "t.affine[0]", "finite"),
    "an affine given twice": (
        {"type": "affine", "affine": [[1, 0, 0], [0, 1, 0]], "path": "p"},
        "t.path",
        "either numbers or a path",
    ),
    "a reflection for a rotation": ({"type": "rotation", "rotation": [[1, 0], [0, -1]]}, "t.rotation", "determinant"),
    "a shear for a rotation": ({"type": "rotation", "rotation": [[1, 0.1], [0, 1]]}, "t.rotation", "orthonormal"),
    "a huge rotation": ({"type": "rotation", "rotation": [[1e200, 0], [0, 1e200]]}, "t.rotation", "orthonormal"),
    "a rotation that is not square": ({"type": "rotation", "rotation": [[1, 0, 0], [0, 1, 0]]}, "t.rotation", "square"),
    "an axis mapped twice": ({"type": "mapAxis", "mapAxis": [0, 0]}, "t.mapAxis", "once"),
    "an axis that is not there": ({"type": "mapAxis", "mapAxis": [0, 2]}, "t.mapAxis", "from 0 to 1"),
    "half an axis": ({"type": "mapAxis", "mapAxis": [0.5, 1]}, "t.mapAxis", "places"),
    "no steps": (sequence(), "t.transformations", "at least 1"),
    "a wrong step": (sequence({"type": "scale", "scale": [1]}), "t.transformations[0].scale", "each of the 2 axes"),
    "steps that do not meet": (
        sequence({"type": "projectAxis", "droppedInputs": [0]}, {"type": "scale", "scale": [1, 1]}),
        "t.transformations[1]",
        "as many axes",
    ),
    "an output left out": (by_dimension((ONE, [0], [0])), "t.transformations", "every output axis"),
    "an output given twice": (by_dimension((ONE, [0], [0]), (ONE, [1], [0])), "t.transformations", "every output axis"),
    "a part with too many axes": (
        by_dimension((ONE, [0, 1], [0, 1])),
        "t.transformations[0].transformation.scale",
        "each of the 2 axes",
    ),
    "an input that is not there": (
        by_dimension((ONE, [0], [0]), (ONE, [2], [1])),
        "t.transformations[1].inputAxes",
        "from 0 to 1",
    ),
    "axes by name": (by_dimension((ONE, ["y"], ["y"])), "t.transformations[0].inputAxes", "finite"),
    "one way only": ({"type": "bijection", "forward": {"type": "identity"}}, "t.inverse", "both ways"),
    "an inverse of other axes": (
        {"type": "bijection", "forward": {"type": "identity"}, "inverse": {"type": "scale", "scale": [1, 1, 1]}},
        "t.inverse.scale",
        "each of the 2 axes",
    ),
    "nothing projected": ({"type": "projectAxis"}, "t", "droppedInputs, createdOutputs"),
    "a field": ({"type": "displacements", "path": "p"}, "t.type", "linear"),
    "coordinates": ({"type": "coordinates", "path": "p"}, "t.type", "linear"),
    "a field nowhere": ({"type": "displacements"}, "t.path", "path of an array"),
    "a strange interpolation": (
        {"type": "displacements", "path": "p", "interpolation": "sinc"},
        "t.interpolation",
        "nearest",
    ),
    "an affine in an array": ({"type": "affine", "path": "p"}, "t.path", "numbers in the document"),
    "an affine nowhere": ({"type": "affine"}, "t.affine", "a list"),
    "numbers that overflow": (
        sequence({"type": "scale", "scale": [1e300, 1]}, {"type": "scale", "scale": [1e300, 1]}),
        "t.sequence",
        "finite",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_with_its_place(case: str) -> None:
    value, path, words = WRONG[case]
    error = refused(value)
    assert error.path == path
    assert words in error.rule


def test_a_transformation_between_other_numbers_of_axes_is_refused() -> None:
    assert "as many axes" in refused({"type": "identity"}, "yx", "zyx").rule
    assert refused({"type": "mapAxis", "mapAxis": [1, 0]}, "zyx", "yx").path == "t.mapAxis"


def test_where_no_axes_are_known_there_are_still_some() -> None:
    for numbers in ([], [1] * 17):
        with pytest.raises(MetadataError, match="from 1 to 16 numbers"):
            read_transformation({"type": "scale", "scale": numbers}, "t")


def test_valid_is_not_the_same_as_usable() -> None:
    field = {"type": "displacements", "path": "p"}
    for value in (field, sequence(field, {"type": "identity"}), {"type": "affine", "path": "p"}):
        read = read_transformation(value, "t", ("y", "x"), ("y", "x"))
        assert read.problem is not None
        assert not read.reversible
    with pytest.raises(MetadataError, match="once"):
        read_transformation(sequence(field, {"type": "mapAxis", "mapAxis": [1, 1]}), "t", ("y", "x"), ("y", "x"))


# ---- documents without end


def test_transformations_nest_only_so_deep() -> None:
    value: Json = {"type": "identity"}
    for _ in range(MAX_DEPTH):
        value = sequence(value)
    assert matrix(read_transform(value, "t", ("x",), ("x",))) == [[1, 0]]
    assert "deep" in refused(sequence(value)).rule


@pytest.mark.parametrize("kind", ["sequence", "bijection", "byDimension", "inverseOf"])
def test_a_transformation_inside_itself_is_refused(kind: str) -> None:
    value: Json = {"type": kind}
    value["transformations"] = [value, value]
    value["forward"] = value["inverse"] = value["transformation"] = value
    if kind == "byDimension":
        value["transformations"] = [{"transformation": value, "inputAxes": [0, 1], "outputAxes": [0, 1]}] * 2
    assert "deep" in refused(value, draft=True).rule
