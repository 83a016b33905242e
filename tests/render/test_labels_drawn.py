"""Labels on the GPU: every id exactly, in its colour, in planes and volumes, against NumPy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from brickstream.engine import Engine
from brickstream.errors import ViewError
from brickstream.multiscale import Camera, View
from brickstream.multiscale.canvas import ray_at, world_at
from brickstream.render import OffscreenView, channel_layers, label_layer
from brickstream.render.ids import IdBook, Labels, colors_of, hashes, id_encoding, palette
from brickstream.render.look import Look
from brickstream.testing import memory_image

CANVAS = (80, 60)
rng = np.random.default_rng(5)


@contextmanager
def showing(image: Any, view: View, labels: Labels, **how: Any) -> Iterator[OffscreenView]:
    look = Look(labels=labels, **how)
    with OffscreenView(view.canvas, look=look) as screen, Engine.in_thread(sink=screen.sink) as engine:
        screen.show(view)
        engine.show(image, view)
        engine.complete(timeout=30)
        yield screen


def drawn(image: Any, view: View, labels: Labels, **how: Any) -> np.ndarray:
    with showing(image, view, labels, **how) as screen:
        return screen.draw()[..., :3]


def on_black(colors: np.ndarray) -> np.ndarray:
    return np.rint(255 * colors[..., :3] * colors[..., 3:]).astype(int)


def ids_of(dtype: str) -> np.ndarray:
    """Ids over all of the range, the smallest and the largest, and many zeros."""
    info = np.iinfo(dtype)
    ids = rng.integers(info.min, info.max, (60, 80), dtype=dtype, endpoint=True)
    ids[rng.random(ids.shape) < 0.2] = 0
    ids[0, :4] = info.min, info.max, 1, info.max - 1
    return ids


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "uint64"])
def test_every_id_has_its_colour_bit_for_bit(dtype: str) -> None:
    ids = ids_of(dtype)
    image = memory_image(ids, (17, 23))
    labels = Labels(seed=3, colors={int(ids[30, 40]): (9, 99, 199, 255), int(ids[0, 1]): (255, 255, 255, 255)})
    picture = drawn(image, View.plane(image, canvas=CANVAS), labels)
    np.testing.assert_array_equal(picture, on_black(colors_of(ids, labels)))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 200


def test_ids_are_told_apart_whatever_their_numbers() -> None:
    book = IdBook()
    collide = 0x1_0000_0000
    number = book.number(collide)
    assert book.number(number) != number, "it is taken"
    assert book.number(collide) == number
    big = rng.integers(1, 2**64, 3000, dtype=np.uint64)
    found = id_encoding(big.dtype).encode(np.concatenate([big, big, [np.uint64(0)]]))
    assert len(np.unique(found)) == len(np.unique(big)) + 1
    assert found[-1] == 0
    np.testing.assert_array_equal(found[:3000], found[3000:-1])
    with pytest.raises(ViewError, match="whole numbers"):
        id_encoding(np.dtype(np.float32))


@pytest.mark.parametrize("seed", [0, 1, 7, 100])
def test_neighbouring_ids_differ_clearly(seed: int) -> None:
    found = hashes(np.arange(1, 100_000), seed)
    assert found.min() == 0
    assert found.max() == 1020
    apart = np.abs(np.diff(found))
    around = np.minimum(apart, 1021 - apart) / 1021
    # A carry into the next byte may come close.
    assert (around >= 0.29).mean() >= 0.996
    assert (hashes(np.arange(1, 1000), seed) != hashes(np.arange(1, 1000), seed + 1)).mean() > 0.99
    assert len(np.unique(palette(), axis=0)) > 900


def blocks(shape: tuple[int, ...], size: int, most: int) -> np.ndarray:
    """Things a few pixels large."""
    coarse = rng.integers(0, most, tuple(-(-n // size) for n in shape), dtype=np.uint32)
    for axis in range(len(shape)):
        coarse = coarse.repeat(size, axis)
    return coarse[tuple(slice(n) for n in shape)]


@pytest.mark.parametrize("width", [1, 2])
def test_a_contour_is_where_another_id_is_near(width: int) -> None:
    ids = blocks((40, 50), 7, 4)
    image = memory_image(ids, (17, 16))
    view = View.plane(image, canvas=(100, 80), zoom=2.0)
    picture = drawn(image, view, Labels(contour=width))
    padded = np.pad(ids, width, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * width + 1, 2 * width + 1))
    edge = (windows != ids[..., None, None]).any(axis=(2, 3))
    expected = on_black(colors_of(ids)) * edge[..., None]
    assert 0.1 < edge.mean() < 0.9
    np.testing.assert_array_equal(picture, expected.repeat(2, 0).repeat(2, 1))


def test_what_is_not_selected_is_hidden_or_dimmed_and_colours_can_change_at_any_time() -> None:
    ids = blocks((60, 80), 9, 12)
    image = memory_image(ids, (32, 32))
    view = View.plane(image, canvas=CANVAS)
    labels = Labels(selected=(3, 5, 7), colors={5: (250, 0, 0, 255), 6: (0, 0, 250, 255)})
    with showing(image, view, labels) as screen:
        for other in (labels, replace(labels, others=0.4), replace(labels, seed=9), Labels(selected=())):
            screen.scene.look = replace(screen.scene.look, labels=other)
            expected = on_black(colors_of(ids, other))
            assert np.abs(screen.draw()[..., :3] - expected).max() <= 1
        uploads = screen.sink.counters.bricks
        assert uploads == 6, "new colours upload nothing"


def test_labels_lie_over_an_image() -> None:
    ids, grey = blocks((60, 80), 9, 5), rng.integers(0, 256, (60, 80), dtype=np.uint8)
    below, above = memory_image(grey, (32, 32)), memory_image(ids, (32, 32))
    view = View.plane(below, canvas=CANVAS)
    with OffscreenView(CANVAS) as screen, Engine.in_thread() as engine:
        scene = screen.layered(engine)
        scene.layers = (*channel_layers(below), label_layer(above, opacity=0.5))
        scene.show(view)
        scene.complete(timeout=30)
        scene.commit()
        picture = screen.draw()[..., :3]
        scene.close()
    colors = colors_of(ids)
    alpha = 0.5 * colors[..., 3:]
    expected = grey[..., None] * (1 - alpha) + 255 * colors[..., :3] * alpha
    assert np.abs(picture - expected).max() <= 2


PURE = {1: (255, 0, 0), 2: (0, 255, 0), 3: (0, 0, 255), 4: (255, 255, 0), 5: (255, 0, 255), 6: (0, 255, 255)}


def balls() -> np.ndarray:
    """Six balls in a volume that is mostly empty."""
    ids = np.zeros((30, 34, 38), dtype=np.uint16)
    places = np.stack(np.meshgrid(*map(np.arange, ids.shape), indexing="ij"), axis=-1)
    for label, center in enumerate(rng.integers(6, 24, (6, 3)), start=1):
        ids[((places - center) ** 2).sum(-1) < 36] = label
    return ids


def first_on_rays(ids: np.ndarray, view: View) -> np.ndarray:
    """The first id that is not 0 under every canvas pixel of a camera without perspective, in small steps."""
    x, y = np.meshgrid(np.arange(view.canvas[0]) + 0.5, np.arange(view.canvas[1]) + 0.5)
    starts, (_, forward) = world_at(view, x, y), ray_at(view, 0.5, 0.5)
    found = np.zeros(x.shape, dtype=ids.dtype)
    for t in np.arange(-40, 40, 0.1):
        pixel = np.floor(starts + t * forward + 0.5).astype(int)
        inside = ((pixel >= 0) & (pixel < ids.shape)).all(-1)
        here = ids[tuple(np.where(inside[..., None], pixel, 0).transpose(2, 0, 1))] * inside
        found = np.where(found == 0, here, found)
    return found


def seen_ids(picture: np.ndarray) -> np.ndarray:
    """Ids that shaded pure colours stand for."""
    on = picture > 30
    return sum(n * (on == np.array(color, dtype=bool)).all(-1) for n, color in PURE.items())


@pytest.mark.parametrize("selected", [None, (2, 3, 6)])
def test_a_volume_shows_the_first_label_on_every_ray(selected: tuple[int, ...] | None) -> None:
    ids = balls()
    image = memory_image(ids, (8, 9, 10))
    view = View.volume(image, canvas=CANVAS, camera=Camera(35, 25))
    labels = Labels(colors={n: (*color, 255) for n, color in PURE.items()}, selected=selected)
    picture = drawn(image, view, labels, step=0.2)
    expected = first_on_rays(ids if selected is None else ids * np.isin(ids, selected), view)
    assert len(np.unique(expected)) >= 4
    assert (seen_ids(picture) == expected).mean() >= 0.995
    lit = picture.max(-1)[expected > 0]
    assert lit.max() > 240 > 160 > np.quantile(lit, 0.05), "it is shaded"


def test_a_plane_becomes_a_volume_and_values_become_labels() -> None:
    ids = balls()
    image = memory_image(ids, (8, 9, 10))
    plane, volume = View.plane(image, canvas=CANVAS), View.volume(image, canvas=CANVAS)
    with OffscreenView(CANVAS, clim=(0, 6)) as screen, Engine.in_thread(sink=screen.sink) as engine:
        for labels, view in ((None, plane), (Labels(), plane), (Labels(), volume), (None, volume)):
            screen.scene.look = replace(screen.scene.look, labels=labels)
            screen.show(view)
            engine.show(image, view)
            engine.complete(timeout=30)
            picture = screen.draw()[..., :3].astype(int)
            is_grey = (picture == picture[..., :1]).all()
            assert picture.any()
            assert is_grey == (labels is None)
