"""Which pixel is under the mouse, at the level that is drawn there."""

import numpy as np
import pytest

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine
from brickstream.multiscale import Camera, View
from brickstream.render import OffscreenView
from brickstream.render.look import Look
from brickstream.testing import StepSource, memory_image

CANVAS = (80, 60)


def check_all(screen: OffscreenView, arrays: list[np.ndarray], level: int) -> None:
    """Every canvas pixel has the value of the pixel that is picked there."""
    picture, found = screen.draw(), 0
    for y in range(0, 60, 3):
        for x in range(0, 80, 3):
            pick = screen.scene.pick(x + 0.5, y + 0.5)
            if pick is None:
                assert not picture[y, x, :3].any()
                continue
            found += 1
            assert pick.level == level
            assert picture[y, x, 0] == arrays[level][pick.index]
    assert found > 60


def test_a_pick_is_the_pixel_that_is_drawn_there() -> None:
    pixels = np.random.default_rng(4).integers(1, 255, (5, 40, 50), dtype=np.uint8)
    image = memory_image(pixels, (1, 16, 16), levels=2, method="strided", scale=(2.0, 0.5, 0.25), source=StepSource)
    view = View.plane(image, point={"z": 4.0}, canvas=CANVAS, zoom=3.3, center=(9.0, 6.0))

    async def let_go(level: int) -> None:
        image.sources[level].flow()

    with OffscreenView(CANVAS, clim=(0, 255)) as screen, Engine.in_thread(sink=screen.sink) as engine:
        assert screen.scene.pick(1.0, 1.0) is None
        screen.show(view)
        engine.show(image, view)
        arrays = [np.asarray(source.array) for source in image.sources]
        # The coarse level stands in for the fine one until that has come.
        for level in (1, 0):
            engine.submit(let_go(level)).result()
            while screen.sink.shown_levels() != [level]:
                engine.wait(10)
                engine.poll()
                screen.commit()
            check_all(screen, arrays, level)
        pick = screen.scene.pick(40.0, 30.0)
        assert pick is not None
        assert engine.engine.value_shown(image, pick.point) == (arrays[0][pick.index], 0)
        cut = View.oblique(image, [(0.5, 1.0, 0.2), (0.1, 0.3, 1.0)], canvas=CANVAS, zoom=3.3, center=(4.0, 9.0, 6.0))
        screen.show(cut)
        engine.show(image, cut)
        engine.complete(10)
        screen.commit()
        check_all(screen, arrays, 0)


def volume_of(array: np.ndarray, **camera: float) -> tuple[ChunkedImage, View]:
    image = memory_image(array, (16, 16, 16), scale=(2.0, 0.5, 0.25), axes="zyx")
    return image, View.volume(image, canvas=CANVAS, zoom=3.0, camera=Camera(azimuth=33, elevation=20, **camera))


@pytest.mark.parametrize("fov", [0.0, 50.0])
@pytest.mark.parametrize("method", ["mip", "minip"])
def test_a_pick_in_a_volume_is_the_voxel_that_the_ray_shows(method: str, fov: float) -> None:
    pixels = np.random.default_rng(6).integers(1, 255, (12, 40, 80), dtype=np.uint8)
    image, view = volume_of(pixels, fov=fov)
    look = Look(method=method, clim=(0, 255), interpolation="nearest", cutoff=None)
    with OffscreenView(CANVAS, look=look) as screen, Engine.in_thread(sink=screen.sink) as engine:
        screen.show(view)
        engine.show(image, view)
        engine.complete(20)
        picture, same, found = screen.draw()[..., 0], 0, 0
        for y in range(2, 60, 6):
            for x in range(2, 80, 6):
                pick = screen.scene.pick(x + 0.5, y + 0.5)
                if pick is None:
                    assert not picture[y, x]
                    continue
                found += 1
                same += picture[y, x] == pixels[pick.index]
                assert engine.engine.value_shown(image, pick.point) == (pixels[pick.index], pick.level)
        assert found > 40
        # A place on a voxel's face is rounded to either side.
        assert same >= 0.97 * found
        assert (screen.draw()[..., 0] == picture).all(), "a pick leaves nothing behind"


@pytest.mark.parametrize("method", ["translucent", "additive", "average", "iso"])
def test_a_pick_finds_a_lone_bright_voxel_by_any_method(method: str) -> None:
    pixels = np.zeros((12, 40, 80), dtype=np.uint8)
    pixels[5:8, 18:22, 36:44] = 250
    image, view = volume_of(pixels)
    look = Look(method=method, clim=(0, 255), colormap="grays")
    with OffscreenView(CANVAS, look=look) as screen, Engine.in_thread(sink=screen.sink) as engine:
        screen.show(view)
        engine.show(image, view)
        engine.complete(20)
        screen.commit()
        pick = screen.scene.pick(40.0, 30.0)
        assert pick is not None
        assert pick.level == 0
        assert pixels[pick.index] == 250
        if method == "iso":
            assert screen.scene.pick(1.0, 1.0) is None


@pytest.mark.parametrize("method", ["mip", "translucent"])
def test_a_pick_before_anything_is_there_finds_nothing(method: str) -> None:
    image, view = volume_of(np.full((12, 40, 80), 9, dtype=np.uint8))
    with OffscreenView(CANVAS, look=Look(method=method)) as screen, Engine.in_thread(sink=screen.sink) as engine:
        assert screen.scene.pick(40.0, 30.0) is None
        screen.show(view)
        engine.show(image, view)
        assert screen.scene.pick(40.0, 30.0) is None
        screen.commit()
        assert screen.scene.pick(40.0, 30.0) is None
        engine.complete(20)
        screen.commit()
        assert screen.scene.pick(40.0, 30.0) is not None
        screen.scene.visible = False
        assert screen.scene.pick(40.0, 30.0) is None


def test_a_pick_while_another_plane_is_awaited_is_of_the_plane_on_screen() -> None:
    pixels = np.random.default_rng(8).integers(1, 255, (5, 40, 50), dtype=np.uint8)
    image = memory_image(pixels, (1, 16, 16), source=StepSource)

    async def flow(held: bool) -> None:
        image.sources[0].held = held
        if not held:
            image.sources[0].flow()

    with OffscreenView(CANVAS, clim=(0, 255)) as screen, Engine.in_thread(sink=screen.sink) as engine:
        views = [View.plane(image, point={"z": z}, canvas=CANVAS, zoom=1.5) for z in (1.0, 3.0)]
        screen.show(views[0])
        engine.show(image, views[0])
        engine.submit(flow(held=False)).result()
        engine.complete(10)
        screen.commit()
        engine.submit(flow(held=True)).result()
        screen.show(views[1])
        engine.show(image, views[1])
        screen.commit()
        pick = screen.scene.pick(40.0, 30.0)
        assert pick is not None
        assert pick.index[0] == 1
        assert screen.draw()[30, 40, 0] == pixels[pick.index]
        engine.submit(flow(held=False)).result()
        engine.complete(10)
        check_all(screen, [pixels], 0)
        pick = screen.scene.pick(40.0, 30.0)
        assert pick is not None
        assert pick.index[0] == 3
