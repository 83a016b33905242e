"""``brickstream serve``."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

from brickstream.cli import console
from brickstream.latency import Faults, Network, Quirks, Server, profile


def network_of(name: str | None, **given: float | None) -> Network:
    """Return the network of that name, or a plain one, with the settings that are given (not None) changed."""
    settings = {setting: value for setting, value in given.items() if value is not None}
    # One of the command line's numbers is as good as another to the type checker; Network looks at them itself.
    return replace(Network() if name is None else profile(name), **settings)  # type: ignore[arg-type]


def run_server(folder: Path, port: int, network: Network, quirks: Quirks, faults: Faults | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; return the exit code."""
    return asyncio.run(_serve(folder, port, network, quirks, faults))


async def _serve(folder: Path, port: int, network: Network, quirks: Quirks, faults: Faults | None) -> int:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    stopped_by: list[int] = []

    def stop(number: int) -> None:
        stopped_by.append(number)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    async with Server(folder, network, port=port, quirks=quirks, faults=faults) as server:
        console.say(server.url)
        console.tell(f"serving {folder} at {server.url} (Ctrl-C ends it)")
        await stopping.wait()
    return 130 if signal.SIGINT in stopped_by else 0
