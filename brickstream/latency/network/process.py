"""The built-in server in a process of its own: in ours, server and viewer would wait for one interpreter lock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brickstream.errors import BrickstreamError


@contextmanager
def server_process(folder: Path, latency_ms: float, bandwidth_mbps: float | None = None) -> Iterator[str]:
    """Serve a folder; gives the URL, without a slash at its end.

    Raises
    ------
    BrickstreamError
        If the server does not start.
    """
    words = [sys.executable, "-m", "brickstream", "serve", str(folder), "--port", "0", "--latency-ms", str(latency_ms)]
    if bandwidth_mbps is not None:
        words += ["--bandwidth-mbps", str(bandwidth_mbps)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            url = server.stdout.readline().strip() if server.stdout is not None else ""
            if not url:
                raise BrickstreamError("the server of the benchmark did not start", str(folder))
            yield url.rstrip("/")
        finally:
            server.terminate()
