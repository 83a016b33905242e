"""Several images in one world: axes matched by name, numbers in one unit for each axis."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from brickstream.errors import TransformError, ViewError
from brickstream.multiscale import framing
from brickstream.multiscale.affine import Affine, FloatArray
from brickstream.multiscale.pyramid import Axis, Level, Pyramid
from brickstream.multiscale.units import conversion, has_unit
from brickstream.multiscale.view import HasPyramid, View

# Names that say nothing but a place: 0, d0, dim_0 (xarray), axis-1.
_POSITION = re.compile(r"(d|dim|axis)?[-_ ]*[0-9]+", re.IGNORECASE)
# A range that is longer than so many pixels by less is not one pixel longer.
NOISE = 1e-6
# Sums and differences of such numbers are still finite.
_FARTHEST = sys.float_info.max / 4


@dataclass(frozen=True)
class World:
    """What several images have in common: axes, units, an extent.

    A world can stand in for an image where a view is made: ``View.plane(world, point={"t": 3.0})``. Each image is then
    planned by itself, ``plan_view(world.pyramids[i], world.view_of(i, view), budget)``, where `view_of` does not say
    that the image cannot be shown.

    Make one with :meth:`of`.

    Attributes
    ----------
    axes : tuple of Axis
        Of the world. Each has the unit of the first image that states one for it.
    pyramids : tuple of Pyramid
        The images in the names and units of the world; levels, shapes, chunks and array order are as they were.
    maps : tuple of Affine
        For each image, from its own world (its names and units) to this one, on its axes in array order. From pixels of
        level k leads ``pyramids[i].to_world(k)``.
    """

    axes: tuple[Axis, ...]
    pyramids: tuple[Pyramid, ...]
    maps: tuple[Affine, ...]

    @classmethod
    def of(cls, images: Sequence[HasPyramid | Pyramid], unnamed: Collection[int] | None = None) -> World:
        """Bring images together.

        Axes of the same name are the same. Those of an unnamed image are matched from the right, past channels that
        come last, with the axes that the named images have; what it has more comes first and keeps its names, as far as
        they are free. New axes come before those that follow them in their image, and time and channels before
        space.

        An image that states no unit for an axis is taken to have the world's.

        Parameters
        ----------
        images : sequence of image or Pyramid
        unnamed : collection of int, optional
            Positions of the images whose axes have names that mean nothing. Default: those where every axis is only
            numbered, such as ``0``, ``d0``, ``dim_0``, and has no type.

        Raises
        ------
        ViewError
            If there are no images, or no image at a position of `unnamed`.
        TransformError
            If the units of an axis cannot be turned into each other.
        MetadataError
            If the world has more axes than an image can have.
        """
        pyramids = [image if isinstance(image, Pyramid) else image.pyramid for image in images]
        if not pyramids:
            raise ViewError("a world needs at least one image")
        if unnamed is None:
            unnamed = [i for i, pyramid in enumerate(pyramids) if _numbered(pyramid)]
        if not all(0 <= i < len(pyramids) for i in unnamed):
            raise ViewError("no image at this place", f"unnamed={sorted(unnamed)}", f"there are {len(pyramids)}")
        order, names = _match(pyramids, unnamed)
        axes = tuple(_common(name, pyramids, names) for name in order)
        maps = tuple(_map(pyramid, own, axes) for pyramid, own in zip(pyramids, names, strict=True))
        world = cls(axes, tuple(_carry(p, along, axes) for p, along in zip(pyramids, maps, strict=True)), maps)
        _ = world.pyramid  # refuses a world of too many axes
        return world

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    def extent(self) -> FloatArray:
        """World box around all images: ndarray of shape (2, ndim), float64, half-open, from outer edge to outer edge.

        An image that lacks an axis takes no room along it.

        Raises
        ------
        ViewError
            If an image reaches beyond what float64 can count.
        """
        box = np.stack([np.full(len(self.axes), np.inf), np.full(len(self.axes), -np.inf)])
        for pyramid in self.pyramids:
            columns = [self.axis_names.index(name) for name in pyramid.axis_names]
            with np.errstate(over="ignore", invalid="ignore"):
                low, high = pyramid.extent()
            box[0, columns] = np.minimum(box[0, columns], low)
            box[1, columns] = np.maximum(box[1, columns], high)
        if not (np.abs(box) <= _FARTHEST).all():
            raise ViewError("the images reach farther than numbers do", ", ".join(self.axis_names))
        return box

    @cached_property
    def pyramid(self) -> Pyramid:
        """An image without data that fills the world, for :class:`View` to be made on.

        Its pixels are as small as the smallest there are along each axis (of an image that is rotated against it, as
        the longest step that passes over no pixel), or a little smaller, so that a whole number of them fits. It
        has as many levels as the image with the most of them, all alike.
        """
        low, high = self.extent()
        finest = np.full(len(self.axes), np.inf)
        for pyramid in self.pyramids:
            columns = [self.axis_names.index(name) for name in pyramid.axis_names]
            steps = [abs(framing.steps_of(pyramid, axis)[1]) for axis in range(pyramid.ndim)]
            finest[columns] = np.minimum(finest[columns], steps)
        with np.errstate(over="ignore"):
            counts = np.clip(np.ceil((high - low) / finest - NOISE), 1, framing.MOST_STEPS)
        scale = (high - low) / counts
        shape = tuple(int(n) for n in counts)
        level = Level(
            "", shape, self.pyramids[0].dtype, shape, tuple(scale.tolist()), tuple((low + scale / 2).tolist())
        )
        return Pyramid("world", self.axes, (level,) * max(len(pyramid.levels) for pyramid in self.pyramids))

    def view_of(self, image: int, view: View) -> View | None:
        """A view on the world as one image has it.

        Points and margins on axes that the image lacks are dropped, since it is the same all along them: what does not
        concern an image leaves its view as it was. A level that the view names is the image's coarsest where the image
        has fewer levels. A point beside the image stays; a plan of it is empty.

        Returns
        -------
        View or None
            For ``pyramids[image]``. None where the image lacks a displayed axis: it has no place along it, so it cannot
            be shown (a 2D image in a volume).

        Raises
        ------
        ViewError
            If the world has no such axis or image, or no image has the level that the view names.
        """
        if not 0 <= image < len(self.pyramids):
            raise ViewError(f"no image {image}", "", f"there are {len(self.pyramids)}")
        pyramid, level = self.pyramids[image], framing.level_of(self.pyramid, view.level)
        for name in (*view.displayed, *dict(view.point)):
            self.pyramid.axis_index(name)
        names = set(pyramid.axis_names)
        if not names.issuperset(view.displayed):
            return None
        point = tuple((name, value) for name, value in view.point if name in names)
        margins = tuple((name, reach) for name, reach in view.margins if name in names)
        level = None if level is None else min(level, len(pyramid.levels) - 1)
        return replace(view, point=point, margins=margins, level=level)


def _numbered(pyramid: Pyramid) -> bool:
    return all(axis.type is None and _POSITION.fullmatch(axis.name) for axis in pyramid.axes)


def _match(pyramids: Sequence[Pyramid], unnamed: Collection[int]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Names of the world's axes, in order, and for each image the world's names of its axes, in array order."""
    axes: list[Axis] = []
    names = [pyramid.axis_names for pyramid in pyramids]
    for i, pyramid in enumerate(pyramids):
        if i not in unnamed:
            _add(axes, pyramid.axes)
    # The largest first: its names are those that the others are matched with.
    for i in sorted(unnamed, key=lambda i: -pyramids[i].ndim):
        names[i] = _from_the_right(axes, names[i])
        _add(axes, [replace(axis, name=name) for axis, name in zip(pyramids[i].axes, names[i], strict=True)])
    return [axis.name for axis in axes], names


