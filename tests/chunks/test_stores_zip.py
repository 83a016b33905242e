"""Zip files as stores: what is in them is read as if it lay in a folder, by ranges, and damage is seen."""

import asyncio
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept import PIXELS, ome_zarr, zip_of
from trees import Tree, group, plate, under, well

from brickstream import View
from brickstream.chunks import HttpOptions
from brickstream.chunks.reader import AtMost, ByteRange, Span, Suffix
from brickstream.chunks.stores.zips import TAIL, ZipReader, split_zip
from brickstream.chunks.traffic import Traffic
from brickstream.engine import Engine
from brickstream.errors import BrickstreamError, CodecError, NotFoundError, StoreError, TooLongError
from brickstream.latency import ThreadedServer
from brickstream.testing import CountingReader, FaultyReader, MemoryReader


def reader_of(body: bytes) -> ZipReader:
    return ZipReader(MemoryReader({"a.zip": body}), "a.zip", "memory://a.zip")


async def picture(where: object, path: str = "") -> np.ndarray[Any, Any]:
    # Late reads, which a busy machine has, would be asked for twice.
    async with Engine(http=HttpOptions(hedge=False)) as engine:
        image = await engine.open(where, path)
        async for update in engine.slice(image, View.plane(image, canvas=(40, 48))):
            last = update
    assert last.failed == 0
    return np.asarray(last.to_array())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadedServer]:
    with ThreadedServer(tmp_path) as running:
        yield running


# ---- images


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("name", ["a.zip", "a.ome.zarr.ZIP", "a.ozx"])
async def test_a_zipped_image_on_disk(name: str, method: int, zarr_format: int, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(zip_of(ome_zarr(zarr_format), method))
    for where in (path, str(path), path.as_uri(), f"{path}/zarr.json" if zarr_format == 3 else f"{path}/.zattrs"):
        np.testing.assert_array_equal(await picture(where), PIXELS)


def test_a_zipped_image_over_http_is_read_by_ranges(tmp_path: Path, server: ThreadedServer) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of(ome_zarr()))
    np.testing.assert_array_equal(asyncio.run(picture(f"{server.url}/a.zip?sig=topsecret")), PIXELS)
    server.idle()
    rows = list(server.log)
    assert {row.key for row in rows} == {"a.zip"}
    # The directory once, then every document and chunk that is there.
    stored = [key for key in ome_zarr() if "/c/" in key or key.endswith("zarr.json")]
    assert len(rows) == 1 + len(stored)


async def test_an_image_in_a_folder_of_a_zip_file(tmp_path: Path, server: ThreadedServer) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of(under("deep/image ü.zarr", ome_zarr())))
    np.testing.assert_array_equal(await picture(path / "deep" / "image ü.zarr"), PIXELS)
    np.testing.assert_array_equal(await picture(path, "deep/image ü.zarr"), PIXELS)
    np.testing.assert_array_equal(await picture(f"{server.url}/a.zip/deep/image%20%C3%BC.zarr"), PIXELS)
    np.testing.assert_array_equal(await picture(f"{server.url}/a.zip", "deep/image ü.zarr"), PIXELS)
    with pytest.raises(NotFoundError, match=r"there are folders in it: image ü\.zarr"):
        await picture(path / "deep")


async def test_a_zipped_plate(tmp_path: Path) -> None:
    path = tmp_path / "plate.zip"
    tree = plate(2, 2) | under("A", group()) | under("A/1", well(1)) | under("A/1/0", ome_zarr())
    path.write_bytes(zip_of(tree))
    np.testing.assert_array_equal(await picture(path, "A/1/0"), PIXELS)
    with pytest.raises(NotFoundError, match="no C/9 in this plate"):
        await picture(path, "C/9")


