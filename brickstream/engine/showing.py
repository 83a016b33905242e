"""The half of the engine that lives on the render thread: views in, updates handed to a sink.

The two halves share a mailbox (a deque) and nothing else.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from math import prod

from brickstream.chunks import ChunkedImage
from brickstream.engine.core import Core, Request
from brickstream.engine.sink import Sink
from brickstream.engine.update import Update
from brickstream.errors import BrickstreamError, ViewError
from brickstream.multiscale import Budget, Plan, Pyramid, View, localize, picture_dtype, plan_view, thick_axes

# Bytes at most that a pixel of a thick slice takes besides, until all of its planes have come: a count and two sums.
GATHERED = 24

OnLoop = Callable[[Callable[[], None]], None]
"""Runs a function on the event loop, soon or at once."""


def memory_budget(pyramid: Pyramid, view: View, max_bytes: int) -> Budget:
    """Budget of a plan whose picture is an array: its pixels fit `max_bytes`, and its bricks are chunks.

    Raises
    ------
    BudgetError
        If `max_bytes` holds not even one.
    """
    chunks = pyramid.levels[0].chunks
    local = localize(pyramid, view)
    shape = tuple(chunks[axis] for axis in local.axes)
    pixel = picture_dtype(pyramid, local, view).itemsize + (GATHERED if thick_axes(local) else 0)
    return Budget(max_bytes // (prod(shape) * pixel), shape, mixed=False)


def check_view(pyramid: Pyramid, view: View) -> None:
    """Refuse views that can be planned, but not yet be put together from chunks.

    Raises
    ------
    ViewError
        For cuts through more axes than the picture has.
    """
    axes = localize(pyramid, view).axes
    if len(axes) != view.ndisplay:
        names = ", ".join(pyramid.axis_names[a] for a in axes)
        raise ViewError("an oblique cut can be planned, but not shown yet", f"it runs through {names}")


class Showing:
    """Shows one view at a time of one image at a time, through a sink.

    Every method runs on the render thread. Stale answers are dropped by number on arrival.

    Parameters
    ----------
    core : Core
    on_loop : OnLoop
    sink : Sink or None
        None hands the updates to the caller of :meth:`poll` only.
    max_bytes : int
        Size of the picture where there is no sink to say what it can hold.
    request_ids : iterator of int
    notify : callable
        Called on the event loop whenever there is something to poll.
    """

    def __init__(
        self,
        core: Core,
        on_loop: OnLoop,
        sink: Sink | None,
        max_bytes: int,
        request_ids: count[int],
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self.sink = sink
        self.request: Request | None = None
        self.latest: Update | None = None
        self.complete = True
        self.error: BrickstreamError | None = None
        self._core = core
        self._on_loop = on_loop
        self._max_bytes = max_bytes
        self._request_ids = request_ids
        self._notify = notify
        self._mail: deque[tuple[Request, Update | BrickstreamError | None]] = deque()
        self._generation = 0

    def show(self, image: ChunkedImage, view: View) -> Plan:
        """Start to show a view; return its plan. What the last view wanted and this one does not is cancelled.

        Raises
        ------
        BudgetError
            If the sink's budget holds not even one brick.
        ViewError
            If the image has no such view, or it cannot be shown yet.
        """
        pyramid = image.pyramid
        check_view(pyramid, view)
        if self.sink is not None:
            budget = self.sink.budget(pyramid, view)
        else:
            budget = memory_budget(pyramid, view, self._max_bytes)
        plan = plan_view(pyramid, view, budget)
        self._generation += 1
        held = self.sink.begin(self._generation, plan) if self.sink is not None else ()
        request = Request(next(self._request_ids), self._generation, image, plan, held, budget=budget)
        self.request, self.latest, self.complete, self.error = request, None, False, None
        self._on_loop(lambda: self._start(request))
        return plan

    def retry_failed(self) -> Plan | None:
        """Read again what has failed of the view that is shown; None where none is shown."""
        self._on_loop(self._core.fetcher.retry_failed)
        return None if self.request is None else self.show(self.request.image, self.request.plan.view)

    @property
    def has_mail(self) -> bool:
        """Whether something waits to be polled."""
        return bool(self._mail)

    def stop(self) -> None:
        """Cancel what is being shown; what is on screen stays."""
        self.request, self.complete = None, True
        self._on_loop(lambda: self._core.stop(self))

    def _start(self, request: Request) -> None:
        """Begin on the event loop."""
        try:
            self._core.start(
                self,
                request,
                lambda update: self._post(request, update),
                lambda: self._post(request, None),
            )
        except BrickstreamError as error:
            self._post(request, error)

    def _post(self, request: Request, letter: Update | BrickstreamError | None) -> None:
        self._mail.append((request, letter))
        self._notify()

    def poll(self, budget_ms: float | None = None) -> list[Update]:
        """Hand the updates that have arrived to the sink, oldest first.

        Parameters
        ----------
        budget_ms : float, optional
            Stop after this many milliseconds, and go on at the next poll; None takes everything that is there.

        Returns
        -------
        list of Update
            Those that were handed over.

        Raises
        ------
        BrickstreamError
            If the view could not be started (a budget smaller than one chunk).
        """
        until = None if budget_ms is None else time.perf_counter() + budget_ms / 1000
        taken: list[Update] = []
        try:
            while self._mail:
                request, letter = self._mail.popleft()
                if request is not self.request:
                    continue
                if isinstance(letter, BrickstreamError):
                    self.complete, self.error = True, letter
                    raise letter
                if letter is None:
                    self._finish(request)
                else:
                    taken.append(letter)
                    self._take(letter)
                if until is not None and time.perf_counter() >= until:
                    break
        finally:
            # Also where the sink raised: what it has taken, or refused, is not waited for any more.
            if taken and self.request is not None:
                self._on_loop(partial(self._release, self.request, taken))
        return taken

    def _take(self, update: Update) -> None:
        self.latest = update
        if self.sink is not None:
            self.sink.put(update)

    def _finish(self, request: Request) -> None:
        self.complete = True
        if self.sink is not None:
            self.sink.complete(request.generation)

    def _release(self, request: Request, taken: list[Update]) -> None:
        for update in taken:
            self._core.release(self, request, update)
