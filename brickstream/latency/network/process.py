"""The built-in server in a process of its own: in ours, server and viewer would wait for one interpreter lock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brickstream.errors import BrickstreamError
from brickstream.latency.network.shaping import Network


def options_of(network: Network) -> list[str]:
    """Return the options of ``brickstream serve`` that make this network."""
    return [word for name, value in network.settings().items() for word in (f"--{name.replace('_', '-')}", str(value))]


@contextmanager
def server_process(
    folder: Path,
    network: Network = Network(),  # noqa: B008 - frozen
    *,
    script: Path | None = None,
) -> Iterator[str]:
    """Serve a folder; gives the URL, without a slash at its end.

    Parameters
    ----------
    folder : Path
        What to serve.
    network : Network
        The network to pretend.
    script : Path, optional
        A file of faults, as :func:`brickstream.latency.network.script.read_script` reads it.

    Raises
    ------
    BrickstreamError
        If the server does not start.
    """
    words = [sys.executable, "-m", "brickstream", "serve", str(folder), "--port", "0", *options_of(network)]
    if script is not None:
        words += ["--script", str(script)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            url = server.stdout.readline().strip() if server.stdout is not None else ""
            if not url:
                raise BrickstreamError("the server of the benchmark did not start", str(folder))
            yield url.rstrip("/")
        finally:
            server.terminate()
