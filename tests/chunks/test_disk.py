"""The disk cache: what is used unasked, what is asked about, what is dropped, and what is never written down."""

import asyncio
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from cachefakes import Clock, PlainServer, TagServer
from heldreader import nothing_unheard

from brickstream.chunks import entries, open_image
from brickstream.chunks.cached import CachedReader
from brickstream.chunks.disk import CacheCounters, DiskCache, default_folder
from brickstream.chunks.reader import AtMost, ByteRange, Span, Suffix
from brickstream.chunks.tagged import Answer
from brickstream.errors import StoreError, TooLongError
from brickstream.testing import settle

URL = "https://host/image"
CHUNK = "0/c/1/2"


@asynccontextmanager
async def cache_in(folder: Path, **options: Any) -> AsyncIterator[DiskCache]:
    async with DiskCache(folder, **options) as cache:
        await cache.settled()
        yield cache


async def read_once(
    folder: Path, server: PlainServer, *keys: str, span: ByteRange | None = None, **options: Any
) -> tuple[list[bytes | None], CacheCounters]:
    """What a session of its own reads, and what its cache has counted."""
    async with cache_in(folder, **options) as cache:
        reader = CachedReader(server, cache, URL)
        return [await reader.read(key, span) for key in keys], cache.counters


def files_in(folder: Path) -> list[Path]:
    """Files of answers."""
    return [path for path in (folder / "v1").rglob("*") if len(path.name) == 32]


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


# ---- how much


async def test_the_longest_unused_answers_go_first(tmp_path: Path) -> None:
    server = PlainServer({str(number): bytes(100) for number in range(4)})
    async with cache_in(tmp_path, max_bytes=3 * 4096) as cache:
        reader = CachedReader(server, cache, URL)
        for key in "01203":
            await reader.read(key)
            await cache.settled()
        assert (cache.counters.evicted, cache.counters.nbytes) == (1, 3 * 4096)
        for key, asked in [("0", 4), ("2", 4), ("3", 4), ("1", 5)]:
            await reader.read(key)
            await cache.settled()
            assert len(server.asked) == asked
    # The longest unused of 2, 3 and 1 is 2; a smaller cache in the same folder keeps only the others.
    async with cache_in(tmp_path, max_bytes=2 * 4096 + 100) as cache:
        assert (cache.counters.evicted, cache.counters.nbytes) == (1, 2 * 4096)
        assert [await CachedReader(server, cache, URL).read(key) for key in "31"] == [bytes(100)] * 2
        assert cache.counters.hits == 2
    assert len(files_in(tmp_path)) == 2


async def test_what_would_fill_the_cache_alone_is_not_kept(tmp_path: Path) -> None:
    server = PlainServer({"large": bytes(2001), "small": bytes(2000)})
    _, counters = await read_once(tmp_path, server, "large", "small", max_bytes=16_000)
    assert counters.written == 1


async def test_what_comes_faster_than_it_can_be_written_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brickstream.chunks.disk._MAX_WAITING", 2500)
    server = PlainServer({str(number): bytes(1000) for number in range(5)})
    async with cache_in(tmp_path) as cache:
        reader = CachedReader(server, cache, URL)
        await asyncio.gather(*(reader.read(key) for key in "01234"))
        await cache.settled()
        assert cache.counters.written == 2
        await reader.read("4")
        await cache.settled()
        assert cache.counters.written == 3


async def test_what_another_process_has_written_is_counted_after_a_while(tmp_path: Path) -> None:
    server = PlainServer({str(number): bytes(1000) for number in range(40)})
    async with cache_in(tmp_path, max_bytes=16 * 4096) as one, cache_in(tmp_path, max_bytes=16 * 4096) as two:
        for number in range(40):
            cache = (one, two)[number % 2]
            await CachedReader(server, cache, URL).read(str(number))
            await one.settled()
            await two.settled()
    # Each of them may not have seen what the other wrote since it looked last.
    assert len(files_in(tmp_path)) <= 16 + 2 * 3


