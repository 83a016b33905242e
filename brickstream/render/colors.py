"""Colormaps by name, and contrast limits as the shader wants them."""

from __future__ import annotations

import re
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy.color import BaseColormap, Color, get_colormap, get_colormaps
from vispy.gloo import Texture2D

from brickstream.errors import ViewError
from brickstream.multiscale import Pyramid, View, localize, thick_axes
from brickstream.render.encoding import Encoding
from brickstream.render.transfer import TransferFunction

PLACES = 1024

_HEX = re.compile(r"#?([0-9a-fA-F]{6})")


class Tint(BaseColormap):  # type: ignore[misc]
    """From black to one colour, in proportion: exact, where vispy's own gradients are read from a table.

    Parameters
    ----------
    color : str
        Six hexadecimal digits, RGB.
    """

    def __init__(self, color: str) -> None:
        self._rgb = np.array([int(color[i : i + 2], 16) for i in (0, 2, 4)]) / 255
        red, green, blue = (f"{part:.9f}" for part in self._rgb)
        self.glsl_map = f"vec4 tint(float t) {{ return vec4(t * vec3({red}, {green}, {blue}), 1.0); }}"
        super().__init__(colors=[f"#{color}"])

    def map(self, t: Any) -> NDArray[np.float64]:
        """Colours of places from 0 to 1: ndarray of shape (n, 4)."""
        rgb = np.asarray(t, dtype=np.float64).reshape(-1, 1) * self._rgb
        return np.concatenate([rgb, np.ones((len(rgb), 1))], axis=1)


class TableColormap(BaseColormap):  # type: ignore[misc]
    """A colormap of vispy that reads a table of float32, so that the smallest opacities are not rounded to bytes.

    Parameters
    ----------
    table : ndarray of shape (1024, 4), float32
        Red, green, blue and opacity from place 0 to place 1, not premultiplied.
    """

    glsl_map = f"""
    uniform sampler2D texture2D_LUT;
    vec4 colormap(float t) {{
        return texture2D(texture2D_LUT, vec2((clamp(t, 0.0, 1.0) * {PLACES - 1:.1f} + 0.5) / {PLACES:.1f}, 0.5));
    }}
    """

    def __init__(self, table: NDArray[np.float32]) -> None:
        self.table = table
        BaseColormap.__init__(self, table[[0, -1]])

    def map(self, item: Any) -> NDArray[np.float32]:
        """Colours at places of shape (n, 1): ndarray of shape (n, 4), float32."""
        at = np.clip(np.ravel(item), 0, 1) * (PLACES - 1)
        colours = [np.interp(at, np.arange(PLACES), channel) for channel in self.table.T]
        return np.stack(colours, axis=-1).astype(np.float32)

    def texture_lut(self) -> Texture2D:
        """Make the table's texture."""
        return Texture2D(self.table[None], internalformat="rgba32f", interpolation="linear")


def resolve_colormap(colormap: str | BaseColormap | TransferFunction) -> Any:
    """Give vispy's colormap for a name of vispy or cmap, a colour (``#00ff80``), a transfer function; or one as it is.

    Raises
    ------
    ViewError
        If neither knows the name, or a colour is none.
    """
    if isinstance(colormap, TransferFunction):
        return TableColormap(_table(colormap))
    if isinstance(colormap, BaseColormap):
        return colormap
    color = _HEX.fullmatch(colormap)
    if color is not None:
        return Tint(color[1])
    if colormap in get_colormaps():
        return get_colormap(colormap)
    import cmap

    try:
        return cmap.Colormap(colormap).to_vispy()
    except (ValueError, TypeError, KeyError) as error:
        few = "grays, viridis, hot, magma, turbo, hsl"
        raise ViewError(f"no colormap {colormap!r}", "", f"for example {few}") from error


def _table(transfer: TransferFunction) -> NDArray[np.float32]:
    """Colours of a transfer function at 1024 places: ndarray of shape (1024, 4), float32."""
    places = np.linspace(0, 1, PLACES)
    table = np.empty((PLACES, 4), dtype=np.float32)
    if isinstance(transfer.colormap, tuple):
        known, colours = zip(*transfer.colormap, strict=True)
        channels = np.array([_colour(colour) for colour in colours]).T
        table[:, :3] = np.stack([np.interp(places, known, channel) for channel in channels], axis=-1)
    else:
        colormap = resolve_colormap(transfer.colormap)
        table[:, :3] = np.reshape(colormap.map(places.astype(np.float32)[:, None]), (PLACES, 4))[:, :3]
    table[:, 3] = np.interp(places, *np.array(transfer.opacity).T)
    return table


def _colour(colour: str | tuple[float, ...]) -> NDArray[np.float32]:
    try:
        return np.asarray(Color(colour).rgb)
    except (ValueError, RuntimeError, KeyError) as error:
        raise ViewError(f"no colour {colour!r}", "", "for example red, #ff8000, or [1, 0.5, 0]") from error


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
