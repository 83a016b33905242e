"""How fast a server answers, measured as answers come: how many reads to have under way, and which ones are late.

The number of reads follows the product of bandwidth and delay, as TCP's BBR has it (Cardwell et al., ACM Queue 14(5),
2016): what is under way beyond it only waits in queues, where it cannot be cancelled cheaply nor be overtaken.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from math import ceil

# Reads under way before anything is known, and at least.
FIRST_WINDOW, SMALLEST_WINDOW = 64, 4
# So many times the measured product: on a link that is not full yet this doubles the window with each round trip.
GAIN = 2.0
# Bytes in a row that are enough to guess a rate before there are enough answers to measure one.
TELLING = 32_768
# A guess counts where it is for fewer reads than this. One connection may be slower than the link: there, fewer reads
# than the link can do with would cost a round trip.
FEW = FIRST_WINDOW // 4
# Seconds for which the highest rate and the shortest delay count: no sooner does the window follow a slower link.
# Delays count longer: while a link is full they hold the time in its queue, which must not be taken for distance.
RATE_MEMORY_S, DELAY_MEMORY_S = 5.0, 20.0
# Answers come in bursts: a rate is taken over as many of them, and over a delay, at least.
BURST = 4
# Answers that are remembered to say what is usual, and how many there must be.
USUAL, ENOUGH = 200, 16
# An answer is late after so many times the p95 of what is usual, or so many of the shortest delays (a busy machine
# measures its own slowness besides), but never before so many medians.
LATE_P95, LATE_DELAYS, LATE_MEDIAN = 1.5, 3.0, 2.0
LATE_LEAST_S = 0.01
# At most this share of the requests may be asked for twice, and a few at the start.
EXTRA_SHARE, EXTRA_FIRST = 0.05, 2
# An answer is lost after so many times the p95, and never before so many seconds; where nothing is known, after those.
# Of lost ones as large a share may be asked for twice, and so many at the start.
LOST_P95, LOST_LEAST_S, LOST_FIRST = 10.0, 3.0, 4
# A server that sheds load (429, 503) is asked nothing twice for this long.
SHEDDING_S = 2.0


class Usual:
    """The last waits for a first byte, in order of time and of size."""

    def __init__(self) -> None:
        self._last: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._last)

    def add(self, wait: float) -> None:
        """Take down one wait."""
        self._last.append(wait)
        insort(self._sorted, wait)
        if len(self._last) > USUAL:
            del self._sorted[bisect_left(self._sorted, self._last.popleft())]

    def quantile(self, share: float) -> float:
        """Return the wait that this share of them does not exceed."""
        return self._sorted[min(int(share * len(self._sorted)), len(self._sorted) - 1)]


@dataclass(frozen=True)
class Answer:
    """One answer, as it was measured.

    Attributes
    ----------
    asked, began, ended : float
        Clock times.
    nbytes : int
    full : bool
        Whether more was wanted than the window allowed: only then the link, not we, set the rate.
    """

    asked: float
    began: float
    ended: float
    nbytes: int
    full: bool


@dataclass(frozen=True)
class Run:
    """Answers whose bytes came without a pause in between.

    Attributes
    ----------
    began, ended : float
        Clock times.
    nbytes : int
    """

    began: float = 0.0
    ended: float = float("-inf")
    nbytes: int = 0

    @property
    def seconds(self) -> float:
        """How long its bytes took."""
        return self.ended - self.began

    def and_then(self, answer: Answer) -> Run:
        """Take in the next answer; where it began after all others had ended it is the first of another run."""
        if answer.began > self.ended:
            return Run(answer.began, answer.ended, answer.nbytes)
        return Run(min(self.began, answer.began), answer.ended, self.nbytes + answer.nbytes)


class Pace:
    """What is known of the way to one server. Pure bookkeeping: every time comes from the caller.

    Parameters
    ----------
    most : int
        Reads under way at the same time, whatever is measured.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.requests = self.extra = self.lost = self.running = 0
        self.usual = Usual()
        self._window = min(FIRST_WINDOW, most)
        self._rates: deque[tuple[float, float]] = deque()
        self._delays: deque[tuple[float, float]] = deque()
        self._recent: deque[tuple[float, int]] = deque()
        self._carried = 0
        self._run = Run()
        self._size = 0.0
        self._shedding_until = 0.0

    @property
    def window(self) -> int:
        """Reads to have under way."""
        return self._window

    @property
    def busy(self) -> bool:
        """Whether half of the window was used by the last answer: less would be taken for all that the link can do."""
        return 2 * (self.running + 1) >= self._window

    @property
    def rate(self) -> float:
        """Highest measured bytes per second of the last seconds; 0 where nothing is known."""
        return self._rates[0][1] if self._rates else 0.0

    @property
    def delay(self) -> float:
        """Shortest measured seconds to a first byte of the last seconds; 0 where nothing is known."""
        return self._delays[0][1] if self._delays else 0.0

    def answered(self, answer: Answer) -> None:
        """Learn from a finished answer."""
        now = answer.ended
        wait = max(answer.began - answer.asked, 1e-6)
        self.usual.add(wait)
        _keep_least(self._delays, now, wait, DELAY_MEMORY_S)
        self._size = answer.nbytes if not self._size else 0.9 * self._size + 0.1 * answer.nbytes
        self._measure(now, answer.nbytes)
        if not self.rate:
            self._guess(answer)
        self._adapt(answer.full)

    def _measure(self, now: float, nbytes: int) -> None:
        """Take the rate since the first of the last answers."""
        recent, span = self._recent, self.delay
        recent.append((now, nbytes))
        self._carried += nbytes
        while len(recent) > BURST + 1 and recent[1][0] <= now - span:
            self._carried -= recent.popleft()[1]
        over = now - recent[0][0]
        if len(recent) > BURST and over >= span:
            _keep_most(self._rates, now, (self._carried - recent[0][1]) / max(over, 1e-6), RATE_MEMORY_S)

    def _guess(self, answer: Answer) -> None:
        """Begin with fewer reads where the first bytes tell of a slow link.

        What took longer than the way there and back may have come in several rounds: that tells how TCP begins.
        """
        self._run = run = self._run.and_then(answer)
        if run.nbytes >= TELLING and 0 < run.seconds < self.delay:
            guess = ceil(GAIN * run.nbytes / run.seconds * self.delay / answer.nbytes)
            if guess < FEW:
                self._window = min(self._window, max(guess, SMALLEST_WINDOW))

    def _adapt(self, full: bool) -> None:
        if not self.rate or not self._size:
            # Nothing is known yet: try for more, one by one.
            self._window = min(self._window + full, self.most)
            return
        wanted = ceil(GAIN * self.rate * self.delay / self._size) + SMALLEST_WINDOW
        wanted = min(wanted, self.most)
        # What was measured while we asked for little says nothing about how much the link could do.
        if full or wanted > self._window:
            self._window = max(min(wanted, 2 * self._window), min(SMALLEST_WINDOW, self.most))

    def shed(self, now: float) -> None:
        """Learn that the server sheds load: it is asked for less, and for nothing twice."""
        self._shedding_until = now + SHEDDING_S
        self._window = max(self._window // 2, min(SMALLEST_WINDOW, self.most))

    def again_at(self, asked: float) -> float | None:
        """When to ask again for what was asked for at a time and has no answer; None where that must not be.

        Late answers hold a picture up a little, a lost one for as long as somebody waits for it: so it is asked for
        again also where nothing is known yet, or too much was late.
        """
        waits = [wait for wait in (self.late_after(), self._lost()) if wait is not None]
        return max(asked + min(waits), self._shedding_until) if waits else None

    def asks_again(self, asked: float, now: float) -> None:
        """Count what is asked for again."""
        late = self.late_after()
        if late is not None and asked + late <= now:
            self.extra += 1
        else:
            self.lost += 1

    def late_after(self) -> float | None:
        """Seconds without a first byte after which to ask again; None where that is not known or was done too often."""
        if len(self.usual) < ENOUGH or self.extra + 1 > EXTRA_SHARE * self.requests + EXTRA_FIRST:
            return None
        late = LATE_P95 * self.usual.quantile(0.95)
        if self.delay:
            late = min(late, LATE_DELAYS * self.delay)
        return max(late, LATE_MEDIAN * self.usual.quantile(0.5)) + LATE_LEAST_S

    def _lost(self) -> float | None:
        if self.lost + 1 > EXTRA_SHARE * self.requests + LOST_FIRST:
            return None
        return max(LOST_LEAST_S, LOST_P95 * self.usual.quantile(0.95) if len(self.usual) else 0.0)


def _keep_most(values: deque[tuple[float, float]], now: float, value: float, memory: float) -> None:
    """Keep what may become the highest value of the last seconds; the first is the highest now."""
    while values and values[-1][1] <= value:
        values.pop()
    values.append((now, value))
    while values[0][0] < now - memory:
        values.popleft()


def _keep_least(values: deque[tuple[float, float]], now: float, value: float, memory: float) -> None:
    """Keep what may become the lowest value of the last seconds; the first is the lowest now."""
    while values and values[-1][1] >= value:
        values.pop()
    values.append((now, value))
    while values[0][0] < now - memory:
        values.popleft()
