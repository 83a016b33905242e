"""``brickstream bench --replay``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.cli import console
from brickstream.cli.options import OptionError
from brickstream.engine import Engine
from brickstream.latency.network.process import server_process
from brickstream.latency.network.profiles import profile
from brickstream.latency.network.shaping import Network
from brickstream.latency.workloads import WORKLOADS, Session, load_workload, read_session, write_data
from brickstream.latency.workloads.replay import replay

OPEN_S = 60.0
FAILED_CHUNKS = 3


@dataclass(frozen=True)
class ReplayWish:
    """What the command line asks for; see ``brickstream bench --help``.

    Attributes
    ----------
    what : str
        A file of a session, or the name of a workload.
    url, data : str or None
        Where to play it: an image, or one of the lab's by name. Without either, where it was recorded.
    network : str or None
        The name of a network, for what lies on this machine.
    folder : Path
        Where the lab's images are kept.
    timeout : float or None
        Seconds to wait for the last view.
    settled : bool
        Whether every view is waited for.
    """

    what: str
    url: str | None = None
    data: str | None = None
    network: str | None = None
    folder: Path = Path("bench-data")
    timeout: float | None = None
    settled: bool = False


def run_replay(wish: ReplayWish, *, as_json: bool) -> int:
    """Play a session on our engine, and say how long people would have waited; return the exit code."""
    session = None if wish.what in WORKLOADS else read_session(wish.what)
    with _image_of(wish, session) as url, Engine.in_thread() as engine:
        began = time.perf_counter()
        image = engine.open(url, OPEN_S)
        open_s = time.perf_counter() - began
        session = session or _session(wish.what, image)
        with console.progress(f"replaying {wish.what}") as step:
            played = replay(engine.main, image, session, timeout=wish.timeout, progress=step, settled=wish.settled)
        stats = engine.stats()
    result: dict[str, Any] = {
        "title": session.title,
        "image": wish.data or url,
        "network": wish.network,
        "views": len(session.steps),
        "session_s": session.seconds,
        "open_s": open_s,
        **asdict(played),
        "requests": stats.requests,
        "bytes": stats.bytes_read,
    }
    if as_json:
        console.say_json(result)
    else:
        console.say(_lines(result))
    return FAILED_CHUNKS if played.failed else 0


def _session(name: str, image: ChunkedImage) -> Session:
    return load_workload(name).session(image)


@contextmanager
def _image_of(wish: ReplayWish, session: Session | None) -> Iterator[str]:
    """Bring the image within reach, over the network that was asked for."""
    network = None if wish.network is None else profile(wish.network)
    if wish.url is not None and wish.data is not None:
        raise OptionError("one image at a time", "--url and --data", "leave one of them out")
    if wish.data is not None:
        with console.progress(f"writing {wish.data}") as step:
            stored = write_data(wish.data, wish.folder, step)
        network = network or Network()
    else:
        url = wish.url or (session.image if session is not None else "")
        if not url:
            raise OptionError("no image to replay on", wish.what, "say which: --url or --data")
        if url.endswith("?...") and wish.url is None:
            raise OptionError("a recording keeps no query of its image", url, "give all of it: --url")
        if network is None:
            yield url
            return
        stored = Path(url)
        if not stored.is_dir():
            raise OptionError("only folders of this machine get a network", f"--network {wish.network}, {url}")
    with server_process(stored.resolve().parent, network) as server:
        yield f"{server}/{stored.resolve().name}"


def _lines(result: dict[str, Any]) -> str:
    first = "none" if result["first_s"] is None else f"{result['open_s'] + result['first_s']:.3f} s after opening began"
    return "\n".join(
        [
            f"{result['title']}: {result['views']} views in {result['session_s']:.1f} s",
            f"{result['image']}{'' if result['network'] is None else ', ' + result['network']}",
            f"opened in      {result['open_s']:.3f} s",
            f"first pixels   {first}",
            f"complete       {result['settle_s']:.3f} s after the last move",
            f"requests       {result['requests']}, {result['bytes']:,} bytes",
            f"failed chunks  {result['failed']}",
        ]
    )
