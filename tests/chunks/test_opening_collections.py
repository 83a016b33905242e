"""Plates, wells, series and labels: lists to choose from, at the price of their own metadata."""

import asyncio
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import Tree, array, dump, group, image, ome, plate, under, well, write

from brickstream.chunks import ImageCollection, open_collection, open_image
from brickstream.chunks.opening import collections
from brickstream.engine import Engine
from brickstream.errors import (
    AccessDeniedError,
    BrickstreamError,
    CollectionError,
    MetadataError,
    NotFoundError,
    StoreError,
)
from brickstream.latency import Server
from brickstream.testing import CountingReader, FaultyReader, MemoryReader

FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def counting(tree: Tree) -> CountingReader:
    return CountingReader(MemoryReader(tree, "memory://root"))


def paths(collection: ImageCollection) -> list[str]:
    return [entry.path for entry in collection.entries]


async def choices(tree: Tree, pool: ThreadPoolExecutor) -> CollectionError:
    with pytest.raises(CollectionError) as caught:
        await open_image(MemoryReader(tree, "memory://root"), pool)
    assert "\n" not in str(caught.value)
    return caught.value


# ---- plates and wells


@FORMATS
async def test_a_plate_of_1536_wells_is_listed_with_the_requests_of_one_group(zarr_format: int) -> None:
    reader = counting(plate(32, 48, zarr_format))
    collection = await open_collection(reader)
    assert (collection.kind, collection.name, len(collection.entries)) == ("plate", "screen", 1536)
    assert collection.title == "a plate of 1536 wells"
    assert (len(collection.rows), collection.columns[-1]) == (32, "48")
    last = collection.entries[-1]
    assert (last.name, last.path, last.kind, last.state) == ("FF48", "FF/48", "well", "named")
    assert (last.row, last.column) == (31, 47)
    assert (reader.rounds, len(reader.calls)) == (1, 5)


@FORMATS
async def test_opening_a_plate_as_an_image_says_what_to_choose(zarr_format: int, pool: ThreadPoolExecutor) -> None:
    reader = counting(plate(2, 12, zarr_format))
    with pytest.raises(CollectionError) as caught:
        await open_image(reader, pool)
    assert str(caught.value) == (
        "a plate of 24 wells, not one image: memory://root "
        "(choose one: A/1, A/2, A/3, A/4, A/5 and 19 more; add its path to the URL or to --image)"
    )
    assert caught.value.choices[-1] == "B/12"
    assert len(reader.calls) == 5


@FORMATS
async def test_a_well_lists_its_fields(zarr_format: int, pool: ThreadPoolExecutor) -> None:
    reader = counting(well(3, zarr_format))
    collection = await open_collection(reader)
    assert (collection.kind, paths(collection)) == ("well", ["0", "1", "2"])
    assert {entry.kind for entry in collection.entries} == {"image"}
    assert len(reader.calls) == 5
    assert (await choices(well(3, zarr_format), pool)).choices == ("0", "1", "2")


@FORMATS
async def test_what_leads_to_one_image_alone_is_that_image(zarr_format: int, pool: ThreadPoolExecutor) -> None:
    tree = plate(1, 1, zarr_format) | under("A/1", well(1, zarr_format)) | under("A/1/0", image(zarr_format))
    opened = await open_image(MemoryReader(tree, "memory://root"), pool)
    assert opened.pyramid.name == "picture"
    assert opened.url == "memory://root/A/1/0"


async def test_a_field_names_its_acquisition_and_a_plate_what_they_are_called() -> None:
    tree = ome({"well": {"images": [{"path": "0", "acquisition": 3}, {"path": "1"}]}})
    collection = await open_collection(MemoryReader(tree))
    assert [entry.acquisition for entry in collection.entries] == [3, None]
    about = {"wells": [{"path": "A/1"}], "acquisitions": [{"id": 3, "name": "first"}, {"id": 4}]}
    collection = await open_collection(MemoryReader(ome({"plate": about})))
    assert collection.acquisitions == ((3, "first"), (4, "4"))


