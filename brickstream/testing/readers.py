"""Readers for tests: of a dict, one that counts, one that goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from brickstream.chunks.reader import AtMost, ByteRange, Reader, Suffix, nothing_started, too_long
from brickstream.errors import BrickstreamError


class MemoryReader:
    """Keys and values of a dict.

    Parameters
    ----------
    values : mapping of str to bytes
    url : str, default "memory"
        What it calls itself.
    """

    def __init__(self, values: Mapping[str, bytes], url: str = "memory") -> None:
        self.values = values
        self.url = url

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Look a key up; see :meth:`brickstream.chunks.Reader.read`."""
        value = self.values.get(key)
        started()
        if value is None or span is None:
            return value
        if isinstance(span, AtMost):
            if len(value) > span.length:
                raise too_long(span.length, f"{self.url}/{key}")
            return value
        return value[-span.length :] if isinstance(span, Suffix) else value[span.start : span.start + span.length]


@dataclass(frozen=True)
class ReadCall:
    """One read that a reader was asked for.

    Attributes
    ----------
    key : str
    span : ByteRange or None
    round : int
        How many waves of answers had come before it was asked for: reads of the same round can be under way at the
        same time, so the highest round + 1 is the number of round trips of one who waits for nothing else.
    """

    key: str
    span: ByteRange | None
    round: int


class CountingReader:
    """Counts the reads of another reader, and in how many round trips they could have been made.

    A read is held until nothing else on the event loop is ready to run, so that everything that is asked for without
    waiting for an answer falls into one round, however fast the reader below is. That needs reads that need no
    threads: wrap a :class:`MemoryReader`.

    Parameters
    ----------
    reader : Reader

    Attributes
    ----------
    calls : list of ReadCall
    """

    # A round is over when this many turns of the loop have brought no further read.
    _QUIET = 8

    def __init__(self, reader: Reader) -> None:
        self.calls: list[ReadCall] = []
        self._reader = reader
        self._round = 0
        self._gate: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where this is, for people."""
        return self._reader.url

    @property
    def rounds(self) -> int:
        """Number of round trips so far."""
        return self._round

    def keys(self, round_: int | None = None) -> list[str]:
        """Keys that were read, in order; those of one round where it is named."""
        return [call.key for call in self.calls if round_ is None or call.round == round_]

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Count a read, wait until its round is full, and make it."""
        self.calls.append(ReadCall(key, span, self._round))
        if self._gate is None:
            self._gate = asyncio.create_task(self._end_of_round())
        await asyncio.shield(self._gate)
        return await self._reader.read(key, span, started)

    async def _end_of_round(self) -> None:
        seen, quiet = 0, 0
        while quiet < self._QUIET:
            quiet = quiet + 1 if seen == len(self.calls) else 0
            seen = len(self.calls)
            await asyncio.sleep(0)
        self._round += 1
        self._gate = None


Fault = BrickstreamError | bytes | None
"""What comes instead of a value: an error is raised, other bytes or None (not there) are returned."""


class FaultyReader:
    """Another reader, with faults at some keys.

    Parameters
    ----------
    reader : Reader
    faults : mapping of str to Fault
        By key; keys that are not in it are read as they are. May be changed at any time.
    """

    def __init__(self, reader: Reader, faults: Mapping[str, Fault]) -> None:
        self.faults = dict(faults)
        self._reader = reader

    @property
    def url(self) -> str:
        """Where this is, for people."""
        return self._reader.url

    async def read(
        self, key: str, span: ByteRange | None = None, started: Callable[[], None] = nothing_started
    ) -> bytes | None:
        """Read, or go wrong as `faults` says."""
        if key not in self.faults:
            return await self._reader.read(key, span, started)
        fault = self.faults[key]
        if isinstance(fault, BrickstreamError):
            raise fault
        return await MemoryReader({} if fault is None else {key: fault}).read(key, span, started)
