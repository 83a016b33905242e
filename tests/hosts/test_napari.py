"""Images streamed into an unmodified napari, compared with what it draws of plain arrays; on a display."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari_pictures import complete, draw, plain, settle, share_of_equal_pixels, stored, until
from PIL import Image

from brickstream.errors import ClosedError, GraphicsError, NotFoundError
from brickstream.latency import Fault, Network, ThreadedServer
from brickstream.render import BrickScene
from brickstream.samples import write_sample
from brickstream.viewers.napari import add_to_viewer, private
from brickstream.viewers.napari.host import _HOSTS

# napari and the packages that it is made of still speak to pydantic in an older way.
pytestmark = [
    pytest.mark.hosts,
    pytest.mark.napari,
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
]


def level_picture(viewer: Any, image: Any, folder: Path, name: str, level: int, **options: Any) -> Any:
    """What napari draws of a whole level of an image, as a plain array where napari believes the level to be."""
    finest, array = image.image.pyramid.levels[0], stored(folder, name, level)
    ratio = np.divide(finest.shape, array.shape)
    scale, first = ratio * finest.scale, finest.translation + (ratio - 1) / 2 * finest.scale
    return plain(viewer, image.layers[0], array, scale, first, **options)


def volume_of(viewer: Any) -> BrickScene:
    """The bricks of a viewer's only layer."""
    (stream,) = _HOSTS[viewer].streams
    assert stream.volume is not None
    return stream.volume.scene


def streaming() -> list[str]:
    """Threads of engines."""
    return [thread.name for thread in threading.enumerate() if thread.name == "brickstream"]


@pytest.mark.parametrize("zoom", [0.2, 0.45, 2.0])
def test_a_finished_plane_is_what_napari_draws_of_the_level(
    zoom: float, viewer: Any, folder: Path, server: ThreadedServer
) -> None:
    image = add_to_viewer(viewer, f"{server.url}/computed")
    viewer.scene.camera.zoom = zoom
    viewer.dims.set_point(0, 40.0)
    picture = complete(viewer, image)
    (layer,) = image.layers
    level = layer.data_level
    assert level == {0.2: 2, 0.45: 1, 2.0: 0}[zoom]
    plane = (40, 20, 10)[level]
    first, last = layer.corner_pixels
    box = (plane, *(slice(a, b + 1) for a, b in zip(first[1:], last[1:], strict=True)))
    np.testing.assert_array_equal(np.asarray(layer.data[level][box]), stored(folder, "computed", level)[box])
    assert picture[..., 0].max() > 100
    np.testing.assert_array_equal(picture, level_picture(viewer, image, folder, "computed", level))