def _add(axes: list[Axis], more: Sequence[Axis]) -> None:
    """Put the axes of an image that are new among those of the world."""
    for place in range(len(more) - 1, -1, -1):
        names = [axis.name for axis in axes]
        if more[place].name in names:
            continue
        at = min((names.index(axis.name) for axis in more[place + 1 :]), default=len(axes))
        if more[place].type not in {"space", None}:
            at = min([at, *(i for i, axis in enumerate(axes) if axis.type == "space")])
        axes.insert(at, more[place])


def _from_the_right(axes: Sequence[Axis], own: tuple[str, ...]) -> tuple[str, ...]:
    names = [axis.name for axis in axes]
    matched = list(axes)
    while matched and matched[-1].type == "channel":
        matched.pop()
    known = [axis.name for axis in matched[-len(own) :]]
    given: list[str] = []
    for name in own[: len(own) - len(known)]:
        new, count = name, 1
        while new in names or new in given:
            count += 1
            new = f"{name}_{count}"
        given.append(new)
    return (*given, *known)


def _common(name: str, pyramids: Sequence[Pyramid], names: Sequence[tuple[str, ...]]) -> Axis:
    """One axis of the world: the first type and the first unit that any image states for it."""
    found = [p.axes[own.index(name)] for p, own in zip(pyramids, names, strict=True) if name in own]
    kind = next((axis.type for axis in found if axis.type is not None), None)
    return Axis(name, kind, next((axis.unit for axis in found if has_unit(axis.unit)), found[0].unit))


def _map(pyramid: Pyramid, names: tuple[str, ...], axes: Sequence[Axis]) -> Affine:
    units = {axis.name: axis.unit for axis in axes}
    factors = []
    for axis, name in zip(pyramid.axes, names, strict=True):
        try:
            factors.append(conversion(axis.unit, units[name]))
        except TransformError as error:
            raise TransformError(error.what, f"{error.where}, axis {name} of {pyramid.name!r}", error.hint) from error
    return Affine.scaling(pyramid.axis_names, factors, outputs=names)


def _carry(pyramid: Pyramid, along: Affine, axes: Sequence[Axis]) -> Pyramid:
    """The same image in the names and units of the world."""
    named = {axis.name: axis for axis in axes}
    own = tuple(named[name] for name in along.outputs)
    factors = np.diagonal(along.linear)
    if own == pyramid.axes and (factors == 1).all():
        return pyramid
    lengths, placement = factors, None
    if pyramid.placement is not None:
        # Units that differ by axis turn a rotation into a shear. Its columns keep length 1; the levels take the rest.
        linear = factors[:, None] * pyramid.placement.linear
        lengths = np.linalg.norm(linear, axis=0)
        placement = Affine(along.outputs, along.outputs, linear / lengths, along(pyramid.placement.offset))
    levels = tuple(
        replace(
            level,
            scale=tuple((np.array(level.scale) * lengths).tolist()),
            translation=tuple((np.array(level.translation) * lengths).tolist()),
        )
        for level in pyramid.levels
    )
    return replace(pyramid, axes=own, levels=levels, placement=placement)
