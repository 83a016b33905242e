"""Stores of other kinds: whatever fsspec knows, Zarr stores of one's own; what is missing, and what errors mean."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import fsspec.asyn
import numpy as np
import pytest
import zarr.storage
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry as known_file_systems
from hypothesis import given
from hypothesis import strategies as st
from kept import PIXELS, ome_zarr, zip_of
from trees import Tree, array, dump, group, ome, write
from zarr.core.buffer import cpu

from brickstream import View
from brickstream.chunks import ChunkSource, HttpOptions, make_reader, open_client, open_image
from brickstream.chunks.reader import AtMost, LocalReader, Span, Suffix
from brickstream.chunks.stores.store import explain, scrub
from brickstream.chunks.stores.zips import ZipReader
from brickstream.chunks.traffic import Traffic
from brickstream.engine import Engine
from brickstream.errors import (
    AccessDeniedError,
    BrickstreamError,
    MissingPackageError,
    NotFoundError,
    StoreError,
    TimedOutError,
    TransientError,
)
from brickstream.latency import ThreadedServer
from brickstream.testing import ChunkSourceConformance


async def picture(where: object, http: HttpOptions | None = None) -> np.ndarray[Any, Any]:
    async with Engine(http=http) as engine:
        image = await engine.open(where)
        async for update in engine.slice(image, View.plane(image, canvas=(40, 48))):
            last = update
    assert last.failed == 0
    return np.asarray(last.to_array())


def refused(where: object, kind: type[BrickstreamError]) -> str:
    with pytest.raises(kind) as caught:
        asyncio.run(picture(where))
    line = str(caught.value)
    assert "\n" not in line
    assert "topsecret" not in line
    assert "hunter2" not in line
    return line


def zarr_store(tree: Tree, kind: type[zarr.storage.MemoryStore] = zarr.storage.MemoryStore) -> zarr.storage.MemoryStore:
    return kind({key: cpu.Buffer.from_bytes(value) for key, value in tree.items()})


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    """An image under memory://stores/image.zarr, and zipped."""
    files = MemoryFileSystem()
    for key, value in ome_zarr().items():
        files.pipe_file(f"/stores/image.zarr/{key}", value)
    files.pipe_file("/stores/image.zip", zip_of(ome_zarr()))
    yield files
    files.rm("/stores", recursive=True)


# ---- what fsspec knows


@pytest.mark.parametrize("path", ["stores/image.zarr", "stores/image.zarr/", "/stores/image.zarr/zarr.json"])
async def test_memory_urls(path: str, memory: MemoryFileSystem) -> None:
    np.testing.assert_array_equal(await picture(f"memory://{path}"), PIXELS)


async def test_a_zip_file_in_memory(memory: MemoryFileSystem) -> None:
    np.testing.assert_array_equal(await picture("memory://stores/image.zip"), PIXELS)


def test_what_lies_in_memory_is_named(memory: MemoryFileSystem) -> None:
    assert "there are folders in it: image.zarr" in refused("memory://stores", NotFoundError)


async def test_stores_over_file_systems_of_fsspec(memory: MemoryFileSystem, tmp_path: Path) -> None:
    kind = zarr.storage.FsspecStore
    write(tmp_path, ome_zarr())
    for store in (
        kind.from_url("memory://stores/image.zarr", read_only=True),
        kind.from_mapper(memory.get_mapper("/stores/image.zarr"), read_only=True),
        kind.from_url(tmp_path.as_uri(), read_only=True),
    ):
        np.testing.assert_array_equal(await picture(store), PIXELS)


def test_a_store_over_http_of_fsspec_keeps_its_headers_and_its_secrets(tmp_path: Path) -> None:
    write(tmp_path / "image.zarr", ome_zarr())
    with ThreadedServer(tmp_path) as server:
        made = zarr.storage.FsspecStore.from_url(
            f"{server.url}/image.zarr", {"client_kwargs": {"headers": {"X-Token": "hunter2"}}}, read_only=True
        )
        np.testing.assert_array_equal(asyncio.run(picture(made)), PIXELS)
        nowhere = zarr.storage.FsspecStore.from_url(f"{server.url}/no.zarr?sig=topsecret", read_only=True)
        assert f"no Zarr image here: {server.url}/no.zarr?... (" in refused(nowhere, NotFoundError)


