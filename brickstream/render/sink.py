"""The sink: chunks of a plan become bricks, bricks become uploads, uploads become cells of the page table.

Needs no GPU itself: what the GPU has to do goes through a :class:`Device`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from brickstream.engine.sink import ChunkId
from brickstream.engine.update import Outcome, Update
from brickstream.errors import BudgetError, TextureMemoryError
from brickstream.multiscale import Budget, Plan, Pyramid, View, thick_axes
from brickstream.multiscale.affine import FloatArray, IntArray
from brickstream.render.allocation import Allocation, AtlasDevice, AtlasWish, Contrast
from brickstream.render.apron import Array
from brickstream.render.encoding import Encoding
from brickstream.render.frame import Frame
from brickstream.render.grid import Index, Layer, three
from brickstream.render.layout import AtlasLayout, TextureLimits, Triple
from brickstream.render.patching import Patching
from brickstream.render.residency import Key, Residency, Upload
from brickstream.render.screen import Screen
from brickstream.render.stage import Stage, value_span
from brickstream.render.wanted import Wanted, wanted_levels


class Device(AtlasDevice, Protocol):
    """Where the textures are. All methods run on the render thread."""

    def write(self, start: Triple, texels: Array) -> None:
        """Write a box of texels (z, y, x) of the atlas, now; it lies in one texture."""

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
    limits : callable
        Gives the limits of textures; asked when first needed.
    contrast : callable, optional
        Gives the contrast limits of a picture in data values, where they are known; texels of types that the GPU does
        not have are made for these.
    apron : int, default 1
        Border pixels around a brick: one for linear interpolation, two for cubic. Another number makes a new atlas.

    Attributes
    ----------
    wants_anew : bool
        Whether the view that is shown has to begin anew; the engine does that at its next poll.
    revision : int
        How often the page table was written: another number, and the picture has to be drawn again.
    """

    def __init__(
        self,
        device: Device,
        max_gpu_bytes: int,
        limits: Callable[[], TextureLimits],
        contrast: Contrast = lambda pyramid, view: None,
        apron: int = 1,
    ) -> None:
        self.wants_anew = False
        self.revision = 0
        self.counters = Counters()
        self.generation: int | None = None
        self.plan: Plan | None = None
        self.value_range: tuple[float, float] | None = None
        self._device = device
        self._allocation = Allocation(AtlasWish(max_gpu_bytes, apron), limits, contrast)
        self._residency: Residency | None = None
        self._patching: Patching
        self._image: Pyramid | None = None
        self._wanted: dict[Layer, Wanted] = {}
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
        layout = self._allocation.layout(pyramid, view)
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
        self.wants_anew = False
        residency = self._prepare(plan)
        self.generation, self.plan = generation, plan
        levels = list(wanted_levels(plan, residency.layout.brick, residency.layout.capacity))
        # What a thick slice has gathered so far begins anew with each view.
        half = {} if thick_axes(plan.local) else {layer: old.stages for layer, old in self._wanted.items()}
        self._wanted = {w.grid.layer: w for w in levels if w.bricks}
        residency.drop_queued(self._is_wanted)
        self._patching.clear()
        held: set[ChunkId] = set()
        self._rows = {}
        for wanted in levels:
            layer = wanted.grid.layer
            self._atlas.touch(layer, wanted.bricks)
            for stage in wanted.begin(self._atlas.layers.get(layer, {}), half.get(layer, {})):
                self._finish(wanted, stage)
            awaited = {(layer.level, wanted.chunks[row]): (wanted, row) for row in wanted.awaited()}
            held.update((layer.level, chunk) for chunk in wanted.chunks)
            held.difference_update(awaited)
            self._rows.update(awaited)
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
        texels = self._encoding_for(update.data).encode(update.data)
        texels = texels[None] if plan.view.ndisplay == 2 else texels
        for index in wanted.bricks_of.get(row, ()):
            if not wanted.lacks(index, row):
                continue
            stage = wanted.stages.get(index)
            if stage is None:
                stage = wanted.stages[index] = Stage.empty(index, wanted.grid, self._atlas.layout)
            stage.put(update.index, wanted.cells[row], start, texels)
            stage.missing &= update.outcome is Outcome.MISSING
            wanted.missing[index] -= 1
            if not wanted.missing[index]:
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
        for layer, wanted in self._wanted.items():
            wanted.stages = {index: stage for index, stage in wanted.stages.items() if not is_stale((layer, index))}

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
        if not self._make_room(self._residency):
            return 0
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
        """Uploads that wait for a commit, aprons that it has to look at, and a view that has to begin anew."""
        waiting = int(self.wants_anew)
        return waiting if self._residency is None else waiting + len(self._residency.uploads) + len(self._patching)

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

    def level_at(self, own: FloatArray) -> int | None:
        """Level that is drawn at an own position (z, y, x); None where nothing is."""
        return None if self._screen is None else self._screen.table.level_at(own)

    @property
    def has_pixels(self) -> bool:
        """Whether anything of the newest plan is shown, as of the last commit."""
        return bool(self.shown_levels())

    # -- beginning anew --------------------------------------------------------------------------------------------

    def begin_anew(self) -> None:
        """Ask for the view anew, if there is one: the atlas has to be another. Until then what is shown stays."""
        self.wants_anew = self.plan is not None

    def lose(self, device: Device | None = None) -> None:
        """Hear that all textures are lost, and where the new ones are to be; nothing is shown until they are filled."""
        self._device = device or self._device
        self._residency = self._image = self._screen = self._coming = None
        self._allocation.forget()
        self._wanted, self._rows = {}, {}
        self.begin_anew()

    @property
    def wish(self) -> AtlasWish:
        """What the atlas is to be; another wish asks for the view anew."""
        return self._allocation.wish

    @wish.setter
    def wish(self, wish: AtlasWish) -> None:
        if wish != self._allocation.wish:
            self._allocation.wish = wish
            self.begin_anew()

    def check_contrast(self) -> None:
        """Hear that the contrast limits are others; where the texels have too few digits for them, all begins anew."""
        if self._residency is None or self.plan is None:
            return
        if not self._allocation.suits_contrast(self._residency.layout.encoding, self.plan):
            self.begin_anew()

    def _prepare(self, plan: Plan) -> Residency:
        """Keep the atlas where it fits the plan; else start a new one."""
        old = self._residency if self._image is plan.image else None
        layout = self._allocation.layout_for(plan, None if old is None else old.layout)
        if old is not None and layout is old.layout:
            return old
        self._residency, self._image = Residency(layout), plan.image
        self._patching = Patching(self._residency)
        self._wanted, self._screen, self._coming = {}, None, None
        self._allocation.forget()
        self.value_range = None
        return self._residency

    def _encoding_for(self, data: Array) -> Encoding:
        """How the atlas holds values; the first data choose what nothing else has."""
        layout = self._atlas.layout
        if layout.encoding.base is None:
            layout = self._atlas.layout = replace(layout, encoding=layout.encoding.about(*value_span(data)))
        return layout.encoding

    @property
    def _atlas(self) -> Residency:
        if self._residency is None:
            raise BudgetError("no plan has begun", "", "call begin() first")
        return self._residency

    # -- bricks ----------------------------------------------------------------------------------------------------

    def _is_wanted(self, key: Key) -> bool:
        wanted = self._wanted.get(key[0])
        return wanted is not None and key[1] in wanted.parts

    def _missing(self, layer: Layer) -> Set[Index]:
        wanted = self._wanted.get(layer)
        return wanted.missing.keys() if wanted is not None else frozenset()

    def _finish(self, wanted: Wanted, stage: Stage) -> None:
        index = stage.index
        del wanted.missing[index], wanted.stages[index]
        whole = wanted.whole[index]
        known = None if whole else frozenset(stage.known)
        brick = self._atlas.add(wanted.grid, index, stage.finished(whole), known, self._spare)
        brick.missing = stage.missing
        span = [self._atlas.layout.encoding.value_of(texel) for texel in (brick.low, brick.high)]
        low, high = self.value_range or span
        self.value_range = float(np.fmin(low, span[0])), float(np.fmax(high, span[1]))
        self._patching.settled(wanted.grid, index)

    def _fail(self, wanted: Wanted, row: int) -> None:
        """A chunk will not come: the bricks that need it stay as they are, and neighbours need not wait for them."""
        for index in wanted.bricks_of.get(row, ()):
            if wanted.missing.pop(index, None) is not None:
                wanted.stages.pop(index, None)
                for screen in self._screens():
                    screen.fail((wanted.grid.layer, index))
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
        new = Screen(self._newest, self._wanted, self._atlas, self._allocation.table_room())
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
    def drawn(self) -> Plan | None:
        """The plan that what is drawn belongs to: the newest one, or one before, until that has something in view."""
        return self._screen.plan if self._screen is not None else None

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

    def _forget_evicted(self) -> None:
        for key in self._atlas.evicted:
            self.counters.evicted += 1
            for screen in self._screens():
                screen.remove(key)
        self._atlas.evicted.clear()

    def _make_room(self, residency: Residency) -> bool:
        """Make the atlas large enough; where the GPU has no room for it everything begins anew, in half as much."""
        try:
            self._allocation.make_room(self._device, residency)
        except TextureMemoryError as error:
            warnings.warn(f"{error}; it gets a smaller atlas", RuntimeWarning, stacklevel=2)
            self.lose()
            return False
        return True

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
        written = self._screen.write(self._device, everything=not self._is_written)
        self.counters.bytes_table += written
        self.revision += written > 0
        self._is_written = True
