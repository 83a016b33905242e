"""Images that lie in the world by a map of their own: flipped, rotated, sheared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brickstream.multiscale import Affine, Camera, Pyramid, View
from brickstream.render import OffscreenView

CANVAS = (120, 90)
LOOK = {"clim": (0, 255)}


def picture(kit, pyramid: Pyramid, arrays, view: View, **look) -> np.ndarray:
    with OffscreenView(view.canvas, max_gpu_bytes=1 << 26, **LOOK, **look) as screen:
        plan = kit.plan_for(screen.sink, pyramid, view)
        screen.show(view)
        kit.feed(screen.sink, plan, arrays, rng=np.random.default_rng(3))
        return screen.draw()[..., 0]


def shapes(shape: tuple[int, ...]) -> np.ndarray:
    grids = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    a = np.exp(-3 * sum((g - c) ** 2 for g, c in zip(grids, (0.5, -0.3, 0.4)[-len(shape) :], strict=True)))
    a = a + 0.4 * np.cos(5 * grids[0]) * np.sin(7 * grids[-1])
    return ((a - a.min()) / (a.max() - a.min()) * 255).astype(np.uint8)


def placed(pyramid: Pyramid, linear, offset) -> Pyramid:
    names = pyramid.axis_names
    return replace(
        pyramid, placement=Affine(names, names, np.array(linear, dtype=float), np.array(offset, dtype=float))
    )


def same(a: np.ndarray, b: np.ndarray, share: float = 0.99) -> None:
    assert (a > 0).mean() > 0.1
    assert (np.abs(a.astype(int) - b) <= 2).mean() >= share


@pytest.mark.parametrize("signs", [(1, 1, -1), (-1, 1, 1), (-1, -1, -1)])
def test_a_flipped_volume_is_the_volume_of_the_flipped_array(kit, signs) -> None:
    array = shapes((40, 50, 60))
    arrays = [array, kit.shrink(array, (2, 2, 2))]
    plain = kit.make_pyramid(arrays, (16, 16, 16))
    pyramid = placed(plain, np.diag(signs), (7, -3, 1000))
    camera = Camera(25, 35, fov=40)
    ours = picture(kit, pyramid, arrays, View.volume(pyramid, canvas=CANVAS, camera=camera))
    turned = [np.flip(a, [i for i, s in enumerate(signs) if s < 0]) for a in arrays]
    same(ours, picture(kit, plain, turned, View.volume(plain, canvas=CANVAS, camera=camera)))


def test_a_flipped_plane_is_the_plane_of_the_flipped_array(kit) -> None:
    array = shapes((64, 80))
    pyramid = placed(kit.make_pyramid([array], (16, 16), axes="yx"), np.diag((1, -1)), (0, 79))
    view = View.plane(pyramid, canvas=(80, 64), zoom=1.0)
    assert (picture(kit, pyramid, [array], view) == array[:, ::-1]).all()


def test_a_rotated_volume_is_the_volume_from_a_turned_camera(kit) -> None:
    array = shapes((40, 44, 48))
    plain = kit.make_pyramid([array], (16, 16, 16))
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    # About z, by 30 degrees from x to y.
    pyramid = placed(plain, [[1, 0, 0], [0, c, s], [0, -s, c]], (5, 0, 20))
    center = pyramid.to_world(0)(np.array([20.0, 20.0, 20.0]))
    ours = View.volume(pyramid, canvas=CANVAS, camera=Camera(50, 25), zoom=1.5, center=center.tolist())
    turned = View.volume(plain, canvas=CANVAS, camera=Camera(20, 25), zoom=1.5, center=(20, 20, 20))
    same(picture(kit, pyramid, [array], ours), picture(kit, plain, [array], turned))


def test_a_rotated_and_sheared_plane_shows_each_pixel_where_it_is(kit) -> None:
    array = shapes((70, 90))
    arrays = [array, kit.shrink(array, (2, 2))]
    columns = np.array([[np.cos(0.4), 0.6], [-np.sin(0.4), 0.8]])
    pyramid = placed(kit.make_pyramid(arrays, (16, 16), axes="yx"), columns, (3, -8))
    center = pyramid.to_world(0)(np.array([35.0, 45.0]))
    view = View.plane(pyramid, canvas=CANVAS, zoom=1.3, center=center.tolist(), level=0)
    rows, places = np.mgrid[0:90, 0:120]
    world = center + np.stack([rows - 44.5, places - 59.5], axis=-1) / 1.3
    pixels = np.floor(pyramid.pixels_at(world) + 0.5).astype(int)
    there = ((pixels >= 0) & (pixels < array.shape)).all(axis=-1)
    expected = np.where(there, array[tuple(np.moveaxis(pixels.clip(0, np.array(array.shape) - 1), -1, 0))], 0)
    ours = picture(kit, pyramid, arrays, view)
    assert there.mean() > 0.4
    assert (ours == expected).mean() >= 0.995