async def test_a_folder_may_be_named_like_a_zip_file(tmp_path: Path) -> None:
    for key, value in ome_zarr().items():
        (tmp_path / "a.zip" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a.zip" / key).write_bytes(value)
    np.testing.assert_array_equal(await picture(tmp_path / "a.zip"), PIXELS)


async def test_a_zip_store_of_zarrs_is_read_without_blocking(tmp_path: Path) -> None:
    from zarr.storage import ZipStore

    (tmp_path / "a.zip").write_bytes(zip_of(ome_zarr()))
    np.testing.assert_array_equal(await picture(ZipStore(tmp_path / "a.zip", mode="r")), PIXELS)


async def test_a_zip_file_that_is_not_there(tmp_path: Path, server: ThreadedServer) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        await picture(tmp_path / "none.zip")
    with pytest.raises(NotFoundError, match="no Zarr image here"):
        await picture(f"{server.url}/none.zip")


# ---- values


names = st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
keys = st.lists(names.filter(lambda name: name not in (".", "..")), min_size=1, max_size=3).map("/".join)
trees = st.dictionaries(keys, st.binary(max_size=300), max_size=8)
spans = st.one_of(
    st.none(),
    st.builds(Suffix, st.integers(1, 300)),
    st.builds(Span, st.integers(0, 300), st.integers(1, 300)),
    st.builds(AtMost, st.integers(0, 300)),
)


async def outcome(reader: Any, key: str, span: ByteRange | None) -> object:
    try:
        return await reader.read(key, span)
    except TooLongError:
        return "too long"
    except StoreError:
        return "cut short"


def plain(value: bytes, span: ByteRange | None) -> object:
    """What a part of a value is: the model."""
    if isinstance(span, Suffix):
        return value[-span.length :]
    if isinstance(span, AtMost):
        return "too long" if len(value) > span.length else value
    if span is None:
        return value
    return value[span.start : span.start + span.length] if span.start + span.length <= len(value) else "cut short"


@given(trees, spans, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), st.booleans(), st.binary(max_size=9))
def test_every_value_and_every_part_of_it_is_what_was_put_in(
    tree: Tree, span: ByteRange | None, method: int, long: bool, comment: bytes
) -> None:
    file = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch, zipfile.ZipFile(file, "w", method) as zipped:
        if long:
            # Every number is written with 64 bits, as in files of many gigabytes.
            patch.setattr(zipfile, "ZIP64_LIMIT", -1)
            patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
        for key, value in tree.items():
            zipped.writestr(key, value)
        zipped.comment = comment
        zipped.close()

    async def check() -> None:
        reader = reader_of(file.getvalue())
        for key, value in tree.items():
            assert await outcome(reader, key, span) == plain(value, span)
        assert await reader.read("none/of/these/keys") is None
        assert set(await reader.names()) == {key.partition("/")[0] for key in tree if "/" in key}

    asyncio.run(check())


async def test_the_directory_is_read_once_and_a_value_with_one_request() -> None:
    counting = CountingReader(MemoryReader({"a.zip": zip_of({f"{k}": bytes(k) for k in range(20)})}))
    reader = ZipReader(counting, "a.zip", "a.zip")
    await asyncio.gather(*(reader.read(f"{k}") for k in range(20)))
    assert len(counting.calls) == 21
    assert counting.calls[0].span == Suffix(TAIL)


async def test_a_directory_longer_than_the_end_that_is_read_takes_one_more_request() -> None:
    tree = {f"{'x' * 200}{k}": b"%d" % k for k in range(1500)}
    counting = CountingReader(MemoryReader({"a.zip": zip_of(tree)}))
    reader = ZipReader(counting, "a.zip", "a.zip")
    for key in list(tree)[::400]:
        assert await reader.read(key) == tree[key]
    assert len(counting.calls) == 2 + 4


async def test_room_before_a_value_costs_one_more_request_and_no_more() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        info = zipfile.ZipInfo("a")
        info.extra = b"\xfe\xca\x00\x04" + bytes(1024)
        zipped.writestr(info, b"value")
        zipped.writestr("b", bytes(5000))
        info.extra = b""
    counting = CountingReader(MemoryReader({"a.zip": file.getvalue()}))
    assert await ZipReader(counting, "a.zip", "a.zip").read("a") == b"value"
    assert len(counting.calls) <= 3


