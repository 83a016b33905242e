"""The server over real sockets: HTTP, what is never served, how requests end in the log, faults, threads."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brickstream.errors import BrickstreamError, ClosedError, NotFoundError, StoreError
from brickstream.latency import Fault, Network, RequestRecord, Server, ThreadedServer
from brickstream.latency.network import content
from brickstream.latency.network.faults import Faults
from brickstream.latency.network.synthetic import synthetic_content

DATA = bytes(range(256)) * 400  # 100 KiB
FOREVER = Network(latency_ms=3_600_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root-neighbour").mkdir()
    (tmp_path / "root-neighbour" / "secret").write_bytes(b"secret")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "data").write_bytes(DATA)
    (root / "empty").write_bytes(b"")
    (root / "zarr.json").write_text("{}")
    (root / "a b%").write_bytes(b"odd")
    (root / "inside").symlink_to(root / "folder" / "data")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "outside-folder").symlink_to(tmp_path / "root-neighbour")
    (root / "loop").symlink_to(root / "loop")
    return root


@asynccontextmanager
async def client(limit: int = 0) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=limit)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        yield session


async def fetch(session: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, bytes, Any]:
    async with session.get(url, headers=headers) as response:
        return response.status, await response.read(), response.headers


async def raw(server: Server, request: str) -> bytes:
    """Send a request as it is and return everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(f"{request}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


class Doorbell:
    """A fault function that plans nothing but tells when a request has come in."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.rung = asyncio.Event()
        self.fault = fault

    def __call__(self, key: str, number: int) -> Fault | None:
        self.rung.set()
        return self.fault


def ends(server: Server | ThreadedServer) -> list[tuple[str, int, int, str]]:
    return [(row.key, row.status, row.bytes, row.outcome) for row in server.log]


async def test_a_file_comes_whole_and_with_its_headers(root: Path) -> None:
    async with Server(root) as server, client() as session:
        status, body, headers = await fetch(session, f"{server.url}/folder/data")
        assert (status, body) == (200, DATA)
        assert headers["Content-Length"] == str(len(DATA))
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["Access-Control-Allow-Origin"] == "*"
        modified = await asyncio.to_thread(lambda: (root / "folder" / "data").stat().st_mtime)
        assert headers["Last-Modified"] == formatdate(modified, usegmt=True)
        etag = headers["ETag"]
        await asyncio.to_thread((root / "folder" / "data").write_bytes, b"other")
        status, body, headers = await fetch(session, f"{server.url}/folder/data")
        assert body == b"other"
        assert headers["ETag"] != etag
        assert (await fetch(session, f"{server.url}/empty"))[:2] == (200, b"")
        assert (await fetch(session, f"{server.url}/a%20b%25"))[:2] == (200, b"odd")
        assert (await fetch(session, f"{server.url}/inside"))[:2] == (200, b"other")
        assert (await fetch(session, f"{server.url}/zarr.json"))[2]["Content-Type"] == "application/json"


async def test_head_and_options_and_others(root: Path) -> None:
    async with Server(root) as server, client() as session:
        async with session.head(f"{server.url}/folder/data") as response:
            assert (response.status, response.headers["Content-Length"]) == (200, str(len(DATA)))
            assert await response.read() == b""
        async with session.options(f"{server.url}/folder/data") as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Headers"] == "Range"
        async with session.put(f"{server.url}/folder/data", data=b"x") as response:
            assert response.status == 405
        async with session.head(f"{server.url}/absent") as response:
            assert response.status == 404
        assert [(r.method, r.status, r.bytes) for r in server.log] == [
            ("HEAD", 200, 0),
            ("OPTIONS", 204, 0),
            ("PUT", 405, 0),
            ("HEAD", 404, 0),
        ]
    assert await asyncio.to_thread((root / "folder" / "data").read_bytes) == DATA


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedServer]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "data").write_bytes(DATA)
    with ThreadedServer(folder) as server:
        yield server


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    spans=st.lists(st.tuples(st.integers(0, len(DATA) + 9), st.integers(0, len(DATA))), min_size=1, max_size=6),
)
def test_ranges_are_slices(module_server: ThreadedServer, spans: list[tuple[int, int]]) -> None:
    async def read_all() -> None:
        async with client() as session:
            for start, count in spans:
                header = f"bytes={start}-{start + count}"
                status, body, headers = await fetch(session, f"{module_server.url}/data", Range=header)
                expected = DATA[start : start + count + 1]
                assert body == expected
                assert status == (206 if expected else 416)
                assert headers["Content-Length"] == str(len(expected))

    asyncio.run(read_all())


async def test_suffix_and_open_ranges(root: Path) -> None:
    async with Server(root) as server, client() as session:
        url = f"{server.url}/folder/data"
        status, body, headers = await fetch(session, url, Range="bytes=-16")
        assert (status, body, headers["Content-Range"]) == (206, DATA[-16:], "bytes 102384-102399/102400")
        assert (await fetch(session, url, Range="bytes=102000-"))[:2] == (206, DATA[102000:])
        status, body, headers = await fetch(session, url, Range="bytes=102400-")
        assert (status, body, headers["Content-Range"]) == (416, b"", "bytes */102400")
        assert [(row.range, row.status, row.bytes) for row in server.log] == [
            ("bytes=-16", 206, 16),
            ("bytes=102000-", 206, 400),
            ("bytes=102400-", 416, 0),
        ]


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/folder/../../secret",
        "/folder/../folder/data",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/folder/%2e%2e%2f%2e%2e%2fsecret",
        "/..%5csecret",
        "//folder/data",
        "//../secret",
        "/./folder/data",
        "/folder",
        "/folder/",
        "/",
        "/outside",
        "/outside-folder/secret",
        "/../root-neighbour/secret",
        "/loop",
        "/folder/data/",
        "/folder/data/more",
        "/folder/data%00",
        "/" + "n" * 3000,
        "/absent",
    ],
)
async def test_there_is_no_way_out_and_no_listing(path: str, root: Path) -> None:
    async with Server(root) as server:
        answer = await raw(server, f"GET {path} HTTP/1.1")
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"secret" not in answer
        assert answer.endswith(b"\r\n\r\n"), "a 404 has no body"


async def test_an_absolute_target_is_a_path_below_the_root_too(root: Path) -> None:
    async with Server(root) as server:
        answer = await raw(server, f"GET {server.url}/folder/../../secret HTTP/1.1")
        assert answer.startswith(b"HTTP/1.1 404 ")


async def test_the_log_over_http(root: Path) -> None:
    async with Server(root) as server, client() as session:
        for path in ("folder/data", "absent"):
            await fetch(session, f"{server.url}/{path}", Range="bytes=0-9")
        _, body, _ = await fetch(session, f"{server.url}/_serve/log")
        rows = json.loads(body)
        assert [RequestRecord(**row) for row in rows] == server.log
        assert [(r["key"], r["range"], r["status"], r["bytes"], r["outcome"]) for r in rows] == [
            ("folder/data", "bytes=0-9", 206, 10, "served"),
            ("absent", "bytes=0-9", 404, 0, "served"),
        ]
        assert all(0 <= r["start"] <= r["end"] for r in rows)
        _, body, _ = await fetch(session, f"{server.url}/_serve/log?since=1")
        assert json.loads(body) == rows[1:]
        assert (await fetch(session, f"{server.url}/_serve/log?since=-1"))[0] == 400
        assert (await fetch(session, f"{server.url}/_serve/other"))[0] == 404
        async with session.delete(f"{server.url}/_serve/log") as response:
            assert response.status == 204
        assert json.loads((await fetch(session, f"{server.url}/_serve/log"))[1]) == []


async def test_a_client_that_leaves_while_it_waits_is_cancelled(root: Path) -> None:
    bell = Doorbell()
    async with Server(root, FOREVER, faults=bell) as server, client() as session:
        request = asyncio.create_task(fetch(session, f"{server.url}/folder/data"))
        await bell.rung.wait()
        request.cancel()
        await server.idle()
        assert ends(server) == [("folder/data", 0, 0, "cancelled")]


async def test_a_client_that_leaves_in_the_middle_is_cancelled(root: Path) -> None:
    async with Server(root, Network(bandwidth_mbps=0.5)) as server, client() as session:
        response = await session.get(f"{server.url}/folder/data")
        await response.content.readexactly(10)
        response.close()
        await server.idle()
        [row] = server.log
        assert (row.status, row.outcome) == (200, "cancelled")
        assert 0 < row.bytes < len(DATA)


async def test_leaving_frees_the_bandwidth_for_others(root: Path) -> None:
    bell = Doorbell()
    async with Server(root, Network(bandwidth_mbps=50), faults=bell) as server, client() as session:
        big = await session.get(f"{server.url}/folder/data")
        await big.content.readexactly(10)
        other = asyncio.create_task(fetch(session, f"{server.url}/inside"))
        big.close()
        assert (await other)[1] == DATA
        await server.idle()
        assert sorted((row.key, row.outcome) for row in server.log) == [
            ("folder/data", "cancelled"),
            ("inside", "served"),
        ]


async def test_a_small_response_overtakes_a_big_one(root: Path) -> None:
    """Bandwidth is shared by turns: sixteen kilobytes behind a megabyte do not wait for the megabyte."""
    await asyncio.to_thread((root / "big").write_bytes, DATA * 10)
    await asyncio.to_thread((root / "small").write_bytes, DATA[:16384])
    async with Server(root, Network(bandwidth_mbps=100)) as server, client() as session:
        big = await session.get(f"{server.url}/big")
        await big.content.readexactly(10)
        await fetch(session, f"{server.url}/small")
        assert [row.key for row in server.log] == ["small"]
        assert len(await big.read()) == len(DATA) * 10 - 10
        big.release()
        await server.idle()
        assert [(row.key, row.outcome) for row in server.log] == [("small", "served"), ("big", "served")]


async def test_equal_responses_share_the_bandwidth_equally(root: Path) -> None:
    await asyncio.to_thread((root / "big").write_bytes, DATA * 6)
    received = [0, 0, 0]
    at_first_end: list[int] = []

    async def download(session: aiohttp.ClientSession, url: str, which: int) -> None:
        async with session.get(url) as response:
            async for piece in response.content.iter_any():
                received[which] += len(piece)
        at_first_end[:] = at_first_end or received

    async with Server(root, Network(bandwidth_mbps=80)) as server, client() as session:
        async with asyncio.TaskGroup() as group:
            for which in range(3):
                group.create_task(download(session, f"{server.url}/big", which))
        assert received == [len(DATA) * 6] * 3
        assert min(at_first_end) > 0.7 * len(DATA) * 6


async def test_the_same_seed_meets_the_same_errors(root: Path) -> None:
    async def statuses(seed: int, keys: list[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        async with Server(root, Network(rate_503=0.5, seed=seed)) as server, client() as session:
            for key in keys:
                found.setdefault(key, []).append((await fetch(session, f"{server.url}/{key}"))[0])
            assert {(row.status, row.outcome) for row in server.log} == {(200, "served"), (503, "fault")}
        return found

    keys = ["folder/data", "zarr.json", "empty"] * 8
    first = await statuses(1, keys)
    assert await statuses(1, sorted(keys)) == first, "the order of requests makes no difference"
    assert await statuses(2, keys) != first


@pytest.mark.parametrize("status", [403, 404, 500, 503])
async def test_fault_status(status: int, root: Path) -> None:
    async with Server(root, faults={"zarr.json": Fault("status", status)}) as server, client() as session:
        assert (await fetch(session, f"{server.url}/zarr.json"))[:2] == (status, b"")
        assert (await fetch(session, f"{server.url}/empty"))[0] == 200
        assert [row.outcome for row in server.log] == ["fault", "served"]


async def test_fault_truncate_and_corrupt(root: Path) -> None:
    faults = {"folder/data": Fault("truncate", after=1000), "inside": Fault("corrupt", after=1000)}
    async with Server(root, faults=faults) as server, client() as session:
        assert (await fetch(session, f"{server.url}/folder/data"))[1] == DATA[:1000]
        assert (await fetch(session, f"{server.url}/folder/data", Range="bytes=990-2000"))[1] == DATA[990:1000]
        body = (await fetch(session, f"{server.url}/inside"))[1]
        assert body == DATA[:1000] + bytes(255 - b for b in DATA[1000:])
        assert [row.outcome for row in server.log] == ["fault"] * 3


@pytest.mark.parametrize("after", [0, 5000])
async def test_fault_reset(after: int, root: Path) -> None:
    async with Server(root, faults={"folder/data": Fault("reset", after=after)}) as server, client() as session:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await fetch(session, f"{server.url}/folder/data")
        await server.idle()
        assert {(row.bytes, row.outcome) for row in server.log} == {(after, "fault")}
        assert (await fetch(session, f"{server.url}/zarr.json"))[0] == 200, "the server goes on"


@pytest.mark.parametrize(("after", "status"), [(0, 0), (5000, 200)])
async def test_fault_hang_ends_when_the_client_leaves(after: int, status: int, root: Path) -> None:
    bell = Doorbell(Fault("hang", after=after))
    async with Server(root, faults=bell) as server, client() as session:
        request = asyncio.create_task(session.get(f"{server.url}/folder/data"))
        await bell.rung.wait()
        if after:
            response = await request
            assert await response.content.readexactly(after) == DATA[:after]
            response.close()
        else:
            request.cancel()
        await server.idle()
        assert ends(server) == [("folder/data", status, after, "cancelled")]


async def test_a_fault_for_the_first_request_only(root: Path) -> None:
    plan: Faults = lambda key, n: Fault("status", 500) if n == 0 else None  # noqa: E731
    async with Server(root, faults=plan) as server, client() as session:
        found = [(await fetch(session, f"{server.url}/zarr.json"))[0] for _ in range(3)]
        server.clear_log()
        found.append((await fetch(session, f"{server.url}/zarr.json"))[0])
        assert found == [500, 200, 200, 500]


async def test_leaving_the_server_breaks_off_what_is_open(root: Path) -> None:
    bell = Doorbell()
    async with client() as session:
        async with Server(root, FOREVER, faults=bell) as server:
            request = asyncio.create_task(fetch(session, f"{server.url}/folder/data"))
            await bell.rung.wait()
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await request
    assert ends(server) == [("folder/data", 0, 0, "cancelled")]


async def test_computed_volumes_are_served_and_hide_a_folder(root: Path) -> None:
    await asyncio.to_thread((root / "synthetic").mkdir)
    await asyncio.to_thread((root / "synthetic" / "file").write_bytes, b"hidden")
    path = "1048576x1048576x1048576/0/c/9999/0/16383"
    content = synthetic_content(path)
    assert content is not None
    async with Server(root) as server, client() as session:
        status, body, _ = await fetch(session, f"{server.url}/synthetic/{path}")
        assert (status, body) == (200, content.read(0, content.size))
        part = await fetch(session, f"{server.url}/synthetic/{path}", Range="bytes=-100")
        assert part[:2] == (206, body[-100:])
        assert (await fetch(session, f"{server.url}/synthetic/file"))[0] == 404
    async with Server(None) as server, client() as session:
        assert (await fetch(session, f"{server.url}/synthetic/{path}"))[1] == body
        assert (await fetch(session, f"{server.url}/zarr.json"))[0] == 404


async def test_what_cannot_be_served_is_an_error(root: Path) -> None:
    with pytest.raises(ClosedError):
        _ = Server(root).url
    with pytest.raises(NotFoundError, match="no such folder"):
        async with Server(root / "absent"):
            pass
    for host in ("0.0.0.0", "192.0.2.1", "example.org"):
        with pytest.raises(BrickstreamError, match="this machine only"):
            async with Server(root, host=host):
                pass
    async with Server(root) as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(StoreError, match="choose another port"):
            async with Server(root, port=port):
                pass


def test_a_thread_of_its_own(root: Path) -> None:
    before = set(threading.enumerate())
    with ThreadedServer(root) as server:

        async def read() -> bytes:
            async with client() as session:
                return (await fetch(session, f"{server.url}/folder/data"))[1]

        assert asyncio.run(read()) == DATA
        server.idle()
        assert ends(server) == [("folder/data", 200, len(DATA), "served")]
        server.clear_log()
        assert server.log == []
    assert set(threading.enumerate()) == before


def test_a_thread_tells_why_it_did_not_start(root: Path) -> None:
    server = ThreadedServer(root / "absent")
    with pytest.raises(NotFoundError), server:
        pass
    with pytest.raises(ClosedError):
        server.idle()


async def test_a_file_that_shrinks_while_it_is_served_is_a_fault(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread((root / "big").write_bytes, DATA * 30)
    read = content._read_file

    def shrunk(path: Path, start: int, stop: int) -> bytes:
        if start > 0:
            raise StoreError("the file became shorter while it was served", path.name)
        return read(path, start, stop)

    async with Server(root) as server, client() as session:
        assert (await fetch(session, f"{server.url}/big"))[:2] == (200, DATA * 30)
        monkeypatch.setattr(content, "_read_file", shrunk)
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await fetch(session, f"{server.url}/big")
        await server.idle()
        assert [row.outcome for row in server.log] == ["served", "fault"]
    assert "became shorter" in caplog.text
