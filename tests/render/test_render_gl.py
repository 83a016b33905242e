"""Pictures, drawn headless by the software rasteriser, against vispy's dense visuals."""

from __future__ import annotations

import numpy as np
import pytest
from vispy.color import Colormap

from brickstream.errors import ViewError
from brickstream.multiscale import Axis, Camera, Channel, Level, Pyramid, View, plan_view
from brickstream.multiscale.camera import frustum
from brickstream.render import BrickScene, OffscreenView, draw_dense
from brickstream.render.aim import aim
from brickstream.render.colors import known_clim

MIST = Colormap([(0, 0, 0, 0), (0.9, 0.2, 0.1, 0.08), (1, 1, 0.6, 0.5)])
CANVAS = (120, 90)


def blobs(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Something with structure, over most of the range of the dtype."""
    grids = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    a = np.exp(-3 * sum((g - c) ** 2 for g, c in zip(grids, (0.2, -0.3, 0.1), strict=True)))
    a = a + 0.5 * np.cos(7 * grids[0]) * np.sin(9 * grids[1]) * np.cos(5 * grids[2])
    a = (a - a.min()) / (a.max() - a.min())
    return (a * 1000 - 300).astype(dtype) if dtype == "float32" else (a * np.iinfo(dtype).max).astype(dtype)


def noise(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    a = np.random.default_rng(7).random(shape)
    return (a * 1000 - 300).astype(dtype) if dtype == "float32" else (a * np.iinfo(dtype).max).astype(dtype)


def clim_of(dtype: str) -> tuple[float, float]:
    return {"uint8": (20.0, 250.0), "uint16": (5000.0, 66000.0), "float32": (-200.0, 720.0)}[dtype]


def finished(kit, pyramid, arrays, view, rng=None, **options) -> np.ndarray:
    with OffscreenView(view.canvas, max_gpu_bytes=1 << 26, **options) as screen:
        plan = kit.plan_for(screen.sink, pyramid, view)
        screen.show(view)
        kit.feed(screen.sink, plan, arrays, rng=rng)
        picture = screen.draw()
        assert screen.sink.shown_levels() == [plan.target.level]
        assert screen.sink.pending_uploads == 0
    return picture


def agreement(ours: np.ndarray, dense: np.ndarray) -> float:
    """Share of covered pixels that agree within 1/255."""
    covered = (ours[..., :3].max(-1) > 0) | (dense[..., :3].max(-1) > 0)
    assert covered.mean() > 0.1
    difference = np.abs(ours.astype(int) - dense)[..., :3].max(-1)
    return float((difference[covered] <= 1).mean())


CASES = [
    # data, dtype, shape, chunks, factors, method, interpolation, camera
    (blobs, "uint8", (50, 70, 60), (16, 16, 16), (2, 2, 2), "mip", "linear", Camera()),
    (noise, "uint8", (41, 67, 53), (1, 1024, 1024), (1, 3, 2), "mip", "linear", Camera(75, 10, 20, fov=60)),
    (blobs, "uint16", (37, 45, 61), (7, 20, 19), (3, 2, 2), "mip", "nearest", Camera(-40, -25)),
    (noise, "float32", (33, 40, 61), (20, 20, 64), (2, 3, 2), "mip", "linear", Camera(200, 60, fov=30)),
    (blobs, "uint8", (50, 70, 60), (24, 18, 16), (2, 2, 2), "translucent", "linear", Camera(30, 30, fov=45)),
    (noise, "uint16", (41, 47, 53), (32, 32, 32), (2, 2, 2), "translucent", "linear", Camera(120, 5)),
    (blobs, "float32", (40, 56, 48), (16, 1024, 1024), (2, 2, 2), "translucent", "nearest", Camera(10, 80)),
    (noise, "uint8", (40, 40, 40), (16, 16, 16), (2, 2, 2), "minip", "linear", Camera(50, 20)),
    (blobs, "uint8", (40, 50, 60), (16, 16, 16), (2, 2, 2), "average", "linear", Camera(50, 20, fov=20)),
    (blobs, "uint8", (40, 50, 60), (16, 16, 16), (2, 2, 2), "additive", "linear", Camera(50, 20)),
    (blobs, "uint8", (1, 50, 60), (1, 16, 16), (1, 2, 2), "mip", "linear", Camera(50, 40)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].__name__}-{c[1]}-{c[5]}-{c[6]}-{c[2][0]}")
def test_a_finished_volume_equals_the_dense_one(kit, case) -> None:
    data, dtype, shape, chunks, factors, method, interpolation, camera = case
    arrays = [data(shape, dtype)]
    arrays.append(kit.shrink(arrays[0], factors))
    pyramid = kit.make_pyramid(arrays, chunks)
    zoom = None if shape[0] > 1 else 1.2
    view = View.volume(pyramid, canvas=CANVAS, camera=camera, level=0, zoom=zoom)
    look = {
        "method": method,
        "interpolation": interpolation,
        "clim": clim_of(dtype),
        "colormap": "viridis" if method in ("mip", "minip", "average") else MIST,
    }
    ours = finished(kit, pyramid, arrays, view, np.random.default_rng(1), **look)
    level = pyramid.levels[0]
    dense = draw_dense(arrays[0], view, level.scale, level.translation, **look)
    assert agreement(ours, dense) >= (0.995 if data is blobs else 0.98)


# Not mip: vispy's own puts its depth behind an eye inside the volume and then draws nothing.
@pytest.mark.parametrize("method", ["average", "translucent"])
def test_inside_the_volume_and_with_odd_levels(kit, method: str) -> None:
    fine = blobs((60, 66, 90), "uint8")
    arrays = [fine, kit.shrink(fine, (2, 1, 3))]
    pyramid = kit.make_pyramid(arrays, (16, 16, 16))
    camera = Camera(20, 15, fov=70, distance=10.0)
    view = View.volume(pyramid, canvas=CANVAS, camera=camera, zoom=1.5, center=(30, 30, 45), level=1)
    look = {
        "clim": (0, 255),
        "method": method,
        "colormap": "grays" if method == "average" else MIST,
        "opacity_level": None,
    }
    ours = finished(kit, pyramid, arrays, view, **look)
    level = pyramid.levels[1]
    dense = draw_dense(arrays[1], view, level.scale, level.translation, **look)
    assert agreement(ours, dense) >= 0.995


def test_mip_draws_from_inside_too(kit) -> None:
    array = np.full((60, 66, 90), 200, dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (16, 16, 16))
    camera = Camera(20, 15, fov=70, distance=10.0)
    view = View.volume(pyramid, canvas=CANVAS, camera=camera, zoom=1.5, center=(30, 30, 45))
    assert (finished(kit, pyramid, [array], view, clim=(0, 255))[..., 0] == 200).all()


@pytest.mark.parametrize(("shape", "chunk", "textures"), [((48, 64, 64), 16, 6), ((240, 240), 20, 2)])
def test_several_textures_draw_what_one_does(kit, shape: tuple[int, ...], chunk: int, textures: int) -> None:
    fine = noise(shape, "uint8")
    arrays = [fine, kit.shrink(fine, (2,) * len(shape))]
    pyramid = kit.make_pyramid(arrays, (chunk,) * len(shape), axes="zyx"[-len(shape) :])
    make, look = (View.volume, {}) if len(shape) == 3 else (View.plane, {"interpolation": "linear"})
    first, last = (make(pyramid, canvas=CANVAS, level=level) for level in (1, 0))
    pictures, used = [], []
    for max_texture in (None, 48):
        with OffscreenView(CANVAS, max_gpu_bytes=1 << 26, max_texture=max_texture, clim=(0, 255), **look) as screen:
            for generation, view in enumerate((first, last), 1):
                screen.show(view)
                kit.feed(screen.sink, kit.plan_for(screen.sink, pyramid, view), arrays, generation)
                picture = screen.draw()
            pictures.append(picture)
            parts = screen.scene._textures
            used.append(len(parts.atlases))
            limit = max_texture or 1 << 20
            assert max(max(texture.shape[:3]) for texture in (*parts.atlases, parts.table)) <= limit
            assert screen.sink.shown_levels() == [0]
    assert used == [1, textures]
    # A place has other coordinates in a texture of another size: the sampler rounds them otherwise.
    different = np.abs(pictures[1].astype(int) - pictures[0])
    assert different.max() <= 1
    assert (different > 0).mean() < 0.002


@pytest.mark.parametrize("method", ["mip", "translucent"])
def test_never_blank_while_loading(kit, method: str) -> None:
    fine = np.full((96, 80, 90), 200, dtype=np.uint8)
    arrays = [fine, kit.shrink(fine, (2, 3, 2)), kit.shrink(fine, (5, 5, 5))]
    pyramid = kit.make_pyramid(arrays, (16, 16, 16))
    view = View.volume(pyramid, canvas=CANVAS, level=0)
    colormap = "grays" if method == "mip" else MIST
    with OffscreenView(CANVAS, max_gpu_bytes=1 << 26, method=method, colormap=colormap) as screen:
        screen.show(view)
        plan = kit.plan_for(screen.sink, pyramid, view)
        screen.sink.begin(1, plan)
        assert screen.draw()[..., :3].max() == 0
        assert not screen.sink.has_pixels
        covered: np.ndarray | None = None
        values = []
        for n, update in enumerate(kit.updates(plan, lambda k, at: arrays[k][at], 1)):
            screen.sink.put(update)
            coarse = len(plan.levels[0].chunks)
            if n + 1 < coarse or (n - coarse) % 25:
                continue
            picture = screen.draw()
            now = picture[..., :3].max(-1) > 30
            if covered is not None:
                # The coarse levels end within half of one of their own pixels of the finest.
                assert (covered & ~now).sum() <= 0.02 * covered.sum()
            covered = now if covered is None else covered
            values.append(int(picture[45, 60].max()))
        assert covered is not None
        assert covered.mean() > 0.1
        assert max(values) - min(values) <= 6  # mixed levels and drafts are as bright


def test_a_draft_is_drawn_with_long_steps(kit) -> None:
    fine = blobs((64, 64, 64), "uint8")
    arrays = [fine, kit.shrink(fine, (4, 4, 4))]
    pyramid = kit.make_pyramid(arrays, (16, 16, 16))
    view = View.volume(pyramid, canvas=CANVAS, level=0)
    with OffscreenView(CANVAS, max_gpu_bytes=1 << 26) as screen:
        screen.show(view)
        plan = kit.plan_for(screen.sink, pyramid, view)
        screen.sink.begin(1, plan)
        drafts = []
        for update in kit.updates(plan, lambda k, at: arrays[k][at], 1):
            screen.sink.put(update)
            screen.draw()
            drafts.append(screen.sink.frame.draft)
    assert drafts[0] == 4.0
    assert drafts[-1] == 1.0


@pytest.mark.parametrize("interpolation", ["nearest", "linear"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_finished_plane_equals_vispys_image(kit, dtype: str, interpolation: str) -> None:
    fine = noise((3, 90, 130), dtype)
    arrays = [fine, kit.shrink(fine, (1, 2, 2))]
    pyramid = kit.make_pyramid(arrays, (1, 32, 20))
    view = View.plane(pyramid, point={"z": 1}, canvas=(150, 100), center=(44.3, 60.7), zoom=1.37)
    look = {"clim": clim_of(dtype), "colormap": "viridis", "interpolation": interpolation}
    ours = finished(kit, pyramid, arrays, view, np.random.default_rng(2), **look)
    level = pyramid.levels[0]
    dense = draw_dense(fine[1], view, level.scale[1:], level.translation[1:], **look)
    assert agreement(ours, dense) >= 0.995


def test_pixels_of_a_plane_are_where_the_view_says(kit) -> None:
    array = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) * 100
    pyramid = kit.make_pyramid([array], (16, 16), axes="yx")
    # Four canvas pixels a data pixel; the canvas' left edge is the left edge of data pixel 10.
    view = View.plane(pyramid, canvas=(40, 24), center=(9.5, 14.5), zoom=4.0)
    picture = finished(kit, pyramid, [array], view, clim=(0, 65535))
    expected = np.repeat(np.repeat(array[7:13, 10:20], 4, 0), 4, 1) * (255 / 65535)
    assert np.abs(picture[..., 0] - expected).max() <= 1


def test_neighbours_in_the_atlas_never_bleed_into_a_plane(kit) -> None:
    array = np.zeros((40, 64, 64), dtype=np.float32)
    array[1::2] = 1e6
    pyramid = kit.make_pyramid([array], (1, 64, 64))
    with OffscreenView((64, 64), max_gpu_bytes=1 << 26, clim=(0, 1), interpolation="linear") as screen:
        for z in range(12):
            view = View.plane(pyramid, point={"z": z}, canvas=(64, 64))
            screen.show(view)
            kit.feed(screen.sink, kit.plan_for(screen.sink, pyramid, view), [array], z + 1)
            picture = screen.draw()
            assert (picture[..., 0] == (255 if z % 2 else 0)).all()
        # Back to a plane that is resident: nothing to fetch, and the right one.
        view = View.plane(pyramid, point={"z": 4}, canvas=(64, 64))
        screen.show(view)
        plan = kit.plan_for(screen.sink, pyramid, view)
        assert len(screen.sink.begin(100, plan)) == plan.chunk_count
        assert (screen.draw()[..., 0] == 0).all()


def test_clim_and_colormap_need_no_upload(kit) -> None:
    array = np.full((40, 40), 100, dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (32, 32), axes="yx")
    view = View.plane(pyramid, canvas=(32, 32))
    with OffscreenView((32, 32), max_gpu_bytes=1 << 24, clim=(0, 255)) as screen:
        screen.show(view)
        kit.feed(screen.sink, kit.plan_for(screen.sink, pyramid, view), [array])
        assert abs(int(screen.draw()[16, 16, 0]) - 100) <= 1
        before = screen.sink.counters.bytes_bricks
        screen.scene.clim = (0, 200)
        assert abs(int(screen.draw()[16, 16, 0]) - 128) <= 1
        screen.scene.clim = (100, 100)
        assert screen.draw()[16, 16, 0] == 0
        screen.scene.clim = (0, 255)
        screen.scene.colormap = "crest:hot"[6:]
        picture = screen.draw()
        assert picture[16, 16, 0] > picture[16, 16, 2]
        assert screen.sink.counters.bytes_bricks == before
        with pytest.raises(ViewError, match="finite"):
            screen.scene.clim = (0, float("nan"))
        with pytest.raises(ViewError, match="no colormap 'nosuch'"):
            screen.scene.colormap = "nosuch"


@pytest.mark.parametrize(("deep", "zoom", "fov"), [(200, 1.0, 0.0), (200, 1.0, 20.0), (1 << 20, 1 / 300, 40.0)])
def test_a_volume_of_a_million_pixels_a_side(kit, deep: int, zoom: float, fov: float) -> None:
    n = 1 << 20
    levels = tuple(
        Level(
            str(k),
            (-(-deep >> k), n >> k, n >> k),
            np.dtype(np.uint8),
            (64,) * 3,
            (2.0**k,) * 3,
            (2.0**k / 2 - 0.5,) * 3,
        )
        for k in range(15)
    )
    pyramid = Pyramid("huge", tuple(Axis(c, "space") for c in "zyx"), levels)
    center = (deep / 2, 700000.0, 345678.0)
    camera = Camera(20 if fov else 0, 90 if deep == 200 else 20, fov=fov)
    view = View.volume(pyramid, canvas=(64, 48), zoom=zoom, center=center, camera=camera)
    radius = 12 / zoom

    def read(k: int, at: tuple[slice, ...]) -> np.ndarray:
        z, y, x = (np.arange(s.start, s.stop) * 2.0**k + 2.0**k / 2 - 0.5 for s in at)
        r = np.sqrt(sum((v - c) ** 2 for v, c in zip(np.ix_(z, y, x), center, strict=True)))
        return np.where(r < radius, 250, 20).astype(np.uint8)

    with OffscreenView((64, 48), max_gpu_bytes=48 << 20, clim=(0, 255)) as screen:
        screen.show(view)
        plan = plan_view(pyramid, view, screen.sink.budget(pyramid, view))
        assert plan.target.level == 0 or deep > 200
        screen.sink.begin(1, plan)
        for update in kit.updates(plan, read, 1):
            screen.sink.put(update)
        screen.sink.complete(1)
        picture = screen.draw()
        assert screen.sink.gpu_bytes <= 48 << 20
        assert screen.sink.shown_levels() == sorted(part.level for part in plan.levels if part.final.any())
    bright = picture[..., 0] > 135
    rows, columns = np.nonzero(bright)
    assert abs(rows.mean() - 23.5) < 1.0
    assert abs(columns.mean() - 31.5) < 1.0
    assert abs(np.sqrt(bright.sum() / np.pi) - 12) < (0.8 if deep == 200 else 4)


def test_warm_up_leaves_no_trace(kit) -> None:
    array = np.full((40, 40), 255, dtype=np.uint8)
    pyramid = kit.make_pyramid([array], (32, 32), axes="yx")
    view = View.plane(pyramid, canvas=(32, 32))
    with OffscreenView((32, 32), max_gpu_bytes=1 << 24) as screen:
        screen.warm_up()
        assert screen.draw()[..., :3].max() == 0
        screen.show(view)
        screen.warm_up(2)
        assert screen.draw()[..., :3].max() == 0
        kit.feed(screen.sink, kit.plan_for(screen.sink, pyramid, view), [array])
        assert screen.draw()[..., :3].min() == 255


@pytest.mark.parametrize("seed", range(6))
def test_the_plan_sees_what_vispy_sees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = Level("0", (100, 100, 100), np.dtype(np.uint8), (32,) * 3, (1.0,) * 3, (0.0,) * 3)
    pyramid = Pyramid("cube", tuple(Axis(c, "space") for c in "zyx"), (level,))
    fov = 0.0 if seed % 3 == 0 else float(rng.uniform(10, 90))
    distance = None if seed % 2 else float(rng.uniform(50, 200))
    camera = Camera(*rng.uniform(-80, 80, 3), fov=fov, distance=distance)
    canvas = (150, 100) if seed % 2 else (100, 140)
    view = View.volume(pyramid, canvas=canvas, camera=camera, center=rng.uniform(20, 80, 3), zoom=1.3)
    with OffscreenView(canvas, max_gpu_bytes=1 << 24) as screen:
        screen.show(view)
        transform = screen._canvas.central_widget.children[0].scene.transform
        points = rng.uniform(-60, 60, (400, 3))
        mapped = transform.map(points)
    x, y = (mapped[:, :2] / mapped[:, 3:]).T
    front = mapped[:, 3] > 0
    seen = front & (x > 0) & (x < canvas[0]) & (y > 0) & (y < canvas[1])
    center = np.array(view.center)[::-1]
    planes = frustum(camera, center, *view.world_size)[:4]
    slack = (points + center) @ planes[:, :3].T + planes[:, 3]
    sure = np.abs(slack).min(axis=1) > 1e-3
    if fov:
        depth = (points + center) @ camera.rotation()[:, 1]
        eye = center @ camera.rotation()[:, 1] - camera.eye_distance(view.world_size[1])
        sure &= depth > eye + 1e-3
    assert 5 < seen.sum() < 396
    np.testing.assert_array_equal(seen[sure], (slack > 0).all(axis=1)[sure])


def test_wrong_options_are_told() -> None:
    for options, word in [
        ({"method": "xray"}, "xray"),
        ({"interpolation": "wavy"}, "wavy"),
        ({"clims": (0, 1)}, "clims"),
    ]:
        with pytest.raises(ViewError, match=word):
            OffscreenView(**options)
    assert BrickScene.__doc__
    assert aim.__doc__


def test_the_window_of_a_channel_is_found_by_its_place_and_not_by_its_number() -> None:
    """Channels may be anywhere in the world: their axis has a scale and a translation like any other."""
    level = Level("0", (3, 4, 4), np.dtype("u2"), (1, 4, 4), (10.0, 1.0, 1.0), (100.0, 0.0, 0.0))
    axes = (Axis("c", "channel"), Axis("y", "space"), Axis("x", "space"))
    channels = tuple(Channel(str(i), None, (0.0, 10.0 * (i + 1))) for i in range(2))
    pyramid = Pyramid("test", axes, (level,), channels)
    found = [known_clim(pyramid, View.plane(pyramid, point={"c": c})) for c in (100.0, 110.0, 120.0)]
    assert found == [(0.0, 10.0), (0.0, 20.0), None]


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_disagreements_do_not_line_up_along_brick_borders(kit, interpolation: str) -> None:
    """Law 7: seen along an axis, every brick border is a column or a row of the picture."""
    # 97 pixels deep, 3.17 pixels a voxel: with rounder numbers whole planes of samples would lie exactly on the faces
    # of voxels, where float32 rounding decides.
    array = noise((96, 97, 96), "uint8")
    pyramid = kit.make_pyramid([array], (32, 32, 32))
    view = View.volume(pyramid, canvas=(330, 330), zoom=3.17, camera=Camera(azimuth=0, elevation=0))
    ours = finished(kit, pyramid, [array], view, interpolation=interpolation, method="average")[..., 0].astype(int)
    dense = draw_dense(array, view, (1.0,) * 3, (0.0,) * 3, interpolation=interpolation, method="average")
    wrong = np.abs(ours - dense[..., 0].astype(int)) > 1
    assert (ours > 0).sum() > 80_000
    assert wrong.mean() <= 0.02
    assert max(wrong.mean(axis=0).max(), wrong.mean(axis=1).max()) <= 0.05
