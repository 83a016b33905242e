"""Which part of a world a host shows: a range, a point and margins for each axis, and which axes are displayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import floor, isfinite, ulp
from typing import Any, TypeVar

from brickstream.errors import ViewError
from brickstream.multiscale import framing, plain
from brickstream.multiscale.camera import Camera
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.units import conversion
from brickstream.multiscale.view import HasPyramid, View

# A billionth of a step is taken for float noise.
NOISE = 1e-9
T = TypeVar("T")


@dataclass(frozen=True)
class DimsAxis:
    """One axis of a world, as a slider has it.

    Attributes
    ----------
    name : str
    start, stop : float
        World positions of the first and the last step, both inclusive: of the first and last pixel's centre. ``start``
        is the smaller one, also where an image is flipped.
    step : float
        World units from one step to the next; above zero.
    point : float
        World position of the slice; from `start` to `stop`, not only at steps. A displayed axis keeps its own for the
        time when it is no longer displayed.
    below, above : float
        How far a thick slice reaches below and above the point, in world units.
    unit : str or None

    Raises
    ------
    ViewError
        If a number is not finite, the stop is before the start, the step is not above zero, the point is outside the
        range, or a margin is below zero.
    """

    name: str
    start: float
    stop: float
    step: float
    point: float
    below: float = 0.0
    above: float = 0.0
    unit: str | None = None

    def __post_init__(self) -> None:
        texts: tuple[object, object] = (self.name, self.unit or "")
        if not all(isinstance(text, str) for text in texts):
            raise ViewError("names are texts", f"{self.name!r}, unit {self.unit!r}")
        for field in ("start", "stop", "step", "point", "below", "above"):
            value = plain.number(getattr(self, field), f"{self.name} {field}")
            if not abs(value) <= plain.LARGEST:
                raise ViewError("the numbers of an axis are finite", f"{self.name}: {field}={value}")
            object.__setattr__(self, field, value)
        if self.stop < self.start:
            raise ViewError("a range runs upwards", f"{self.name}: from {self.start:g} to {self.stop:g}")
        if not (self.step > 0 and isfinite((self.stop - self.start) / self.step)):
            raise ViewError("steps are longer than zero", f"{self.name}: step={self.step:g}")
        if not self.start <= self.point <= self.stop:
            where = f"{self.name}={self.point:g}, from {self.start:g} to {self.stop:g}"
            raise ViewError("the point lies outside its range", where)
        if self.below < 0 or self.above < 0:
            raise ViewError("margins are not below zero", f"{self.name}: {self.below:g} and {self.above:g}")

    @property
    def nsteps(self) -> int:
        """Number of steps, at least 1."""
        return floor((self.stop - self.start) / self.step + self._noise) + 1

    @property
    def current_step(self) -> int:
        """The step that the point is nearest to, from 0; half-way between two, the upper one."""
        return min(floor((self.point - self.start) / self.step + 0.5 + self._noise), self.nsteps - 1)

    @property
    def _noise(self) -> float:
        """How far off a number of steps may be: far from the origin float64 tells less apart."""
        return max(NOISE, min(8 * ulp(max(-self.start, self.stop, 0.0)) / self.step, 0.25))

    @property
    def thickness(self) -> float:
        """World units that a thick slice takes."""
        return self.below + self.above

    def at(self, point: float) -> DimsAxis:
        """Go to a world position, or to the end of the range that is nearest to it.

        Raises
        ------
        ViewError
            If the position is not a number.
        """
        point = plain.number(point, self.name)
        return replace(self, point=point if point != point else min(max(point, self.start), self.stop))

    def at_step(self, step: int) -> DimsAxis:
        """Go to a step, or to the first or last one.

        Raises
        ------
        ViewError
            If the step is not a whole number.
        """
        return self.at(self.start + self.step * min(max(plain.whole(step, self.name), 0), self.nsteps - 1))

    def like(self, other: DimsAxis) -> DimsAxis:
        """With the point and margins of another one, in this one's unit and range.

        Raises
        ------
        TransformError
            If one unit cannot be turned into the other.
        """
        factor = conversion(other.unit, self.unit)
        return replace(self.at(other.point * factor), below=other.below * factor, above=other.above * factor)


@dataclass(frozen=True)
class Dims:
    """What of the axes of a world is shown; a value, whose methods give a new one.

    Make one with :meth:`of`.

    Attributes
    ----------
    axes : tuple of DimsAxis
        In the order of the world.
    order : tuple of str
        Names of all axes; the last `ndisplay` of them are displayed. Of a plane the last one runs to the right, the
        one before it down; of a volume the last three are z, y, x of the scene.
    ndisplay : int
        1 for a line, 2 for a plane, 3 for a volume.

    Raises
    ------
    ViewError
        If names repeat, the order has other axes, or other than 1 to 3 of them are displayed.
    """

    axes: tuple[DimsAxis, ...]
    order: tuple[str, ...]
    ndisplay: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(self.axes))
        object.__setattr__(self, "order", plain.names(self.order, "an order"))
        object.__setattr__(self, "ndisplay", plain.whole(self.ndisplay, "ndisplay"))
        if len(set(self.names)) != len(self.names):
            raise ViewError("the axes of a world have different names", ", ".join(self.names))
        if sorted(self.order) != sorted(self.names):
            raise ViewError("an order names every axis once", ", ".join(self.order), f"of {', '.join(self.names)}")
        if not 1 <= self.ndisplay <= min(3, len(self.axes)):
            raise ViewError(f"{self.ndisplay} axes cannot be displayed", f"of {', '.join(self.names)}", "1, 2 or 3 can")

    @classmethod
    def of(cls, image: HasPyramid | Pyramid, ndisplay: int | None = None) -> Dims:
        """Take the axes of an image, or of a world of several images.

        The steps are the pixels of level 0; along an axis of the world that the pixels of a rotated image do not run
        along, the longest steps that pass over no pixel. The points are the middle (space) or the first pixel (others).
        Axes of space come last in the order.

        Parameters
        ----------
        image : image, World or Pyramid
        ndisplay : int, optional
            Default 2, or 1 where there is but one axis.

        Raises
        ------
        ViewError
            If so many axes cannot be displayed.
        """
        pyramid = image if isinstance(image, Pyramid) else image.pyramid
        point = dict(framing.point_of(pyramid, (), None))
        axes = []
        for i, axis in enumerate(pyramid.axes):
            start, step, count = framing.steps_of(pyramid, i)
            low, high = sorted((start, start + step * (count - 1)))
            at = min(max(point[axis.name], low), high)
            axes.append(DimsAxis(axis.name, low, high, abs(step), at, unit=axis.unit))
        order = sorted(pyramid.axes, key=lambda axis: axis.type == "space")
        return cls(tuple(axes), tuple(axis.name for axis in order), ndisplay or min(2, len(axes)))

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes, in the order of the world."""
        return tuple(axis.name for axis in self.axes)

    @property
    def displayed(self) -> tuple[str, ...]:
        """Names of the displayed axes, in the order in which they are shown."""
        return self.order[len(self.order) - self.ndisplay :]

    @property
    def not_displayed(self) -> tuple[str, ...]:
        """Names of the other axes."""
        return self.order[: len(self.order) - self.ndisplay]

    @property
    def range(self) -> dict[str, tuple[float, float, float]]:
        """First and last position, both inclusive, and step, by name."""
        return {axis.name: (axis.start, axis.stop, axis.step) for axis in self.axes}

    @property
    def point(self) -> dict[str, float]:
        """World position on every axis, by name."""
        return {axis.name: axis.point for axis in self.axes}

    @property
    def margins(self) -> dict[str, tuple[float, float]]:
        """Margins below and above the point, in world units, by name."""
        return {axis.name: (axis.below, axis.above) for axis in self.axes}

    @property
    def thickness(self) -> dict[str, float]:
        """World units that a thick slice takes, by name."""
        return {axis.name: axis.thickness for axis in self.axes}

    @property
    def current_step(self) -> dict[str, int]:
        """The step that the point is nearest to, by name."""
        return {axis.name: axis.current_step for axis in self.axes}

    @property
    def nsteps(self) -> dict[str, int]:
        """Number of steps, by name."""
        return {axis.name: axis.nsteps for axis in self.axes}

    def axis(self, name: str) -> DimsAxis:
        """One axis by name.

        Raises
        ------
        ViewError
            If there is no such axis.
        """
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise ViewError(f"no axis {name!r}", "", f"the axes are {', '.join(self.names)}")

    # -- the slice -------------------------------------------------------------------------------------------------

    def with_point(self, axis: str | Mapping[str, float], position: float | None = None) -> Dims:
        """Go to world positions, each clipped to its range.

        Parameters
        ----------
        axis : str, or mapping of str to float
            One axis, or positions by name.
        position : float, optional
            Where `axis` is a name.

        Raises
        ------
        ViewError
            If there is no such axis, or a position is not a number.
        """
        return self._put(*(self.axis(name).at(value) for name, value in _pairs(axis, position)))

    def with_step(self, axis: str | Mapping[str, int], step: int | None = None) -> Dims:
        """Go to steps, counted from 0, each clipped to those there are; parameters as for :meth:`with_point`."""
        return self._put(*(self.axis(name).at_step(value) for name, value in _pairs(axis, step)))

    def move(self, axis: str, steps: int) -> Dims:
        """Go so many steps on from the present one, as far as the range goes; negative ones back."""
        return self.with_step(axis, self.axis(axis).current_step + steps)

    def with_margins(
        self,
        axis: str | Mapping[str, float | tuple[float, float]],
        margins: float | tuple[float, float] | None = None,
    ) -> Dims:
        """Let slices reach below and above their points; one number counts for both.

        Raises
        ------
        ViewError
            If there is no such axis, or a margin is below zero or not finite.
        """
        pairs = plain.margins_of(dict(_pairs(axis, margins)))
        return self._put(*(replace(self.axis(name), below=low, above=high) for name, (low, high) in pairs))

    def with_thickness(self, axis: str | Mapping[str, float], thickness: float | None = None) -> Dims:
        """Make slices so many world units thick, half of it on each side of the point."""
        return self.with_margins({name: plain.number(value, name) / 2 for name, value in _pairs(axis, thickness)})

    # -- what is displayed -----------------------------------------------------------------------------------------

    def with_ndisplay(self, ndisplay: int) -> Dims:
        """Display so many axes, the last of the order."""
        return replace(self, ndisplay=ndisplay)

    def with_order(self, *names: str) -> Dims:
        """Put the axes in an order; those that are not named stay in front, in the order they have."""
        return replace(self, order=(*(name for name in self.order if name not in names), *names))

    def with_displayed(self, *names: str) -> Dims:
        """Display these axes, in this order."""
        return replace(self.with_order(*names), ndisplay=len(names))

    def transpose(self) -> Dims:
        """Exchange the last two displayed axes; a line stays as it is."""
        return self if self.ndisplay < 2 else self.swap(*self.order[-2:])

    def swap(self, one: str, other: str) -> Dims:
        """Exchange two axes in the order."""
        exchanged = {self.axis(one).name: other, self.axis(other).name: one}
        return replace(self, order=tuple(exchanged.get(name, name) for name in self.order))

    def roll(self, steps: int = 1) -> Dims:
        """Bring the last axes of the order to its front, so many of them."""
        steps %= len(self.order)
        return replace(self, order=(*self.order[len(self.order) - steps :], *self.order[: len(self.order) - steps]))

    # -- axes ------------------------------------------------------------------------------------------------------

    def with_range(self, axis: str, start: float, stop: float, step: float | None = None) -> Dims:
        """Give an axis another range, both ends inclusive; its point is clipped to it."""
        old = self.axis(axis)
        point = min(max(old.point, plain.number(start)), plain.number(stop))
        return self._put(replace(old, start=start, stop=stop, step=old.step if step is None else step, point=point))

    def with_axes(self, *axes: DimsAxis) -> Dims:
        """Add axes, or replace those of the same name; the others keep what they have.

        New ones come first, in the world and in the order, so that what is displayed stays so.
        """
        new = tuple(axis for axis in axes if axis.name not in self.names)
        old = {axis.name: axis for axis in axes}
        kept = tuple(old.get(axis.name, axis) for axis in self.axes)
        return replace(self, axes=(*new, *kept), order=(*(axis.name for axis in new), *self.order))

    def without(self, *names: str) -> Dims:
        """Take axes away; the others keep what they have. Fewer are displayed where too few are left.

        Raises
        ------
        ViewError
            If there is no such axis, or none is left.
        """
        gone = {self.axis(name).name for name in names}
        axes = tuple(axis for axis in self.axes if axis.name not in gone)
        order = tuple(name for name in self.order if name not in gone)
        return replace(self, axes=axes, order=order, ndisplay=min(self.ndisplay, len(axes)))

    def moved_to(self, other: Dims) -> Dims:
        """Have the axes and ranges of another one, with these points, margins and order on the axes that both have.

        What a host needs where images come and go: ``dims.moved_to(Dims.of(world))``.

        Raises
        ------
        TransformError
            If an axis has units in the two that cannot be turned into each other.
        """
        kept = {axis.name: axis for axis in self.axes}
        axes = tuple(axis.like(kept[axis.name]) if axis.name in kept else axis for axis in other.axes)
        common = [name for name in self.order if name in other.names]
        order = (*(name for name in other.order if name not in kept), *common)
        return Dims(axes, order, min(self.ndisplay, len(axes)))

    # -- views and plain values ------------------------------------------------------------------------------------

    def view(
        self,
        image: HasPyramid | Pyramid,
        canvas: tuple[int, int] = (800, 600),
        *,
        center: Sequence[float] | Mapping[str, float] | None = None,
        zoom: float | None = None,
        camera: Camera | None = None,
        projection: str = "mean",
        level: int | None = None,
        bias: float = 0.0,
        pixel_ratio: float = 1.0,
    ) -> View:
        """Make the line, plane or volume that these dims show.

        Parameters
        ----------
        image : image, World or Pyramid
            What the default centre and zoom are taken from: all of it fits the canvas. It may lack axes that are not
            displayed.
        canvas : tuple of (int, int), default (800, 600)
            Width and height in physical pixels; of a line only the width counts.
        center, zoom, camera, projection, level, bias, pixel_ratio
            As for :meth:`View.plane` and :meth:`View.volume`.

        Raises
        ------
        ViewError
            If the image lacks a displayed axis, a camera is given for other than a volume, or a number is not usable.
        """
        pyramid = image if isinstance(image, Pyramid) else image.pyramid
        width, height = plain.canvas_of(canvas)
        canvas = (width, 1) if self.ndisplay == 1 else (width, height)
        size = framing.size_of(pyramid, self.displayed)
        if self.ndisplay == 3:
            camera = camera or Camera()
            fit = framing.fit_volume(camera, size, canvas)
        else:
            fit = framing.fit_plane(size, canvas)
        hidden = [self.axis(name) for name in self.not_displayed]
        return View(
            self.displayed,
            tuple((axis.name, axis.point) for axis in hidden),
            canvas,
            framing.center_of(pyramid, self.displayed, center),
            fit if zoom is None else zoom,
            camera,
            framing.level_of(pyramid, level),
            margins=tuple((axis.name, (axis.below, axis.above)) for axis in hidden if axis.thickness),
            projection=projection,
            bias=bias,
            pixel_ratio=pixel_ratio,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_dict` makes the same dims of them."""
        return {"axes": [asdict(axis) for axis in self.axes], "order": list(self.order), "ndisplay": self.ndisplay}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Dims:
        """Make dims of what :meth:`to_dict` gives.

        Raises
        ------
        ViewError
            If a key is unknown or missing, or a value is not usable.
        """
        plain.check_keys(value, cls, "a value of Dims")
        if not isinstance(value["axes"], list | tuple):
            raise ViewError("axes is a list", f"of type {type(value['axes']).__name__}")
        for axis in value["axes"]:
            plain.check_keys(axis, DimsAxis, "an axis")
        return cls(**{**value, "axes": tuple(DimsAxis(**axis) for axis in value["axes"])})

    def _put(self, *axes: DimsAxis) -> Dims:
        """With other values for axes that are there."""
        new = {axis.name: axis for axis in axes}
        return replace(self, axes=tuple(new.get(axis.name, axis) for axis in self.axes))


def _pairs(axis: str | Mapping[str, T], value: T | None) -> list[tuple[str, T]]:
    """What a method was given, by axis: a name and a value, or values by name."""
    if isinstance(axis, str):
        if value is None:
            raise ViewError(f"no value for axis {axis!r}")
        return [(axis, value)]
    if value is not None:
        raise ViewError("values by name, or one name and one value", f"{value!r} beside {dict(axis)!r}")
    return list(axis.items())