def test_a_slider_shows_another_plane(viewer: Any, folder: Path, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/brain")
    first = complete(viewer, image)
    viewer.dims.set_point(0, 60.0)
    second = complete(viewer, image)
    assert (first != second).any()
    np.testing.assert_array_equal(second, level_picture(viewer, image, folder, "brain", 0))


def test_a_thick_slice_is_projected(viewer: Any, folder: Path, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/brain", projection_mode="max")
    viewer.dims.set_point(0, 90.0)
    thin = complete(viewer, image)
    viewer.dims.margin_left = viewer.dims.margin_right = (4.0, 0.0, 0.0)
    thick = complete(viewer, image)
    assert (thick != thin).any()
    np.testing.assert_array_equal(thick, level_picture(viewer, image, folder, "brain", 0, projection_mode="max"))


def test_the_axes_can_be_rolled(viewer: Any, folder: Path, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/brain")
    complete(viewer, image)
    viewer.dims.order = (2, 1, 0)
    viewer.reset_view()
    np.testing.assert_array_equal(complete(viewer, image), level_picture(viewer, image, folder, "brain", 0))


def test_an_image_of_two_axes_is_a_plane_in_2d_and_in_3d(viewer: Any, folder: Path, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/flat")
    picture = complete(viewer, image)
    (layer,) = image.layers
    array = stored(folder, "flat", layer.data_level)[None]
    ratio = np.divide(image.image.pyramid.levels[0].shape, array.shape[1:])
    np.testing.assert_array_equal(picture, plain(viewer, layer, array, (1, *ratio), (0, *(ratio - 1) / 2)))
    viewer.dims.ndisplay = 3
    assert complete(viewer, image)[..., :3].max() > 100


@pytest.mark.parametrize("perspective", [0.0, 30.0])
def test_a_finished_volume_is_what_napari_draws_of_the_level(
    perspective: float, viewer: Any, folder: Path, server: ThreadedServer
) -> None:
    viewer.dims.ndisplay = 3
    image = add_to_viewer(viewer, f"{server.url}/brain")
    viewer.scene.camera.angles, viewer.scene.camera.perspective = (10.0, 35.0, 60.0), perspective
    viewer.scene.camera.zoom = 2.5
    picture = complete(viewer, image)
    assert volume_of(viewer).sink.shown_levels() == [0]
    assert share_of_equal_pixels(picture, level_picture(viewer, image, folder, "brain", 0)) > 0.99


def test_a_coarser_level_of_a_volume_lies_in_the_same_place(viewer: Any, folder: Path, server: ThreadedServer) -> None:
    viewer.dims.ndisplay = 3
    image = add_to_viewer(viewer, f"{server.url}/brain")
    viewer.scene.camera.zoom = 0.45
    picture = complete(viewer, image)
    assert volume_of(viewer).sink.shown_levels() == [1]
    # In 3D as the metadata say, where napari believes levels to be as many times coarser as they have fewer pixels.
    level = image.image.pyramid.levels[1]
    expected = plain(viewer, image.layers[0], stored(folder, "brain", 1), level.scale, level.translation)
    assert share_of_equal_pixels(picture, expected) > 0.97
    image.layers[0].locked_data_level = 0
    complete(viewer, image)
    assert volume_of(viewer).sink.shown_levels() == [0]


def test_a_volume_follows_what_is_set_on_the_layer(viewer: Any, folder: Path, server: ThreadedServer) -> None:
    viewer.dims.ndisplay = 3
    image = add_to_viewer(viewer, f"{server.url}/brain", rendering="additive")
    (layer,) = image.layers
    complete(viewer, image)
    layer.colormap, layer.contrast_limits, layer.rendering = "magma", (60, 200), "mip"
    layer.gamma, layer.opacity, layer.blending = 1.5, 0.6, "additive"
    layer.scale, layer.translate = (2.0, 1.0, 1.0), (30.0, 0.0, 5.0)
    picture = complete(viewer, image)
    expected = plain(viewer, layer, stored(folder, "brain", 0), layer.scale, layer.translate)
    assert share_of_equal_pixels(picture, expected, tolerance=4) > 0.97


def test_in_a_grid_each_volume_stays_in_its_view(viewer: Any, server: ThreadedServer) -> None:
    viewer.dims.ndisplay = 3
    image = add_to_viewer(viewer, f"{server.url}/brain")
    viewer.add_image(np.zeros((4, 4, 4), np.uint8), units=image.layers[0].units)
    viewer.scene.camera.zoom = 4.0
    whole = complete(viewer, image)
    assert whole[:, 10, 0].any()
    assert whole[:, -10, 0].any()
    viewer.canvas.grid.enabled = True
    picture = complete(viewer, image)
    half = picture.shape[1] // 2
    assert sorted([picture[:, : half - 2, 0].any(), picture[:, half + 2 :, 0].any()]) == [False, True]


def test_planes_and_volumes_take_turns(viewer: Any, folder: Path, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/computed")
    for _ in range(2):
        viewer.dims.ndisplay = 2
        flat = complete(viewer, image)
        np.testing.assert_array_equal(flat, level_picture(viewer, image, folder, "computed", 0))
        viewer.dims.ndisplay = 3
        deep = complete(viewer, image)
        assert share_of_equal_pixels(deep, level_picture(viewer, image, folder, "computed", 0)) > 0.99


def test_coarse_levels_show_while_finer_ones_are_outstanding(viewer: Any, folder: Path) -> None:
    def hold(key: str, number: int) -> Fault | None:
        return Fault("hang") if "/0/c/" in key else None

    with ThreadedServer(folder, Network(), faults=hold) as server:
        image = add_to_viewer(viewer, f"{server.url}/brain")
        viewer.scene.camera.zoom = 3.0
        (layer,) = image.layers
        until(lambda: layer.data_level == 0 and np.asarray(layer.data[0][94]).any())
        settle(viewer)
        assert not image.is_complete
        assert draw(viewer)[..., 0].max() > 100
        image.close()


def test_while_planes_are_scrubbed_the_picture_is_never_blank(viewer: Any, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/computed")
    complete(viewer, image)
    for z in range(20, 60, 4):
        viewer.dims.set_point(0, float(z))
        settle(viewer)
        assert draw(viewer)[..., 0].max() > 100


def test_an_answer_never_waits(viewer: Any, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/brain")
    # No event of Qt has been worked on since: nothing can have come.
    assert not np.asarray(image.layers[0].data[0][94]).any()
    assert image.engine.stats().bytes_read < 20_000
    complete(viewer, image)
    assert np.asarray(image.layers[0].data[0][94]).any()


def test_a_hidden_layer_costs_nothing(viewer: Any, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/computed")
    complete(viewer, image)
    image.layers[0].visible = False
    settle(viewer)
    before = image.engine.stats().requests
    viewer.dims.set_point(0, 10.0)
    viewer.dims.ndisplay = 3
    assert not complete(viewer, image)[..., :3].any()
    assert image.engine.stats().requests == before
    image.layers[0].visible = True
    assert complete(viewer, image)[..., :3].any()


def test_beside_the_image_nothing_is_read(viewer: Any, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/brain")
    viewer.add_image(np.zeros((400, 10, 10), np.uint8))
    complete(viewer, image)
    viewer.dims.set_point(0, 350.0)
    assert not complete(viewer, image)[..., :3].any()


def test_removing_the_layer_ends_streaming_and_frees_the_gpu(viewer: Any, server: ThreadedServer) -> None:
    viewer.dims.ndisplay = 3
    image = add_to_viewer(viewer, f"{server.url}/computed")
    complete(viewer, image)
    scene = volume_of(viewer)
    assert scene.sink.gpu_bytes > 1000
    assert streaming()
    viewer.layers.clear()
    assert not streaming()
    assert viewer not in _HOSTS
    assert scene.sink.gpu_bytes == 0
    assert scene.visual is None
    with pytest.raises(ClosedError):
        image.engine.stats()
    settle(viewer)


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_closing_the_viewer_ends_streaming(ndisplay: int, viewer: Any, server: ThreadedServer) -> None:
    viewer.dims.ndisplay = ndisplay
    complete(viewer, add_to_viewer(viewer, f"{server.url}/computed"))
    viewer.close()
    settle(None)
    assert not streaming()
    assert viewer not in _HOSTS


def test_closing_the_window_ends_streaming(viewer: Any, server: ThreadedServer) -> None:
    viewer.dims.ndisplay = 3
    complete(viewer, add_to_viewer(viewer, f"{server.url}/computed"))
    viewer.window.close()
    settle(None)
    until(lambda: not streaming())
    assert viewer not in _HOSTS


def test_two_images_share_an_engine(viewer: Any, server: ThreadedServer) -> None:
    brain = add_to_viewer(viewer, f"{server.url}/brain")
    same = {"units": brain.layers[0].units}
    other = add_to_viewer(viewer, f"{server.url}/computed", opacity=0.5, blending="additive", **same)
    assert brain.engine is other.engine
    both = complete(viewer, brain, other)
    brain.close()
    alone = complete(viewer, other)
    assert (both != alone).any()
    assert len(streaming()) == 1
    other.close()
    assert not streaming()


def test_a_duplicate_of_a_layer_has_a_picture_of_its_own(viewer: Any, server: ThreadedServer) -> None:
    image = add_to_viewer(viewer, f"{server.url}/brain")
    picture = complete(viewer, image)
    viewer.add_layer(image.layers[0].as_layer_data_tuple() and type(image.layers[0]).create(
        *image.layers[0].as_layer_data_tuple()
    ))  # fmt: skip
    first, second = _HOSTS[viewer].streams
    assert first.source.picture is not second.source.picture
    image.layers[0].visible = False
    settle(viewer)
    until(lambda: second.is_complete(1.0))
    np.testing.assert_array_equal(draw(viewer), picture)


def test_the_plugin_opens_a_url(viewer: Any, folder: Path, server: ThreadedServer) -> None:
    (layer,) = viewer.open(f"{server.url}/brain", plugin="brickstream")
    (stream,) = _HOSTS[viewer].streams
    assert stream.layer is layer
    assert layer.name == "brain"
    settle(viewer)
    until(lambda: stream.is_complete(1.0))
    picture = draw(viewer)
    np.testing.assert_array_equal(picture, plain(viewer, layer, stored(folder, "brain", 0), (1,) * 3, (0,) * 3))


def test_a_wrong_url_leaves_nothing_behind(viewer: Any, server: ThreadedServer) -> None:
    with pytest.raises(NotFoundError):
        add_to_viewer(viewer, f"{server.url}/not-there")
    with pytest.raises(NotFoundError):
        viewer.open(f"{server.url}/not-there", plugin="brickstream")
    assert not streaming()
    assert not viewer.layers


def test_chunks_that_fail_are_named(viewer: Any, folder: Path) -> None:
    from napari.utils.notifications import notification_manager

    def forbid(key: str, number: int) -> Fault | None:
        return Fault("status", status=403) if "/c/" in key and "/0/c/" in key else None

    notification_manager.records.clear()
    with ThreadedServer(folder, Network(), faults=forbid) as server:
        image = add_to_viewer(viewer, f"{server.url}/brain")
        complete(viewer, image)
        assert image.failures
        assert all("403" in failure.reason for failure in image.failures)
        told = [record.message for record in notification_manager.records]
        assert len(told) == 1
        assert told[0].startswith("brain: chunk ")
        image.close()


def test_contrast_limits_that_nobody_knows_follow_the_pixels_until_somebody_sets_them(
    viewer: Any, tmp_path: Path
) -> None:
    from stored import write_image

    arrays = write_image(tmp_path / "noise", grid=(4, 4))
    image = add_to_viewer(viewer, tmp_path / "noise")
    (layer,) = image.layers
    complete(viewer, image)
    seen = np.concatenate([array.ravel() for array in arrays])
    assert seen.min() <= layer.contrast_limits[0] < layer.contrast_limits[1] <= seen.max()
    layer.contrast_limits = (100, 200)
    viewer.scene.camera.zoom *= 2
    complete(viewer, image)
    assert layer.contrast_limits == [100, 200]


@pytest.mark.parametrize("window", [None, SimpleNamespace(), SimpleNamespace(_qt_viewer=SimpleNamespace())])
def test_a_viewer_without_the_canvas_that_we_know_is_refused_in_one_line(window: Any, server: ThreadedServer) -> None:
    strange = SimpleNamespace(window=window)
    with pytest.raises(GraphicsError, match=r"cannot be drawn into.*napari>=0\.9") as refused:
        add_to_viewer(strange, f"{server.url}/brain")
    assert len(str(refused.value).splitlines()) == 1
    assert not streaming()


def test_a_plugin_may_hand_over_its_proxy_of_the_viewer(viewer: Any) -> None:
    from napari.utils._proxies import PublicOnlyProxy

    assert private.unwrapped(PublicOnlyProxy(viewer)) is viewer


def test_the_example_writes_a_picture_and_ends(folder: Path, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "napari_viewer.py"
    out = tmp_path / "out.png"
    settings = os.environ | {"NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    words = [sys.executable, str(example), str(folder / "brain"), str(out)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, env=settings)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].startswith("100% of what is in view")
    picture = np.asarray(Image.open(out))[..., 0].astype(float)
    rows, columns = np.nonzero(picture > 60)
    assert abs(rows.mean() - picture.shape[0] / 2) < picture.shape[0] / 8
    assert abs(columns.mean() - picture.shape[1] / 2) < picture.shape[1] / 8
    assert np.ptp(rows) > picture.shape[0] / 3


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_a_flipped_image_lies_where_its_metadata_put_it(ndisplay: int, viewer: Any, tmp_path: Path) -> None:
    write_sample("synthetic", tmp_path / "flipped", shape=(96, 130, 110))
    path = tmp_path / "flipped" / "zarr.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for dataset in document["attributes"]["ome"]["multiscales"][0]["datasets"]:
        for transform in dataset["coordinateTransformations"]:
            transform[transform["type"]][0] *= -1
            transform[transform["type"]][2] *= -1
    path.write_text(json.dumps(document), encoding="utf-8")
    viewer.dims.ndisplay = ndisplay
    image = add_to_viewer(viewer, path.parent)
    viewer.scene.camera.angles, viewer.scene.camera.zoom = (10.0, 35.0, 60.0), 0.45
    viewer.scene.camera.center = (-48.0, 65.0, -55.0)
    picture = complete(viewer, image)
    (layer,) = image.layers
    level = image.image.pyramid.levels[1]
    if ndisplay == 3:
        assert volume_of(viewer).sink.shown_levels() == [1]
    else:
        assert layer.data_level == 1
    expected = plain(viewer, layer, stored(tmp_path, "flipped", 1), level.scale, level.translation)
    assert picture[..., 0].max() > 100
    assert share_of_equal_pixels(picture, expected) > 0.97
