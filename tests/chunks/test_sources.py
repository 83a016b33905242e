"""Sources and readers keep their contracts; so do the fakes that ship with the package."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import zarr
import zarr.codecs
from numpy.typing import NDArray

from brickstream.chunks import ArraySource, ChunkSource, Traffic, make_reader, open_client, open_image
from brickstream.chunks.reader import LocalReader, Span, Suffix
from brickstream.errors import AccessDeniedError, BrickstreamError, StoreError
from brickstream.testing import (
    ChunkSourceConformance,
    CountingReader,
    FaultyReader,
    MemoryReader,
    StepSource,
    memory_image,
    settle,
    shrink,
)

UGLY = np.random.default_rng(3).integers(1, 99, (7, 5, 11)).astype("u2")


class TestArraySource(ChunkSourceConformance):
    def expected(self) -> NDArray[Any]:
        return UGLY

    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[ChunkSource]:
        yield ArraySource(UGLY, (2, 5, 4))


class TestArraySourceOfAnotherByteOrder(TestArraySource):
    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[ChunkSource]:
        yield ArraySource(UGLY.astype(">u2"), (2, 5, 4))


class TestStepSourceThatFlows(ChunkSourceConformance):
    missing = ((0, 0, 0), (3, 0, 2))

    def expected(self) -> NDArray[Any]:
        expected = UGLY.copy()
        expected[:2, :, :4] = expected[6:, :, 8:] = 42
        return expected

    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[ChunkSource]:
        yield StepSource(UGLY, (2, 5, 4), missing=self.missing, fill_value=42, held=False)


class ZarrConformance(ChunkSourceConformance):
    options: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _written(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "a"
        kinds: dict[str, Any] = {"chunks": (2, 5, 4), "fill_value": 9, **self.options}
        array = zarr.create_array(str(self.path), shape=UGLY.shape, dtype=UGLY.dtype, **kinds)
        array[...] = self.expected()
        with ThreadPoolExecutor(2) as self.pool:
            yield

    def expected(self) -> NDArray[Any]:
        expected = UGLY.copy()
        if self.missing:
            expected[2:4, :, 4:8] = 9
        return expected

    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[ChunkSource]:
        yield (await open_image(LocalReader(self.path, Traffic()), self.pool)).sources[0]


class TestZarr2(ZarrConformance):
    options = {"zarr_format": 2}  # noqa: RUF012
    missing = ((1, 0, 1),)


class TestZarr3(ZarrConformance):
    options = {}  # noqa: RUF012
    missing = ((1, 0, 1),)


class TestZarr3Sharded(ZarrConformance):
    options = {"shards": (4, 10, 8)}  # noqa: RUF012
    missing = ((1, 0, 1),)


class TestNestedShards(ZarrConformance):
    options = {  # noqa: RUF012
        "chunks": (4, 10, 8),
        "serializer": zarr.codecs.ShardingCodec(
            chunk_shape=(2, 5, 4), codecs=[zarr.codecs.ShardingCodec(chunk_shape=(2, 5, 4))]
        ),
        "compressors": None,
    }


# ---- readers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "key").write_bytes(bytes(range(50)))
    return tmp_path


@pytest.mark.parametrize(
    ("span", "want"),
    [(None, slice(None)), (Span(10, 5), slice(10, 15)), (Suffix(7), slice(43, 50)), (Suffix(99), slice(None))],
)
async def test_local_values_and_parts_of_them(folder: Path, span: Span | Suffix | None, want: slice) -> None:
    traffic = Traffic()
    started: list[int] = []
    body = await LocalReader(folder, traffic).read("deep/er/key", span, lambda: started.append(1))
    assert body == bytes(range(50))[want]
    assert traffic == Traffic(1, len(bytes(range(50))[want]))
    assert started == [1]


@pytest.mark.parametrize("key", ["nothing", "deep", "deep/er/key/more", "bad\0key"])
async def test_local_keys_that_are_no_files_are_not_there(folder: Path, key: str) -> None:
    assert await LocalReader(folder, Traffic()).read(key) is None


async def test_a_local_file_shorter_than_the_wanted_part_is_an_error(folder: Path) -> None:
    with pytest.raises(StoreError, match="the file ends after 2 of 20 bytes"):
        await LocalReader(folder, Traffic()).read("deep/er/key", Span(48, 20))


async def test_a_local_file_that_may_not_be_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(AccessDeniedError, match="check the file's permissions"):
        await LocalReader(folder, Traffic()).read("deep/er/key")


async def test_a_zarr_store_is_a_place_too() -> None:
    store = zarr.storage.MemoryStore()
    await asyncio.to_thread(zarr.create_array, store, data=UGLY, chunks=(2, 5, 4))
    traffic = Traffic()
    async with open_client(1, traffic) as client:
        reader = make_reader(store, client)
        with ThreadPoolExecutor(1) as pool:
            image = await open_image(reader, pool)
            chunk = await image.sources[0].read((3, 0, 2))
        assert await reader.read("c/9/9/9") is None
        head = await reader.read("zarr.json", Span(0, 1))
        tail = await reader.read("zarr.json", Suffix(1))
    np.testing.assert_array_equal(chunk[:1, :, :3], UGLY[6:, :, 8:])
    assert (head, tail) == (b"{", b"}")
    assert traffic.requests == 9


async def test_a_store_that_raises_fails_the_read() -> None:
    class Broken(zarr.storage.MemoryStore):
        async def get(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("disk on fire")

    async with open_client(1) as client:
        with pytest.raises(StoreError, match="the store failed \\(RuntimeError: disk on fire\\)"):
            await make_reader(Broken(), client).read("key")


# ---- the fakes


async def test_step_source_answers_in_the_order_of_the_test() -> None:
    source = StepSource(np.arange(4), (1,))
    tasks = [asyncio.create_task(source.read((i,))) for i in range(4)]
    assert await source.requested(4) == [(0,), (1,), (2,), (3,)]
    source.release((2,))
    source.miss((0,))
    source.fail((3,))
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert tasks[2].result() == [2]
    assert tasks[0].result() is None
    assert isinstance(tasks[3].exception(), StoreError)
    assert source.happened("cancelled") == [(1,)]
    assert source.completed == {(2,): 1, (0,): 1, (3,): 1}
    assert source.waiting == []
    with pytest.raises(BrickstreamError, match="no read of chunk"):
        source.release((2,))


async def test_step_source_flows_and_holds() -> None:
    source = StepSource(np.arange(4), (1,))
    task = asyncio.create_task(source.read((0,)))
    await source.requested()
    source.flow()
    assert await task == [0]
    assert await source.read((1,)) == [1]
    source.hold()
    task = asyncio.create_task(source.read((2,)))
    await settle()
    assert not task.done()
    source.release_all()
    await task


async def test_counting_reader_counts_round_trips() -> None:
    reader = CountingReader(MemoryReader({"a": b"1", "b": b"2"}))
    await asyncio.gather(reader.read("a"), reader.read("b"))
    assert (reader.rounds, reader.keys()) == (1, ["a", "b"])
    assert await reader.read("b", Suffix(1)) == b"2"
    assert (reader.rounds, reader.keys(1)) == (2, ["b"])


async def test_faulty_reader_goes_wrong_where_it_should() -> None:
    error = StoreError("no")
    reader = FaultyReader(MemoryReader({"a": b"123"}), {"b": error, "c": b"wrong", "d": None})
    assert await reader.read("a", Span(1, 1)) == b"2"
    assert await reader.read("c", Suffix(2)) == b"ng"
    assert await reader.read("d") is None
    with pytest.raises(StoreError) as caught:
        await reader.read("b")
    assert caught.value is error


def test_memory_image_means_are_means_and_extents_agree() -> None:
    image = memory_image(UGLY, (4, 4, 4), levels=3, ratios=[(1, 2, 2), 3], scale=(2.0, 1.0, 0.5), axes="zyx")
    levels = image.pyramid.levels
    assert [level.shape for level in levels] == [(7, 5, 11), (7, 3, 6), (3, 1, 2)]
    assert [level.scale for level in levels] == [(2.0, 1.0, 0.5), (2.0, 2.0, 1.0), (6.0, 6.0, 3.0)]
    for k in (1, 2):
        np.testing.assert_allclose(image.pyramid.extent(k)[0], image.pyramid.extent(0)[0])
    np.testing.assert_array_equal(shrink(UGLY, (1, 2, 2))[:, 0, 0], np.rint(UGLY[:, :2, :2].mean(axis=(1, 2))))
    np.testing.assert_array_equal(shrink(UGLY, (7, 5, 11))[0, 0, 0], np.rint(UGLY.mean()))


def test_memory_image_strides() -> None:
    np.testing.assert_array_equal(shrink(np.arange(11), 3, "strided"), [1, 4, 7, 10])
    np.testing.assert_array_equal(shrink(np.arange(10), 3, "strided"), [1, 4, 7, 9])
    image = memory_image([UGLY, UGLY[::2]], [(2, 5, 4), (1, 5, 4)], ratios=(2, 1, 1))
    assert image.pyramid.levels[1].chunks == (1, 5, 4)
    assert image.pyramid.levels[1].scale == (2.0, 1.0, 1.0)


async def test_a_dask_array_computes_only_the_chunk_that_is_read() -> None:
    computed: list[tuple[int, ...]] = []

    def block(data: NDArray[Any], block_id: tuple[int, ...]) -> NDArray[Any]:
        computed.append(block_id)
        return data + 1

    numbers = np.arange(64, dtype="i4").reshape(8, 8)
    lazy = dask.array.from_array(numbers, chunks=(4, 4)).map_blocks(block, dtype="i4", meta=np.empty((0, 0), "i4"))
    computed.clear()
    chunk = await ArraySource(lazy, (4, 4)).read((1, 0))
    np.testing.assert_array_equal(chunk, numbers[4:, :4] + 1)
    assert computed == [(1, 0)]
