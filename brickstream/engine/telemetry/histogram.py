"""How values are spread, in little memory: buckets that grow with the values."""

from __future__ import annotations

from typing import Any

# Buckets to each doubling: a value is known to an eighth.
_BITS = 3


class Histogram:
    """Counts of whole numbers in logarithmic buckets, eight to each doubling (as HdrHistogram has them).

    One thread adds; any thread reads.
    """

    __slots__ = ("_counts", "count", "highest", "total")

    def __init__(self) -> None:
        self.count = self.total = self.highest = 0
        self._counts: dict[int, int] = {}

    def add(self, value: int) -> None:
        """Count a value; one below zero counts as zero."""
        value = max(value, 0)
        shift = max(value.bit_length() - 1 - _BITS, 0)
        bucket = (shift << _BITS) + (value >> shift)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1
        self.total += value
        self.highest = max(self.highest, value)

    def buckets(self) -> list[tuple[int, int]]:
        """List the highest value of each bucket and the count in it, from low to high, without empty ones."""
        return [(_last(bucket), count) for bucket, count in sorted(self._counts.copy().items())]

    def as_dict(self, unit: float = 1.0) -> dict[str, Any]:
        """Say it as JSON.

        Parameters
        ----------
        unit : float
            Values to one unit of the answer: 1e6 makes milliseconds of nanoseconds.

        Returns
        -------
        dict
            ``count``, ``mean``, ``p50``, ``p95``, ``p99``, ``max`` (all None but the count, where there is none), and
            ``buckets``: pairs of the highest value of a bucket and the count in it. A percentile is the highest value
            of the bucket that it lies in, an eighth too much at most.
        """
        buckets = self.buckets()
        shares = {f"p{percent}": _percentile(buckets, percent, self.highest) for percent in (50, 95, 99)}
        values = {"mean": self.total / self.count if self.count else None, **shares, "max": self.highest}
        said = {name: None if value is None or not buckets else value / unit for name, value in values.items()}
        return {"count": self.count, **said, "buckets": [[last / unit, count] for last, count in buckets]}


def _last(bucket: int) -> int:
    """The highest value that falls into a bucket."""
    shift = max((bucket >> _BITS) - 1, 0)
    return ((bucket - (shift << _BITS) + 1) << shift) - 1


def _percentile(buckets: list[tuple[int, int]], percent: int, highest: int) -> int | None:
    wanted, seen = percent * sum(count for _, count in buckets), 0
    for last, count in buckets:
        seen += 100 * count
        if seen >= wanted:
            return min(last, highest)
    return None
