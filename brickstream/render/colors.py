"""Colormaps by name, and contrast limits as the shader wants them."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from vispy.color import BaseColormap, get_colormap, get_colormaps

from brickstream.errors import ViewError
from brickstream.multiscale import Pyramid, View, localize, thick_axes
from brickstream.render.encoding import Encoding


def resolve_colormap(colormap: str | BaseColormap) -> Any:
    """Give vispy's colormap for a name of vispy or of the package cmap, or a colormap of vispy as it is.

    Raises
    ------
    ViewError
        If neither knows the name.
    """
    if isinstance(colormap, BaseColormap):
        return colormap
    if colormap in get_colormaps():
        return get_colormap(colormap)
    import cmap

    try:
        return cmap.Colormap(colormap).to_vispy()
    except (ValueError, TypeError, KeyError) as error:
        few = "grays, viridis, hot, magma, turbo, hsl"
        raise ViewError(f"no colormap {colormap!r}", "", f"for example {few}") from error


def shader_clim(clim: tuple[float, float], encoding: Encoding) -> tuple[float, float]:
    """Contrast limits as a shader reads them; equal ones show everything as the lowest colour, as in vispy."""
    low, high = (encoding.read_as(value) for value in clim)
    return (low, inf) if clim[0] == clim[1] else (low, high)


def known_clim(pyramid: Pyramid, view: View) -> tuple[float, float] | None:
    """Contrast limits that need no pixels: the channel's window, or the range of bool and uint8; None if unknown.

    What the planes of a thick slice add up to is not known before they are here.
    """
    local = localize(pyramid, view)
    if view.projection == "sum" and thick_axes(local):
        return None
    number = channel_shown(pyramid, view)
    if 0 <= number < len(pyramid.channels) and pyramid.channels[number].window is not None:
        return pyramid.channels[number].window
    if pyramid.dtype == np.bool_:
        return 0.0, 1.0
    return (0.0, 255.0) if pyramid.dtype == np.uint8 else None


def channel_shown(pyramid: Pyramid, view: View) -> int:
    """Number of the channel that a view shows; 0 where the image has no axis of channels, or all are in view."""
    own = localize(pyramid, view).window[0]
    number = 0
    for axis, name in enumerate(pyramid.axis_names):
        if pyramid.axes[axis].type == "channel" and name not in view.displayed:
            number = int(np.floor((own[axis] - pyramid.translations[0, axis]) / pyramid.scales[0, axis] + 0.5))
    return number
