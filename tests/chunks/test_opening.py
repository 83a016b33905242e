"""From a place to an image: what is accepted, what is refused and how, and how many round trips it takes."""

import asyncio
import copy
import json
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trees
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from brickstream.chunks import (
    Fetcher,
    Limits,
    Traffic,
    Want,
    open_collection,
    open_image,
    read_labels,
)
from brickstream.chunks.reader import ByteRange, LocalReader, Reader, nothing_started
from brickstream.engine import Engine
from brickstream.errors import (
    AccessDeniedError,
    BrickstreamError,
    CodecError,
    CollectionError,
    MetadataError,
    NotFoundError,
    StoreError,
)
from brickstream.testing import CountingReader, FaultyReader, MemoryReader, settle

PIXELS = np.arange(24 * 20, dtype=np.uint16).reshape(24, 20)


def attributes(version: str, levels: int = 2) -> dict[str, Any]:
    datasets = [
        {
            "path": str(k),
            "coordinateTransformations": [
                {"type": "scale", "scale": [2.0**k, 2.0**k]},
                {"type": "translation", "translation": [(2.0**k - 1) / 2] * 2},
            ],
        }
        for k in range(levels)
    ]
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "yx"]
    multiscales = [{"name": "picture", "axes": axes, "datasets": datasets}]
    if version == "0.5":
        return {"ome": {"version": version, "multiscales": multiscales}}
    return {"multiscales": [{**multiscales[0], "version": version}]}


def write_image(
    path: Path, version: str = "0.5", *, consolidated: bool = False, sharded: bool = False, ome: Any = None
) -> Path:
    zarr_format = 3 if version == "0.5" else 2
    given_attributes = attributes(version) if ome is None else ome
    group = zarr.create_group(str(path), zarr_format=zarr_format, attributes=given_attributes)
    for k in range(2):
        data = PIXELS[:: 2**k, :: 2**k]
        options: dict[str, Any] = {"shards": (16, 16)} if sharded else {}
        array = group.create_array(str(k), shape=data.shape, chunks=(8, 8), dtype=data.dtype, **options)
        array[...] = data
    if consolidated:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(str(path), zarr_format=zarr_format)
    return path


def in_memory(path: Path) -> MemoryReader:
    """A folder as a reader that needs no threads."""
    files = {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}
    return MemoryReader(files, "memory://image")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def refused(where: object, kind: type[BrickstreamError]) -> str:
    """Open something that cannot be opened; return the one line that says why."""

    async def attempt() -> None:
        async with Engine() as engine:
            await engine.open(where)

    with pytest.raises(kind) as caught:
        asyncio.run(attempt())
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- what is accepted


