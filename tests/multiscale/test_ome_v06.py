"""Images of OME-NGFF 0.6: what their levels are, and in which coordinate systems they can be placed."""

import copy

import numpy as np
import pytest
from rfc5 import Json, matrix, sequence, step, system

from brickstream.errors import MetadataError
from brickstream.multiscale import Affine, read_metadata
from brickstream.multiscale.ome.v06 import read_image

ONE: Json = {"type": "scale", "scale": [2]}


def dataset(path: str, **what: Json) -> Json:
    return {"path": path, "coordinateTransformations": [step({"path": path}, {"name": "physical"}, **what)]}


def scaled(path: str, scale: Json, translation: Json = None) -> Json:
    first = {"type": "scale", "scale": scale}
    if translation is None:
        return dataset(path, **first)
    return dataset(path, **sequence(first, {"type": "translation", "translation": translation}))


def entry(*levels: Json, systems: list[Json] | None = None, outer: list[Json] | None = None) -> Json:
    value = {"name": "i", "coordinateSystems": systems or [system("physical")], "datasets": list(levels)}
    return value if outer is None else {**value, "coordinateTransformations": outer}


def ome(value: Json, version: str = "0.6") -> Json:
    return {"ome": {"version": version, "multiscales": [value]}}


def test_levels_lead_to_the_intrinsic_system() -> None:
    value = entry(scaled("s0", [1, 0.5]), scaled("s1", [2, 1.5], [0.5, 0.5]))
    (image,) = read_metadata(ome(value))
    assert image.version == "0.6"
    assert image.systems == ("physical",)
    assert [(axis.name, axis.type, axis.unit) for axis in image.axes] == [
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    first, second = image.datasets
    assert (first.path, first.scale, first.translation, first.transform) == ("s0", (1, 0.5), None, None)
    assert (second.path, second.scale, second.translation) == ("s1", (2, 1.5), (0.5, 0.5))


def test_texts_and_objects_name_the_same_systems() -> None:
    plain = entry(scaled("0", [1, 1]), systems=[system("physical"), system("other")], outer=[step("physical", "other")])
    for level in plain["datasets"]:
        level["coordinateTransformations"][0] |= {"input": "0", "output": "physical"}
    objects = entry(
        scaled("0", [1, 1]),
        systems=[system("physical"), system("other")],
        outer=[step({"name": "physical"}, {"name": "other"})],
    )
    assert read_metadata(ome(plain)) == read_metadata(ome(objects))


def test_a_level_that_overflows_on_its_way_is_refused_with_its_place() -> None:
    value = entry(
        scaled("0", [1, 1]),
        scaled("1", [1e300, 1e300]),
        systems=[system("physical"), system("other")],
        outer=[step({"name": "physical"}, {"name": "other"}, type="scale", scale=[1e300, 1e300])],
    )
    assert read_image(value, "m", "0.6").systems == ("physical", "other")
    with pytest.raises(MetadataError, match="finite") as caught:
        read_image(value, "m", "0.6", system="other")
    assert caught.value.path == "m.datasets[1]"


def test_coordinate_systems_are_of_0_6_where_nothing_says_so() -> None:
    (image,) = read_metadata({"multiscales": [entry(scaled("0", [1, 2]))]})
    assert (image.version, image.datasets[0].scale) == ("0.6", (1, 2))


def test_an_identity_has_scales_of_one() -> None:
    (image,) = read_metadata(ome(entry(dataset("0"))))
    assert image.datasets[0].scale == (1, 1)
    assert image.datasets[0].translation is None


def test_the_image_is_placed_in_the_system_asked_for() -> None:
    value = entry(
        scaled("0", [1, 1]),
        scaled("1", [2, 2], [0.5, 0.5]),
        systems=[system("physical"), system("turned"), system("larger"), system("warped"), system("lonely")],
        outer=[
            step({"name": "physical"}, {"name": "turned"}, type="rotation", rotation=[[0.6, -0.8], [0.8, 0.6]]),
            step({"name": "physical"}, {"name": "larger"}, type="scale", scale=[10, 20]),
            step({"name": "physical"}, {"name": "warped"}, type="displacements", path="field"),
        ],
    )
    (image,) = read_metadata(ome(value))
    assert image.systems == ("physical", "turned", "larger")
    larger = read_image(value, "m", "0.6", system="larger")
    assert larger.systems == ("larger", "physical", "turned")
    assert [(level.scale, level.translation) for level in larger.datasets] == [((10, 20), (0, 0)), ((20, 40), (5, 10))]
    turned = read_image(value, "m", "0.6", system="turned").datasets[1]
    assert turned.scale is None
    assert turned.transform is not None
    np.testing.assert_allclose(matrix(turned.transform), [[1.2, -1.6, -0.1], [1.6, 1.2, 0.7]], rtol=1e-15, atol=1e-16)
    with pytest.raises(MetadataError, match="linear"):
        read_image(value, "m", "0.6", system="warped")
    with pytest.raises(MetadataError, match="one of"):
        read_image(value, "m", "0.6", system="potato")


def test_levels_without_translations_cover_the_same_extent_in_every_system() -> None:
    value = entry(
        scaled("0", [1, 1]),
        scaled("1", [3, 2]),
        systems=[system("physical"), system("larger")],
        outer=[step({"name": "physical"}, {"name": "larger"}, type="scale", scale=[10, 20])],
    )
    assert read_image(value, "m", "0.6", system="larger").datasets[1].translation == (10, 10)


def test_an_image_in_pixels_is_placed_where_its_axes_mean_something() -> None:
    value = entry(
        scaled("0", [1, 1]),
        systems=[
            system("physical"),
            {"name": "array", "axes": [{"name": f"dim_{i}", "type": "array"} for i in (0, 1)]},
        ],
        outer=[step({"name": "array"}, {"name": "physical"}, type="mapAxis", mapAxis=[1, 0])],
    )
    value["datasets"][0]["coordinateTransformations"][0]["output"] = {"name": "array"}
    (image,) = read_metadata(ome(value))
    assert image.systems == ("physical", "array")
    assert [axis.name for axis in image.axes] == ["y", "x"]
    assert image.datasets[0].transform == Affine("yx", "yx", np.array([[0, 1], [1, 0]]), np.zeros(2))
    assert [axis.name for axis in read_image(value, "m", "0.6", system="array").axes] == ["dim_0", "dim_1"]


def test_labels_may_be_placed_beside_the_image() -> None:
    outer = [step({"path": "labels/cells", "name": "physical"}, {"name": "physical"})]
    (image,) = read_metadata(ome(entry(scaled("0", [1, 1]), outer=outer)))
    assert image.systems == ("physical",)


def test_early_drafts_may_rotate_levels_and_name_axes() -> None:
    parts = [
        {"type": "scale", "scale": [2], "input_axes": ["dim_1"], "output_axes": ["x"]},
        {"type": "translation", "translation": [-10], "input_axes": ["dim_0"], "output_axes": ["y"]},
    ]
    value = entry(dataset("0", type="byDimension", transformations=parts))
    for version in ("0.6.dev1", "0.6.dev2"):
        (image,) = read_metadata(ome(value, version))
        assert (image.datasets[0].scale, image.datasets[0].translation) == ((1, 2), (-10, 0))
    for version in ("0.6", "0.6.dev4", "0.6rc0"):
        with pytest.raises(MetadataError, match="a scale, an identity"):
            read_metadata(ome(value, version))
        (image,) = read_metadata(ome(value, version), strict=False)
        assert image.datasets[0].scale == (1, 2)


def drop(place: str, *, replace: Json = None) -> Json:
    """A good image with one thing removed or replaced; a place is a path of keys and numbers."""
    value = copy.deepcopy(
        entry(
            scaled("0", [1, 1]),
            scaled("1", [2, 2], [0.5, 0.5]),
            systems=[system("physical"), system("other")],
            outer=[step({"name": "physical"}, {"name": "other"}, type="scale", scale=[2, 2])],
        )
    )
    *way, last = [int(key) if key.isdigit() else key for key in place.split("/")]
    inner: Json = value
    for key in way:
        inner = inner[key]
    if replace is None:
        del inner[last]
    else:
        inner[last] = replace
    return value


FIRST = "datasets/0/coordinateTransformations"
BROKEN: dict[str, tuple[Json, str]] = {
    "no systems": (drop("coordinateSystems"), ".coordinateSystems"),
    "an empty list of systems": (drop("coordinateSystems", replace=[]), ".coordinateSystems"),
    "a system without a name": (drop("coordinateSystems/1/name"), ".coordinateSystems[1].name"),
    "a system without axes": (drop("coordinateSystems/1/axes"), ".coordinateSystems[1].axes"),
    "one axis": (drop("coordinateSystems/1/axes/0"), ".coordinateSystems[1].axes"),
    "no space": (drop("coordinateSystems/0", replace=system("physical", kind="time")), ".coordinateSystems[0].axes"),
    "four spaces": (drop("coordinateSystems/1", replace=system("other", "wzyx")), ".coordinateSystems[1].axes"),
    "six axes": (drop("coordinateSystems/1", replace=system("other", "abcdef", "array")), ".coordinateSystems[1].axes"),
    "an axis twice": (drop("coordinateSystems/1", replace=system("other", "xx")), ".coordinateSystems[1].axes"),
    "space before time": (
        drop("coordinateSystems/1/axes", replace=[*system("o")["axes"], {"name": "t", "type": "time"}]),
        ".coordinateSystems[1].axes",
    ),
    "a unit that is none": (drop("coordinateSystems/0/axes/0/unit", replace=3), ".coordinateSystems[0].axes[0].unit"),
    "no levels": (drop("datasets"), ".datasets"),
    "an empty list of levels": (drop("datasets", replace=[]), ".datasets"),
    "a level without a path": (drop("datasets/0/path"), ".datasets[0].path"),
    "a level outside": (drop("datasets/0/path", replace="../0"), ".datasets[0].path"),
    "a level twice": (drop("datasets/1/path", replace="0"), ".datasets[1].path"),
    "a level without transformations": (drop(FIRST), ".datasets[0].coordinateTransformations"),
    "an empty list of transformations": (drop(FIRST, replace=[]), ".datasets[0].coordinateTransformations"),
    "two transformations": (
        drop(FIRST, replace=[*scaled("0", [1, 1])["coordinateTransformations"]] * 2),
        ".datasets[0].coordinateTransformations",
    ),
    "no input": (drop(f"{FIRST}/0/input"), ".datasets[0].coordinateTransformations[0].input"),
    "an input by name": (
        drop(f"{FIRST}/0/input", replace={"name": "0"}),
        ".datasets[0].coordinateTransformations[0].input.path",
    ),
    "no output": (drop(f"{FIRST}/0/output"), ".datasets[0].coordinateTransformations[0].output"),
    "an output by path": (
        drop(f"{FIRST}/0/output", replace={"path": "physical"}),
        ".datasets[0].coordinateTransformations[0].output.name",
    ),
    "an unknown output": (
        drop(f"{FIRST}/0/output", replace={"name": "potato"}),
        ".datasets[0].coordinateTransformations[0].output.name",
    ),
    "another output": (
        drop(f"{FIRST}/0/output", replace={"name": "other"}),
        ".datasets[1].coordinateTransformations[0].output",
    ),
    "a rotated level": (
        drop("datasets/0", replace=dataset("0", type="rotation", rotation=[[0, -1], [1, 0]])),
        ".datasets[0].coordinateTransformations[0].type",
    ),
    "a translation before the scale": (
        drop("datasets/1/coordinateTransformations/0/transformations/0"),
        ".datasets[1].coordinateTransformations[0].transformations",
    ),
    "a scale of zero": (drop(f"{FIRST}/0/scale", replace=[0, 1]), ".datasets[0].coordinateTransformations[0].scale"),
    "a scale too many": (drop(f"{FIRST}/0/scale", replace=[1] * 3), ".datasets[0].coordinateTransformations[0].scale"),
    "coarse before fine": (drop(f"{FIRST}/0/scale", replace=[4, 4]), ".datasets[1]"),
    "an outer one without an input": (drop("coordinateTransformations/0/input"), ".coordinateTransformations[0].input"),
    "an outer one to nowhere": (
        drop("coordinateTransformations/0/output/name", replace="potato"),
        ".coordinateTransformations[0].output.name",
    ),
    "no outer ones": (drop("coordinateTransformations", replace=[]), ".coordinateTransformations"),
    "an outer one that is wrong": (
        drop("coordinateTransformations/0", replace=step("physical", "other", type="mapAxis", mapAxis=[0, 0])),
        ".coordinateTransformations[0].mapAxis",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_image_that_is_wrong_is_refused_with_its_place(case: str) -> None:
    value, path = BROKEN[case]
    with pytest.raises(MetadataError) as caught:
        read_metadata(ome(value))
    assert caught.value.path == f"ome.multiscales[0]{path}"
