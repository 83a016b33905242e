"""Streaming in a viewer of napari: one engine and one timer for all of its layers. Qt thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.engine import Engine, Failure, ThreadedEngine
from brickstream.errors import ClosedError, MissingPackageError
from brickstream.viewers.napari import private
from brickstream.viewers.napari.layers import LayerSource, layer_sources
from brickstream.viewers.napari.picture import Picture
from brickstream.viewers.napari.stream import LayerStream
from brickstream.viewers.ticking import TICK_MS, TickBudget

OPEN_S = 60.0


class StreamedImage:
    """An image in a viewer, as :func:`add_to_viewer` returns it. Qt thread.

    Attributes
    ----------
    image : ChunkedImage
    layers : tuple of napari Image
        One, or one for each channel. Removing one ends its streaming.
    """

    def __init__(self, host: Host, image: ChunkedImage, layers: tuple[Any, ...]) -> None:
        self.image, self.layers = image, layers
        self._host = host

    @property
    def engine(self) -> ThreadedEngine:
        """The engine of the viewer, which all of its images share."""
        return self._host.engine

    @property
    def is_complete(self) -> bool:
        """Whether all of what napari shows of it now is there, as far as it can come."""
        return all(stream.is_complete(self._host.pixel_ratio) for stream in self._streams)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Chunks of the present view that could not be read, and why."""
        return tuple(failure for stream in self._streams for failure in stream.failures)

    def on_complete(self, call: Callable[[], None]) -> None:
        """Call a function once, from Qt's event loop, as soon as the view is complete."""
        self._host.waiting.append((self, call))

    def close(self) -> None:
        """Remove the layers from the viewer; the engine ends with its last image."""
        for layer in self.layers:
            if layer in self._host.viewer.layers:
                self._host.viewer.layers.remove(layer)

    @property
    def _streams(self) -> list[LayerStream]:
        return [stream for stream in self._host.streams if stream.layer in self.layers]


def add_to_viewer(
    viewer: Any, where: str | Path, *, path: str = "", timeout: float | None = OPEN_S, **options: Any
) -> StreamedImage:
    """Show a remote pyramid in a viewer of napari, streamed and refined as its camera and its sliders move.

    Opening waits for two round trips of metadata; nothing waits after that. Everything belongs to the Qt thread.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window.
    where : str or Path
        Whatever :meth:`Engine.open` takes.
    path : str, optional
        Of one image in a collection.
    timeout : float, optional
        Seconds to wait for the metadata; None waits for ever.
    **options
        For napari's ``add_image``, such as ``rendering="additive"``; instead of what the metadata say.

    Returns
    -------
    StreamedImage

    Raises
    ------
    MissingPackageError
        If napari is not installed.
    GraphicsError
        If the viewer has no window, or is of a napari that cannot be drawn into.
    BrickstreamError
        If the image cannot be opened.

    Examples
    --------
    >>> def look(url: str):
    ...     import napari
    ...     viewer = napari.Viewer()
    ...     image = add_to_viewer(viewer, url)
    ...     napari.run()
    """
    host = host_of(viewer)
    try:
        image = host.engine.open(where, timeout, path=path)
        layers = [
            host.viewer.add_image(source.levels, **{**source.options, **options}) for source in host.expect(image)
        ]
    finally:
        host.close_if_idle()
    return StreamedImage(host, image, tuple(layers))


class Host:
    """What a viewer needs for streaming; see :func:`host_of`."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.streams: list[LayerStream] = []
        self.waiting: list[tuple[StreamedImage, Callable[[], None]]] = []
        self._expected: dict[Picture, LayerSource] = {}
        self._canvas: Any = None
        self._timer: Any = None
        self._budget = TickBudget()
        self._engine: ThreadedEngine | None = None

    def start(self) -> None:
        """Start the engine and the timer.

        Raises
        ------
        GraphicsError, MissingPackageError
            As for :func:`add_to_viewer`.
        """
        try:
            from qtpy.QtCore import QTimer
        except ImportError as error:
            raise MissingPackageError("napari is not installed", "", "pip install 'brickstream[napari]'") from error
        self._canvas = private.scene_canvas(self.viewer)
        private.when_closed(self.viewer, lambda: self.close(window_is_gone=True))
        self._engine = Engine.in_thread(prefetch=True)
        self.viewer.layers.events.inserted.connect(self._on_inserted)
        self.viewer.layers.events.removed.connect(self._on_removed)
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    @property
    def engine(self) -> ThreadedEngine:
        """The engine of all layers.

        Raises
        ------
        ClosedError
            If the last layer or the window is gone.
        """
        if self._engine is None:
            raise ClosedError("streaming has ended in this viewer", "", "add the image again")
        return self._engine

    @property
    def pixel_ratio(self) -> float:
        """Physical canvas pixels for each logical one."""
        return float(self._canvas.pixel_scale)

    def expect(self, image: ChunkedImage) -> list[LayerSource]:
        """Make the sources of an image's layers: whoever adds their levels as a layer gets it streamed."""
        sources = layer_sources(image)
        self._expected |= {source.picture: source for source in sources}
        return sources

    def close_if_idle(self) -> None:
        """End where no layer is left."""
        if not self.streams:
            self.close()

    def close(self, *, window_is_gone: bool = False) -> None:
        """End all streams and the engine; twice is fine."""
        engine, self._engine = self._engine, None
        if engine is None:
            return
        _HOSTS.pop(self.viewer, None)
        self._timer.stop()
        self.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        for stream in self.streams:
            stream.close(window_is_gone=window_is_gone)
        self.streams.clear()
        engine.close()

    def _on_inserted(self, event: Any) -> None:
        layer = event.value
        picture = _picture_of(layer)
        source = self._expected.pop(picture, None) if picture is not None else None
        copied = [stream.source for stream in self.streams if stream.source.picture is picture]
        if copied:  # a duplicate of a layer needs a picture of its own
            source = replace(copied[0], picture=Picture())
            layer.data = source.levels
        if source is not None:
            self.streams.append(LayerStream(self.viewer, layer, source, self.engine))

    def _on_removed(self, event: Any) -> None:
        for stream in [stream for stream in self.streams if stream.layer is event.value]:
            self._drop(stream)
        self.close_if_idle()

    def _drop(self, stream: LayerStream) -> None:
        self.streams.remove(stream)
        stream.close()

    def _tick(self) -> None:
        budget_ms = self._budget.next_ms()
        for stream in list(self.streams):
            try:
                stream.tick(self.pixel_ratio, budget_ms / len(self.streams))
            except Exception:
                # napari shows what is raised here; the same error must not come again with every tick.
                self._drop(stream)
                raise
        for image, call in [waiting for waiting in self.waiting if waiting[0].is_complete]:
            self.waiting.remove((image, call))
            call()


_HOSTS: dict[Any, Host] = {}


def host_of(viewer: Any) -> Host:
    """The host of a viewer, started where there is none yet; see :func:`add_to_viewer` for what is raised."""
    viewer = private.unwrapped(viewer)
    private.scene_canvas(viewer)
    if viewer not in _HOSTS:
        host = Host(viewer)
        host.start()
        _HOSTS[viewer] = host
    return _HOSTS[viewer]


def _picture_of(layer: Any) -> Picture | None:
    """What a layer reads from, where its data are ours."""
    first = layer.data[0] if getattr(layer, "multiscale", False) else None
    return getattr(first, "picture", None)
