"""What a viewport shows right now, for whoever wants to hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from psygnal import Signal, SignalGroup

from brickstream.multiscale.affine import IntArray


@dataclass(frozen=True, eq=False)
class Live:
    """The state of a viewport at one moment.

    Attributes
    ----------
    generation : int
        Number of the view change; 0 before the first.
    level : int or None
        Level of the finished picture; None where nothing is in view.
    corner_pixels : ndarray of shape (2, ndim), int64
        First and last pixel in view, both inclusive, pixels of `level`; of shape (0, ndim) where nothing is in view.
    shown_level : int or None
        The finest level of which something has come, of what is shown now.
    progress : float
        Share of the planned chunks that are settled, 0 to 1.
    loaded : bool
        Whether nothing is pending: every planned chunk was put, is held, is missing or has failed.
    failed : int
        Chunks of this view that failed.
    wanted_point, shown_point : mapping of str to float
        World position on the axes that are not displayed: of the newest view, and of what is on screen. They differ
        until everything in view is there, at least coarsely: until then a sink goes on showing what it showed.
    visible : bool
        See :attr:`brickstream.engine.viewport.Viewport.visible`.
    """

    generation: int = 0
    level: int | None = None
    corner_pixels: IntArray = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))
    shown_level: int | None = None
    progress: float = 1.0
    loaded: bool = True
    failed: int = 0
    wanted_point: Mapping[str, float] = field(default_factory=dict)
    shown_point: Mapping[str, float] = field(default_factory=dict)
    visible: bool = True

    @property
    def is_old(self) -> bool:
        """Whether what is on screen belongs to another point than the one that is wanted."""
        return self.wanted_point != self.shown_point


_NAMES = tuple(field.name for field in fields(Live))


class LiveEvents(SignalGroup):
    """Signals of a viewport: one for each field of :class:`Live`, sent with its new value, and one for all of it.

    They are sent on the thread that calls `show` and `poll`, once for each call, after the sink has heard of everything
    and with the new state in place; callbacks may call `show`. To be called on another thread connect with psygnal's
    ``thread=``. What a callback raises reaches the caller of `show` or `poll` as psygnal's ``EmitLoopError``.
    """

    changed = Signal(Live)
    generation = Signal(int)
    level = Signal(object)
    corner_pixels = Signal(object)
    shown_level = Signal(object)
    progress = Signal(float)
    loaded = Signal(bool)
    failed = Signal(int)
    wanted_point = Signal(object)
    shown_point = Signal(object)
    visible = Signal(bool)


class LiveState:
    """Holds the newest state, and tells who listens what has changed. Render thread."""

    def __init__(self) -> None:
        self.now = Live()
        self.events = LiveEvents()
        self._told = {name: getattr(self.now, name) for name in _NAMES}
        self._is_telling = False

    def tell(self, **changes: Any) -> None:
        """Change fields together; send the signals of those that really changed.

        A callback may cause further changes: each signal then has the newest value, and comes once.
        """
        news = {name: value for name, value in changes.items() if _differs(getattr(self.now, name), value)}
        if not news:
            return
        self.now = replace(self.now, **news)
        if self._is_telling:
            return
        self._is_telling = True
        try:
            heard = None
            while heard is not self.now:
                self._send()
                heard = self.now
                self.events.changed.emit(heard)
        finally:
            self._is_telling = False
            self._told = {name: getattr(self.now, name) for name in _NAMES}

    def _send(self) -> None:
        late: str | None = ""
        while late is not None:
            late = next((name for name in _NAMES if _differs(self._told[name], getattr(self.now, name))), None)
            if late is not None:
                value = self._told[late] = getattr(self.now, late)
                self.events[late].emit(value)


def _differs(old: object, new: object) -> bool:
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return not np.array_equal(old, new)
    return bool(old != new)
