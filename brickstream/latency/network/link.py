"""Lines that carry the bytes of responses, slice by slice."""

from __future__ import annotations

import asyncio

SLICE = 8 * 1024
"""Bytes that a response may send before the next response has its turn (more on a link faster than 65 Mbit/s)."""

# Shorter waits than this drown in the cost of waiting; a wide link has larger slices instead.
_SHORTEST_S = 0.001
# However slow a line is, something comes so often.
_LONGEST_S = 0.1

_UNLIMITED_SLICE = 256 * 1024


class Link:
    """A line that responses share. It lives in one event loop.

    Parameters
    ----------
    bandwidth_mbps : float or None
        Megabits per second, None for unlimited.
    """

    def __init__(self, bandwidth_mbps: float | None) -> None:
        self._bytes_per_s = None if bandwidth_mbps is None else bandwidth_mbps * 1e6 / 8
        self.slice = _UNLIMITED_SLICE
        if self._bytes_per_s is not None:
            wide = min(max(SLICE, int(self._bytes_per_s * _SHORTEST_S)), _UNLIMITED_SLICE)
            self.slice = max(1, min(wide, int(self._bytes_per_s * _LONGEST_S)))
        # A lock wakes its waiters first come, first served: responses that ask again after each slice take turns.
        self._turn = asyncio.Lock()
        self._free_at = float("-inf")
        self._overslept = 0.0

    async def carry(self, nbytes: int) -> None:
        """Wait for a turn and then for as long as `nbytes` need; at most :attr:`slice` bytes."""
        if self._bytes_per_s is None:
            return
        async with self._turn:
            await self.until(self.book(nbytes))

    def book(self, nbytes: int) -> float:
        """Return the loop time at which these bytes are through, after all that was booked before.

        A sleep ends late, and the next slice comes a moment later: that counts for the next slice, or a busy link would
        lose bandwidth. An idle link saves no more up: a small response would then cost nothing.
        """
        now = asyncio.get_running_loop().time()
        if self._bytes_per_s is None:
            return now
        self._free_at = max(self._free_at, now - self._overslept - _SHORTEST_S) + nbytes / self._bytes_per_s
        return self._free_at

    async def until(self, through: float) -> None:
        """Wait until what :meth:`book` said last."""
        if self._bytes_per_s is None:
            return
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(through - clock())
        self._overslept = max(0.0, clock() - through)


class Route:
    """The way of a response: a line of its own, of the connection or slower, and then the one that all share.

    Parameters
    ----------
    shared : Link
        The line of all responses.
    own : Link
        The line of this one. What waits for the shared line has passed this one already.
    """

    def __init__(self, shared: Link, own: Link) -> None:
        self._shared = shared
        self._own = own
        self.slice = min(shared.slice, own.slice)

    async def carry(self, nbytes: int) -> None:
        """Wait for as long as `nbytes` need on the slower of both lines; at most :attr:`slice` bytes."""
        through = self._own.book(nbytes)
        await self._shared.carry(nbytes)
        await self._own.until(through)
