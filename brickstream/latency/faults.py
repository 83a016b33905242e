"""What can go wrong with one response, on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Fault:
    """One fault in one response.

    Parameters
    ----------
    kind : {"status", "truncate", "corrupt", "reset", "hang"}
        ``status`` answers with `status` and no data. ``truncate`` answers like a half-written file: `after` bytes, and
        a Content-Length that says so. ``corrupt`` sends everything with all bytes from `after` on inverted. ``reset``
        promises everything and breaks the connection after `after` bytes. ``hang`` promises everything and stops after
        `after` bytes until the client goes away. With ``after=0``, ``reset`` and ``hang`` do not even send headers.
    status : int, default 503
        HTTP status of kind ``status``.
    after : int, default 0
        Bytes of the body that are sent as they should be.
    """

    kind: Literal["status", "truncate", "corrupt", "reset", "hang"]
    status: int = 503
    after: int = 0


Faults = Callable[[str, int], Fault | None] | Mapping[str, Fault]
"""Which requests fail: ``faults(key, n)`` for the n-th request (from 0) of a key, or one fault for all of a key's."""


def fault_for(faults: Faults | None, key: str, number: int) -> Fault | None:
    """Return the fault that is planned for the `number`-th request (from 0) of `key`, or None."""
    if faults is None:
        return None
    return faults.get(key) if isinstance(faults, Mapping) else faults(key, number)