async def test_images_that_share_a_world_are_a_list() -> None:
    steps = [{"type": "identity", "input": {"path": "left"}, "output": {"path": "more/right", "name": "world"}}]
    tree = group({"ome": {"version": "0.6", "scene": {"coordinateTransformations": steps}}})
    collection = await open_collection(MemoryReader(tree))
    assert (collection.title, paths(collection)) == ("a scene of 2 images", ["left", "more/right"])


async def test_a_plate_without_wells_is_refused(pool: ThreadPoolExecutor) -> None:
    with pytest.raises(NotFoundError, match="a plate without wells: memory://root"):
        await open_image(MemoryReader(ome({"plate": {}}), "memory://root"), pool)


async def test_a_path_that_could_end_the_line_is_written_as_its_escape(pool: ThreadPoolExecutor) -> None:
    tree = ome({"plate": {"wells": [{"path": "A/1\n\x1b[31m"}, {"path": "A/" + "2" * 1000}]}})
    line = str(await choices(tree, pool))
    assert "A/1\\n\\x1b[31m" in line
    assert len(line) < 400


@pytest.mark.parametrize("where", ["ome.plate", "ome.well"])
async def test_a_collection_that_is_none_is_refused_with_its_place(where: str) -> None:
    with pytest.raises(MetadataError) as caught:
        await open_collection(MemoryReader(ome({where.removeprefix("ome."): []}), "memory://root"))
    assert str(caught.value) == f"bad metadata at {where}: an object, found []: memory://root/zarr.json"


# ---- bioformats2raw


def layout(zarr_format: int) -> Tree:
    return ome({"bioformats2raw.layout": 3}, zarr_format)


@FORMATS
async def test_the_series_of_bioformats2raw_are_those_that_its_group_ome_lists(
    zarr_format: int, pool: ThreadPoolExecutor
) -> None:
    tree = layout(zarr_format) | under("OME", ome({"series": ["a/b", "0"]}, zarr_format))
    reader = counting(tree | under("0", image(zarr_format)) | under("a/b", image(zarr_format)))
    collection = await open_collection(reader)
    assert (collection.kind, paths(collection)) == ("bioformats2raw", ["a/b", "0"])
    assert {entry.state for entry in collection.entries} == {"named"}
    assert reader.rounds == 2
    assert (await choices(tree, pool)).what == "a collection of 2 images, not one image"


@FORMATS
@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 21])
async def test_series_that_nothing_lists_are_counted_up_to_the_first_gap(zarr_format: int, count: int) -> None:
    tree = layout(zarr_format)
    for k in (*range(count), count + 1):
        tree |= under(str(k), image(zarr_format))
    reader = counting(tree)
    assert paths(await open_collection(reader)) == [str(k) for k in range(count)]
    assert len(reader.calls) <= 5 + 1 + max(4, 2 * count)


@FORMATS
async def test_the_count_of_series_ends_where_everything_is_there(
    zarr_format: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collections, "MAX_SERIES", 100)

    class Everything(MemoryReader):
        async def read(self, key: str, *args: Any, **kwargs: Any) -> bytes | None:
            is_numbered = key.partition("/")[0].isdigit()
            return dump({}) if is_numbered else await super().read(key, *args, **kwargs)

    reader = CountingReader(Everything(layout(zarr_format)))
    assert len((await open_collection(reader)).entries) == 100
    assert len(reader.calls) == 5 + 1 + 100
    assert reader.rounds < 8


@FORMATS
async def test_the_one_image_of_bioformats2raw_opens(zarr_format: int, pool: ThreadPoolExecutor) -> None:
    reader = counting(layout(zarr_format) | under("OME", group({}, zarr_format)) | under("0", image(zarr_format)))
    opened = await open_image(reader, pool)
    assert opened.pyramid.name == "picture"
    assert reader.rounds == 4  # the root; which images there are; the image; its levels


