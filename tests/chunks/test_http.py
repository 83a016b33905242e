"""Reading over HTTP from a real server on 127.0.0.1 that behaves in every way that servers do."""

import asyncio
import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from answers import BODY, Gate, Handler, reading, serving, with_status

from brickstream.chunks import (
    ChunkState,
    Entry,
    Fetcher,
    HttpOptions,
    Limits,
    Want,
    make_reader,
    open_client,
    open_image,
)
from brickstream.chunks.reader import Reader, Span, Suffix
from brickstream.errors import (
    AccessDeniedError,
    BrickstreamError,
    NotFoundError,
    StoreError,
    TransientError,
)
from brickstream.testing import settle


async def with_ranges(request: web.Request) -> web.Response:
    span = request.http_range
    body = BODY[span]
    return web.Response(status=200 if span == slice(None, None, 1) else 206, body=body)


async def without_ranges(request: web.Request) -> web.Response:
    return web.Response(body=BODY)


# ---- answers


@pytest.mark.parametrize("handler", [with_ranges, without_ranges])
@pytest.mark.parametrize(
    ("span", "want"), [(None, BODY), (Span(0, 1), BODY[:1]), (Span(7, 20), BODY[7:27]), (Suffix(9), BODY[-9:])]
)
async def test_values_and_parts_of_them(handler: Handler, span: Span | Suffix | None, want: bytes) -> None:
    async with reading(handler) as (reader, traffic):
        assert await reader.read("key", span) == want
    assert traffic.requests == 1
    assert traffic.bytes_read == (len(BODY) if handler is without_ranges else len(want))


@pytest.mark.parametrize("handler", [with_ranges, without_ranges])
async def test_a_value_shorter_than_the_wanted_part_is_an_error(handler: Handler) -> None:
    async with reading(handler) as (reader, _):
        with pytest.raises(StoreError, match="the answer has 5 bytes instead of 20"):
            await reader.read("key", Span(95, 20))


@pytest.mark.parametrize("status", [404, 410])
async def test_not_there_is_none(status: int) -> None:
    async with reading(with_status(status)) as (reader, traffic):
        assert await reader.read("key") is None
    assert traffic.requests == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_is_not_the_same_as_not_there(status: int) -> None:
    async with reading(with_status(status)) as (reader, _):
        with pytest.raises(AccessDeniedError, match=f"HTTP {status}"):
            await reader.read("key")


@pytest.mark.parametrize("status", [204, 400, 416, 429, 500, 502, 503])
async def test_other_answers_are_errors_that_name_status_and_key(status: int) -> None:
    async with reading(with_status(status)) as (reader, _):
        with pytest.raises(StoreError, match=f"HTTP {status}: http://127.0.0.1:[0-9]+/0/c/1"):
            await reader.read("0/c/1")


async def test_redirects_are_followed() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/old"):
            raise web.HTTPFound(request.path.replace("/old", "/new"))
        assert request.path == "/new/key"
        return await with_ranges(request)

    async with reading(handler, "/old") as (reader, _):
        assert await reader.read("key", Span(3, 4)) == BODY[3:7]


async def test_a_circle_of_redirects_is_one_error() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(request.path)

    async with reading(handler) as (reader, _):
        with pytest.raises(StoreError, match="more than 5 redirects"):
            await reader.read("key")


