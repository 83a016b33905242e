"""The rates of a bad network, over real sockets: what a client sees, and that order makes no difference."""

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import aiohttp
import pytest

from brickstream.latency import Network, Quirks, Server

DATA = bytes(range(256)) * 40
KEYS = tuple(f"c/{n}" for n in range(120))
CHAOS = {"rate_503": 0.1, "rate_reset": 0.1, "rate_truncate": 0.1, "rate_corrupt": 0.1, "retry_after": 7}

Seen = tuple[str, int, str | None]
"""How an answer looks to a client: what it is, its length, its Retry-After."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "c").mkdir()
    for key in KEYS:
        (tmp_path / key).write_bytes(DATA)
    return tmp_path


async def look(session: aiohttp.ClientSession, url: str, **headers: str) -> Seen:
    try:
        async with session.get(url, headers=headers) as response:
            body = await response.read()
    except aiohttp.ClientError:
        return "broken", 0, None
    if response.status not in (200, 206):
        return str(response.status), len(body), response.headers.get("Retry-After")
    assert response.headers["Content-Length"] == str(len(body))
    if len(body) < len(DATA):
        assert DATA.startswith(body)
        return "short", len(body), None
    wrong = [i for i, (have, want) in enumerate(zip(body, DATA, strict=True)) if have != want]
    return ("damaged" if wrong else "sound"), len(wrong), None


async def look_at_all(server: Server, keys: tuple[str, ...], parallel: int) -> dict[str, list[Seen]]:
    seen: dict[str, list[Seen]] = {}
    gate = asyncio.Semaphore(parallel)

    async def one(session: aiohttp.ClientSession, key: str) -> None:
        async with gate:
            found = await look(session, f"{server.url}/{key}")
        seen.setdefault(key, []).append(found)

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(one(session, key))
    return seen


def tallies(seen: dict[str, list[Seen]]) -> dict[str, Counter[Seen]]:
    return {key: Counter(answers) for key, answers in seen.items()}


async def test_a_chaos_is_the_same_in_any_order(root: Path) -> None:
    async with Server(root, Network(seed=3, **CHAOS)) as server:
        first = await look_at_all(server, KEYS * 2, parallel=1)
        server.clear_log()
        shuffled = tuple(Random(0).sample(KEYS, len(KEYS)))
        # The two requests for a key may overtake each other; what they see together may not change.
        assert tallies(await look_at_all(server, shuffled + KEYS, parallel=8)) == tallies(first)
    async with Server(root, Network(seed=4, **CHAOS)) as server:
        assert tallies(await look_at_all(server, KEYS * 2, parallel=1)) != tallies(first)


async def test_every_fault_is_what_it_says(root: Path) -> None:
    async with Server(root, Network(seed=3, **CHAOS)) as server:
        seen = await look_at_all(server, KEYS, parallel=4)
        await server.idle()
        by_key = {row.key: row for row in server.log}
    kinds = {"sound": None, "broken": "reset", "short": "truncate", "damaged": "corrupt", "503": "status"}
    assert {found[0][0] for found in seen.values()} == set(kinds)
    for key, [(name, number, retry_after)] in seen.items():
        row = by_key[key]
        assert row.fault == kinds[name]
        assert row.outcome == ("served" if name == "sound" else "fault")
        assert retry_after == ("7" if name == "503" else None)
        if name == "damaged":
            assert number == 1, "one byte is wrong"
        if name == "short":
            assert row.bytes == number < len(DATA)


async def test_a_503_names_no_time_unless_asked(root: Path) -> None:
    async with Server(root, Network(rate_503=1)) as server, aiohttp.ClientSession() as session:
        assert await look(session, f"{server.url}/c/0") == ("503", 0, None)


async def test_a_hung_response_stops_until_the_client_leaves(root: Path) -> None:
    network = Network(rate_hang=1)
    places = {
        key: int(fault.share * len(DATA)) for key in KEYS if (fault := network.draw(key, "", 0)[1]) and fault.share
    }
    assert len(places) > 40
    async with Server(root, network) as server, aiohttp.ClientSession() as session:
        for key, place in list(places.items())[:9]:
            response = await session.get(f"{server.url}/{key}")
            assert await response.content.readexactly(place) == DATA[:place]
            assert response.content_length == len(DATA)
            response.close()
        await server.idle()
        ends = {row.key: (row.status, row.bytes, row.outcome, row.fault) for row in server.log}
    assert ends == {key: (200, place, "cancelled", "hang") for key, place in list(places.items())[:9]}


async def test_the_others_hang_before_the_headers(root: Path) -> None:
    network, came = Network(rate_hang=1), asyncio.Event()
    key = next(key for key in KEYS if (fault := network.draw(key, "", 0)[1]) and not fault.share)

    def bell(key: str, number: int) -> None:
        came.set()

    async with Server(root, network, faults=bell) as server, aiohttp.ClientSession() as session:
        request = asyncio.create_task(look(session, f"{server.url}/{key}"))
        await came.wait()
        request.cancel()
        await server.idle()
        [row] = server.log
    assert (row.status, row.bytes, row.outcome) == (0, 0, "cancelled")


async def test_a_range_of_a_truncated_body_keeps_its_place(root: Path) -> None:
    async with Server(root, Network(rate_truncate=1)) as server, aiohttp.ClientSession() as session:
        lengths = []
        for key in KEYS[:20]:
            async with session.get(f"{server.url}/{key}", headers={"Range": "bytes=1000-1999"}) as response:
                body = await response.read()
            assert response.status == 206
            assert DATA[1000:2000].startswith(body)
            assert response.headers["Content-Range"] == f"bytes 1000-1999/{len(DATA)}"
            lengths.append(len(body))
    assert max(lengths) < 1000
    assert len(set(lengths)) > 10


async def test_a_client_that_has_it_gets_304(root: Path) -> None:
    async with Server(root) as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/c/0") as response:
            etag, modified = response.headers["ETag"], response.headers["Last-Modified"]
            assert await response.read() == DATA
        for headers in ({"If-None-Match": etag}, {"If-Modified-Since": modified}):
            async with session.get(f"{server.url}/c/0", headers=headers) as response:
                assert response.status == 304
                assert await response.read() == b""
                assert "Content-Length" not in response.headers
                assert response.headers["ETag"] == etag
        await asyncio.to_thread((root / "c" / "0").write_bytes, b"new")
        async with session.get(f"{server.url}/c/0", headers={"If-None-Match": etag}) as response:
            assert (response.status, await response.read()) == (200, b"new")
        await server.idle()
        assert [(row.status, row.bytes, row.outcome) for row in server.log] == [
            (200, len(DATA), "served"),
            (304, 0, "served"),
            (304, 0, "served"),
            (200, 3, "served"),
        ]


async def test_servers_with_quirks(root: Path) -> None:
    quirks = Quirks(missing_status=403, ignore_range=True)
    async with Server(root, quirks=quirks) as server, aiohttp.ClientSession() as session:
        assert (await look(session, f"{server.url}/absent"))[0] == "403"
        async with session.get(f"{server.url}/c/0", headers={"Range": "bytes=0-9"}) as response:
            assert (response.status, await response.read()) == (200, DATA)
        await server.idle()
        assert [row.outcome for row in server.log] == ["served", "served"]
