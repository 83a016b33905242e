"""vispy cameras that show what a view says. Positions in the scene are relative to the view's centre."""

from __future__ import annotations

from typing import Any

import numpy as np
from vispy.scene.cameras import PanZoomCamera, TurntableCamera

from brickstream.multiscale import View
from brickstream.multiscale.affine import FloatArray


def scene_origin(view: View) -> FloatArray:
    """World position (x, y, z) that is the origin of the scene.

    The GPU has 24 bits for a number; relative to what is looked at, they are enough for any world.
    """
    return np.array([*view.center[::-1], 0.0][:3])


def add_viewbox(canvas: Any) -> Any:
    """Add a view box that fills a SceneCanvas to its last pixel (vispy's own default leaves a border of one)."""
    return canvas.central_widget.add_view(border_width=0)


def aim(viewbox: Any, view: View) -> None:
    """Give a view box the camera of a view.

    Parameters
    ----------
    viewbox : vispy ViewBox
        As large as the canvas; `view.canvas` are its physical pixels.
    view : View
        In 2D the canvas shows ``canvas / zoom`` world units, y down; in 3D its smaller side shows that at the centre.
    """
    if view.camera is None:
        _aim_plane(viewbox, view)
        return
    camera = viewbox.camera
    if not isinstance(camera, TurntableCamera):
        camera = viewbox.camera = TurntableCamera()
    camera.fov = view.camera.fov
    camera.azimuth, camera.elevation, camera.roll = view.camera.azimuth, view.camera.elevation, view.camera.roll
    camera.distance = view.camera.distance
    camera.center = (0.0, 0.0, 0.0)
    camera.scale_factor = min(view.canvas) / view.zoom


def _aim_plane(viewbox: Any, view: View) -> None:
    camera = viewbox.camera
    if not isinstance(camera, PanZoomCamera):
        camera = viewbox.camera = PanZoomCamera(aspect=None)
        camera.flip = (False, True, False)
    width, height = view.world_size
    camera.rect = (-width / 2, -height / 2, width, height)
