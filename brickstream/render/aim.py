"""vispy cameras that show what a view says. Positions in the scene are relative to the view's centre."""

from __future__ import annotations

from typing import Any

import numpy as np
from vispy.scene.cameras import PanZoomCamera, TurntableCamera
from vispy.visuals.transforms import MatrixTransform, STTransform

from brickstream.multiscale import View
from brickstream.multiscale.affine import FloatArray


def placed(along: FloatArray, focus: FloatArray, scale: FloatArray, shift: FloatArray) -> Any:
    """Transform from some grid of an image to the scene.

    Parameters
    ----------
    along, focus : ndarray of shape (d, d) and (d,), float64
        As a LocalView has them: own directions of the picture's axes, and what the view looks at.
    scale, shift : ndarray of shape (3,), float64
        Own units a grid step, and own position of the grid's origin; x, y, z (of a plane z counts for nothing).

    Returns
    -------
    vispy STTransform or MatrixTransform
        The first where the image is neither rotated nor sheared.
    """
    d = len(focus)
    linear, offset = np.diag(scale).astype(np.float64), np.zeros(3)
    to_scene = np.linalg.inv(along)[::-1, ::-1]
    linear[:d, :d] = to_scene * scale[:d]
    offset[:d] = to_scene @ (shift[:d] - focus[::-1])
    if (np.diag(np.diagonal(linear)) == linear).all():
        return STTransform(scale=np.diagonal(linear), translate=offset)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[3, :3] = linear.T, offset
    return MatrixTransform(matrix)


def add_viewbox(canvas: Any) -> Any:
    """Add a view box that fills a SceneCanvas to its last pixel (vispy's own default leaves a border of one)."""
    return canvas.central_widget.add_view(border_width=0)


class PartCamera(TurntableCamera):  # type: ignore[misc]
    """A turntable camera of which the view box may show a part: a tile of a larger canvas."""

    def __init__(self, **options: Any) -> None:
        self._view: View | None = None
        TurntableCamera.__init__(self, **options)

    def show(self, view: View) -> None:
        """Look as a view says. The scene is relative to the view's centre."""
        if view.camera is None:
            return
        self._view = view
        with self._block_updates():  # else each of them costs what all of them do
            self.fov = view.camera.fov
            self.azimuth, self.elevation, self.roll = view.camera.azimuth, view.camera.elevation, view.camera.roll
            self.distance = view.camera.distance
            self.center = (0.0, 0.0, 0.0)
            self.scale_factor = min(view.canvas) / view.zoom
        self.view_changed()  # the part may be all that has changed

    def _update_projection_transform(self, fx: float, fy: float) -> None:
        if self._view is None or self._view.part is None:
            TurntableCamera._update_projection_transform(self, fx, fy)
            return
        TurntableCamera._update_projection_transform(self, *self._view.world_size)
        self._projection.matrix = self._projection.matrix @ _crop(self._view)


def _crop(view: View) -> FloatArray:
    """Matrix, for row vectors, from the clip coordinates of the whole canvas to those of its part."""
    sides = view.sides() / (np.array(view.canvas) / 2) * (1, -1)
    size, middle = np.abs(sides[1] - sides[0]) / 2, sides.mean(axis=0)
    matrix = np.diag([*(1 / size), 1.0, 1.0])
    matrix[3, :2] = -middle / size
    return matrix


def aim(viewbox: Any, view: View) -> None:
    """Give a view box the camera of a view.

    Parameters
    ----------
    viewbox : vispy ViewBox
        As large as what is in view of the canvas; `view.drawn` has its physical pixels.
    view : View
        In 2D the canvas shows ``canvas / zoom`` world units, y down; in 3D its smaller side shows that at the centre.
    """
    if view.camera is None:
        _aim_plane(viewbox, view)
        return
    camera = viewbox.camera
    if not isinstance(camera, PartCamera):
        camera = viewbox.camera = PartCamera()
    camera.show(view)


def _aim_plane(viewbox: Any, view: View) -> None:
    camera = viewbox.camera
    if not isinstance(camera, PanZoomCamera):
        camera = viewbox.camera = PanZoomCamera(aspect=None)
        camera.flip = (False, True, False)
    (left, top), (right, bottom) = (view.sides() / view.zoom).tolist()
    camera.rect = (left, top, right - left, bottom - top)
