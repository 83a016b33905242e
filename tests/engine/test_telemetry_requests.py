"""What telemetry says of requests: what the server says. Real HTTP on 127.0.0.1, real Zarr, no secrets."""

import asyncio
import io
import json
import threading
from collections import Counter
from pathlib import Path

import pytest
import zarr
from aiohttp import web
from answers import AT_ONCE, serving
from rich.console import Console
from stored import write_image
from ticking import assert_nested, chunks, lanes, requests, ticking

from brickstream.chunks import DiskCache, HttpOptions
from brickstream.chunks.http.pace import Pace
from brickstream.cli.panel import panel
from brickstream.engine import Engine, Telemetry
from brickstream.engine.telemetry.reads import DECODE_THREAD
from brickstream.latency import Fault, Network, Server, ThreadedServer
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, settle

WHOLE = HttpOptions(hedge=False, retry=AT_ONCE.retry)
SIDE = 32
# Nothing that is to be seen may have any of these.
SECRETS = ("s3cr3t", "hush", "passw0rd")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An image of two levels with 16 and 4 chunks; one of the finer ones is not stored."""
    write_image(tmp_path / "image", grid=(4, 4), holes=[(1, 2)])
    return tmp_path


async def look(url: str, telemetry: Telemetry, **options: object) -> Engine:
    """Look at all of an image once."""
    async with Engine(sink=RecordingSink(), telemetry=telemetry, **{"http": WHOLE, **options}) as engine:  # type: ignore[arg-type]
        image = await engine.open(url)
        engine.show(image, View.plane(image, canvas=(SIDE, SIDE)))
        await engine.complete(20)
        total = telemetry.summary()["total"]
        assert total["requests"]["begun"] == engine.stats().requests
        assert total["bytes"]["read"] == engine.stats().bytes_read
    return engine


async def test_requests_and_bytes_are_those_of_the_server(root: Path) -> None:
    telemetry = Telemetry()
    async with Server(root) as server:
        await look(f"{server.url}/image", telemetry)
        await server.idle()
        log = server.log
    told = telemetry.summary()["total"]
    assert told["requests"]["begun"] == told["requests"]["done"] == len(log)
    assert told["requests"]["statuses"] == {str(k): n for k, n in sorted(Counter(r.status for r in log).items())}
    assert told["bytes"]["read"] == sum(record.bytes for record in log if record.status == 200)
    assert told["bytes"]["wasted"] == 0
    assert Counter(event.where.removeprefix(f"{server.url}/") for event in requests(telemetry)) == Counter(
        record.key for record in log
    )
    (image,) = telemetry.summary()["images"]
    assert image["requests"]["begun"] == sum("/c/" in record.key for record in log) == 20
    assert (image["chunks"]["loaded"], image["chunks"]["missing"]) == (19, 1)


async def test_a_chunk_knows_the_bytes_of_its_requests(root: Path) -> None:
    telemetry = Telemetry()
    async with Server(root) as server:
        await look(f"{server.url}/image", telemetry)
        await server.idle()
        log = {record.key: record.bytes for record in server.log if record.status == 200}
    read = {f"image/{event.level}/c/{'/'.join(map(str, event.chunk))}": event.nbytes for event in chunks(telemetry)}
    assert {key: nbytes for key, nbytes in read.items() if nbytes} == {k: n for k, n in log.items() if "/c/" in k}


async def test_files_are_requests_without_a_status(root: Path) -> None:
    telemetry = Telemetry()
    await look(str(root / "image"), telemetry)
    told = telemetry.summary()["total"]["requests"]
    assert told["begun"] == told["done"] == len(requests(telemetry)) > 20
    assert told["statuses"] == {}


async def test_failures_and_second_tries_are_counted(root: Path) -> None:
    key, telemetry = "image/1/c/0/0", Telemetry()
    async with Server(root, faults=lambda asked, n: Fault("status") if (asked, n) == (key, 0) else None) as server:
        await look(f"{server.url}/image", telemetry)
    told = telemetry.summary()["total"]["requests"]
    assert (told["failed"], told["retries"], told["statuses"]["503"]) == (1, 1, 1)
    first, second = (event for event in requests(telemetry) if event.where.endswith(key))
    assert (first.outcome, first.reason, first.status, first.failed) == ("failed", "HTTP 503", 503, 0)
    assert (second.outcome, second.reason, second.status, second.failed) == ("done", "", 200, 1)


class HalfAnswers:
    """A server with an image of one chunk: it sends half of it and waits, the first time, until it shall break off."""

    half, whole = b"x" * 20, b"x" * 64

    def __init__(self) -> None:
        document = zarr.create_array({}, shape=(8, 8), chunks=(8, 8), dtype="u1", compressors=None).metadata.to_dict()
        self.document = json.dumps(document).encode()
        self.breaks, self.gone = asyncio.Event(), asyncio.Event()
        self.asked = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("zarr.json"):
            return web.Response(body=self.document)
        if "/c/" not in request.path:
            return web.Response(status=404)
        self.asked += 1
        if self.asked > 1:
            return web.Response(body=self.whole)
        response = web.StreamResponse()
        response.content_length = len(self.whole)
        await response.prepare(request)
        await response.write(self.half)
        try:
            await self.breaks.wait()
        finally:
            self.gone.set()
        assert request.transport is not None
        request.transport.close()
        return response


async def half_has_come(telemetry: Telemetry) -> None:
    """Wait until the client has what the server has sent of the chunk."""
    while True:
        for exchange in telemetry.requests._began:
            if exchange._arriving is not None and exchange._arriving.total_bytes == len(HalfAnswers.half):
                return
        await settle(1)


@pytest.mark.parametrize("how", ["left", "broken"])
async def test_what_came_in_vain_is_wasted(how: str) -> None:
    """Of a view that is left, and of an answer that breaks off and is asked for again."""
    server, telemetry = HalfAnswers(), Telemetry()
    async with serving(server.answer) as url, Engine(sink=RecordingSink(), telemetry=telemetry, http=WHOLE) as engine:
        image = await engine.open(f"{url}/image")
        before = engine.stats().bytes_read
        engine.show(image, View.plane(image, canvas=(8, 8)))
        await half_has_come(telemetry)
        if how == "left":
            engine.cancel()
            await server.gone.wait()
            await settle()
        else:
            server.breaks.set()
            await engine.complete(20)
        read = engine.stats().bytes_read
        told = telemetry.summary()["total"]
    assert told["bytes"]["wasted"] == len(server.half)
    assert told["bytes"]["read"] == read
    if how == "left":
        assert read == before + len(server.half)
        assert (told["requests"]["cancelled"], told["chunks"]["given_up"]) == (1, 1)
    else:
        assert read == before + len(server.half) + len(server.whole)
        assert (told["requests"]["failed"], told["requests"]["retries"], told["chunks"]["loaded"]) == (1, 1, 1)


async def test_what_cannot_be_decoded_is_wasted(root: Path) -> None:
    key, telemetry = "image/0/c/0/0", Telemetry()
    async with Server(root, faults={key: Fault("corrupt", share=0.9)}) as server:
        await look(f"{server.url}/image", telemetry)
    told = telemetry.summary()["total"]
    assert told["chunks"]["failed"] == 1
    assert told["bytes"]["wasted"] == (root / key).stat().st_size


async def test_the_second_request_for_a_late_read_is_a_hedge(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Every read is late at once, and of a chunk the server only answers the second request."""
    monkeypatch.setattr(Pace, "late_after", lambda self: 0.0)
    asked = Counter[str]()

    async def handler(request: web.Request) -> web.StreamResponse:
        path = root / request.path.strip("/")
        asked[request.path] += 1
        if "/c/" in request.path and asked[request.path] == 1:
            await asyncio.Event().wait()
        return web.Response(body=path.read_bytes()) if path.is_file() else web.Response(status=404)

    telemetry = Telemetry()
    async with serving(handler) as url:
        await look(f"{url}/image", telemetry, http=HttpOptions(retry=AT_ONCE.retry))
    told = telemetry.summary()["images"][0]["requests"]
    assert (told["begun"], told["hedges"], told["done"], told["cancelled"]) == (40, 20, 20, 20)
    assert {event.outcome for event in requests(telemetry) if event.hedge and event.image} == {"done"}
    # Each hedge was for its own chunk.
    for event in chunks(telemetry):
        path = root / "image" / str(event.level) / "c" / "/".join(map(str, event.chunk))
        assert event.nbytes == (path.stat().st_size if event.outcome == "loaded" else 0)


