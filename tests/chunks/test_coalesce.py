"""Neighbouring parts of a value are read together, and nobody notices but the network."""

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from cachefakes import TagServer
from heldreader import HeldReader, nothing_unheard
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks.reader import AtMost, ByteRange, Span, Suffix
from brickstream.chunks.zarr.coalesce import CoalescingReader, merge
from brickstream.errors import StoreError
from brickstream.testing import settle

VALUE = random.Random(1).randbytes(2000)
spans = st.builds(Span, st.integers(0, 900), st.integers(1, 100))


def readers(held: bool = True, **limits: int) -> tuple[HeldReader, CoalescingReader]:
    below = HeldReader({"a": VALUE, "b": VALUE[::-1]}, held)
    return below, CoalescingReader(below, **{"max_gap": 10, "max_bytes": 500, **limits})


def ask(reader: CoalescingReader, *wanted: Span, key: str = "a") -> "list[asyncio.Task[bytes | None]]":
    return [asyncio.create_task(reader.read(key, span)) for span in wanted]


def part(span: Span) -> bytes:
    return VALUE[span.start : span.start + span.length]


# ---- which are read together


@given(wanted=st.lists(spans, max_size=12), gap=st.integers(0, 40), most=st.integers(1, 300))
def test_every_span_is_in_one_group_that_is_no_longer_than_allowed(wanted: list[Span], gap: int, most: int) -> None:
    groups = merge(wanted, gap, most)
    assert sorted(place for group in groups for place in group) == list(range(len(wanted)))
    for group in groups:
        members = sorted((wanted[place] for place in group), key=lambda span: span.start)
        end = max(span.start + span.length for span in members)
        assert len(group) == 1 or end - members[0].start <= most
        read = set()
        for span in members:
            assert not read or span.start - max(read) - 1 <= gap
            read |= set(range(span.start, span.start + span.length))


@given(wanted=st.lists(spans, min_size=2, max_size=12), gap=st.integers(0, 40))
def test_without_a_limit_only_a_gap_divides(wanted: list[Span], gap: int) -> None:
    read = {place for span in wanted for place in range(span.start, span.start + span.length)}
    ordered = sorted(read)
    runs = 1 + sum(after - before - 1 > gap for before, after in pairwise(ordered))
    assert len(merge(wanted, gap, 10_000)) == runs


def test_a_span_longer_than_a_request_is_read_alone() -> None:
    assert merge([Span(0, 50), Span(50, 400), Span(450, 50)], 10, 100) == [[0], [1], [2]]


# ---- reading


async def test_neighbours_that_are_asked_for_at_once_are_one_request() -> None:
    below, reader = readers()
    wanted = [Span(120, 30), Span(0, 100), Span(105, 10)]
    tasks = ask(reader, *wanted)
    await settle()
    assert [call.span for call in below.calls] == [Span(0, 150)]
    below.release()
    assert await asyncio.gather(*tasks) == [part(span) for span in wanted]


async def test_requests_begin_in_the_order_of_their_most_urgent_part() -> None:
    below, reader = readers()
    starts = (1500, 0, 700, 10, 710, 1510)
    tasks = ask(reader, *(Span(start, 10) for start in starts))
    await settle()
    assert [call.span for call in below.calls] == [Span(1500, 20), Span(0, 20), Span(700, 20)]
    below.release_all()
    await asyncio.gather(*tasks)


@given(wanted=st.lists(st.tuples(spans, st.sampled_from("abx")), min_size=1, max_size=12))
def test_everybody_gets_the_bytes_that_a_read_of_their_own_would_bring(wanted: list[tuple[Span, str]]) -> None:
    async def check() -> None:
        below, reader = readers(held=False)
        together = await asyncio.gather(*(reader.read(key, span) for span, key in wanted))
        assert together == [await below.read(key, span) for span, key in wanted]

    asyncio.run(check())


