"""S3, asked through s3fs and through obstore: a real server process on the loopback, credentials, refusals, ends."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import fsspec.config
import numpy as np
import pytest
import zarr
from kept import PIXELS, ome_zarr, zip_of
from s3_server import S3Server, running_s3

from brickstream import View
from brickstream.chunks import ChunkedImage, ChunkSource, HttpOptions, RetryPolicy, make_reader, open_client, open_image
from brickstream.chunks.reader import AtMost, Span, Suffix
from brickstream.chunks.stores.s3 import bucket_region
from brickstream.chunks.traffic import Traffic
from brickstream.engine import Engine, Update
from brickstream.errors import (
    AccessDeniedError,
    BrickstreamError,
    NotFoundError,
    StoreError,
    TooLongError,
    TransientError,
)
from brickstream.testing import ChunkSourceConformance

SECRET = "hunter2hunter2"
WAYS = ("s3fs", "obstore")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        server.fill("bucket", {f"some/image.zarr/{key}": value for key, value in ome_zarr().items()})
        server.fill("public-bucket", {f"image.zarr/{key}": value for key, value in ome_zarr().items()})
        server.fill("unlisted-bucket", {f"image.zarr/{key}": value for key, value in ome_zarr().items()})
        server.fill("zipped", {"image.zarr.zip": zip_of(ome_zarr()), "empty": b"", "long": bytes(range(200))})
        yield server


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The usual environment of somebody with an account; nothing of this machine's."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)


def set_endpoint(way: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say where S3 is: in the environment of AWS, or in that of fsspec, which then reads."""
    if way == "obstore":
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    else:
        monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": url})


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    set_endpoint(request.param, s3.url, monkeypatch)
    s3.log()
    return str(request.param)


def without_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


async def updates(where: object, http: HttpOptions | None = None) -> list[Update]:
    """All of an image, as it comes."""
    async with Engine(http=http) as engine:
        image = await engine.open(where)
        return [update async for update in engine.slice(image, View.plane(image, canvas=(40, 48)))]


async def picture(where: object, http: HttpOptions | None = None) -> np.ndarray[Any, Any]:
    """All of an image, as it is shown."""
    last = (await updates(where, http))[-1]
    assert last.failed == 0
    return np.asarray(last.to_array())


def refused(where: object, kind: type[BrickstreamError], http: HttpOptions | None = None) -> str:
    with pytest.raises(kind) as caught:
        asyncio.run(picture(where, http))
    line = str(caught.value)
    assert "\n" not in line
    assert SECRET not in line
    return line


# ---- an image


async def test_an_image_streams_with_one_signed_request_a_chunk(s3: S3Server, way: str) -> None:
    # Late reads, which a busy machine has, would be asked for twice.
    once = HttpOptions(hedge=False)
    np.testing.assert_array_equal(await picture("s3://bucket/some/image.zarr", once), PIXELS)
    rows = s3.log()
    assert all(row["signed"] for row in rows)
    chunks = [f"{row['method']} {row['path'].rpartition('/c/')[2]}" for row in rows if "/0/c/" in row["path"]]
    assert sorted(chunks) == sorted(f"GET {i}/{j}" for i in range(4) for j in range(3))


