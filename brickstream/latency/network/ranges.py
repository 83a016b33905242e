"""Which bytes a Range header asks for (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re

_SINGLE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.ASCII | re.IGNORECASE)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the span of bytes that a Range header asks for.

    Parameters
    ----------
    header : str or None
        The header's value: ``bytes=a-b`` (both inclusive), ``bytes=a-`` or ``bytes=-n`` (the last n).
    size : int
        Bytes there are.

    Returns
    -------
    tuple of int or None
        The span, half-open and inside ``0 .. size``. An empty span: the range cannot be satisfied (416). None: there is
        no range, or none that must be honoured (several ranges, another unit, bad syntax), so everything is sent.
    """
    match = _SINGLE.fullmatch(header or "")
    if match is None or match[1] == match[2] == "":
        return None
    first, last = match[1], match[2]
    if first == "":
        return max(0, size - int(last)), size
    if last == "":
        return min(int(first), size), size
    if int(last) < int(first):
        return None
    return min(int(first), size), min(int(last) + 1, size)
