"""Profiles, values in memory, histograms: what can be asked besides a picture."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine
from brickstream.errors import StoreError, ViewError
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

SHAPE = (9, 40, 50)
DATA = np.random.default_rng(5).integers(0, 60_000, SHAPE).astype(np.uint16)
SCALE = (2.0, 0.5, 0.25)
SHIFT = (10.0, -3.0, 7.0)


def image_of(data: np.ndarray[Any, Any] = DATA, levels: int = 1, **options: Any) -> ChunkedImage:
    source = partial(StepSource, **{"held": False, **options})
    return memory_image(
        data, (4, 16, 16), levels=levels, ratios=(1, 2, 2), scale=SCALE, translation=SHIFT, source=source
    )


def world(*pixel: float) -> dict[str, float]:
    return {name: t + p * s for name, p, s, t in zip("zyx", pixel, SCALE, SHIFT, strict=True)}


ends = st.tuples(*(st.floats(-2, n + 1) for n in SHAPE))


@given(ends, ends, st.integers(2, 60))
async def test_a_line_has_the_value_of_the_pixel_under_each_sample(
    start: tuple[float, ...], stop: tuple[float, ...], samples: int
) -> None:
    image = image_of()
    async with Engine() as engine:
        profile = await engine.line_profile(image, world(*start), world(*stop), samples=samples)
    positions = np.linspace(list(world(*start).values()), list(world(*stop).values()), samples)
    pixels = np.floor((positions - SHIFT) / SCALE + 0.5).astype(int)
    for value, pixel, position, distance in zip(profile.values, pixels, positions, profile.distance, strict=True):
        inside = all(0 <= p < n for p, n in zip(pixel, SHAPE, strict=True))
        close_to_an_edge = np.abs((position - SHIFT) / SCALE % 1 - 0.5).min() < 1e-9
        assert close_to_an_edge or np.array_equal(value, DATA[tuple(pixel)] if inside else np.nan, equal_nan=True)
        assert distance == pytest.approx(np.linalg.norm(position - positions[0]))


async def test_a_line_reads_only_the_chunks_that_it_crosses() -> None:
    image = image_of()
    source: Any = image.sources[0]
    async with Engine() as engine:
        profile = await engine.line_profile(image, world(0, 3, 0), world(0, 3, 49))
        np.testing.assert_array_equal(profile.values, DATA[0, 3])
        np.testing.assert_allclose(profile.distance, np.arange(50) * 0.25)
        assert set(source.happened("begin")) == {(0, 0, x) for x in range(4)}


async def test_a_point_is_a_line_of_one_sample() -> None:
    image = image_of()
    async with Engine() as engine:
        profile = await engine.line_profile(image, world(1, 2, 3), world(1, 2, 3))
        assert profile.values.tolist() == [DATA[1, 2, 3]]


@pytest.mark.parametrize("axis", "zyx")
@pytest.mark.parametrize("region", [None, {"z": (2, 7), "x": (15, 34)}], ids=["whole", "part"])
async def test_a_profile_is_the_mean_over_the_other_axes(axis: str, region: Any) -> None:
    image = image_of()
    box = DATA[tuple(slice(*(region or {}).get(name, (None, None))) for name in "zyx")]
    async with Engine(max_ram_bytes=2 * 4 * 16 * 16 * 2) as engine:
        profile = await engine.profile(image, axis, region)
    others = tuple(place for place, name in enumerate("zyx") if name != axis)
    np.testing.assert_allclose(profile, box.mean(axis=others, dtype=np.float64))


async def test_missing_chunks_count_with_their_fill_value_and_failed_ones_are_an_error() -> None:
    image = image_of(missing={(0, 0, 0)}, fill_value=7, failing={(2, 0, 0)})
    async with Engine() as engine:
        profile = await engine.line_profile(image, world(0, 0, 0), world(0, 0, 20))
        np.testing.assert_array_equal(profile.values, [7] * 16 + DATA[0, 0, 16:21].tolist())
        with pytest.raises(StoreError):
            await engine.profile(image, "x")


@pytest.mark.parametrize(
    ("stop", "options", "message"),
    [
        ({"z": 1.0}, {}, "one number for each axis"),
        (world(1, 1, 1), {"level": 3}, "no level 3"),
        (world(1, 1, 1), {"samples": 1}, "from 2 to 1,000,000 samples"),
        (world(1, 1, 1e9), {}, "take a coarser level"),
        (world(1, 1, float("inf")), {}, "a line has two ends"),
        ({"z": 0.0, "y": 1e308, "x": -1e308}, {"samples": 5}, "a line has two ends"),
    ],
)
async def test_a_line_that_cannot_be_is_refused(stop: Any, options: Any, message: str) -> None:
    image = image_of()
    async with Engine() as engine:
        with pytest.raises(ViewError, match=message):
            await engine.line_profile(image, world(0, 0, 0), stop, **options)


async def test_the_value_under_the_mouse_is_the_finest_that_is_in_memory() -> None:
    image = image_of(levels=2, held=True)
    fine, coarse = image.sources
    point = world(3, 21, 30)
    async with Engine(sink=RecordingSink()) as engine:
        assert engine.value_shown(image, point) is None
        engine.show(image, View.plane(image, point={"z": point["z"]}, canvas=(50, 40)))
        await settle()
        coarse.release(*coarse.waiting)  # type: ignore[attr-defined]
        await settle()
        assert engine.value_shown(image, point) == (coarse.array[3, 10, 15], 1)  # type: ignore[attr-defined]
        fine.release(*fine.waiting)  # type: ignore[attr-defined]
        await settle()
        assert engine.value_shown(image, point) == (DATA[3, 21, 30], 0)
        assert engine.value_shown(image, world(3, 21, 1000)) is None


def test_a_host_without_a_loop_asks_too() -> None:
    image = image_of()
    with Engine.in_thread(sink=RecordingSink()) as engine:
        profile = engine.submit(engine.engine.line_profile(image, world(0, 3, 0), world(0, 3, 9))).result(30)
        np.testing.assert_array_equal(profile.values, DATA[0, 3, :10])
        assert engine.engine.value_shown(image, world(0, 3, 5)) == (DATA[0, 3, 5], 0)


async def test_a_histogram_of_small_chunks_is_exact_and_reads_nothing() -> None:
    image = image_of(levels=2)
    source: Any = image.sources[0]
    async with Engine(sink=RecordingSink()) as engine:
        assert engine.main.histogram() is None
        engine.show(image, View.plane(image, point={"z": 14.0}, canvas=(50, 40)))
        await engine.complete(10)
        reads = len(source.happened("begin"))
        counts, _ = engine.main.histogram(32, (0, 60_000))  # type: ignore[misc]
        expected, _ = np.histogram(DATA[2], 32, (0, 60_000))
        np.testing.assert_array_equal(counts, expected)
        low, high = engine.main.contrast_limits(1, 99)  # type: ignore[misc]
        assert low == pytest.approx(np.percentile(DATA[2], 1), abs=200)
        assert high == pytest.approx(np.percentile(DATA[2], 99), abs=200)
        assert engine.main.contrast_limits(0, 100) == (DATA[2].min(), DATA[2].max())
        assert len(source.happened("begin")) == reads


async def test_before_the_finest_level_is_there_the_coarser_one_is_asked() -> None:
    image = image_of(levels=2, held=True)
    fine, coarse = image.sources
    async with Engine(sink=RecordingSink()) as engine:
        engine.show(image, View.plane(image, point={"z": 14.0}, canvas=(50, 40)))
        await settle()
        coarse.release(*coarse.waiting)  # type: ignore[attr-defined]
        await settle()
        fine.release(*fine.waiting[:2])  # type: ignore[attr-defined]
        await settle()
        engine.poll()
        array: Any = coarse.array  # type: ignore[attr-defined]
        assert engine.main.contrast_limits(0, 100) == (array[2].min(), array[2].max())


async def test_large_chunks_are_sampled_and_the_next_plane_forgets_the_last() -> None:
    data = np.stack([np.linspace(0, 1, 512 * 512).reshape(512, 512), np.full((512, 512), 7.0)])
    data[0, 0, 0] = np.nan
    image = memory_image(data, (1, 512, 512))
    async with Engine(sink=RecordingSink()) as engine:
        engine.show(image, View.plane(image, point={"z": 0.0}, canvas=(512, 512)))
        await engine.complete(10)
        low, high = engine.main.contrast_limits(10, 90)  # type: ignore[misc]
        assert (low, high) == (pytest.approx(0.1, abs=0.01), pytest.approx(0.9, abs=0.01))
        counts, _ = engine.main.histogram(8)  # type: ignore[misc]
        assert counts.sum() == pytest.approx(512 * 512, rel=0.01)
        engine.show(image, View.plane(image, point={"z": 1.0}, canvas=(512, 512)))
        assert engine.main.contrast_limits() is None
        await engine.complete(10)
        assert engine.main.contrast_limits() == (7.0, 7.0)
        with pytest.raises(ViewError, match="percentages"):
            engine.main.contrast_limits(99, 1)


@pytest.mark.parametrize("shape", [(1024, 999), (999, 1024), (700, 1025), (64, 64, 65)])
async def test_every_column_and_every_row_counts(shape: tuple[int, ...]) -> None:
    """Also where a chunk has just so many rows and columns that even steps would meet one column again and again."""
    for axis, length in enumerate(shape):
        ramp = np.broadcast_to(np.arange(length).reshape([-1 if a == axis else 1 for a in range(len(shape))]), shape)
        image = memory_image(np.ascontiguousarray(ramp.astype(np.uint16)), shape)
        async with Engine(sink=RecordingSink()) as engine:
            view = View.plane if len(shape) == 2 else View.volume
            engine.show(image, view(image, canvas=(shape[-1], shape[-2]), level=0))
            await engine.complete(10)
            low, high = engine.main.contrast_limits(5, 95)  # type: ignore[misc]
        assert low == pytest.approx(0.05 * length, abs=0.03 * length)
        assert high == pytest.approx(0.95 * length, abs=0.03 * length)


async def test_a_plane_that_the_sink_still_holds_has_its_values_still() -> None:
    class Holding(RecordingSink):
        def begin(self, generation: int, plan: Any) -> Any:
            super().begin(generation, plan)
            first = generation > 2
            return [(p.level, tuple(i)) for p in plan.levels for i in p.chunks.tolist()] if first else []

    image = image_of()
    async with Engine(sink=Holding()) as engine:
        limits = []
        for z in (14.0, 16.0, 14.0):
            engine.show(image, View.plane(image, point={"z": z}, canvas=(50, 40)))
            await engine.complete(10)
            limits.append(engine.main.contrast_limits())
        assert limits[0] == limits[2] != limits[1]


@pytest.mark.parametrize("options", [{"bins": 0}, {"limits": (2.0, 1.0)}, {"limits": (0.0, float("nan"))}])
async def test_a_histogram_that_cannot_be_is_refused(options: Any) -> None:
    async with Engine() as engine:
        with pytest.raises(ViewError, match="a histogram has bins"):
            engine.main.histogram(**options)
