"""Which pixel is under the mouse, at the level that is drawn there."""

import numpy as np
import pytest

from brickstream.engine import Engine
from brickstream.errors import ViewError
from brickstream.multiscale import View
from brickstream.render import OffscreenView
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
        screen.show(View.volume(image, canvas=CANVAS))
        with pytest.raises(ViewError, match="planes"):
            screen.scene.pick(1.0, 1.0)
