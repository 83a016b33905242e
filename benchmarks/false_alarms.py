"""How often ``bench compare`` calls a difference where there is none, and misses one that is there.

python benchmarks/false_alarms.py
"""

from collections.abc import Iterator
from random import Random

from brickstream.latency.report import changed

ROUNDS = 20_000
NOISES = (0.01, 0.03, 0.1)


def times(random: Random, runs: int, noise: float, disturbed: bool, factor: float = 1.0) -> list[float]:
    """Times of a few runs around one second; of the disturbed, one in ten takes up to twice as long."""
    found = [factor * random.lognormvariate(0, noise) for _ in range(runs)]
    return [time * (1 + random.random()) if disturbed and random.random() < 0.1 else time for time in found]


def share(kind: str, factor: float, runs: int, noise: float, disturbed: bool) -> float:
    """Part of the comparisons that are called this kind, when one side takes so many times as long."""
    random = Random(0)
    pairs = (
        (times(random, runs, noise, disturbed), times(random, runs, noise, disturbed, factor)) for _ in range(ROUNDS)
    )
    return sum(changed(before, after) == kind for before, after in pairs) / ROUNDS


def lines() -> Iterator[str]:
    """The table in docs/bench-results.md."""
    yield f"{'runs':<14}{'false alarms':>14}{'10 % slower':>14}{'20 % slower':>14}{'50 % slower':>14}"
    for runs in (3, 5):
        for noise in NOISES:
            for disturbed in (False, True):
                shares = [share("worse", factor, runs, noise, disturbed) for factor in (1.0, 1.1, 1.2, 1.5)]
                name = f"{runs}, {noise:.0%}{' +' if disturbed else ''}"
                yield f"{name:<14}" + f"{shares[0]:>14.2%}" + "".join(f"{part:>14.0%}" for part in shares[1:])


if __name__ == "__main__":
    for line in lines():
        print(line, flush=True)
