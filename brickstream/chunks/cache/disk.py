"""Answers of servers, kept on disk from one session to the next: where they are, how many, and which ones go."""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from time import time
from typing import Any, TypeVar

from brickstream.chunks.cache import entries
from brickstream.chunks.cache.entries import DamagedError, Entry

T = TypeVar("T")
MAX_BYTES = 8 << 30
MAX_AGE_S, MISSING_AGE_S = 24 * 3600.0, 300.0
# Answers that wait to be written; while there are more, no others are kept.
_MAX_WAITING = 64 << 20
# After so much of the size has been written, what other processes did is looked at.
_RESCAN = 8
# Layout of the folder; files of another one are left alone.
_FORMAT = "v1"


def default_folder() -> Path:
    """Folder for caches of this platform and user; may not be there yet."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "brickstream" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "brickstream"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "brickstream"


@dataclass
class CacheCounters:
    """What a cache has done.

    Attributes
    ----------
    hits : int
        Answers that were used unasked.
    validated : int
        Answers of which the server said that they are still right.
    misses : int
        Reads that had to be answered by the server.
    written, evicted, damaged : int
        Files.
    nbytes : int
        What the files take on disk, as far as this process knows.
    """

    hits: int = 0
    validated: int = 0
    misses: int = 0
    written: int = 0
    evicted: int = 0
    damaged: int = 0
    nbytes: int = 0


@dataclass(frozen=True)
class _Home:
    """Where the files are, and the secret that makes their names."""

    folder: Path
    salt: bytes

    def path(self, file: str) -> Path:
        return self.folder / file[:2] / file


class DiskCache:
    """Answers in a folder, of which the longest unused are dropped.

    Lives on one event loop; use it as an async context manager. All that blocks runs in threads of its own. Several
    processes may use one folder. A disk that is full or cannot be written to turns it off for the session, with a
    warning; a read never fails because of it.

    Parameters
    ----------
    folder : path, optional
        By default that of :func:`default_folder`.
    max_bytes : int
    max_age_s : float
        Seconds for which an answer is used unasked.
    missing_age_s : float
        The same for the answer that nothing is there.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
        missing_age_s: float = MISSING_AGE_S,
        clock: Callable[[], float] = time,
    ) -> None:
        self.counters = CacheCounters()
        self.max_bytes = max_bytes
        self.max_age_s = max_age_s
        self.missing_age_s = missing_age_s
        self.clock = clock
        self._folder = None if folder is None else Path(folder)
        self._home: _Home | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._writer: ThreadPoolExecutor | None = None
        # What files there are, the longest unused first; None until that is known.
        self._sizes: OrderedDict[str, int] | None = None
        self._jobs: set[asyncio.Future[Any]] = set()
        self._waiting = self._since_scan = 0

    @property
    def is_on(self) -> bool:
        """Whether answers are kept: between entering and leaving, as long as the disk does its part."""
        return self._home is not None

    async def __aenter__(self) -> DiskCache:
        self._readers = ThreadPoolExecutor(2, "brickstream disk read")
        self._writer = ThreadPoolExecutor(1, "brickstream disk write")
        try:
            self._home = await asyncio.get_running_loop().run_in_executor(self._writer, _prepare, self._folder)
        except (OSError, RuntimeError) as error:
            _warn(error)
        else:
            self._scan(self._home)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.settled()
        self._home = None
        pools, self._readers, self._writer = (self._readers, self._writer), None, None
        for pool in pools:
            if pool is not None:
                await asyncio.to_thread(pool.shutdown)

    async def settled(self) -> None:
        """Wait until everything has been written, and what was too much has been dropped."""
        while self._jobs:
            await asyncio.wait(self._jobs)

    def digest(self, text: str) -> str:
        """Hash a text, other than anybody else does; empty while the cache is off."""
        if self._home is None:
            return ""
        return blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=self._home.salt).hexdigest()

    async def load(self, name: str) -> Entry | None:
        """Get an answer by its full name; None where it is not known."""
        file = self.digest(name)
        # Nothing on disk is touched for what is not there: reads that begin together go on together.
        if self._home is None or (self._sizes is not None and file not in self._sizes):
            return None
        try:
            entry = await asyncio.get_running_loop().run_in_executor(
                self._readers, entries.load, self._home.path(file), name
            )
        except DamagedError:
            self.counters.damaged += 1
            entry = None
        if self._sizes is not None and file in self._sizes:
            if entry is None:
                self._drop(file)
            else:
                self._sizes.move_to_end(file)
        return entry

    def keep(self, name: str, body: bytes | None, tag: str | None, asked: float) -> None:
        """Write an answer that has come, some time soon; when it was asked for, it was right."""
        size, home = len(body or b""), self._home
        if home is None or size > self.max_bytes // 8 or self._waiting + size > _MAX_WAITING:
            return
        file = self.digest(name)
        self._waiting += size

        def write() -> int:
            return entries.store(home.path(file), *entries.encode(name, body, tag, asked))

        def written(nbytes: int) -> None:
            self.counters.written += 1
            self._add(file, nbytes)

        self._later(write, written, size)

    def confirm(self, name: str, entry: Entry, asked: float) -> None:
        """Note that an answer was still right when it was asked about, some time soon."""
        if self._home is not None:
            self._later(partial(entries.restamp, self._home.path(self.digest(name)), entry.crc, asked))

    def _later(self, work: Callable[[], T], done: Callable[[T], object] = lambda _: None, size: int = 0) -> None:
        """Do something in the thread that writes, and then something with its result."""

        def finished(job: asyncio.Future[T]) -> None:
            self._jobs.discard(job)
            self._waiting -= size
            error = job.exception()
            if error is None:
                done(job.result())
            elif not isinstance(error, OSError):
                raise error
            # Somebody who clears the folder is no reason to keep nothing any more.
            elif self._home is not None and not isinstance(error, FileNotFoundError):
                self._home = None
                _warn(error)

        job = asyncio.get_running_loop().run_in_executor(self._writer, work)
        self._jobs.add(job)
        job.add_done_callback(finished)

    def _scan(self, home: _Home) -> None:
        """Look what there is. It takes as long as there are files; until then they are looked for one by one."""
        self._since_scan = 0

        def scanned(found: list[tuple[str, int]]) -> None:
            self._sizes = OrderedDict(found)
            self.counters.nbytes = sum(self._sizes.values())
            self._evict()

        self._later(partial(entries.scan, home.folder), scanned)

    def _add(self, file: str, nbytes: int) -> None:
        if self._sizes is None or self._home is None:
            return
        self._drop(file)
        self._sizes[file] = nbytes
        self.counters.nbytes += nbytes
        self._evict()
        self._since_scan += nbytes
        if self._since_scan > self.max_bytes // _RESCAN:
            self._scan(self._home)

    def _drop(self, file: str) -> None:
        if self._sizes is not None:
            self.counters.nbytes -= self._sizes.pop(file, 0)

    def _evict(self) -> None:
        victims: list[Path] = []
        while self._sizes and self._home is not None and self.counters.nbytes > self.max_bytes:
            file = next(iter(self._sizes))
            victims.append(self._home.path(file))
            self._drop(file)
        self.counters.evicted += len(victims)
        if victims:
            self._later(partial(_remove, victims))


def _prepare(folder: Path | None) -> _Home:
    folder = (folder or default_folder()) / _FORMAT
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _Home(folder, entries.read_salt(folder))


def _remove(paths: list[Path]) -> None:
    for path in paths:
        entries.remove(path)


def _warn(error: BaseException) -> None:
    warnings.warn(f"the disk cache is off: {error}", RuntimeWarning, stacklevel=2)
