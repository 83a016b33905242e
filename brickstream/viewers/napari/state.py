"""What napari shows of a layer at a moment, read through its public names alone. Qt thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from brickstream.multiscale.affine import FloatArray
from brickstream.viewers.napari.picture import MOST_PIXELS
from brickstream.viewers.napari.views import Eye, LayerAxes, Slice, is_inside


@dataclass(frozen=True)
class State:
    """Everything that a view of a layer depends on; two that are equal ask for the same.

    Attributes
    ----------
    cut : Slice or None
        None where nothing of the layer is shown.
    level : int or None
        The one that napari has chosen in 2D, or the user has locked; None where it is ours to choose.
    corner_pixels : tuple of tuple of int
        First and last pixel of it, both inclusive; counts in 2D.
    eye : Eye or None
        The camera; None in 2D.
    """

    cut: Slice | None = None
    level: int | None = None
    corner_pixels: tuple[tuple[int, ...], ...] = ()
    eye: Eye | None = None


NOTHING = State()


def read_state(viewer: Any, layer: Any, where: LayerAxes, pixel_ratio: float) -> State:
    """Read what napari shows of a layer.

    Parameters
    ----------
    viewer : napari Viewer
    layer : napari Image
    where : LayerAxes
    pixel_ratio : float
        Physical canvas pixels for each logical one.
    """
    cut = _slice(viewer.dims, layer) if layer.visible else None
    if cut is None or not is_inside(where, cut):
        return NOTHING
    # An image of two axes stays a plane in 3D, in a volume of napari's own.
    there = tuple(i for i in cut.displayed if where.axes[i] is not None)
    if len(there) == 3:
        return State(cut, layer.locked_data_level, eye=_eye(viewer, layer, where, cut, pixel_ratio))
    if len(there) < 2:
        return NOTHING
    corners = layer.corner_pixels
    if prod((corners[1] - corners[0] + 1)[list(there)].tolist()) > MOST_PIXELS:
        return NOTHING  # until the user zooms in
    return State(replace(cut, displayed=there), int(layer.data_level), tuple(map(tuple, corners.tolist())))


def _slice(dims: Any, layer: Any) -> Slice | None:
    """Where the layer, whose axes are napari's last ones, is cut; None where it does not have the displayed axes."""
    ahead = dims.ndim - layer.ndim
    displayed = tuple(axis - ahead for axis in dims.displayed)
    if min(displayed) < 0:
        return None
    point = layer.world_to_data(dims.point)
    cut = tuple(0.0 if axis in displayed else float(value) for axis, value in enumerate(point))
    if layer.projection_mode == "none" or not (any(dims.margin_left) or any(dims.margin_right)):
        return Slice(displayed, cut)
    reach = [np.abs(layer.world_to_data(np.add(dims.point, m)) - point) for m in (dims.margin_left, dims.margin_right)]
    return Slice(displayed, cut, tuple(map(tuple, np.stack(reach, axis=1).tolist())), str(layer.projection_mode))


def _eye(viewer: Any, layer: Any, where: LayerAxes, cut: Slice, pixel_ratio: float) -> Eye:
    """The 3D camera in the layer's own pixels: napari's is in the world, whose displayed axes it names in order."""
    camera, axes, displayed = viewer.scene.camera, list(viewer.dims.displayed), list(cut.displayed)
    to_data = _linear(layer, viewer.dims.point, axes)[displayed]
    center = np.array(viewer.dims.point, dtype=np.float64)
    center[axes] = camera.center[-len(axes) :]
    scale = where.pyramid.scales[0, where.shown(cut)]
    height, width = viewer.canvas.size
    return Eye(
        tuple(layer.world_to_data(center)[displayed].tolist()),
        tuple((to_data @ camera.view_direction).tolist()),
        tuple((to_data @ camera.up_direction).tolist()),
        float(camera.zoom) * pixel_ratio,
        float(abs(np.linalg.det(to_data * scale[:, None])) ** (1 / 3)),
        float(camera.perspective),
        (max(1, round(width * pixel_ratio)), max(1, round(height * pixel_ratio))),
        pixel_ratio,
    )


def _linear(layer: Any, point: Any, axes: list[int]) -> FloatArray:
    """Pixels of level 0 along one world unit of some axes: ndarray of shape (ndim of the layer, len(axes))."""
    origin = np.array(point, dtype=np.float64)
    steps = [origin + np.eye(len(origin))[axis] for axis in axes]
    return np.stack([layer.world_to_data(step) - layer.world_to_data(origin) for step in steps], axis=1)
