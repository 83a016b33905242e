"""The plan against naive models that look at every pixel, chunk and brick of small ugly pyramids."""

import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.errors import BudgetError
from brickstream.multiscale import Axis, Budget, Camera, Level, Plan, Pyramid, View, choose_level, plan_view
from tests.ugly import cube, planes, seen_by_projection, volumes, voxel_centres

NO_LIMIT = 10**6
HALF = Fraction(1, 2)
pytestmark = pytest.mark.oracle


# ---- the models


def box_in_view(pyramid: Pyramid, view: View) -> list[tuple[Fraction, Fraction]] | None:
    """World box of what a plane shows of the image, by displayed axis; None where nothing is shown."""
    box = []
    for name, middle, pixels in zip(view.displayed, view.center, view.canvas[::-1], strict=True):
        axis, level = pyramid.axis_index(name), pyramid.levels[0]
        half = Fraction(pixels) / Fraction(view.zoom) / 2
        start = Fraction(level.translation[axis]) - Fraction(level.scale[axis]) / 2
        stop = start + level.shape[axis] * Fraction(level.scale[axis])
        box.append((max(start, Fraction(middle) - half), min(stop, Fraction(middle) + half)))
    return box if all(low < high for low, high in box) else None


def pixels_in_view(level: Level, axis: int, low: Fraction, high: Fraction) -> list[int]:
    """Every pixel along an axis whose half-open extent overlaps a half-open interval of the world."""
    scale, shift = Fraction(level.scale[axis]), Fraction(level.translation[axis])
    return [
        i for i in range(level.shape[axis]) if shift + (i + HALF) * scale > low and shift + (i - HALF) * scale < high
    ]


def naive_level(pyramid: Pyramid, view: View) -> int:
    """The coarsest level that no displayed axis wants to be finer, if a finer level could help it at all."""
    if view.level is not None:
        return view.level
    axes = [pyramid.axis_index(name) for name in view.displayed]
    good = [
        k
        for k, level in enumerate(pyramid.levels)
        if all(
            level.scale[a] * view.zoom <= 1 or not any(finer.scale[a] < level.scale[a] for finer in pyramid.levels[:k])
            for a in axes
        )
    ]
    return max(good, default=0)


def naive_distance(pyramid: Pyramid, view: View, k: int, index: Iterable[int]) -> float:
    """From the middle of the view to the nearest point of a chunk, along the displayed axes."""
    level = pyramid.levels[k]
    start, stop = level.chunk_box(tuple(index))
    total = 0.0
    for name, middle in zip(view.displayed, view.center, strict=True):
        a = pyramid.axis_index(name)
        low = level.translation[a] + (start[a] - 0.5) * level.scale[a]
        high = level.translation[a] + (stop[a] - 0.5) * level.scale[a]
        total += max(low - middle, middle - high, 0.0) ** 2
    return total**0.5


def check_common(plan: Plan) -> None:
    """What holds for every plan."""
    assert [part.level for part in plan.levels] == sorted((part.level for part in plan.levels), reverse=True)
    for part in plan.levels:
        level = plan.pyramid.levels[part.level]
        assert part.corner_pixels.dtype == np.int64
        assert part.chunks.dtype == np.int64
        assert (part.corner_pixels[0] >= 0).all()
        assert (part.corner_pixels[0] <= part.corner_pixels[1]).all()
        assert (part.corner_pixels[1] < level.shape).all()
        assert ((part.chunks >= 0) & (part.chunks < level.grid)).all()
        assert len(np.unique(part.chunks, axis=0)) == len(part.chunks)
        assert (np.diff(part.distances) >= 0).all()
        naive = [naive_distance(plan.pyramid, plan.view, part.level, row) for row in part.chunks.tolist()]
        np.testing.assert_allclose(part.distances, naive, atol=1e-9)


# ---- two dimensions


