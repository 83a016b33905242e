"""The answer that HTTP makes of what a server has: decided before anything is sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING

from brickstream.errors import BrickstreamError
from brickstream.latency.network.content import Content
from brickstream.latency.network.ranges import parse_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brickstream.latency.network.faults import Fault


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Parameters
    ----------
    method : str
        ``GET`` and ``HEAD`` read; ``OPTIONS`` is a browser asking for permission; others are refused with 405.
    range : str or None, default None
        Value of the Range header; heeded for GET only, as RFC 9110 says.
    if_none_match, if_modified_since : str or None, default None
        Values of these headers: who has the content already gets 304 and no body.
    """

    method: str
    range: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None

    @classmethod
    def of(cls, method: str, headers: Mapping[str, str]) -> Asked:
        """Take it out of the headers of a request."""
        return cls(method, headers.get("Range"), headers.get("If-None-Match"), headers.get("If-Modified-Since"))


@dataclass(frozen=True)
class Quirks:
    """What some servers do otherwise than a plain one.

    Parameters
    ----------
    missing_status : {404, 403}
        The answer for what is not there; object stores say 403 to those who may not list.
    ignore_range : bool, default False
        Answer a Range request with 200 and everything, as HTTP allows.

    Raises
    ------
    BrickstreamError
        If the status is another one.
    """

    missing_status: int = 404
    ignore_range: bool = False

    def __post_init__(self) -> None:
        if self.missing_status not in (403, 404):
            raise BrickstreamError("missing_status is 404 or 403", str(self.missing_status))


@dataclass(frozen=True)
class Answer:
    """One HTTP response.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : dict
        All headers but the ones of the connection.
    length : int
        The Content-Length.
    content : Content or None, default None
        Where the body comes from.
    span : tuple of int, default (0, 0)
        The bytes of the content that are the body, half-open; empty for HEAD and for errors.
    fault : Fault or None, default None
        What goes wrong with it; `share` has become `after`.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    length: int = 0
    content: Content | None = None
    span: tuple[int, int] = (0, 0)
    fault: Fault | None = None


def answer(asked: Asked, content: Content | None, fault: Fault | None = None, quirks: Quirks | None = None) -> Answer:
    """Decide the answer to a request.

    Parameters
    ----------
    asked : Asked
        The request.
    content : Content or None
        What is there; None is "nothing".
    fault : Fault or None, default None
        What shall go wrong; where there is nothing to break (no body to truncate), the answer is sound.
    quirks : Quirks or None, default None
        How this server differs from a plain one.
    """
    if fault is not None and fault.kind == "status":
        return Answer(fault.status, dict(fault.headers), fault=fault)
    if fault is not None and fault.kind == "truncate" and fault.share is None and content is not None:
        content = replace(content, size=min(fault.after, content.size))
    sound = _sound(asked, content, quirks or Quirks())
    return sound if fault is None else _broken(sound, fault)


def _sound(asked: Asked, content: Content | None, quirks: Quirks) -> Answer:
    if asked.method == "OPTIONS":
        return Answer(204, {"Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Allow-Headers": "Range"})
    if asked.method not in ("GET", "HEAD"):
        return Answer(405, {"Allow": "GET, HEAD, OPTIONS"})
    if content is None:
        return Answer(quirks.missing_status)
    validators = _validators(content)
    if _has_it(asked, content):
        return Answer(304, validators)
    headers = {
        "Accept-Ranges": "none" if quirks.ignore_range else "bytes",
        "Content-Type": content.media_type,
        **validators,
    }
    if asked.method == "HEAD":
        return Answer(200, headers, content.size)
    return _whole_or_part(None if quirks.ignore_range else asked.range, headers, content)


def _validators(content: Content) -> dict[str, str]:
    headers = {"ETag": content.etag}
    if content.modified is not None:
        headers["Last-Modified"] = formatdate(content.modified, usegmt=True)
    return headers


def _has_it(asked: Asked, content: Content) -> bool:
    """Whether the client holds this content already (RFC 9110, section 13.2.2): an ETag decides before a date does."""
    if asked.if_none_match is not None:
        tags = [tag.strip().removeprefix("W/") for tag in asked.if_none_match.split(",")]
        return "*" in tags or content.etag in tags
    if asked.if_modified_since is None or content.modified is None:
        return False
    try:
        since = parsedate_to_datetime(asked.if_modified_since)
    except ValueError:
        return False  # a date that is none is ignored, as the RFC says
    return int(content.modified) <= since.timestamp()


def _whole_or_part(range_header: str | None, headers: dict[str, str], content: Content) -> Answer:
    span = parse_range(range_header, content.size)
    if span is None:
        return Answer(200, headers, content.size, content, (0, content.size))
    start, stop = span
    if start == stop:
        return Answer(416, {"Content-Range": f"bytes */{content.size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    return Answer(206, headers, stop - start, content, span)


def _broken(sound: Answer, fault: Fault) -> Answer:
    """Put a fault into an answer; it stays as it is where it has no body and the fault needs one."""
    start, stop = sound.span
    place = fault.after if fault.share is None else int(fault.share * (stop - start))
    broken = replace(sound, fault=replace(fault, after=place, share=None))
    if fault.kind in ("reset", "hang"):
        return broken
    if start == stop:
        return sound
    if fault.kind == "truncate" and fault.share is not None:
        return replace(broken, length=place, span=(start, start + place))
    return broken
