"""What napari draws, and what it would draw of plain arrays: for the tests of streaming in napari."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def settle(viewer: Any) -> None:
    """Let Qt do what it has to do by now; draw where there is a viewer."""
    from qtpy.QtCore import QCoreApplication, QEvent

    for _ in range(3):
        QCoreApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    if viewer is not None:
        viewer.screenshot(flash=False)


def until(done: Callable[[], object]) -> None:
    """Let Qt work until something is true; the test's time limit bounds it."""
    from qtpy.QtCore import QCoreApplication, QEventLoop

    while not done():
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def complete(viewer: Any, *images: Any) -> Picture:
    """Wait until all of what is shown is there; the picture."""
    settle(viewer)
    until(lambda: all(image.is_complete for image in images))
    return draw(viewer)


def draw(viewer: Any) -> Picture:
    """The canvas: ndarray of shape (height, width, 4), uint8."""
    picture: Picture = viewer.screenshot(canvas_only=True, flash=False)
    return picture


def plain(viewer: Any, layer: Any, array: NDArray[Any], scale: Any, translate: Any, **options: Any) -> Picture:
    """What napari draws of a plain array in the place of a layer that looks the same."""
    same = {
        name: getattr(layer, name)
        for name in ("contrast_limits", "colormap", "blending", "rendering", "units", "affine", "gamma", "opacity")
    }
    layer.visible = False
    stand_in = viewer.add_image(array, rgb=False, scale=scale, translate=translate, **{**same, **options})
    settle(viewer)
    picture = draw(viewer)
    viewer.layers.remove(stand_in)
    layer.visible = True
    return picture


def stored(folder: Path, name: str, level: int) -> NDArray[Any]:
    """A whole level, as NumPy reads it."""
    return np.asarray(zarr.open_array(folder / name / str(level), mode="r")[...])


def share_of_equal_pixels(one: Picture, other: Picture, tolerance: int = 2) -> float:
    """Of the pixels that either picture covers."""
    off = np.abs(one[..., :3].astype(int) - other[..., :3]).max(axis=-1)
    covered = np.maximum(one[..., :3].max(axis=-1), other[..., :3].max(axis=-1)) > 0
    return float((off[covered] <= tolerance).mean())
