"""What a reader does about servers that fail, shed load, redirect, or keep it waiting. Real servers on 127.0.0.1."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from answers import AT_ONCE, BODY, Gate, Handler, reading, serving, with_status

from brickstream.chunks import HttpOptions, RetryPolicy, Traffic, make_reader, open_client
from brickstream.chunks.http import client, retry
from brickstream.chunks.http.pace import ENOUGH
from brickstream.chunks.http.reading import HttpReader
from brickstream.chunks.reader import Span
from brickstream.errors import AccessDeniedError, StoreError, TransientError
from brickstream.testing import settle


def failing(first: int, answer: Handler) -> Handler:
    """Answer like `answer`, but fully and well after so many requests."""
    seen = Counter[str]()

    async def handler(request: web.Request) -> web.StreamResponse:
        seen[request.path] += 1
        return await answer(request) if seen[request.path] <= first else web.Response(body=BODY)

    return handler


async def breaking(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 100
    await response.prepare(request)
    await response.write(b"half")
    if request.transport is not None:
        request.transport.abort()
    return response


@pytest.mark.parametrize("status", [0, 408, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again(status: int) -> None:
    answer = with_status(status) if status else breaking
    async with reading(failing(2, answer)) as (reader, traffic):
        assert await reader.read("key") == BODY
    assert traffic.requests == 3
    assert traffic.retries == 2


@pytest.mark.parametrize("status", [400, 401, 403, 405, 416, 501])
async def test_what_will_not_pass_is_not(status: int) -> None:
    async with reading(with_status(status)) as (reader, traffic):
        with pytest.raises(StoreError):
            await reader.read("key")
    assert traffic.requests == 1


async def test_in_the_end_the_error_says_how_often() -> None:
    async with reading(failing(99, with_status(503))) as (reader, traffic):
        with pytest.raises(TransientError, match=r"HTTP 503: .*/key \(tried 3 times; "):
            await reader.read("key")
    assert traffic.requests == 3


async def test_the_last_error_says_what_the_server_asked_for() -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "7"})

    async with reading(busy, options=HttpOptions(retry=RetryPolicy(attempts=1))) as (reader, _):
        with pytest.raises(TransientError) as caught:
            await reader.read("key")
    assert (caught.value.retry_after_s, caught.value.shedding) == (7.0, True)
    again = client._tried(caught.value, 2)
    assert isinstance(again, TransientError)
    assert (again.retry_after_s, again.shedding) == (7.0, True)
    assert "tried 2 times" in str(again)


async def test_a_server_that_was_of_use_before_is_tried_more_often() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503 if request.path == "/key" else 404)

    async with reading(handler) as (reader, traffic):
        assert await reader.read("other") is None
        with pytest.raises(TransientError, match="tried 5 times"):
            await reader.read("key")
    assert traffic.requests == 6


@pytest.mark.parametrize("date", [False, True])
async def test_a_server_that_asks_for_an_hour_is_not_waited_for(date: bool) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True) if date else "3600"

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, headers={"Retry-After": when})

    async with reading(handler) as (reader, traffic):
        with pytest.raises(TransientError) as caught:
            await reader.read("key")
    assert traffic.requests == 1
    assert caught.value.shedding
    assert "HTTP 503" in str(caught.value)


async def test_an_unreadable_retry_after_is_none() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, headers={"Retry-After": "soon"})

    async with reading(failing(1, handler)) as (reader, _):
        assert await reader.read("key") == BODY


@pytest.fixture
def endless_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that rests does so for longer than any test."""
    monkeypatch.setattr(retry, "FIRST_REST_S", 3600.0)
    monkeypatch.setattr(retry, "LONGEST_REST_S", 3600.0)


async def test_a_dead_server_is_not_hammered(endless_rest: None) -> None:
    """After a hundred reads that failed together the next one learns that the server rests, and asks nothing."""
    policy = HttpOptions(retry=RetryPolicy(first_s=0.0, longest_s=0.0, deadline_s=0.0), hedge=False)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404 if request.path == "/absent" else 500)

    async with reading(handler, connections=4, options=policy) as (reader, traffic):
        assert await reader.read("absent") is None
        got = await asyncio.gather(*(reader.read(str(i)) for i in range(100)), return_exceptions=True)
        assert all(isinstance(error, StoreError) for error in got)
        asked = traffic.requests
        with pytest.raises(StoreError, match="has failed many times in a row"):
            await reader.read("one more")
    assert traffic.requests == asked


async def test_of_a_server_that_never_was_of_use_the_cause_is_told(endless_rest: None) -> None:
    policy = HttpOptions(retry=RetryPolicy(first_s=0.0, longest_s=0.0, deadline_s=0.0), hedge=False)
    async with reading(with_status(500), connections=4, options=policy) as (reader, traffic):
        await asyncio.gather(*(reader.read(str(i)) for i in range(100)), return_exceptions=True)
        asked = traffic.requests
        with pytest.raises(TransientError, match=r"HTTP 500: .*/one more"):
            await reader.read("one more")
    assert traffic.requests == asked


