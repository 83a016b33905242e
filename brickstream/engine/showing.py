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
from typing import Any

import numpy as np

from brickstream.chunks import ChunkedImage
from brickstream.engine.ahead import Ahead
from brickstream.engine.core import Core, Request
from brickstream.engine.cutting import settled_by
from brickstream.engine.live import LiveState
from brickstream.engine.outdated import Regions, outdated_of
from brickstream.engine.playback import Playback
from brickstream.engine.sink import ChunkId, ForgetfulSink, Sink
from brickstream.engine.update import Update
from brickstream.engine.values import ValueSample
from brickstream.errors import BrickstreamError, ViewError
from brickstream.multiscale import (
    Budget,
    Plan,
    Pyramid,
    View,
    localize,
    picture_dtype,
    picture_pyramid,
    plan_picture,
    thick_axes,
)
from brickstream.multiscale.stock import Stock

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
    """Refuse views that can be planned, but not be put together from chunks.

    Raises
    ------
    ViewError
        For volumes across more axes of the image than the three that a camera sees.
    """
    axes = localize(pyramid, view).axes
    if view.camera is not None and len(axes) != view.ndisplay:
        names = ", ".join(pyramid.axis_names[a] for a in axes)
        raise ViewError("a volume across more than three axes cannot be shown", f"it runs through {names}")


