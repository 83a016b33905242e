"""A reader with a disk cache: what is used unasked, what is asked about, and what is never written down."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from cachefakes import CHUNK, URL, Clock, PlainServer, TagServer, cache_in, files_in, read_once

from brickstream.chunks import open_image
from brickstream.chunks.cache.cached import CachedReader
from brickstream.chunks.cache.disk import CacheCounters
from brickstream.chunks.reader import AtMost, ByteRange, Span, Suffix
from brickstream.chunks.tagged import Answer
from brickstream.errors import StoreError, TooLongError


async def test_a_chunk_is_read_once_whatever_the_number_of_sessions(tmp_path: Path) -> None:
    server = TagServer({CHUNK: b"pixels"})
    for number in range(3):
        answers, counters = await read_once(tmp_path, server, CHUNK)
        assert answers == [b"pixels"]
        assert (counters.hits, counters.misses, counters.written) == ((0, 1, 1) if number == 0 else (1, 0, 0))
    assert server.keys == [CHUNK]


async def test_an_answer_is_used_again_in_the_same_session(tmp_path: Path) -> None:
    server = TagServer({CHUNK: b"pixels"})
    async with cache_in(tmp_path) as cache:
        reader = CachedReader(server, cache, URL)
        heard: list[int] = []
        for number in range(2):
            assert await reader.read(CHUNK, None, lambda number=number: heard.append(number)) == b"pixels"  # type: ignore[misc]
            await cache.settled()
        assert heard == [0, 1]
    assert server.keys == [CHUNK]
    assert cache.counters == CacheCounters(hits=1, misses=1, written=1, nbytes=4096)


async def test_an_old_answer_is_asked_about_and_is_young_again_if_it_is_right(tmp_path: Path) -> None:
    server, clock = TagServer({CHUNK: b"pixels"}), Clock()
    options = {"clock": clock, "max_age_s": 100.0}
    await read_once(tmp_path, server, CHUNK, **options)
    clock.now += 101
    answers, counters = await read_once(tmp_path, server, CHUNK, **options)
    assert answers == [b"pixels"]
    assert (counters.validated, counters.misses, counters.hits) == (1, 0, 0)
    clock.now += 99
    _, counters = await read_once(tmp_path, server, CHUNK, **options)
    assert counters.hits == 1
    assert (len(server.keys), server.bodies_sent) == (2, 1)


async def test_an_old_answer_that_is_wrong_is_replaced(tmp_path: Path) -> None:
    server, clock = TagServer({CHUNK: b"old"}), Clock()
    await read_once(tmp_path, server, CHUNK, clock=clock, max_age_s=100.0)
    server.put(CHUNK, b"new")
    for age, answer in [(100, b"old"), (101, b"new"), (101, b"new")]:
        clock.now = 1_000_000.0 + age
        assert (await read_once(tmp_path, server, CHUNK, clock=clock, max_age_s=100.0))[0] == [answer]
    assert len(server.keys) == 2


async def test_where_there_are_no_tags_an_old_answer_is_read_anew(tmp_path: Path) -> None:
    server, clock = PlainServer({CHUNK: b"pixels"}), Clock()
    for age, asked in [(0, 1), (50, 1), (101, 2), (150, 2)]:
        clock.now = 1_000_000.0 + age
        assert (await read_once(tmp_path, server, CHUNK, clock=clock, max_age_s=100.0))[0] == [b"pixels"]
        assert len(server.keys) == asked


async def test_an_answer_from_the_future_is_not_believed(tmp_path: Path) -> None:
    server, clock = PlainServer({CHUNK: b"pixels"}), Clock()
    await read_once(tmp_path, server, CHUNK, clock=clock)
    clock.now -= 10
    await read_once(tmp_path, server, CHUNK, clock=clock)
    assert len(server.keys) == 2


async def test_what_is_not_there_is_remembered_for_a_shorter_time(tmp_path: Path) -> None:
    server, clock = TagServer({}), Clock()
    options = {"clock": clock, "max_age_s": 1000.0, "missing_age_s": 10.0}
    for age, asked in [(0, 1), (10, 1), (11, 2)]:
        clock.now = 1_000_000.0 + age
        assert (await read_once(tmp_path, server, CHUNK, **options))[0] == [None]
        assert len(server.keys) == asked
    server.put(CHUNK, b"there now")
    clock.now += 11
    assert (await read_once(tmp_path, server, CHUNK, **options))[0] == [b"there now"]


async def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    class Failing(PlainServer):
        async def read(self, *args: Any) -> bytes | None:
            self.keys.append(args[0])
            raise StoreError("on fire")

    for _ in range(2):
        with pytest.raises(StoreError, match="on fire"):
            await read_once(tmp_path, Failing({}), CHUNK)
    assert (await read_once(tmp_path, PlainServer({CHUNK: b"1"}), CHUNK))[0] == [b"1"]


# ---- what is always asked about


@pytest.mark.parametrize("key", ["zarr.json", "0/zarr.json", ".zattrs", "0/.zarray", ".zmetadata"])
async def test_documents_are_always_asked_about(key: str, tmp_path: Path) -> None:
    server = TagServer({key: b"{}"})
    for number in range(3):
        answers, counters = await read_once(tmp_path, server, key)
        assert answers == [b"{}"]
        assert counters.validated == (number > 0)
    assert server.bodies_sent == 1
    server.put(key, b"{1}")
    assert (await read_once(tmp_path, server, key))[0] == [b"{1}"]
    server.put(key, None)
    assert (await read_once(tmp_path, server, key))[0] == [None]


async def test_documents_of_which_there_are_no_tags_are_read_anew_and_not_kept(tmp_path: Path) -> None:
    server = PlainServer({"zarr.json": b"{}"})
    for _ in range(2):
        answers, counters = await read_once(tmp_path, server, "zarr.json", ".zattrs")
        assert answers == [b"{}", None]
        assert counters == CacheCounters(misses=2)
    assert len(server.keys) == 4


@pytest.mark.parametrize("span", [Suffix(3), Span(0, 3)])
async def test_the_index_of_a_shard_is_always_asked_about(span: ByteRange, tmp_path: Path) -> None:
    server = TagServer({"c/0": b"0123456789"})
    for _ in range(2):
        answers, _ = await read_once(tmp_path, server, "c/0", span=span)
        assert answers == [b"789" if isinstance(span, Suffix) else b"012"]
    assert (len(server.keys), server.bodies_sent) == (2, 1)


async def test_a_part_of_a_shard_is_used_only_with_the_index_that_it_belongs_to(tmp_path: Path) -> None:
    server = TagServer({"c/0": b"old pixels, old index"})

    async def session() -> tuple[bytes | None, bytes | None, int]:
        asked = len(server.asked)
        async with cache_in(tmp_path) as cache:
            reader = CachedReader(server, cache, URL)
            index = await reader.read("c/0", Suffix(9))
            return index, await reader.read("c/0", Span(4, 6)), len(server.asked) - asked

    assert await session() == (b"old index", b"pixels", 2)
    assert await session() == (b"old index", b"pixels", 1)
    server.put("c/0", b"new PIXELS, new index")
    assert await session() == (b"new index", b"PIXELS", 2)
    assert await session() == (b"new index", b"PIXELS", 1)


async def test_chunks_are_not_found_any_more_when_a_document_above_them_has_changed(tmp_path: Path) -> None:
    server = TagServer({"zarr.json": b"1", "0/zarr.json": b"2", "1/zarr.json": b"3", CHUNK: b"pixels"})
    documents = ("zarr.json", "0/zarr.json", "1/zarr.json")

    async def asked_for_chunk() -> bool:
        server.asked.clear()
        answers, _ = await read_once(tmp_path, server, *documents, CHUNK)
        assert answers[-1] == server.values[CHUNK]
        return CHUNK in server.keys

    assert await asked_for_chunk()
    assert not await asked_for_chunk()
    server.put("1/zarr.json", b"another level's")
    assert not await asked_for_chunk()
    for document in documents[:2]:
        server.put(document, b"changed")
        server.put(CHUNK, b"other pixels")
        assert await asked_for_chunk()
        assert not await asked_for_chunk()


# ---- which answer is which


async def test_parts_are_told_from_each_other_and_from_the_whole(tmp_path: Path) -> None:
    server = PlainServer({CHUNK: b"0123456789"})
    async with cache_in(tmp_path) as cache:
        reader = CachedReader(server, cache, URL)
        for _ in range(2):
            assert await reader.read(CHUNK) == b"0123456789"
            assert await reader.read(CHUNK, Span(1, 3)) == b"123"
            assert await reader.read(CHUNK, Span(13 - 10, 1)) == b"3"
            await cache.settled()
    assert len(server.asked) == 3


async def test_a_limit_holds_for_what_is_kept_too(tmp_path: Path) -> None:
    server = PlainServer({CHUNK: b"0123456789"})
    async with cache_in(tmp_path) as cache:
        reader = CachedReader(server, cache, URL)
        assert await reader.read(CHUNK, AtMost(10)) == b"0123456789"
        await cache.settled()
        with pytest.raises(TooLongError, match="longer than 9 bytes"):
            await reader.read(CHUNK, AtMost(9))
    assert len(server.asked) == 1


STORES = [
    ("https://host/image", ""),
    ("http://host/image", ""),
    ("https://host:8000/image", ""),
    ("https://host/other", ""),
    ("https://host/image?sig=s3cr3t", ""),
    ("https://host/image?sig=other", ""),
    ("https://user:passw0rd@host/image", ""),
    ("https://host/image", "Bearer t0ken"),
]


async def test_stores_are_told_from_each_other_and_no_secret_is_written_down(tmp_path: Path) -> None:
    for _ in range(2):
        async with cache_in(tmp_path) as cache:
            for number, (url, secret) in enumerate(STORES):
                server = PlainServer({CHUNK: b"%d" % number})
                assert await CachedReader(server, cache, url, secret).read(CHUNK) == b"%d" % number
    assert cache.counters.hits == len(STORES)

    def everything() -> bytes:
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        return b"".join(str(path).encode() + path.read_bytes() for path in files)

    found = await asyncio.to_thread(everything)
    assert b"https://host:8000/image/" in found
    for secret in (b"s3cr3t", b"other\n", b"user", b"passw0rd", b"t0ken", b"sig"):
        assert secret not in found.replace(b"host/other\n", b"")


async def test_two_folders_do_not_give_the_same_secret_the_same_name(tmp_path: Path) -> None:
    names = []
    for folder in ("a", "b"):
        async with cache_in(tmp_path / folder) as cache:
            names.append(cache.digest("secret"))
    assert names[0] != names[1]


async def test_a_key_of_any_characters_is_a_key(tmp_path: Path) -> None:
    for key in ("../../../escape", "ü\ud800", "a\nb", "x" * 5000):
        server = PlainServer({key: b"1"})
        for _ in range(2):
            assert (await read_once(tmp_path / "cache", server, key))[0] == [b"1"]
        assert len(server.asked) == 1
    assert [path.parent.parent.name for path in files_in(tmp_path / "cache")] == ["v1"] * 4


# ---- with what lies above


async def test_chunks_of_a_shard_are_kept_one_by_one_though_they_are_read_together(tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(1, 250, (32, 32), dtype="u2")
    store = zarr.storage.MemoryStore()
    await asyncio.to_thread(
        zarr.create_array, store, data=pixels, chunks=(4, 4), shards=(32, 32), compressors=None, fill_value=0
    )
    server = TagServer({key: value.to_bytes() for key, value in store._store_dict.items()})

    async def view(indices: list[tuple[int, int]]) -> tuple[list[ByteRange | None], CacheCounters]:
        server.asked.clear()
        async with cache_in(tmp_path / "cache") as cache:
            with ThreadPoolExecutor(1) as pool:
                source = (await open_image(CachedReader(server, cache, URL), pool)).sources[0]
                chunks = await asyncio.gather(*(source.read(index) for index in indices))
            for (y, x), chunk in zip(indices, chunks, strict=True):
                np.testing.assert_array_equal(chunk, pixels[y * 4 : y * 4 + 4, x * 4 : x * 4 + 4])
        return [span for key, span in server.asked if key.startswith("c/")], cache.counters

    square = [(y, x) for y in range(4) for x in range(4)]
    asked, _ = await view(square)
    assert len(asked) == 2
    assert isinstance(asked[0], Suffix)
    # Another view: the index is asked about, what is known is used, the rest is read together.
    asked, counters = await view([*square[1:8], (0, 4), (0, 5), (1, 4), (1, 5)])
    assert [type(span) for span in asked] == [Suffix, Span]
    assert (counters.hits, counters.validated) == (7, 2)


async def test_the_same_reader_over_another_one_knows_the_same(tmp_path: Path) -> None:
    server, other = TagServer({"zarr.json": b"{}", CHUNK: b"pixels"}), TagServer({})
    async with cache_in(tmp_path) as cache:
        reader = CachedReader(server, cache, URL)
        over = reader.over(lambda below: other if below is server else below)
        await reader.read("zarr.json")
        await reader.read(CHUNK)
        await cache.settled()
        assert await over.read(CHUNK) == b"pixels"
        assert other.asked == []
        assert await over.read("1/c/0") is None
        assert other.keys == ["1/c/0"]


async def test_names_are_those_of_the_reader_below(tmp_path: Path) -> None:
    class Listing(PlainServer):
        async def names(self, folder: str = "") -> tuple[str, ...]:
            return (f"{folder}/a",)

    async with cache_in(tmp_path) as cache:
        assert await CachedReader(Listing({}), cache, URL).names("x") == ("x/a",)
        assert await CachedReader(PlainServer({}), cache, URL).names("x") == ()


async def test_an_answer_without_a_reason_to_say_so_is_not_unchanged(tmp_path: Path) -> None:
    class Odd(TagServer):
        async def read_tagged(self, key: str, span: Any, tag: Any, started: Any = None) -> Answer:
            return Answer(None, None, unchanged=True)

    async with cache_in(tmp_path) as cache:
        assert await CachedReader(Odd({}), cache, URL).read(CHUNK) is None
