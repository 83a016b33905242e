"""Marks on screen: waiting, missing and failed are three different things, and levels have a colour each."""

import numpy as np

from brickstream.engine import Engine
from brickstream.multiscale import View
from brickstream.render import OffscreenView
from brickstream.testing import StepSource, memory_image

CANVAS = (96, 96)
RED, BLUE, YELLOW = (1.0, 0.1, 0.1), (0.2, 0.5, 1.0), (1.0, 0.8, 0.1)


def flowing(array: np.ndarray, chunks: tuple[int, ...]) -> StepSource:
    return StepSource(array, chunks, held=False)


def share_of(picture: np.ndarray, color: tuple[float, ...], grey: float) -> float:
    """Share of a part of a picture that is a grey with a mark over it."""
    expected = 255 * (0.4 * grey + 0.6 * np.array(color))
    return float((np.abs(picture[..., :3] - expected).max(-1) <= 1.5).mean())


def test_what_failed_and_what_is_missing_and_what_is_awaited_are_told_apart() -> None:
    pixels = np.full((96, 96), 100, dtype=np.uint8)
    image = memory_image(pixels, (32, 32), levels=2, source=flowing)
    fine = image.sources[0]
    fine.failing, fine.missing, fine.fill_value = {(0, 1)}, {(1, 0)}, 50
    view = View.plane(image, canvas=CANVAS)
    with OffscreenView(CANVAS, marks="states") as screen, Engine.in_thread(sink=screen.sink) as engine:
        screen.show(view)
        engine.show(image, view)
        engine.complete(timeout=30)
        picture = screen.draw().astype(float)
        assert 0.3 < share_of(picture[:32, 32:64], RED, 100 / 255) < 0.45
        assert 0.3 < share_of(picture[32:64, :32], BLUE, 50 / 255) < 0.45
        rest = np.ones((96, 96), dtype=bool)
        rest[:32, 32:64] = rest[32:64, :32] = False
        np.testing.assert_array_equal(picture[rest][:, :3], 100)
        screen.scene.look = type(screen.scene.look)()
        assert len(np.unique(screen.draw()[..., :3])) <= 2, "they are off by default"


def test_what_is_awaited_is_marked_until_it_comes_also_where_nothing_is_yet() -> None:
    pixels = np.full((96, 96), 100, dtype=np.uint8)
    image = memory_image(pixels, (32, 32), levels=2, source=StepSource)
    view = View.plane(image, canvas=CANVAS)

    async def let_go(level: int) -> None:
        image.sources[level].flow()

    with OffscreenView(CANVAS, marks="states") as screen, Engine.in_thread(sink=screen.sink) as engine:
        screen.show(view)
        engine.show(image, view)
        screen.commit()
        assert not screen.sink.shown_levels()
        assert 0.3 < share_of(screen.draw().astype(float), YELLOW, 0.0) < 0.45
        engine.submit(let_go(1)).result()
        while screen.sink.shown_levels() != [1]:
            engine.wait(30)
            engine.poll()
            screen.commit()
        assert 0.3 < share_of(screen.draw().astype(float), YELLOW, 100 / 255) < 0.45
        engine.submit(let_go(0)).result()
        engine.complete(timeout=30)
        np.testing.assert_array_equal(screen.draw()[..., :3], 100)


def test_a_level_has_a_colour_in_planes_and_volumes() -> None:
    pixels = np.full((48, 48, 48), 255, dtype=np.uint8)
    image = memory_image(pixels, (24, 24, 24), levels=2)
    with OffscreenView(CANVAS, marks="levels", clim=(0, 255)) as screen, Engine.in_thread(sink=screen.sink) as engine:
        for make in (View.plane, View.volume):
            for level, missing in ((0, 2), (1, 2)):
                view = make(image, canvas=CANVAS, level=level)
                screen.show(view)
                engine.show(image, view)
                engine.complete(timeout=30)
                middle = screen.draw()[44:52, 44:52, :3].reshape(-1, 3).astype(float).mean(0)
                # Red for level 0, yellow for level 1.
                assert middle[missing] < middle[0]
                assert (middle[1] < middle[0] - 20) == (level == 0)