@given(planes())
def test_a_plane_plans_exactly_the_pixels_and_chunks_in_view(case: tuple[Pyramid, View]) -> None:
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(NO_LIMIT, (8, 8)))
    box = box_in_view(pyramid, view)
    assert plan.empty == (box is None)
    if box is None:
        return
    assert plan.target.level == naive_level(pyramid, view) == choose_level(pyramid, view)
    assert not plan.partial
    check_common(plan)
    for part in plan.levels:
        level = pyramid.levels[part.level]
        pixels = [pixels_in_view(level, a, *box[i]) for i, a in enumerate(plan.displayed)]
        chunks = [{p // level.chunks[a] for p in row} for a, row in zip(plan.displayed, pixels, strict=True)]
        expected = {tuple(index) for index in product(*chunks)}
        assert {tuple(row) for row in part.chunks[:, list(plan.displayed)].tolist()} == expected
        if all(pixels):
            corners = part.corner_pixels[:, list(plan.displayed)]
            assert corners.T.tolist() == [[row[0], row[-1]] for row in pixels]


@given(planes(ndim=3), st.data())
def test_an_axis_that_is_not_displayed_gives_one_pixel_rounded_half_up(
    case: tuple[Pyramid, View], data: st.DataObject
) -> None:
    pyramid, view = case
    ((name, _),) = view.point
    axis = pyramid.axis_index(name)
    low, high = pyramid.extent()[:, axis]
    value = data.draw(st.integers(int(np.ceil(low * 8)), int(np.floor(high * 8)))) / 8
    view = replace(view, point=((name, value),))
    for part in plan_view(pyramid, view, Budget(NO_LIMIT, (8, 8))).levels:
        level = pyramid.levels[part.level]
        position = (Fraction(value) - Fraction(level.translation[axis])) / Fraction(level.scale[axis])
        pixel = min(max((position + HALF).__floor__(), 0), level.shape[axis] - 1)
        assert part.corner_pixels[:, axis].tolist() == [pixel, pixel]
        assert set(part.chunks[:, axis].tolist()) <= {pixel // level.chunks[axis]}


@given(planes(), st.integers(1, 30), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_a_plane_never_exceeds_its_budget(case: tuple[Pyramid, View], max_bricks: int, brick: tuple[int, int]) -> None:
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(max_bricks, brick))
    box = box_in_view(pyramid, view)
    if box is None:
        assert plan.empty
        return
    check_common(plan)

    def bricks(k: int) -> int:
        rows = [pixels_in_view(pyramid.levels[k], a, *box[i]) for i, a in enumerate(plan.displayed)]
        # Where a level ends before the view begins, the bricks at its border count.
        return int(np.prod([max(len({p // b for p in row}), 1) for row, b in zip(rows, brick, strict=True)]))

    wanted, coarsest = choose_level(pyramid, view), len(pyramid.levels) - 1
    assert plan.target.level >= wanted
    assert plan.partial == (bricks(coarsest) > max_bricks)
    if plan.partial:
        assert [part.level for part in plan.levels] == [coarsest]
    else:
        assert sum(bricks(part.level) for part in plan.levels) <= max_bricks
    whole = sum(bricks(k) for k in range(wanted, coarsest + 1))
    assert whole > max_bricks or plan.target.level == wanted


def test_a_partial_plan_keeps_the_bricks_nearest_to_the_focus() -> None:
    level = Level("0", (400, 400), np.dtype("u1"), (10, 10), (1.0, 1.0), (0.5, 0.5))
    pyramid = Pyramid("flat", (Axis("y", "space"), Axis("x", "space")), (level,))
    view = View.plane(pyramid, canvas=(400, 400), center=(205.0, 105.0))
    plan = plan_view(pyramid, view, Budget(5, (10, 10)))
    assert plan.partial
    assert {tuple(row) for row in plan.target.chunks.tolist()} == {(20, 10), (19, 10), (21, 10), (20, 9), (20, 11)}
    assert plan.target.corner_pixels.tolist() == [[5, 0], [399, 304]]


@given(planes())
def test_coarser_levels_are_planned_only_where_they_are_cheap(case: tuple[Pyramid, View]) -> None:
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(NO_LIMIT, (8, 8)))
    if plan.empty:
        return
    target = plan.target.level
    counts = {part.level: len(part.chunks) for part in plan.levels}
    if target + 1 < len(pyramid.levels):
        forced = plan_view(pyramid, replace(view, level=target + 1), Budget(NO_LIMIT, (8, 8)))
        if counts[target] <= len(forced.target.chunks):
            assert list(counts) == [target]
        else:
            assert len(counts) > 1 or min(forced.target.chunks.shape) == 0
    assert all(coarse <= fine for coarse, fine in pairwise(counts.values()))
    assert all(counts[k] for k in list(counts)[:-1])


def test_a_view_inside_one_chunk_plans_exactly_one_chunk() -> None:
    shapes = [(100, 1024, 1024), (50, 512, 512), (25, 256, 256)]
    levels = tuple(
        Level(str(k), shape, np.dtype("u2"), (1, 256, 256), (2.0**k,) * 3, (2.0**k / 2,) * 3)
        for k, shape in enumerate(shapes)
    )
    pyramid = Pyramid("brain", tuple(Axis(name, "space") for name in "zyx"), levels)
    view = View.plane(pyramid, canvas=(64, 64), center=(300.0, 300.0), zoom=1.0, point={"z": 40.5})
    plan = plan_view(pyramid, view, Budget(500, (64, 64)))
    assert [part.level for part in plan.levels] == [0]
    assert plan.target.chunks.tolist() == [[40, 1, 1]]
    assert plan.target.corner_pixels.tolist() == [[40, 268, 268], [40, 331, 331]]
    assert plan.chunk_count == 1


# ---- three dimensions


@given(volumes())
def test_a_volume_plans_every_chunk_with_a_visible_voxel(case: tuple[Pyramid, View]) -> None:
    pyramid, view = case
    plan = plan_view(pyramid, view, Budget(NO_LIMIT, (4, 4, 4), mixed=False))
    extent = pyramid.extent()
    check_common(plan)
    if not plan.empty:
        assert plan.target.level == naive_level(pyramid, view)
    for k in [part.level for part in plan.levels] or [0]:
        points = voxel_centres(pyramid, k)
        inside = ((points > extent[0]) & (points < extent[1])).all(axis=-1)
        voxels = np.argwhere(seen_by_projection(view, points) & inside)
        if plan.empty:
            assert not len(voxels)
            continue
        part = next(part for part in plan.levels if part.level == k)
        needed = {tuple(row) for row in (voxels // pyramid.levels[k].chunks).tolist()}
        assert needed <= {tuple(row) for row in part.chunks.tolist()}
        if len(voxels):
            assert (part.corner_pixels[0] <= voxels.min(axis=0)).all()
            assert (part.corner_pixels[1] >= voxels.max(axis=0)).all()


@given(volumes(), st.integers(1, 40))
def test_a_volume_never_exceeds_its_budget(case: tuple[Pyramid, View], max_bricks: int) -> None:
    pyramid, view = case
    brick = np.array([4, 4, 4])
    plan = plan_view(pyramid, view, Budget(max_bricks, (4, 4, 4), mixed=False))
    check_common(plan)
    visible = 0
    for part in plan.levels:
        points = voxel_centres(pyramid, part.level)
        inside = ((points > pyramid.extent()[0]) & (points < pyramid.extent()[1])).all(axis=-1)
        voxels = np.argwhere(seen_by_projection(view, points) & inside)
        visible += len(np.unique(voxels // brick, axis=0))
    assert plan.partial or visible <= max_bricks


@pytest.mark.parametrize(
    ("camera", "corners"),
    [
        # Looking along +y (front), +x (from the left) and -z (from above); the other axes are cut by the canvas.
        (Camera(0.0, 0.0), [[24, 0, 16], [39, 63, 47]]),
        (Camera(-90.0, 0.0), [[24, 16, 0], [39, 47, 63]]),
        (Camera(0.0, 90.0), [[0, 24, 16], [63, 39, 47]]),
    ],
)
def test_a_straight_camera_sees_a_box(camera: Camera, corners: list[list[int]]) -> None:
    level = Level("0", (64, 64, 64), np.dtype("u1"), (8, 8, 8), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))
    pyramid = Pyramid("cube", tuple(Axis(name, "space") for name in "zyx"), (level,))
    view = View.volume(pyramid, canvas=(32, 16), zoom=1.0, camera=camera)
    plan = plan_view(pyramid, view, Budget(NO_LIMIT, (8, 8, 8)))
    assert plan.target.corner_pixels.tolist() == corners
    low, high = np.array(corners) // 8
    assert len(plan.target.chunks) == np.prod(high - low + 1)


def test_a_thin_slanted_view_of_a_large_volume_is_planned_whole() -> None:
    """The box around what is in view holds far more bricks than the budget; what is in view does not."""
    level = Level("0", (1, 4096, 4096), np.dtype("u1"), (1, 64, 64), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))
    pyramid = Pyramid("slab", tuple(Axis(name, "space") for name in "zyx"), (level,))
    view = View.volume(pyramid, canvas=(6000, 16), zoom=1.0, camera=Camera(0.0, 90.0))
    turned = replace(view, camera=Camera(45.0, 90.0))
    budget = Budget(300, (64, 64, 64))
    for each in (view, turned):
        plan = plan_view(pyramid, each, budget)
        points = voxel_centres(pyramid, 0)[:, ::8, ::8]
        voxels = np.argwhere(seen_by_projection(each, points)) * (1, 8, 8)
        needed = {tuple(row) for row in (voxels // level.chunks).tolist()}
        assert not plan.partial
        assert needed <= {tuple(row) for row in plan.target.chunks.tolist()}


# ---- any size


@pytest.mark.parametrize("camera", [Camera(), Camera(fov=60.0), Camera(10.0, 70.0, 5.0, 30.0)])
def test_the_plan_of_a_huge_volume_is_no_larger_than_that_of_a_small_one(camera: Camera) -> None:
    budget = Budget(600, (32, 32, 32))
    small, huge = (
        plan_view(pyramid, View.volume(pyramid, canvas=(256, 256), camera=camera), budget)
        for pyramid in (cube(512), cube(1 << 20))
    )
    assert small.chunk_count / 2 <= huge.chunk_count <= small.chunk_count * 2
    assert small.target.chunks.shape == huge.target.chunks.shape


@pytest.mark.parametrize("zoom", [1.0, 0.01, 1e-4])
@pytest.mark.parametrize("fov", [0.0, 60.0])
def test_planning_a_huge_volume_takes_little_memory(zoom: float, fov: float) -> None:
    pyramid = cube(1 << 20)
    view = View.volume(pyramid, canvas=(800, 600), zoom=zoom, camera=Camera(fov=fov))
    tracemalloc.start()
    plan = plan_view(pyramid, view, Budget(2000, (32, 32, 32)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < plan.chunk_count <= 2000
    assert peak < 64 << 20


def test_a_huge_step_between_levels_takes_little_memory() -> None:
    """Two levels only, a thousand times apart: nothing may list the bricks between them."""
    fine, coarse = cube(1 << 20).levels[0], cube(1 << 20).levels[10]
    pyramid = Pyramid("gap", tuple(Axis(name, "space") for name in "zyx"), (fine, coarse))
    view = View.volume(pyramid, canvas=(800, 600), zoom=1.0)
    tracemalloc.start()
    plan = plan_view(pyramid, view, Budget(2000, (32, 32, 32)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert plan.target.level == 1
    assert peak < 64 << 20


def test_one_huge_level_keeps_what_is_nearest() -> None:
    pyramid = Pyramid("one", cube(64).axes, cube(1 << 20).levels[:1])
    view = View.volume(pyramid, canvas=(800, 600))
    plan = plan_view(pyramid, view, Budget(100, (64, 64, 64)))
    assert plan.partial
    assert len(plan.target.chunks) == 100
    middle = np.array(view.center) / 64
    assert (abs(plan.target.chunks + 0.5 - middle) < 8).all()


def test_a_plane_of_a_huge_volume_plans_what_a_plane_of_a_small_one_does() -> None:
    budget = Budget(2000, (64, 64))
    plans = []
    for side in (1 << 12, 1 << 20):
        pyramid = cube(side)
        view = View.plane(pyramid, canvas=(800, 600), zoom=1.0, point={"z": 1000.0}, center=(1000.0, 1000.0))
        plans.append(plan_view(pyramid, view, budget))
    small, huge = plans
    assert small.target.chunks.tolist() == huge.target.chunks.tolist()
    assert small.target.corner_pixels.tolist() == huge.target.corner_pixels.tolist()


def test_beside_the_image_there_is_nothing_to_plan() -> None:
    pyramid = cube(512)
    budget = Budget(100, (64, 64))
    plane = View.plane(pyramid, canvas=(64, 64), zoom=1.0, center=(-33.0, 100.0))
    assert plan_view(pyramid, plane, budget).empty
    volume = View.volume(pyramid, canvas=(64, 64), zoom=1.0, center=(5000.0, 100.0, 100.0), camera=Camera(0.0, 0.0))
    plan = plan_view(pyramid, volume, Budget(100, (64, 64, 64)))
    assert plan.empty
    assert plan.chunk_count == 0


def test_a_budget_of_no_bricks_is_refused() -> None:
    with pytest.raises(BudgetError):
        Budget(0, (64, 64))
