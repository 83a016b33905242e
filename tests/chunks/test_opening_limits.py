"""Documents that are too long, too deep, or no documents: refused in one line, and never taken in whole."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from trees import Tree, array, dump, group, image, multiscales, write

from brickstream.chunks import Reader, Traffic, make_reader, open_client, open_image
from brickstream.chunks.http.pages import folders_in_page
from brickstream.chunks.opening.documents import MAX_CONSOLIDATED, MAX_DOCUMENT, look
from brickstream.chunks.reader import AtMost, LocalReader
from brickstream.engine import Engine
from brickstream.errors import BrickstreamError, MetadataError, StoreError, TooLongError
from brickstream.testing import MemoryReader

MIB = 1 << 20
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on 127.0.0.1 that answers everything with one handler; its URL."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def refused(where: object) -> BrickstreamError:
    async with Engine() as engine:
        with pytest.raises(BrickstreamError) as caught:
            await engine.open(where)
    assert "\n" not in str(caught.value)
    return caught.value


# ---- too long


def test_the_limit_of_a_document_is_32_mib() -> None:
    assert MAX_DOCUMENT == 32 * MIB


async def test_a_document_whose_length_is_said_is_refused_before_its_first_byte_is_taken() -> None:
    gone = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("zarr.json"):
            raise web.HTTPNotFound
        response = web.StreamResponse(headers={"Content-Length": str(MAX_DOCUMENT + 1)})
        await response.prepare(request)
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return response

    async with serving(handler) as url:
        error = await refused(f"{url}/image.zarr?sig=topsecret")
        await gone.wait()  # the server saw the connection end
    assert isinstance(error, TooLongError)
    assert str(error).startswith(f"longer than 33,554,432 bytes: {url}/image.zarr?.../zarr.json (")


async def test_a_document_of_unknown_length_is_refused_while_it_comes() -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        if not request.path.endswith("zarr.json"):
            raise web.HTTPNotFound
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while True:  # for ever: whoever does not stop by himself never ends
            await response.write(b" " * MIB)
            sent += 1

    async with serving(handler) as url, Engine() as engine:
        with pytest.raises(TooLongError):
            await engine.open(url)
        assert engine.stats().bytes_read <= MAX_DOCUMENT + 2 * MIB
    assert 32 <= sent < 64


async def test_a_document_as_long_as_allowed_is_read() -> None:
    attributes = {"ome": {"version": "0.5", **multiscales()}}
    tree = image() | group(attributes)
    tree["zarr.json"] = tree["zarr.json"].ljust(MAX_DOCUMENT)
    assert (await look(MemoryReader(tree))).ome.images[0].name == "picture"
    tree["zarr.json"] += b" "
    with pytest.raises(TooLongError):
        await look(MemoryReader(tree))


def test_a_long_file_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "zarr.json").open("wb") as file:
        file.truncate(1 << 40)  # a hole: nobody could read it
    assert isinstance(asyncio.run(refused(tmp_path)), TooLongError)


def test_a_file_that_never_ends_is_refused(tmp_path: Path) -> None:
    """The length that a file system tells may be a lie: of a device it is zero."""
    (tmp_path / "zarr.json").symlink_to("/dev/zero")
    assert isinstance(asyncio.run(refused(tmp_path)), TooLongError)


async def test_a_long_document_in_a_store_is_refused_after_as_many_bytes_as_are_allowed() -> None:
    from zarr.core.buffer import cpu
    from zarr.storage import MemoryStore

    store = MemoryStore({"zarr.json": cpu.Buffer.from_bytes(b" " * (MAX_DOCUMENT + 5 * MIB))})
    async with Engine() as engine:
        with pytest.raises(TooLongError):
            await engine.open(store)
        assert engine.stats().bytes_read == MAX_DOCUMENT + 1


async def test_consolidated_metadata_that_takes_longer_than_it_saves_is_left_alone() -> None:
    tree = image(2) | {".zmetadata": dump({"metadata": {}}).ljust(MAX_CONSOLIDATED + 1)}
    assert set((await look(MemoryReader(tree))).documents) == {".zgroup", ".zattrs"}
    tree[".zattrs"] = tree[".zattrs"].ljust(MAX_DOCUMENT + 1)
    with pytest.raises(TooLongError, match="zattrs"):
        await look(MemoryReader(tree))


@pytest.mark.parametrize("length", [0, 1, 5, 6])
async def test_at_most_is_what_all_readers_mean_by_it(length: int, tmp_path: Path) -> None:
    body = b"12345"[:length] if length < 6 else b"123456"
    await asyncio.to_thread((tmp_path / "key").write_bytes, body)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    async with serving(handler) as url, open_client(1) as client:
        http = make_reader(url, client)
        readers: list[Reader] = [http, LocalReader(tmp_path, Traffic()), MemoryReader({"key": body})]
        for reader in readers:
            if length < 6:
                assert await reader.read("key", AtMost(5)) == body
                continue
            with pytest.raises(TooLongError, match="longer than 5 bytes"):
                await reader.read("key", AtMost(5))


# ---- too deep


def nested(depth: int, inner: str = "1") -> str:
    return "[" * depth + inner + "]" * depth


def v3(inside: str) -> str:
    return f'{{"zarr_format": 3, "node_type": "group", {inside}}}'


DEEP = {
    "attributes": v3('"attributes": %s'),
    "a collection": v3('"attributes": {"ome": {"plate": %s}}'),
    "an image": v3('"attributes": {"ome": {"multiscales": [%s]}}'),
    "a label": v3('"attributes": {"ome": {"image-label": {"properties": [{"label-value": 1, "x": %s}]}}}'),
    "a channel": v3('"attributes": {"ome": {"omero": {"channels": [{"label": %s}]}, "multiscales": []}}'),
    "arrays": v3('"consolidated_metadata": {"metadata": {"0": {"node_type": "array", "shape": %s}}}'),
    "a fill value": array((4,))["zarr.json"].decode().replace('"fill_value": 0', '"fill_value": %s'),
    "a codec": array((4,))["zarr.json"].decode().replace('"little"', "%s"),
}


async def outcome(tree: Tree) -> str:
    """What a user is told."""
    with ThreadPoolExecutor(1) as pool:
        try:
            await open_image(MemoryReader(tree), pool)
        except BrickstreamError as error:
            return str(error)
    return "opened"


@pytest.mark.parametrize("document", list(DEEP.values()), ids=list(DEEP))
async def test_deep_documents_are_one_clear_error_at_every_depth(document: str) -> None:
    """The depths at which Python's own limits lie, on this stack and on deeper ones, are all among them."""
    for depth in (*range(1, 400, 61), *range(400, 1050, 13), 5000, 100_000):
        line = await outcome({"zarr.json": (document % nested(depth)).encode()})
        assert "\n" not in line
        assert len(line) < 500
        # How deep a document may be is decided by the release of Python, somewhere below this.
        assert depth < 100_000 or "a JSON document" in line


