"""What the lab asks of an engine, and what an engine tells the lab."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from brickstream.multiscale import Budget, Pyramid, View, plan_view
from brickstream.multiscale.affine import IntArray
from brickstream.multiscale.local import localize

Box = tuple[tuple[int, ...], tuple[int, ...]]
"""Start and stop, half-open, on all axes of the store, in pixels of a level."""

# A view that needs more bricks than this is coarsened for every engine alike.
_MAX_BRICKS = 100_000


@dataclass(frozen=True, eq=False)
class Shot:
    """One step of a session, with what it asks of the store: worked out once, the same for every engine.

    Attributes
    ----------
    at : float
        Seconds after the first view was set.
    view : View
    level : int
        The level that fills the canvas: the finished picture is of it.
    chunks : ndarray of shape (n, ndim), int64
        Chunks of that level that are in view, nearest to the focus first.
    regions : ndarray of shape (n, 2, ndim), int64
        What is in view of each of them: start and stop, half-open, in pixels of the level.
    extents : ndarray of shape (n, 2, ndim), int64
        All of each of them, likewise, within the level.
    """

    at: float
    view: View
    level: int
    chunks: IntArray
    regions: IntArray
    extents: IntArray

    @property
    def whole(self) -> list[Box]:
        """The chunks themselves, as plain tuples: what is read of each, whatever of it is in view."""
        return [(tuple(start), tuple(stop)) for start, stop in self.extents.tolist()]

    @property
    def bounds(self) -> Box:
        """The smallest box around all regions: what a NumPy slice of the whole view would take."""
        low, high = self.regions[:, 0].min(axis=0), self.regions[:, 1].max(axis=0)
        return tuple(low.tolist()), tuple(high.tolist())


def shot_of(at: float, view: View, pyramid: Pyramid) -> Shot:
    """Work out what a view asks of the store: one level for all of the canvas, also in perspective."""
    chunks = pyramid.chunk_shapes[0]
    brick = tuple(int(chunks[axis]) for axis in localize(pyramid, view).axes)
    plan = plan_view(pyramid, view, Budget(_MAX_BRICKS, brick, mixed=False))
    if plan.empty:
        nothing = np.empty((0, pyramid.ndim), dtype=np.int64)
        no_boxes = nothing.reshape(0, 2, pyramid.ndim)
        return Shot(at, view, 0, nothing, no_boxes, no_boxes)
    target = plan.target
    size, shape = pyramid.chunk_shapes[target.level], pyramid.levels[target.level].shape
    extents = np.stack([target.chunks * size, np.minimum((target.chunks + 1) * size, shape)], axis=1)
    return Shot(at, view, target.level, target.chunks, plan.regions(target), extents)


@dataclass(frozen=True)
class Seen:
    """Something that could be shown from a moment on.

    Attributes
    ----------
    t : float
        Seconds on the clock of the watch.
    level : int or None
        None: :attr:`share` says how far the view is.
    box : Box or None
        Pixels of the level.
    share : float
        Part of the newest view, 0 to 1, that is at its final quality, where an engine says nothing of boxes.
    """

    t: float
    level: int | None = None
    box: Box | None = None
    share: float = 0.0


class Watch:
    """Takes down what an engine has to show, and when. Its methods may be called in any thread.

    Parameters
    ----------
    clock : callable
        Seconds; the same for all that is timed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.seen: list[Seen] = []

    def box(self, level: int, start: tuple[int, ...], stop: tuple[int, ...]) -> None:
        """Pixels of a level can be shown now in the newest view; also those that were there before it was set."""
        self.seen.append(Seen(self.clock(), level, (start, stop)))

    def share(self, part: float) -> None:
        """So much of the newest view, 0 to 1, is at its final quality now."""
        self.seen.append(Seen(self.clock(), share=part))

    def first(self) -> None:
        """Something of the newest view can be seen, at whatever quality."""
        self.share(0.0)


class Adapter(Protocol):
    """An engine, as the lab sees it. All methods run on the host's thread, which has 60 frames a second.

    What is seen of a view is told to the :class:`Watch` while :meth:`set_view` or :meth:`poll` runs: a picture changes
    with a frame, whoever has read its pixels before.
    """

    def warm_up(self, url: str) -> None:
        """Do before time begins what does not depend on the image: imports, pools, shaders, a browser.

        Parameters
        ----------
        url : str
            A small image on another server.
        """

    def open(self, url: str) -> None:
        """Open the image; may block."""

    def set_view(self, shot: Shot) -> None:
        """Show another view. A viewer that reads in its host's thread blocks here."""

    def poll(self) -> None:
        """Do what a frame needs."""

    def is_complete(self) -> bool:
        """Whether everything of the newest view is there."""

    def usage(self) -> tuple[float, float] | None:
        """Processor seconds so far, and the most megabytes, of processes other than this one; None: there are none."""

    def close(self) -> None:
        """End everything that was begun; also after an exception."""
