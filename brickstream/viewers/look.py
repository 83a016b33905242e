"""How a picture looks: method, contrast, colours. And contrast limits where nobody gave any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brickstream.engine import Update
from brickstream.multiscale import Plan, Pyramid, View


@dataclass(frozen=True)
class Look:
    """Settings of a picture.

    Attributes
    ----------
    method : str
        Ray-casting method, for volumes.
    clim : tuple of (float, float) or None
        Contrast limits in data values; None takes those of the metadata, or of what has streamed so far.
    colormap : str
    interpolation : str or None
        ``"nearest"`` or ``"linear"``; None is nearest for planes and linear for volumes.
    """

    method: str = "mip"
    clim: tuple[float, float] | None = None
    colormap: str = "grays"
    interpolation: str | None = None

    def interpolation_for(self, view: View) -> str:
        """Give the interpolation of a view."""
        return self.interpolation or ("nearest" if view.camera is None else "linear")


def known_limits(pyramid: Pyramid, view: View) -> tuple[float, float] | None:
    """Contrast limits that need no pixels: the channel's window, or the range of a small type; None if unknown."""
    point = dict(view.point)
    channel = next((axis.name for axis in pyramid.axes if axis.type == "channel"), None)
    number = int(round(point.get(channel, 0.0))) if channel is not None else 0
    if number < len(pyramid.channels) and pyramid.channels[number].window is not None:
        return pyramid.channels[number].window
    if pyramid.dtype.kind == "b":
        return 0.0, 1.0
    if pyramid.dtype == np.uint8:
        return 0.0, 255.0
    return None


class StreamedLimits:
    """Contrast limits from the pixels of the first (coarsest) planned level, as they come.

    Only that level counts, so that limits stop moving early and do not depend on the order in which the rest arrives.
    """

    def __init__(self, plan: Plan) -> None:
        self._level = plan.levels[0].level if plan.levels else -1
        self._range: tuple[float, float] | None = None

    def take(self, update: Update) -> tuple[float, float] | None:
        """Take one update; return new limits where they changed."""
        if update.level != self._level or update.data is None or not update.data.size:
            return None
        finite = update.data[np.isfinite(update.data)] if update.data.dtype.kind == "f" else update.data
        if not finite.size:
            return None
        low, high = float(finite.min()), float(finite.max())
        if self._range is not None:
            low, high = min(low, self._range[0]), max(high, self._range[1])
        if (low, high) == self._range:
            return None
        self._range = (low, high)
        return (low, high) if low < high else (low, low + 1.0)
