"""Where to look, relative to an image: the same words mean the like on every image. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale import Camera, Pyramid, View, framing
from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.navigate import move_point

FINEST, COARSEST = "finest", "coarsest"


@dataclass(frozen=True)
class Place:
    """A view of any image.

    Attributes
    ----------
    center : tuple of float
        Of the middle of the canvas, along each displayed axis: 0 and 1 are the ends of the image.
    zoom : float
        1 where all of the image just fits the canvas (a volume: as it is seen by the camera that is the default).
    pixels : float or None
        In place of `zoom`: canvas pixels along a pixel of the level `of`.
    of : {"finest", "coarsest"}
    along : float or None
        On the axis that is moved along: 0 is its first pixel, 1 its last. None is where views begin.
    step : int or None
        In place of `along`: the number of the pixel. Beyond the last one it goes on at the first.
    camera : Camera or None
        Of volumes.
    """

    center: tuple[float, ...]
    zoom: float = 1.0
    pixels: float | None = None
    of: str = FINEST
    along: float | None = None
    step: int | None = None
    camera: Camera | None = None

    def __post_init__(self) -> None:
        if self.of not in (FINEST, COARSEST):
            raise ViewError(f"no level {self.of!r}", "of", f"it is {FINEST} or {COARSEST}")
        if not all(size > 0 for size in (self.zoom, self.pixels or 1.0)):
            raise ViewError("zoom and pixels are above zero", f"zoom={self.zoom}, pixels={self.pixels}")


@dataclass(frozen=True)
class Stage:
    """An image, how it is looked at, and the axis that is moved along.

    Attributes
    ----------
    pyramid : Pyramid
    canvas : tuple of (int, int)
        Width and height in physical pixels.
    ndisplay : {2, 3}
    axis : str or None
        Not displayed; None where the image has none of those that were looked for.
    """

    pyramid: Pyramid
    canvas: tuple[int, int]
    ndisplay: int
    axis: str | None = None

    def view(self, place: Place) -> View:
        """Make the view of a place.

        Raises
        ------
        ViewError
            If the image has no such view: too few axes, or none to move along.
        """
        whole = self._whole()
        low, high = self._ends(whole)
        if len(place.center) != len(low):
            raise ViewError("a place has one number for each displayed axis", f"center={place.center}")
        center = tuple((low + np.array(place.center) * (high - low)).tolist())
        zoom = whole.zoom * place.zoom if place.pixels is None else place.pixels / self._pixel(whole, place.of)
        view = replace(whole, center=center, zoom=zoom, camera=whole.camera and (place.camera or whole.camera))
        position = self._position(place)
        return view if position is None or self.axis is None else move_point(view, self.axis, position)

    def place(self, view: View) -> Place:
        """Find the place of a view: what :meth:`view` makes the same view of.

        Raises
        ------
        ViewError
            If the view shows other axes, or something that a place does not say.
        """
        whole, along = self._whole(), None
        if view.displayed != whole.displayed or view.ndisplay != whole.ndisplay:
            raise _beyond(view)
        like = replace(whole, center=view.center, zoom=view.zoom, camera=view.camera)
        if self.axis is not None:
            position = dict(view.point)[self.axis]
            start, step, count = self._steps(self.axis)
            along = (position - start) / (step * (count - 1))
            like = move_point(like, self.axis, position)
        if view != like:
            raise _beyond(view)
        low, high = self._ends(whole)
        shares = (np.array(view.center) - low) / (high - low)
        return Place(tuple(shares.tolist()), view.zoom / whole.zoom, along=along, camera=view.camera)

    def snapped(self, view: View) -> View:
        """Move a view to the centre of the nearest pixel on the axis that is moved along."""
        if self.axis is None:
            return view
        start, step, count = self._steps(self.axis)
        number = min(max(round((dict(view.point)[self.axis] - start) / step), 0), count - 1)
        return move_point(view, self.axis, start + number * step)

    def _whole(self) -> View:
        """All of the image, as large as the canvas allows."""
        return (View.plane if self.ndisplay == 2 else View.volume)(self.pyramid, canvas=self.canvas)

    def _steps(self, axis: str) -> tuple[float, float, int]:
        """First position, step and count of what there is to see along an axis."""
        return framing.steps_of(self.pyramid, self.pyramid.axis_index(axis))

    def _ends(self, whole: View) -> FloatArray:
        """Where the image begins and ends along the displayed axes: of shape (2, n)."""
        return framing.extent_of(self.pyramid)[:, [self.pyramid.axis_index(name) for name in whole.displayed]]

    def _pixel(self, whole: View, of: str) -> float:
        """World units along a pixel of the finest or coarsest level, on the axis that runs to the right."""
        axis = self.pyramid.axis_index(whole.displayed[-1])
        source = framing.source_of(self.pyramid, axis)
        scales = self.pyramid.scales[:, axis if source is None else source]
        _, step, _ = self._steps(whole.displayed[-1])
        return abs(step) * float(scales[-1 if of == COARSEST else 0] / scales[0])

    def _position(self, place: Place) -> float | None:
        """World position on the axis that is moved along; None where the place does not say."""
        if place.along is None and place.step is None:
            return None
        if self.axis is None:
            raise ViewError("the image has no axis to move along", self.pyramid.name)
        start, step, count = self._steps(self.axis)
        number = place.step % count if place.step is not None else round((place.along or 0.0) * (count - 1))
        return start + number * step


def stage_of(pyramid: Pyramid, canvas: tuple[int, int], ndisplay: int, axes: Sequence[str]) -> Stage:
    """Prepare to look at an image, moving along the first of `axes` that has several steps and is not displayed.

    Raises
    ------
    ViewError
        If the image has too few axes.
    """
    stage = Stage(pyramid, canvas, ndisplay)
    shown = {name for name, _ in stage.view(Place((0.5,) * ndisplay)).point}
    for name in axes:
        if name in shown and framing.steps_of(pyramid, pyramid.axis_index(name))[2] > 1:
            return replace(stage, axis=name)
    return stage


def _beyond(view: View) -> ViewError:
    return ViewError("a place says nothing of other axes, canvases, cuts and slices", ", ".join(view.displayed))
