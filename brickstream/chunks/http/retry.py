"""When to try again: a pure policy, and the circuit that keeps a dead server from being hammered."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from brickstream.errors import BrickstreamError

# A server that failed so often in a row is left alone for a while; what waits for it waits on.
FAILURES_IN_A_ROW = 12
FIRST_REST_S, LONGEST_REST_S = 0.5, 30.0


@dataclass(frozen=True)
class RetryPolicy:
    """How often and when a read that failed is tried again.

    The waits grow twofold and are jittered, so that reads that failed together do not come back together.

    Parameters
    ----------
    attempts : int, default 5
        Tries of one read, the first included.
    first_s : float, default 0.05
        Longest wait before the second try.
    longest_s : float, default 10
        Longest wait before any try, unless the server asks for more.
    deadline_s : float, default 30
        From the first try of a read until no other is begun.

    Raises
    ------
    BrickstreamError
        If a number is impossible.
    """

    attempts: int = 5
    first_s: float = 0.05
    longest_s: float = 10.0
    deadline_s: float = 30.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not 0 <= self.first_s <= self.longest_s or not self.deadline_s >= 0:
            raise BrickstreamError("a retry policy needs attempts >= 1 and 0 <= first_s <= longest_s", str(self))

    def wait(self, failed: int, elapsed: float, asked: float | None, dice: Random) -> float | None:
        """Say how long to wait before the next try.

        Parameters
        ----------
        failed : int
            Tries that have failed.
        elapsed : float
            Seconds since the first one began.
        asked : float or None
            Seconds that the server asked for (``Retry-After``).
        dice : random.Random

        Returns
        -------
        float or None
            Seconds; None where there is no other try.
        """
        if failed >= self.attempts:
            return None
        longest = min(self.first_s * 2.0 ** min(failed - 1, 60), self.longest_s)
        wait = longest * dice.uniform(0.5, 1.0)
        if asked is not None:
            # Everybody was asked to come back at the same moment: do not.
            wait = max(wait, asked * dice.uniform(1.0, 1.1))
        return wait if elapsed + wait <= self.deadline_s else None


@dataclass
class Circuit:
    """Whether a server is asked at all.

    After many failures in a row it rests: no request for a while, then a single one that tries. If that fails, the rest
    is twice as long.

    Attributes
    ----------
    failures : int
        In a row.
    rests : int
        In a row.
    open_at : float
        Clock time until which the server is left alone.
    trying : bool
        Whether the one request that tries is on its way.
    """

    failures: int = 0
    rests: int = 0
    open_at: float = 0.0
    trying: bool = False

    def admit(self, now: float) -> float:
        """Ask to send a request: 0 where it may go at once, else the seconds after which to ask again."""
        if not self.rests:
            return 0.0
        if now < self.open_at:
            return self.open_at - now
        if self.trying:
            return FIRST_REST_S / 5
        self.trying = True
        return 0.0

    def succeeded(self) -> None:
        """Note that the server answered, be it with "not there"."""
        self.failures = self.rests = 0
        self.trying = False

    def failed(self, now: float) -> None:
        """Note that it did not, or could not."""
        self.failures += 1
        if self.trying or (not self.rests and self.failures >= FAILURES_IN_A_ROW):
            self.open_at = now + min(FIRST_REST_S * 2.0 ** min(self.rests, 60), LONGEST_REST_S)
            self.rests += 1
            self.trying = False

    def gave_up(self) -> None:
        """Note that a request ended without an answer, for reasons of its own: another one may try."""
        self.trying = False
