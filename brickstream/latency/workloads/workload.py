"""A workload: a session of any image, as a small document of places and times. Pure, but for reading the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from math import exp, floor, log
from pathlib import Path
from random import Random
from typing import Any

from brickstream.errors import ViewError
from brickstream.latency.workloads import documents
from brickstream.latency.workloads.places import Place, Stage, stage_of
from brickstream.latency.workloads.session import Session, Step
from brickstream.multiscale import Camera, Pyramid, View, plain
from brickstream.multiscale.between import between
from brickstream.multiscale.view import HasPyramid

FORMAT, VERSION = "brickstream-workload", 1
HEAD = ("format", "version", "title", "canvas", "ndisplay", "axes", "playback", "rate")
NEEDED = ("format", "version", "title", "canvas", "ndisplay")
PLACE = tuple(field.name for field in fields(Place))
# Places of a jump keep away from the ends of the image by this share of it.
MARGIN = 0.15


@dataclass(frozen=True)
class Workload:
    """Places to look at, at their times.

    Attributes
    ----------
    title : str
        What it is, for people.
    canvas : tuple of (int, int)
        Width and height in physical pixels.
    ndisplay : {2, 3}
        Planes or volumes.
    places : tuple of (float, Place)
        Seconds since it began, rising from 0, and where to look then.
    rate : float or None
        Views a second, on the way from each place to the next; None jumps.
    axes : tuple of str
        Names of the axes that it may move along: the first that an image has, does not display and that has several
        steps.
    playback : bool
        Whether the views are the frames of a film.
    """

    title: str
    canvas: tuple[int, int]
    ndisplay: int
    places: tuple[tuple[float, Place], ...]
    rate: float | None = None
    axes: tuple[str, ...] = ()
    playback: bool = False

    def __post_init__(self) -> None:
        if self.ndisplay not in (2, 3):
            raise ViewError("a workload displays 2 or 3 axes", f"ndisplay={self.ndisplay}")
        times = [at for at, _ in self.places]
        if not times or times[0] != 0 or not all(one < other for one, other in pairwise(times)):
            raise ViewError("the times of a workload rise from 0", f"at={times}"[:120])
        if self.rate is not None and not self.rate > 0:
            raise ViewError("the rate is above zero", f"rate={self.rate}")

    def session(self, image: HasPyramid | Pyramid) -> Session:
        """Make the session of an image: always the same of the same image.

        Raises
        ------
        ViewError
            If the image cannot be looked at in this way: it has no third axis, or none to move along.
        """
        pyramid = image if isinstance(image, Pyramid) else image.pyramid
        stage = stage_of(pyramid, self.canvas, self.ndisplay, self.axes)
        steps: list[Step] = []
        for at, view in self._views(stage):
            if not steps or view != steps[-1].view:
                steps.append(Step(at, view))
        return Session(self.title, self.canvas, tuple(steps), playback=self.playback)

    def _views(self, stage: Stage) -> Iterator[tuple[float, View]]:
        """Every view with its time; some may be like the one before."""
        keys = [(at, stage.view(place)) for at, place in self.places]
        if self.rate is None or len(keys) == 1:
            yield from keys
            return
        for number in range(floor(self.rate * keys[-1][0] + 1e-9) + 1):
            at = number / self.rate
            for (one, first), (other, last) in pairwise(keys):
                if at <= other + 1e-9:
                    yield at, stage.snapped(between(first, last, (at - one) / (other - one)))
                    break


def workload_of(session: Session, image: HasPyramid | Pyramid, axes: tuple[str, ...] = ("z", "t")) -> Workload:
    """Say where a session looked in words that hold for any image, with numbers of six digits.

    Raises
    ------
    ViewError
        If it showed other axes than usual, planes and volumes by turns, cuts or thick slices.
    """
    pyramid = image if isinstance(image, Pyramid) else image.pyramid
    ndisplay = session.steps[0].view.ndisplay
    stage = stage_of(pyramid, session.canvas, ndisplay, axes)
    session = session.on_canvas(*session.canvas)
    places = tuple((round(step.at, 6), _rounded(stage.place(step.view))) for step in session.steps)
    axis = () if stage.axis is None else (stage.axis,)
    return Workload(session.title, session.canvas, ndisplay, places, None, axis, session.playback)


def _rounded(place: Place) -> Place:
    """A place whose document can be read by people."""
    center = tuple(round(share, 6) for share in place.center)
    along = None if place.along is None else round(place.along, 6)
    return replace(place, center=center, zoom=float(f"{place.zoom:.6g}"), along=along)


def write_workload(path: str | Path, workload: Workload) -> None:
    """Write a workload as JSON, one line for each place.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    head = {"format": FORMAT, "version": VERSION}
    head |= {name: getattr(workload, name) for name in HEAD[2:]}
    documents.write_text(path, documents.lines_of(head, "places", _entries(workload)))


