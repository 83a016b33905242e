"""Labels are numbers of things: they are read, streamed and drawn as they are, never as something in between."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stored import write_image

from brickstream.chunks import ChunkedImage, image_of
from brickstream.cli import main
from brickstream.engine import Engine
from brickstream.multiscale import View
from brickstream.render import OffscreenView
from brickstream.testing import RecordingSink, StepSource, memory_image, shrink

IDS = np.array([0, 40, 120, 250], dtype=np.uint8)


def things(is_labels: bool) -> ChunkedImage:
    volume = np.random.default_rng(3).choice(IDS, (20, 24, 28))
    image = memory_image([volume, shrink(volume, 2, "strided")], (8, 8, 8), axes="zyx")
    return replace(image, pyramid=replace(image.pyramid, is_labels=is_labels))


def drawn(image: ChunkedImage, view: View, **look: Any) -> set[int]:
    """The shades of a finished picture."""
    with (
        OffscreenView(view.canvas, clim=(0, 255), **look) as screen,
        Engine.in_thread(sink=screen.sink) as engine,
    ):
        engine.show(image, view)
        screen.show(view)
        engine.complete(30)
        return set(np.unique(screen.draw()[..., 0]).tolist())


@pytest.mark.parametrize("is_labels", [True, False], ids=["labels", "intensities"])
def test_in_3d_labels_are_drawn_as_they_are(is_labels: bool) -> None:
    image = things(is_labels)
    shades = drawn(image, View.volume(image, canvas=(120, 90)), method="mip")
    assert (shades <= set(IDS.tolist())) == is_labels


def test_asking_for_linear_does_not_interpolate_labels_either() -> None:
    image = things(True)
    assert drawn(image, View.plane(image, canvas=(300, 300)), interpolation="linear") <= set(IDS.tolist())


async def test_ids_come_exactly_whatever_their_size() -> None:
    ids = np.array([0, 2**40 + 1, 2**63 - 1], dtype=np.int64)
    pixels = np.random.default_rng(0).choice(ids, (20, 30))
    image = image_of(pixels, chunks=(8, 8), is_labels=True)
    async with Engine() as engine:
        *_, last = [update async for update in engine.slice(image, View.plane(image, canvas=(30, 20)))]
        np.testing.assert_array_equal(last.to_array(), pixels)
        assert await engine.value_at(image, {"y": 3.0, "x": 4.0}) == pixels[3, 4]


def test_the_metadata_say_what_is_a_label_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, labelled in (("labels", True), ("intensities", False)):
        write_image(tmp_path / name)
        document = json.loads((tmp_path / name / "zarr.json").read_text())
        if labelled:
            document["attributes"]["ome"]["image-label"] = {}
        (tmp_path / name / "zarr.json").write_text(json.dumps(document))
        assert main(["info", str(tmp_path / name), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["is_labels"] == labelled


async def test_each_channel_is_a_stream_of_its_own() -> None:
    """One channel that fails holds up no other; all share one engine."""
    pixels = np.random.default_rng(1).integers(1, 99, (3, 16, 16), dtype=np.uint8)
    source: Any = partial(StepSource, held=False, failing={(1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)})
    image = memory_image(pixels, (1, 8, 8), axes="cyx", source=source)
    async with Engine() as engine:
        sinks = [RecordingSink() for _ in range(3)]
        viewports = [engine.viewport(sink) for sink in sinks]
        for channel, viewport in enumerate(viewports):
            viewport.show(image, View.plane(image, point={"c": channel}, canvas=(16, 16), zoom=1.0))
        for viewport in viewports:
            await viewport.complete(10)
    assert [viewport.live.failed for viewport in viewports] == [0, 4, 0]
    np.testing.assert_array_equal(sinks[0].picture(), pixels[0])
    np.testing.assert_array_equal(sinks[2].picture(), pixels[2])


def test_rgb_pictures_stream_as_what_they_are(tmp_path: Path) -> None:
    """The colours are an axis: three streams of one view, and the picture is the file's, pixel for pixel."""
    picture = np.random.default_rng(2).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "in.png")
    image = image_of(np.asarray(Image.open(tmp_path / "in.png")), axes="yxc", chunks=(16, 16, 3))
    with Engine.in_thread() as engine:
        views = [View.plane(image, ("y", "x"), {"c": k}, canvas=(50, 40), zoom=1.0) for k in range(3)]

        async def sliced(view: View) -> Any:
            *_, last = [update async for update in engine.engine.slice(image, view)]
            return last.to_array()

        colours = [engine.submit(sliced(view)).result(30) for view in views]
    np.testing.assert_array_equal(np.stack(colours, axis=-1), picture)
