"""Which coarser bricks are shown on the way to the finished picture: those that cost clearly less than what follows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

# Stand-ins are worth their reads only where they need at most this share of the chunks that come next in their place: a
# quarter in a plane, an eighth in a volume, and what the edges of chunks add. With a half, views of few chunks spent
# half as much again on the level before the last, and on slow links that is what people waited for.
WORTH = 1 / 3

Counts = Sequence[float]


def worthwhile(final: Counts, standin: Counts, both: Counts) -> list[int]:
    """Choose the levels whose stand-ins are planned.

    Parameters
    ----------
    final, standin, both : sequence of float
        Chunks that the final bricks of each level need, that its stand-ins need, and that either need; finest first.
        With the final bricks of coarser levels, final bricks and stand-ins of one level show everything in view.

    Returns
    -------
    list of int
        Finest level first. Empty where stand-ins save nothing.
    """
    # Where levels end at different places, a coarser one may have nothing in view.
    levels = [level for level, count in enumerate(standin) if count]
    if sum(final) <= _parents(final, standin):
        return []
    coarser = list(accumulate(reversed(final), initial=0.0))[-2::-1]
    cost = {level: coarser[level] + both[level] for level in levels}
    kept = cheap(final, standin, both)
    if not kept:
        kept = [min(levels, key=lambda level: (cost[level], -level))]
        if cost[kept[0]] >= sum(final):
            return []
    # Of levels that cost the same number of reads, the coarsest has the fewest bytes: the first picture comes soonest.
    kept[-1] = next(level for level in reversed(levels) if cost[level] <= cost[kept[-1]])
    return kept


def _parents(final: Counts, standin: Counts) -> float:
    """Chunks of what is one level coarser than the finished picture, everywhere."""
    total, above = 0.0, None
    for count, coarse in zip(reversed(final), reversed(standin), strict=True):
        total += (count if above is None else above) if count else 0.0
        above = coarse or above
    return total


def cheap(final: Counts, standin: Counts, both: Counts) -> list[int]:
    """Levels whose stand-ins need at most a third of the chunks of what is shown next in their place."""
    kept = []
    following = 0.0
    for level, count in enumerate(standin):
        if count and count <= WORTH * following:
            kept.append(level)
            following = both[level]
        else:
            following += final[level]
    return kept


def affordable(kept: Sequence[int], standins: Counts, room: float) -> list[int]:
    """Those of the chosen levels whose stand-ins fit the budget, the coarsest first to be chosen.

    Parameters
    ----------
    kept : sequence of int
        Finest level first.
    standins : sequence of float
        What the stand-ins of each level take of the budget, finest first.
    room : float
        What the finished picture leaves of the budget.
    """
    chosen = []
    for level in reversed(kept):
        if standins[level] <= room:
            chosen.append(level)
            room -= standins[level]
    if kept and not chosen:
        chosen = [level for level, count in enumerate(standins) if 0 < count <= room][-1:]
    return chosen[::-1]
