"""The sink: chunks of a plan become bricks, bricks become uploads, uploads become cells of the page table.

Needs no GPU itself: what the GPU has to do goes through a :class:`Device`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from brickstream.engine.sink import ChunkId
from brickstream.engine.update import Outcome, Update
from brickstream.errors import BudgetError
from brickstream.multiscale import Budget, Plan, Pyramid, View, thick_axes
from brickstream.multiscale.affine import IntArray
from brickstream.render.apron import Array
from brickstream.render.frame import Frame
from brickstream.render.grid import Index, Layer, three
from brickstream.render.layout import TABLE_SHARE, AtlasLayout, Triple, choose_layout
from brickstream.render.patching import Patching
from brickstream.render.residency import Key, Residency, Upload
from brickstream.render.screen import Screen
from brickstream.render.stage import Stage, to_texels
from brickstream.render.wanted import Wanted, wanted_levels

CELL_NBYTES = 16
MAX_CELLS = 1 << 20


class Device(Protocol):
    """Where the textures are. All methods run on the render thread."""

    def allocate(self, layout: AtlasLayout) -> None:
        """Make a new atlas texture; an older one goes."""

    def grow(self, layout: AtlasLayout) -> None:
        """Make the atlas texture larger along z, now; what it holds stays where it is."""

    def write(self, start: Triple, texels: Array) -> None:
        """Write a box of texels (z, y, x) of the atlas, now."""

    def write_table(self, cells: NDArray[np.float32], first: int, stop: int) -> None:
        """Write rows of the page table, now; make the texture anew where `cells` has another shape."""

    @property
    def nbytes(self) -> int:
        """Bytes of the textures."""


@dataclass
class Counters:
    """What a sink has done since it was made.

    Attributes
    ----------
    bricks, patches : int
        Whole bricks and apron parts uploaded.
    bytes_bricks, bytes_patches, bytes_table : int
        Bytes uploaded.
    evicted : int
        Bricks that lost their slot.
    """

    bricks: int = 0
    patches: int = 0
    bytes_bricks: int = 0
    bytes_patches: int = 0
    bytes_table: int = 0
    evicted: int = 0


class BrickSink:
    """Takes the updates of an engine and keeps the bricks of the newest plan on the GPU. Render thread only.

    Parameters
    ----------
    device : Device
    max_gpu_bytes : int
        Budget for the atlas and the page table together.
    max_texture : callable
        Gives the largest size of a 2D and of a 3D texture along an axis; asked when first needed.
    """

    def __init__(self, device: Device, max_gpu_bytes: int, max_texture: Callable[[], tuple[int, int]]) -> None:
        self.max_gpu_bytes = max_gpu_bytes
        self.counters = Counters()
        self.generation: int | None = None
        self.plan: Plan | None = None
        self.value_range: tuple[float, float] | None = None
        self._device = device
        self._max_texture = max_texture
        self._residency: Residency | None = None
        self._patching: Patching
        self._image: Pyramid | None = None
        self._allocated: AtlasLayout | None = None
        self._wanted: dict[Layer, Wanted] = {}
        self._stages: dict[Key, Stage] = {}
        self._missing: dict[Key, int] = {}
        self._rows: dict[ChunkId, tuple[Wanted, int]] = {}
        self._screen: Screen | None = None
        self._coming: Screen | None = None
        self._is_written = False

    # -- what the engine calls -------------------------------------------------------------------------------------

    def budget(self, pyramid: Pyramid, view: View) -> Budget:
        """Say how many bricks, of which shape, a plan may want.

        Raises
        ------
        BudgetError
            If not even one brick fits the GPU budget.
        """
        layout = self._layout(pyramid, view)
        return Budget(layout.capacity, layout.brick[3 - view.ndisplay :])

    def begin(self, generation: int, plan: Plan) -> Collection[ChunkId]:
        """Start a generation.

        Returns
        -------
        set of (level, chunk index)
            Planned chunks that no brick in view is waiting for.

        Raises
        ------
        BudgetError
            If the plan was made for bricks of another shape.
        """
        residency = self._prepare(plan)
        self.generation, self.plan = generation, plan
        levels = list(wanted_levels(plan, residency.layout.brick, residency.layout.capacity))
        self._wanted = {w.grid.layer: w for w in levels if w.bricks}
        residency.drop_queued(self._is_wanted)
        self._patching.clear()
        # What a thick slice has gathered so far begins anew with each view.
        stages = {} if thick_axes(plan.local) else self._stages
        self._stages, self._missing, self._rows = {}, {}, {}
        held: set[ChunkId] = set()
        for wanted in levels:
            self._await(wanted, stages)
            for row, chunk in enumerate(wanted.chunks):
                name = (wanted.grid.layer.level, chunk)
                self._rows[name] = wanted, row
                if all(self._has(wanted, index, row) for index in wanted.bricks_of.get(row, ())):
                    held.add(name)
        self._rebuild()
        return held

    def put(self, update: Update) -> None:
        """Take one chunk; one of another generation than the newest, or of no plan, is dropped."""
        found = self._rows.get((update.level, update.index))
        if update.generation != self.generation or found is None:
            return
        wanted, row = found
        if update.outcome is Outcome.FAILED or update.data is None:
            self._fail(wanted, row)
            return
        plan = update.plan
        axes = list(plan.displayed)
        start = np.array(three(update.region[0, axes].tolist(), 0), dtype=np.int64)
        texels = to_texels(update.data, self._atlas.layout.dtype, plan.view.ndisplay)
        for index in wanted.bricks_of.get(row, ()):
            if self._has(wanted, index, row):
                continue
            key = wanted.grid.layer, index
            stage = self._stages.get(key)
            if stage is None:
                stage = self._stages[key] = Stage.empty(index, wanted.grid, texels.dtype)
            stage.put(update.index, wanted.cells[row], start, texels)
            self._missing[key] -= 1
            if not self._missing[key]:
                self._finish(wanted, stage)

    def drop(self, pyramid: Pyramid, regions: Mapping[int, IntArray]) -> None:
        """Wait anew for the bricks of these regions, of all planes; they stay on screen until they have come."""
        shown = None if self.plan is None else self.plan.oblique
        of_cut = shown is not None and pyramid is shown.pyramid
        if self._residency is None or not (of_cut or pyramid is self._image):
            return
        size = self._residency.layout.brick

        def is_stale(key: Key) -> bool:
            layer, index = key
            if layer.cut is (shown if of_cut else None):
                return layer.meets(index, size, regions[layer.level])
            # What other cuts show of a part of the image is not known here.
            return not of_cut and layer.cut is not shown

        self._residency.doubt(is_stale)
        self._stages = {key: stage for key, stage in self._stages.items() if not is_stale(key)}

    def complete(self, generation: int) -> None:
        """Hear that nothing of a generation is outstanding: aprons that still can be patched are."""
        if generation != self.generation or self._residency is None:
            return
        for wanted in self._wanted.values():
            self._patching.ripen(wanted.grid)

    # -- what the host calls once a frame --------------------------------------------------------------------------

    def commit(self, budget_ms: float | None = None) -> int:
        """Execute queued uploads and bring the page table up to date; the context must be current.

        Parameters
        ----------
        budget_ms : float, optional
            Stop after this long (at least one thing is done); None does everything.

        Returns
        -------
        int
            Uploads made.
        """
        if self._residency is None:
            return 0
        self._make_room(self._residency)
        self._forget_evicted()
        done = self._upload(budget_ms)
        if self._coming is not None and self._coming.is_covered:
            self._turn_to(self._coming)
        if self._screen is not None and self._screen.is_littered and self.shows_newest:
            self._rebuild()  # what was on screen before is not needed any more
        self._write_table()
        return done

    @property
    def gpu_bytes(self) -> int:
        """Bytes of the textures on the GPU."""
        return self._device.nbytes

    @property
    def pending_uploads(self) -> int:
        """Uploads that wait for a commit, and aprons that it has to look at."""
        return len(self._residency.uploads) + len(self._patching) if self._residency is not None else 0

    @property
    def layout(self) -> AtlasLayout | None:
        """The atlas, once a plan has begun."""
        return self._residency.layout if self._residency is not None else None

    def shown_levels(self) -> list[int]:
        """Levels that the bricks in view of the newest plan are drawn from, as of the last commit, sorted."""
        return self._screen.shown_levels() if self._screen is not None and self.shows_newest else []

    @property
    def coarseness(self) -> float:
        """Pixels of the target level along one pixel of the finest level shown, as of the last commit; 1 when done.

        Where nothing is shown yet, of the level that comes first.
        """
        if self.plan is None or self.plan.empty:
            return 1.0
        shown = self.shown_levels() or [self.plan.levels[0].level]
        scales = self.plan.pyramid.scales[:, list(self.plan.displayed)]
        return float((scales[shown[0]] / scales[self.plan.target.level]).max())

    @property
    def has_pixels(self) -> bool:
        """Whether anything of the newest plan is shown, as of the last commit."""
        return bool(self.shown_levels())

    # -- layout ----------------------------------------------------------------------------------------------------

    def _layout(self, pyramid: Pyramid, view: View) -> AtlasLayout:
        return choose_layout(pyramid, view, self.max_gpu_bytes, self._max_texture()[1])

    def _prepare(self, plan: Plan) -> Residency:
        """Keep the atlas where it fits the plan; else start a new one."""
        layout = self._layout(plan.pyramid, plan.view)
        if layout.brick[3 - plan.view.ndisplay :] != plan.brick_shape:
            raise BudgetError("the plan was made for other bricks", f"{plan.brick_shape}", "plan with budget()")
        fits = self._residency is not None and self._image is plan.image and _fits(self._residency.layout, layout, plan)
        if self._residency is None or not fits:
            self._residency, self._image, self._allocated = Residency(layout), plan.image, None
            self._patching = Patching(self._residency)
            self._stages, self._screen, self._coming = {}, None, None
            self.value_range = None
        return self._residency

    @property
    def _atlas(self) -> Residency:
        if self._residency is None:
            raise BudgetError("no plan has begun", "", "call begin() first")
        return self._residency

    # -- bricks ----------------------------------------------------------------------------------------------------

    def _await(self, wanted: Wanted, stages: dict[Key, Stage]) -> None:
        """Note what each brick of a level still waits for; bricks half put together for an older plan go on."""
        layer = wanted.grid.layer
        for index in wanted.bricks:
            key = layer, index
            brick = self._atlas.get(layer, index)
            if brick is not None:
                self._atlas.touch(layer, index)
                if wanted.is_whole(brick):
                    continue
            stage = stages.get(key)
            parts = wanted.parts[index]
            self._missing[key] = len(parts)
            if stage is not None:
                self._stages[key] = stage
                self._missing[key] -= sum(wanted.chunks[row] in stage.known for row in parts)
                if not self._missing[key]:
                    self._finish(wanted, stage)

    def _has(self, wanted: Wanted, index: Index, row: int) -> bool:
        key = wanted.grid.layer, index
        if key not in self._missing:
            return True
        stage = self._stages.get(key)
        return stage is not None and wanted.chunks[row] in stage.known

    def _is_wanted(self, key: Key) -> bool:
        wanted = self._wanted.get(key[0])
        return wanted is not None and key[1] in wanted.parts

    def _finish(self, wanted: Wanted, stage: Stage) -> None:
        _, index = key = wanted.grid.layer, stage.index
        del self._missing[key], self._stages[key]
        whole = wanted.whole[index]
        interior = stage.finished(whole)
        brick = self._atlas.add(wanted.grid, index, interior, None if whole else frozenset(stage.known), self._spare)
        low, high = self.value_range or (brick.low, brick.high)
        self.value_range = float(np.fmin(low, brick.low)), float(np.fmax(high, brick.high))
        self._patching.settled(wanted.grid, index)

    def _fail(self, wanted: Wanted, row: int) -> None:
        """A chunk will not come: the bricks that need it stay as they are, and neighbours need not wait for them."""
        for index in wanted.bricks_of.get(row, ()):
            key = wanted.grid.layer, index
            if self._missing.pop(key, None) is not None:
                self._stages.pop(key, None)
                for screen in self._screens():
                    screen.settle(key)
                self._patching.settled(wanted.grid, index)

    def _spare(self, key: Key) -> int:
        """Rank of a brick for eviction: not on screen first, then the finest; wanted never."""
        if self._is_wanted(key):
            return -1
        return 1 + key[0].level if any(screen.holds(key) for screen in self._screens()) else 0

    # -- page table ------------------------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        """Make the picture of the newest plan out of what is resident.

        The one before, of other planes, stays on screen until this one has something everywhere in view.
        """
        self._coming = None
        if not self._wanted:
            self._screen = None
            return
        new = Screen(self._newest, self._wanted, self._atlas, self._table_room())
        if self._screen is None or new.is_covered or not self._may_stay(self._screen, new):
            self._turn_to(new)
        else:
            self._coming = new

    def _may_stay(self, old: Screen, new: Screen) -> bool:
        axes = [(screen.plan.displayed, screen.plan.view.directions) for screen in (old, new)]
        return axes[0] == axes[1] and not new.is_like(old)

    def _turn_to(self, screen: Screen) -> None:
        self._screen, self._coming, self._is_written = screen, None, False

    @property
    def frame(self) -> Frame | None:
        """What is drawn; None where nothing of the image is in view."""
        return self._screen.frame if self._screen is not None else None

    @property
    def shows_newest(self) -> bool:
        """Whether what is drawn belongs to the newest plan; else it is what was there before, of other planes."""
        return self._coming is None

    def _screens(self) -> list[Screen]:
        return [screen for screen in (self._screen, self._coming) if screen is not None]

    @property
    def _newest(self) -> Plan:
        if self.plan is None:
            raise BudgetError("no plan has begun", "", "call begin() first")
        return self.plan

    def _table_room(self) -> tuple[int, int]:
        """Cells in a row of the page table, and in all of it."""
        largest = min(self._max_texture()[0], 1024)
        width = 1 << (largest.bit_length() - 1)
        fits = self.max_gpu_bytes // TABLE_SHARE // CELL_NBYTES
        while width > 16 and width * width > fits:
            width //= 2
        return width, max(min(fits, width * self._max_texture()[0], MAX_CELLS) - width, width)

    def _forget_evicted(self) -> None:
        for key in self._atlas.evicted:
            self.counters.evicted += 1
            for screen in self._screens():
                screen.remove(key)
        self._atlas.evicted.clear()

    def _make_room(self, residency: Residency) -> None:
        """Give the texture the rows that the slots in use need: a small view must not cost the whole budget.

        Rows double, so that growing, which copies the texture, is rare.
        """
        full, now = residency.layout, self._allocated
        needed = full.row_of(residency.last_slot) + 1
        if now is None:
            rows = 1
        elif needed > now.grid[0]:
            rows = now.grid[0]
        else:
            return
        while rows < needed:
            rows *= 2
        layout = full.rows(min(rows, full.grid[0]))
        (self._device.allocate if now is None else self._device.grow)(layout)
        self._allocated = layout

    def _upload(self, budget_ms: float | None) -> int:
        start, done = perf_counter(), 0
        while True:
            upload = self._atlas.next_upload()
            if upload is not None:
                self._write(upload)
                done += 1
            elif len(self._patching):
                self._patching.step(self._missing)
            else:
                return done
            if budget_ms is not None and (perf_counter() - start) * 1e3 >= budget_ms:
                return done

    def _write(self, upload: Upload) -> None:
        brick = upload.brick
        self._device.write(upload.start, upload.texels)
        if brick.uploaded:
            self.counters.patches += 1
            self.counters.bytes_patches += upload.texels.nbytes
        else:
            brick.uploaded = True
            self.counters.bricks += 1
            self.counters.bytes_bricks += upload.texels.nbytes
        screen = self._coming or self._screen
        if screen is not None:
            screen.place(upload.key, brick)

    def _write_table(self) -> None:
        if self._screen is None:
            return
        self.counters.bytes_table += self._screen.write(self._device, everything=not self._is_written)
        self._is_written = True


def _fits(old: AtlasLayout, new: AtlasLayout, plan: Plan) -> bool:
    """Whether an atlas does for another plan of the image. Cuts differ a little in size from one to the next."""
    if plan.oblique is None:
        return old == new
    return replace(old, grid=new.grid) == new and old.capacity >= sum(len(part.bricks) for part in plan.levels)
