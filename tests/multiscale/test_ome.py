"""OME-NGFF metadata: what real writers wrote is read, what is wrong is refused with its place."""

from typing import Any

import pytest

from brickstream.errors import MetadataError
from brickstream.multiscale import read_metadata


def scale(*numbers: float) -> dict[str, Any]:
    return {"type": "scale", "scale": list(numbers)}


def shift(*numbers: float) -> dict[str, Any]:
    return {"type": "translation", "translation": list(numbers)}


def image() -> dict[str, Any]:
    return {
        "version": "0.4",
        "name": "cells",
        "axes": [
            {"name": "c", "type": "channel"},
            {"name": "y", "type": "space", "unit": "micrometer"},
            {"name": "x", "type": "space", "unit": "micrometer"},
        ],
        "datasets": [
            {"path": "0", "coordinateTransformations": [scale(1, 0.5, 0.5)]},
            {"path": "1", "coordinateTransformations": [scale(1, 1, 1), shift(0, 0.25, 0.25)]},
        ],
    }


def attributes() -> dict[str, Any]:
    window = {"start": 10, "end": 200, "min": 0, "max": 255}
    channels = [
        {"label": "DNA", "color": "0000FF", "window": window},
        {"color": "FF0000", "window": window | {"end": 10}, "active": False},
    ]
    return {"multiscales": [image()], "omero": {"channels": channels}}


