"""What of the data is in view: a frozen value that holds everything a plan depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale import framing, plain
from brickstream.multiscale.affine import FloatArray
from brickstream.multiscale.camera import Camera, frustum
from brickstream.multiscale.pyramid import Pyramid
from brickstream.multiscale.region import Region, place_planes


class HasPyramid(Protocol):
    """Anything that shows its pyramid: an opened image, for example."""

    @property
    def pyramid(self) -> Pyramid:
        """The levels and axes."""


PROJECTIONS = ("mean", "max", "min", "sum")
MAX_CANVAS = 1 << 31
MAX_BIAS = 64.0


@dataclass(frozen=True)
class View:
    """A line, a plane, an oblique cut or a 3D camera on an image.

    Make one with :meth:`plane`, :meth:`oblique` or :meth:`volume`.

    Attributes
    ----------
    displayed : tuple of str
        Names of the displayed axes. Of a plane two, the last runs to the right on screen; of a volume three, the last
        is x of the scene; of a line one; of an oblique cut those that its directions are given in.
    point : tuple of (str, float)
        World position on each axis that is not displayed.
    canvas : tuple of (int, int)
        Width and height in physical pixels.
    center : tuple of float
        World position of the middle of the canvas, in the order of `displayed`.
    zoom : float
        Physical canvas pixels per world unit; in perspective, at the centre.
    camera : Camera or None
        None for lines, planes and cuts.
    level : int or None
        A level to use instead of the one that fills the canvas; None chooses.
    directions : tuple of (tuple of float, tuple of float) or None
        Of an oblique cut: the world directions, in the order of `displayed`, that run down and to the right on screen;
        orthonormal.
    margins : tuple of (str, (float, float))
        How far a thick slice reaches below and above the point, in world units, for axes that are not displayed.
    projection : {"mean", "max", "min", "sum"}
        What a thick slice shows of the planes inside its margins.
    bias : float
        Added to the level of detail, in octaves: 1 asks for two pixels along every canvas pixel, -1 for half a one.
    pixel_ratio : float
        Physical pixels for each logical pixel of the screen. The canvas and the zoom are physical already; hosts turn
        the positions of their pointer into physical pixels with it.
    part : tuple of (int, int, int, int) or None
        Left, top, width and height of what is in view of the canvas, in its pixels: a tile of a large picture.
        Everything else speaks of the whole canvas. None is all of it.
    """

    displayed: tuple[str, ...]
    point: tuple[tuple[str, float], ...]
    canvas: tuple[int, int]
    center: tuple[float, ...]
    zoom: float
    camera: Camera | None = field(default=None)
    level: int | None = None
    directions: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    margins: tuple[tuple[str, tuple[float, float]], ...] = ()
    projection: str = "mean"
    bias: float = 0.0
    pixel_ratio: float = 1.0
    part: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        for name, value in _plain_values(self).items():
            object.__setattr__(self, name, value)
        self._check_axes()
        self._check_numbers()
        self._check_margins()
        if self.directions is not None:
            _check_directions(self.directions, len(self.displayed))

    def _check_numbers(self) -> None:
        if not all(1 <= n <= MAX_CANVAS for n in self.canvas):
            where = f"{self.canvas[0]}x{self.canvas[1]}"
            raise ViewError(f"a canvas has from 1 to {MAX_CANVAS} pixels on each side", where)
        if not 1 / plain.LARGEST <= self.zoom <= plain.LARGEST:
            raise ViewError("the zoom must be finite and above zero", f"zoom={self.zoom}")
        left, top, width, height = self.drawn
        if min(left, top, width - 1, height - 1) < 0 or left + width > self.canvas[0] or top + height > self.canvas[1]:
            raise ViewError("a part lies within the canvas", f"part={self.part}, canvas={self.canvas}")
        if len(self.center) != len(self.displayed):
            raise ViewError("the centre has one number for each displayed axis", f"center={self.center}")
        far = max(map(abs, self.center))
        if not all(abs(v) <= plain.LARGEST for v in (far, *self.center, *(v for _, v in self.point))):
            raise ViewError("world positions must be finite", f"center={self.center}, point={dict(self.point)}")
        if not min(self.world_size[: self.ndisplay]) > framing.LOST * far:
            raise ViewError(
                "the canvas shows too little for its distance from the origin", f"center={self.center}, {self.zoom=}"
            )
        if not abs(self.bias) <= MAX_BIAS:
            raise ViewError("the bias must be finite, and no more than 64 octaves", f"bias={self.bias}")
        if not 0 < self.pixel_ratio <= plain.LARGEST:
            raise ViewError("the pixel ratio must be finite and above zero", f"pixel_ratio={self.pixel_ratio}")
        if self.level is not None and self.level < 0:
            raise ViewError(f"no level {self.level}", "", "level 0 is the finest")

    def _check_axes(self) -> None:
        count = len(self.displayed)
        if len(set(self.displayed)) != count or not count:
            raise ViewError("displayed axes are different", ", ".join(self.displayed))
        if not isinstance(self.camera, Camera | None):
            raise ViewError("a view's camera is a Camera", f"{self.camera!r}")
        if self.camera is not None and (count != 3 or self.directions is not None):
            raise ViewError("a camera displays three axes", ", ".join(self.displayed))
        if self.directions is not None and count < 2:
            raise ViewError("an oblique cut needs at least two axes", ", ".join(self.displayed))
        if self.camera is None and self.directions is None and count > 2:
            raise ViewError("one or two axes are displayed without a camera", ", ".join(self.displayed))
        named = [name for name, _ in self.point]
        if len(set(named)) != len(named) or set(named) & set(self.displayed):
            raise ViewError("every axis has one place in a view", f"displayed {self.displayed}, point {named}")

    def _check_margins(self) -> None:
        if self.projection not in PROJECTIONS:
            raise ViewError(f"no projection {self.projection!r}", "", f"the projections are {', '.join(PROJECTIONS)}")
        points = dict(self.point)
        if len(dict(self.margins)) != len(self.margins):
            raise ViewError("every axis has margins once", f"margins={self.margins}")
        for name, margins in self.margins:
            if name not in points:
                raise ViewError(f"margins on {name!r}, which has no point", f"points: {', '.join(points) or 'none'}")
            if not all(0 <= m <= plain.LARGEST for m in margins):
                raise ViewError("margins are finite and not below zero", f"{name}={margins}")

    @property
    def ndisplay(self) -> int:
        """1 for a line, 2 for a plane or a cut, 3 for a volume."""
        if self.camera is not None:
            return 3
        return 2 if self.directions is not None else len(self.displayed)

    @property
    def thick(self) -> bool:
        """Whether the slice has any thickness."""
        return any(low + high > 0 for _, (low, high) in self.margins)

    @property
    def world_size(self) -> tuple[float, float]:
        """Width and height of the canvas in world units (3D: at the centre)."""
        return self.canvas[0] / self.zoom, self.canvas[1] / self.zoom

    @property
    def drawn(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of what is in view of the canvas: its part, or all of it."""
        return self.part or (0, 0, *self.canvas)

    def sides(self) -> FloatArray:
        """Where the sides of what is in view lie.

        Returns
        -------
        ndarray of shape (2, 2), float64
            Left and top, right and bottom, in canvas pixels from its middle: x to the right, y down.
        """
        left, top, width, height = self.drawn
        return np.array([[left, top], [left + width, top + height]]) - np.array(self.canvas) / 2

    def frame(self) -> FloatArray:
        """World directions that run along the canvas: ndarray of shape (ndisplay, len(displayed)), float64.

        In the order of the picture's axes: down, then right; of a volume the displayed axes themselves.
        """
        if self.directions is not None:
            return np.array(self.directions, dtype=np.float64)
        return np.eye(len(self.displayed))

    def span(self) -> Region:
        """Field of view relative to the centre, along the directions of :meth:`frame`, in world units."""
        sides = self.sides()
        if self.camera is None:
            return Region(sides[:, ::-1][:, -self.ndisplay :] / self.zoom, None)
        scene = frustum(self.camera, np.zeros(3), *self.world_size, sides / (np.array(self.canvas) / 2))
        return Region(None, np.ascontiguousarray(scene[:, [2, 1, 0, 3]]))

    def region(self) -> Region:
        """Field of view in the world, in the order of the displayed axes.

        Of an oblique cut it is flat: two of its half-spaces touch.
        """
        center = np.array(self.center)
        span = self.span()
        if self.directions is None and span.box is not None:
            return Region(span.box + center, None)
        return Region(None, place_planes(span.to_planes(), self.frame().T, center))

    @classmethod
    def plane(
        cls,
        image: HasPyramid | Pyramid,
        displayed: Sequence[str] | None = None,
        point: Mapping[str, float] | None = None,
        canvas: tuple[int, int] = (800, 600),
        *,
        center: Sequence[float] | Mapping[str, float] | None = None,
        zoom: float | None = None,
        level: int | None = None,
        margins: Mapping[str, float | tuple[float, float]] | None = None,
        projection: str = "mean",
        bias: float = 0.0,
        pixel_ratio: float = 1.0,
    ) -> View:
        """View one plane of an image; without `center` and `zoom` the whole plane fits the canvas.

        Parameters
        ----------
        image : image or Pyramid
        displayed : sequence of two str, optional
            Vertical then horizontal axis; default the last two axes of space.
        point : mapping of str to float, optional
            World position on the other axes; default their middle (space) or start (anything else).
        canvas : tuple of (int, int), default (800, 600)
            Width and height in physical pixels.
        center : two floats, or mapping of str to float, optional
            World position of the middle of the canvas.
        zoom : float, optional
            Canvas pixels per world unit.
        level : int, optional
            Use this level instead of choosing one.
        margins : mapping of str to float or (float, float), optional
            How far a thick slice reaches below and above the point, in world units; one number counts for both.
        projection, bias, pixel_ratio
            As the attributes of :class:`View`.

        Raises
        ------
        ViewError
            If an axis is unknown, missing or named twice, or a number is not usable.
        """
        pyramid = _pyramid(image)
        axes = framing.displayed_axes(pyramid, displayed, 2)
        canvas, size = plain.canvas_of(canvas), framing.size_of(pyramid, axes)
        return cls(
            axes,
            framing.point_of(pyramid, axes, point),
            canvas,
            framing.center_of(pyramid, axes, center),
            zoom if zoom is not None else framing.fit_plane(size, canvas),
            None,
            framing.level_of(pyramid, level),
            margins=plain.margins_of(margins),
            projection=projection,
            bias=bias,
            pixel_ratio=pixel_ratio,
        )

    @classmethod
    def line(
        cls,
        image: HasPyramid | Pyramid,
        axis: str | None = None,
        point: Mapping[str, float] | None = None,
        length: int = 800,
        *,
        center: float | None = None,
        zoom: float | None = None,
        level: int | None = None,
        margins: Mapping[str, float | tuple[float, float]] | None = None,
        projection: str = "mean",
        bias: float = 0.0,
        pixel_ratio: float = 1.0,
    ) -> View:
        """View the values along one axis, as a profile `length` canvas pixels long.

        Parameters
        ----------
        image, point, zoom, level, margins, projection, bias, pixel_ratio
            As for :meth:`plane`.
        axis : str, optional
            Default the last axis of space.
        length : int, default 800
            Physical pixels.
        center : float, optional
            World position of the middle.

        Raises
        ------
        ViewError
            As for :meth:`plane`.
        """
        pyramid, (length, _) = _pyramid(image), plain.canvas_of((length, 1))
        axes = framing.displayed_axes(pyramid, None if axis is None else (axis,), 1)
        return cls(
            axes,
            framing.point_of(pyramid, axes, point),
            (length, 1),
            framing.center_of(pyramid, axes, None if center is None else (center,)),
            zoom if zoom is not None else framing.fit_plane(framing.size_of(pyramid, axes), (length, 1)),
            None,
            framing.level_of(pyramid, level),
            margins=plain.margins_of(margins),
            projection=projection,
            bias=bias,
            pixel_ratio=pixel_ratio,
        )

    @classmethod
    def oblique(
        cls,
        image: HasPyramid | Pyramid,
        directions: Sequence[Sequence[float]],
        axes: Sequence[str] | None = None,
        point: Mapping[str, float] | None = None,
        canvas: tuple[int, int] = (800, 600),
        *,
        center: Sequence[float] | Mapping[str, float] | None = None,
        zoom: float | None = None,
        level: int | None = None,
        margins: Mapping[str, float | tuple[float, float]] | None = None,
        projection: str = "mean",
        bias: float = 0.0,
        pixel_ratio: float = 1.0,
    ) -> View:
        """View any cut through a volume; without `center` through the middle, without `zoom` it fits the canvas.

        Parameters
        ----------
        image, point, canvas, level, margins, projection, bias, pixel_ratio
            As for :meth:`plane`.
        directions : two sequences of float
            World directions that run down and to the right on screen, in the order of `axes`. They are brought to
            length 1 and to a right angle: the second one gives way.
        axes : sequence of str, optional
            Axes that the directions are given in; default the last axes of space, as many as the directions have.
        center : sequence of float, or mapping of str to float, optional
            World position of the middle of the canvas, in the order of `axes`.
        zoom : float, optional
            Canvas pixels per world unit.

        Raises
        ------
        ViewError
            If an axis is unknown or named twice, the directions are parallel, or a number is not usable.
        """
        pyramid = _pyramid(image)
        canvas = plain.canvas_of(canvas)
        down, right = framing.right_angle(directions)
        names = framing.displayed_axes(pyramid, axes, len(down))
        size = np.abs(np.array([down, right])) @ framing.size_of(pyramid, names)
        return cls(
            names,
            framing.point_of(pyramid, names, point),
            canvas,
            framing.center_of(pyramid, names, center),
            zoom if zoom is not None else framing.fit_plane(size, canvas),
            None,
            framing.level_of(pyramid, level),
            directions=(down, right),
            margins=plain.margins_of(margins),
            projection=projection,
            bias=bias,
            pixel_ratio=pixel_ratio,
        )

    @classmethod
    def volume(
        cls,
        image: HasPyramid | Pyramid,
        displayed: Sequence[str] | None = None,
        point: Mapping[str, float] | None = None,
        canvas: tuple[int, int] = (800, 600),
        *,
        center: Sequence[float] | Mapping[str, float] | None = None,
        zoom: float | None = None,
        camera: Camera | None = None,
        level: int | None = None,
        margins: Mapping[str, float | tuple[float, float]] | None = None,
        projection: str = "mean",
        bias: float = 0.0,
        pixel_ratio: float = 1.0,
    ) -> View:
        """View an image with a 3D camera; without `center` and `zoom` the whole volume fits the canvas.

        Parameters
        ----------
        image, point, canvas, level, margins, projection, bias, pixel_ratio
            As for :meth:`plane`.
        displayed : sequence of three str, optional
            Axes that become z, y, x of the scene; default the last three axes of space.
        center : three floats, or mapping of str to float, optional
            World position that the camera turns around.
        zoom : float, optional
            Canvas pixels per world unit at the centre.
        camera : Camera, optional
            Default azimuth 30, elevation 30, orthographic.

        Raises
        ------
        ViewError
            As for :meth:`plane`; also where the image has fewer than three axes.
        """
        pyramid, canvas = _pyramid(image), plain.canvas_of(canvas)
        camera = camera or Camera()
        axes = framing.displayed_axes(pyramid, displayed, 3)
        return cls(
            axes,
            framing.point_of(pyramid, axes, point),
            canvas,
            framing.center_of(pyramid, axes, center),
            zoom if zoom is not None else framing.fit_volume(camera, framing.size_of(pyramid, axes), canvas),
            camera,
            framing.level_of(pyramid, level),
            margins=plain.margins_of(margins),
            projection=projection,
            bias=bias,
            pixel_ratio=pixel_ratio,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_dict` makes the same view of them."""
        value = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.camera is not None:
            value["camera"] = self.camera.to_dict()
        value["point"] = dict(self.point)
        value["margins"] = {name: list(reach) for name, reach in self.margins}
        for name in ("displayed", "canvas", "center"):
            value[name] = list(value[name])
        value["part"] = None if self.part is None else list(self.part)
        if self.directions is not None:
            value["directions"] = [list(direction) for direction in self.directions]
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> View:
        """Make a view of what :meth:`to_dict` gives; keys that are left out have their defaults.

        Raises
        ------
        ViewError
            If a key is unknown or missing, or a value is not usable.
        """
        plain.check_keys(value, cls, "a view")
        camera = value.get("camera")
        return cls(**{**value, "camera": None if camera is None else Camera.from_dict(camera)})


def _pyramid(image: HasPyramid | Pyramid) -> Pyramid:
    return image if isinstance(image, Pyramid) else image.pyramid


def _plain_values(view: View) -> dict[str, Any]:
    """The values of a view as plain tuples, texts, integers and floats: it is compared, hashed and written as JSON."""
    return {
        "displayed": plain.names(view.displayed, "displayed"),
        "point": plain.positions_of(view.point),
        "canvas": plain.canvas_of(view.canvas),
        "center": plain.numbers(view.center, "center"),
        "zoom": plain.number(view.zoom, "zoom"),
        "level": None if view.level is None else plain.whole(view.level, "level"),
        "directions": None if view.directions is None else plain.rows(view.directions, "directions"),
        "margins": plain.margins_of(view.margins),
        "bias": plain.number(view.bias, "bias"),
        "pixel_ratio": plain.number(view.pixel_ratio, "pixel_ratio"),
        "part": None if view.part is None else plain.part_of(view.part),
    }


def _check_directions(directions: tuple[tuple[float, ...], ...], count: int) -> None:
    fit = [len(row) for row in directions] == [count, count]
    rows = np.array(directions) if fit else np.zeros((2, count))
    # Larger numbers are none of a direction's, and their squares may overflow.
    if not ((np.abs(rows) <= 2).all() and np.allclose(rows @ rows.T, np.eye(2), rtol=0, atol=1e-9)):
        raise ViewError("a cut has two directions of length 1 at a right angle", f"{directions=}"[:200])
