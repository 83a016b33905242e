"""The shape of a pyramid and the OME-Zarr metadata that describe it. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Axis:
    """One axis of an image.

    Parameters
    ----------
    name : str
        Such as ``"y"``.
    type : {"space", "time", "channel"}
        Only axes of space are made smaller in coarser levels.
    scale : float, default 1
        Size of a level-0 pixel in `unit`.
    unit : str or None, default None
        Name of the unit, None for an axis that has none.
    """

    name: str
    type: str
    scale: float = 1.0
    unit: str | None = None


@dataclass(frozen=True)
class Level:
    """One level of a pyramid that is made by halving.

    Parameters
    ----------
    shape : tuple of int
        Pixels along each axis, in storage order.
    factor : tuple of int
        How many level-0 pixels a pixel of this level spans along each axis: a power of two.
    """

    shape: tuple[int, ...]
    factor: tuple[int, ...]


def halved_levels(shape: Sequence[int], spatial: Sequence[bool], smallest: int) -> tuple[Level, ...]:
    """Return the levels of a pyramid, finest first, until every spatial axis has at most `smallest` pixels.

    Each step halves (rounding up) every spatial axis that is longer than one pixel, the short ones too, so that pixels
    keep their proportions.

    Parameters
    ----------
    shape : sequence of int
        Shape of level 0.
    spatial : sequence of bool
        Which axes are axes of space.
    smallest : int
        Upper limit of the coarsest level.
    """
    levels = [Level(tuple(shape), (1,) * len(shape))]
    while any(n > smallest for n, s in zip(levels[-1].shape, spatial, strict=True) if s):
        fine = levels[-1]
        halve = [s and n > 1 for n, s in zip(fine.shape, spatial, strict=True)]
        factor = tuple(f * 2 if h else f for f, h in zip(fine.factor, halve, strict=True))
        levels.append(Level(tuple(-(-n // f) for n, f in zip(shape, factor, strict=True)), factor))
    return tuple(levels)


def group_attributes(
    name: str,
    axes: Sequence[Axis],
    levels: Sequence[Level],
    channels: Sequence[dict[str, Any]],
    *,
    ome_version: str = "0.5",
) -> dict[str, Any]:
    """Return the attributes of the Zarr group of an image, for OME-Zarr 0.4 or 0.5.

    Parameters
    ----------
    name : str
        Name of the image.
    axes : sequence of Axis
        In storage order.
    levels : sequence of Level
        Finest first; the array of level k has the path ``str(k)``.
    channels : sequence of dict
        What :func:`channel` returns, one each.
    ome_version : {"0.4", "0.5"}
        Version of the metadata.
    """
    multiscale: dict[str, Any] = {
        "name": name,
        "axes": [_axis(axis) for axis in axes],
        "datasets": [
            {"path": str(k), "coordinateTransformations": _transforms(axes, level)} for k, level in enumerate(levels)
        ],
        "type": "mean",
    }
    omero = {"name": name, "channels": list(channels)}
    if ome_version == "0.4":
        return {"multiscales": [{"version": "0.4", **multiscale}], "omero": {"version": "0.4", **omero}}
    return {"ome": {"version": ome_version, "multiscales": [multiscale], "omero": omero}}


def channel(label: str, limits: tuple[float, float], window: tuple[float, float], color: str) -> dict[str, Any]:
    """Return the ``omero`` entry of a channel.

    Parameters
    ----------
    label : str
        Name that people see.
    limits : tuple of float
        Smallest and largest value that the data can have, both inclusive.
    window : tuple of float
        Values shown as black and as full colour.
    color : str
        ``RRGGBB`` in hexadecimal digits.
    """
    low, high = limits
    start, end = window
    return {
        "label": label,
        "color": color,
        "active": True,
        "window": {"min": low, "max": high, "start": start, "end": end},
    }


def _axis(axis: Axis) -> dict[str, str]:
    described = {"name": axis.name, "type": axis.type}
    return described if axis.unit is None else {**described, "unit": axis.unit}


def _transforms(axes: Sequence[Axis], level: Level) -> list[dict[str, Any]]:
    """Return scale and translation of a level: its pixel 0 is centred on the level-0 pixels 0 .. factor - 1."""
    scale = [axis.scale * f for axis, f in zip(axes, level.factor, strict=True)]
    translation = [axis.scale * (f - 1) / 2 for axis, f in zip(axes, level.factor, strict=True)]
    return [{"type": "scale", "scale": scale}, {"type": "translation", "translation": translation}]