async def test_what_the_environment_says_of_servers_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=f"{request.headers.get('Authorization', '')} {request.raw_path}")

    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with reading(handler) as (reader, _):
        assert await reader.read("key") == b"Basic bWU6aHVudGVyMg== /key"
    async with reading(handler, options=HttpOptions(token="t", retry=AT_ONCE.retry)) as (reader, _):
        assert await reader.read("key") == b"Bearer t /key"
    async with reading(handler, options=HttpOptions(trust_env=False)) as (reader, _):
        assert await reader.read("key") == b" /key"
    (tmp_path / "netrc").write_text("machine nonsense nonsense")
    async with reading(handler) as (reader, _):
        with pytest.warns(UserWarning, match="no passwords from there"):
            assert await reader.read("key") == b" /key"


async def test_a_proxy_is_asked_in_place_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=str(request.url))

    async with serving(handler) as proxy, open_client(1, options=HttpOptions(proxy=proxy)) as client:
        assert await HttpReader("http://far.example/image", client).read("key") == b"http://far.example/image/key"
    async with serving(handler) as proxy, open_client(1) as client:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        assert await HttpReader("http://far.example/image", client).read("key") == b"http://far.example/image/key"


async def test_a_403_may_mean_that_nothing_is_there() -> None:
    options = HttpOptions(missing_statuses=(404, 403))
    async with reading(with_status(403), options=options) as (reader, _):
        assert await reader.read("key") is None
    async with reading(with_status(403)) as (reader, _):
        with pytest.raises(AccessDeniedError, match=r"missing_statuses=\(404, 403\)"):
            await reader.read("key")


async def test_credentials_go_to_the_server_and_nowhere_else() -> None:
    seen: dict[str, dict[str, str]] = {}

    async def there(request: web.Request) -> web.StreamResponse:
        seen["there"] = dict(request.headers)
        return web.Response(body=BODY)

    async with serving(there) as elsewhere:

        async def here(request: web.Request) -> web.StreamResponse:
            if request.path == "/same":
                return web.Response(body=request.headers["X-Key"].encode())
            seen["here"] = dict(request.headers)
            raise web.HTTPTemporaryRedirect("/same" if request.path == "/inside" else f"{elsewhere}/other")

        options = HttpOptions(headers={"X-Key": "opensesame"}, token="hunter2", retry=AT_ONCE.retry)
        async with reading(here, options=options) as (reader, _):
            assert await reader.read("inside") == b"opensesame"
            assert await reader.read("outside") == BODY
    assert seen["here"]["X-Key"] == "opensesame"
    assert seen["here"]["Authorization"] == "Bearer hunter2"
    assert "X-Key" not in seen["there"]
    assert "Authorization" not in seen["there"]
    assert "hunter2" not in repr(options)
    assert "opensesame" not in repr(options)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/x", "javascript:alert(1)", "http://"])
async def test_redirects_lead_to_http_servers_only(target: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": target})

    async with reading(handler) as (reader, _):
        with pytest.raises(StoreError):
            await reader.read("key")


@pytest.mark.parametrize("key", ["../secret", "a/../../b", "/etc/passwd", "a\\..\\b"])
async def test_keys_do_not_lead_out_of_the_image(key: str) -> None:
    async with reading(with_status(200)) as (reader, traffic):
        with pytest.raises(StoreError, match="leads out of the image"):
            await reader.read(key)
    assert traffic.requests == 0


async def test_what_is_known_and_unchanged_is_not_sent_again() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == '"one"':
            return web.Response(status=304)
        return web.Response(body=BODY, headers={"ETag": '"one"'})

    async with reading(handler) as (reader, traffic):
        assert isinstance(reader, HttpReader)
        first = await reader.read_tagged("key", None, None)
        assert (first.body, first.tag, first.unchanged) == (BODY, '"one"', False)
        again = await reader.read_tagged("key", None, first.tag)
        assert (again.body, again.tag, again.unchanged) == (None, '"one"', True)
        other = await reader.read_tagged("key", Span(0, 10), '"two"')
        assert (other.body, other.unchanged) == (BODY[:10], False)
    assert traffic.bytes_read == 2 * len(BODY)


async def test_a_late_read_is_asked_for_again_and_its_first_request_is_closed() -> None:
    gate = Gate()
    slow = set[str]()
    closed = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/late" and request.path not in slow:
            slow.add(request.path)
            try:
                return await gate.answer(request)
            except asyncio.CancelledError:
                closed.set()
                raise
        return web.Response(body=BODY)

    traffic = Traffic()
    async with serving(handler) as url, open_client(8, traffic) as client:
        reader = await asyncio.to_thread(make_reader, url, client)
        for i in range(ENOUGH):
            await reader.read(str(i))
        assert await reader.read("late") == BODY
        await closed.wait()
        await settle()
    assert traffic.requests == ENOUGH + 2