async def test_without_credentials_a_public_bucket_is_read_unsigned(
    s3: S3Server, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_account(monkeypatch)
    np.testing.assert_array_equal(await picture("s3://public-bucket/image.zarr"), PIXELS)
    assert not any(row["signed"] for row in s3.log())


async def test_the_endpoint_of_the_environment_counts_for_s3fs_too(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    monkeypatch.setattr("brickstream.chunks.stores.filesystems.read_s3", lambda url, client: None)
    np.testing.assert_array_equal(await picture("s3://bucket/some/image.zarr"), PIXELS)


@pytest.mark.parametrize("name", ["region", "endpoint_url"])
async def test_a_profile_of_the_users_files_counts(
    name: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_account(monkeypatch)
    if name == "region":
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    values = {"region": "eu-west-1", "endpoint_url": s3.url}
    (tmp_path / "config").write_text(f"[profile lab]\n{name} = {values[name]}\n")
    (tmp_path / "credentials").write_text(f"[lab]\naws_access_key_id = key\naws_secret_access_key = {SECRET}\n")
    np.testing.assert_array_equal(await picture("s3://bucket/some/image.zarr"), PIXELS)


def test_a_profile_that_is_not_there_is_one_line(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "nobody" in refused("s3://bucket/some/image.zarr", StoreError)


async def test_the_region_of_a_bucket_is_asked_for(s3: S3Server) -> None:
    async with open_client(1) as client:
        assert await bucket_region("bucket", client.session, s3.url) == "us-east-1"
        assert await bucket_region("bucket", client.session, "http://127.0.0.1:1") is None


def test_what_lies_in_a_bucket_is_named(way: str) -> None:
    assert "there are folders in it: image.zarr" in refused("s3://bucket/some", NotFoundError)


# ---- what goes wrong


def test_a_private_bucket_refuses_who_has_no_credentials(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_account(monkeypatch)
    line = refused("s3://bucket/some/image.zarr", AccessDeniedError)
    assert line.startswith("access denied")
    assert "missing_statuses=(404, 403)" in line


def test_where_nothing_is_nothing_is_found(way: str) -> None:
    assert "no Zarr image here: s3://bucket/none" in refused("s3://bucket/none", NotFoundError)


async def test_a_bucket_that_must_not_be_listed_refuses_absent_chunks(way: str) -> None:
    failures = [update.failure for update in await updates("s3://unlisted-bucket/image.zarr") if update.failure]
    assert {failure.key for failure in failures} == {"0/c/0/0"}
    assert "missing_statuses=(404, 403)" in failures[0].reason


async def test_with_the_option_refused_chunks_are_missing(way: str) -> None:
    http = HttpOptions(missing_statuses=(404, 403))
    np.testing.assert_array_equal(await picture("s3://unlisted-bucket/image.zarr", http), PIXELS)


async def test_a_read_that_the_server_sheds_is_tried_again(s3: S3Server, way: str) -> None:
    s3.fail("bucket/some/image.zarr/0/c/1/1", 2)
    traffic = Traffic()
    async with open_client(4, traffic, HttpOptions(retry=RetryPolicy(first_s=0.001))) as client:
        reader = await asyncio.to_thread(make_reader, "s3://bucket/some/image.zarr", client)
        assert await reader.read("0/c/1/1") == ome_zarr()["0/c/1/1"]
    assert traffic.retries == 2
    assert s3.reads() == ["bucket/some/image.zarr/0/c/1/1"] * 3


async def test_a_read_that_fails_for_good_says_so_after_its_tries(s3: S3Server, way: str) -> None:
    s3.fail("zipped/long", 99)
    async with open_client(4, None, HttpOptions(retry=RetryPolicy(attempts=2, first_s=0.001))) as client:
        reader = await asyncio.to_thread(make_reader, "s3://zipped", client)
        with pytest.raises(TransientError, match="tried 2 times") as caught:
            await reader.read("long")
    s3.fail("zipped/long", 0)
    assert "s3://zipped/long" in str(caught.value)


def test_a_server_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for way in WAYS:
        set_endpoint(way, "http://127.0.0.1:1", monkeypatch)
        assert "s3://bucket/x" in refused("s3://bucket/x", StoreError, HttpOptions(retry=RetryPolicy(attempts=1)))


async def test_cancelling_a_read_closes_its_request(s3: S3Server, way: str) -> None:
    s3.hold("bucket/slow")
    async with open_client(4) as client:
        reader = await asyncio.to_thread(make_reader, "s3://bucket", client)
        task = asyncio.create_task(reader.read("slow"))
        await asyncio.to_thread(s3.held)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await asyncio.to_thread(s3.gone)


async def test_parts_of_values(way: str) -> None:
    async with open_client(4) as client:
        reader = await asyncio.to_thread(make_reader, "s3://zipped", client)
        assert await reader.read("long", Span(10, 5)) == bytes(range(10, 15))
        assert await reader.read("long", Suffix(3)) == bytes(range(197, 200))
        assert await reader.read("long", AtMost(200)) == bytes(range(200))
        assert await reader.read("empty", AtMost(10)) == b""
        assert await reader.read("none", AtMost(10)) is None
        with pytest.raises(TooLongError):
            await reader.read("long", AtMost(199))
        with pytest.raises(StoreError, match="instead of 10"):
            await reader.read("long", Span(195, 10))
        with pytest.raises(StoreError, match="leads out of the image"):
            await reader.read("../bucket/some/image.zarr/zarr.json")


# ---- by other ways


async def test_a_zipped_image_in_a_bucket(s3: S3Server, way: str) -> None:
    np.testing.assert_array_equal(await picture("s3://zipped/image.zarr.zip"), PIXELS)
    assert set(s3.reads()) == {"zipped/image.zarr.zip"}


async def test_over_http_a_signature_is_kept_on_every_key(s3: S3Server) -> None:
    s3.log()
    signature = "?X-Amz-Signature=topsecret"
    for path in ("bucket/some/image.zarr", "zipped/image.zarr.zip"):
        np.testing.assert_array_equal(await picture(f"{s3.url}/{path}{signature}"), PIXELS)
        assert all(row["signed"] for row in s3.log())
        with pytest.raises(AccessDeniedError):
            await picture(f"{s3.url}/{path}")
        s3.log()


async def test_stores_that_somebody_else_has_made(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from obstore.store import S3Store
    from zarr.storage import FsspecStore, ObjectStore

    made = FsspecStore.from_url("s3://bucket/some/image.zarr", {"endpoint_url": s3.url}, read_only=True)
    # Used before, on another event loop: its connections belong there.
    group = await asyncio.to_thread(zarr.open_group, made, mode="r")
    for where in (made, group):
        np.testing.assert_array_equal(await picture(where), PIXELS)
    store = S3Store("bucket", prefix="some/image.zarr", endpoint=s3.url, client_options={"allow_http": True})
    np.testing.assert_array_equal(await picture(ObjectStore(store, read_only=True)), PIXELS)


@pytest.mark.parametrize("way", WAYS, indirect=True)
class TestS3(ChunkSourceConformance):
    missing = ((0, 0),)

    @pytest.fixture(autouse=True)
    def _pool(self, way: str) -> Iterator[None]:
        with ThreadPoolExecutor(2) as self.pool:
            yield

    def expected(self) -> np.ndarray[Any, Any]:
        return PIXELS

    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[ChunkSource]:
        async with open_client(8) as client:
            reader = await asyncio.to_thread(make_reader, "s3://bucket/some/image.zarr", client)
            image: ChunkedImage = await open_image(reader, self.pool)
            yield image.sources[0]
