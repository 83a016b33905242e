"""Pictures that move: keyframes, and what is shown between them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, floor, isfinite

from brickstream.chunks import ChunkedImage
from brickstream.errors import ViewError
from brickstream.multiscale import View
from brickstream.multiscale.between import between
from brickstream.viewers.painter import Painter, Picture

EASINGS = ("smooth", "linear")
# Between two rotations that are half a turn apart there are two ways.
MOST_TURN = 90.0


@dataclass(frozen=True)
class Keyframe:
    """What is shown at one moment.

    Attributes
    ----------
    time : float
        Seconds from the start.
    view : View
    clim : tuple of (float, float) or None
        Contrast limits; None leaves them as they are for all pictures.
    easing : {"smooth", "linear"}
        How it is reached from the keyframe before: starting and ending slowly, or at a constant rate.
    """

    time: float
    view: View
    clim: tuple[float, float] | None = None
    easing: str = "smooth"

    def __post_init__(self) -> None:
        if not (isfinite(self.time) and self.time >= 0):
            raise ViewError("the time of a keyframe is finite and not below zero", f"time={self.time}")
        if self.easing not in EASINGS:
            raise ViewError(f"no easing {self.easing!r}", "", f"the easings are {' and '.join(EASINGS)}")


def at_time(keyframes: Sequence[Keyframe], time: float) -> Keyframe:
    """What is shown at a moment: the first keyframe before its time, the last one after its time.

    Parameters
    ----------
    keyframes : sequence of Keyframe
        In the order of their times; at least one.
    time : float
        Seconds.

    Raises
    ------
    ViewError
        If there are no keyframes, or they are not in order.
    """
    _check_order(keyframes)
    after = bisect_right([key.time for key in keyframes], time)
    if after in (0, len(keyframes)):
        return replace(keyframes[min(after, len(keyframes) - 1)], time=time)
    one, other = keyframes[after - 1], keyframes[after]
    share = eased((time - one.time) / (other.time - one.time), other.easing)
    clim = one.clim
    if one.clim is not None and other.clim is not None:
        (a, b), (c, d) = one.clim, other.clim
        clim = (1 - share) * a + share * c, (1 - share) * b + share * d
    return Keyframe(time, between(one.view, other.view, share), clim, other.easing)


def eased(share: float, easing: str) -> float:
    """Share of the way after a share of the time, both from 0 to 1; never goes back."""
    return share if easing == "linear" else share * share * (3 - 2 * share)


def frame_times(keyframes: Sequence[Keyframe], fps: float) -> list[float]:
    """Times of the frames, in seconds, from the first keyframe to the last.

    Where the last keyframe shows the same as the first, the film can run in a circle, and the last frame is left out.

    Raises
    ------
    ViewError
        As :func:`at_time`; also if the rate is not above zero.
    """
    _check_order(keyframes)
    if not (isfinite(fps) and fps > 0):
        raise ViewError("the frame rate is finite and above zero", f"fps={fps}")
    first, last = keyframes[0], keyframes[-1]
    count = floor((last.time - first.time) * fps + 1e-6) + 1
    times = [first.time + n / fps for n in range(count)]
    is_circle = count > 1 and replace(last, time=0, easing="linear") == replace(first, time=0, easing="linear")
    return times[:-1] if is_circle and times[-1] > last.time - 0.5 / fps else times


def orbit(view: View, degrees: float = 360.0, seconds: float = 6.0) -> list[Keyframe]:
    """Keyframes of a volume that turns about its centre at a constant rate.

    Parameters
    ----------
    view : View
        Of a volume.
    degrees : float
        Above zero, the camera goes counterclockwise seen from above.
    seconds : float
        For all of it.

    Raises
    ------
    ViewError
        If the view has no camera, or a number is not usable.
    """
    if view.camera is None:
        raise ViewError("only a volume can be turned", ", ".join(view.displayed), "show one: --ndisplay 3")
    if not (isfinite(degrees) and degrees and isfinite(seconds) and seconds > 0):
        raise ViewError("a turn takes some degrees and some seconds", f"{degrees=}, {seconds=}")
    parts = ceil(abs(degrees) / MOST_TURN)
    keys = []
    for n in range(parts + 1):
        azimuth = view.camera.azimuth + degrees * n / parts
        if n == parts and degrees % 360 == 0:
            azimuth = view.camera.azimuth
        turned = replace(view, camera=replace(view.camera, azimuth=azimuth))
        keys.append(Keyframe(seconds * n / parts, turned, easing="linear"))
    return keys


def film(
    painter: Painter, image: ChunkedImage, keyframes: Sequence[Keyframe], fps: float, timeout: float | None = None
) -> Iterator[Picture]:
    """Draw the frames of an animation, each when it is complete. On the thread that has entered the painter.

    Parameters
    ----------
    painter : Painter
    image : ChunkedImage
    keyframes : sequence of Keyframe
        On the painter's canvas.
    fps : float
        Frames a second.
    timeout : float, optional
        Seconds for each frame.

    Yields
    ------
    ndarray of shape (height, width, 4), uint8

    Raises
    ------
    TimedOutError
        If a frame is not complete in time.
    ViewError
        As :func:`frame_times`.
    """
    for time in frame_times(keyframes, fps):
        key = at_time(keyframes, time)
        painter.clim = painter.look.clim if key.clim is None else key.clim
        yield painter.paint(image, key.view, timeout)


def _check_order(keyframes: Sequence[Keyframe]) -> None:
    if not keyframes:
        raise ViewError("an animation has at least one keyframe")
    for one, other in pairwise(keyframes):
        if other.time <= one.time:
            raise ViewError("each keyframe is later than the one before", f"time={one.time:g}, then {other.time:g}")
