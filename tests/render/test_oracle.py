"""Law 7 in three dimensions: a finished volume is what vispy's dense Volume draws of the same data.

Each method, each way of the rays and each interpolation; from outside and from inside; whole, and cut by planes. The
short form has four cameras, `make oracle` twenty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import zarr
from cast import Cast
from dense_cast import METHODS as EXACT
from dense_cast import DenseRays, draw
from vispy.color import Colormap

from brickstream.multiscale import Camera, View
from brickstream.render import DenseView, OffscreenView
from brickstream.render.look import HalfSpace, Look, Slab
from brickstream.samples import write_sample

CANVAS = (160, 120)
# Primes: rays are divided into equal steps, and with 44 pixels in 55 steps every fifth sample of many rays would lie in
# the face of a voxel, where float32 decides which one is the nearest.
SHAPE = (43, 59, 67)
MIST = Colormap([(0, 0, 0, 0), (0.9, 0.2, 0.1, 0.04), (1, 1, 0.6, 0.3)])
METHODS = ("mip", "minip", "attenuated_mip", "translucent", "additive", "average", "iso")
MIDDLE = tuple((n - 1) / 2 for n in SHAPE)
SLAB = Slab(MIDDLE, (1.0, 0.4, 0.3), 6.0)
CLIP = (HalfSpace((12, 9, 11), (1, 0.5, 0.2)), HalfSpace((40, 50, 60), (-0.3, -1, -0.1)))


def blobs() -> np.ndarray:
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    a = np.exp(-3 * ((z - 0.2) ** 2 + (y + 0.3) ** 2 + (x - 0.1) ** 2)) + 0.5 * np.cos(7 * z) * np.sin(9 * y)
    return ((a - a.min()) / np.ptp(a) * 65535).astype(np.uint16)


def noise() -> np.ndarray:
    return (np.random.default_rng(3).random(SHAPE) * 65535).astype(np.uint16)


def brain(folder: Path) -> np.ndarray:
    """Real data: the middle of a brain. In 16 bits: software rasterisers round what they interpolate of 8 bits to 8."""
    write_sample("brain", folder)
    whole = np.asarray(zarr.open_array(str(folder / "0"), mode="r")[...])
    z, y, x = (slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(whole.shape, SHAPE, strict=True))
    return whole[z, y, x].astype(np.uint16) * 257


def cameras(count: int) -> list[tuple[Camera, float]]:
    """Cameras and zooms: without perspective, with it, and from inside the volume."""
    some = [
        (Camera(30, 20, fov=0), 1.4),
        (Camera(-60, 35, fov=50), 1.6),
        (Camera(200, -20, 15, fov=60, distance=9.0), 1.6),
        (Camera(110, 70, fov=25), 4.0),
    ]
    rng = np.random.default_rng(11)
    for i in range(count - len(some)):
        turn, tilt, roll = rng.uniform([-180, -85, -30], [180, 85, 30])
        fov = (0.0, 30.0, 60.0)[i % 3]
        distance = float(rng.uniform(5, 20)) if i % 3 == 2 else None
        some.append((Camera(turn, tilt, roll, fov=fov, distance=distance), float(rng.uniform(1, 3))))
    return some[:count]


class Bench:
    """One volume in bricks, and the same in one texture."""

    def __init__(self, kit, array: np.ndarray, **limits: int) -> None:
        self.array, self.kit = array, kit
        self.pyramid = kit.make_pyramid([array], (16, 20, 24))
        self.screen = OffscreenView(CANVAS, max_gpu_bytes=1 << 26, **limits)
        self.screen.open()
        self.generation = 0

    def pair(self, look: Look, camera: Camera, zoom: float) -> tuple[np.ndarray, np.ndarray]:
        self.view = view = View.volume(self.pyramid, canvas=CANVAS, camera=camera, zoom=zoom)
        self.screen.scene.look = look
        self.screen.show(view)
        self.generation += 1
        plan = self.kit.plan_for(self.screen.sink, self.pyramid, view)
        self.kit.feed(self.screen.sink, plan, [self.array], self.generation)
        ours = self.screen.draw()
        assert self.screen.sink.pending_uploads == 0
        level = self.pyramid.levels[0]
        dense = DenseView(self.array, view, level.scale, level.translation, look=look)
        try:
            return ours, dense.draw()
        finally:
            dense.close()


@pytest.fixture(scope="module")
def real(kit, tmp_path_factory) -> Iterator[Bench]:
    bench = Bench(kit, brain(tmp_path_factory.mktemp("oracle") / "brain"))
    yield bench
    bench.screen.close()


@pytest.fixture(scope="module")
def benches(kit) -> Iterator[dict[str, Bench]]:
    made = {"blobs": Bench(kit, blobs()), "noise": Bench(kit, noise())}
    yield made
    for bench in made.values():
        bench.screen.close()


def compare(ours: np.ndarray, theirs: np.ndarray, *, hidden: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels are covered, and which of them differ by more than 1/255: two ndarrays of bool, row by row.

    vispy draws nothing where what it has found lies at the eye or behind it; with `hidden` those places do not count.
    """
    seen = theirs[..., :3].max(-1) > 0
    covered = seen if hidden else seen | (ours[..., :3].max(-1) > 0)
    apart = np.abs(ours.astype(int) - theirs)[..., :3].max(-1) > 1
    return covered.ravel(), (covered & apart).ravel()