# ---- when the disk does not do its part


async def test_a_disk_that_is_full_turns_the_cache_off_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    server = PlainServer({str(number): b"1" for number in range(4)})
    async with nothing_unheard(), cache_in(tmp_path) as cache:
        reader = CachedReader(server, cache, URL)
        await reader.read("0")
        await cache.settled()
        monkeypatch.setattr(entries, "store", full)

        async def read_on() -> None:
            assert [await reader.read(key) for key in "123"] == [b"1"] * 3
            await cache.settled()

        with pytest.warns(RuntimeWarning, match="the disk cache is off: .*No space left") as caught:
            await read_on()
        assert len(caught) == 1
        assert not cache.is_on
        assert await reader.read("0") == b"1"
        assert server.keys == list("01230")


async def test_a_folder_that_cannot_be_made_turns_the_cache_off(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    server = PlainServer({"0": b"1"})
    with pytest.warns(RuntimeWarning, match="the disk cache is off"):
        cache = await DiskCache(tmp_path / "file").__aenter__()
    assert not cache.is_on
    assert await CachedReader(server, cache, URL).read("0") == b"1"
    await cache.__aexit__()


async def test_somebody_who_clears_the_folder_does_no_harm(tmp_path: Path) -> None:
    server = PlainServer({"0": b"0", "1": b"1"})

    def clear() -> None:
        for path in files_in(tmp_path):
            path.unlink()

    async with cache_in(tmp_path) as cache:
        reader = CachedReader(server, cache, URL)
        for key in "010":
            assert await reader.read(key) == key.encode()
            await cache.settled()
            await asyncio.to_thread(clear)
        assert cache.is_on
    assert server.keys == ["0", "1", "0"]
    assert cache.counters.damaged == 0


async def test_a_damaged_file_is_a_miss_and_is_written_anew(tmp_path: Path) -> None:
    server = PlainServer({CHUNK: b"pixels"})
    await read_once(tmp_path, server, CHUNK)
    (file,) = files_in(tmp_path)
    await asyncio.to_thread(file.write_bytes, b"rubbish")
    answers, counters = await read_once(tmp_path, server, CHUNK)
    assert answers == [b"pixels"]
    assert (counters.damaged, counters.misses, counters.written) == (1, 1, 1)
    assert (await read_once(tmp_path, server, CHUNK))[1].hits == 1


async def test_a_cache_that_is_not_open_only_passes_on(tmp_path: Path) -> None:
    server, cache = PlainServer({CHUNK: b"pixels"}), DiskCache(tmp_path)
    reader = CachedReader(server, cache, URL)
    assert await reader.read(CHUNK) == b"pixels"
    assert files_in(tmp_path) == []
    assert reader.url == server.url


async def test_a_read_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    server = PlainServer({CHUNK: b"pixels"})
    await read_once(tmp_path, server, CHUNK)
    for turns in range(6):
        async with nothing_unheard(), cache_in(tmp_path) as cache:
            task = asyncio.create_task(CachedReader(server, cache, URL).read(CHUNK))
            await settle(turns)
            task.cancel()
            await asyncio.wait([task])


# ---- where


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {}, "{home}/.cache/brickstream"),
        ("linux", {"XDG_CACHE_HOME": "/far/away"}, "/far/away/brickstream"),
        ("darwin", {"XDG_CACHE_HOME": "/far/away"}, "{home}/Library/Caches/brickstream"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/brickstream/cache"),
        ("win32", {}, "{home}/AppData/Local/brickstream/cache"),
    ],
)
def test_the_folder_of_the_platform(
    platform: str, environment: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert default_folder() == Path(folder.format(home=Path.home()))


async def test_by_default_it_is_in_the_folder_of_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brickstream.chunks.disk.default_folder", lambda: tmp_path / "here")
    async with DiskCache() as cache:
        await cache.settled()
    assert (tmp_path / "here" / "v1" / "salt").exists()


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