async def test_a_plate_that_bioformats2raw_made_is_a_plate() -> None:
    tree = ome({"bioformats2raw.layout": 3, "plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}})
    assert (await open_collection(MemoryReader(tree))).kind == "plate"


async def test_bioformats2raw_without_images_is_refused(pool: ThreadPoolExecutor) -> None:
    with pytest.raises(NotFoundError, match="a collection without images"):
        await open_image(MemoryReader(layout(3)), pool)


async def test_a_list_of_series_leads_to_the_folder_above(pool: ThreadPoolExecutor) -> None:
    with pytest.raises(NotFoundError, match="images that lie in the folder above"):
        await open_image(MemoryReader(ome({"series": ["0"]})), pool)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(AccessDeniedError("HTTP 403", "x"), None), (StoreError("HTTP 500", "x"), StoreError), (b"{", MetadataError)],
)
async def test_a_list_of_series_that_cannot_be_read(fault: Any, kind: type[BrickstreamError] | None) -> None:
    """What is refused may be missing, where nobody may list; what is broken is told."""
    tree = layout(3) | under("0", image()) | under("1", image())
    reader = FaultyReader(MemoryReader(tree), {"OME/zarr.json": fault})
    if kind is None:
        assert paths(await open_collection(reader)) == ["0", "1"]
        return
    with pytest.raises(kind):
        await open_collection(reader)


async def test_a_list_that_leads_to_itself_is_refused(pool: ThreadPoolExecutor) -> None:
    class Mirror(MemoryReader):
        async def read(self, key: str, *args: Any, **kwargs: Any) -> bytes | None:
            return await super().read(key.rpartition("/")[2], *args, **kwargs)

    with pytest.raises(MetadataError, match="list in list without end"):
        await open_image(Mirror(plate(1, 1)), pool)


# ---- labels


@FORMATS
async def test_an_image_lists_itself_and_its_labels(zarr_format: int) -> None:
    tree = image(zarr_format) | under("labels", ome({"labels": ["nuclei", "more/cells"]}, zarr_format))
    reader = counting(tree)
    collection = await open_collection(reader)
    assert collection.kind == "image"
    assert [(entry.name, entry.path, entry.kind, entry.state) for entry in collection.entries] == [
        ("picture", "", "image", "found"),
        ("nuclei", "labels/nuclei", "label", "named"),
        ("more/cells", "labels/more/cells", "label", "named"),
    ]
    assert reader.rounds == 2


@FORMATS
async def test_a_list_of_labels_is_a_collection_and_one_label_alone_opens(
    zarr_format: int, pool: ThreadPoolExecutor
) -> None:
    assert (await choices(ome({"labels": ["a", "b"]}, zarr_format), pool)).choices == ("a", "b")
    tree = ome({"labels": ["a"]}, zarr_format) | under("a", image(zarr_format, name="cells"))
    assert (await open_image(MemoryReader(tree), pool)).pyramid.name == "cells"


# ---- arrays


async def test_an_array_and_a_pyramid_of_arrays_are_collections_of_themselves() -> None:
    assert paths(await open_collection(MemoryReader(array((4, 4)), "memory://root/a"))) == [""]
    tree = group() | under("0", array((8, 8))) | under("1", array((4, 4)))
    collection = await open_collection(MemoryReader(tree, "memory://root/pyramid"))
    assert [(entry.name, entry.path) for entry in collection.entries] == [("pyramid", "")]


@FORMATS
@pytest.mark.parametrize(
    "other",
    [{"shape": (4,)}, {"shape": (4, 4), "dtype": "uint16"}, {"shape": (8, 8)}, {"shape": (4, 16)}],
    ids=["dimensions", "type", "as large", "longer"],
)
async def test_arrays_that_are_no_levels_of_one_image_are_a_list(
    other: dict[str, Any], zarr_format: int, pool: ThreadPoolExecutor
) -> None:
    tree = group({}, zarr_format) | under("0", array((8, 8), zarr_format))
    tree |= under("1", array(zarr_format=zarr_format, **other))
    error = await choices(tree, pool)
    assert error.what == "a group of 2 arrays, not one image"
    assert error.choices == ("0", "1")
    assert [entry.kind for entry in (await open_collection(MemoryReader(tree))).entries] == ["array", "array"]