@pytest.mark.parametrize("sent", [0, 10])
async def test_an_answer_that_breaks_off_is_an_error(sent: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(BODY[:sent])
        assert request.transport is not None
        request.transport.close()
        return response

    async with reading(handler) as (reader, _):
        with pytest.raises(StoreError, match="the answer broke off"):
            await reader.read("key")


async def test_a_connection_closed_without_an_answer_is_an_error() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with reading(handler) as (reader, _):
        with pytest.raises(StoreError):
            await reader.read("key")


async def test_a_refused_connection_is_one_clear_error() -> None:
    async with serving(without_ranges) as url:
        pass  # nobody listens there any more
    async with open_client(1) as client:
        reader = make_reader(f"{url}/image.zarr", client)
        with pytest.raises(StoreError, match=r"cannot connect: http://127.0.0.1:\d+/image.zarr/zarr.json") as caught:
            await reader.read("zarr.json")
    assert "is the server running?" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_compressed_answers_are_not_asked_for() -> None:
    """A server that packs JSON for whoever accepts it must not pack ours: nothing here unpacks it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=gzip.compress(BODY), headers={"Content-Encoding": "gzip"})
        return web.Response(body=BODY)

    async with reading(handler) as (reader, _):
        assert await reader.read("key") == BODY


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("/my image.zarr", "/my image.zarr/0/0"),
        ("/my%20image.zarr", "/my image.zarr/0/0"),
        ("/größe.zarr", "/größe.zarr/0/0"),
        ("/a+b,c=d@e.zarr/", "/a+b,c=d@e.zarr/0/0"),
        ("/100%25.zarr", "/100%.zarr/0/0"),
    ],
)
async def test_urls_as_people_write_them(path: str, arrives: str) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response(body=BODY)

    async with reading(handler, path) as (reader, _):
        assert await reader.read("0/0") == BODY
    assert seen == [arrives]


async def test_the_query_of_a_signed_url_goes_with_every_key_as_it_is() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.raw_path)
        return web.Response(body=BODY)

    async with reading(handler, "/image.zarr?sig=a%2Fb%3D&exp=1") as (reader, _):
        await reader.read("0/c/0")
        assert reader.url.endswith("/image.zarr?...")
    assert seen == ["/image.zarr/0/c/0?sig=a%2Fb%3D&exp=1"]


async def test_user_and_password_are_sent_and_not_shown() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        allowed = request.headers.get("Authorization", "").startswith("Basic ")
        return web.Response(status=200 if allowed else 401, body=BODY)

    async with serving(handler) as url, open_client(1) as client:
        reader = make_reader(url.replace("://", "://user:hunter2@"), client)
        assert await reader.read("key") == BODY
        assert "hunter2" not in f"{reader.url} {reader!r}"
        with pytest.raises(AccessDeniedError):
            await make_reader(url, client).read("key")


# ---- opening over HTTP


async def failed_open(handler: Handler, pool: ThreadPoolExecutor) -> BrickstreamError:
    async with reading(handler, "/image.zarr?sig=topsecret") as (reader, _):
        with pytest.raises(BrickstreamError) as caught:
            await open_image(reader, pool)
    assert "\n" not in str(caught.value)
    assert "topsecret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NotFoundError), (401, AccessDeniedError), (403, AccessDeniedError), (500, TransientError)],
)
async def test_a_server_that_always_gives_one_answer(status: int, kind: type[BrickstreamError]) -> None:
    with ThreadPoolExecutor(1) as pool:
        error = await failed_open(with_status(status), pool)
    assert type(error) is kind


async def test_403_for_what_is_not_there_opens_all_the_same() -> None:
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [10, 10],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10, 10]}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": [{"name": "bytes"}],
    }
    values = {"/image.zarr/zarr.json": json.dumps(document).encode(), "/image.zarr/c/0/0": BODY}

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=values[request.path]) if request.path in values else web.Response(status=403)

    with ThreadPoolExecutor(1) as pool:
        async with reading(handler, "/image.zarr") as (reader, _):
            image = await open_image(reader, pool)
            chunk = await image.sources[0].read((0, 0))
    np.testing.assert_array_equal(chunk, np.arange(100, dtype="u1").reshape(10, 10))


# ---- cancelling and limits


async def test_cancelling_a_read_closes_its_request() -> None:
    gate = Gate()
    async with reading(gate.answer) as (reader, _):
        task = asyncio.create_task(reader.read("key"))
        await gate.arrived.acquire()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await gate.cancelled.wait()  # the server saw it


async def test_a_chunk_that_nobody_wants_any_more_closes_its_request() -> None:
    gate = Gate()

    class Source:
        shape = chunks = (10, 10)
        dtype = np.dtype("u1")
        fill_value = 0

        def __init__(self, reader: Reader) -> None:
            self.reader = reader

        def key(self, index: tuple[int, ...]) -> str:
            return "0/0"

        async def read(self, index: tuple[int, ...], started: Callable[[], None] = lambda: None) -> Any:
            return await self.reader.read(self.key(index), None, started)

    def settled(entry: Entry) -> None:
        raise NotImplementedError(f"{entry} was cancelled")

    async with reading(gate.answer) as (reader, _), Fetcher(Limits(1000, 4)) as fetcher:
        source = Source(reader)
        fetcher.want("me", [Want((id(source), (0, 0)), source, (0, 0, 0.0))], settled)
        await gate.arrived.acquire()
        assert [entry.state for entry in fetcher.table.entries.values()] == [ChunkState.REQUESTED]
        fetcher.want("me", [], settled)
        await gate.cancelled.wait()
        assert fetcher.table.running == 0
        assert not fetcher.table.entries


async def test_no_more_connections_than_allowed() -> None:
    gate = Gate()
    async with reading(gate.answer, connections=3, options=HttpOptions(hedge=False)) as (reader, _):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reader.read(str(i))) for i in range(9)]
            for _ in range(3):
                await gate.arrived.acquire()
            await settle()
            assert gate.now == 3
            gate.open.set()
        assert [task.result() for task in tasks] == [BODY] * 9
    assert gate.most == 3
    assert len(gate.connections) == 3  # kept alive and used again
