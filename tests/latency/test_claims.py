"""The simulator is what it claims: what a client measures over HTTP is what theory says, on a virtual clock."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from pathlib import Path
from statistics import fmean

import aiohttp
import pytest
from virtual import now, virtually

from brickstream.latency import PROFILES, Fault, Network, RequestRecord, Server
from brickstream.latency.network.link import Link
from brickstream.latency.network.script import script_of

SIZE = 200_000
BODY = bytes(range(250)) * 80
# An idle line has saved up this much.
HEAD_START_S = 0.001
EXACT = 1e-9


@dataclass(frozen=True)
class Got:
    """What a client saw of one answer; seconds since it asked."""

    nbytes: int
    first: float
    end: float


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").write_bytes(bytes(SIZE))
    (tmp_path / "small").write_bytes(bytes(20_000))
    (tmp_path / "tiny").write_bytes(b"x")
    return tmp_path


@asynccontextmanager
async def client(limit: int = 0) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=limit)) as session:
        yield session


async def get(session: aiohttp.ClientSession, url: str) -> Got:
    asked = now()
    async with session.get(url) as response:
        first = now()
        body = await response.read()
    return Got(len(body), first - asked, now() - asked)


async def drops_of(response: aiohttp.ClientResponse) -> list[Got]:
    """Read a body as it comes; the times are those of the loop."""
    return [Got(len(drop), now(), now()) async for drop in response.content.iter_any()]


async def ask_in_turn(network: Network, root: Path, count: int) -> list[RequestRecord]:
    """Ask for as many keys, one after the other on one connection, and return the log."""
    async with Server(root, network) as server, client(limit=1) as session:
        for number in range(count):
            await get(session, f"{server.url}/absent/{number}")
        await server.idle()
        return server.log


def seconds(nbytes: int, mbps: float) -> float:
    return nbytes * 8 / (mbps * 1e6)


def within_chance(count: int, trials: int, rate: float) -> bool:
    """Whether a count is within four standard deviations of the binomial distribution."""
    return abs(count - trials * rate) <= 4 * sqrt(trials * rate * (1 - rate))


@virtually
async def test_the_first_byte_takes_the_round_trip_and_the_server(root: Path) -> None:
    async with Server(root, Network(latency_ms=100, ttfb_ms=10)) as server, client() as session:
        for _ in range(2):
            got = await get(session, f"{server.url}/data")
            assert got == Got(SIZE, pytest.approx(0.11, abs=EXACT), pytest.approx(0.11, abs=EXACT))
        await server.idle()
        assert [row.first - row.start for row in server.log if row.first] == pytest.approx([0.11] * 2, abs=EXACT)


@virtually
async def test_jitter_is_even_within_its_bounds(root: Path) -> None:
    count, half = 500, 0.04
    rows = await ask_in_turn(Network(latency_ms=100, jitter_ms=half * 1000), root, count)
    waits = [row.end - row.start - 0.1 for row in rows]
    assert max(map(abs, waits)) <= half + EXACT
    assert abs(fmean(waits)) <= 4 * half / sqrt(3 * count), "the mean of an even distribution"
    spread = 4 * half**2 * sqrt((1 / 5 - 1 / 9) / count)
    assert abs(fmean(wait**2 for wait in waits) - half**2 / 3) <= spread, "its variance"


@virtually
async def test_the_tail_has_its_share_and_its_length(root: Path) -> None:
    rows = await ask_in_turn(Network(latency_ms=40, ttfb_ms=10, tail_rate=0.1, tail_factor=20), root, 500)
    took = Counter(round(row.end - row.start, 6) for row in rows)
    assert set(took) == {0.05, 1.0}
    assert within_chance(took[1.0], 500, 0.1)


@virtually
async def test_setting_up_is_paid_once_a_connection(root: Path) -> None:
    network = Network(latency_ms=80, connect_ms=5, connect_round_trips=2)
    async with Server(root, network) as server, client(limit=1) as session:
        took = [(await get(session, f"{server.url}/tiny")).end for _ in range(3)]
        assert took == pytest.approx([0.245, 0.08, 0.08], abs=EXACT)
        assert {row.connection for row in server.log} == {0}


@pytest.mark.parametrize(("earlier", "waits"), [(0.0, 0.24), (0.1, 0.14), (0.5, 0.08)])
@virtually
async def test_a_connection_is_set_up_before_the_first_request(root: Path, earlier: float, waits: float) -> None:
    async with Server(root, Network(latency_ms=80, connect_round_trips=2)) as server:
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await asyncio.sleep(earlier)
        asked = now()
        writer.write(b"GET /tiny HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        assert now() - asked == pytest.approx(waits, abs=EXACT)
        writer.close()


@virtually
async def test_setting_up_is_paid_again_after_a_cancel(root: Path) -> None:
    network = Network(latency_ms=80, connect_round_trips=2)
    async with Server(root, network) as server, client() as session:
        await get(session, f"{server.url}/tiny")
        left = asyncio.create_task(get(session, f"{server.url}/tiny"))
        await asyncio.sleep(0.03)
        left.cancel()
        assert (await get(session, f"{server.url}/tiny")).end == pytest.approx(0.24, abs=EXACT)
        await server.idle()
        rows = sorted(server.log, key=lambda row: row.start)
        assert [(row.outcome, row.connection) for row in rows] == [("served", 0), ("cancelled", 0), ("served", 1)]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("mbps", [2.0, 80.0, 900.0])
@virtually
async def test_equal_downloads_take_the_line_in_equal_parts(root: Path, count: int, mbps: float) -> None:
    slice_s = seconds(Link(mbps).slice, mbps)
    async with Server(root, Network(latency_ms=50, bandwidth_mbps=mbps)) as server, client() as session:
        got = await asyncio.gather(*(get(session, f"{server.url}/data") for _ in range(count)))
    whole = seconds(count * SIZE, mbps)
    ends = [one.end - 0.05 for one in got]
    assert max(ends) == pytest.approx(whole - HEAD_START_S, abs=EXACT)
    assert min(ends) >= whole - HEAD_START_S - count * slice_s, "none is more than its turn ahead"


@pytest.mark.parametrize(("count", "slowest"), [(1, 10.0), (2, 10.0), (8, 40.0 / 8)])
@virtually
async def test_a_connection_has_its_own_bandwidth(root: Path, count: int, slowest: float) -> None:
    network = Network(bandwidth_mbps=40, connection_mbps=10)
    async with Server(root, network) as server, client() as session:
        got = await asyncio.gather(*(get(session, f"{server.url}/data") for _ in range(count)))
    slack = HEAD_START_S + count * seconds(Link(10).slice, 10)
    assert [one.end for one in got] == pytest.approx([seconds(SIZE, slowest)] * count, abs=slack)


@virtually
async def test_a_small_answer_beside_a_big_one_has_half_of_the_line(root: Path) -> None:
    async with Server(root, Network(bandwidth_mbps=8)) as server, client() as session:
        big = asyncio.create_task(get(session, f"{server.url}/data"))
        await asyncio.sleep(0.05)
        small = await get(session, f"{server.url}/small")
        slice_s = seconds(Link(8).slice, 8)
        assert small.end == pytest.approx(2 * seconds(20_000, 8), abs=2 * slice_s)
        assert (await big).end == pytest.approx(seconds(SIZE + 20_000, 8) - HEAD_START_S, abs=EXACT)


@virtually
async def test_answers_come_in_small_slices(root: Path) -> None:
    async with Server(root, Network(latency_ms=10, bandwidth_mbps=4)) as server, client() as session:
        drops = await drops_of(await session.get(f"{server.url}/data"))
    full, rest = divmod(SIZE, Link(4).slice)
    assert [drop.nbytes for drop in drops] == [Link(4).slice] * full + [rest]
    beats = [after.end - before.end for before, after in pairwise(drops)]
    assert beats[:-1] == pytest.approx([seconds(Link(4).slice, 4)] * (full - 1), abs=EXACT)


@virtually
async def test_more_connections_than_are_served_wait_for_a_place(root: Path) -> None:
    network = Network(latency_ms=100, max_connections=2, requests_per_connection=1)
    async with Server(root, network) as server, client() as session:
        got = await asyncio.gather(*(get(session, f"{server.url}/tiny") for _ in range(5)))
        await server.idle()
        rows = sorted(server.log, key=lambda row: row.connection or 0)
    assert sorted(one.end for one in got) == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3], abs=EXACT)
    assert [row.waited for row in rows] == pytest.approx([0, 0, 0.1, 0.1, 0.2], abs=EXACT)


@virtually
async def test_an_idle_connection_keeps_its_place(root: Path) -> None:
    network = Network(latency_ms=100, max_connections=1, keep_alive_s=7)
    async with Server(root, network) as server, client() as first, client() as second:
        await get(first, f"{server.url}/tiny")
        assert (await get(second, f"{server.url}/tiny")).end == pytest.approx(7.1, abs=EXACT)


@virtually
async def test_who_leaves_the_queue_is_logged_as_cancelled(root: Path) -> None:
    async with Server(root, Network(latency_ms=100, max_connections=1)) as server, client() as session:
        served = asyncio.create_task(get(session, f"{server.url}/data"))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(get(session, f"{server.url}/tiny"))
        await asyncio.sleep(0.02)
        waiting.cancel()
        await served
        await server.idle()
        gone, done = server.log
    assert (gone.outcome, gone.status, gone.first, gone.connection) == ("cancelled", 0, None, 1)
    assert gone.waited == pytest.approx(0.02, abs=EXACT)
    assert (done.outcome, done.waited) == ("served", 0)


@pytest.mark.parametrize(("idle", "connections"), [(4.9, [0, 0]), (5.1, [0, 1])])
@virtually
async def test_a_connection_is_kept_while_it_is_not_idle_too_long(
    root: Path, idle: float, connections: list[int]
) -> None:
    async with Server(root, Network(keep_alive_s=5)) as server, client(limit=1) as session:
        for _ in range(2):
            await get(session, f"{server.url}/tiny")
            await asyncio.sleep(idle)
        assert [row.connection for row in server.log] == connections


@virtually
async def test_a_connection_is_closed_after_its_last_request(root: Path) -> None:
    async with Server(root, Network(requests_per_connection=2)) as server, client(limit=1) as session:
        for _ in range(5):
            await get(session, f"{server.url}/tiny")
        assert [row.connection for row in server.log] == [0, 0, 1, 1, 2]


@virtually
async def test_every_failure_has_its_share(root: Path) -> None:
    rates = {"status": 0.12, "reset": 0.08, "truncate": 0.1, "hang": 0.06, "corrupt": 0.1, "trickle": 0.05}
    names = {f"rate_{'503' if kind == 'status' else kind}": rate for kind, rate in rates.items()}
    keys = [f"c{number}" for number in range(600)]
    await asyncio.to_thread(lambda: [(root / key).write_bytes(BODY) for key in keys])
    network = Network(seed=2, **names)  # type: ignore[arg-type]
    async with Server(root, network) as server, client() as session:
        seen = Counter([await look(session, f"{server.url}/{key}") for key in keys])
        await server.idle()
        chosen = Counter(row.fault for row in server.log)
    for kind, rate in rates.items():
        assert within_chance(chosen[kind], 600, rate), kind  # type: ignore[index]
    assert within_chance(chosen[None], 600, 1 - sum(rates.values()))
    assert seen == {kind or "sound": count for kind, count in chosen.items()}


async def look(session: aiohttp.ClientSession, url: str) -> str:
    """Say what an answer looks like to a client that expects BODY at once and waits for a minute."""
    asked = now()
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=60)) as response:
            body, length = await response.read(), int(response.headers["Content-Length"])
    except TimeoutError:
        return "hang"
    except aiohttp.ClientError:
        return "reset"
    if response.status == 503:
        return "status"
    if len(body) == length < len(BODY):
        return "truncate"
    if body != BODY:
        return "corrupt"
    return "sound" if now() == asked else "trickle"


@virtually
async def test_a_trickle_comes_drop_by_drop(root: Path) -> None:
    faults = {"small": Fault("trickle", after=19_000, kbps=4)}
    async with Server(root, faults=faults) as server, client() as session:
        response = await session.get(f"{server.url}/small")
        assert response.status == 200
        assert len(await response.content.readexactly(19_000)) == 19_000
        drops = await drops_of(response)
        await server.idle()
        [row] = server.log
    assert [drop.nbytes for drop in drops] == [50] * 20, "ten times a second"
    assert drops[-1].end == pytest.approx(seconds(1000, 0.004) - HEAD_START_S, abs=EXACT)
    assert (row.outcome, row.fault, row.bytes) == ("fault", "trickle", 20_000)


@virtually
async def test_the_third_request_for_a_key_fails(root: Path) -> None:
    fault = {"key": "ti*", "requests": [2], "kind": "status", "status": 429}
    script = script_of({"format": "brickstream-faults", "version": 1, "faults": [fault]})
    async with Server(root, faults=script) as server, client() as session:
        for _ in range(4):
            await get(session, f"{server.url}/tiny")
            await get(session, f"{server.url}/small")
        by_key = {key: [row.status for row in server.log if row.key == key] for key in ("tiny", "small")}
    assert by_key == {"tiny": [200, 200, 429, 200], "small": [200] * 4}


@virtually
async def test_the_log_tells_the_times_of_a_request_and_the_clock_their_zero(root: Path) -> None:
    await asyncio.sleep(100)
    async with Server(root, Network(latency_ms=50, bandwidth_mbps=1)) as server, client() as session:
        await asyncio.sleep(3)
        got = await get(session, f"{server.url}/data")
        async with session.get(f"{server.url}/_serve/clock") as response:
            assert await response.json() == {"now": pytest.approx(3 + got.end, abs=EXACT)}
        async with session.get(f"{server.url}/_serve/log") as response:
            [row] = json.loads(await response.text())
    assert (row["start"], row["first"], row["end"]) == pytest.approx((3, 3 + got.first, 3 + got.end), abs=EXACT)
    assert row["first"] - row["start"] == pytest.approx(0.05, abs=EXACT)
    assert row["end"] - row["first"] == pytest.approx(seconds(SIZE, 1) - HEAD_START_S, abs=EXACT)


@pytest.mark.parametrize("name", PROFILES)
@virtually
async def test_a_profile_is_what_it_says(root: Path, name: str) -> None:
    calm = {rate: 0.0 for rate in PROFILES[name].settings() if rate.startswith("rate_") or rate == "tail_rate"}
    network = replace(PROFILES[name], **calm)  # type: ignore[arg-type]
    async with Server(root, network) as server, client(limit=1) as session:
        took = [(await get(session, f"{server.url}/data")).end for _ in range(2)]
    narrow = min(network.bandwidth_mbps or 1e6, network.connection_mbps or 1e6)
    round_trip = (network.latency_ms + network.ttfb_ms) / 1000
    first = round_trip * 1 + network.connect_round_trips * network.latency_ms / 1000
    slack = network.jitter_ms / 1000 + HEAD_START_S + seconds(Link(narrow).slice, narrow)
    assert took == pytest.approx([first + seconds(SIZE, narrow), round_trip + seconds(SIZE, narrow)], abs=slack)


async def test_on_a_real_clock_nothing_comes_too_early(root: Path) -> None:
    network = Network(latency_ms=20, ttfb_ms=5, connect_round_trips=1, bandwidth_mbps=40)
    async with Server(root, network) as server, client() as session:
        for set_up in (0.02, 0):
            got = await get(session, f"{server.url}/data")
            assert got.first >= set_up + 0.025
            assert got.end >= set_up + 0.025 + seconds(SIZE, 40) - HEAD_START_S