@FORMATS
def test_arrays_of_any_name_are_found_where_names_can_be_listed(zarr_format: int, tmp_path: Path) -> None:
    tree = group({}, zarr_format) | under("fine", array((8, 8), zarr_format))
    write(tmp_path, tree | under("coarse", array((4, 4), zarr_format)) | under("notes", {"a.txt": b""}))

    async def levels() -> list[str]:
        async with Engine() as engine:
            return [level.path for level in (await engine.open(tmp_path)).pyramid.levels]

    assert asyncio.run(levels()) == ["fine", "coarse"]


@FORMATS
async def test_images_that_consolidated_metadata_names_are_a_list(
    zarr_format: int, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    import zarr

    tree = group({}, zarr_format) | under("left", image(zarr_format)) | under("more/right", image(zarr_format))
    tree |= under("more", group({"other": 1}, zarr_format))
    await asyncio.to_thread(write, tmp_path, tree)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await asyncio.to_thread(zarr.consolidate_metadata, str(tmp_path), zarr_format=zarr_format)
    for name in ("zarr.json", ".zmetadata"):
        if (tmp_path / name).exists():
            tree[name] = (tmp_path / name).read_bytes()
    error = await choices(tree, pool)
    assert error.what == "a group of 2 images, not one image"
    assert error.choices == ("left", "more/right")


# ---- choosing


async def test_an_entry_is_opened_by_its_path_from_every_kind_of_place(tmp_path: Path) -> None:
    from zarr.core.buffer import cpu
    from zarr.storage import MemoryStore, StorePath

    tree = plate(1, 2) | under("A/2", well(2)) | under("A/2/1", image(name="chosen"))
    await asyncio.to_thread(write, tmp_path / "p", tree)
    store = MemoryStore({key: cpu.Buffer.from_bytes(value) for key, value in tree.items()})
    async with Engine() as engine, Server(tmp_path) as server:
        wheres = (tmp_path / "p", str(tmp_path / "p"), f"{server.url}/p/?token=5", store, StorePath(store, ""))
        for where in (*wheres, (tmp_path / "p").as_uri(), tmp_path / "p" / "zarr.json"):
            opened = await engine.open(where, "A/2/1")
            assert opened.pyramid.name == "chosen"
            fields = await engine.open_collection(where, "A/2")
            assert paths(fields) == ["0", "1"]


def test_a_host_without_an_event_loop_chooses_as_well(tmp_path: Path) -> None:
    write(tmp_path, plate(1, 2) | under("A/2", image(name="chosen")))
    with Engine.in_thread() as engine:
        assert paths(engine.open_collection(tmp_path)) == ["A/1", "A/2"]
        assert engine.open(tmp_path, path="A/2").pyramid.name == "chosen"
        assert engine.open_soon(tmp_path, "A/2").result(30).pyramid.name == "chosen"
        with pytest.raises(CollectionError):
            engine.open(tmp_path, 30)


@pytest.mark.parametrize("path", ["..", "A/../../x", "/etc"])
async def test_no_path_leads_out_of_a_collection(path: str, tmp_path: Path) -> None:
    async with Engine() as engine:
        for where in (tmp_path, str(tmp_path), "http://127.0.0.1:1/p"):
            with pytest.raises(StoreError, match="not a path inside the collection"):
                await engine.open(where, path)


# ---- documents of every kind


@given(st.data())
def test_every_collection_lists_what_its_document_names(data: st.DataObject) -> None:
    names = st.text("ab01_", min_size=1, max_size=3)
    listed = data.draw(st.lists(st.lists(names, min_size=1, max_size=3).map("/".join), min_size=1, max_size=6))
    kind = data.draw(st.sampled_from(["plate", "well", "labels"]))
    entries: Any = listed if kind == "labels" else [{"path": path} for path in listed]
    inner = {"plate": {"wells": entries}, "well": {"images": entries}, "labels": entries}[kind]
    collection = asyncio.run(open_collection(MemoryReader(ome({kind: inner}))))
    assert collection.kind == kind
    assert paths(collection) == list(dict.fromkeys(listed))
