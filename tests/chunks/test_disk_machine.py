"""The disk cache against a server that changes, in several sessions at once, with crashes and damage in between."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cachefakes import Clock, TagServer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from brickstream.chunks.cache import entries
from brickstream.chunks.cache.cached import CachedReader
from brickstream.chunks.cache.disk import DiskCache
from brickstream.chunks.reader import ByteRange, Span, Suffix

T = TypeVar("T")
MAX_AGE, MISSING_AGE = 100.0, 20.0
DOCUMENT, CHUNKS, SHARD = "zarr.json", ["c/0", "c/1"], "c/s"
keys = st.sampled_from([DOCUMENT, *CHUNKS, SHARD])
values = st.none() | st.binary(min_size=8, max_size=12)
sessions = st.integers(0, 1)


class CrashError(BaseException):
    """The process dies here."""


class DiskMachine(RuleBasedStateMachine):
    """Two sessions on one folder, as two processes would have them."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        # Files are told from each other by their names: they must be the same each time.
        (Path(self.folder.name) / "v1").mkdir()
        (Path(self.folder.name) / "v1" / "salt").write_bytes(bytes(16))
        self.clock = Clock()
        self.server = TagServer({})
        # For every key what it was, and from when on.
        self.history: dict[str, list[tuple[float, bytes | None]]] = {}
        for key in (DOCUMENT, *CHUNKS, SHARD):
            self.changes(key, b"12345678")
        self.caches: list[DiskCache] = []
        self.readers: list[CachedReader] = []
        for _ in range(2):
            self.caches.append(self.opened())
            self.readers.append(CachedReader(self.server, self.caches[-1], "https://host/image"))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def opened(self) -> DiskCache:
        options = {"max_age_s": MAX_AGE, "missing_age_s": MISSING_AGE, "clock": self.clock}
        return self.run(DiskCache(self.folder.name, max_bytes=5 * 4096, **options).__aenter__())  # type: ignore[arg-type]

    @rule(key=keys, value=values)
    def changes(self, key: str, value: bytes | None) -> None:
        self.server.put(key, value)
        self.history.setdefault(key, []).append((self.clock.now, value))

    @rule(seconds=st.sampled_from([1.0, 19.0, 30.0, 99.0, 101.0]))
    def passes(self, seconds: float) -> None:
        self.clock.now += seconds

    def was(self, key: str, age: float) -> set[bytes | None]:
        """What a key was at some time not longer ago."""
        history, since = self.history[key], self.clock.now - age
        ends = [begin for begin, _ in history[1:]] + [float("inf")]
        return {value for (_, value), end in zip(history, ends, strict=True) if end >= since}

    @rule(session=sessions, key=st.sampled_from([DOCUMENT, *CHUNKS]))
    def reads(self, session: int, key: str) -> None:
        value = self.run(self.readers[session].read(key))
        if key == DOCUMENT:
            assert value == self.history[key][-1][1]
        elif value is None:
            assert None in self.was(key, MISSING_AGE)
        else:
            assert value in self.was(key, MAX_AGE)

    @rule(session=sessions)
    def reads_a_shard(self, session: int) -> None:
        """The last bytes say which version it is; a part that is read after them is of the same one."""
        now = self.history[SHARD][-1][1]
        index = self.run(self.readers[session].read(SHARD, Suffix(2)))
        assert index == (None if now is None else now[-2:])
        part: ByteRange = Span(1, 3)
        if now is not None:
            assert self.run(self.readers[session].read(SHARD, part)) == now[1:4]

    @rule(session=sessions)
    def settles(self, session: int) -> None:
        self.run(self.caches[session].settled())
        assert self.caches[session].counters.nbytes <= 5 * 4096

    @rule(session=sessions)
    def ends_and_begins_again(self, session: int) -> None:
        self.run(self.caches[session].__aexit__())
        self.caches[session] = self.opened()
        self.readers[session] = CachedReader(self.server, self.caches[session], "https://host/image")

    @rule(
        session=sessions, key=st.sampled_from(CHUNKS), point=st.integers(0, 250) | st.sampled_from(["before", "after"])
    )
    def dies_while_writing(self, session: int, key: str, point: int | str) -> None:
        """Somebody reads a value and dies while the cache writes it."""
        self.all_settle()
        cache, reader = self.caches[session], self.readers[session]
        home = cache._home
        assert home is not None
        name = reader._name(key, None)
        head, body = entries.encode(name, self.server.values.get(key), "some tag", self.clock.now)
        with pytest.MonkeyPatch.context() as patch:
            crash(patch, point)
            with pytest.raises(CrashError):
                entries.store(home.path(cache.digest(name)), head, body)

    def all_settle(self) -> None:
        for cache in self.caches:
            self.run(cache.settled())

    def files(self) -> list[Path]:
        self.all_settle()
        return sorted(path for path in Path(self.folder.name).rglob("*") if len(path.name) == 32)

    @rule(
        number=st.integers(0, 20),
        how=st.sampled_from(["flip", "cut", "empty", "gone", "other"]),
        where=st.integers(0, 999),
        bits=st.integers(1, 255),
    )
    def is_damaged(self, number: int, how: str, where: int, bits: int) -> None:
        files = self.files()
        if not files:
            return
        path = files[number % len(files)]
        raw = bytearray(path.read_bytes())
        if how == "gone":
            path.unlink()
            return
        if how == "flip" and raw:
            raw[where % len(raw)] ^= bits
        elif how == "cut" and raw:
            del raw[where % len(raw) :]
        elif how == "other":
            raw = bytearray(files[(number + 1) % len(files)].read_bytes())
        else:
            raw.clear()
        path.write_bytes(raw)

    @invariant()
    def nothing_is_turned_off(self) -> None:
        assert all(cache.is_on for cache in getattr(self, "caches", []))

    def teardown(self) -> None:
        if hasattr(self, "caches"):
            for cache in self.caches:
                self.run(cache.__aexit__())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            self.folder.cleanup()


def crash(patch: pytest.MonkeyPatch, point: int | str) -> None:
    """Let the process die after so many bytes, or before or after the file is renamed."""
    replace = entries.os.replace

    def replaced(source: Path, target: Path) -> None:
        if point == "after":
            replace(source, target)
        raise CrashError

    class Dying:
        def __init__(self, path: Path, mode: str) -> None:
            self.file = open(path, mode)  # noqa: SIM115
            self.left = point if isinstance(point, int) else 1 << 20

        def __enter__(self) -> "Dying":
            return self

        def __exit__(self, *exc: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> None:
            self.file.write(data[: self.left])
            self.left -= len(data)
            if self.left < 0:
                raise CrashError

    patch.setattr(entries.os, "replace", replaced)
    patch.setattr(entries, "open", Dying, raising=False)


TestDisk = DiskMachine.TestCase
TestDisk.settings = settings(stateful_step_count=25)
TestDisk.pytestmark = [pytest.mark.oracle]
