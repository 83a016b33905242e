"""``brickstream animate``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from brickstream.cli import console
from brickstream.cli.options import OptionError
from brickstream.cli.snapshot import Wish
from brickstream.viewers.animation import film, frame_times, orbit
from brickstream.viewers.films import kind_of, write_film
from brickstream.viewers.keyframes import read_keyframes
from brickstream.viewers.painter import Painter, Picture


def run_animate(wish: Wish, keyframes: Path | None, turn: tuple[float, float] | None, fps: float) -> int:
    """Draw a film and write it; return the exit code.

    Parameters
    ----------
    wish : Wish
        How the first frame looks.
    keyframes : Path or None
        A file of keyframes.
    turn : tuple of (float, float) or None
        Degrees and seconds, instead of keyframes.
    fps : float
        Frames a second.
    """
    if (keyframes is None) == (turn is None):
        raise OptionError("a film has keyframes or a turn", "animate", "name a KEYFRAMES.json, or --orbit 360")
    kind_of(wish.out, fps)
    with Painter(wish.canvas, wish.look, wish.limits, overlays=wish.overlays, ndisplay=wish.ndisplay) as painter:
        image = painter.open(wish.url, wish.limits.timeout)
        first = wish.view(image)
        keys = orbit(first, *turn) if turn is not None else read_keyframes(str(keyframes), first)
        total = len(frame_times(keys, fps))
        with console.progress("frames") as step:

            def counted() -> Iterator[Picture]:
                for number, picture in enumerate(film(painter, image, keys, fps, wish.limits.timeout)):
                    step(number, total)
                    yield picture
                step(total, total)

            count = write_film(wish.out, counted(), fps)
        failure = painter.failure
    console.say(f"{wish.out}: {count} frames, {count / fps:.2f} s")
    if failure is not None:
        console.tell(f"failed: {failure.url}/{failure.key}: {failure.reason}")
    return 0 if failure is None else 3