def agreement(ours: np.ndarray, theirs: np.ndarray, *, hidden: bool) -> float:
    """Share of covered pixels that agree within 1/255."""
    covered, apart = compare(ours, theirs, hidden=hidden)
    return 1.0 - apart.sum() / max(covered.sum(), 1)


def as_exact(picture: np.ndarray, rays: DenseRays, pixels: np.ndarray) -> np.ndarray:
    """Which pixels are what float64 makes of their rays, within 1/255."""
    return np.abs(picture.reshape(-1, 4)[pixels, :3] - draw(rays)).max(-1, initial=0) <= 1


def look_of(method: str, rays: str, interpolation: str) -> Look:
    return Look(
        method=method,
        clim=(5000.0, 60000.0),
        colormap=MIST if method in ("translucent", "additive") else "viridis",
        interpolation=interpolation,
        threshold=40000.5,
        attenuation=0.03,
        slab=SLAB if rays == "plane" else None,
    )


def check(bench: Bench, name: str, look: Look, views: list[tuple[Camera, float]]) -> None:
    # Only every second one is cut: another set of planes costs vispy a new shader.
    for number, (camera, zoom) in enumerate(views):
        cut = replace(look, clip=CLIP, gamma=0.7) if number % 2 else look
        ours, theirs = bench.pair(cut, camera, zoom)
        inside = camera.distance is not None
        hidden = inside and look.method not in ("translucent", "additive", "average")
        covered, apart = compare(ours, theirs, hidden=hidden)
        wrong, most = apart.sum(), (0.02 if name == "noise" else 0.005) * covered.sum()
        if wrong > most and look.interpolation == "nearest" and look.slab is None and look.method in EXACT:
            # Rays that run along faces of pixels, where float32 says which pixel is the nearest: ours, or vispy's?
            pixels = np.flatnonzero(apart)
            wrong = (~as_exact(ours, DenseRays(Cast(bench.array, bench.view), cut, pixels), pixels)).sum()
        assert wrong <= most, (name, camera, wrong, covered.sum())


