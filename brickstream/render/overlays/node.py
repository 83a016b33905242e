"""Overlays on a canvas of vispy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vispy.scene import Node
from vispy.scene.visuals import Image
from vispy.visuals.transforms import STTransform

from brickstream.render.overlays.drawing import Overlay, Placed, Shown, arrange

ON_TOP = 1_000_000


class Overlays(Node):  # type: ignore[misc]
    """Overlays in the corners of a view box. Render thread only.

    Parameters
    ----------
    overlays : sequence of Overlay
    parent : vispy ViewBox, or any node in canvas pixels
        What is shown must fill it.

    Examples
    --------
    >>> def measure(viewbox, view):
    ...     overlays = Overlays([ScaleBar(), Axes()], parent=viewbox)
    ...     overlays.show(Shown(view, units=("micrometer", "micrometer")))  # again when the view has changed
    """

    def __init__(self, overlays: Sequence[Overlay], parent: Any) -> None:
        Node.__init__(self, parent=parent)
        self.order = ON_TOP
        self._overlays = tuple(overlays)
        self._shown: tuple[object, ...] = ()
        self._images: list[Any] = []

    @property
    def overlays(self) -> tuple[Overlay, ...]:
        """What is drawn; set others at any time, they come with the next :meth:`show`."""
        return self._overlays

    @overlays.setter
    def overlays(self, overlays: Sequence[Overlay]) -> None:
        self._overlays = tuple(overlays)

    def show(self, shown: Shown) -> bool:
        """Tell of another picture; whether anything changes."""
        wanted = shown, self._overlays
        if wanted == self._shown:
            return False
        self._shown = wanted
        placed = arrange(self._overlays, shown)
        self._keep(len(placed))
        # Canvases count logical pixels, views physical ones.
        ratio = float(self.parent.size[0]) / shown.view.canvas[0] if hasattr(self.parent, "size") else 1.0
        for image, one in zip(self._images, placed, strict=True):
            _place(image, one, ratio)
        self.update()
        return True

    def _keep(self, count: int) -> None:
        for image in self._images[count:]:
            image.parent = None
        del self._images[count:]
        while len(self._images) < count:
            image = Image(parent=self, method="subdivide")
            image.set_gl_state("translucent", depth_test=False)
            image.transform = STTransform()
            self._images.append(image)


def _place(image: Any, placed: Placed, ratio: float) -> None:
    image.set_data(placed.pixels)
    image.transform.scale = ratio, ratio
    image.transform.translate = ratio * placed.x, ratio * placed.y
