"""The oracle: the same view, drawn by vispy's own Volume and Image from a whole array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy.scene import visuals

from brickstream.multiscale import LocalView, View
from brickstream.multiscale.affine import FloatArray
from brickstream.render.aim import add_viewbox, aim, placed
from brickstream.render.apron import Array
from brickstream.render.colors import resolve_colormap
from brickstream.render.encoding import Encoding, encoding_of
from brickstream.render.look import Look
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
    local : LocalView, optional
        The view in the image's own coordinates; None where these are the world's.
    look, options
        As for :class:`~brickstream.render.scene.BrickScene`; contrast limits are by default the range of uint8, else
        the array's own range. Clipping planes and slabs want an image that is neither rotated nor sheared.
    """

    def __init__(
        self,
        array: Array,
        view: View,
        scale: tuple[float, ...],
        translation: tuple[float, ...],
        *,
        offset: tuple[int, ...] | None = None,
        local: LocalView | None = None,
        look: Look | None = None,
        **options: Any,
    ) -> None:
        look = Look.of(look, options)
        self._canvas = open_canvas(view.drawn[2:])
        viewbox = add_viewbox(self._canvas)
        aim(viewbox, view)
        clim = look.clim
        if clim is None:
            clim = (0.0, 255.0) if array.dtype == np.uint8 else (float(np.nanmin(array)), float(np.nanmax(array)))
        encoding = encoding_of(array.dtype, clim)
        texels = np.ascontiguousarray(encoding.encode(array))
        limits = [encoding.texel_of(value) for value in clim]
        how = {"clim": limits, "gamma": look.gamma, "cmap": resolve_colormap(look.colormap), "texture_format": "auto"}
        first = np.zeros(view.ndisplay) if offset is None else np.array(offset, dtype=np.float64)
        origin = np.array(translation) + first * np.array(scale)
        if view.ndisplay == 3:
            how |= _volume_options(look, clim, encoding, view, (np.array(scale), origin))
            node, half = visuals.Volume(texels, parent=viewbox.scene, **how), 0.0
        else:
            node = visuals.Image(texels, parent=viewbox.scene, interpolation=look.interpolation or "nearest", **how)
            half = 0.5  # vispy's Image has the corner of pixel 0 at its origin, its Volume the centre
        corner = origin - half * np.array(scale)
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


def _volume_options(
    look: Look, clim: tuple[float, float], encoding: Encoding, view: View, grid: tuple[FloatArray, FloatArray]
) -> dict[str, Any]:
    """Arguments of vispy's Volume; `grid` are own units a voxel, and own position of the array's first voxel."""
    threshold = sum(clim) / 2 if look.threshold is None else look.threshold
    options: dict[str, Any] = {
        "method": look.method,
        "interpolation": look.interpolation or "linear",
        "relative_step_size": look.step,
        "attenuation": look.attenuation,
        "threshold": encoding.read_as(threshold),
    }
    if look.cutoff is not None:
        options["minip_cutoff" if look.method == "minip" else "mip_cutoff"] = encoding.read_as(look.cutoff)
    scale, origin = grid
    if look.slab is not None:
        options |= {
            "raycasting_mode": "plane",
            "plane_position": (np.array(look.slab.position) - origin) / scale,
            "plane_normal": np.array(look.slab.normal) * scale,
            "plane_thickness": look.slab.thickness,
        }
    if look.clip:
        # vispy measures from the corner of a voxel, half of it too far.
        places = [np.array(half.position) - np.array(view.center) + scale / 2 for half in look.clip]
        normals = [np.array(half.normal) for half in look.clip]
        options["clipping_planes"] = np.array([(p[::-1], n[::-1]) for p, n in zip(places, normals, strict=True)])
    return options


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
