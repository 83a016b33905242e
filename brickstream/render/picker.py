"""Where in a volume the ray under one pixel of the canvas finds what is drawn there: asked of the shader itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from vispy import gloo

from brickstream.multiscale.affine import FloatArray

# Methods that gather the whole ray have no place of their own: of them the brightest is meant.
GATHERING = frozenset({"translucent", "additive", "average"})


def place_under(canvas: Any, node: Any, x: float, y: float) -> FloatArray | None:
    """Draw one pixel of a visual of bricks as numbers.

    Render thread; the canvas' context is made current.

    Parameters
    ----------
    canvas : vispy SceneCanvas
    node : VolumeBricks
        Drawn also where it is not visible.
    x, y : float
        Physical pixels from the top left corner of the canvas.

    Returns
    -------
    ndarray of shape (3,), float64, or None
        Local place (x, y, z); None where the ray finds nothing.
    """
    canvas.set_current()
    texels = gloo.Texture2D((1, 1, 4), internalformat="rgba32f")
    target = gloo.FrameBuffer(color=texels, depth=gloo.RenderBuffer((1, 1)))
    width, height = canvas.physical_size
    # vispy remembers the last region that it drew, and not that it has left it: the same one again would be the canvas.
    canvas.transforms.configure(fbo_size=(width, height), fbo_rect=(0, 0, width, height))
    canvas.push_fbo(target, (np.floor(x), height - 1 - np.floor(y)), (1, 1))  # rows count upwards
    try:
        canvas.context.clear(color=(0.0, 0.0, 0.0, 0.0), depth=True)
        with node.as_places():
            node.draw()
        found = np.ravel(gloo.read_pixels((0, 0, 1, 1), out_type="float")).astype(np.float64)
    finally:
        canvas.pop_fbo()
        target.delete()
        texels.delete()
    return found[:3] if found[3] > 0.5 else None
