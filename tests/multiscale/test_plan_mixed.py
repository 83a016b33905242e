"""Plans whose bricks are as fine as they have to be, against a model that walks through every brick of every level.

The model is slow and simple: Python loops over whole brick grids, corners one by one, every threshold tried.
"""

from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from brickstream.multiscale import Budget, Camera, Plan, Pyramid, View, localize, plan_view
from brickstream.multiscale import search as search_module
from tests.ugly import cube, seen_by_projection, volumes, voxel_centres

NO_LIMIT = 10**6
BRICKS = st.tuples(*[st.integers(1, 9)] * 3)
pytestmark = pytest.mark.oracle


# ---- the model


@dataclass(frozen=True)
class Brick:
    """One brick; `start` and `stop` are its corners, stretched to the end of the image."""

    level: int
    index: tuple[int, ...]
    start: np.ndarray
    stop: np.ndarray
    error: float


def naive_bricks(pyramid: Pyramid, view: View, shape: tuple[int, ...]) -> list[list[Brick]]:
    """Every brick in view, level by level."""
    local = localize(pyramid, view)
    planes = local.region.to_planes()
    axes = list(local.axes)
    image = pyramid.box()[:, axes]
    window = local.region.seen(image)
    assert window is not None
    found: list[list[Brick]] = []
    for k, level in enumerate(pyramid.levels):
        scale, shift, size = (
            np.array([value[a] for a in axes]) for value in (level.scale, level.translation, level.shape)
        )
        count = -(-size // np.array(shape))
        row = []
        for index in product(*(range(n) for n in count)):
            start = (np.array(index) * shape - 0.5) * scale + shift
            stop = start + np.array(shape) * scale
            for a, i in enumerate(index):
                start[a] = min(start[a], image[0, a]) if i == 0 else start[a]
                stop[a] = (size[a] - 0.5) * scale[a] + shift[a] if i == count[a] - 1 else stop[a]
                stop[a] = max(stop[a], image[1, a]) if i == count[a] - 1 else stop[a]
            corners = np.array(list(product(*zip(start, stop, strict=True))))
            seen = ((start < window[1]) & (stop > window[0])).all()
            if seen and all((corners @ plane[:-1] + plane[-1]).max() >= 0 for plane in planes):
                row.append(Brick(k, index, start, stop, naive_error(pyramid, local, k, start, stop)))
        found.append(row)
    return found


def naive_error(pyramid: Pyramid, local, k: int, start: np.ndarray, stop: np.ndarray) -> float:
    """Canvas pixels of the longest side of a pixel that a finer level has shorter, at the brick's nearest place."""
    scales = pyramid.scales[:, list(local.axes)]
    sides = [scales[k, a] for a in range(3) if any(scales[j, a] < scales[k, a] * (1 - 1e-6) for j in range(k))]
    eye = local.eye
    depths = [
        float((np.array(corner) - eye.position) @ eye.forward) for corner in product(*zip(start, stop, strict=True))
    ]
    nearest = np.clip(eye.position, start, stop)
    away = float(np.linalg.norm(nearest - eye.position)) * eye.spread
    error = max(sides, default=0.0) * eye.focal / max(min(depths), away, eye.near)
    return error if error > 1 + 1e-6 else 0.0


def under(child: Brick, parent: Brick) -> bool:
    """Whether two bricks share more than a sliver of the child's length along every axis."""
    shared = np.minimum(child.stop, parent.stop) - np.maximum(child.start, parent.start)
    return bool((shared > 2e-7 * (child.stop - child.start)).all())


def naive_split(bricks: list[list[Brick]], threshold: float, down_to: int = 0) -> tuple[list[Brick], list[Brick]]:
    """Final bricks and stand-ins at one threshold, with all bricks of the last level looked at final."""
    needed, final, standins = bricks[-1], [], []
    for k in range(len(bricks) - 1, down_to, -1):
        refined = [brick for brick in needed if brick.error > threshold]
        final += [brick for brick in needed if brick.error <= threshold]
        standins += refined
        needed = [child for child in bricks[k - 1] if any(under(child, parent) for parent in refined)]
    return final + needed, standins


def naive_cost(final: list[Brick], standins: list[Brick], coarsest: int) -> int:
    """Bricks of the finished picture, with the coarsest stand-ins where they are fewer."""
    cover = sum(brick.level == coarsest for brick in standins)
    return len(final) + (cover if cover < len(final) else 0)


def naive_threshold(bricks: list[list[Brick]], limit: int) -> float:
    """The lowest threshold at which the plan fits, at every step of the way down."""
    thresholds = sorted({0.0, *(brick.error for row in bricks for brick in row)})
    last = len(bricks) - 1
    for threshold in thresholds:
        if all(naive_cost(*naive_split(bricks, threshold, k), last) <= limit for k in range(last, -1, -1)):
            return threshold
    return float("inf")


@st.composite
def perspectives(draw: st.DrawFn) -> tuple[Pyramid, View]:
    """A camera with perspective, often near the image or inside it, and no level named."""
    pyramid, view = draw(volumes(longest=16))
    assert view.camera is not None
    fov = draw(st.sampled_from([5.0, 20.0, 60.0, 120.0]))
    distance = draw(st.none() | st.sampled_from([0.5, 3.0, 20.0, 400.0]))
    return pyramid, replace(view, level=None, camera=replace(view.camera, fov=fov, distance=distance))


def planned(plan: Plan, *, final: bool) -> set[tuple[int, tuple[int, ...]]]:
    return {
        (part.level, tuple(row))
        for part in plan.levels
        for row, kept in zip(part.bricks.tolist(), part.final.tolist(), strict=True)
        if kept == final
    }


# ---- the laws


@given(perspectives(), BRICKS, st.integers(1, 60) | st.just(NO_LIMIT))
def test_final_bricks_are_those_of_the_lowest_threshold_that_fits(
    case: tuple[Pyramid, View], shape: tuple[int, int, int], limit: int
) -> None:
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(limit, shape))
    assume(not plan.empty)
    # Weights other than 1 are for tiny chunks, which no budget of so few bricks meets.
    bricks = naive_bricks(pyramid, view, shape)
    if plan.partial:
        assert len(bricks[-1]) > limit
        return
    assert len(bricks[-1]) <= limit
    final, standins = naive_split(bricks, naive_threshold(bricks, limit))
    mine = planned(plan, final=True)
    expected = {(brick.level, brick.index) for brick in final}
    assert mine <= expected
    # A brick without a pixel in view needs no chunk, and is left out.
    assert all(not has_pixels(plan, *each) for each in expected - mine)
    assert planned(plan, final=False) <= {(brick.level, brick.index) for brick in standins}


