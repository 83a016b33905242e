"""Everything that can be described can be opened: images of all versions, placed anyhow, and arrays in memory."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dask.array as da
import numpy as np
import placed
import pytest
import tensorstore
import zarr
from documents import documents
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import Tree, array, dump, group, image, multiscales, under
from trees import placed as placed_tree

from brickstream.chunks import ChunkedImage, image_of, open_image
from brickstream.engine import Engine
from brickstream.errors import MetadataError
from brickstream.multiscale import Affine, Level, Pyramid, View, pyramid_of, read_metadata
from brickstream.testing import CountingReader, MemoryReader


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def opened(tree: Tree) -> ChunkedImage:
    async def one() -> ChunkedImage:
        with ThreadPoolExecutor(1) as pool:
            return await open_image(MemoryReader(tree, "memory://root/name"), pool)

    return asyncio.run(one())


# ---- versions


@given(st.data())
@settings(max_examples=40)
@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3", "0.4", "0.5"])
def test_an_image_of_every_version_opens_as_its_metadata_says(version: str, data: st.DataObject) -> None:
    document = data.draw(documents("image", version))
    (said,) = read_metadata(document, strict=False)
    zarr_format = 3 if version == "0.5" else 2
    tree = group(document, zarr_format)
    shapes = [[32 >> k] * len(said.axes) for k in range(len(said.datasets))]
    for dataset, shape in zip(said.datasets, shapes, strict=True):
        tree |= under(dataset.path, array(shape, zarr_format))
    pyramid = opened(tree).pyramid
    assert pyramid.axes == said.axes
    assert [level.path for level in pyramid.levels] == [dataset.path for dataset in said.datasets]
    assert [list(level.shape) for level in pyramid.levels] == shapes
    assert pyramid.channels == said.channels
    for level, dataset in zip(pyramid.levels, said.datasets, strict=True):
        assert dataset.scale is None or level.scale == dataset.scale


@given(st.data())
@settings(max_examples=40)
def test_an_image_lies_where_its_transforms_of_0_6_put_it(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 3))
    names = tuple("zyx"[-ndim:])
    parts: tuple[Level, ...] = data.draw(placed.levels(ndim))
    askew = placed.askew_maps(names) if ndim > 1 else st.none()
    placement = data.draw(st.one_of(placed.aligned_maps(names), askew))
    wanted: Pyramid = placed.image(names, parts, placement)
    maps = [(level.shape, wanted.to_world(k)) for k, level in enumerate(wanted.levels)]
    found = opened(placed_tree(maps, "".join(names))).pyramid
    assert {axis.unit for axis in found.axes} == {"micrometer"}
    for k, level in enumerate(wanted.levels):
        corners = np.array([np.zeros(ndim), np.array(level.shape) - 1.0, np.eye(ndim)[0]])
        # Where dimensions run along the axes in another order, the axes are in theirs.
        there = found.to_world(k).reorder(outputs=names)(corners)
        np.testing.assert_allclose(there, wanted.to_world(k)(corners), rtol=1e-9, atol=1e-9)


def test_an_image_of_0_6_costs_what_any_other_costs() -> None:
    async def rounds() -> int:
        reader = CountingReader(MemoryReader(placed_tree([((8, 8), Affine.scaling("yx", [1, -1]))])))
        with ThreadPoolExecutor(1) as pool:
            await open_image(reader, pool)
        return reader.rounds

    assert asyncio.run(rounds()) == 2


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_levels_whose_paths_are_written_oddly_are_found(zarr_format: int) -> None:
    tree = image(zarr_format)
    key = "zarr.json" if zarr_format == 3 else ".zattrs"
    document = json.loads(tree[key])
    attributes = document["attributes"]["ome"] if zarr_format == 3 else document
    attributes["multiscales"][0]["datasets"][0]["path"] = "./0/"
    assert [level.path for level in opened(tree | {key: dump(document)}).pyramid.levels] == ["0", "1"]


def test_what_is_wrong_with_metadata_is_told_with_the_document() -> None:
    attributes = {"ome": {"version": "0.5", **multiscales()}}
    attributes["ome"]["multiscales"][0]["datasets"][1]["path"] = 7
    with pytest.raises(MetadataError) as caught:
        opened(group(attributes))
    assert str(caught.value) == (
        "bad metadata at ome.multiscales[0].datasets[1].path: a dataset names the path of its array, found 7: "
        "memory://root/name/zarr.json"
    )


def test_what_the_specification_forbids_and_a_picture_does_not_need_opens() -> None:
    """Axes in an unusual order, a version nobody knows, contrast limits that are none."""
    attributes = multiscales(axes="xy") | {"omero": {"channels": [{"window": {"start": "low"}}]}}
    attributes["multiscales"][0] |= {"version": "77", "axes": [{"name": "x"}, {"name": "q", "unit": 5}]}
    tree = group(attributes, 2) | under("0", array((8, 8), 2)) | under("1", array((4, 4), 2))
    assert opened(tree).pyramid.axis_names == ("x", "q")


# ---- arrays in memory


DATA = np.arange(24 * 30, dtype=np.uint16).reshape(24, 30)


def array_likes() -> dict[str, Any]:
    stored = tensorstore.array(DATA)
    chunked = zarr.create_array({}, data=DATA, chunks=(8, 8))
    return {
        "numpy": DATA,
        "big-endian": DATA.astype(">u2"),
        "a list": [DATA, DATA[::2, ::2]],
        "dask": da.from_array(DATA, chunks=(7, 11)),
        "tensorstore": stored,
        "zarr": chunked,
        "zarr in a list": [chunked],
        "a group of zarr": zarr.create_group({}, attributes={}),
    }


@pytest.mark.parametrize("kind", list(array_likes()))
async def test_arrays_open_and_are_shown_exactly(kind: str) -> None:
    value = await asyncio.to_thread(lambda: array_likes()[kind])
    if kind == "a group of zarr":
        await asyncio.to_thread(lambda: value.create_array("0", data=DATA, chunks=(8, 8)))
    async with Engine() as engine:
        picture = await engine.open(value)
        assert picture.pyramid.axis_names == ("y", "x")
        async for update in engine.slice(picture, View.plane(picture, level=0, canvas=(300, 240))):
            found = update.to_array() if update.complete else None
        assert await engine.labels(picture) == ()
    np.testing.assert_array_equal(found, DATA)


def test_an_image_of_arrays_is_what_they_are_said_to_be() -> None:
    how: dict[str, Any] = {
        "axes": "xy",
        "scales": (2.0, 0.5),
        "translations": (1.0, 0.0),
        "units": "mm",
        "chunks": (5, 4),
    }
    picture = image_of([DATA, DATA[::3, ::3]], name="mine", **how)
    assert picture.pyramid == pyramid_of([DATA, DATA[::3, ::3]], name="mine", **how)
    assert [source.chunks for source in picture.sources] == [(5, 4), (5, 4)]
    assert (picture.url, picture.format, picture.zarr_format) == ("mine", "arrays", None)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([DATA, "x"], "bad metadata at arrays[1]: an array (it has no shape)"),
        ([DATA[::2], DATA], "arrays from fine to coarse"),
        (np.array(["a"]), "bad metadata at arrays[0].dtype"),
        (np.zeros((0, 4)), "bad metadata at arrays[0].shape"),
        (np.zeros((1,) * 7), "bad metadata at axes"),
    ],
)
async def test_arrays_that_make_no_image_are_refused(value: Any, says: str) -> None:
    async with Engine() as engine:
        with pytest.raises(MetadataError) as caught:
            await engine.open(value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_an_array_has_no_images_inside() -> None:
    from brickstream.errors import StoreError

    async with Engine() as engine:
        with pytest.raises(StoreError, match="not a URL, a path or a Zarr store: ndarray"):
            await engine.open(DATA, "A/1")
        with pytest.raises(StoreError, match="not a URL, a path or a Zarr store: list"):
            await engine.open_collection([DATA])
