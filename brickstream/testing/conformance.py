"""What every chunk source and every sink must do, as test classes to inherit.

Nothing here imports pytest: the tests are plain methods that run an event loop of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.chunks.source import ChunkSource, Index, clip_chunk
from brickstream.engine import Engine, Sink
from brickstream.engine.outdated import outdated, outdated_of
from brickstream.errors import BrickstreamError
from brickstream.multiscale import Plan, View, navigate, picture_pyramid, plan_picture
from brickstream.testing.images import memory_image
from brickstream.testing.sources import grid_indices, settle


class ChunkSourceConformance:
    """Tests that every :class:`brickstream.chunks.ChunkSource` must pass.

    Inherit it in a class whose name begins with ``Test``, and define :meth:`open_source` and :meth:`expected`. Best
    with an array whose shape is no multiple of the chunks.

    Attributes
    ----------
    missing : collection of chunk indices
        Chunks that the source must say are not there; empty where it has all.
    failing : collection of chunk indices
        Chunks that are there and cannot be read; empty where all can.

    Examples
    --------
    >>> class TestMySource(ChunkSourceConformance):
    ...     def expected(self):
    ...         return np.arange(35, dtype="u2").reshape(5, 7)
    ...
    ...     @asynccontextmanager
    ...     async def open_source(self):
    ...         yield MySource(self.expected(), chunks=(2, 3))
    """

    missing: Collection[Index] = ()
    failing: Collection[Index] = ()

    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[ChunkSource]:
        """Make the source, on the running event loop, and clean up after it."""
        raise NotImplementedError("define open_source")
        yield

    def expected(self) -> NDArray[Any]:
        """All pixels of the level; those of missing chunks have the fill value."""
        raise NotImplementedError("define expected")

    def test_says_what_it_is(self) -> None:
        """Shape, type, chunks and fill value fit the pixels."""

        async def check(source: ChunkSource) -> None:
            expected = self.expected()
            assert tuple(source.shape) == expected.shape
            assert source.dtype == expected.dtype
            assert source.dtype.isnative
            assert len(source.chunks) == expected.ndim
            assert all(c >= 1 for c in source.chunks)
            assert np.asarray(source.fill_value, dtype=source.dtype).shape == ()

        self._run(check)

    def test_reads_every_chunk(self) -> None:
        """Every chunk, those at the far edges too, is bit for bit what is expected, whole or clipped to the level."""

        async def check(source: ChunkSource) -> None:
            for index in self._readable(source):
                self._compare(source, index, await source.read(index))

        self._run(check)

    def test_chunks_have_the_promised_shape_and_type(self) -> None:
        """A chunk has the shape of all chunks, or that clipped to the level, and the level's type in native order."""

        async def check(source: ChunkSource) -> None:
            for index in self._readable(source):
                chunk = await source.read(index)
                if chunk is not None:
                    assert chunk.shape in (tuple(source.chunks), self._pixels(source, index).shape), f"chunk {index}"
                    assert chunk.dtype == source.dtype
                    assert chunk.dtype.isnative

        self._run(check)

    def test_a_chunk_stays_as_it_was_given(self) -> None:
        """No later read changes a chunk that was given out: a source must not use its memory again."""

        async def check(source: ChunkSource) -> None:
            chunks = {index: await source.read(index) for index in self._readable(source)}
            for index, chunk in chunks.items():
                self._compare(source, index, chunk)

        self._run(check)

    def test_failing_chunks_fail_every_time(self) -> None:
        """A chunk that is there and cannot be read raises an error of brickstream's; it is not data, nor missing."""

        async def check(source: ChunkSource) -> None:
            for index in [*self.failing, *self.failing]:
                came = (await asyncio.gather(source.read(index), return_exceptions=True))[0]
                assert isinstance(came, BrickstreamError), f"chunk {index} came as {type(came).__name__}"
                assert str(came)

        self._run(check)

    def test_missing_chunks_have_the_fill_value(self) -> None:
        """What is expected at a missing chunk is the fill value."""

        async def check(source: ChunkSource) -> None:
            for index in self.missing:
                pixels = self._pixels(source, index)
                np.testing.assert_array_equal(pixels, np.full_like(pixels, source.fill_value))

        self._run(check)

    def test_keys_name_chunks(self) -> None:
        """Every chunk has a name of its own."""

        async def check(source: ChunkSource) -> None:
            indices = grid_indices(source.shape, source.chunks)
            keys = [source.key(index) for index in indices]
            assert all(keys)
            assert len(set(keys)) == len(indices)

        self._run(check)

    def test_says_once_that_an_answer_begins(self) -> None:
        """`started` is called at most once a read, and never after the read has ended."""

        async def check(source: ChunkSource) -> None:
            calls: list[Index] = []
            for index in self._readable(source):
                await source.read(index, lambda index=index: calls.append(index))  # type: ignore[misc]
                count = len(calls)
                await settle()
                assert len(calls) == count
            assert len(calls) == len(set(calls))

        self._run(check)

    def test_reads_at_the_same_time(self) -> None:
        """Reads do not disturb each other."""

        async def check(source: ChunkSource) -> None:
            await self._read_all_at_once(source)

        self._run(check)

    def test_a_read_can_be_cancelled_and_repeated(self) -> None:
        """A cancelled read ends as cancelled, and neither it nor its end disturbs the next read of the chunk."""

        async def check(source: ChunkSource) -> None:
            index = next(i for i in self._readable(source) if i not in set(self.missing))
            for turns in range(8):
                task = asyncio.ensure_future(source.read(index))
                await settle(turns)
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled() or task.exception() is None
            self._compare(source, index, await source.read(index))

        self._run(check)

    def test_many_reads_can_be_cancelled_at_once(self) -> None:
        """Cancelling every second of many reads disturbs neither the others nor the next reads."""

        async def check(source: ChunkSource) -> None:
            for turns in range(4):
                tasks = [asyncio.ensure_future(source.read(index)) for index in self._readable(source)]
                await settle(turns)
                for task in tasks[::2]:
                    task.cancel()
                await asyncio.wait(tasks)
                assert all(task.cancelled() or task.exception() is None for task in tasks)
            await self._read_all_at_once(source)

        self._run(check)

    async def _read_all_at_once(self, source: ChunkSource) -> None:
        indices = self._readable(source)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(source.read(index)) for index in indices]
        for index, task in zip(indices, tasks, strict=True):
            self._compare(source, index, task.result())

    def _readable(self, source: ChunkSource) -> list[Index]:
        return [index for index in grid_indices(source.shape, source.chunks) if index not in set(self.failing)]

    def _compare(self, source: ChunkSource, index: Index, chunk: NDArray[Any] | None) -> None:
        assert (chunk is None) == (index in set(self.missing)), f"chunk {index}"
        if chunk is not None:
            pixels = clip_chunk(chunk, index, source, source.key(index))
            np.testing.assert_array_equal(pixels, self._pixels(source, index))

    def _pixels(self, source: ChunkSource, index: Index) -> NDArray[Any]:
        box = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, source.chunks, strict=True))
        pixels: NDArray[Any] = self._whole[box]
        return pixels

    def _run(self, check: Any) -> None:
        self._whole = self.expected()

        async def whole() -> None:
            async with self.open_source() as source:
                await check(source)

        asyncio.run(whole())


