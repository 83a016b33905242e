"""Which layers an image becomes in napari, and what its metadata says of each. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brickstream.chunks import ChunkedImage
from brickstream.multiscale import Channel, Pyramid
from brickstream.viewers.napari.arrays import StreamedLevel
from brickstream.viewers.napari.picture import Picture
from brickstream.viewers.napari.views import LayerAxes

# An image of more channels has a slider for them.
MOST_CHANNELS = 16
# napari keeps the coarsest level of a layer of two axes for good, so layers have at least three.
FEWEST_AXES = 3
UNKNOWN_RANGE = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class LayerSource:
    """What one layer shows: a whole image, or one channel of it.

    Attributes
    ----------
    image : ChunkedImage
        In its own coordinates: where the world places it, the layer's affine says.
    where : LayerAxes
        Which axes of it the layer has.
    options : dict
        For napari's ``add_image``.
    knows_range : bool
        Whether the metadata or the type say what the contrast limits are.
    picture : Picture
        What the layer's arrays read from.
    """

    image: ChunkedImage
    where: LayerAxes
    options: dict[str, Any]
    knows_range: bool
    picture: Picture

    @property
    def levels(self) -> list[StreamedLevel]:
        """The layer's data."""
        return [
            StreamedLevel(self.picture, k, level, self.where.axes) for k, level in enumerate(self.image.pyramid.levels)
        ]


def layer_sources(image: ChunkedImage) -> list[LayerSource]:
    """One source for an image, or one for each of its channels where they have an axis and are not too many."""
    pyramid = image.pyramid
    own = replace(image, pyramid=replace(pyramid, placement=None))
    split = [i for i, axis in enumerate(pyramid.axes) if axis.type == "channel"][:1]
    if not split or not 1 <= pyramid.shapes[0, split[0]] <= MOST_CHANNELS:
        return [_source(own, pyramid, None, 0, 1)]
    count = int(pyramid.shapes[0, split[0]])
    return [_source(own, pyramid, split[0], number, count) for number in range(count)]


def _source(own: ChunkedImage, pyramid: Pyramid, split: int | None, number: int, count: int) -> LayerSource:
    kept: list[int | None] = [axis for axis in range(pyramid.ndim) if axis != split]
    axes = (*[None] * (FEWEST_AXES - len(kept)), *kept)
    fixed = {}
    if split is not None:
        fixed[pyramid.axis_names[split]] = float(pyramid.translations[0, split] + number * pyramid.scales[0, split])
    channel = pyramid.channels[number] if number < len(pyramid.channels) else None
    limits = _limits(pyramid, channel)
    options = dict(_placed(pyramid, axes)) | {
        "name": _name(pyramid, channel, number, count),
        "contrast_limits": limits or UNKNOWN_RANGE,
        "colormap": _colormap(channel),
        "interpolation3d": "nearest" if pyramid.is_labels else "linear",
        "blending": "additive" if count > 1 else "translucent_no_depth",
        "visible": channel is None or channel.active,
        "multiscale": True,
        "rgb": False,
        "cache": False,
    }
    return LayerSource(own, LayerAxes(own.pyramid, axes, fixed), options, limits is not None, Picture())


def _placed(pyramid: Pyramid, axes: tuple[int | None, ...]) -> Iterator[tuple[str, Any]]:
    """Where the layer lies in napari's world: names and units of axes, scale, translation, affine."""
    kept = [axis for axis in axes if axis is not None]
    extra = len(axes) - len(kept)
    yield "scale", (*[1.0] * extra, *pyramid.scales[0, kept].tolist())
    yield "translate", (*[0.0] * extra, *pyramid.translations[0, kept].tolist())
    yield "axis_labels", (*[f"axis {i}" for i in range(extra)], *[pyramid.axis_names[axis] for axis in kept])
    yield "units", (*["pixel"] * extra, *[pyramid.axes[axis].unit or "pixel" for axis in kept])
    if pyramid.placement is not None:
        affine = np.eye(len(axes) + 1)
        affine[extra:-1, extra:-1] = pyramid.placement.linear[np.ix_(kept, kept)]
        affine[extra:-1, -1] = pyramid.placement.offset[kept]
        yield "affine", affine


def _name(pyramid: Pyramid, channel: Channel | None, number: int, count: int) -> str:
    label = channel.label if channel is not None else ""
    if count == 1:
        return pyramid.name or label or "image"
    return label or f"{pyramid.name or 'image'} {number}"


def _limits(pyramid: Pyramid, channel: Channel | None) -> tuple[float, float] | None:
    """Contrast limits that need no pixels; None where they are not known."""
    if channel is not None and channel.window is not None and channel.window[0] < channel.window[1]:
        return channel.window
    if pyramid.dtype == np.bool_:
        return 0.0, 1.0
    return (0.0, 255.0) if pyramid.dtype == np.uint8 else None


def _colormap(channel: Channel | None) -> str:
    color = channel.color if channel is not None else None
    return "gray" if color is None or color.upper() == "FFFFFF" else f"#{color}"
