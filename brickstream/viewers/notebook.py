"""An image in a cell of a notebook, drawn again and again while it streams in.

Everything here runs on the notebook's own thread; the engine has another one. Nothing waits: the cell awaits.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Live, ThreadedEngine
from brickstream.errors import MissingPackageError
from brickstream.multiscale import View
from brickstream.render import OffscreenView
from brickstream.render.look import Look
from brickstream.viewers.pacing import Pace, after_frame

# A picture in a notebook is a file that travels to a browser: more of them a second only queue up.
EVERY_S = 0.1
POLL_MS = 20.0


class NotebookView:
    """One image in the output of one cell; made by :func:`show`.

    Parameters
    ----------
    engine : ThreadedEngine
        Without a sink; ends with this.
    screen : OffscreenView
        Open; ends with this.
    image : ChunkedImage
    view : View
    """

    def __init__(self, engine: ThreadedEngine, screen: OffscreenView, image: ChunkedImage, view: View) -> None:
        self.engine, self.image, self.view = engine, image, view
        self._screen = screen
        self._viewport = engine.viewport(screen.sink)
        self._pace = Pace(1e3 * EVERY_S)
        self._handle: Any = None

    @property
    def live(self) -> Live:
        """What is shown: level, progress, failures."""
        return self._viewport.live

    async def look(self, view: View) -> None:
        """Show another view of the image in the same place; returns when it is complete."""
        self.view = view
        self._viewport.show(self.image, view)
        self._screen.show(view)
        while not self._viewport.is_complete or self._screen.sink.pending_uploads:
            await asyncio.sleep(EVERY_S)
            if self._viewport.poll(POLL_MS) or self._screen.commit(POLL_MS):
                self._draw_quickly()
        self._draw()

    def _draw_quickly(self) -> None:
        """Draw a picture on the way, in steps so long that it keeps up."""
        begun = perf_counter()
        self._screen.scene.coarseness = self._pace.steps
        self._draw()
        self._screen.scene.coarseness = 1.0
        self._pace = after_frame(self._pace, 1e3 * (perf_counter() - begun))

    def _draw(self) -> None:
        import IPython.display

        output: Any = IPython.display
        picture = output.Image(data=_png(self._screen.draw()), format="png")
        if self._handle is None:
            self._handle = output.display(picture, display_id=True)
        else:
            self._handle.update(picture)

    def close(self) -> None:
        """End the engine and give the GPU back; the last picture stays in the notebook. Twice is fine."""
        self.engine.close()
        self._screen.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def show(
    where: object,
    view: View | None = None,
    *,
    ndisplay: int = 2,
    canvas: tuple[int, int] = (640, 480),
    look: Look = Look(),  # noqa: B008 - frozen
    **options: Any,
) -> NotebookView:
    """Show an image in the output of this cell while it streams in; returns when the view is complete.

    Parameters
    ----------
    where : str, pathlib.Path, or what else :meth:`brickstream.Engine.open` takes
    view : View, optional
        Default all of the image, as a plane or a volume.
    ndisplay : {2, 3}
        Of the default view.
    canvas : tuple of int
        Width and height in pixels; of the view, where one is given.
    look : Look
        Contrast, colours, method.
    **options
        Of :meth:`brickstream.Engine.in_thread`.

    Raises
    ------
    MissingPackageError
        If IPython is not installed.
    BrickstreamError
        If the image cannot be opened or shown.

    Examples
    --------
    >>> async def cell(url):
    ...     shown = await show(url, ndisplay=3)
    ...     await shown.look(orbit(shown.view, 100, 0))
    """
    try:
        import IPython  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("no IPython", "", "pip install 'brickstream[notebook]'") from error
    size = canvas if view is None else view.canvas
    screen = OffscreenView(size, look=look)
    engine = Engine.in_thread(**options)
    try:
        screen.open()
        image = await asyncio.wrap_future(engine.open_soon(where))
        shown = NotebookView(engine, screen, image, view or _first_view(image, ndisplay, size))
        await shown.look(shown.view)
    except BaseException:
        engine.close()
        screen.close()
        raise
    return shown


def _first_view(image: ChunkedImage, ndisplay: int, canvas: tuple[int, int]) -> View:
    return (View.plane if ndisplay == 2 else View.volume)(image, canvas=canvas)


def _png(picture: Any) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture[..., :3]).save(file, format="PNG")
    return file.getvalue()
