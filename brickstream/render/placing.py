"""What a look says in data values and places of the world, as a shader has it: texel values and local pixels. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brickstream.multiscale import LocalView, Plan
from brickstream.multiscale.affine import FloatArray
from brickstream.render.colors import shader_clim
from brickstream.render.encoding import Encoding
from brickstream.render.frame import Frame
from brickstream.render.look import Look
from brickstream.render.places import HalfSpace
from brickstream.render.surfaces import Surfaces

NO_CUTOFF = 3.4e38


@dataclass(frozen=True, eq=False)
class Placing:
    """Values and places of a look for one frame.

    Attributes
    ----------
    clim : tuple of (float, float)
        Texel values, as are `threshold` and `cutoff`.
    threshold, cutoff : float
    clip : ndarray of shape (n, 4), float64
        Half-spaces in local coordinates: ``clip[i, :3] @ (x, y, z) + clip[i, 3]`` is not negative in them.
    plane : ndarray of shape (4,), float64, or None
        Of the slab, likewise.
    across : ndarray of shape (3,), float64, or None
        One pixel along the slab's normal.
    levels : ndarray of shape (n,), float64
        Texel values of the surfaces.
    span : tuple of (float, float)
        Smallest and largest texel value of what is drawn with them.
    sheets : ndarray of shape (m, 4), float64
        Planes of caps and slices, as `clip`.
    unit : ndarray of shape (3,), float64
        Pixels of the level that opacity is meant for along one local unit of each axis; x, y, z.
    """

    clim: tuple[float, float]
    threshold: float
    cutoff: float
    clip: FloatArray
    plane: FloatArray | None
    across: FloatArray | None
    levels: FloatArray
    span: tuple[float, float]
    sheets: FloatArray
    unit: FloatArray

    @classmethod
    def of_nothing(cls) -> Placing:
        """Of an atlas without pixels, to compile a shader with."""
        none, one = np.zeros((0, 4)), np.ones(3)
        return cls((0.0, 1.0), 0.5, 0.0, none, np.array([0.0, 0.0, 1.0, 0.0]), one, np.zeros(0), (0.0, 1.0), none, one)


def place_look(look: Look, clim: tuple[float, float], plan: Plan, frame: Frame, encoding: Encoding) -> Placing:
    """Place a look.

    Parameters
    ----------
    look : Look
    clim : tuple of (float, float)
        Contrast limits in data values.
    plan : Plan
        What is drawn; its view's centre is where the scene has its origin.
    frame : Frame
    encoding : Encoding
        What the texels are.
    """
    threshold = sum(clim) / 2 if look.threshold is None else look.threshold
    above = look.method == "minip"
    cutoff = (NO_CUTOFF if above else -NO_CUTOFF) if look.cutoff is None else encoding.read_as(look.cutoff)
    clip, plane, across, sheets = np.zeros((0, 4)), None, None, np.zeros((0, 4))
    if plan.view.ndisplay == 3:
        clip = np.array([_half_space(half, plan, frame) for half in look.clip]).reshape(-1, 4)
        if look.slab is not None:
            plane, across = _half_space(look.slab, plan, frame), _across(look.slab, plan.local, frame)
        if look.method == "surfaces":
            sheets = _sheets(look.surfaces, plan, frame)
    low, high = look.surfaces.span(clim)
    span = encoding.read_as(low), encoding.read_as(high)
    levels = np.array([encoding.read_as(value) for value in look.surfaces.levels(clim)])
    unit = _unit(look.opacity_level, plan, frame)
    limits = shader_clim(look.limits(clim), encoding)
    return Placing(limits, encoding.read_as(threshold), cutoff, clip, plane, across, levels, span, sheets, unit)


def _half_space(half: HalfSpace, plan: Plan, frame: Frame) -> FloatArray:
    normal = np.array(half.normal) / np.linalg.norm(half.normal)
    local = plan.local
    # A world offset from the view's centre is `solve(along, own - focus)`, and own = shift + scale * place.
    own = np.linalg.solve(local.along.T, normal)
    offset = own @ (frame.shift[::-1] - local.focus) - normal @ (np.array(half.position) - np.array(plan.view.center))
    return np.append((own * frame.scale[::-1])[::-1], offset)


def _across(slab: HalfSpace, local: LocalView, frame: Frame) -> FloatArray:
    direction = (local.along @ np.array(slab.normal))[::-1] / frame.scale
    across: FloatArray = direction / np.linalg.norm(direction)
    return across


def _sheets(surfaces: Surfaces, plan: Plan, frame: Frame) -> FloatArray:
    """Caps of the first to the last axis, two each, then slices."""
    faces = []
    for axis, cap in zip((2, 1, 0), surfaces.caps, strict=True):
        for corner in frame.box if cap.show else ():
            face = np.zeros(4)
            face[axis], face[3] = 1.0, -corner[axis]
            faces.append(face)
    return np.array([*faces, *(_half_space(sheet, plan, frame) for sheet in surfaces.slices)]).reshape(-1, 4)


def _unit(level: int | None, plan: Plan, frame: Frame) -> FloatArray:
    scales = plan.pyramid.scales
    axes = list(plan.local.axes)
    if level is None or plan.view.ndisplay == 2 or len(axes) != 3:
        return np.ones(3)
    meant = scales[min(level, len(scales) - 1), axes][::-1]
    unit: FloatArray = frame.scale / meant
    return unit
