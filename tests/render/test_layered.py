"""Channels and images in one picture, streamed by a real engine, against composites of NumPy and of vispy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from vispy.scene import visuals

from brickstream.engine import Engine
from brickstream.errors import ViewError
from brickstream.multiscale import Camera, Channel, View
from brickstream.render import ImageLayer, LayeredScene, OffscreenView, channel_layers
from brickstream.render.aim import add_viewbox, aim, placed
from brickstream.render.colors import resolve_colormap
from brickstream.render.layered import RGB
from brickstream.render.look import Look
from brickstream.render.offscreen import open_canvas, render_opaque
from brickstream.testing import StepSource, memory_image

CANVAS = (80, 60)
COLORS = ("ff0000", "00ff00", "0000ff", "ffff00", "00ffff", "ff00ff", "808080", "ff8000")
rng = np.random.default_rng(3)


def image_of(pixels: np.ndarray, chunks: tuple[int, ...], *channels: Channel, **how: Any) -> Any:
    image = memory_image(pixels, chunks, axes="cyx" if pixels.ndim == 3 else "czyx", **how)
    return replace(image, pyramid=replace(image.pyramid, channels=channels))


@contextmanager
def streamed(view: View, *layers: ImageLayer, max_gpu_bytes: int = 1 << 26) -> Iterator[tuple[LayeredScene, Any]]:
    """Layers that have streamed, and what they are drawn on."""
    with OffscreenView(view.canvas, max_gpu_bytes=max_gpu_bytes) as screen, Engine.in_thread() as engine:
        scene = screen.layered(engine)
        scene.layers = layers
        scene.show(view)
        finish(scene)
        yield scene, screen
        scene.close()


def finish(scene: LayeredScene) -> None:
    scene.complete(timeout=30)
    scene.commit()
    assert scene.is_settled


def drawn(view: View, *layers: ImageLayer) -> np.ndarray:
    with streamed(view, *layers) as (_, screen):
        return screen.draw()[..., :3]


def composite(pixels: np.ndarray, view: View, layers: tuple[ImageLayer, ...], clims: list[Any]) -> np.ndarray:
    """Every channel coloured and rounded as a canvas of eight bits rounds it, their sum clipped."""
    total = np.zeros((*pixels.shape[1:], 3))
    for channel, layer, (low, high) in zip(pixels, layers, clims, strict=True):
        place = np.clip((channel.astype(np.float32) - low) / (high - low), 0, 1)
        rgb = resolve_colormap(layer.look.colormap).map(place.ravel())[:, :3].reshape(total.shape)
        total += np.rint(255 * rgb)
    return np.clip(total, 0, 255)


def test_a_photograph_is_exact() -> None:
    pixels = rng.integers(0, 256, (3, 60, 80), dtype=np.uint8)
    image = image_of(pixels, (1, 32, 32))
    view = View.plane(image, canvas=CANVAS)
    picture = drawn(view, *channel_layers(image, colors=RGB))
    np.testing.assert_array_equal(picture, pixels.transpose(1, 2, 0))


def test_eight_channels_have_their_own_colours_and_limits_from_the_metadata() -> None:
    pixels = rng.integers(0, 4000, (8, 60, 80), dtype=np.uint16)
    clims = [(50.0 * i, 2000.0 + 400 * i) for i in range(8)]
    known = [Channel(f"stain {i}", color, clim) for i, (color, clim) in enumerate(zip(COLORS, clims, strict=True))]
    image = image_of(pixels, (2, 32, 32), *known)
    view = View.plane(image, canvas=CANVAS)
    layers = channel_layers(image)
    assert [layer.look.colormap for layer in layers] == list(COLORS)
    expected = composite(pixels, view, layers, clims)
    assert np.abs(drawn(view, *layers) - expected).max() <= 1


def test_what_the_metadata_does_not_say_has_different_colours() -> None:
    image = image_of(rng.integers(0, 9, (4, 6, 8), dtype=np.uint8), (1, 8, 8), Channel("a", "123456", active=False))
    layers = channel_layers(image)
    assert layers[0].look.colormap == "123456"
    assert len({layer.look.colormap for layer in layers}) == 4
    assert [layer.visible for layer in layers] == [False, True, True, True]
    assert [layer.visible for layer in channel_layers(image, [0])] == [True], "it was asked for"
    with pytest.raises(ViewError, match="no channel 4"):
        channel_layers(image, [4])
    with pytest.raises(ViewError, match="colour"):
        channel_layers(image, colors=["ff0000"])


def steps_of(image: Any) -> Any:
    return image.sources[0].events


def flowing(array: np.ndarray, chunks: tuple[int, ...]) -> StepSource:
    return StepSource(array, chunks, held=False)


def test_a_chunk_of_several_channels_is_read_once_and_a_hidden_channel_not_at_all() -> None:
    pixels = rng.integers(0, 256, (4, 60, 80), dtype=np.uint8)
    image = image_of(pixels, (2, 30, 40), source=flowing)
    first = channel_layers(image, colors=COLORS)
    hidden = (*first[:2], *(replace(layer, visible=False) for layer in first[2:]))
    view = View.plane(image, canvas=CANVAS)
    with streamed(view, *hidden) as (scene, screen):
        two = np.concatenate([pixels[:2], np.zeros_like(pixels[:1])])
        np.testing.assert_array_equal(screen.draw()[..., :3], two.transpose(1, 2, 0))
        begun = [event.index for event in steps_of(image) if event.what == "begin"]
        assert sorted(begun) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
        before = scene.scenes[:2]
        scene.layers = first
        assert scene.scenes[:2] == before
        finish(scene)
        begun = [event.index for event in steps_of(image) if event.what == "begin"]
        assert len(begun) == len(set(begun)) == 8
        assert screen.draw()[..., 2].any()
        scene.layers = hidden
        np.testing.assert_array_equal(screen.draw()[..., :3], two.transpose(1, 2, 0))


def test_layers_share_the_budget_and_give_it_back() -> None:
    pixels = rng.integers(0, 256, (4, 60, 80), dtype=np.uint8)
    image = image_of(pixels, (1, 16, 16))
    layers = channel_layers(image, colors=COLORS)
    with streamed(View.plane(image, canvas=CANVAS), *layers, max_gpu_bytes=1 << 17) as (scene, screen):
        assert 0 < scene.gpu_bytes <= 1 << 17
        scene.layers = layers[1:2]
        finish(scene)
        np.testing.assert_array_equal(screen.draw()[..., 1], pixels[1])
        assert not screen.draw()[..., 0].any()


@pytest.mark.parametrize("blending", ["minimum", "opaque", "translucent"])
def test_planes_blend_as_they_say(blending: str) -> None:
    pixels = rng.integers(0, 256, (2, 60, 80), dtype=np.uint8)
    image = image_of(pixels, (1, 32, 32))
    layers = [
        replace(layer, look=replace(layer.look, blending=blending, opacity=0.25))
        for layer in channel_layers(image, colors=("ffffff", "ffffff"))
    ]
    below, above = pixels.astype(float)
    expected = {
        "minimum": np.minimum(below, above),
        "opaque": above,
        "translucent": 0.75 * np.rint(0.25 * below) + 0.25 * above,
    }
    picture = drawn(View.plane(image, canvas=CANVAS), *layers)
    # GL may round every product of a blending.
    assert np.abs(picture - expected[blending][..., None]).max() <= (2 if blending == "translucent" else 0)


def test_volumes_add_up_as_those_of_vispy() -> None:
    grids = np.meshgrid(*[np.linspace(-1, 1, n) for n in (20, 24, 28)], indexing="ij")
    pixels = np.stack(
        [
            (255 * np.exp(-4 * sum((g - c) ** 2 for g, c in zip(grids, at, strict=True)))).astype(np.uint8)
            for at in ((0.3, 0, 0), (0, -0.4, 0.2), (-0.2, 0.1, 0.5))
        ]
    )
    image = image_of(pixels, (1, 12, 12, 12))
    view = View.volume(image, canvas=CANVAS, camera=Camera(30, 20))
    look = Look(clim=(20.0, 240.0))
    picture = drawn(view, *channel_layers(image, colors=("ff0000", "00ff00", "ff8000"), look=look))
    canvas = open_canvas(CANVAS)
    viewbox = add_viewbox(canvas)
    aim(viewbox, view)
    for channel, color in zip(pixels, ("ff0000", "00ff00", "ff8000"), strict=True):
        how = {"clim": look.clim, "cmap": resolve_colormap(color), "method": "mip", "interpolation": "linear"}
        node = visuals.Volume(channel, parent=viewbox.scene, texture_format="auto", relative_step_size=0.8, **how)
        node.set_gl_state("additive")
        node.transform = placed(np.eye(3), np.array(view.center), np.ones(3), np.zeros(3))
    dense = render_opaque(canvas)[..., :3]
    canvas.close()
    difference = np.abs(picture.astype(int) - dense).max(-1)
    assert picture.any(-1).mean() > 0.1
    assert (difference[dense.any(-1)] <= 1).mean() >= 0.995


def test_the_programs_on_the_page_of_channels_run() -> None:
    page = (Path(__file__).parents[2] / "docs" / "channels.md").read_text(encoding="utf-8")
    known: dict[str, Any] = {"url": rng.integers(0, 256, (60, 80), dtype=np.uint8)}
    for program in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(program, known)
    assert known["picture"].std() > 10
    grey, labels = (memory_image(rng.integers(0, 9, (6, 8), dtype=np.uint8), (4, 4)) for _ in range(2))
    scene = SimpleNamespace()
    known["with_nuclei"](scene, grey, labels)
    assert [layer.image for layer in scene.layers] == [grey, labels]
