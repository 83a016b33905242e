"""An axis is played at its rate as far as the data keep up, and what is dropped is counted."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Live, Playback
from brickstream.errors import ViewError
from brickstream.multiscale import View
from brickstream.testing import RecordingSink, StepSource, memory_image, settle

SIDE = 8
FRAMES = 12
DATA = np.arange(FRAMES * SIDE * SIDE, dtype=np.uint16).reshape(FRAMES, SIDE, SIDE)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def movie(held: bool = False) -> ChunkedImage:
    return memory_image(
        DATA,
        (1, SIDE, SIDE),
        axes="tyx",
        scale=(2.5, 1, 1),
        translation=(100, 0, 0),
        source=lambda array, chunks, **rest: StepSource(array, chunks, held=held, **rest),
    )


def frame(image: ChunkedImage, number: int) -> View:
    return View.plane(image, point={"t": 100 + 2.5 * number}, canvas=(SIDE, SIDE), zoom=1.0)


def number_of(view: View) -> int:
    return round((dict(view.point)["t"] - 100) / 2.5)


def ready(view: View) -> Live:
    return Live(loaded=True, wanted_point=dict(view.point), shown_point=dict(view.point))


def waiting(view: View) -> Live:
    return Live(loaded=False, wanted_point=dict(view.point))


@given(st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), max_size=60), st.sampled_from([1, -1, 3]), st.booleans())
def test_every_frame_is_shown_or_counted_as_dropped(steps: list[tuple[float, bool]], step: int, circular: bool) -> None:
    """Whenever the data come, and however often the host polls: the count is right and nothing is ahead of its time."""
    image, clock = movie(), Clock()
    view = frame(image, 2)
    playback = Playback(image.pyramid, view, "t", 10, step=step, circular=circular, clock=clock)
    begun, seen = None, set()
    for wait, there in steps:
        clock.now += wait
        if there and begun is None:
            begun = clock.now
        if there:
            seen.add(playback._frames)
        following = playback.next_view(view, ready(view) if there else waiting(view))
        assert playback.shown == len(seen)
        assert playback.shown + playback.dropped == playback._frames + (playback._frames in seen)
        if following is not None:
            assert begun is not None
            assert playback._frames <= (clock.now - begun) * 10
            assert number_of(following) == (2 + step * playback._frames) % FRAMES
            view = following


def test_it_ends_at_the_end_unless_it_goes_round() -> None:
    image, clock = movie(), Clock()
    view = frame(image, 9)
    playback = Playback(image.pyramid, view, "t", 1, circular=False, clock=clock)
    shown = [9]
    for _ in range(10):
        following = playback.next_view(view, ready(view))
        if following is not None:
            view = following
            shown.append(number_of(view))
        clock.now += 1
    assert shown == [9, 10, 11]
    assert (playback.shown, playback.dropped, playback.is_running) == (3, 0, False)


def test_backwards_it_ends_at_the_beginning() -> None:
    image, clock = movie(), Clock()
    view = frame(image, 5)
    playback = Playback(image.pyramid, view, "t", 1, step=-2, circular=False, clock=clock)
    assert playback.next_view(view, ready(view)) is None
    clock.now = 100.0
    view = playback.next_view(view, ready(view)) or view
    assert number_of(view) == 1
    assert playback.next_view(view, ready(view)) is None
    assert (playback.shown, playback.dropped, playback.is_running) == (2, 1, False)


def test_a_first_picture_may_be_enough() -> None:
    image, clock = movie(), Clock()
    view = frame(image, 0)
    point = dict(view.point)
    coarse = Live(loaded=False, wanted_point=point, shown_point=point)
    for wait, goes_on in (("first", True), ("complete", False)):
        playback = Playback(image.pyramid, view, "t", 1, wait=wait, clock=clock)  # type: ignore[arg-type]
        playback.next_view(view, coarse)
        clock.now += 1.5
        assert (playback.next_view(view, coarse) is not None) == goes_on


async def test_polling_is_all_that_a_host_does() -> None:
    image, clock, sink = movie(), Clock(), RecordingSink()
    async with Engine(sink=sink) as engine:
        engine.show(image, frame(image, 0))
        playback = engine.play("t", 10, clock=clock)
        pictures = []
        for _ in range(2 * FRAMES):
            while not engine.is_complete:
                await settle()
                engine.poll()
            assert sink.plan is not None
            np.testing.assert_array_equal(sink.picture(), DATA[number_of(sink.plan.view)])
            pictures.append(number_of(sink.plan.view))
            clock.now += 0.1001
            engine.poll()
        assert pictures == [*range(FRAMES)] * 2
        assert playback.dropped == 0
        assert playback.shown == 2 * FRAMES


async def test_frames_are_fetched_ahead_while_it_plays_and_no_longer() -> None:
    image, clock = movie(held=True), Clock()
    source: Any = image.sources[0]
    async with Engine(sink=RecordingSink()) as engine:
        engine.show(image, frame(image, 0))
        playback = engine.play("t", 10, ahead=3, clock=clock)
        await settle()
        assert source.waiting == [(0, 0, 0)], "what is visible comes first"
        source.release((0, 0, 0))
        await settle()
        engine.poll()
        await settle()
        assert set(source.waiting) == {(1, 0, 0), (2, 0, 0), (3, 0, 0)}
        playback.stop()
        engine.poll()
        await settle()
        assert not source.waiting


async def test_slow_data_drop_frames_and_the_time_is_kept() -> None:
    image, clock = movie(held=True), Clock()
    source: Any = image.sources[0]
    async with Engine(sink=RecordingSink()) as engine:
        engine.show(image, frame(image, 0))
        playback = engine.play("t", 10, ahead=0, clock=clock)
        shown = []
        for _ in range(4):
            await settle()
            source.release(*source.waiting)
            await settle()
            engine.poll()
            shown.append(number_of(View.plane(image, point=engine.live.shown_point)))
            clock.now += 0.251
            engine.poll()
        assert shown == [0, 2, 5, 7]
        assert (playback.shown, playback.dropped) == (4, 6)


async def test_a_new_view_of_the_image_goes_on_and_another_image_ends_it() -> None:
    image, other, clock = movie(), movie(), Clock()
    async with Engine(sink=RecordingSink()) as engine:
        engine.show(image, frame(image, 0))
        playback = engine.play("t", 10, clock=clock)
        await engine.complete(10)
        moved = View.plane(image, point={"t": 100.0}, canvas=(4, 4), zoom=1.0)
        engine.show(image, moved)
        await engine.complete(10)
        clock.now += 0.11
        engine.poll()
        assert engine.main.latest is None, "a new frame has begun"
        await engine.complete(10)
        assert (engine.live.shown_point, playback.is_running) == ({"t": 102.5}, True)
        engine.show(other, frame(other, 0))
        assert not playback.is_running


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": "x"}, "axis 'x' cannot be played"),
        ({"axis": "q"}, "those that are not displayed: t"),
        ({"axis": "t", "fps": 0}, "frames a second"),
        ({"axis": "t", "step": 0}, "at least one pixel"),
        ({"axis": "t", "wait": "never"}, "'complete' or 'first'"),
    ],
)
async def test_what_cannot_be_played_is_refused(options: dict[str, Any], message: str) -> None:
    image = movie()
    async with Engine(sink=RecordingSink()) as engine:
        with pytest.raises(ViewError, match="nothing is shown"):
            engine.play(**options)
        engine.show(image, frame(image, 0))
        with pytest.raises(ViewError, match=message):
            engine.play(**options)


def test_a_host_without_a_loop_plays_too() -> None:
    image, clock, sink = movie(), Clock(), RecordingSink()
    with Engine.in_thread(sink=sink) as engine:
        engine.show(image, frame(image, 8))
        playback = engine.play("t", 10, circular=False, clock=clock)
        while playback.is_running:
            engine.complete(30)
            clock.now += 0.1001
            engine.poll()
        np.testing.assert_array_equal(sink.picture(), DATA[-1])
        assert (playback.shown, playback.dropped) == (4, 0)


def test_an_axis_of_one_pixel_shows_no_view_again() -> None:
    image, clock = memory_image(DATA[:1], (1, SIDE, SIDE), axes="tyx"), Clock()
    view = View.plane(image, point={"t": 0.0}, canvas=(SIDE, SIDE))
    playback = Playback(image.pyramid, view, "t", 10, clock=clock)
    for _ in range(5):
        assert playback.next_view(view, ready(view)) is None
        clock.now += 1
    assert (playback.shown, playback.dropped) == (1, 0)