CASES = list(product(METHODS, ("volume", "plane"), ("linear", "nearest", "cubic")))


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_a_volume_is_what_the_dense_one_is(benches, case: tuple[str, str, str]) -> None:
    number = CASES.index(case)
    name = ("blobs", "noise")[number % 2]
    check(benches[name], name, look_of(*case), cameras(4))


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("name", ["blobs", "noise"])
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_a_volume_is_what_the_dense_one_is_from_twenty_sides(benches, name: str, case: tuple[str, str, str]) -> None:
    check(benches[name], name, look_of(*case), cameras(20))


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_real_data_is_what_the_dense_volume_draws_of_it(real: Bench, case: tuple[str, str, str]) -> None:
    check(real, "brain", look_of(*case), cameras(20))


def test_where_nearest_pixels_differ_rays_run_along_faces_and_float64_sides_with_ours(benches) -> None:
    """The camera of the twenty with the most such rays: dozens of their samples lie in faces, exactly."""
    camera, zoom = cameras(20)[11]
    bench, look = benches["blobs"], replace(look_of("minip", "volume", "nearest"), clip=CLIP, gamma=0.7)
    ours, theirs = bench.pair(look, camera, zoom)
    covered, apart = compare(ours, theirs, hidden=False)
    pixels, others = np.flatnonzero(apart), np.flatnonzero(covered & ~apart)[::10]
    some, rest = (DenseRays(Cast(bench.array, bench.view), look, part) for part in (pixels, others))
    assert (some.grazing() > 20).all()
    assert np.median(rest.grazing()) == 0
    assert as_exact(ours, some, pixels).sum() >= as_exact(theirs, some, pixels).sum()
    assert as_exact(ours, rest, others).mean() > 0.99


@pytest.mark.parametrize("method", ["mip", "minip", "average"])
def test_what_a_cubic_filter_adds_to_the_values_of_a_brick_is_seen(kit, method: str) -> None:
    """Its weights add up to 1.02: a brick a little darker than what was seen before it may turn out brighter."""
    array = np.full(SHAPE, 50900, dtype=np.uint16)
    array[:, :, :32] = 50000
    bench = Bench(kit, array)
    try:
        for camera in (Camera(90, 0, fov=30), Camera(-90, 0, fov=30)):
            ours, theirs = bench.pair(look_of(method, "volume", "cubic"), camera, 1.4)
            assert agreement(ours, theirs, hidden=False) >= 0.995
    finally:
        bench.screen.close()


def test_a_surface_without_a_normal_has_the_light_from_everywhere(kit) -> None:
    """Where a surface lies in the border of the volume, the values around it may all be the same."""
    bench = Bench(kit, np.full((20, 24, 28), 50000, dtype=np.uint16))
    try:
        ours, theirs = bench.pair(look_of("iso", "volume", "nearest"), Camera(30, 20), 1.4)
        assert agreement(ours, theirs, hidden=False) == 1.0
    finally:
        bench.screen.close()


@pytest.mark.parametrize("limit", [256, 512])
def test_low_limits_of_textures_change_no_pixel(kit, limit: int) -> None:
    """Several atlases, or a smaller one: what is drawn is what one large texture gives."""
    fine = np.random.default_rng(5).integers(0, 255, (300, 280, 300), dtype=np.uint8)
    arrays = [fine, kit.shrink(fine, (2, 2, 2)), kit.shrink(fine, (5, 5, 5))]
    pyramid = kit.make_pyramid(arrays, (40, 40, 40))
    view = View.volume(pyramid, canvas=CANVAS, camera=Camera(40, 25), zoom=0.35, level=0)
    pictures, textures = [], []
    for most in (limit, None):
        with OffscreenView(CANVAS, max_gpu_bytes=1 << 27, max_texture=most, clim=(0, 255), method="average") as screen:
            plan = kit.plan_for(screen.sink, pyramid, view)
            screen.show(view)
            kit.feed(screen.sink, plan, arrays)
            pictures.append(screen.draw())
            textures.append(len(screen.scene._textures.atlases))
            assert screen.sink.shown_levels() == [0]
    assert textures[1] == 1
    assert textures[0] > 1 or limit == 512
    # Where a slot lies in its texture decides how float32 rounds.
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1
