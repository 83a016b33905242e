"""A canvas without a window."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from brickstream.engine import Telemetry, ThreadedEngine
from brickstream.errors import GraphicsError
from brickstream.multiscale import View
from brickstream.render.aim import add_viewbox
from brickstream.render.gl import no_opengl, texture_limits, use_headless
from brickstream.render.layered import LayeredScene
from brickstream.render.look import Look
from brickstream.render.overlays.drawing import Overlay, arrange, paste
from brickstream.render.overlays.told import shown_by
from brickstream.render.scene import BrickScene
from brickstream.render.sink import BrickSink

MAX_DRAFT, DRAFT_ROWS = 4, 270


class OffscreenView:
    """Draws views into arrays, without a display. A context manager; everything runs on the thread that entered it.

    Parameters
    ----------
    canvas : tuple of (int, int), default (800, 600)
        Width and height in pixels.
    max_gpu_bytes : int
        Budget for the textures.
    max_texture, telemetry, look, options
        As for :class:`~brickstream.render.scene.BrickScene`.
    overlays : sequence of Overlay
        What is drawn over the pictures, such as :class:`~brickstream.render.overlays.ScaleBar`.
    """

    def __init__(
        self,
        canvas: tuple[int, int] = (800, 600),
        *,
        max_gpu_bytes: int = 512 << 20,
        max_texture: int | None = None,
        telemetry: Telemetry | None = None,
        look: Look | None = None,
        overlays: Sequence[Overlay] = (),
        **options: Any,
    ) -> None:
        self.size = canvas
        self.overlays = tuple(overlays)
        self._max_gpu_bytes = max_gpu_bytes
        self._telemetry = telemetry
        self._options: dict[str, Any] = {
            "max_texture": max_texture,
            "telemetry": telemetry,
            "look": Look.of(look, options),
        }
        self._canvas: Any = None
        self._viewbox: Any = None
        self._scene: BrickScene | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Make the context; does nothing where it is there.

        Raises
        ------
        GraphicsError
            If there is no usable OpenGL.
        """
        if self._scene is not None:
            return
        self._canvas = open_canvas(self.size)
        self._viewbox = add_viewbox(self._canvas)
        self._scene = BrickScene(self._canvas, self._viewbox, self._max_gpu_bytes, **self._options)

    def restore(self) -> None:
        """Make another context, where the old one was lost; see :meth:`BrickScene.restore`."""
        scene, old = self.scene, self._canvas
        self._canvas = open_canvas(self.size)
        scene.restore(self._canvas, add_viewbox(self._canvas))
        old.close()
        self._canvas.set_current()

    @property
    def scene(self) -> BrickScene:
        """The scene on this canvas.

        Raises
        ------
        GraphicsError
            If the view is not open.
        """
        if self._scene is None:
            raise GraphicsError("the offscreen view is not open", "", "use it in a with statement")
        return self._scene

    @property
    def sink(self) -> BrickSink:
        """The sink to give to an engine."""
        return self.scene.sink

    def layered(self, engine: ThreadedEngine) -> LayeredScene:
        """Make a scene of several images on this canvas; the view's own scene then stays empty."""
        options = {name: self._options[name] for name in ("max_texture", "telemetry")}
        return LayeredScene(self._canvas, self._viewbox, engine, self._max_gpu_bytes, **options)

    def show(self, view: View) -> None:
        """Aim the camera at a view, whose canvas (or part of it) is as large as this one."""
        self.scene.set_view(view)

    def warm_up(self, ndisplay: int | None = None) -> None:
        """Compile shaders and draw once, so that the first real picture is quick.

        Parameters
        ----------
        ndisplay : {2, 3}, optional
            What will be shown; default what the view says, else both.
        """
        self._canvas.set_current()
        view = self.scene.view
        if ndisplay is None and view is not None:
            ndisplay = view.ndisplay
        for n in (2, 3) if ndisplay is None else (ndisplay,):
            self.scene.warm_up(n)
        self._canvas.render()
        self.prepare_draft()

    def commit(self, budget_ms: float | None = None) -> int:
        """Upload what is queued, within a time; see :meth:`BrickScene.commit`."""
        self._canvas.set_current()
        return self.scene.commit(budget_ms)

    def draw(self, budget_ms: float | None = None, *, draft: bool = False) -> NDArray[np.uint8]:
        """Commit what is queued and draw.

        Parameters
        ----------
        budget_ms : float, optional
            As for :meth:`commit`.
        draft : bool, default False
            While only coarser levels are shown, draw as many pixels fewer as the data has (up to 4 times along each
            side, 8 on a canvas of 4K) and repeat them: on a software rasteriser the first picture then comes many times
            sooner.

        Returns
        -------
        ndarray of shape (height, width, 4), uint8
            Red, green, blue, alpha; row 0 is on top. Opaque, on black.
        """
        self.commit(budget_ms)
        with nullcontext() if self._telemetry is None else self._telemetry.work("draw"):
            picture = render_opaque(self._canvas, self._repeat() if draft else 1)
            self._draw_over(picture)
        return picture

    def _draw_over(self, picture: NDArray[np.uint8]) -> None:
        shown = shown_by(self.scene) if self.overlays else None
        if shown is not None:
            left, top, *_ = shown.view.drawn
            paste(picture, arrange(self.overlays, shown), left, top)

    def prepare_draft(self) -> None:
        """Make transforms and shaders of the next draft ready, while its data is on the way."""
        self.commit()
        width, height = self.size
        repeat = max(2, self._repeat())
        _render_small(self._canvas, -(-width // repeat), -(-height // repeat))

    def _repeat(self) -> int:
        """Rows and columns that one pixel of a draft fills; a draft keeps a few hundred rows."""
        return min(int(self.sink.coarseness), max(MAX_DRAFT, min(self.size) // DRAFT_ROWS))

    def close(self) -> None:
        """Give the context back; does nothing where there is none."""
        canvas, self._canvas, self._scene = self._canvas, None, None
        if canvas is not None:
            canvas.close()


def open_canvas(size: tuple[int, int]) -> Any:
    """Make a headless vispy SceneCanvas of `size` (width, height), with its context current.

    Raises
    ------
    GraphicsError
        If there is no usable OpenGL.
    """
    use_headless()
    from vispy.scene import SceneCanvas

    try:
        canvas = SceneCanvas(size=size, show=False, bgcolor="black")
        canvas.set_current()
        texture_limits()
    except (RuntimeError, OSError, ImportError, AttributeError, TypeError) as error:
        raise no_opengl(error) from error
    return canvas


def render_opaque(canvas: Any, repeat: int = 1) -> NDArray[np.uint8]:
    """Draw a canvas on black: ndarray of shape (height, width, 4), uint8, alpha 255.

    With `repeat` above 1, every drawn pixel fills that many rows and columns.
    """
    if repeat <= 1:
        picture: NDArray[np.uint8] = np.array(canvas.render(), dtype=np.uint8)
    else:
        width, height = canvas.size
        small = _render_small(canvas, -(-width // repeat), -(-height // repeat))
        # As whole pixels of 32 bits: repeating bytes takes several times longer.
        rows = np.ascontiguousarray(small).view(np.uint32)[..., 0].repeat(repeat, axis=1)[:, :width]
        picture = np.ascontiguousarray(rows.repeat(repeat, axis=0)[:height]).view(np.uint8).reshape(height, width, 4)
    picture[..., 3] = 255
    return picture


def _render_small(canvas: Any, width: int, height: int) -> NDArray[np.uint8]:
    """Draw the whole scene into fewer pixels.

    vispy's ``render(size=...)`` draws a corner of the scene instead, and laying the scene out smaller for a moment left
    stale transforms behind. So vispy believes in a viewport as large as the canvas, and GL gets the small one.
    """
    from vispy import gloo

    canvas.set_current()
    shape = (height, width)
    target = gloo.FrameBuffer(color=gloo.RenderBuffer(shape), depth=gloo.RenderBuffer(shape))
    canvas.push_fbo(target, (0, 0), canvas.size)
    try:
        canvas.push_viewport((0, 0, *canvas.size))
        canvas.context.set_viewport(0, 0, width, height)
        canvas.context.clear(color=canvas.bgcolor, depth=True)
        canvas.draw_visual(canvas.scene)
        picture: NDArray[np.uint8] = np.array(target.read("color"), dtype=np.uint8)
        canvas.pop_viewport()
    finally:
        canvas.pop_fbo()
    return picture
