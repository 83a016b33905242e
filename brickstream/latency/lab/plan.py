"""Which sessions, images and networks are measured together. Values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A session on an image over a network; every engine plays it."""

    workload: str
    data: str
    network: str


@dataclass(frozen=True)
class Suite:
    """Cases that belong together.

    Attributes
    ----------
    title : str
        For people.
    cases : tuple of Case
    runs : int
        How often each engine plays each case.
    timeout : float
        Seconds after which a view that is not complete counts as failed.
    """

    title: str
    cases: tuple[Case, ...]
    runs: int = 3
    timeout: float = 60.0


SUITES = {
    "smoke": Suite("one view on a quick network, once", (Case("open-plane", "brain", "lan"),), runs=1),
    "short": Suite(
        "a plane, a pan and a volume, far away and at home",
        (
            Case("open-plane", "volume-64", "s3-far"),
            Case("pan", "volume-64", "home-30mbps"),
            Case("open-volume", "brain", "s3-far"),
        ),
    ),
    "sessions": Suite(
        "people who move, and a bad day",
        (
            Case("open-plane", "brain", "bad-day"),
            Case("scrub", "volume-64", "s3-far"),
            Case("playback", "planes-1024", "campus"),
            Case("orbit", "volume-64", "s3-far"),
            Case("recorded", "brain", "home-30mbps"),
        ),
    ),
    "full": Suite(
        "every session, and every way to store the same volume",
        (
            Case("open-plane", "volume-64", "campus"),
            Case("open-plane", "volume-64", "s3-same-region"),
            Case("open-plane", "volume-64", "s3-far"),
            Case("open-plane", "volume-64", "home-30mbps"),
            Case("open-plane", "volume-64", "mobile"),
            Case("open-plane", "volume-64", "bad-day"),
            Case("open-plane", "volume-128", "s3-far"),
            Case("open-plane", "volume-64-sharded", "s3-far"),
            Case("open-plane", "volume-64-blosc", "s3-far"),
            Case("open-plane", "volume-64-raw", "s3-far"),
            Case("open-plane", "planes-1024", "s3-far"),
            Case("open-volume", "volume-64", "s3-far"),
            Case("open-volume", "brain", "home-30mbps"),
            Case("jump", "globe", "s3-far"),
            Case("pan", "globe", "s3-far"),
            Case("zoom", "globe", "s3-far"),
            Case("scrub", "volume-64", "s3-far"),
            Case("playback", "planes-1024", "campus"),
            Case("orbit", "volume-64", "s3-far"),
            Case("fly", "volume-64", "s3-far"),
            Case("recorded", "brain", "home-30mbps"),
        ),
        timeout=120.0,
    ),
}