async def test_a_reader_that_was_cancelled_leaves_the_directory_to_the_next() -> None:
    reader = ZipReader(CountingReader(MemoryReader({"a.zip": zip_of({"a": b"1"})})), "a.zip", "a.zip")
    first, second = (asyncio.create_task(reader.read("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == b"1"
    assert first.cancelled()


async def test_reads_are_counted_as_those_of_the_file(tmp_path: Path) -> None:
    from brickstream.chunks.reader import LocalReader

    (tmp_path / "a.zip").write_bytes(zip_of({"a": b"123"}))
    traffic, started = Traffic(), list[str]()
    reader = ZipReader(LocalReader(tmp_path, traffic), "a.zip", "a.zip")
    assert await reader.read("a", None, lambda: started.append("a")) == b"123"
    assert traffic.requests == 2
    assert started == ["a"]


# ---- damage


WHOLE = zip_of({"a": bytes(range(100)), "b": b"two"})


async def refused(body: bytes, key: str = "a", kind: type[BrickstreamError] = StoreError) -> str:
    with pytest.raises(kind) as caught:
        await reader_of(body).read(key)
    assert "memory://a.zip" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("body", [b"", b"hello", WHOLE[:-1], WHOLE[: len(WHOLE) // 2]])
async def test_what_is_no_whole_zip_file_is_refused(body: bytes) -> None:
    assert "not a zip file, or cut off" in await refused(body)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@given(data=st.data())
def test_no_flipped_byte_of_a_value_goes_unseen(method: int, data: st.DataObject) -> None:
    value = bytes(range(100)) * 2
    body = bytearray(zip_of({"a": value}, method))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))

    async def read() -> bytes | None:
        return await reader_of(bytes(body)).read("a")

    try:
        came = asyncio.run(read())
    except BrickstreamError:
        return
    # What is damaged besides the value does not matter: a date, or the name, which is another one then.
    assert came in (value, None)


async def test_a_value_that_unpacks_to_more_than_it_says_is_refused() -> None:
    body = bytearray(zip_of({"a": bytes(1 << 20)}, zipfile.ZIP_DEFLATED))
    where = body.rindex(b"PK\1\2")
    body[where + 24 : where + 28] = (100).to_bytes(4, "little")
    assert "checksum" in await refused(bytes(body), kind=CodecError)


async def test_a_value_that_says_it_is_enormous_is_not_unpacked() -> None:
    file = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        patch.setattr(zipfile, "ZIP64_LIMIT", -1)
        zipped.writestr("a", bytes(100))
        zipped.infolist()[0].file_size = 100 << 30
        zipped.close()
    assert "longer than" in await refused(file.getvalue(), kind=TooLongError)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
async def test_values_packed_in_rare_ways_are_refused(method: int) -> None:
    assert "packed in a way that is not read here" in await refused(zip_of({"a": b"1"}, method))


async def test_an_encrypted_value_is_refused() -> None:
    body = bytearray(WHOLE)
    body[body.index(b"PK\1\2") + 8] |= 1
    assert "encrypted" in await refused(bytes(body))


async def test_a_directory_that_names_places_without_a_value_is_refused() -> None:
    body = bytearray(WHOLE)
    where = body.index(b"PK\1\2")
    body[where + 42 : where + 46] = (7).to_bytes(4, "little")
    assert "directory is damaged" in await refused(bytes(body))


async def test_a_file_that_vanishes_is_an_error_and_not_a_missing_chunk() -> None:
    below = FaultyReader(MemoryReader({"a.zip": WHOLE}), {})
    reader = ZipReader(below, "a.zip", "a.zip")
    assert await reader.read("b") == b"two"
    below.faults["a.zip"] = None
    with pytest.raises(StoreError, match="vanished"):
        await reader.read("a")


async def test_keys_that_lead_out_are_refused() -> None:
    for key in ("../a", "/a", "b/../../a"):
        with pytest.raises(StoreError, match="leads out of the image"):
            await reader_of(zip_of({"../a": b"1"})).read(key)


def test_where_a_path_enters_a_zip_file() -> None:
    assert split_zip("/data/a.zip/b/c/") == ("/data/a.zip", "b/c")
    assert split_zip("/data/a.ome.ZIP") == ("/data/a.ome.ZIP", "")
    assert split_zip("a.zip/b.zip") == ("a.zip", "b.zip")
    assert split_zip("/data/zip/a.zipped/.zip") is None
