"""How a picture looks: method, contrast, colours. And contrast limits where nobody gave any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brickstream.multiscale import Pyramid, View


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


def known_limits(pyramid: Pyramid, view: View) -> tuple[float, float] | None:
    """Contrast limits that need no pixels: the channel's window, or the range of a small type; None if unknown."""
    point = dict(view.point)
    channel = next((axis.name for axis in pyramid.axes if axis.type == "channel"), None)
    number = round(point.get(channel, 0.0)) if channel is not None else 0
    if number < len(pyramid.channels) and pyramid.channels[number].window is not None:
        return pyramid.channels[number].window
    if pyramid.dtype.kind == "b":
        return 0.0, 1.0
    if pyramid.dtype == np.uint8:
        return 0.0, 255.0
    return None
