"""The oracle: the same view, drawn by vispy's own Volume and Image from a whole array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from brickstream.multiscale import LocalView, View
from brickstream.render.aim import add_viewbox, aim, placed
from brickstream.render.apron import Array
from brickstream.render.colors import check_clim, resolve_colormap
from brickstream.render.layout import texel_dtype
from brickstream.render.offscreen import open_canvas, render_opaque


class DenseView:
    """A headless canvas with one array on it, drawn by vispy's Volume (three axes) or Image (two).

    Parameters
    ----------
    array : ndarray of shape (z, y, x) or (y, x)
        The displayed axes of one level, or a part of them.
    view : View
    scale, translation : tuple of float
        Own units a pixel, and own position of the centre of the level's pixel 0, in the order of the array's axes.
    offset : tuple of int, optional
        Pixel of the level that the array begins with.
    clim : tuple of (float, float), optional
        Default the range of uint8, else the array's own range.
    local : LocalView, optional
        The view in the image's own coordinates; None where these are the world's.
    method, colormap, interpolation
        As for :class:`~brickstream.render.scene.BrickScene`.
    """

    def __init__(
        self,
        array: Array,
        view: View,
        scale: tuple[float, ...],
        translation: tuple[float, ...],
        *,
        offset: tuple[int, ...] | None = None,
        clim: tuple[float, float] | None = None,
        method: str = "mip",
        colormap: Any = "grays",
        interpolation: str | None = None,
        local: LocalView | None = None,
    ) -> None:
        self._canvas = open_canvas(view.canvas)
        viewbox = add_viewbox(self._canvas)
        aim(viewbox, view)
        texels = np.ascontiguousarray(array.astype(texel_dtype(array.dtype), copy=False))
        if clim is None:
            clim = (0.0, 255.0) if array.dtype == np.uint8 else (float(np.nanmin(texels)), float(np.nanmax(texels)))
        options = {"clim": check_clim(clim), "cmap": resolve_colormap(colormap), "texture_format": "auto"}
        from vispy.scene.visuals import Image, Volume

        if view.ndisplay == 3:
            how = {"method": method, "interpolation": interpolation or "linear", "threshold": 0.0}
            node = Volume(texels, parent=viewbox.scene, **options, **how)
            half = 0.0
        else:
            node = Image(texels, parent=viewbox.scene, interpolation=interpolation or "nearest", **options)
            half = 0.5  # vispy's Image has the corner of pixel 0 at its origin, its Volume the centre
        first = np.zeros(view.ndisplay) if offset is None else np.array(offset, dtype=np.float64)
        corner = np.array(translation) + (first - half) * np.array(scale)
        steps, shift = np.ones(3), np.zeros(3)
        steps[: view.ndisplay], shift[: view.ndisplay] = scale[::-1], corner[::-1]
        along = np.eye(view.ndisplay) if local is None else local.along
        node.transform = placed(along, np.array(view.center) if local is None else local.focus, steps, shift)

    def draw(self) -> NDArray[np.uint8]:
        """Draw: ndarray of shape (height, width, 4), uint8, opaque on black."""
        return render_opaque(self._canvas)

    def close(self) -> None:
        """Give the context back."""
        self._canvas.close()


def draw_dense(
    array: Array, view: View, scale: tuple[float, ...], translation: tuple[float, ...], **options: Any
) -> NDArray[np.uint8]:
    """Draw one array once; parameters as for :class:`DenseView`.

    Returns
    -------
    ndarray of shape (height, width, 4), uint8
    """
    dense = DenseView(array, view, scale, translation, **options)
    try:
        return dense.draw()
    finally:
        dense.close()
