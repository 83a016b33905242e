"""The folder of the disk cache: how much is kept, what goes, and what happens when the disk does not do its part."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from cachefakes import CHUNK, URL, PlainServer, cache_in, files_in, read_once
from heldreader import nothing_unheard

from brickstream.chunks.cache import entries
from brickstream.chunks.cache.cached import CachedReader
from brickstream.chunks.cache.disk import DiskCache, default_folder
from brickstream.testing import settle


def used_in_order(folder: Path, keys: list[str]) -> None:
    """Let the answers for some keys have been used one after another."""
    for path in files_in(folder):
        key = path.read_bytes().partition(b"/image/")[2].partition(b"\\n")[0].decode()
        os.utime(path, (0, 1000 + keys.index(key)))


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
    # Times of files are coarse: what took milliseconds here takes hours elsewhere.
    await asyncio.to_thread(used_in_order, tmp_path, ["2", "3", "1"])
    # A smaller cache in the same folder keeps only the last two.
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
    monkeypatch.setattr("brickstream.chunks.cache.disk._MAX_WAITING", 2500)
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


async def test_what_has_gone_is_not_counted_any_more(tmp_path: Path) -> None:
    server = PlainServer({"0": b"small"})
    async with cache_in(tmp_path, max_bytes=80_000) as cache:
        reader = CachedReader(server, cache, URL)
        await reader.read("0")
        await cache.settled()
        assert cache.counters.nbytes == 4096
        for path in files_in(tmp_path):
            await asyncio.to_thread(path.unlink)
        server.values["0"] = bytes(20_000)
        assert await reader.read("0") == bytes(20_000)
        await cache.settled()
        assert (cache.counters.nbytes, cache.counters.written) == (0, 1)


async def test_a_folder_that_goes_while_it_is_written_to_turns_nothing_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: object) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    server = PlainServer({"0": b"1"})
    async with nothing_unheard(), cache_in(tmp_path) as cache:
        with monkeypatch.context() as patch:
            patch.setattr(entries, "store", gone)
            assert await CachedReader(server, cache, URL).read("0") == b"1"
            await cache.settled()
        assert cache.is_on
        assert cache.counters.written == 0


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
    monkeypatch.setattr("brickstream.chunks.cache.disk.default_folder", lambda: tmp_path / "here")
    async with DiskCache() as cache:
        await cache.settled()
    assert (tmp_path / "here" / "v1" / "salt").exists()
