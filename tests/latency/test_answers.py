"""What HTTP makes of a request, of what is there and of what shall go wrong. Pure."""

from dataclasses import replace
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import BrickstreamError
from brickstream.latency.network.answers import Asked, Quirks, answer
from brickstream.latency.network.content import bytes_content
from brickstream.latency.network.faults import Fault, FaultKind

DATA = bytes(range(200))
CONTENT = replace(bytes_content(DATA), modified=1_000_000.7)
TAG = CONTENT.etag


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (TAG, 304),
        (f"W/{TAG}", 304),
        (f'"other", {TAG}', 304),
        ("*", 304),
        ('"other"', 200),
        (TAG.strip('"'), 200),
        ("", 200),
    ],
)
def test_who_has_the_content_gets_no_second_copy(header: str, status: int) -> None:
    for method in ("GET", "HEAD"):
        found = answer(Asked(method, if_none_match=header), CONTENT)
        assert found.status == status
        assert found.headers["ETag"] == TAG
        assert found.headers["Last-Modified"] == formatdate(1_000_000, usegmt=True)
        if status == 304:
            assert (found.content, found.length) == (None, 0)


@pytest.mark.parametrize(
    ("since", "status"),
    [(formatdate(1_000_000, usegmt=True), 304), (formatdate(999_999, usegmt=True), 200), ("?", 200)],
)
def test_a_date_decides_where_there_is_no_etag(since: str, status: int) -> None:
    assert answer(Asked("GET", if_modified_since=since), CONTENT).status == status
    both = Asked("GET", if_none_match='"other"', if_modified_since=since)
    assert answer(both, CONTENT).status == 200, "an ETag is heard before a date"
    assert answer(Asked("GET", if_modified_since=since), bytes_content(DATA)).status == 200, "no date is known"


def test_a_range_of_what_the_client_has_is_304_too() -> None:
    assert answer(Asked("GET", "bytes=0-9", if_none_match=TAG), CONTENT).status == 304
    assert answer(Asked("GET", "bytes=0-9", if_none_match='"other"'), CONTENT).status == 206
    assert answer(Asked("GET", "bytes=0-9", if_none_match=TAG), None).status == 404


def test_quirks() -> None:
    assert answer(Asked("GET"), None, quirks=Quirks(missing_status=403)).status == 403
    whole = answer(Asked("GET", "bytes=5-9"), CONTENT, quirks=Quirks(ignore_range=True))
    assert (whole.status, whole.span, whole.headers["Accept-Ranges"]) == (200, (0, len(DATA)), "none")
    assert "Content-Range" not in whole.headers
    with pytest.raises(BrickstreamError, match="404 or 403"):
        Quirks(missing_status=500)


def test_a_status_comes_before_everything_else() -> None:
    fault = Fault("status", 302, headers={"Location": "http://127.0.0.1:1/x"})
    for asked in (Asked("GET"), Asked("HEAD"), Asked("GET", if_none_match=TAG)):
        found = answer(asked, CONTENT, fault)
        assert (found.status, found.headers, found.fault) == (302, {"Location": "http://127.0.0.1:1/x"}, fault)


@given(st.sampled_from(["truncate", "corrupt", "reset", "hang"]), st.floats(0, 1, exclude_max=True), st.booleans())
def test_a_share_is_a_place_in_the_body_that_is_sent(kind: FaultKind, share: float, part: bool) -> None:
    asked = Asked("GET", "bytes=50-149" if part else None)
    sound, broken = answer(asked, CONTENT), answer(asked, CONTENT, Fault(kind, share=share))
    start, stop = sound.span
    place = int(share * (stop - start))
    assert broken.fault is not None
    assert (broken.fault.after, broken.fault.share) == (place, None)
    assert 0 <= place < stop - start
    assert (broken.status, broken.headers) == (sound.status, sound.headers)
    sent = place if kind == "truncate" else stop - start
    assert (broken.span, broken.length) == ((start, start + sent), sent)


@pytest.mark.parametrize("kind", ["truncate", "corrupt"])
def test_an_answer_without_a_body_cannot_be_damaged(kind: FaultKind) -> None:
    for fault in (Fault(kind, share=0.5), Fault(kind, after=3)):
        for asked, content in ((Asked("GET"), None), (Asked("HEAD"), CONTENT), (Asked("GET"), bytes_content(b""))):
            assert answer(asked, content, fault).fault is None


def test_an_answer_without_a_body_can_break_off() -> None:
    found = answer(Asked("GET"), None, Fault("reset", share=0.5))
    assert found.fault == Fault("reset", after=0)
