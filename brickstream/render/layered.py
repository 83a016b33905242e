"""Several images, or channels of one, in one picture: each streams by itself and is drawn onto those before it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from brickstream.chunks import ChunkedImage
from brickstream.engine import Telemetry, ThreadedEngine, Update
from brickstream.engine.viewport import ThreadedViewport
from brickstream.errors import ViewError
from brickstream.multiscale import Plan, Pyramid, View
from brickstream.render.aim import aim
from brickstream.render.ids import Labels
from brickstream.render.look import Look
from brickstream.render.scene import BrickScene

# Colours of channels that say nothing of theirs, as napari chooses them.
ONE, TWO = ("ffffff",), ("ff00ff", "00ff00")
MORE = ("00ffff", "ffff00", "ff00ff", "ff0000", "00ff00", "0000ff")
RGB = ("ff0000", "00ff00", "0000ff")


@dataclass(frozen=True)
class ImageLayer:
    """What is shown of one image, and how.

    Attributes
    ----------
    image : ChunkedImage
    point : mapping of str to float
        World positions that count in place of the view's: of a channel, ``{"c": 2.0}``.
    look : Look
        With its opacity and blending.
    visible : bool
        What is not visible is not fetched.
    name : str
        For people.
    """

    image: ChunkedImage
    point: Mapping[str, float] = field(default_factory=dict)
    look: Look = field(default_factory=lambda: Look(blending="additive"))
    visible: bool = True
    name: str = ""

    def view(self, view: View) -> View:
        """The same view of this image."""
        point = {name: value for name, value in self.point.items() if name not in view.displayed}
        return replace(view, point=tuple((dict(view.point) | point).items())) if point else view

    @property
    def key(self) -> tuple[int, tuple[tuple[str, float], ...]]:
        """What is fetched for it: layers that differ in nothing but the look have the same one."""
        return id(self.image), tuple(sorted(self.point.items()))


def channel_layers(
    image: ChunkedImage,
    channels: Sequence[int] | None = None,
    colors: Sequence[str] | None = None,
    look: Look | None = None,
) -> tuple[ImageLayer, ...]:
    """Make one additive layer for each channel of an image.

    Colours, contrast limits, names, and which channels are visible come from the OMERO metadata. Colours that these do
    not say are white for one channel, magenta and green for two, else cyan, yellow, magenta, red, green, blue.

    Parameters
    ----------
    image : ChunkedImage
    channels : sequence of int, optional
        Numbers of channels, to be shown whatever the metadata says; default all, those that it does not call active
        hidden.
    colors : sequence of str, optional
        Six hexadecimal digits or the name of a colormap for each; ``RGB`` for the channels of a photograph.
    look : Look, optional
        What else they have in common: method, interpolation, contrast limits.

    Raises
    ------
    ViewError
        If there is no such channel, or there are fewer colours than channels.
    """
    pyramid, look = image.pyramid, look or Look()
    axis = _channel_axis(pyramid)
    count = 1 if axis is None else pyramid.levels[0].shape[axis]
    numbers = range(count) if channels is None else list(channels)
    for number in numbers:
        if not 0 <= number < count:
            raise ViewError(f"no channel {number}", pyramid.name, f"there are channels 0 to {count - 1}")
    if colors is not None and len(colors) < len(numbers):
        raise ViewError("every channel needs a colour", f"{len(colors)} colours, {len(numbers)} channels")
    layers = []
    for place, number in enumerate(numbers):
        known = pyramid.channels[number] if number < len(pyramid.channels) else None
        color = colors[place] if colors is not None else (known and known.color) or _color(number, count)
        point = {} if axis is None else {pyramid.axis_names[axis]: _position(pyramid, axis, number)}
        seen = channels is not None or known is None or known.active
        name = known.label if known is not None else str(number)
        layers.append(ImageLayer(image, point, replace(look, colormap=color, blending="additive"), seen, name))
    return tuple(layers)


def label_layer(image: ChunkedImage, labels: Labels | None = None, opacity: float = 1.0) -> ImageLayer:
    """Make a layer of labels, to lie on others; colours of its metadata count where `labels` has none."""
    labels = labels or Labels()
    if not labels.colors:
        labels = replace(labels, colors=image.pyramid.label_colors)
    look = Look(labels=labels, opacity=opacity, blending="translucent_no_depth")
    return ImageLayer(image, {}, look, name=image.pyramid.name)


def _channel_axis(pyramid: Pyramid) -> int | None:
    return next((i for i, axis in enumerate(pyramid.axes) if axis.type == "channel"), None)


def _position(pyramid: Pyramid, axis: int, number: int) -> float:
    pixel = [0.0] * pyramid.ndim
    pixel[axis] = number
    return float(pyramid.to_world()(pixel)[axis])


def _color(number: int, count: int) -> str:
    colors = ONE if count == 1 else TWO if count == 2 else MORE
    return colors[number % len(colors)]


@dataclass(frozen=True, eq=False)
class _Part:
    """A layer as it is shown."""

    layer: ImageLayer
    scene: BrickScene
    viewport: ThreadedViewport


class LayeredScene:
    """Several images, or channels of one, in a view box. Render thread only; the canvas' context must be current.

    Every visible layer has a viewport of the engine and an equal part of the GPU budget. A chunk that several layers
    need (all channels in one chunk) is read once.

    Parameters
    ----------
    canvas : vispy SceneCanvas
    viewbox : vispy ViewBox or None
        Its camera follows the view. None where a host aims a camera of its own at `parent`.
    engine : ThreadedEngine
    max_gpu_bytes : int
        For all layers together.
    parent : vispy Node, optional
        Where the visuals go; default the view box's scene.
    max_texture : int, optional
        Pretend that textures cannot be larger than this along an axis.
    telemetry : Telemetry, optional

    Attributes
    ----------
    view : View or None

    Examples
    --------
    >>> def fluorescence(canvas, viewbox, engine, image):
    ...     scene = LayeredScene(canvas, viewbox, engine, 512 << 20)
    ...     scene.layers = channel_layers(image)
    ...     scene.show(View.plane(image, canvas=canvas.physical_size))
    ...     return scene
    """

    def __init__(
        self,
        canvas: Any,
        viewbox: Any,
        engine: ThreadedEngine,
        max_gpu_bytes: int,
        *,
        parent: Any = None,
        max_texture: int | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.view: View | None = None
        self._canvas, self._viewbox, self._engine = canvas, viewbox, engine
        self._max_gpu_bytes = max_gpu_bytes
        self._options: dict[str, Any] = {
            "parent": viewbox.scene if parent is None else parent,
            "max_texture": max_texture,
            "telemetry": telemetry,
        }
        self._parts: list[_Part] = []

    # -- what is shown ---------------------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[ImageLayer, ...]:
        """What is shown, the lowest first; set it at any time.

        A layer of an image and a point that were there before keeps what it has on the GPU.
        """
        return tuple(part.layer for part in self._parts)

    @layers.setter
    def layers(self, layers: Sequence[ImageLayer]) -> None:
        rest: dict[Any, list[_Part]] = {}
        for part in self._parts:
            rest.setdefault(part.layer.key, []).append(part)
        share = self._max_gpu_bytes // max(1, len(layers))
        self._parts = [self._part(layer, rest, share, order) for order, layer in enumerate(layers)]
        for part in (part for parts in rest.values() for part in parts):
            _close(part)
        self._stack()

    def _part(self, layer: ImageLayer, rest: dict[Any, list[_Part]], share: int, order: int) -> _Part:
        """Go on with what shows this already, or begin."""
        parts = rest.get(layer.key)
        is_known = bool(parts)
        if parts:
            old = parts.pop(0)
            scene, viewport = old.scene, old.viewport
        else:
            scene = BrickScene(self._canvas, None, share, **self._options)
            viewport = self._engine.viewport(scene.sink)
        scene.sink.wish = replace(scene.sink.wish, max_bytes=share)
        viewport.visible = layer.visible
        scene.order = order
        part = _Part(layer, scene, viewport)
        if self.view is not None and not is_known:
            _show(part, self.view)
        return part

    def _stack(self) -> None:
        """Give every scene its look; the lowest one has only the background below it."""
        lowest = next((part for part in self._parts if part.layer.visible), None)
        for part in self._parts:
            look = part.layer.look
            if part is lowest and look.blending == "minimum":
                look = replace(look, blending="opaque")
            part.scene.look, part.scene.visible = look, part.layer.visible

    def show(self, view: View) -> None:
        """Show a view of all layers; axes that a layer does not have count for nothing there.

        Raises
        ------
        ViewError
            If an image does not have an axis that is displayed.
        BudgetError
            If a layer's part of the GPU budget holds not even one brick.
        """
        if self._viewbox is not None:
            aim(self._viewbox, view)
        self.view = view
        for part in self._parts:
            _show(part, view)

    # -- frames ----------------------------------------------------------------------------------------------------

    def poll(self, budget_ms: float | None = None) -> list[Update]:
        """Hand what has arrived to the layers, within a time for all of them; see :meth:`Viewport.poll`."""
        share = None if budget_ms is None else budget_ms / max(1, len(self._visible))
        return [update for part in self._visible for update in part.viewport.poll(share)]

    def commit(self, budget_ms: float | None = None) -> int:
        """Upload what is queued, within a time for all layers, and bring the visuals up to date; return uploads."""
        share = None if budget_ms is None else budget_ms / max(1, len(self._visible))
        return sum(part.scene.commit(share) for part in self._visible)

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until something arrives for the first layer that waits; False where `timeout` seconds passed first."""
        waiting = next((part.viewport for part in self._visible if not part.viewport.is_complete), None)
        return waiting is None or waiting.wait(timeout)

    def complete(self, timeout: float | None = None) -> None:
        """Poll until all visible layers are complete.

        Raises
        ------
        TimedOutError
            If they are not in time; what has arrived stays.
        """
        until = None if timeout is None else time.monotonic() + timeout
        for part in self._visible:
            part.viewport.complete(None if until is None else max(0.0, until - time.monotonic()))

    @property
    def is_complete(self) -> bool:
        """Whether everything of all visible layers was polled, or is held, or failed."""
        return all(part.viewport.is_complete for part in self._visible)

    @property
    def is_settled(self) -> bool:
        """Whether all visible layers are complete and on the GPU."""
        return self.is_complete and not self.pending_uploads

    @property
    def pending_uploads(self) -> int:
        """Uploads that wait for a commit."""
        return sum(part.scene.sink.pending_uploads for part in self._visible)

    @property
    def gpu_bytes(self) -> int:
        """Bytes of the textures of all layers, hidden ones included."""
        return sum(part.scene.sink.gpu_bytes for part in self._parts)

    @property
    def scenes(self) -> tuple[BrickScene, ...]:
        """The scene of each layer."""
        return tuple(part.scene for part in self._parts)

    @property
    def viewports(self) -> tuple[ThreadedViewport, ...]:
        """The viewport of each layer."""
        return tuple(part.viewport for part in self._parts)

    @property
    def plans(self) -> tuple[Plan, ...]:
        """What each visible layer shows, or will show."""
        return tuple(part.scene.sink.plan for part in self._visible if part.scene.sink.plan is not None)

    @property
    def _visible(self) -> list[_Part]:
        return [part for part in self._parts if part.layer.visible]

    def close(self) -> None:
        """Stop streaming, take the visuals out of the scene and give the textures back."""
        parts, self._parts = self._parts, []
        for part in parts:
            _close(part)


def _show(part: _Part, view: View) -> None:
    own = part.layer.view(view)
    part.viewport.show(part.layer.image, own)
    part.scene.set_view(own)


def _close(part: _Part) -> None:
    part.viewport.close()
    part.scene.close()