def read_workload(path: str | Path) -> Workload:
    """Read a workload.

    Raises
    ------
    StoreError
        If the file cannot be read.
    ViewError
        If it is none; with the place in it.
    """
    return workload_from(documents.read_json(path), str(path))


def workload_from(document: Any, where: str = "workload") -> Workload:
    """Make a workload of plain values.

    Raises
    ------
    ViewError
        If they are none; with the place in them.
    """
    documents.check_format(document, where, FORMAT, VERSION)
    documents.check_keys(document, where, (*HEAD, *_PLACES), NEEDED)
    kinds = [name for name in _PLACES if name in document]
    if len(kinds) != 1:
        raise ViewError(f"a workload has one of {', '.join(_PLACES)}", where, f"found {', '.join(kinds) or 'none'}")
    with documents.at_place(where):
        ndisplay = plain.whole(document["ndisplay"], "ndisplay")
        places = _PLACES[kinds[0]](document[kinds[0]], ndisplay, kinds[0])
        rate = document.get("rate")
        return Workload(
            documents.value(document, "title", ""),
            plain.canvas_of(document["canvas"]),
            ndisplay,
            places,
            None if rate is None else plain.number(rate, "the rate"),
            plain.names(document.get("axes", ()), "axes"),
            documents.value(document, "playback", False),
        )


Places = tuple[tuple[float, Place], ...]


def _keyframes(entries: Any, ndisplay: int, where: str) -> Places:
    """Places that are written out; each says what differs from the one before."""
    if not isinstance(entries, list):
        raise ViewError("places are a list", where)
    place, places = Place((0.5,) * ndisplay), []
    for number, entry in enumerate(entries):
        spot = f"{where}[{number}]"
        documents.check_keys(entry, spot, ("at", *PLACE), ("at",))
        with documents.at_place(spot):
            place = _changed(place, {name: value for name, value in entry.items() if name != "at"})
            places.append((plain.number(entry["at"], "a time"), place))
    return tuple(places)


def _changed(place: Place, values: Mapping[str, Any]) -> Place:
    """A place with what an entry says."""
    changes: dict[str, Any] = dict(values)
    if "zoom" in changes:
        changes = {"pixels": None, **changes}
    if "center" in changes:
        changes["center"] = plain.numbers(changes["center"], "center")
    if changes.get("camera") is not None:
        before = Camera() if place.camera is None else place.camera
        changes["camera"] = Camera.from_dict({**before.to_dict(), **changes["camera"]})
    return replace(place, **changes)


def _jumps(how: Any, ndisplay: int, where: str) -> Places:
    """Places that are chosen at random, of a seed: as many, each after so many seconds, at zooms between two."""
    documents.check_keys(how, where, ("seed", "count", "every", "zoom"), ("seed", "count", "every", "zoom"))
    with documents.at_place(where):
        dice, (least, most) = Random(int(how["seed"])), plain.numbers(how["zoom"], "zoom")
        places = []
        for number in range(plain.whole(how["count"], "count")):
            center = tuple(dice.uniform(MARGIN, 1 - MARGIN) for _ in range(ndisplay))
            zoom = exp(dice.uniform(log(least), log(most)))
            places.append((number * plain.number(how["every"], "every"), Place(center, zoom)))
        return tuple(places)


def _frames(how: Any, ndisplay: int, where: str) -> Places:
    """The pixels of the axis one after the other, so many a second, round to the first one."""
    documents.check_keys(how, where, ("count", "fps", *PLACE), ("count", "fps"))
    with documents.at_place(where):
        place = _changed(Place((0.5,) * ndisplay), {name: how[name] for name in PLACE if name in how})
        fps = plain.number(how["fps"], "fps")
        return tuple((k / fps, replace(place, step=k)) for k in range(plain.whole(how["count"], "count")))


_PLACES: dict[str, Callable[[Any, int, str], Places]] = {"places": _keyframes, "jumps": _jumps, "frames": _frames}


def _entries(workload: Workload) -> Iterator[dict[str, Any]]:
    """What a document says of places: of each what differs from the one before."""
    before = Place((0.5,) * workload.ndisplay)
    for at, place in workload.places:
        changes = {name: getattr(place, name) for name in PLACE if getattr(place, name) != getattr(before, name)}
        if place.camera is not None and "camera" in changes:
            changes["camera"] = place.camera.to_dict()
        yield {"at": at, **changes}
        before = place
