"""The page table against a brute-force model, with odd ratios and shifts."""

from __future__ import annotations

from math import ceil

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from brickstream.render.apron import Brick
from brickstream.render.grid import Layer, LevelGrid
from brickstream.render.page_table import HIGH, LEVEL, LOW, SLOT, PageTable, make_windows

RATIOS = (1.0, 1.5, 2.0, 2.37, 3.0, 4.0, 7.0)


@st.composite
def pyramids(draw):
    shape = np.array([draw(st.integers(1, 60)) for _ in range(3)])
    brick = np.array([draw(st.integers(2, 12)) for _ in range(3)])
    scale, grids = np.ones(3), []
    for k in range(draw(st.integers(1, 4))):
        size = np.array([max(1, ceil(n / s)) for n, s in zip(shape, scale, strict=True)])
        shift = (scale - 1) / 2 + np.array([draw(st.sampled_from([0.0, 0.0, 0.25])) for _ in range(3)])
        grids.append(LevelGrid(Layer(k, (-1, -1, -1), (0, 1, 2)), size, brick, brick, scale, shift))
        scale = scale * [draw(st.sampled_from(RATIOS)) for _ in range(3)]
    return grids


def brick(index, slot):
    return Brick(tuple(index), slot, (1, 1, 1), {}, float(slot), float(slot) + 0.5, None)


def under(fine, coarse, index):
    """Bricks of `coarse` that a brick of `fine` lies in, straight from the geometry."""
    low, high = fine.box(np.array(index))
    hits = []
    for c in np.ndindex(*coarse.counts):
        start, stop = coarse.box(np.array(c))
        start = np.where(np.array(c) == 0, -np.inf, start)
        stop = np.where(np.array(c) == coarse.count - 1, np.inf, stop)
        if ((low < stop - 1e-5 * coarse.scale) & (high > start + 1e-5 * coarse.scale)).all():
            hits.append(c)
    return hits


@given(pyramids(), st.data())
@settings(max_examples=40)
def test_cells_name_the_best_that_covers_them(grids, data) -> None:
    target = data.draw(st.integers(0, len(grids) - 1))
    whole = (np.zeros(3, dtype=np.int64), grids[target].count - 1)
    boxes = [whole if k == target else (0 * g.count, g.count - 1) for k, g in enumerate(grids)]
    reach = grids[target].box(np.array(whole))
    windows = make_windows(grids, target, boxes, (reach[0][0], reach[1][1]), np.zeros(3), 1 << 20)
    table = PageTable(windows, target, 16)
    list(table.refresh())
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    resident = [{} for _ in grids]
    every = [(k, c) for k, g in enumerate(grids) for c in np.ndindex(*g.counts)]
    for n, at in enumerate(rng.permutation(len(every))[: data.draw(st.integers(0, 60))]):
        k, index = every[at]
        slot = n + 1
        resident[k][index] = slot
        table.place(grids[k].layer, brick(index, slot), True)
        if n % 4 == 3:
            resident[k].pop(index)
            table.remove(grids[k].layer, index)
        if n % 3 == 0:
            list(table.refresh())
    list(table.refresh())
    flat = table.cells.reshape(-1, 4)
    for i, (grid, window) in enumerate(zip(grids, windows, strict=True)):
        order = (
            list(range(i, len(grids))) if i >= target else [target, *(j for j in range(i, len(grids)) if j != target)]
        )
        cells = list(np.ndindex(*window.count))
        for pick in rng.permutation(len(cells))[:40]:
            cell = cells[pick]
            row = flat[window.first + np.ravel_multi_index(cell, tuple(window.count))]
            index = tuple(np.array(cell) + window.low)
            own = resident[i].get(index, 0)
            assert row[SLOT] == own
            assert row[LOW] <= own <= row[HIGH] or not own
            covers = {j: [index] if j == i else under(grid, grids[j], index) for j in order}
            best = next((j for j in order if all(c in resident[j] for c in covers[j])), None)
            some = next((j for j in order if j > i and any(c in resident[j] for c in covers[j])), i)
            assert row[LEVEL] == (some if best is None else best)


def test_changes_are_patched_and_not_rebuilt() -> None:
    grid = LevelGrid(Layer(0, (), ()), *(np.full(3, n) for n in (640, 10, 10)), np.ones(3), np.zeros(3))
    every = np.zeros(3, int), np.full(3, 63)
    reach = np.full(3, -0.5), np.full(3, 639.5)
    table = PageTable(make_windows([grid], 0, [every], reach, np.zeros(3), 1 << 20), 0, 256)
    assert sum(stop - first for first, stop in table.refresh()) == len(table.cells)
    table.place(grid.layer, brick((5, 6, 7), 9), True)
    (run,) = table.refresh()
    assert run[1] - run[0] == 1
    assert list(table.refresh()) == []


def test_a_window_follows_what_is_in_view_and_never_the_dataset() -> None:
    shape = np.full(3, 1 << 20)
    grids = [
        LevelGrid(
            Layer(k, (), ()), shape >> k, *(np.full(3, 64),) * 2, np.full(3, 2.0**k), np.full(3, 2.0**k / 2 - 0.5)
        )
        for k in range(15)
    ]
    focus = np.full(3, 5e5)
    reach = np.full(3, 7800 * 64 - 0.5), np.full(3, 7821 * 64 - 0.5)
    boxes = [grid.bricks_in(*reach) for grid in grids]
    assert boxes[0][0].tolist() == [7800] * 3
    assert boxes[0][1].tolist() == [7820] * 3
    windows = make_windows(grids, 0, boxes, reach, focus, 1 << 18)
    assert sum(w.cells for w in windows) < 15000
    # A needle through the whole volume: the finest window is kept around the focus, the coarsest still has all of it.
    reach = np.full(3, -0.5), np.full(3, (1 << 20) - 0.5)
    windows = make_windows(grids, 0, [grid.bricks_in(*reach) for grid in grids], reach, focus, 1 << 16)
    assert sum(w.cells for w in windows) <= 1 << 16
    assert (windows[0].low <= focus // 64).all()
    assert (windows[0].low + windows[0].count > focus // 64).all()
    assert (windows[-1].count == grids[-1].count).all()