async def test_a_document_too_deep_to_be_read_says_so() -> None:
    with pytest.raises(MetadataError, match="a JSON document"):
        await look(MemoryReader({"zarr.json": nested(100_000).encode()}))


# ---- no documents


@pytest.mark.parametrize("page", ["<!DOCTYPE html><p>Sign in", "\n\n<html>", "\ufeff<?xml version='1.0'?>"])
async def test_a_web_page_is_told_from_metadata(page: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=page, content_type="text/html")

    async with serving(handler) as url:
        error = await refused(f"{url}/viewer/?image=7&token=topsecret")
        line = str(error)
    assert isinstance(error, StoreError)
    assert line.startswith(f"a web page instead of Zarr metadata: {url}/viewer?.../zarr.json (")
    assert "give the URL of the image's folder" in line
    assert "topsecret" not in line


@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_a_server_that_has_a_page_for_everything_still_shows_what_it_has(zarr_format: int) -> None:
    tree: Tree = image(zarr_format)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=tree.get(request.path.removeprefix("/image/"), b"<!doctype html><p>not found"))

    async with serving(handler) as url, Engine() as engine:
        opened = await engine.open(f"{url}/image")
        assert [level.shape for level in opened.pyramid.levels] == [(24, 20), (12, 10)]
        assert await engine.labels(opened) == ()


async def test_pages_that_list_nothing_and_links_that_lead_elsewhere_are_no_folders() -> None:
    links = [
        "../",
        "/",
        "/top/",
        "http://host/x/",
        "a.txt",
        "?C=N;O=D",
        "b%20c/",
        "b%20c/",
        "./d.zarr/",
        "e?x=1/",
        "#/",
    ]
    page = "<html>" + "".join(f'<a href="{link}">x</a>' for link in links) + "<A HREF='f&amp;g/'>"
    assert folders_in_page(page.encode()) == ("b c", "d.zarr", "f&g")
    assert folders_in_page(json.dumps(page).encode()) == ()
    assert folders_in_page(b"") == ()


@given(st.binary(max_size=200))
def test_no_page_is_so_wrong_that_it_raises(raw: bytes) -> None:
    for name in folders_in_page(b"<a href='" + raw):
        assert "/" not in name
        assert name.strip(".")


def test_a_folder_that_is_no_document_is_not_there(tmp_path: Path) -> None:
    """A folder by the name of a document, as a careless copy makes it."""
    write(tmp_path, {"image/zarr.json/x": b"", **{f"image/{k}": v for k, v in image(2).items()}})

    async def opened() -> Any:
        async with Engine() as engine:
            return (await engine.open(tmp_path / "image")).format

    assert asyncio.run(opened()) == "ome-zarr 0.4"