def has_pixels(plan: Plan, k: int, index: tuple[int, ...]) -> bool:
    """Whether a voxel's centre of a brick is inside the image and on the canvas."""
    axes = list(plan.displayed)
    points = voxel_centres(plan.pyramid, k)
    window = [slice(None)] * plan.pyramid.ndim
    for a, i, n in zip(axes, index, plan.brick_shape, strict=True):
        window[a] = slice(i * n, (i + 1) * n)
    points = points[tuple(window)]
    box = plan.pyramid.box()
    inside = ((points > box[0]) & (points < box[1])).all(axis=-1)
    return bool((seen_by_projection(plan.view, points) & inside).any())


@given(volumes(longest=16), BRICKS, st.integers(1, 40))
def test_no_plan_exceeds_its_budget(case: tuple[Pyramid, View], shape: tuple[int, int, int], limit: int) -> None:
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(limit, shape))
    assert sum(len(part.bricks) for part in plan.levels) <= limit


@given(volumes(longest=16), BRICKS, st.integers(1, 60) | st.just(NO_LIMIT))
def test_final_bricks_leave_no_hole_and_neither_does_the_cover(
    case: tuple[Pyramid, View], shape: tuple[int, int, int], limit: int
) -> None:
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(limit, shape))
    if plan.partial or plan.empty:
        return
    points = voxel_centres(pyramid, 0).reshape(-1, 3)
    boxes = [pyramid.box(k) for k in range(len(pyramid.levels))]
    inside = np.all([((points > low) & (points < high)).all(axis=1) for low, high in boxes], axis=0)
    points = points[inside & seen_by_projection(view, points)]
    shown, covered = np.zeros(len(points), dtype=bool), np.zeros(len(points), dtype=bool)
    for place, part in enumerate(plan.levels):
        level = pyramid.levels[part.level]
        voxels = np.floor((points - level.translation) / level.scale + 0.5).astype(int)
        here = [tuple(row) for row in (voxels[:, list(plan.displayed)] // shape).tolist()]
        final, any_brick = set(), set()
        for row, kept in zip(part.bricks.tolist(), part.final.tolist(), strict=True):
            any_brick.add(tuple(row))
            if kept:
                final.add(tuple(row))
        shown |= np.array([index in final for index in here], dtype=bool)
        if place < plan.cover:
            covered |= np.array([index in any_brick for index in here], dtype=bool)
    assert shown.all()
    assert covered.all()


@given(volumes(longest=16), BRICKS, st.integers(1, 60) | st.just(NO_LIMIT))
def test_bricks_and_chunks_need_each_other(case: tuple[Pyramid, View], shape: tuple[int, int, int], limit: int) -> None:
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(limit, shape))
    axes = list(plan.displayed)
    for part in plan.levels:
        size = pyramid.chunk_shapes[part.level][axes]
        corners = part.corner_pixels[:, axes]
        chunks = {tuple(row) for row in part.chunks[:, axes].tolist()}
        used = set()
        for brick in part.bricks:
            first = np.maximum(brick * shape, corners[0]) // size
            last = (np.minimum((brick + 1) * shape, corners[1] + 1) - 1) // size
            mine = set(product(*(range(a, b + 1) for a, b in zip(first, last, strict=True)))) & chunks
            assert mine
            used |= mine
        assert used == chunks
        assert (np.diff(part.brick_distances) >= 0).all()
        assert (np.diff(part.distances) >= 0).all()


@given(volumes(longest=16), BRICKS, st.integers(1, 60) | st.just(NO_LIMIT))
def test_the_stand_ins_of_a_level_are_planned_together_or_not_at_all(
    case: tuple[Pyramid, View], shape: tuple[int, int, int], limit: int
) -> None:
    """A place never shows a stand-in beside one that shows nothing because its stand-in was left out."""
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(limit, shape))
    assume(not plan.empty and not plan.partial and view.camera is not None and view.camera.fov and view.level is None)
    bricks = naive_bricks(pyramid, view, shape)
    _, standins = naive_split(bricks, naive_threshold(bricks, limit))
    mine = planned(plan, final=False)
    for k in {level for level, _ in mine}:
        left_out = {(b.level, b.index) for b in standins if b.level == k} - mine
        assert all(not has_pixels(plan, *each) for each in left_out)