async def test_decoding_is_timed_in_its_threads(root: Path) -> None:
    telemetry = ticking()
    async with Server(root) as server:
        await look(f"{server.url}/image", telemetry)
    loaded = [event for event in chunks(telemetry) if event.outcome == "loaded"]
    for event in loaded:
        (work,) = event.decoded
        assert work.thread.startswith(DECODE_THREAD)
        assert event.requested < event.receiving < event.decoding < work.start < work.end < event.end
    decode = telemetry.summary()["total"]["ms"]["decode"]
    assert decode["count"] == len(loaded) == 19
    assert decode["mean"] == pytest.approx(sum(e.decoded[0].end - e.decoded[0].start for e in loaded) / 19 / 1e6)


async def test_the_disk_cache_says_what_it_knew(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cache")
    async with Server(root) as server:
        for hits in (0, 20):
            telemetry = Telemetry()
            await look(f"{server.url}/image", telemetry, disk_cache=DiskCache(folder))
            assert telemetry.summary()["disk_cache"]["hits"] >= hits
            assert (telemetry.summary()["images"][0]["requests"]["begun"] == 0) == bool(hits)


def everything(telemetry: Telemetry) -> str:
    """All that people may get to see."""
    console = Console(file=io.StringIO(), width=300)
    summary = telemetry.summary()
    console.print(panel(summary))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join((shown, json.dumps(summary), json.dumps(telemetry.trace()), repr(telemetry.events())))


@pytest.mark.parametrize("login", [False, True])
async def test_no_secret_is_remembered(root: Path, login: bool) -> None:
    """Neither of what goes well, nor of what fails and is told."""
    telemetry = Telemetry()
    options = HttpOptions(token="" if login else "s3cr3t", headers={"X-Key": "hush"}, hedge=False, retry=AT_ONCE.retry)
    faults = {"image/0/c/0/0": Fault("status"), "image/0/c/0/1": Fault("status", status=400)}
    async with Server(root, faults=faults) as server:
        host = server.url.replace("//", "//me:passw0rd@") if login else server.url
        await look(f"{host}/image?token=s3cr3t&sig=hush", telemetry, http=options)
    seen = everything(telemetry)
    assert "/0/c/0/1" in seen
    assert "HTTP 400" in seen
    assert not [secret for secret in SECRETS if secret in seen]


def test_any_thread_may_read_while_the_engine_works(root: Path) -> None:
    """A thread reads without a pause until the view is complete."""
    done, read, broken = threading.Event(), 0, list[BaseException]()
    telemetry = Telemetry(capacity=50)

    def reader() -> None:
        nonlocal read
        try:
            while not done.is_set():
                everything(telemetry)
                read += 1
        except BaseException as error:  # noqa: BLE001 - told by the test
            broken.append(error)

    thread = threading.Thread(target=reader)
    sink = RecordingSink()
    with ThreadedServer(root) as server, Engine.in_thread(sink=sink, telemetry=telemetry) as engine:
        assert engine.telemetry is telemetry
        thread.start()
        try:
            image = engine.open(f"{server.url}/image", 20)
            for k in range(5):
                engine.show(image, View.plane(image, canvas=(SIDE, SIDE), zoom=1.0 + k))
                engine.complete(20)
        finally:
            done.set()
            thread.join()
    assert not broken
    assert read
    assert telemetry.summary()["total"]["views"]["complete"] == 5


async def test_lanes_of_a_real_trace_never_overlap(root: Path) -> None:
    telemetry = Telemetry()
    async with Server(root, Network(latency_ms=2, jitter_ms=3)) as server:
        await look(f"{server.url}/image", telemetry, max_inflight=5)
    trace = telemetry.trace()
    found = list(lanes(trace))
    for spans in found:
        assert_nested(spans)
    names = {e["args"]["name"] for e in trace["traceEvents"] if e["name"] in ("process_name", "thread_name")}
    assert {"views", "render", "requests", "decoding", "chunks", "counters", "render thread"} <= names
    # No more connections than reads at the same time, and those that ask for metadata.
    assert len([name for name in names if name.startswith("slot")]) <= 10
