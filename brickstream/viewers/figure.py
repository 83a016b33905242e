"""One call from an image to a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.engine import ThreadedEngine
from brickstream.errors import StoreError
from brickstream.multiscale import Camera, View
from brickstream.multiscale.navigate import refit
from brickstream.render.look import Look
from brickstream.render.overlays import Overlay
from brickstream.viewers.painter import Painter, Picture
from brickstream.viewers.report import Limits

SIZE = (800, 600)


def render_offscreen(
    where: object,
    view: View | Callable[[ChunkedImage], View] | None = None,
    size: tuple[int, int] | None = None,
    *,
    ndisplay: int = 2,
    displayed: Sequence[str] | None = None,
    point: Mapping[str, float] | None = None,
    center: Sequence[float] | Mapping[str, float] | None = None,
    zoom: float | None = None,
    level: int | None = None,
    camera: Camera | None = None,
    overlays: Sequence[Overlay] = (),
    limits: Limits | None = None,
    engine: ThreadedEngine | None = None,
    look: Look | None = None,
    **options: Any,
) -> Picture:
    """Draw a figure of an image, of any size, without a display. Returns when it is complete.

    Parameters
    ----------
    where : str, Path, array, or ChunkedImage
        What :meth:`Engine.open` takes; an image that is open comes with its `engine`.
    view : View, or callable that makes one of the image, optional
        What to show. Default a plane or, with `ndisplay` 3 or a camera, a volume.
    size : tuple of (int, int), optional
        Width and height in pixels; default the view's canvas, else 800 x 600. A view is brought to it.
    ndisplay : {2, 3}
        Without a view.
    displayed, point, center, zoom, level, camera
        Without a view: as for :meth:`View.plane` and :meth:`View.volume`.
    overlays : sequence of Overlay
        What is drawn over it, such as :class:`~brickstream.render.overlays.ScaleBar`.
    limits : Limits, optional
        Budgets, and how long it may take.
    engine : ThreadedEngine, optional
        Who streams; else one of its own. Its thread is that of the caller.
    look, options
        As for :class:`~brickstream.render.BrickScene`: a look, or single fields of it such as `clim` and `colormap`.

    Returns
    -------
    ndarray of shape (height, width, 4), uint8
        Red, green, blue, alpha; row 0 is on top. Opaque, on black.

    Raises
    ------
    TimedOutError
        If it is not complete within ``limits.timeout``.
    StoreError
        If some of it cannot be read.
    BrickstreamError
        If the image cannot be opened, the view cannot be made, or nothing can be drawn.

    Examples
    --------
    >>> picture = render_offscreen(np.random.rand(64, 64, 64), camera=Camera(30, 20), size=(320, 240))
    """
    ndisplay = 3 if camera is not None else ndisplay
    chosen: dict[str, Any] = {"displayed": displayed, "point": point, "center": center, "zoom": zoom, "level": level}

    def make(image: ChunkedImage) -> View:
        if view is not None:
            made = view if isinstance(view, View) else view(image)
            return made if size is None else refit(made, *size)
        if ndisplay == 2:
            return View.plane(image, canvas=size or SIZE, **chosen)
        return View.volume(image, canvas=size or SIZE, camera=camera, **chosen)

    limits = limits or Limits()
    canvas = size or (view.canvas if isinstance(view, View) else SIZE)
    kind = ndisplay if view is None else view.ndisplay if isinstance(view, View) else None
    with Painter(canvas, Look.of(look, options), limits, overlays=overlays, ndisplay=kind, engine=engine) as painter:
        image = painter.open(where, limits.timeout)
        picture = painter.paint(image, make(image), limits.timeout)
        failure = painter.failure
    if failure is not None:
        raise StoreError(failure.reason, f"{failure.url}/{failure.key}", "some of the picture cannot be read")
    return picture
