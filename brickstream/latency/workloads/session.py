"""A session: which views somebody looked at, and when. A value, and the file that it is kept in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

from brickstream.errors import ViewError
from brickstream.latency.workloads import documents
from brickstream.multiscale import View, plain
from brickstream.multiscale.navigate import refit

FORMAT, VERSION = "brickstream-session", 1
KEYS = ("format", "version", "title", "canvas", "image", "playback", "steps")
NEEDED = ("format", "version", "canvas", "steps")


@dataclass(frozen=True)
class Step:
    """A view, and when it is looked at.

    Attributes
    ----------
    at : float
        Seconds since the session began.
    view : View
        In world coordinates of the session's image.
    """

    at: float
    view: View

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", plain.number(self.at, "a time"))


@dataclass(frozen=True)
class Session:
    """Views one after the other; each is looked at until the next one, the last until it is complete.

    Attributes
    ----------
    title : str
        What it is, for people.
    canvas : tuple of (int, int)
        Width and height in physical pixels of the canvas that it begins on. Whoever recorded it may have changed that;
        see :meth:`on_canvas`.
    steps : tuple of Step
        At least one, in rising order, the first at 0 seconds.
    image : str
        URL or path of the image that it was recorded on, without what is secret in it; may be empty.
    playback : bool
        Whether the views are the frames of a film: one that is not there in time is dropped.

    Raises
    ------
    ViewError
        If there are no steps, or their times do not rise from 0.
    """

    title: str
    canvas: tuple[int, int]
    steps: tuple[Step, ...]
    image: str = ""
    playback: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "canvas", plain.canvas_of(self.canvas))
        times = [step.at for step in self.steps]
        if not times or times[0] != 0:
            raise ViewError("a session begins with a view at 0 seconds", "steps[0].at", f"found {times[:1]}")
        for number, (one, other) in enumerate(pairwise(times), 1):
            if not one < other < inf:
                raise ViewError("the times of a session rise", f"steps[{number}].at", f"{other} s comes after {one} s")

    @property
    def seconds(self) -> float:
        """When the last view is shown."""
        return self.steps[-1].at

    def on_canvas(self, width: int, height: int) -> Session:
        """Show the same world on a canvas of one size; see :func:`~brickstream.multiscale.navigate.refit`."""
        steps = tuple(
            step if step.view.canvas == (width, height) else replace(step, view=refit(step.view, width, height))
            for step in self.steps
        )
        return replace(self, canvas=(width, height), steps=steps)


def write_session(path: str | Path, session: Session) -> None:
    """Write a session as JSON, one line for each step; the file is there wholly or not at all.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    head = {
        "format": FORMAT,
        "version": VERSION,
        "title": session.title,
        "canvas": session.canvas,
        "image": session.image,
        "playback": session.playback,
    }
    documents.write_text(
        path,
        documents.lines_of(head, "steps", ({"at": step.at, "view": step.view.to_dict()} for step in session.steps)),
    )


def read_session(path: str | Path) -> Session:
    """Read a session that :func:`write_session` wrote.

    Raises
    ------
    StoreError
        If the file cannot be read.
    ViewError
        If it is no session; with the place in it.
    """
    return session_of(documents.read_json(path), str(path))


def session_of(document: Any, where: str = "session") -> Session:
    """Make a session of plain values.

    Raises
    ------
    ViewError
        If they are none; with the place in them.
    """
    documents.check_format(document, where, FORMAT, VERSION)
    documents.check_keys(document, where, KEYS, NEEDED)
    if not isinstance(document["steps"], list):
        raise ViewError("the steps of a session are a list", f"{where}: steps")
    steps = tuple(_step_of(entry, f"{where}: steps[{number}]") for number, entry in enumerate(document["steps"]))
    with documents.at_place(where):
        return Session(
            title=documents.value(document, "title", ""),
            canvas=document["canvas"],
            steps=steps,
            image=documents.value(document, "image", ""),
            playback=documents.value(document, "playback", False),
        )


def _step_of(entry: Any, where: str) -> Step:
    documents.check_keys(entry, where, ("at", "view"), ("at", "view"))
    with documents.at_place(f"{where}.view"):
        view = View.from_dict(entry["view"])
    with documents.at_place(f"{where}.at"):
        return Step(entry["at"], view)
