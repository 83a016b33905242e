"""A server whose values change, and what a cache of its answers needs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brickstream.chunks.cache.cached import CachedReader
from brickstream.chunks.cache.disk import CacheCounters, DiskCache
from brickstream.chunks.reader import ByteRange, nothing_started
from brickstream.chunks.tagged import Answer
from brickstream.testing import MemoryReader

URL = "https://host/image"
CHUNK = "0/c/1/2"


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class PlainServer:
    """Values by key; writes down what it was asked for."""

    values: dict[str, bytes]
    asked: list[tuple[str, ByteRange | None]] = field(default_factory=list)
    url: str = "https://host/image"

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        self.asked.append((key, span))
        await asyncio.sleep(0)
        return await MemoryReader(self.values).read(key, span, started)

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.asked]


@dataclass
class TagServer(PlainServer):
    """Gives every version of a value a tag."""

    versions: dict[str, int] = field(default_factory=dict)
    bodies_sent: int = 0

    def put(self, key: str, value: bytes | None) -> None:
        self.versions[key] = self.versions.get(key, 0) + 1
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    async def read_tagged(
        self, key: str, span: ByteRange | None, tag: str | None, started: Callable[[], None] = nothing_started
    ) -> Answer:
        body = await self.read(key, span, started)
        if body is None:
            return Answer(None)
        now = f'"{key}-{self.versions.get(key, 0)}"'
        if tag == now:
            return Answer(None, tag, unchanged=True)
        self.bodies_sent += 1
        return Answer(body, now)


@asynccontextmanager
async def cache_in(folder: Path, **options: Any) -> AsyncIterator[DiskCache]:
    async with DiskCache(folder, **options) as cache:
        await cache.settled()
        yield cache


async def read_once(
    folder: Path, server: PlainServer, *keys: str, span: ByteRange | None = None, **options: Any
) -> tuple[list[bytes | None], CacheCounters]:
    """What a session of its own reads, and what its cache has counted."""
    async with cache_in(folder, **options) as cache:
        reader = CachedReader(server, cache, URL)
        return [await reader.read(key, span) for key in keys], cache.counters


def files_in(folder: Path) -> list[Path]:
    """Files of answers."""
    return [path for path in (folder / "v1").rglob("*") if len(path.name) == 32]
