"""Guesses of the views that come next, from those that were shown last. Pure: what to do about them, others decide.

Every guess is a view that may well be asked for, so that it is planned exactly as it would be if it were: the same
levels, the same chunks, the same order.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from brickstream.errors import ViewError
from brickstream.multiscale import Plan, Pyramid, View, framing, localize, plain
from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.multiscale.corners import seen_box
from brickstream.multiscale.local import level_window, pixel_at
from brickstream.multiscale.view import MAX_CANVAS

# Views that are remembered: a few movements, each with its last step.
MEMORY = 8
# So many steps are looked at for one that needs other chunks.
LOOK = 256
WIDEST_RING = 4.0
# A cut that leaves its plane by less than this share of a step was panned.
STILL = 1e-6


@dataclass(frozen=True)
class Ahead:
    """What is fetched ahead of a shown view, once everything that it needs is there.

    Attributes
    ----------
    count : int, default 4
        Positions along every axis that moves, and in playback; where all of them lie in chunks that are there already,
        the first one that needs others.
    ring : float, default 0.5
        How far around a plane, on each side, in canvases.
    max_bytes : int or None
        Of decoded chunks; None is a quarter of the RAM budget.
    playback : str or None
        An axis that is being played: then its next positions are fetched and nothing else. Has no effect on images
        without this axis, and while it is displayed.
    step : int, default 1
        Of playback, in pixels of level 0; below zero it runs backwards.
    circular : bool, default True
        Whether playback goes on at the other end.

    Raises
    ------
    ViewError
        If a number is not usable.
    """

    count: int = 4
    ring: float = 0.5
    max_bytes: int | None = None
    playback: str | None = None
    step: int = 1
    circular: bool = True

    def __post_init__(self) -> None:
        for name in ("count", "step"):
            object.__setattr__(self, name, plain.whole(getattr(self, name), name))
        if not 0 <= self.count <= LOOK:
            raise ViewError(f"from 0 to {LOOK} positions are fetched ahead", f"count={self.count}")
        if not 0 <= self.ring <= WIDEST_RING:
            raise ViewError(f"a ring is from 0 to {WIDEST_RING:g} canvases wide", f"ring={self.ring}")
        if self.max_bytes is not None and self.max_bytes < 0:
            raise ViewError("a number of bytes is not below zero", f"max_bytes={self.max_bytes}")
        if not 1 <= abs(self.step) <= framing.MOST_STEPS:
            raise ViewError("playback goes on by at least one pixel", f"step={self.step}")


@dataclass(frozen=True)
class Move:
    """A step from one view to the next.

    Attributes
    ----------
    axis : str or None
        An axis that is not displayed; None where the centre moved.
    step : tuple of float
        World units along the axis, or along each displayed one.
    """

    axis: str | None
    step: tuple[float, ...]


def remember(views: Sequence[View], view: View) -> tuple[View, ...]:
    """Add a view to the last ones; of a movement that goes on, only the last step is kept."""
    if views and views[-1] == view:
        return tuple(views)
    known = [*views, view]
    if len(known) > 2 and _changed(known[-3], known[-2]) == _changed(known[-2], view):
        del known[-3]
    return tuple(known[-MEMORY:])


def _changed(before: View, after: View) -> set[str]:
    fields = ("displayed", "directions", "center", "zoom", "canvas", "camera")
    was = dict(before.point)
    moved = {f"point {name}" for name, position in after.point if was.get(name) != position}
    return moved | {name for name in fields if getattr(before, name) != getattr(after, name)}


def last_moves(views: Sequence[View]) -> list[Move]:
    """List the last step along every axis that moved, and of the centre; what moved last comes first."""
    found: dict[str | None, Move] = {}
    for before, after in zip(views[-2::-1], views[:0:-1], strict=True):
        if _kind(before) != _kind(after):
            break
        was = dict(before.point)
        for name, position in after.point:
            if step := position - was.get(name, position):
                found.setdefault(name, Move(name, (step,)))
        away = tuple(np.subtract(after.center, before.center).tolist())
        # Where the zoom changes too, the centre only follows the pointer.
        if any(away) and before.zoom == after.zoom:
            found.setdefault(None, Move(None, away))
    return list(found.values())


def _kind(view: View) -> tuple[object, ...]:
    """What two views have in common if one can be a step away from the other."""
    return view.displayed, view.directions, view.camera is None


def ahead_views(plan: Plan, views: Sequence[View], ahead: Ahead) -> list[View]:
    """Guess which views come next, the likeliest first.

    Along the axes that moved, the next positions, as along the normal of a cut that slides; around a plane, a ring, and
    more of it in the direction of the last pan. What moved last comes first. A volume has no ring: a camera that turns
    or moves a little sees much the same chunks, and what lies around its frustum is many times what is in it.

    Parameters
    ----------
    plan : Plan
        Of the view that is shown.
    views : sequence of View
        The last ones of this image, as :func:`remember` keeps them; the last is the plan's.
    ahead : Ahead

    Raises
    ------
    ViewError
        If float64 cannot tell the pixels of the image apart.
    """
    known = set(dict(plan.view.point)).intersection(plan.image.axis_names)
    if plan.partial:
        return []
    if ahead.playback in known:
        return _along(plan, ahead.playback, _frames(plan, ahead.playback, ahead), ahead.count)
    moves = last_moves(views)
    found: list[View] = []
    for move in moves:
        if move.axis is None:
            found += _onward(plan, move.step, ahead.count) + _around(plan, move.step, ahead.ring)
        elif move.axis in known:
            found += _along(plan, move.axis, _next(plan, move.axis, *move.step), ahead.count)
    if all(move.axis is not None for move in moves):
        found += _around(plan, None, ahead.ring)
    return found


def _next(plan: Plan, axis: str, step: float) -> FloatArray:
    """Positions inside of the image that follow with a step."""
    low, high = framing.extent_of(plan.image)[:, plan.image.axis_index(axis)]
    positions = dict(plan.view.point)[axis] + step * np.arange(1, LOOK + 1)
    return np.asarray(positions[(positions >= low) & (positions <= high)])


def _frames(plan: Plan, axis: str, ahead: Ahead) -> FloatArray:
    """Positions that playback comes to next."""
    start, step, count = framing.steps_of(plan.image, plan.image.axis_index(axis))
    start, step = min(start, start + step * (count - 1)), abs(step)
    now = min(max(round((dict(plan.view.point)[axis] - start) / step), 0), count - 1)
    frames = now + ahead.step * np.arange(1, LOOK + 1, dtype=np.int64)
    if ahead.circular:
        frames %= count
        around = np.flatnonzero(frames == now)
        frames = frames[: around[0]] if len(around) else frames
    return np.asarray(start + step * frames[(frames >= 0) & (frames < count)], dtype=np.float64)


def _along(plan: Plan, axis: str, positions: FloatArray, count: int) -> list[View]:
    """Views at the first positions along an axis that is not displayed, without those that need no other chunks."""
    new = _with_other_chunks(plan, axis, positions)
    near = new[new < count]
    chosen = positions[near if len(near) or not count else new[:1]].tolist()
    point = plan.view.point
    return [
        replace(plan.view, point=tuple((name, position if name == axis else old) for name, old in point))
        for position in chosen
    ]


def _with_other_chunks(plan: Plan, axis: str, positions: FloatArray) -> IntArray:
    """Which positions along an axis need other chunks than the ones before them."""
    pyramid, across = plan.image, plan.image.axis_index(axis)
    source = framing.source_of(pyramid, across)
    if source is None or plan.view.thick:
        return np.arange(len(positions))
    world = np.tile(pyramid.origin, (len(positions) + 1, 1))
    world[:, across] = [dict(plan.view.point)[axis], *positions]
    rows = []
    for k in [part.level for part in plan.levels] or [0]:
        pixels = pixel_at(pyramid.pixels_at(world, k)[:, source], pyramid.shapes[k, source])
        rows.append(pixels // pyramid.chunk_shapes[k, source])
    chunks = np.stack(rows)
    return np.flatnonzero((chunks[:, 1:] != chunks[:, :-1]).any(axis=0))


def _onward(plan: Plan, step: tuple[float, ...], count: int) -> list[View]:
    """The next cuts, where a cut moves out of its plane."""
    view, away = plan.view, np.array(step)
    across = away - view.frame().T @ view.frame() @ away
    if view.directions is None or np.linalg.norm(across) <= STILL * np.linalg.norm(away):
        return []
    centers = np.array(view.center) + np.arange(1, count + 1)[:, None] * away
    return [replace(view, center=tuple(center)) for center in centers.tolist()]


def _around(plan: Plan, pan: tuple[float, ...] | None, ring: float) -> list[View]:
    """A plane with a ring around it; before it what a pan shows first, and behind it what it shows then."""
    view = plan.view
    if view.camera is not None or view.part is not None or not ring:
        return []
    sides = np.array(view.canvas[::-1])[-view.ndisplay :]
    grown = np.minimum(np.rint(sides * (1 + 2 * ring)), MAX_CANVAS).astype(np.int64).tolist()
    # The level of the picture, also where so large a canvas alone would exceed the budget.
    level = view.level if plan.empty else plan.target.level
    around = replace(view, canvas=(grown[-1], grown[0] if len(grown) > 1 else 1), level=level)
    share = np.zeros(len(sides)) if pan is None else view.frame() @ np.array(pan) * view.zoom / sides
    furthest = float(np.abs(share).max())
    if not furthest:
        return [around]
    shift = (share / furthest * ring * sides / view.zoom) @ view.frame()
    near, far = (replace(view, center=tuple((np.array(view.center) + n * shift).tolist())) for n in (1, 2))
    return [near, around, far]


def footprint(pyramid: Pyramid, view: View) -> Hashable:
    """All that the chunks of a view follow from: views with the same footprint need the same ones."""
    local = localize(pyramid, view)
    box = seen_box(pyramid, local)
    shape = (view.displayed, view.directions, view.canvas, view.zoom, view.level, view.bias, view.margins, view.camera)
    if box is None or not local.aligned:
        return (*shape, view.part, view.center, view.point)
    low, high = local.window.copy()
    low[list(local.axes)], high[list(local.axes)] = box
    first, last = level_window(pyramid, slice(None), low, high)
    chunks = np.stack([first, last]) // pyramid.chunk_shapes
    return (*shape, (view.center, view.part) if view.camera is not None else None, chunks.tobytes())
