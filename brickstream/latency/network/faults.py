"""What can go wrong with one response, on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal["status", "truncate", "corrupt", "reset", "hang"]


@dataclass(frozen=True)
class Fault:
    """One fault in one response.

    Parameters
    ----------
    kind : {"status", "truncate", "corrupt", "reset", "hang"}
        ``status`` answers with `status` and no data. ``truncate`` answers like a half-written file: `after` bytes, and
        a Content-Length that says so. ``corrupt`` sends everything with the bytes from `after` on inverted. ``reset``
        promises everything and breaks the connection after `after` bytes. ``hang`` promises everything and stops after
        `after` bytes until the client goes away. With ``after=0``, ``reset`` and ``hang`` do not even send headers.
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
    """

    kind: FaultKind
    status: int = 503
    after: int = 0
    share: float | None = None
    count: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Faults = Callable[[str, int], Fault | None] | Mapping[str, Fault]
"""Which requests fail: ``faults(key, n)`` for the n-th request (from 0) of a key, or one fault for all of a key's."""


def fault_for(faults: Faults | None, key: str, number: int) -> Fault | None:
    """Return the fault that is planned for the `number`-th request (from 0) of `key`, or None."""
    if faults is None:
        return None
    return faults.get(key) if isinstance(faults, Mapping) else faults(key, number)
