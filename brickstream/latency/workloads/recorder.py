"""Writes down what somebody looks at, while they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf, nextafter
from pathlib import Path

from brickstream.errors import ViewError, redact
from brickstream.latency.workloads.session import Session, Step
from brickstream.multiscale import View


class Recorder:
    """Keeps each view with its time. It knows no window: whoever shows a view calls :meth:`see`, on one thread.

    Parameters
    ----------
    clock : callable
        Seconds, from any beginning.

    Attributes
    ----------
    steps : list of Step
        What was seen so far; the first view is at 0 seconds.

    Examples
    --------
    >>> def record(shown, image_url):  # a QtView
    ...     recorder = Recorder()
    ...     shown.view_shown.connect(recorder.see)
    ...     return lambda: recorder.session("An afternoon", image_url)
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.steps: list[Step] = []
        self._clock = clock
        self._began = 0.0

    def see(self, view: View) -> None:
        """Note that a view is shown from now on."""
        now = self._clock()
        if not self.steps:
            self._began = now
            self.steps.append(Step(0.0, view))
        elif view != self.steps[-1].view:
            # A coarse clock may stand still; times of a session rise.
            at = max(round(now - self._began, 6), nextafter(self.steps[-1].at, inf))
            self.steps.append(Step(at, view))

    def session(self, title: str, image: str = "") -> Session:
        """Make a session of what was seen so far.

        Parameters
        ----------
        title : str
        image : str
            URL or path; kept without user name, password, query and fragment, a path in full.

        Raises
        ------
        ViewError
            If nothing was seen.
        """
        if not self.steps:
            raise ViewError("nothing was shown that could be recorded", image)
        where = str(Path(image).resolve()) if image and Path(image).exists() else redact(image)
        return Session(title, self.steps[0].view.canvas, tuple(self.steps), where)
