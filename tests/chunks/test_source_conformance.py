"""The test class for sources bites: each way to break the contract fails one of its tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from brickstream.chunks import ArraySource, ChunkSource
from brickstream.chunks.reader import nothing_started
from brickstream.chunks.source import Index
from brickstream.errors import StoreError
from brickstream.testing import ChunkSourceConformance

PIXELS = np.random.default_rng(5).integers(1, 99, (5, 7)).astype("u2")
FAILING, MISSING = (1, 1), (0, 2)


class Good(ArraySource):
    """A source that keeps the contract, with one chunk that fails and one that is missing."""

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        await asyncio.sleep(0)
        started()
        if index == FAILING:
            raise StoreError("broken", self.key(index))
        return None if index == MISSING else await super().read(index, started=nothing_started)


class Reused(Good):
    memory = np.zeros((2, 3), "u2")

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        chunk = await super().read(index, started)
        if chunk is None:
            return None
        part = self.memory[tuple(slice(0, n) for n in chunk.shape)]
        part[...] = chunk
        return part


class Wider(Good):
    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        chunk = await super().read(index, started)
        return None if chunk is None else np.pad(chunk, ((0, 1), (0, 0)))


class OtherType(Good):
    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        chunk = await super().read(index, started)
        return None if chunk is None else chunk.astype("i4")


class Foreign(Good):
    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(">u2")


class OtherShape(Good):
    @property
    def shape(self) -> tuple[int, ...]:
        return (5, 6)


class Shifted(Good):
    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        chunk = await super().read(index, started)
        return None if chunk is None else np.roll(chunk, 1)


class AllThere(Good):
    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        return np.zeros((1, 1), "u2") if index == MISSING else await super().read(index, started)


class Hiding(Good):
    """Failures come as missing chunks, or as data."""

    answer: Any = None

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        return self.answer if index == FAILING else await super().read(index, started)


class Pretending(Hiding):
    answer = np.zeros((2, 3), "u2")


class Raw(Good):
    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        if index == FAILING:
            raise KeyError(index)
        return await super().read(index, started)


class FailsOnce(Good):
    failed: set[Index] = set()  # noqa: RUF012

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        if index == FAILING and index in self.failed:
            return PIXELS[2:4, 3:6]
        self.failed.add(index)
        return await super().read(index, started)


class TwiceStarted(Good):
    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        chunk = await super().read(index, started)
        started()
        return chunk


class LateStarted(Good):
    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        chunk = await super().read(index)
        asyncio.get_running_loop().call_soon(started)
        return chunk


class Stubborn(Good):
    """Takes a cancellation for a failure."""

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        try:
            return await super().read(index, started)
        except asyncio.CancelledError:
            raise StoreError("cancelled", self.key(index)) from None


class Locked(Good):
    """Is never the same after a cancellation."""

    broken: set[int] = set()  # noqa: RUF012

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        if id(self) in self.broken:
            raise StoreError("locked", self.key(index))
        try:
            return await super().read(index, started)
        except asyncio.CancelledError:
            self.broken.add(id(self))
            raise


class OneAtATime(Good):
    busy: set[int] = set()  # noqa: RUF012

    async def read(self, index: Index, started: Callable[[], None] = nothing_started) -> NDArray[Any] | None:
        if id(self) in self.busy:
            raise StoreError("busy", self.key(index))
        self.busy.add(id(self))
        try:
            return await super().read(index, started)
        finally:
            self.busy.discard(id(self))


class SameNames(Good):
    def key(self, index: Index) -> str:
        return "chunk"


def failed_tests(kind: type[Good]) -> set[str]:
    """Names of the tests that a source fails."""

    class Contract(ChunkSourceConformance):
        missing = (MISSING,)
        failing = (FAILING,)

        def expected(self) -> NDArray[Any]:
            expected = PIXELS.copy()
            expected[0:2, 6:] = 0
            return expected

        @asynccontextmanager
        async def open_source(self) -> AsyncIterator[ChunkSource]:
            yield kind(PIXELS, (2, 3))

    failed = set()
    for name in dir(Contract):
        if name.startswith("test_"):
            try:
                getattr(Contract(), name)()
            except Exception:  # noqa: BLE001 - whatever it is, the source has failed the test
                failed.add(name)
    return failed


def test_a_source_that_keeps_the_contract_fails_nothing() -> None:
    assert failed_tests(Good) == set()


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (Reused, "test_a_chunk_stays_as_it_was_given"),
        (Wider, "test_chunks_have_the_promised_shape_and_type"),
        (OtherType, "test_chunks_have_the_promised_shape_and_type"),
        (Foreign, "test_says_what_it_is"),
        (OtherShape, "test_says_what_it_is"),
        (Shifted, "test_reads_every_chunk"),
        (AllThere, "test_reads_every_chunk"),
        (Hiding, "test_failing_chunks_fail_every_time"),
        (Pretending, "test_failing_chunks_fail_every_time"),
        (Raw, "test_failing_chunks_fail_every_time"),
        (FailsOnce, "test_failing_chunks_fail_every_time"),
        (TwiceStarted, "test_says_once_that_an_answer_begins"),
        (LateStarted, "test_says_once_that_an_answer_begins"),
        (Stubborn, "test_a_read_can_be_cancelled_and_repeated"),
        (Stubborn, "test_many_reads_can_be_cancelled_at_once"),
        (Locked, "test_a_read_can_be_cancelled_and_repeated"),
        (Locked, "test_many_reads_can_be_cancelled_at_once"),
        (OneAtATime, "test_reads_at_the_same_time"),
        (SameNames, "test_keys_name_chunks"),
    ],
)
def test_each_way_to_break_the_contract_fails_its_test(kind: type[Good], test: str) -> None:
    assert test in failed_tests(kind)
