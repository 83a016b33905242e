"""Range arithmetic against Python's own slicing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.latency.network.answers import Asked, answer
from brickstream.latency.network.content import bytes_content
from brickstream.latency.network.ranges import parse_range

sizes = st.integers(0, 40)
numbers = st.integers(0, 60)


@given(sizes, numbers, numbers)
def test_first_and_last_are_inclusive(size: int, first: int, last: int) -> None:
    data = bytes(range(size))
    span = parse_range(f"bytes={first}-{last}", size)
    if last < first:
        assert span is None
    else:
        assert span is not None
        assert data[slice(*span)] == data[first : last + 1]
        assert 0 <= span[0] <= span[1] <= size


@given(sizes, numbers)
def test_open_and_suffix_ranges(size: int, n: int) -> None:
    data = bytes(range(size))
    from_n, last_n = parse_range(f"bytes={n}-", size), parse_range(f"bytes=-{n}", size)
    assert from_n is not None
    assert last_n is not None
    assert data[slice(*from_n)] == data[n:]
    assert data[slice(*last_n)] == (data[-n:] if n else b"")


@pytest.mark.parametrize(
    "header", [None, "", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "items=0-1", "bytes=1", "bytes=5-2", "bytes=--1"]
)
def test_what_need_not_be_honoured_sends_everything(header: str | None) -> None:
    assert parse_range(header, 10) is None
    assert answer(Asked("GET", header), bytes_content(b"0123456789")).status == 200


@given(st.text("bytes=-0123456789, ", max_size=14), sizes)
def test_no_header_makes_a_span_outside(header: str, size: int) -> None:
    span = parse_range(header, size)
    assert span is None or 0 <= span[0] <= span[1] <= size


@given(sizes, numbers, numbers)
def test_an_answer_says_what_it_sends(size: int, first: int, extra: int) -> None:
    found = answer(Asked("GET", f"bytes={first}-{first + extra}"), bytes_content(bytes(range(size))))
    if first >= size:
        assert (found.status, found.headers["Content-Range"], found.length) == (416, f"bytes */{size}", 0)
        return
    last = min(first + extra, size - 1)
    assert (found.status, found.span, found.length) == (206, (first, last + 1), last + 1 - first)
    assert found.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