@pytest.mark.parametrize("span", [None, Suffix(7), AtMost(5000), Span(7, 0)])
async def test_what_is_no_part_of_known_length_is_read_at_once_and_alone(span: ByteRange | None) -> None:
    below, reader = readers()
    tasks = [asyncio.create_task(reader.read("a", span)) for _ in range(2)]
    await settle()
    assert [call.span for call in below.calls] == [span, span]
    below.release_all()
    whole = VALUE[-7:] if isinstance(span, Suffix) else VALUE if not isinstance(span, Span) else b""
    assert await asyncio.gather(*tasks) == [whole, whole]


async def test_parts_of_two_keys_or_of_two_turns_are_two_requests() -> None:
    below, reader = readers()
    tasks = [*ask(reader, Span(0, 5)), *ask(reader, Span(5, 5), key="b")]
    await settle()
    tasks += ask(reader, Span(5, 5))
    await settle()
    assert [(call.key, call.span) for call in below.calls] == [("a", Span(0, 5)), ("b", Span(5, 5)), ("a", Span(5, 5))]
    below.release_all()
    assert await asyncio.gather(*tasks) == [VALUE[:5], VALUE[::-1][5:10], VALUE[5:10]]


async def test_parts_of_which_different_versions_are_known_are_asked_about_apart() -> None:
    server = TagServer({"a": VALUE}, versions={"a": 1})
    reader = CoalescingReader(server)
    asked = [(Span(0, 5), '"a-1"'), (Span(5, 5), '"a-0"'), (Span(10, 5), '"a-1"'), (Span(15, 5), '"a-0"')]
    answers = await asyncio.gather(*(reader.read_tagged("a", span, tag) for span, tag in asked))
    assert [span for _, span in server.asked] == [Span(0, 15), Span(5, 15)]
    assert [answer.unchanged for answer in answers] == [True, False, True, False]
    assert [answer.body for answer in answers] == [None, VALUE[5:10], None, VALUE[15:20]]
    assert [answer.tag for answer in answers] == ['"a-1"'] * 4


async def test_a_key_that_is_not_there_is_not_there_for_anybody() -> None:
    _, reader = readers(held=False)
    assert await asyncio.gather(*ask(reader, Span(0, 5), Span(5, 5), key="x")) == [None, None]


async def test_everybody_hears_once_when_the_answer_begins() -> None:
    below, reader = readers()
    heard: list[str] = []
    say: list[Callable[[], None]] = [lambda: heard.append("first"), lambda: heard.append("second")]
    tasks = [asyncio.create_task(reader.read("a", Span(i * 5, 5), say[i])) for i in range(2)]
    await settle()
    assert heard == []
    below.calls[0].started()
    assert heard == ["first", "second"]
    # A request that is sent again begins to be answered again.
    below.calls[0].started()
    below.release()
    await asyncio.gather(*tasks)
    assert heard == ["first", "second"]


# ---- cancelling and failing


async def test_the_request_is_closed_when_nobody_waits_for_it_any_more() -> None:
    async with nothing_unheard():
        below, reader = readers()
        tasks = ask(reader, Span(0, 5), Span(5, 5), Span(10, 5))
        await settle()
        for task in tasks[:2]:
            task.cancel()
        await asyncio.wait(tasks[:2])
        assert below.states == ["open"]
        tasks[2].cancel()
        await asyncio.wait(tasks)
        assert below.states == ["cancelled"]
        assert all(task.cancelled() for task in tasks)


async def test_those_who_still_wait_get_their_bytes() -> None:
    async with nothing_unheard():
        below, reader = readers()
        heard: list[int] = []
        tasks = [
            asyncio.create_task(reader.read("a", Span(i * 5, 5), lambda i=i: heard.append(i)))  # type: ignore[misc]
            for i in range(3)
        ]
        await settle()
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        below.release()
        assert await asyncio.gather(*tasks[1:]) == [VALUE[5:10], VALUE[10:15]]
        assert heard == [1, 2]
        assert len(below.calls) == 1


async def test_who_is_cancelled_before_the_turn_is_over_is_not_asked_for() -> None:
    async with nothing_unheard():
        below, reader = readers()
        tasks = ask(reader, Span(0, 5), Span(5, 5), Span(400, 5))
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[2].cancel()
        await settle()
        assert [call.span for call in below.calls] == [Span(5, 5)]
        below.release()
        assert await tasks[1] == VALUE[5:10]