@given(volumes(longest=16), st.integers(1, 40))
def test_without_mixing_one_level_is_final(case: tuple[Pyramid, View], limit: int) -> None:
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(limit, (4, 4, 4), mixed=False))
    assert all(part.final.any() == (part is plan.target) for part in plan.levels if len(part.bricks))
    assert plan.empty or plan.target.final.all()


@pytest.mark.parametrize("listed", [2.0, 20.0])
@pytest.mark.parametrize("fov", [5.0, 60.0])
def test_looking_at_boxes_first_finds_the_same(monkeypatch: pytest.MonkeyPatch, listed: float, fov: float) -> None:
    """Many candidates are cut into halves before they are listed; which bricks are found does not depend on it."""
    pyramid = cube(512)
    view = View.volume(pyramid, canvas=(300, 200), zoom=1.0, camera=Camera(30.0, 20.0, 0.0, fov))
    expected = plan_view(pyramid, view, Budget(300, (16, 16, 16)))
    monkeypatch.setattr(search_module, "ALWAYS_LISTED", listed)
    monkeypatch.setattr(search_module, "LISTED", 1)
    found = plan_view(pyramid, view, Budget(300, (16, 16, 16)))
    for final in (True, False):
        assert planned(found, final=final) == planned(expected, final=final)


def test_near_bricks_are_finer_than_far_ones() -> None:
    """The level of each final brick of a long corridor follows its depth: half the size, half the distance."""
    pyramid = cube(1 << 16)
    view = View.volume(pyramid, canvas=(400, 300), zoom=1.0, center=(1 << 15, 1000.0, 1 << 15), camera=Camera(fov=45.0))
    plan = plan_view(pyramid, view, Budget(3000, (32, 32, 32)))
    eye = plan.local.eye
    assert eye is not None
    nearest, farthest = {}, {}
    for part in plan.levels:
        bricks = part.bricks[part.final]
        scale = pyramid.scales[part.level]
        middle = ((bricks + 0.5) * 32 - 0.5) * scale + pyramid.translations[part.level]
        depth = (middle - eye.position) @ eye.forward
        if len(depth):
            nearest[part.level], farthest[part.level] = depth.min(), depth.max()
    levels = sorted(nearest)
    assert len(levels) > 5
    assert all(nearest[a] < nearest[b] and farthest[a] < farthest[b] for a, b in pairwise(levels))
