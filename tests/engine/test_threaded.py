"""The engine in a thread of its own, as a host without an event loop uses it.

The reads are held: what happens on the engine's loop is done there, through ``engine.submit``.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, ThreadedEngine, Update
from brickstream.errors import BudgetError, ClosedError, MetadataError, NotFoundError, TimedOutError
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

DATA = np.arange(32 * 48, dtype=np.uint16).reshape(32, 48)
LONG_S = 30.0  # a wait that should not be needed; the test's own time limit is longer


class Threaded:
    """An engine in a thread, an image whose reads are held, and the sink that shows it."""

    def __init__(self, **limits: Any) -> None:
        self.sink = RecordingSink()
        self.image = memory_image(DATA, (8, 8), source=StepSource)
        self.view = View.plane(self.image, canvas=(48, 32))
        self.engine = Engine.in_thread(**limits, sink=self.sink)

    @property
    def source(self) -> StepSource:
        assert isinstance(self.image.sources[0], StepSource)
        return self.image.sources[0]

    def on_loop(self, call: Callable[[], object]) -> None:
        """Do something on the engine's loop, and let everything follow from it."""

        async def run() -> None:
            call()
            await settle()

        self.engine.submit(run()).result(LONG_S)

    def requested(self, count: int) -> list[tuple[int, ...]]:
        return self.engine.submit(self.source.requested(count)).result(LONG_S)


@pytest.fixture
def held() -> Iterator[Threaded]:
    threaded = Threaded()
    with threaded.engine:
        yield threaded


def brickstream_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("brickstream")]


def test_show_poll_and_complete(held: Threaded) -> None:
    plan = held.engine.show(held.image, held.view)
    assert not held.engine.is_complete
    held.requested(24)
    assert held.engine.poll() == []
    held.on_loop(lambda: held.source.release((3, 5), (0, 0)))
    assert [update.index for update in held.engine.poll()] == [(3, 5), (0, 0)]
    assert held.engine.latest is held.sink.updates[-1]
    held.on_loop(held.source.flow)
    held.engine.complete(LONG_S)
    assert held.engine.is_complete
    assert held.sink.begun == [(1, plan)]
    assert held.sink.completed == [1]
    np.testing.assert_array_equal(held.sink.picture(), DATA)
    assert held.engine.stats().inflight_max == 24


def test_a_new_view_cancels_the_old_one(held: Threaded) -> None:
    held.engine.show(held.image, held.view)
    held.requested(24)
    near = View.plane(held.image, canvas=(16, 16), center={"y": 15.5, "x": 15.5}, zoom=1.0)
    held.engine.show(held.image, near)
    held.engine.submit(held.source.until(lambda: len(held.source.waiting) == 4)).result(LONG_S)
    assert len(held.source.happened("begin")) == 24  # none was begun a second time
    held.on_loop(held.source.release_all)
    held.engine.complete(LONG_S)
    assert held.sink.completed == [2]


def test_wait_wakes_up_when_something_comes(held: Threaded) -> None:
    held.engine.show(held.image, held.view)
    held.requested(24)
    held.engine.poll()
    assert not held.engine.wait(0)
    held.on_loop(lambda: held.source.release((0, 0)))
    assert held.engine.wait(LONG_S)
    assert len(held.engine.poll()) == 1
    assert not held.engine.wait(0)


def test_poll_with_a_budget_of_zero_takes_one_at_a_time_and_wait_does_not_sleep_over_the_rest(held: Threaded) -> None:
    held.engine.show(held.image, held.view)
    held.requested(24)
    held.on_loop(held.source.release_all)
    polled = []
    while not held.engine.is_complete:
        assert held.engine.wait(0), "there is something to poll, and wait does not know"
        polled.append(len(held.engine.poll(budget_ms=0)))
    assert polled == [1] * 24 + [0]
    assert not held.engine.wait(0)


def test_a_host_that_never_polls_stops_the_reading_and_can_go_on() -> None:
    held = Threaded(max_ram_bytes=128 * 3, max_inflight=2)
    with held.engine:
        held.engine.show(held.image, held.view)
        held.requested(2)
        held.on_loop(held.source.flow)
        stats = held.engine.stats()
        assert stats.ram_bytes == stats.ram_peak_bytes == 128 * 3
        assert len(held.source.happened("begin")) == 3
        assert stats.inflight_max == 2
        held.engine.complete(LONG_S)
        assert held.engine.stats().ram_peak_bytes == 128 * 3
    np.testing.assert_array_equal(held.sink.picture(), DATA)


def test_complete_gives_up_after_its_time(held: Threaded) -> None:
    held.engine.show(held.image, held.view)
    held.requested(24)
    with pytest.raises(TimedOutError, match="not complete after 0 s"):
        held.engine.complete(timeout=0)


