"""What can go wrong with one response, on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from brickstream.errors import BrickstreamError

FaultKind = Literal["status", "truncate", "corrupt", "reset", "hang", "trickle"]

_RANGES = {
    "kind": f"known are {', '.join(get_args(FaultKind))}",
    "status": "an HTTP status, 200 to 599",
    "after": "0 or more bytes",
    "share": "0 to 1",
    "count": "0 or more bytes",
    "kbps": "more than 0 kilobits per second",
}


@dataclass(frozen=True)
class Fault:
    """One fault in one response.

    Parameters
    ----------
    kind : {"status", "truncate", "corrupt", "reset", "hang", "trickle"}
        ``status`` answers with `status` and no data. ``truncate`` answers like a half-written file: `after` bytes, and
        a Content-Length that says so. ``corrupt`` sends everything with the bytes from `after` on inverted. ``reset``
        promises everything and breaks the connection after `after` bytes. ``hang`` promises everything and stops after
        `after` bytes until the client goes away. With ``after=0``, ``reset`` and ``hang`` do not even send headers.
        ``trickle`` sends everything, the bytes from `after` on at a crawl.
    status : int, default 503
        HTTP status of kind ``status``.
    after : int, default 0
        Bytes of the body that are sent as they should be.
    share : float or None, default None
        Part of the body, 0 .. 1, that is sent as it should be, instead of `after`: the place of a fault in a body of
        any length. What is truncated then is this body, not the file: a range keeps its place.
    count : int or None, default None
        How many bytes kind ``corrupt`` inverts; None is all to the end.
    headers : mapping of str to str, default none
        Of kind ``status``, such as ``Retry-After`` or ``Location``.
    kbps : float, default 8
        Kilobits per second of kind ``trickle``.

    Raises
    ------
    BrickstreamError
        When the kind is another one, or a number is out of range.
    """

    kind: FaultKind
    status: int = 503
    after: int = 0
    share: float | None = None
    count: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kbps: float = 8.0

    def __post_init__(self) -> None:
        bounds = {
            "kind": self.kind in get_args(FaultKind),
            "status": 200 <= self.status <= 599,
            "after": self.after >= 0,
            "share": self.share is None or 0 <= self.share <= 1,
            "count": self.count is None or self.count >= 0,
            "kbps": 0 < self.kbps < float("inf"),
        }
        for name, holds in bounds.items():
            if not holds:
                raise BrickstreamError(f"a fault cannot have such a {name}", repr(getattr(self, name)), _RANGES[name])


Faults = Callable[[str, int], Fault | None] | Mapping[str, Fault]
"""Which requests fail: ``faults(key, n)`` for the n-th request (from 0) of a key, or one fault for all of a key's."""


def fault_for(faults: Faults | None, key: str, number: int) -> Fault | None:
    """Return the fault that is planned for the `number`-th request (from 0) of `key`, or None."""
    if faults is None:
        return None
    return faults.get(key) if isinstance(faults, Mapping) else faults(key, number)