class SinkConformance:
    """Tests that every :class:`brickstream.engine.Sink` must pass.

    Inherit it in a class whose name begins with ``Test``, and define :meth:`make_sink`. A sink that draws volumes too
    sets ``volumes = True``.
    """

    volumes = False

    def make_sink(self) -> Sink:
        """Make a fresh sink, on the thread that calls it."""
        raise NotImplementedError("define make_sink")

    def test_a_budget_holds_a_brick(self) -> None:
        """The budget has room for at least one brick, of as many axes as the view displays."""
        sink = self.make_sink()
        for image, view in self._scenes():
            budget = sink.budget(picture_pyramid(image.pyramid, view), view)
            assert budget.max_bricks >= 1
            assert len(budget.brick_shape) == view.ndisplay
            assert all(n >= 1 for n in budget.brick_shape)

    def test_a_fresh_sink_holds_nothing(self) -> None:
        """Nothing is shown before anything was put."""
        for image, view in self._scenes():
            sink = self.make_sink()
            plan = self._plan(sink, image, view)
            assert not list(sink.begin(1, plan))

    def test_a_sink_takes_a_view_to_its_end(self) -> None:
        """Everything planned can be put; what is held afterwards is planned; the same view is not read twice."""
        for image, view in self._scenes():
            asyncio.run(self._show_twice(self.make_sink(), image, view))

    async def _show_twice(self, sink: Sink, image: Any, view: View) -> None:
        async with Engine(sink=sink) as engine:
            engine.show(image, view)
            await engine.complete()
            plan = engine.show(image, view)
            await engine.complete()
        held = set(sink.begin(3, plan))
        assert held <= {(part.level, tuple(index)) for part in plan.levels for index in part.chunks.tolist()}

    def test_what_another_picture_shows_is_not_held(self) -> None:
        """Other planes, thickness, projection or axes, another cut, another image: nothing of it is there."""
        solid, same = self._solid(), self._solid()
        views = [
            View.plane(solid, point={"z": 3.0}, canvas=(21, 17)),
            View.plane(solid, point={"z": 4.0}, canvas=(21, 17)),
            View.plane(solid, point={"z": 3.0}, canvas=(21, 17), margins={"z": 1.0}),
            View.plane(solid, point={"z": 3.0}, canvas=(21, 17), margins={"z": 2.0}),
            View.plane(solid, point={"z": 3.0}, canvas=(21, 17), margins={"z": 2.0}, projection="max"),
            View.plane(solid, ("x", "y"), {"z": 3.0}, (17, 21)),
            self._cut(solid),
            navigate.slide(self._cut(solid), 1.5),
            navigate.turn(self._cut(solid), 10.0),
        ]
        others = [(solid, view) for view in views] + [(same, views[0])]
        for (image, view), (other_image, other) in pairwise(others):
            asyncio.run(self._show_another(self.make_sink(), image, view, other_image, other))

    def test_what_is_dropped_is_not_held(self) -> None:
        """Of what may have been written anew nothing is there; of another image, everything still is."""
        for image, view in self._scenes():
            asyncio.run(self._drop(image, view))

    async def _drop(self, image: Any, view: View) -> None:
        sink = self.make_sink()
        async with Engine(sink=sink) as engine:
            plan = engine.show(image, view)
            await engine.complete()
        before = set(sink.begin(2, plan))
        everything = np.array([np.zeros(image.pyramid.ndim), image.pyramid.levels[0].shape], dtype=np.int64)
        sink.drop(self._solid().pyramid, outdated(image.pyramid, everything))
        assert set(sink.begin(3, plan)) == before, "another image was meant"
        sink.drop(plan.pyramid, outdated_of(plan, outdated(image.pyramid, everything // 2)))
        assert set(sink.begin(4, plan)) <= before
        sink.drop(plan.pyramid, outdated_of(plan, outdated(image.pyramid, everything)))
        assert not list(sink.begin(5, plan))

    async def _show_another(self, sink: Sink, image: Any, view: View, other_image: Any, other: View) -> None:
        async with Engine(sink=sink) as engine:
            engine.show(image, view)
            await engine.complete()
        plan = self._plan(sink, other_image, other)
        assert not list(sink.begin(2, plan)), f"{other} after {view}"

    @staticmethod
    def _plan(sink: Sink, image: Any, view: View) -> Plan:
        return plan_picture(image.pyramid, view, sink.budget(picture_pyramid(image.pyramid, view), view))

    @staticmethod
    def _solid() -> Any:
        return memory_image(np.arange(9 * 17 * 21, dtype=np.uint8).reshape(9, 17, 21), (8, 8, 8), levels=2)

    @staticmethod
    def _cut(solid: Any) -> View:
        return View.oblique(solid, [(0.5, 1.0, 0.0), (0.0, 0.3, 1.0)], canvas=(21, 17))

    def _scenes(self) -> list[tuple[Any, View]]:
        ramp = np.arange(37 * 53, dtype=np.uint16).reshape(37, 53)
        flat = memory_image(ramp, (16, 16), levels=2)
        solid = self._solid()
        scenes = [
            (flat, View.plane(flat, canvas=(53, 37))),
            (flat, View.plane(flat, canvas=(9, 9), zoom=1.0)),
            (solid, View.plane(solid, point={"z": 4.0}, canvas=(21, 17), margins={"z": 3.0})),
            (solid, self._cut(solid)),
        ]
        if self.volumes:
            scenes.append((solid, View.volume(solid, canvas=(32, 24))))
        return scenes
