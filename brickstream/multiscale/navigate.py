"""Moving about: from a view and a gesture to the next view. Pure; the same for every host.

Canvas positions and distances are physical pixels, x to the right and y down, from the canvas's top left corner.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from brickstream.multiscale.view import View

DEGREES_PER_PIXEL = 0.5


def pan(view: View, dx: float, dy: float) -> View:
    """Move what is shown by (dx, dy) canvas pixels."""
    if view.camera is None:
        step = np.array([dy, dx]) / view.zoom
    else:
        right, _, up = view.camera.rotation().T
        step = ((right * dx - up * dy) / view.zoom)[::-1]
    return replace(view, center=tuple((np.array(view.center) - step).tolist()))


def zoom_at(view: View, factor: float, x: float, y: float) -> View:
    """Magnify by a factor; in a plane the world under (x, y) stays where it is, a volume grows about its centre."""
    zoom = view.zoom * factor
    if view.camera is not None:
        distance = view.camera.distance
        camera = replace(view.camera, distance=None if distance is None else distance / factor)
        return replace(view, zoom=zoom, camera=camera)
    offset = np.array([y - view.canvas[1] / 2, x - view.canvas[0] / 2])
    center = np.array(view.center) + offset / view.zoom - offset / zoom
    return replace(view, zoom=zoom, center=tuple(center.tolist()))


def orbit(view: View, dx: float, dy: float) -> View:
    """Turn a volume as if (dx, dy) canvas pixels were dragged; a plane stays as it is."""
    if view.camera is None:
        return view
    azimuth = (view.camera.azimuth - dx * DEGREES_PER_PIXEL + 180.0) % 360.0 - 180.0
    elevation = float(np.clip(view.camera.elevation + dy * DEGREES_PER_PIXEL, -90.0, 90.0))
    return replace(view, camera=replace(view.camera, azimuth=azimuth, elevation=elevation))


def resize(view: View, width: int, height: int) -> View:
    """Give the canvas another size; the centre and the size of a pixel stay."""
    return replace(view, canvas=(max(1, width), max(1, height)))


def move_point(view: View, axis: str, position: float) -> View:
    """Go to another world position on an axis that is not displayed."""
    return replace(view, point=tuple((name, position if name == axis else old) for name, old in view.point))


def keep_place(old: View, new: View) -> View:
    """Give a new view (of other displayed axes) the centre of the old one on the axes that both display."""
    known = dict(zip(old.displayed, old.center, strict=True)) | dict(old.point)
    center = tuple(known.get(name, value) for name, value in zip(new.displayed, new.center, strict=True))
    return replace(new, center=center)