def test_a_budget_too_small_surfaces_at_the_next_poll() -> None:
    image = memory_image(np.zeros((16, 16, 16), np.uint8), (16, 16, 16))
    with Engine.in_thread(max_ram_bytes=1000) as engine:
        engine.show(image, View.plane(image, canvas=(16, 16)))
        assert engine.wait(LONG_S)
        with pytest.raises(BudgetError, match="more than the RAM budget"):
            engine.poll()
        assert engine.is_complete
        assert engine.poll() == []


# ---- opening


def test_errors_of_open_surface_on_the_caller(held: Threaded, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        held.engine.open(tmp_path / "nowhere")
    (tmp_path / "zarr.json").write_text("{")
    with pytest.raises(MetadataError, match="a JSON document"):
        held.engine.open(tmp_path)
    future: Future[ChunkedImage] = held.engine.open_soon(tmp_path)
    assert isinstance(future.exception(LONG_S), MetadataError)


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def secret_url(server: socket.socket) -> str:
    return f"http://user:hunter2@127.0.0.1:{server.getsockname()[1]}/image.zarr?sig=topsecret"


def test_open_gives_up_after_its_time_and_keeps_the_secrets(held: Threaded, silent: socket.socket) -> None:
    with pytest.raises(TimedOutError, match=r"the image did not open within 0 s: http://127.0.0.1:\d+/image.zarr") as e:
        held.engine.open(secret_url(silent), timeout=0)
    assert "hunter2" not in str(e.value)
    assert "topsecret" not in repr(e.value)


def test_an_open_hears_that_the_engine_was_closed(
    held: Threaded, silent: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[BaseException] = []

    def host() -> None:
        try:
            held.engine.open(secret_url(silent))
        except ClosedError as error:
            heard.append(error)

    thread = threading.Thread(target=host)
    thread.start()
    connection, _ = silent.accept()  # the request is under way
    held.engine.close()
    thread.join(LONG_S)
    connection.close()
    assert len(heard) == 1
    assert "the engine was closed while the image opened" in str(heard[0])
    assert "topsecret" not in str(heard[0])
    assert not caplog.records


# ---- the end


def test_close_with_reads_in_flight_leaves_no_thread_and_twice_is_fine() -> None:
    held = Threaded()
    assert brickstream_threads() == ["brickstream"]
    held.engine.show(held.image, held.view)
    held.requested(24)
    held.engine.close()
    assert brickstream_threads() == []
    assert len(held.source.happened("cancelled")) == 24
    held.engine.close()


def test_every_use_after_close_is_one_clear_error() -> None:
    held = Threaded()
    held.engine.close()
    uses: list[Callable[[], object]] = [
        lambda: held.engine.show(held.image, held.view),
        held.engine.poll,
        held.engine.complete,
        held.engine.stats,
        lambda: held.engine.is_complete,
        lambda: held.engine.latest,
        lambda: held.engine.open("nowhere"),
        lambda: held.engine.open_soon("nowhere"),
        lambda: held.engine.submit(settle()),
    ]
    for use in uses:
        with pytest.raises(ClosedError, match="the engine is closed"):
            use()


def test_an_engine_that_was_not_started_says_so() -> None:
    engine = ThreadedEngine(Engine(), None)
    with pytest.raises(ClosedError):
        engine.poll()
    engine.close()


def test_a_crash_of_the_loop_surfaces_and_ends_every_wait(held: Threaded) -> None:
    """A listener that raises is a mistake of ours; nothing may hang for it."""

    def broken(update: Update) -> None:
        raise ZeroDivisionError("a mistake")

    held.engine.show(held.image, held.view)
    held.requested(24)

    def break_it() -> None:
        for session in held.engine._engine.core.sessions.values():
            session._emit = broken
        held.source.release((0, 0))

    future = held.engine.submit(_call(break_it))
    with pytest.raises(ClosedError, match="the engine's thread ended"):
        held.engine.complete(LONG_S)
    assert future.done()
    with pytest.raises(ClosedError, match="a mistake"):
        held.engine.show(held.image, held.view)
    held.engine.close()
    assert brickstream_threads() == []


async def _call(function: Callable[[], object]) -> None:
    function()


def test_hosts_may_open_and_ask_from_any_thread(held: Threaded, tmp_path: Path) -> None:
    import zarr

    zarr.create_array(str(tmp_path / "a"), data=DATA, chunks=(8, 8))
    images: list[ChunkedImage] = []
    threads = [threading.Thread(target=lambda: images.append(held.engine.open(tmp_path / "a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert [image.pyramid.levels[0].shape for image in images] == [DATA.shape] * 4
    held.engine.show(images[0], View.plane(images[0], canvas=(48, 32)))
    held.engine.complete(LONG_S)
    np.testing.assert_array_equal(held.sink.picture(), DATA)


def test_no_thread_is_started_before_it_is_needed() -> None:
    before = threading.enumerate()
    engine = ThreadedEngine(Engine(), None)
    assert threading.enumerate() == before
    engine.start()
    assert brickstream_threads() == ["brickstream"]
    engine.close()
    assert asyncio.iscoroutinefunction(Engine.open)
