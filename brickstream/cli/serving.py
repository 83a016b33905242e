"""``brickstream serve``."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from brickstream.cli import console
from brickstream.latency import Network, Quirks, Server


def run_server(folder: Path, port: int, network: Network, quirks: Quirks) -> int:
    """Serve until Ctrl-C or SIGTERM; return the exit code."""
    return asyncio.run(_serve(folder, port, network, quirks))


async def _serve(folder: Path, port: int, network: Network, quirks: Quirks) -> int:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    stopped_by: list[int] = []

    def stop(number: int) -> None:
        stopped_by.append(number)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    async with Server(folder, network, port=port, quirks=quirks) as server:
        console.say(server.url)
        console.tell(f"serving {folder} at {server.url} (Ctrl-C ends it)")
        await stopping.wait()
    return 130 if signal.SIGINT in stopped_by else 0