@pytest.mark.parametrize(
    ("url", "module", "hint"),
    [
        ("s3://bucket/image.zarr", "s3fs", "pip install 'brickstream[s3]'"),
        ("gs://bucket/image.zarr", "gcsfs", "pip install 'brickstream[gs]'"),
        ("gcs://bucket/image.zarr", "gcsfs", "pip install 'brickstream[gs]'"),
        ("az://container/image.zarr", "adlfs", "pip install 'brickstream[az]'"),
        ("abfs://container@account/image.zarr", "adlfs", "pip install 'brickstream[az]'"),
    ],
)
def test_a_package_that_is_missing_is_named(url: str, module: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = url.partition(":")[0]
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(known_file_systems, scheme, raising=False)
    monkeypatch.setattr("brickstream.chunks.stores.filesystems.read_s3", lambda url, client: None)
    monkeypatch.setattr("brickstream.chunks.stores.filesystems.has_credentials", lambda: True)
    line = refused(url, MissingPackageError)
    assert line.startswith(f"{scheme}:// needs a package that is not installed: {scheme}://")
    assert line.endswith(f"({hint})")


@pytest.mark.parametrize("url", ["reference:///tmp/refs.json", "zarr://host/x", "nothing://user:hunter2@h/x"])
def test_kinds_of_url_that_are_not_read(url: str) -> None:
    assert "unknown kind of URL" in refused(url, StoreError)


def test_a_query_that_nobody_would_see_is_refused() -> None:
    line = refused("memory://stores/image.zarr?sig=topsecret", StoreError)
    assert "a query means nothing" in line


@pytest.mark.parametrize("url", ["simplecache::https://user:hunter2@h/x?sig=topsecret", "zip://a::memory://x.zip"])
def test_a_chain_of_urls_is_refused_and_told_how_to_read_it(url: str) -> None:
    assert "a chain of URLs is not read" in refused(url, StoreError)


async def test_a_chain_of_urls_as_a_store(memory: MemoryFileSystem) -> None:
    made = zarr.storage.FsspecStore.from_url("zip::memory://stores/image.zip", read_only=True)
    np.testing.assert_array_equal(await picture(made), PIXELS)


def test_what_a_file_system_lacks_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unready(MemoryFileSystem):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise ValueError("no account for https://user:hunter2@host/x?sig=topsecret given\nhelp follows")

    monkeypatch.setitem(known_file_systems, "unready", Unready)
    assert "unready:// cannot be used (no account for https://host/x?... given)" in refused("unready://x/y", StoreError)


async def test_the_file_system_of_a_bucket_is_shared_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Session:
        closed = False

        async def close(self) -> None:
            self.closed = True

    class Far(fsspec.asyn.AsyncFileSystem):  # type: ignore[misc, name-defined]
        protocol = "far"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.session = Session()
            made.append(self)

        async def set_session(self) -> Session:
            return self.session

        async def _cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
            return path.encode()[start:end]

    monkeypatch.setitem(known_file_systems, "far", Far)
    async with open_client(2) as client:
        one, two = (make_reader(f"far://bucket/{name}", client) for name in "ab")
        assert await one.read("x") == b"bucket/a/x"
        assert await two.read("x", Suffix(2)) == b"/x"
        assert len(made) == 1
        assert not made[0].session.closed
    assert made[0].session.closed


async def test_cancelling_a_read_cancels_it_in_the_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow(fsspec.asyn.AsyncFileSystem):  # type: ignore[misc, name-defined]
        protocol = "slow"

        async def _cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
            loop.call_soon_threadsafe(begun.set)
            try:
                await asyncio.Event().wait()
            finally:
                loop.call_soon_threadsafe(ended.set)
            return b""

    monkeypatch.setitem(known_file_systems, "slow", Slow)
    async with open_client(2) as client:
        task = asyncio.create_task(make_reader("slow://bucket/a", client).read("x"))
        await begun.wait()
        task.cancel()
        await ended.wait()
        await asyncio.wait([task])
    assert task.cancelled()


# ---- Zarr stores


async def test_a_local_store_and_a_zip_store_are_read_without_a_detour(tmp_path: Path) -> None:
    write(tmp_path / "image.zarr", ome_zarr())
    (tmp_path / "image.zip").write_bytes(zip_of(ome_zarr()))
    async with open_client(1) as client:
        local = make_reader(zarr.storage.LocalStore(tmp_path / "image.zarr"), client)
        zipped = make_reader(zarr.storage.ZipStore(tmp_path / "image.zip"), client)
    assert isinstance(local, LocalReader)
    assert isinstance(zipped, ZipReader)


class Own(zarr.storage.MemoryStore):
    """A store of somebody's own, which knows nothing of ranges that are too long."""

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        if key == "broken":
            raise RuntimeError("disk on fire at https://user:hunter2@host/x?sig=topsecret")
        return await super().get(key, *args, **kwargs)


async def test_a_store_of_ones_own() -> None:
    np.testing.assert_array_equal(await picture(zarr_store(ome_zarr(), Own)), PIXELS)
    async with open_client(1) as client:
        reader = make_reader(zarr_store({"key": bytes(range(9)), "secret/key": b"1"}, Own), client)
        assert await reader.read("key", Span(2, 3)) == bytes(range(2, 5))
        assert await reader.read("key", AtMost(9)) == bytes(range(9))
        assert await reader.read("none") is None
        with pytest.raises(StoreError, match="has 2 bytes instead of 5"):
            await reader.read("key", Span(7, 5))
        with pytest.raises(StoreError, match=r"disk on fire at https://host/x\?\.\.\.") as caught:
            await reader.read("broken")
        assert "hunter2" not in str(caught.value)
        with pytest.raises(StoreError, match="leads out of the image"):
            await reader.read("../secret/key")


async def test_a_store_of_obstores_own(tmp_path: Path) -> None:
    from obstore.store import LocalStore, MemoryStore

    write(tmp_path, ome_zarr())
    memory = MemoryStore()
    for key, value in ome_zarr().items():
        memory.put(key, value)
    for store in (LocalStore(tmp_path), memory):
        np.testing.assert_array_equal(await picture(zarr.storage.ObjectStore(store, read_only=True)), PIXELS)


# ---- what metadata may name


@pytest.mark.parametrize(
    "path", ["file:///etc/hostname", "s3://bucket/x", "http://127.0.0.1:1/x", "memory://stores/image.zarr/0"]
)
def test_urls_in_metadata_lead_nowhere(path: str, memory: MemoryFileSystem, tmp_path: Path) -> None:
    attributes = {"multiscales": [{"axes": [], "datasets": [{"path": path}]}]}
    attributes["multiscales"][0]["axes"] = [{"name": name, "type": "space"} for name in "yx"]
    attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1.0, 1.0]}]
    write(tmp_path, ome(attributes))
    line = refused(tmp_path, NotFoundError)
    assert f"{tmp_path}/" in line