@pytest.mark.parametrize("consolidated", [False, True], ids=["plain", "consolidated"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
async def test_an_ome_zarr_image_opens(
    version: str, consolidated: bool, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    reader = in_memory(write_image(tmp_path / "image", version, consolidated=consolidated))
    image = await open_image(reader, pool)
    assert image.format == f"ome-zarr {version}"
    assert image.zarr_format == (3 if version == "0.5" else 2)
    assert image.pyramid.name == "picture"
    assert [axis.unit for axis in image.pyramid.axes] == ["micrometer"] * 2
    assert [level.shape for level in image.pyramid.levels] == [(24, 20), (12, 10)]
    assert image.pyramid.levels[1].translation == (0.5, 0.5)
    chunk = await image.sources[0].read((0, 0))
    np.testing.assert_array_equal(chunk, PIXELS[:8, :8])


@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_a_plain_array_opens(zarr_format: int, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    zarr.create_array(str(tmp_path / "a"), data=PIXELS, chunks=(8, 8), zarr_format=zarr_format)  # type: ignore[arg-type]
    image = await open_image(in_memory(tmp_path / "a"), pool)
    assert image.format == f"zarr {zarr_format} array"
    assert image.pyramid.axis_names == ("y", "x")
    assert image.pyramid.levels[0].scale == (1.0, 1.0)


@pytest.mark.parametrize("consolidated", [False, True], ids=["plain", "consolidated"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
async def test_a_group_of_arrays_opens_as_a_pyramid_with_edges_aligned(
    version: str, consolidated: bool, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    reader = in_memory(write_image(tmp_path / "group", version, consolidated=consolidated, ome={}))
    image = await open_image(reader, pool)
    assert [level.path for level in image.pyramid.levels] == ["0", "1"]
    assert image.pyramid.levels[1].scale == (2.0, 2.0)
    assert image.pyramid.levels[1].translation == (0.5, 0.5)
    np.testing.assert_array_equal(image.pyramid.extent(0), image.pyramid.extent(1))


async def test_labels_are_named(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    for version, prefix in (("0.4", {"labels": ["nuclei"]}), ("0.5", {"ome": {"labels": ["nuclei"]}})):
        path = write_image(tmp_path / version, version)
        zarr.create_group(str(path / "labels"), zarr_format=2 if version == "0.4" else 3, attributes=prefix)
        image = await open_image(in_memory(path), pool)
        assert await read_labels(image) == ("nuclei",)
    image = await open_image(in_memory(write_image(tmp_path / "none")), pool)
    assert await read_labels(image) == ()


# ---- round trips


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("consolidated", [False, True], ids=["plain", "consolidated"])
async def test_two_round_trips_before_the_first_chunk(
    version: str, consolidated: bool, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    counting = CountingReader(in_memory(write_image(tmp_path / "image", version, consolidated=consolidated)))
    image = await open_image(counting, pool)
    assert counting.rounds == (1 if consolidated else 2)
    source = image.sources[1]
    async with Fetcher(Limits(1 << 20, 8)) as fetcher:
        done = asyncio.get_running_loop().create_future()
        fetcher.want("me", [Want((id(source), (0, 0)), source, (0, 0, 0.0))], done.set_result)
        assert (await done).data is not None
    assert counting.keys(counting.rounds - 1) == ["1/c/0/0" if version == "0.5" else "1/0.0"]


@pytest.mark.parametrize(
    ("version", "consolidated", "requests"), [("0.4", False, 7), ("0.5", False, 7), ("0.4", True, 5), ("0.5", True, 5)]
)
async def test_requests_of_an_open(
    version: str, consolidated: bool, requests: int, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    counting = CountingReader(in_memory(write_image(tmp_path / "image", version, consolidated=consolidated)))
    await open_image(counting, pool)
    assert len(counting.calls) == requests
    assert len(set(counting.keys())) == requests


async def test_a_shard_costs_one_round_trip_for_its_index_whoever_waits(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    counting = CountingReader(in_memory(write_image(tmp_path / "image", sharded=True)))
    source = (await open_image(counting, pool)).sources[0]
    before = counting.rounds
    indices = [(0, 0), (0, 1), (1, 0), (1, 1)]
    chunks = await asyncio.gather(*(source.read(index) for index in indices))
    for (y, x), chunk in zip(indices, chunks, strict=True):
        np.testing.assert_array_equal(chunk, PIXELS[y * 8 : y * 8 + 8, x * 8 : x * 8 + 8])
    assert counting.rounds == before + 2
    assert len(counting.keys(before)) == 1


async def test_a_damaged_shard_index_is_read_once_and_fails_every_chunk(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    path = write_image(tmp_path / "image", sharded=True)
    shard = next(file for file in (path / "0" / "c").rglob("*") if file.is_file())
    raw = bytearray(shard.read_bytes())
    raw[-7] ^= 0xFF
    shard.write_bytes(raw)
    counting = CountingReader(in_memory(path))
    source = (await open_image(counting, pool)).sources[0]
    before = counting.rounds
    answers = await asyncio.gather(*(source.read((0, x)) for x in range(2)), return_exceptions=True)
    answers.append(*await asyncio.gather(source.read((1, 0)), return_exceptions=True))
    assert [str(answer) for answer in answers] == [str(answers[0])] * 3
    assert "index is damaged" in str(answers[0])
    assert counting.rounds == before + 1


# ---- what is refused


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "no Zarr image here" in refused(str(tmp_path), NotFoundError)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    line = refused(str(tmp_path / "nowhere"), NotFoundError)
    assert "no such folder" in line
    assert "nowhere" in line


def test_a_half_written_image_is_refused(tmp_path: Path) -> None:
    path = write_image(tmp_path / "image")
    (path / "1" / "zarr.json").unlink()
    line = refused(str(path), NotFoundError)
    assert "the store may be half written" in line
    assert "1/zarr.json" in line


def test_a_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert "not a Zarr folder but a file" in refused(tmp_path / "notes.txt", NotFoundError)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{broken", "it starts with '{broken'"),
        ("", "it is empty"),
        ("[1, 2]", "a JSON object"),
        ("[" * 100_000, "a JSON document"),
        ("\x00\xff", "a JSON document"),
    ],
)
def test_corrupt_json_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text(text, encoding="latin-1")
    line = refused(tmp_path, MetadataError)
    assert says in line
    assert str(tmp_path / "zarr.json") in line


def test_a_group_without_an_image_is_refused(tmp_path: Path) -> None:
    zarr.create_group(str(tmp_path / "g"), attributes={"hello": 1})
    assert "a Zarr group without an image" in refused(tmp_path / "g", NotFoundError)


def test_a_level_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write_image(tmp_path / "image")
    (path / "1" / "zarr.json").unlink()
    line = refused(path, NotFoundError)
    assert f"{path}/1/zarr.json" in line


@pytest.mark.parametrize("path", ["../0", "/etc", "0/../../x"])
def test_a_level_outside_the_image_is_refused(path: str, tmp_path: Path) -> None:
    ome = attributes("0.5")
    ome["ome"]["multiscales"][0]["datasets"][0]["path"] = path
    zarr.create_group(str(tmp_path / "g"), attributes=ome)
    assert "a dataset lies inside its group" in refused(tmp_path / "g", MetadataError)


def test_things_that_are_no_places_are_refused() -> None:
    assert "the URL is empty" in refused("  ", StoreError)
    assert "not a URL, a path or a Zarr store: int" in refused(5, StoreError)
    assert "unknown kind of URL gopher://" in refused("gopher://host/x", StoreError)
    assert "the URL has no host" in refused("http:///x", StoreError)


@pytest.mark.parametrize("url", ["http://[bad/x.zarr", "http://host:99999999/x.zarr", "http://host:port/x.zarr"])
def test_urls_that_cannot_be_read_are_refused(url: str) -> None:
    refused(url, StoreError)


# ---- refused by the server


async def test_a_403_on_a_probe_means_not_there(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """Object stores without the right to list answer so to keys that do not exist."""
    denied = AccessDeniedError("access denied (HTTP 403)", "x")
    for version, there in (("0.5", {"zarr.json"}), ("0.4", {".zattrs", ".zgroup"})):
        probes = {"zarr.json", ".zattrs", ".zarray", ".zgroup", ".zmetadata"} - there
        reader = FaultyReader(in_memory(write_image(tmp_path / version, version)), dict.fromkeys(probes, denied))
        image = await open_image(reader, pool)
        assert image.format == f"ome-zarr {version}"


async def test_where_everything_is_refused_the_image_is_refused(pool: ThreadPoolExecutor) -> None:
    denied = AccessDeniedError("access denied (HTTP 401)", "x")
    faults = dict.fromkeys(["zarr.json", ".zattrs", ".zarray", ".zgroup", ".zmetadata"], denied)
    with pytest.raises(AccessDeniedError, match="HTTP 401"):
        await open_image(FaultyReader(MemoryReader({}), faults), pool)


async def test_a_403_on_a_level_is_refused(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    reader = FaultyReader(in_memory(write_image(tmp_path / "i")), {"1/zarr.json": AccessDeniedError("403", "x")})
    with pytest.raises(AccessDeniedError):
        await open_image(reader, pool)


class _OneBreaksTheOthersHang:
    """A reader whose first key fails at once while every other never answers."""

    url = "memory"

    def __init__(self, broken: str, values: Reader) -> None:
        self.broken = broken
        self.values = values
        self.hanging = 0

    async def read(self, key: str, span: ByteRange | None = None, started: Any = nothing_started) -> bytes | None:
        if not key.endswith(self.broken):
            self.hanging += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.hanging -= 1
        raise StoreError("HTTP 500", key)


async def test_a_failed_open_leaves_no_request_behind(pool: ThreadPoolExecutor) -> None:
    reader = _OneBreaksTheOthersHang("zarr.json", MemoryReader({}))
    before = asyncio.all_tasks()
    with pytest.raises(StoreError, match="HTTP 500"):
        await open_image(reader, pool)
    assert asyncio.all_tasks() == before
    assert reader.hanging == 0


@pytest.mark.parametrize("version", ["0.4", "0.5"])
async def test_an_error_on_another_probe_matters_only_without_a_zarr_json(
    version: str, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    error = StoreError("HTTP 500", ".zmetadata")
    reader = FaultyReader(in_memory(write_image(tmp_path / version, version)), {".zmetadata": error})
    if version == "0.5":
        assert (await open_image(reader, pool)).format == "ome-zarr 0.5"
    else:
        with pytest.raises(StoreError, match="HTTP 500"):
            await open_image(reader, pool)


async def test_a_cancelled_open_leaves_no_request_behind(pool: ThreadPoolExecutor) -> None:
    reader = _OneBreaksTheOthersHang("none of them", MemoryReader({}))
    before = asyncio.all_tasks()
    task = asyncio.create_task(open_image(reader, pool))
    await settle()
    assert reader.hanging == 5
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert asyncio.all_tasks() == before
    assert reader.hanging == 0


# ---- documents that are wrong in every way


def _documents(tmp_path: Path) -> dict[str, dict[str, Any]]:
    shapes: dict[str, dict[str, Any]] = {
        "v2": {"version": "0.4"},
        "v3": {"version": "0.5"},
        "v2c": {"version": "0.4", "consolidated": True},
        "v3c": {"version": "0.5", "consolidated": True},
        "sharded": {"version": "0.5", "sharded": True},
        "group": {"version": "0.5", "ome": {}},
    }
    found = {name: dict(in_memory(write_image(tmp_path / name, **how)).values) for name, how in shapes.items()}
    found["labels"] = found["v3"] | trees.under("labels", trees.ome({"labels": ["a", "b"]}))
    for k in (2, 3):
        found[f"plate{k}"] = trees.plate(2, 2, k)
        found[f"well{k}"] = trees.well(2, k)
        found[f"series{k}"] = trees.ome({"bioformats2raw.layout": 3}, k) | trees.under(
            "OME", trees.ome({"series": ["0", "1"]}, k)
        )
    return found


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from _places(child, (*path, key))


JUNK: list[Any] = [
    None, True, 0, -1, 1.5, 1e400, 10**30, "", "x", "0x1", "0xzz", "\0", "<i4,<i4", ",", "(", [], [[]], {}, {"a": 1},
    ["bytes"], [None], [0, 0], [1, 2, 3], {"name": "bytes"}, {"name": []}, {"configuration": []}, {"id": 5},
]  # fmt: skip


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return _documents(tmp_path_factory.mktemp("documents"))


def _spoil(document: Any, place: tuple[Any, ...], junk: Any) -> Any:
    if not place:
        return junk
    out = copy.deepcopy(document)
    parent = out
    for key in place[:-1]:
        parent = parent[key]
    if junk == "DELETE":
        del parent[place[-1]]
    else:
        parent[place[-1]] = junk
    return out


async def look(values: dict[str, bytes]) -> None:
    """Open an image, look at it, and name its chunks; or list what there is to choose from."""
    with ThreadPoolExecutor(1) as pool:
        try:
            image = await open_image(MemoryReader(values), pool)
            for source in image.sources:
                source.key((0, 0))
            count = 1
        except CollectionError as error:
            count = len(error.choices)
        assert count
        collection = await open_collection(MemoryReader(values))
        assert collection.entries
        assert collection.title


@pytest.fixture(scope="module")
def wrong(documents: dict[str, dict[str, Any]]) -> list[tuple[str, str, tuple[Any, ...], Any]]:
    """Image, key, place in the document, and what stands there instead."""
    cases: list[tuple[str, str, tuple[Any, ...], Any]] = []
    for image, values in sorted(documents.items()):
        for key in sorted(key for key in values if key.rpartition("/")[2].startswith(("z", ".z"))):
            for place in _places(json.loads(values[key])):
                cases += [(image, key, place, junk) for junk in (*JUNK, *(["DELETE"] if place else []))]
    return cases


@given(number=st.integers(0, 1 << 20))
@settings(max_examples=400)
def test_no_document_is_so_wrong_that_it_is_not_one_clear_error(
    number: int, documents: dict[str, dict[str, Any]], wrong: list[tuple[str, str, tuple[Any, ...], Any]]
) -> None:
    image, key, place, junk = wrong[number * 7919 % len(wrong)]
    spoilt = json.dumps(_spoil(json.loads(documents[image][key]), place, junk)).encode()
    try:
        asyncio.run(look({**documents[image], key: spoilt}))
    except BrickstreamError as error:
        line = str(error)
    else:
        line = "opened all the same"
    assert "\n" not in line


def test_local_reader_of_a_codec_error_names_the_level(tmp_path: Path) -> None:
    path = write_image(tmp_path / "image")
    document = json.loads((path / "1" / "zarr.json").read_text())
    document["codecs"].append({"name": "imaginary"})
    (path / "1" / "zarr.json").write_text(json.dumps(document))
    assert f"{path}/1" in refused(path, CodecError)
    assert LocalReader(path, Traffic()).url == str(path)
