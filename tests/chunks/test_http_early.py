"""Connections that are made before they are needed, in virtual time: what they save, and what they must not cost."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import zarr
from aiohttp.client_proto import ResponseHandler
from stored import write_image
from virtual import now, virtually
from yarl import URL
from zarr.errors import ZarrUserWarning

from brickstream.chunks import HttpOptions
from brickstream.chunks.http.early import UNUSED_S, EarlyConnector
from brickstream.engine import Engine
from brickstream.latency import Network, Server
from brickstream.multiscale import View

GRID = 6
RTT, TTFB = 0.08, 0.03
FAR = Network(latency_ms=1000 * RTT, ttfb_ms=1000 * TTFB, connect_round_trips=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("far")
    write_image(folder / "image", grid=(GRID, GRID), levels=4)
    # One answer is all that is known of the network before the first picture is asked for.
    with pytest.warns(ZarrUserWarning, match="not part"):
        zarr.consolidate_metadata(str(folder / "image"))
    write_image(folder / "flat", grid=(GRID, GRID), levels=1)
    write_image(folder / "small", grid=(1, 1), levels=1)
    return folder


@dataclass(frozen=True)
class Shown:
    """Seconds from showing an image to its first and its last update; connections that the server has seen."""

    first: float
    last: float
    connections: int


async def show(
    folder: Path, network: Network, name: str = "image", *, ahead: bool, inflight: int = 128, proxied: bool = False
) -> Shown:
    async with Server(folder, network) as server:
        http = HttpOptions(connect_ahead=ahead, proxy=server.url if proxied else "")
        async with Engine(max_inflight=inflight, http=http) as engine:
            image = await engine.open(f"{server.url}/{name}")
            side, began = image.pyramid.levels[0].shape[0], now()
            view = View.plane(image, canvas=(side, side))
            times = [now() - began async for _ in engine.slice(image, view)]
        # The engine has closed its connections: a server that serves few of them serves this one as well.
        return Shown(round(times[0], 9), round(times[-1], 9), await accepted(server))


async def accepted(server: Server) -> int:
    """Count the connections so far, unused ones too: the next one has their count as its number."""
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/probe"):
        pass
    await server.idle()
    return next(row.connection for row in server.log if row.key == "probe")


@virtually
async def test_finer_levels_do_not_wait_for_connections_to_be_set_up(folder: Path) -> None:
    """They are asked for as soon as the first answer begins; what is left of setting up then is waited for."""
    answer, set_up = RTT + TTFB, 2 * RTT
    shown = await show(folder, FAR, ahead=True)
    assert shown.last == pytest.approx(max(answer, set_up) + answer)
    alone = await show(folder, FAR, ahead=False)
    assert alone.last == pytest.approx(answer + set_up + answer)


@pytest.mark.parametrize("inflight", [1, 20, 128])
@virtually
async def test_there_are_no_more_connections_and_the_first_picture_comes_no_later(folder: Path, inflight: int) -> None:
    with_, without = [await show(folder, FAR, ahead=ahead, inflight=inflight) for ahead in (True, False)]
    assert with_.connections <= without.connections
    assert with_.first == without.first
    assert with_.last <= without.last


@virtually
async def test_reads_that_begin_together_share_the_connections_that_the_first_of_them_begins(folder: Path) -> None:
    shown = await show(folder, FAR, "flat", ahead=True)
    assert shown.connections == GRID * GRID


@virtually
async def test_a_server_that_serves_few_connections_is_no_slower(folder: Path) -> None:
    few = Network(latency_ms=80, connect_round_trips=2, max_connections=6, requests_per_connection=5)
    with_, without = [await show(folder, few, ahead=ahead) for ahead in (True, False)]
    assert with_.first == without.first
    assert with_.last <= without.last


@virtually
async def test_nothing_is_made_for_a_single_read(folder: Path) -> None:
    with_, without = [await show(folder, FAR, "small", ahead=ahead) for ahead in (True, False)]
    assert with_ == without


@virtually
async def test_nothing_is_made_through_a_proxy(folder: Path) -> None:
    with_, without = [await show(folder, FAR, ahead=ahead, proxied=True) for ahead in (True, False)]
    assert with_ == without


class Peer:
    """A server that counts its connections, and answers nothing; it may close them at once."""

    def __init__(self, *, closing: bool = False) -> None:
        self.seen = self.open = 0
        self._closing = closing
        self.url = URL()

    @asynccontextmanager
    async def running(self, scheme: str = "http") -> AsyncIterator[URL]:
        server = await asyncio.start_server(self._met, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        async with server:
            yield URL(f"{scheme}://127.0.0.1:{port}/")

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen += 1
        self.open += 1
        if not self._closing:
            await reader.read()
        writer.close()
        self.open -= 1


class Slow(EarlyConnector):
    """Needs a second for each connection."""

    async def _make(self, *args: Any) -> ResponseHandler:
        await asyncio.sleep(1.0)
        return await super()._make(*args)


@asynccontextmanager
async def connecting(connector: EarlyConnector) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            yield session
        finally:
            await connector.end_unused()


async def get(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as response:
        await response.read()
        return response.status


async def numbers(server: Server) -> Iterable[int]:
    await server.idle()
    return sorted(row.connection for row in server.log)


@virtually
async def test_connections_are_made_once_and_closed_where_nobody_needs_them() -> None:
    peer, connector = Peer(), EarlyConnector(8, 1.0)
    async with peer.running() as url, connecting(connector):
        for wanted in (3, 3, 5, 2):
            connector.connect_ahead(url, wanted)
            await asyncio.sleep(0.1)
        assert peer.open == 5
        await asyncio.sleep(UNUSED_S)
        assert (peer.seen, peer.open) == (5, 0)
        connector.connect_ahead(url, 2)
        await asyncio.sleep(0.1)
        assert peer.open == 2


@virtually
async def test_requests_take_connections_that_are_on_their_way(folder: Path) -> None:
    connector = Slow(8, 1.0)
    async with Server(folder) as server, connecting(connector) as session:
        connector.connect_ahead(URL(server.url), 2)
        await asyncio.sleep(0.4)
        assert await asyncio.gather(*(get(session, f"{server.url}/absent") for _ in range(2))) == [404, 404]
        assert now() == pytest.approx(1.0)
        assert await numbers(server) == [0, 1]
        connector.connect_ahead(URL(server.url), 2)
        assert await accepted(server) == 2, "those in use count"


@pytest.mark.parametrize("when", [0.4, 1.0])
@virtually
async def test_a_request_that_ends_while_its_connection_is_made_leaves_none_behind(when: float) -> None:
    """Also where both happen in the same moment."""
    peer, connector = Peer(), Slow(8, 1.0)
    async with peer.running() as url, connecting(connector) as session:
        connector.connect_ahead(url, 1)
        await asyncio.sleep(0)
        task = asyncio.create_task(get(session, str(url)))
        await asyncio.sleep(when)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0.1)
        assert peer.open == 0


@virtually
async def test_why_there_is_no_connection_is_told_by_the_request_that_needs_it() -> None:
    async with Peer().running() as url:
        pass
    connector = EarlyConnector(8, 1.0)
    async with connecting(connector) as session:
        connector.connect_ahead(url, 3)
        await asyncio.sleep(0.1)
        with pytest.raises(aiohttp.ClientConnectorError):
            await get(session, str(url))


@virtually
async def test_a_server_that_closes_them_unused_gets_no_more_for_a_while() -> None:
    peer, connector = Peer(closing=True), EarlyConnector(8, 1.0)
    async with peer.running() as url, connecting(connector):
        for _ in range(3):
            connector.connect_ahead(url, 4)
            await asyncio.sleep(0.1)
        assert peer.seen == 4
        await asyncio.sleep(UNUSED_S)
        connector.connect_ahead(url, 4)
        await asyncio.sleep(0.1)
        assert peer.seen == 8


@virtually
async def test_closing_ends_what_is_under_way() -> None:
    """A server that never ends the handshake of TLS."""
    peer, connector = Peer(), EarlyConnector(8, 60.0)
    async with peer.running("https") as url:
        async with connecting(connector):
            connector.connect_ahead(url, 3)
            await asyncio.sleep(0.1)
            assert peer.open == 3
        await asyncio.sleep(0.1)
        assert (peer.open, now()) == (0, pytest.approx(0.2))