def plan_shown(
    pyramid: Pyramid, view: View, budget: Callable[[Pyramid, View], Budget], stock: Stock | None = None
) -> tuple[Plan, Budget]:
    """Plan what a view shows, within what its sink says that it can hold of the picture's pixels.

    Of what is in memory or being read `stock` tells; without it the plan is that of an image of which nothing is.

    Raises
    ------
    BudgetError
        If the budget holds not even one brick.
    ViewError
        If the image has no such view, or it cannot be shown.
    """
    check_view(pyramid, view)
    limit = budget(picture_pyramid(pyramid, view), view)
    return plan_picture(pyramid, view, limit, stock=stock), limit


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
        self._forgetful = sink if isinstance(sink, ForgetfulSink) else None
        self.request: Request | None = None
        self.latest: Update | None = None
        self.complete = True
        self.error: BrickstreamError | None = None
        self.live = LiveState()
        self.values = ValueSample()
        self._core = core
        self._on_loop = on_loop
        self._max_bytes = max_bytes
        self._request_ids = request_ids
        self._notify = notify
        self._mail: deque[tuple[Request, Update | BrickstreamError | None]] = deque()
        self._generation = 0
        self._begun: Plan | None = None
        self._wish: tuple[ChunkedImage, View] | None = None
        self._finest: int | None = None
        self._uncovered = 0
        self._playback: Playback | None = None

    def show(self, image: ChunkedImage, view: View) -> Plan:
        """Start to show a view; return its plan. What the last view wanted and this one does not is cancelled.

        While the viewport is not visible the view is only kept for later, and its plan is empty.

        Raises
        ------
        BudgetError
            If the sink's budget holds not even one brick.
        ViewError
            If the image has no such view, or it cannot be shown yet.
        """
        pyramid, telemetry = image.pyramid, self._core.telemetry
        asked = 0 if telemetry is None else telemetry.now()
        if not self.live.now.visible:
            check_view(pyramid, view)
            self._wish = image, view
            return Plan(view, pyramid, (), (1,) * view.ndisplay, localize(pyramid, view))
        in_memory = partial(memory_budget, max_bytes=self._max_bytes)
        held_by = in_memory if self.sink is None else self.sink.budget
        plan, budget = plan_shown(pyramid, view, held_by, self._core.stock(image))
        if self.request is not None and self.request.image is not image:
            self._stop_playing()
        self._generation += 1
        self._begun = plan
        held = settled_by(plan, self.sink.begin(self._generation, plan)) if self.sink is not None else frozenset()
        request = Request(next(self._request_ids), self._generation, image, plan, held, budget=budget)
        self._wish = image, view
        self.request, self.latest, self.complete, self.error = request, None, False, None
        self._empty_mailbox()
        self.values.begin(plan)
        if telemetry is not None:
            telemetry.planned(request, asked)
        self._on_loop(lambda: self._start(request))
        self._begin(request)
        return plan

    @property
    def visible(self) -> bool:
        """Whether anything is asked for at all; see :meth:`set_visible`."""
        return self.live.now.visible

    def set_visible(self, visible: bool) -> None:
        """Ask for nothing while nobody looks; show the view that was wanted last when somebody does."""
        if visible == self.live.now.visible:
            return
        if not visible:
            self._end()
            self.live.tell(visible=False, loaded=True)
            return
        wish = self._wish
        self.live.tell(visible=True)
        # Who hears of it may have shown something else already.
        if wish is not None and self._wish is wish:
            self.show(*wish)

    def retry_failed(self) -> Plan | None:
        """Read again what has failed of the view that is shown; None where none is shown."""
        self._on_loop(self._core.fetcher.retry_failed)
        return None if self.request is None else self.show(self.request.image, self.request.plan.view)

    def invalidate(self, image: ChunkedImage, regions: Regions) -> None:
        """Show anew what may have been written anew; the engine has dropped its chunks before."""
        if self.sink is not None:
            self.sink.drop(image.pyramid, regions)
            begun = self._begun
            if begun is not None and begun.oblique is not None and begun.image is image.pyramid:
                self.sink.drop(begun.pyramid, outdated_of(begun, regions))
        if self.request is not None and self.request.image is image:
            self.show(image, self.request.plan.view)

    @property
    def has_mail(self) -> bool:
        """Whether something waits to be polled."""
        return bool(self._mail)

    def cancel(self) -> None:
        """Cancel what is being shown, a playback too; what is on screen stays."""
        self._end()
        self._wish = None
        self.live.tell(loaded=True, wanted_point=self.live.now.shown_point)

    def _end(self) -> None:
        """Wait for nothing any more."""
        self._stop_playing()
        self.request, self.complete = None, True
        self._empty_mailbox()
        self._on_loop(lambda: self._core.stop(self))

    def _empty_mailbox(self) -> None:
        """Drop what nobody wants any more: a host that shows and never polls must not gather it."""
        while self._mail:
            self._drop(*self._mail.popleft())

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
        telemetry = self._core.telemetry
        if telemetry is None:
            return self._poll(budget_ms)
        with telemetry.work("poll", idle=True) as work:
            taken = self._poll(budget_ms)
            work.idle = work.idle and not taken
        return taken

    def _poll(self, budget_ms: float | None) -> list[Update]:
        until = None if budget_ms is None else time.perf_counter() + budget_ms / 1000
        if self._forgetful is not None and self._forgetful.wants_anew and self.request is not None:
            self.show(self.request.image, self.request.plan.view)
        taken: list[Update] = []
        # A callback, or the sink, may show something else meanwhile.
        shown, heard = self.request, False
        try:
            while self._mail:
                request, letter = self._mail.popleft()
                if request is not self.request:
                    self._drop(request, letter)
                    continue
                heard = True
                if isinstance(letter, BrickstreamError):
                    self.complete, self.error = True, letter
                    self.live.tell(loaded=True)
                    raise letter
                if letter is None:
                    self._finish(request)
                else:
                    taken.append(letter)
                    self._take(request, letter)
                if until is not None and time.perf_counter() >= until:
                    break
        finally:
            # Also where the sink raised: what it has taken, or refused, is not waited for any more.
            if taken and shown is not None:
                self._on_loop(partial(self._release, shown, taken))
        if heard and self.request is not None:
            self._tell(self.request)
        if self._playback is not None:
            self._play(self._playback)
        return taken

    def play(self, axis: str, fps: float, *, ahead: int, **how: Any) -> Playback:
        """Play an axis; see :meth:`Viewport.play`."""
        request = self.request
        if request is None:
            raise ViewError("nothing is shown that could be played", "", "show a view first")
        playback = Playback(request.image.pyramid, request.plan.view, axis, fps, **how)
        guess = Ahead(playback=axis, step=playback.step, count=ahead, circular=playback.circular)
        self._stop_playing()
        self._playback = playback
        self._on_loop(lambda: self._core.prefetcher.play(self, guess))
        return playback

    def _play(self, playback: Playback) -> None:
        request = self.request
        view = None if request is None else playback.next_view(request.plan.view, self.live.now)
        if request is not None and view is not None:
            self.show(request.image, view)
        elif not playback.is_running:
            self._stop_playing()

    def _stop_playing(self) -> None:
        if self._playback is not None:
            self._playback.stop()
            self._playback = None
            self._on_loop(lambda: self._core.prefetcher.play(self, None))

    def _drop(self, request: Request, letter: Update | BrickstreamError | None) -> None:
        if self._core.telemetry is not None and isinstance(letter, Update):
            self._core.telemetry.views.dropped(request)

    def _take(self, request: Request, update: Update) -> None:
        self.latest = update
        if self.sink is not None:
            self.sink.put(update)
        self.values.put(update)
        if self._core.telemetry is not None:
            self._core.telemetry.views.taken(request, update)
        if update.data is not None:
            self._finest = update.level if self._finest is None else min(update.level, self._finest)
        if any(part.level == update.level for part in update.plan.levels[: update.plan.cover]):
            self._uncovered -= 1

    def _finish(self, request: Request) -> None:
        self.complete, self._uncovered = True, 0
        if self.sink is not None:
            self.sink.complete(request.generation)
        if self._core.telemetry is not None:
            self._core.telemetry.views.finished(request)

    def _release(self, request: Request, taken: list[Update]) -> None:
        for update in taken:
            self._core.release(self, request, update)

    def _begin(self, request: Request) -> None:
        """Say what is wanted now."""
        plan, held = request.plan, request.held
        first: list[ChunkId] = [
            (part.level, tuple(index)) for part in plan.levels[: plan.cover] for index in part.chunks.tolist()
        ]
        self._uncovered = len(first) - len(held.intersection(first))
        self._finest = min((level for level, _ in held), default=None)
        target = None if plan.empty else plan.target
        self.live.tell(
            generation=request.generation,
            level=None if target is None else target.level,
            corner_pixels=np.empty((0, plan.pyramid.ndim), np.int64) if target is None else target.corner_pixels,
            progress=len(held) / plan.chunk_count if plan.chunk_count else 1.0,
            loaded=False,
            failed=0,
            wanted_point=dict(plan.view.point),
            **self._shown(request),
        )

    def _tell(self, request: Request) -> None:
        """Say how far it is."""
        latest = self.latest
        self.live.tell(
            progress=1.0 if self.complete else (latest.progress if latest is not None else self.live.now.progress),
            loaded=self.complete,
            failed=latest.failed if latest is not None else 0,
            **self._shown(request),
        )

    def _shown(self, request: Request) -> dict[str, Any]:
        if self._uncovered > 0:
            return {}
        return {"shown_level": self._finest, "shown_point": dict(request.plan.view.point)}