def test_version_0_4_is_read() -> None:
    (found,) = read_metadata(attributes())
    assert (found.name, found.version) == ("cells", "0.4")
    assert [(a.name, a.type, a.unit) for a in found.axes] == [
        ("c", "channel", None),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    assert [(d.path, d.scale, d.translation) for d in found.datasets] == [
        ("0", (1.0, 0.5, 0.5), None),
        ("1", (1.0, 1.0, 1.0), (0.0, 0.25, 0.25)),
    ]
    assert [(c.label, c.color, c.window, c.active) for c in found.channels] == [
        ("DNA", "0000FF", (10.0, 200.0), True),
        ("1", "FF0000", None, False),
    ]


def test_version_0_5_stands_under_its_own_key() -> None:
    entry = image()
    del entry["version"]
    (found,) = read_metadata({"ome": {"version": "0.5", "multiscales": [entry]}, "other": 1})
    assert found.version == "0.5"
    assert len(found.datasets) == 2


@pytest.mark.parametrize("other", [{"ome": {"version": "0.5", "series": ["0"]}}, {"labels": ["cells"]}])
def test_no_image_is_no_error(other: dict[str, Any]) -> None:
    assert read_metadata(other) == []


@pytest.mark.parametrize("other", [{}, {"hello": {"plate": 1}}, {"ome": {}}, {"ome": {"version": "0.5"}}])
def test_what_is_no_metadata_at_all_is_only_an_error_where_there_should_be_some(other: dict[str, Any]) -> None:
    assert read_metadata(other, strict=False) == []
    with pytest.raises(MetadataError, match="one of multiscales, "):
        read_metadata(other)


@pytest.mark.parametrize(
    ("version", "axes", "names"), [("0.3", ["t", "y", "x"], "tyx"), ("0.2", None, "zyx"), ("0.1", ["y", "x"], "tczyx")]
)
def test_the_axes_of_old_versions_are_read(version: str, axes: list[str] | None, names: str) -> None:
    """Before 0.3 there were five, always; what was written too soon counts where it fits."""
    entry = image() | {"version": version, "axes": axes}
    if axes is None:
        del entry["axes"]
    (found,) = read_metadata({"multiscales": [entry]})
    assert "".join(axis.name for axis in found.axes) == names
    assert found.axes[-1].type == "space"
    assert found.version == version


def test_without_axes_and_scales_there_are_five() -> None:
    (found,) = read_metadata({"multiscales": [{"datasets": [{"path": "s0"}]}]})
    assert [axis.name for axis in found.axes] == list("tczyx")
    assert found.datasets[0].scale is None
    assert found.datasets[0].translation is None


def test_transforms_apply_in_their_order_and_the_outer_ones_last() -> None:
    entry = image() | {"coordinateTransformations": [scale(1, 10, 10), shift(0, 1, 2)]}
    entry["datasets"] = [{"path": "0", "coordinateTransformations": [shift(0, 1, 1), scale(1, 2, 2)]}]
    (found,) = read_metadata({"multiscales": [entry]}, strict=False)
    # x -> ((x + 1) * 2) * 10 + 2
    assert found.datasets[0].scale == (1.0, 20.0, 20.0)
    assert found.datasets[0].translation == (0.0, 21.0, 22.0)


@pytest.mark.parametrize(
    "channels",
    [None, 7, "red", [None], [{"window": 3}], [{"window": {"start": 5, "end": 5}}], [{"window": {"start": "a"}}]],
)
def test_contrast_that_cannot_be_read_counts_as_not_said(channels: object) -> None:
    document = {"multiscales": [image()], "omero": {"channels": channels}}
    (found,) = read_metadata(document, strict=False)
    assert all(channel.window is None for channel in found.channels)
    with pytest.raises(MetadataError) as caught:
        read_metadata(document)
    assert caught.value.path.startswith("omero.channels")


def broken(path: list[str | int], value: object) -> dict[str, Any]:
    document = attributes()
    target: Any = document["multiscales"]
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ([0], 5, "multiscales[0]"),
        ([0, "datasets"], [], "multiscales[0].datasets"),
        ([0, "datasets"], None, "multiscales[0].datasets"),
        ([0, "datasets"], "0", "multiscales[0].datasets"),
        ([0, "datasets", 0], "0", "multiscales[0].datasets[0]"),
        ([0, "datasets", 1, "path"], 7, "multiscales[0].datasets[1].path"),
        ([0, "datasets", 1, "path"], "", "multiscales[0].datasets[1].path"),
        ([0, "datasets", 1, "path"], "/etc", "multiscales[0].datasets[1].path"),
        ([0, "datasets", 1, "path"], "a/../../b", "multiscales[0].datasets[1].path"),
        ([0, "axes"], {}, "multiscales[0].axes"),
        ([0, "axes"], [], "multiscales[0].axes"),
        ([0, "axes", 0], 3, "multiscales[0].axes[0]"),
        ([0, "axes", 0], {"type": "space"}, "multiscales[0].axes[0].name"),
        ([0, "axes", 0], {"name": "x"}, "multiscales[0].axes"),
        (
            [0, "datasets", 0, "coordinateTransformations", 0],
            scale(1, 1),
            "multiscales[0].datasets[0].coordinateTransformations[0].scale",
        ),
        (
            [0, "datasets", 0, "coordinateTransformations", 0],
            scale(1, 0, 1),
            "multiscales[0].datasets[0].coordinateTransformations[0].scale",
        ),
        (
            [0, "datasets", 0, "coordinateTransformations", 0],
            scale(1, 1, float("nan")),
            "multiscales[0].datasets[0].coordinateTransformations[0].scale",
        ),
        (
            [0, "datasets", 0, "coordinateTransformations", 0],
            scale(1, 1, 10**400),
            "multiscales[0].datasets[0].coordinateTransformations[0].scale",
        ),
        (
            [0, "datasets", 0, "coordinateTransformations", 0],
            {"type": "affine"},
            "multiscales[0].datasets[0].coordinateTransformations[0].type",
        ),
        ([0, "datasets", 1, "coordinateTransformations"], [scale(1, 0.1, 0.1)], "multiscales[0].datasets[1]"),
        ([0, "coordinateTransformations"], 5, "multiscales[0].coordinateTransformations"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(path: list[str | int], value: object, where: str) -> None:
    with pytest.raises(MetadataError) as caught:
        read_metadata(broken(path, value))
    assert caught.value.path == where
    assert where in str(caught.value)


def test_the_outer_transform_has_as_many_numbers_as_the_inner_ones_where_no_axes_say_how_many() -> None:
    entry = image() | {"coordinateTransformations": [scale(1, 1)]}
    del entry["axes"]
    with pytest.raises(MetadataError):
        read_metadata({"multiscales": [entry]})
