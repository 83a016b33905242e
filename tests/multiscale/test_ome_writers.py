"""Metadata as writers wrote it, with all their liberties: what can be shown is read, and what is wrong is named."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from brickstream.errors import MetadataError
from brickstream.multiscale import read_collection, read_metadata
from brickstream.multiscale.assemble import ArrayShape, assemble

Json = Any
MICROMETER = {"unit": "micrometer"}


def axis(name: str, **more: Json) -> Json:
    types = {"t": "time", "c": "channel"}
    return {"name": name, "type": types.get(name.lower(), "space"), **more}


def axes(names: str, **space: Json) -> Json:
    return [axis(name, **(space if name.lower() in "zyx" else {})) for name in names]


def scale(*numbers: float) -> Json:
    return {"type": "scale", "scale": list(numbers)}


def shift(*numbers: float) -> Json:
    return {"type": "translation", "translation": list(numbers)}


def dataset(path: Json, *steps: Json) -> Json:
    return {"path": path, "coordinateTransformations": list(steps)}


def image(names: str, *datasets: Json, **more: Json) -> Json:
    """One image of 0.4, as most write it."""
    return {"multiscales": [{"version": "0.4", "axes": axes(names, **MICROMETER), "datasets": list(datasets), **more}]}


def wrapped(document: Json, version: str = "0.5") -> Json:
    entries = [{k: v for k, v in entry.items() if k != "version"} for entry in document["multiscales"]]
    return {"ome": document | {"multiscales": entries, "version": version}}


def channel(**more: Json) -> Json:
    window = {"min": 0.0, "max": 65535.0, "start": 100.0, "end": 900.0}
    return {
        "active": True,
        "coefficient": 1.0,
        "color": "00FF00",
        "family": "linear",
        "inverted": False,
        "label": "GFP",
        "window": window,
    } | more


TWO = (dataset("0", scale(0.5, 0.25, 0.25)), dataset("1", scale(0.5, 0.5, 0.5)))
FIVE = dataset("0", scale(1, 1, 2, 0.5, 0.5))
OMERO = {"channels": [channel(), channel(label="DAPI", color="0000FF")], "rdefs": {"defaultT": 0, "model": "color"}}
GLOBAL = {"name": "global", "axes": axes("cyx")}


@dataclass(frozen=True)
class Written:
    """A document, what is to be read of it (axes, paths, scale of level 0), and why it is refused as OME-NGFF."""

    document: Json
    axes: str
    paths: str = "0"
    scale: tuple[float, ...] | None = None
    refused: str = ""


IMAGES: dict[str, Written] = {
    # ---- before 0.4
    "ome-zarr-py, 0.1": Written(
        {"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}, {"path": "1"}]}], "omero": OMERO},
        "tczyx",
        "0 1",
    ),
    "bioformats2raw, 0.2": Written(
        {
            "multiscales": [
                {
                    "metadata": {"method": "loci.common.image.SimpleImageScaler", "version": "Bio-Formats 6.5.1"},
                    "version": "0.2",
                    "datasets": [{"path": "0"}, {"path": "1"}],
                }
            ]
        },
        "tczyx",
        "0 1",
    ),
    "a writer of 0.1 that names no version": Written({"multiscales": [{"datasets": [{"path": "s0"}]}]}, "tczyx", "s0"),
    "ome-zarr-py, 0.3": Written(
        {"multiscales": [{"version": "0.3", "name": "/", "axes": ["c", "y", "x"], "datasets": [{"path": "0"}]}]}, "cyx"
    ),
    "0.3 with the scales of 0.4": Written(
        {"multiscales": [{"version": "0.3", "axes": ["z", "y", "x"], "datasets": [TWO[0]]}]},
        "zyx",
        "0",
        (0.5, 0.25, 0.25),
    ),
    "COSEM, before OME-NGFF had scales": Written(
        {
            "multiscales": [
                {
                    "name": "raw",
                    "datasets": [
                        {"path": "s0", "transform": {"axes": ["z", "y", "x"], "scale": [4, 4, 4], "units": ["nm"] * 3}}
                    ],
                }
            ]
        },
        "tczyx",
        "s0",
    ),
    # ---- 0.4
    "bioformats2raw, 0.4": Written(
        image("tczyx", FIVE, metadata={"method": "loci.common.image.SimpleImageScaler"}, name="a.czi")
        | {"omero": OMERO},
        "tczyx",
        "0",
        (1, 1, 2, 0.5, 0.5),
    ),
    "ome-zarr-py, 0.4, a label image without image-label": Written(
        image("zyx", *TWO, name="/labels/cells") | {"_creator": {"name": "ome-zarr", "version": "0.8"}}, "zyx", "0 1"
    ),
    "whole numbers for scales": Written(image("yx", dataset("0", scale(1, 1))), "yx", "0", (1, 1)),
    "names and types of one's own": Written(
        image("yx", dataset("0", scale(1, 1, 1)), axes=[{"name": "tau", "type": "lifetime"}, *axes("yx")]), "tau y x"
    ),
    "a unit that UDUNITS does not know": Written(
        image("yx", dataset("0", scale(1, 1)), axes=axes("yx", unit="µm")), "yx", "0", (1, 1)
    ),
    "Fractal": Written(
        image("czyx", dataset("0", scale(1, 1, 0.16, 0.16)))
        | {"omero": {"id": 1, "name": "TBD", "version": "0.4", "channels": [channel(wavelength_id="A01_C01")]}},
        "czyx",
        "0",
        (1, 1, 0.16, 0.16),
    ),
    "ngff-zarr": Written(
        image(
            "zyx",
            dataset("scale0/image", scale(2, 1, 1), shift(0, 0, 0)),
            dataset("scale1/image", scale(4, 2, 2), shift(1, 0.5, 0.5)),
            **{"@type": "ngff:Image"},
            name="image",
            type="itkwasm_gaussian",
            metadata={"description": "Smoothed", "method": "itkwasm_downsample", "version": "1.2"},
        ),
        "zyx",
        "scale0/image scale1/image",
        (2, 1, 1),
    ),
    "Janelia, a transformation of all levels": Written(
        image("zyx", dataset("s0", scale(5.24, 4, 4), shift(0, 0, 0)), coordinateTransformations=[scale(1, 1, 1)]),
        "zyx",
        "s0",
        (5.24, 4, 4),
    ),
    "two pyramids of one image": Written(
        {
            "multiscales": [
                *image("zyx", *TWO, name="a")["multiscales"],
                *image("yx", dataset("m", scale(1, 1)))["multiscales"],
            ]
        },
        "zyx",
        "0 1",
    ),
    "WebKnossos, x before y before z": Written(
        wrapped(
            image(
                "cxyz",
                dataset("1", scale(1, 11.24, 11.24, 28)),
                dataset("2-2-1", scale(1, 22.48, 22.48, 28)),
                name="color",
            )
        ),
        "cxyz",
        "1 2-2-1",
        (1, 11.24, 11.24, 28),
    ),
    "a flip": Written(image("yx", dataset("0", scale(-1, 1))), "yx", "0", (-1, 1)),
    # ---- 0.4, against its rules
    "iohub, an identity for all levels": Written(
        image(
            "TCZYX",
            dataset("0", scale(1, 1, 0.3, 0.1, 0.1)),
            coordinateTransformations=[{"type": "identity"}],
            name="0",
        )
        | {"omero": {"id": 0, "version": "0.4", "channels": [channel()], "rdefs": {"defaultZ": 0}}},
        "TCZYX",
        "0",
        (1, 1, 0.3, 0.1, 0.1),
        "scale or translation",
    ),
    "iohub, an identity for a level": Written(
        image("tczyx", dataset("0", {"type": "identity"})), "tczyx", "0", None, "scale or translation"
    ),
    "n5-zarr, an empty list of transformations": Written(
        image("zyx", dataset("s0", scale(1, 1, 1)), coordinateTransformations=[]),
        "zyx",
        "s0",
        (1, 1, 1),
        "a list of at",
    ),
    "no transformations": Written(image("zyx", {"path": "0"}), "zyx", "0", None, "a list"),
    "no axes, but scales": Written(
        {"multiscales": [{"version": "0.4", "datasets": [dataset("0", scale(1, 2, 3))]}]},
        "zyx",
        "0",
        (1, 2, 3),
        "a list",
    ),
    "null for what is not known": Written(
        image("zyx", *TWO, name=None, coordinateTransformations=None) | {"omero": None}, "zyx", "0 1", None, "a text"
    ),
    "a version that is a number": Written(image("zyx", *TWO, version=0.4), "zyx", "0 1", None, "one of 0.1"),
    "a version to come": Written(
        {"ome": image("zyx", *TWO)} | {"ome": {"version": "0.9", **image("zyx", *TWO)}},
        "zyx",
        "0 1",
        None,
        "a version from",
    ),
    "no version in 0.5": Written({"ome": image("zyx", *TWO)}, "zyx", "0 1", None, "a version from"),
    "0.4 in Zarr 3, under its key": Written(
        {"ome": image("zyx", *TWO) | {"version": "0.4"}}, "zyx", "0 1", None, "a version"
    ),
    "space before channels": Written(image("yxc", dataset("0", scale(1, 1, 1))), "yxc", "0", (1, 1, 1), "before"),
    "one axis of space": Written(
        image("cx", dataset("0", scale(1, 1))), "cx", "0", (1, 1), "2 or 3 axes of type space"
    ),
    "six axes": Written(
        image("atczyx", dataset("0", scale(1, 1, 1, 1, 1, 1))), "atczyx", "0", None, "from 2 to 5 axes"
    ),
    "types in capitals": Written(
        image("yx", dataset("0", scale(1, 1)), axes=[{"name": n, "type": "Space"} for n in "YX"]),
        "YX",
        "0",
        (1, 1),
        "2 or 3 axes of type space",
    ),
    "axes as names": Written(image("zyx", *TWO, axes=["z", "y", "x"]), "zyx", "0 1", None, "an object"),
    "a translation before its scale": Written(
        image("yx", dataset("0", shift(1, 1), scale(2, 2))), "yx", "0", (2, 2), "the translation after the scale"
    ),
    "two scales": Written(image("yx", dataset("0", scale(2, 2), scale(3, 3))), "yx", "0", (6, 6), "exactly one scale"),
    "OMERO, colors with a hash, windows without start": Written(
        image("zyx", *TWO) | {"omero": {"channels": [channel(color="#FF0000", window={"min": 0, "max": 9})]}},
        "zyx",
        "0 1",
        None,
        "six hexadecimal digits",
    ),
    "SpatialData, channels with nothing but labels": Written(
        image(
            "cyx",
            dataset("0", scale(1, 1, 1)),
            coordinateTransformations=[{"type": "identity", "input": GLOBAL | {"name": "cyx"}, "output": GLOBAL}],
        )
        | {"omero": {"channels": [{"label": "DAPI"}, {"label": 0}]}},
        "cyx",
        "0",
        (1, 1, 1),
        "scale or translation",
    ),
    "SpatialData, several worlds": Written(
        image(
            "cyx",
            dataset("0", scale(1, 1, 1)),
            coordinateTransformations=[
                scale(1, 2, 2) | {"output": GLOBAL},
                scale(1, 9, 9) | {"output": {"name": "other"}},
            ],
        ),
        "cyx",
        "0",
        (1, 2, 2),
        "exactly one scale",
    ),
    # ---- 0.5 and 0.6
    "ome-zarr-py, 0.5": Written(wrapped(image("zyx", *TWO, name="/") | {"omero": OMERO}) | {"other": 1}, "zyx", "0 1"),
    "the OME2024 challenge": Written(
        wrapped(image("zyx", *TWO)) | {"_ome2024_ngff_challenge_stats": {"zarr_version": 3}}, "zyx", "0 1"
    ),
    "acquire-zarr": Written(
        {
            "ome": wrapped(
                image("tyx", dataset("0", scale(1, 1, 1)), type="local_mean", metadata={"method": "np.mean"})
            )["ome"]
            | {"name": "/"}
        },
        "tyx",
    ),
    "0.4 as it was, in Zarr 3": Written(image("zyx", *TWO), "zyx", "0 1"),
    "the content of ome alone": Written(wrapped(image("zyx", *TWO))["ome"], "zyx", "0 1"),
    "a prototype of coordinate systems": Written(
        {
            "multiscales": [
                {
                    "version": "0.5-dev",
                    "name": "ms_avg",
                    "datasets": [
                        {
                            "path": "s0",
                            "coordinateTransformations": [scale(2.2, 1.1) | {"input": "/ms/s0", "output": "um"}],
                        }
                    ],
                    "coordinateSystems": [{"name": "um", "axes": axes("yx", **MICROMETER)}],
                }
            ]
        },
        "yx",
        "s0",
        (2.2, 1.1),
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_what_a_viewer_should_show_is_read(name: str) -> None:
    written = IMAGES[name]
    first = read_metadata(written.document, strict=False)[0]
    names = [axis.name for axis in first.axes]
    assert names == (written.axes.split() if " " in written.axes else list(written.axes))
    assert [level.path for level in first.datasets] == written.paths.split()
    if written.scale is not None:
        assert first.datasets[0].scale == written.scale


@pytest.mark.parametrize("name", IMAGES)
def test_what_breaks_a_rule_is_named_and_nothing_else_is(name: str) -> None:
    written = IMAGES[name]
    if not written.refused:
        assert read_metadata(written.document) == read_metadata(written.document, strict=False)
        return
    with pytest.raises(MetadataError) as caught:
        read_metadata(written.document)
    assert written.refused in caught.value.rule
    assert caught.value.path.startswith(("multiscales", "omero", "ome."))


def test_types_and_units_are_kept_as_they_are_meant() -> None:
    found = {name: read_metadata(IMAGES[name].document, strict=False)[0].axes for name in IMAGES}
    assert [axis.type for axis in found["types in capitals"]] == ["space", "space"]
    assert [axis.type for axis in found["iohub, an identity for a level"]] == ["time", "channel", *["space"] * 3]
    assert [axis.type for axis in found["names and types of one's own"]] == ["lifetime", "space", "space"]
    assert found["a unit that UDUNITS does not know"][0].unit == "µm"


def test_channels_show_what_can_be_read_of_them() -> None:
    def channels(name: str) -> list[tuple[str, str | None, tuple[float, float] | None]]:
        return [(c.label, c.color, c.window) for c in read_metadata(IMAGES[name].document, strict=False)[0].channels]

    assert channels("bioformats2raw, 0.4") == [("GFP", "00FF00", (100, 900)), ("DAPI", "0000FF", (100, 900))]
    assert channels("OMERO, colors with a hash, windows without start") == [("GFP", "FF0000", None)]
    assert channels("SpatialData, channels with nothing but labels") == [("DAPI", None, None), ("0", None, None)]


def test_an_affine_map_of_all_levels_places_the_image() -> None:
    """As SpatialData writes it: with the last row of homogeneous coordinates, and channels among the axes."""
    turn = {"type": "affine", "affine": [[1, 0, 0, 0], [0, 0, -1, 5], [0, 1, 0, 7], [0, 0, 0, 1]], "output": GLOBAL}
    levels = [dataset("0", scale(1, 1, 1)), dataset("1", scale(1, 2, 2))]
    (found,) = read_metadata(image("cyx", *levels, coordinateTransformations=[turn]), strict=False)
    arrays = [ArrayShape(f"{k}", (2, 8 >> k, 8 >> k), np.dtype("u1"), (1, 4, 4)) for k in (0, 1)]
    pyramid = assemble(found, arrays)
    assert pyramid.placement is not None
    corner = dict(zip((axis.name for axis in pyramid.axes), pyramid.to_world(1)([0, 3, 1]), strict=True))
    assert corner == {"c": 0, "y": -1 * 2 * 1 + 5, "x": 2 * 3 + 7}
    flat = turn | {"affine": [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]}
    with pytest.raises(MetadataError, match="inverted"):
        read_metadata(image("cyx", *levels, coordinateTransformations=[flat]), strict=False)
    huge = scale(1, 1e300, 1)
    with pytest.raises(MetadataError, match="finite"):
        read_metadata(image("cyx", dataset("0", huge, turn | {"affine": [[1e300] * 4] * 3})), strict=False)
    with pytest.raises(MetadataError, match="one of identity"):
        read_metadata(image("cyx", dataset("0", {"type": "thinPlateSpline"})), strict=False)


@pytest.mark.parametrize(("shape", "names"), [((8, 8), "yx"), ((3, 8, 8), "zyx"), ((1, 2, 3, 8, 8), "tczyx")])
def test_arrays_of_early_versions_have_the_last_of_the_five_axes(shape: tuple[int, ...], names: str) -> None:
    (found,) = read_metadata({"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]})
    pyramid = assemble(found, [ArrayShape("0", shape, np.dtype("u1"), shape)])
    assert "".join(axis.name for axis in pyramid.axes) == names


# ---- collections

LINES = {"rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}, {"name": "2"}]}
COLLECTIONS: dict[str, tuple[Json, str, list[tuple[str, int | None, int | None]], str]] = {
    "bioformats2raw, a plate": (
        {
            "bioformats2raw.layout": 3,
            "plate": LINES
            | {
                "version": "0.4",
                "name": "Plate 1",
                "field_count": 4,
                "acquisitions": [{"id": 0, "maximumfieldcount": 4, "starttime": 1615450000000}],
                "wells": [{"path": "B/2", "rowIndex": 1, "columnIndex": 1}],
            },
        },
        "plate",
        [("B/2", 1, 1)],
        "",
    ),
    "OMERO, a plate of 0.1": (
        {"plate": LINES | {"version": "0.1", "wells": [{"path": "A/2"}], "acquisitions": [{"id": 3, "path": "0"}]}},
        "plate",
        [("A/2", 0, 1)],
        "",
    ),
    "a plate whose wells have no places": (
        {"plate": LINES | {"version": "0.4", "wells": [{"path": "B/1"}, {"path": "2020/C/7"}]}},
        "plate",
        [("B/1", 1, 0), ("2020/C/7", None, None)],
        "an integer from 0 to 1",
    ),
    "ids as texts, numbers as names": (
        {"plate": {"rows": [{"name": 1}], "columns": [{"name": "1"}], "acquisitions": [{"id": "0"}], "wells": []}},
        "plate",
        [],
        "a text",
    ),
    "a well of Fractal": (
        {"well": {"version": "0.4", "images": [{"path": "0"}, {"path": "1", "acquisition": 1}]}},
        "well",
        [("0", None, None), ("1", None, None)],
        "",
    ),
    "a field with a name of its own": (
        {"ome": {"version": "0.5", "well": {"images": [{"path": "fov_0.test"}]}}},
        "well",
        [("fov_0.test", None, None)],
        "letters and digits",
    ),
    "labels in folders": (
        {"labels": ["original/0", "cells"]},
        "labels",
        [("original/0", None, None), ("cells", None, None)],
        "",
    ),
    "no labels any more": ({"labels": []}, "labels", [], "a list of at least 1"),
    "labels outside": (
        {"labels": ["../cells", 5, "dots"]},
        "labels",
        [("dots", None, None)],
        "a path inside the group",
    ),
    "the OME group of bioformats2raw": ({"series": ["0", "1"]}, "series", [("0", None, None), ("1", None, None)], ""),
    "bioformats2raw, 0.5": ({"ome": {"version": "0.5", "bioformats2raw.layout": 3}}, "bioformats2raw", [], ""),
    "bioformats2raw, a layout as text": ({"bioformats2raw.layout": "3"}, "bioformats2raw", [], "the number 3"),
}


@pytest.mark.parametrize("name", COLLECTIONS)
def test_members_that_can_be_found_are_listed(name: str) -> None:
    document, kind, members, _ = COLLECTIONS[name]
    found = read_collection(document, strict=False)
    assert found is not None
    assert found.kind == kind
    assert [(member.path, member.row, member.column) for member in found.members] == members


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_collection_that_breaks_a_rule_is_named(name: str) -> None:
    document, _, _, refused = COLLECTIONS[name]
    if not refused:
        assert read_collection(document) == read_collection(document, strict=False)
        return
    with pytest.raises(MetadataError) as caught:
        read_collection(document)
    assert refused in caught.value.rule