def test_collections_that_name_urls_lead_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "outside", array((4, 4)))
    write(tmp_path / "in", ome({"labels": [(tmp_path / "outside").as_uri()]}))
    refused(tmp_path / "in", BrickstreamError)


def test_a_zip_file_in_metadata_is_a_key_like_any_other(tmp_path: Path) -> None:
    write(tmp_path, group() | {"labels/zarr.json": dump({})})
    (tmp_path / "a.zip").write_bytes(zip_of(ome_zarr()))
    assert asyncio.run(LocalReader(tmp_path, Traffic()).read("a.zip/zarr.json")) is None


# ---- what errors mean


class Told(OSError):
    """An error with what the libraries of clouds hang on theirs."""

    def __init__(self, **told: Any) -> None:
        super().__init__("told")
        self.__dict__.update(told)


def botocore(status: int, code: str = "") -> Told:
    return Told(response={"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {"Code": code}})


@pytest.mark.parametrize(
    ("error", "missing", "want"),
    [
        (FileNotFoundError("x"), (404,), None),
        (IsADirectoryError("x"), (404,), None),
        (Told(status=404), (404,), None),
        (Told(status=404), (), StoreError),
        (PermissionError("x"), (404,), AccessDeniedError),
        (PermissionError("x"), (404, 403), None),
        (Told(status=403), (404, 403), None),
        (Told(status=401), (404, 403), AccessDeniedError),
        (Told(status=401), (404, 403, 401), AccessDeniedError),
        (botocore(403, "AccessDenied"), (404, 403), None),
        (botocore(403, "AccessDenied"), (404,), AccessDeniedError),
        (botocore(403, "InvalidAccessKeyId"), (404, 403), AccessDeniedError),
        (botocore(403, "SignatureDoesNotMatch"), (404, 403), AccessDeniedError),
        (botocore(503, "SlowDown"), (404,), TransientError),
        (botocore(400, "Bad"), (404,), StoreError),
        (Told(status_code=500), (404,), TransientError),
        (Told(code=429), (404,), TransientError),
        (Told(code=7), (404,), StoreError),
        (TimeoutError(), (404,), TimedOutError),
        (ConnectionResetError("x"), (404,), TransientError),
        (asyncio.IncompleteReadError(b"", 3), (404,), TransientError),
        (RuntimeError("x"), (404,), StoreError),
    ],
)
def test_what_the_errors_of_others_mean(
    error: Exception, missing: tuple[int, ...], want: type[BrickstreamError] | None
) -> None:
    told = explain(error, "where", missing)
    assert (None if told is None else type(told)) is want


def test_an_error_is_understood_by_its_cause() -> None:
    error = OSError("upload failed")
    error.__cause__ = botocore(503, "SlowDown")
    told = explain(error, "where", (404,))
    assert isinstance(told, TransientError)
    assert told.shedding
    known = StoreError("known")
    assert explain(known, "where", ()) is known


def test_causes_that_lead_in_a_circle_end() -> None:
    one, two = OSError("one"), OSError("two")
    one.__context__, two.__context__ = two, one
    assert type(explain(one, "where", ())) is StoreError


@given(st.text(max_size=80), st.text("abcxyz09-_=&%", min_size=1, max_size=20), st.text(max_size=80))
def test_no_text_of_others_keeps_a_secret_of_a_url(before: str, secret: str, after: str) -> None:
    text = scrub(f"{before} https://user:S{secret}S@host/x?sig=Q{secret}Q {after}")
    assert f"S{secret}S" not in text
    assert f"Q{secret}Q" not in text
    assert len(text.splitlines()) <= 1


# ---- the contract of sources


class Kept(ChunkSourceConformance):
    missing = ((0, 0),)

    def expected(self) -> np.ndarray[Any, Any]:
        return PIXELS

    def place(self) -> object:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _pool(self) -> Iterator[None]:
        with ThreadPoolExecutor(2) as self.pool:
            yield

    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[ChunkSource]:
        async with open_client(8) as client:
            reader = await asyncio.to_thread(make_reader, self.place(), client)
            yield (await open_image(reader, self.pool)).sources[0]


class TestMemoryUrl(Kept):
    @pytest.fixture(autouse=True)
    def _memory(self, memory: MemoryFileSystem) -> None:
        """Have it filled."""

    def place(self) -> object:
        return "memory://stores/image.zarr"


class TestStoreOfOnesOwn(Kept):
    def place(self) -> object:
        return zarr_store(ome_zarr(), Own)


class TestZipFile(Kept):
    failing = ((1, 1),)

    @pytest.fixture(autouse=True)
    def _zipped(self, tmp_path: Path) -> None:
        body = bytearray(zip_of(ome_zarr()))
        # One byte of one chunk is flipped: the checksum that every value in a zip file has tells.
        body[body.index(b"0/c/1/1") + 40] ^= 1
        (tmp_path / "a.zip").write_bytes(body)
        self.path = tmp_path / "a.zip"

    def place(self) -> object:
        return self.path


class TestZipFileOverHttp(TestZipFile):
    @pytest.fixture(autouse=True)
    def _served(self, tmp_path: Path, _zipped: None) -> Iterator[None]:
        with ThreadedServer(tmp_path) as server:
            self.url = f"{server.url}/a.zip"
            yield

    def place(self) -> object:
        return self.url


async def test_a_reader_of_memory_has_no_server() -> None:
    """The bookkeeping of far servers, second requests included, is not for what is at hand."""
    traffic = Traffic()
    async with open_client(2, traffic) as client:
        reader = make_reader(zarr_store({"a": b"1"}, Own), client)
        assert await reader.read("a") == b"1"
        assert client.window(0) == 2
    assert traffic == Traffic(requests=1, bytes_read=1)