@pytest.mark.parametrize("turns", range(6))
async def test_nothing_is_left_of_reads_that_are_cancelled_at_any_moment(turns: int) -> None:
    async with nothing_unheard():
        below, reader = readers()
        tasks = ask(reader, Span(0, 5), Span(5, 5))
        await settle(turns)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert below.open == []
        assert "done" not in below.states


async def test_an_error_reaches_everybody_and_is_heard_by_somebody() -> None:
    async with nothing_unheard():
        below, reader = readers()
        tasks = ask(reader, Span(0, 5), Span(5, 5), Span(10, 5))
        await settle()
        tasks[0].cancel()
        below.fail(StoreError("on fire"))
        await asyncio.wait(tasks)
        assert tasks[0].cancelled()
        assert [str(task.exception()) for task in tasks[1:]] == ["on fire", "on fire"]


async def leave_as_it_fails(turns: int) -> None:
    """Cancel everybody some turns of the loop after the request has failed."""
    below, reader = readers()
    tasks = ask(reader, Span(0, 5), Span(5, 5))
    await settle()
    below.fail(StoreError("on fire"))
    await settle(turns)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


@pytest.mark.parametrize("turns", range(3))
async def test_an_error_that_comes_when_everybody_leaves_is_nobodys(turns: int) -> None:
    async with nothing_unheard():
        # In a function of its own: only what nobody holds any more complains that it was not heard.
        await leave_as_it_fails(turns)


class Stubborn:
    """A reader that takes its time to close a request."""

    url = "stubborn"

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.ended = False

    async def read(self, key: str, span: ByteRange | None = None, started: object = None) -> bytes | None:
        try:
            await asyncio.Event().wait()
        finally:
            while not self.ended:
                try:
                    await self.may_end.wait()
                    self.ended = True
                except asyncio.CancelledError:
                    continue
        return b""


async def test_who_is_cancelled_twice_still_waits_until_the_request_is_closed() -> None:
    async with nothing_unheard():
        below = Stubborn()
        reader = CoalescingReader(below)
        tasks = ask(reader, Span(0, 5), Span(5, 5))
        await settle()
        for _ in range(3):
            for task in tasks:
                task.cancel()
            await settle()
        assert not all(task.done() for task in tasks)
        below.may_end.set()
        await asyncio.wait(tasks)
        assert below.ended


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 40)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("answer"), st.integers(0, 9)),
        st.tuples(st.just("fail"), st.integers(0, 9)),
        st.tuples(st.just("turn"), st.integers(1, 3)),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_whatever_happens_in_whatever_order_everybody_ends_as_they_should(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        async with nothing_unheard():
            below, reader = readers(max_gap=5, max_bytes=60)
            asked: list[tuple[Span, asyncio.Task[bytes | None]]] = []
            cancelled: set[asyncio.Task[bytes | None]] = set()
            failed: set[ByteRange | None] = set()
            for what, number in steps:
                if what == "ask":
                    span = Span(number * 10, 10)
                    asked.append((span, *ask(reader, span)))
                elif what == "turn":
                    await settle(number)
                elif what == "cancel" and asked:
                    task = asked[number % len(asked)][1]
                    if task.cancel():
                        cancelled.add(task)
                elif what == "answer" and below.open:
                    below.release(number % len(below.open))
                elif what == "fail" and below.open:
                    failed.add(below.open[number % len(below.open)].span)
                    below.fail(StoreError("on fire"), number % len(below.open))
            await settle()
            below.release_all()
            await settle()
            below.release_all()
            await asyncio.wait([task for _, task in asked] or [asyncio.create_task(settle())])
            for span, task in asked:
                if task.cancelled():
                    assert task in cancelled
                elif task.exception() is None:
                    assert task.result() == part(span)
                else:
                    assert any(isinstance(one, Span) and covers(one, span) for one in failed)
            assert below.open == []

    asyncio.run(run())


def covers(request: Span, span: Span) -> bool:
    return request.start <= span.start and span.start + span.length <= request.start + request.length
