"""OME-NGFF metadata (0.4 and 0.5, and what older writers wrote) to plain values. No I/O.

Accepts what real writers wrote (missing optional keys, extra keys, integer scales) and refuses what is wrong with the
JSON path, the value and the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

from brickstream.errors import MetadataError
from brickstream.multiscale.pyramid import Axis, Channel

# Before 0.4 axes were strings, and before 0.3 there were none: five fixed ones.
_OLD_AXES = ("t", "c", "z", "y", "x")
_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


@dataclass(frozen=True)
class Dataset:
    """One level as the metadata describes it.

    Attributes
    ----------
    path : str
        The array's path in the group.
    scale, translation : tuple of float or None
        By axis, in world units; None where the metadata says nothing.
    """

    path: str
    scale: tuple[float, ...] | None
    translation: tuple[float, ...] | None


@dataclass(frozen=True)
class Image:
    """One multiscale image as its metadata describes it.

    Attributes
    ----------
    name : str
    version : str
        Of the OME-NGFF specification.
    axes : tuple of Axis
    datasets : tuple of Dataset
        Finest first.
    channels : tuple of Channel
    """

    name: str
    version: str
    axes: tuple[Axis, ...]
    datasets: tuple[Dataset, ...]
    channels: tuple[Channel, ...] = ()


def read_metadata(attributes: Mapping[str, Any]) -> list[Image]:
    """Read the OME-NGFF images out of the attributes of a Zarr group.

    Parameters
    ----------
    attributes : mapping
        The attributes (``.zattrs``, or ``attributes`` of a ``zarr.json``).

    Returns
    -------
    list of Image
        Empty where the attributes hold no multiscale image.

    Raises
    ------
    MetadataError
        With the JSON path, the value and the rule that it breaks.
    """
    ome, prefix = attributes, ""
    if "ome" in attributes:
        ome, prefix = _mapping(attributes["ome"], "ome"), "ome."
    if "multiscales" not in ome:
        return []
    entries = _sequence(ome["multiscales"], f"{prefix}multiscales")
    channels = _channels(ome.get("omero"), f"{prefix}omero")
    version = str(ome.get("version", ""))
    return [
        _image(_mapping(entry, f"{prefix}multiscales[{i}]"), f"{prefix}multiscales[{i}]", version, channels)
        for i, entry in enumerate(entries)
    ]


def _image(entry: Mapping[str, Any], path: str, version: str, channels: tuple[Channel, ...]) -> Image:
    datasets = _sequence(entry.get("datasets"), f"{path}.datasets")
    if not datasets:
        raise MetadataError(f"{path}.datasets", datasets, "an image has at least one dataset")
    version = str(entry.get("version", version)) or "0.4"
    axes = _axes(entry.get("axes"), f"{path}.axes")
    outer = _transform(entry.get("coordinateTransformations"), f"{path}.coordinateTransformations", axes)
    read = [
        _dataset(_mapping(item, f"{path}.datasets[{k}]"), f"{path}.datasets[{k}]", axes, outer)
        for k, item in enumerate(datasets)
    ]
    _check_order(read, path)
    if axes is None:
        ndim = next((len(d.scale) for d in read if d.scale is not None), len(_OLD_AXES))
        axes = tuple(Axis(n, _TYPES[n]) for n in _OLD_AXES[-ndim:])
    return Image(str(entry.get("name") or ""), version, axes, tuple(read), channels)


def _axes(value: object, path: str) -> tuple[Axis, ...] | None:
    if value is None:
        return None
    axes = []
    for i, item in enumerate(_sequence(value, path)):
        if isinstance(item, str):
            axes.append(Axis(item, _TYPES.get(item)))
            continue
        entry = _mapping(item, f"{path}[{i}]")
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise MetadataError(f"{path}[{i}].name", name, "an axis has a name")
        kind = entry.get("type", _TYPES.get(name))
        unit = entry.get("unit")
        axes.append(Axis(name, str(kind) if kind is not None else None, str(unit) if unit is not None else None))
    names = [axis.name for axis in axes]
    if len(set(names)) != len(names):
        raise MetadataError(path, names, "axis names are unique")
    return tuple(axes)


_Linear = tuple[tuple[float, ...] | None, tuple[float, ...] | None]


def _dataset(item: Mapping[str, Any], path: str, axes: tuple[Axis, ...] | None, outer: _Linear) -> Dataset:
    name = item.get("path")
    if not isinstance(name, str) or not name:
        raise MetadataError(f"{path}.path", name, "a dataset names the path of its array")
    if name.startswith("/") or ".." in name.split("/"):
        raise MetadataError(f"{path}.path", name, "a dataset lies inside its group")
    scale, shift = _transform(item.get("coordinateTransformations"), f"{path}.coordinateTransformations", axes)
    outer_scale, outer_shift = outer
    if outer_scale is not None:
        scale = tuple(a * b for a, b in zip(outer_scale, scale or (1.0,) * len(outer_scale), strict=True))
        shift = None if shift is None else tuple(a * b for a, b in zip(outer_scale, shift, strict=True))
    if outer_shift is not None:
        shift = tuple(a + b for a, b in zip(outer_shift, shift or (0.0,) * len(outer_shift), strict=True))
    return Dataset(name, scale, shift)


def _transform(value: object, path: str, axes: tuple[Axis, ...] | None) -> _Linear:
    """Compose scale and translation entries, in their order, into one scale and one translation."""
    scale: tuple[float, ...] | None = None
    shift: tuple[float, ...] | None = None
    for i, item in enumerate(_sequence(value, path) if value is not None else ()):
        entry = _mapping(item, f"{path}[{i}]")
        kind = entry.get("type")
        if kind == "identity":
            continue
        if kind not in ("scale", "translation"):
            raise MetadataError(f"{path}[{i}].type", kind, "scale, translation or identity")
        numbers = _numbers(entry.get(kind), f"{path}[{i}].{kind}", None if axes is None else len(axes))
        if kind == "translation":
            shift = tuple(a + b for a, b in zip(shift or (0.0,) * len(numbers), numbers, strict=True))
            continue
        if any(n == 0 for n in numbers):
            raise MetadataError(f"{path}[{i}].scale", numbers, "scales are not zero")
        scale = tuple(a * b for a, b in zip(scale or (1.0,) * len(numbers), numbers, strict=True))
        shift = None if shift is None else tuple(a * b for a, b in zip(shift, numbers, strict=True))
    return scale, shift


def _numbers(value: object, path: str, count: int | None) -> tuple[float, ...]:
    items = _sequence(value, path)
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and isfinite(n) for n in items):
        raise MetadataError(path, value, "finite numbers")
    if count is not None and len(items) != count:
        raise MetadataError(path, value, f"one number for each of the {count} axes")
    return tuple(float(n) for n in items)


def _check_order(datasets: list[Dataset], path: str) -> None:
    for k, (finer, coarser) in enumerate(pairwise(datasets)):
        if finer.scale is None or coarser.scale is None:
            continue
        if any(c < f * (1 - 1e-9) for f, c in zip(finer.scale, coarser.scale, strict=True) if f > 0 and c > 0):
            raise MetadataError(f"{path}.datasets[{k + 1}]", coarser.scale, "datasets go from fine to coarse")


def _channels(value: object, path: str) -> tuple[Channel, ...]:
    """Read how channels like to be shown. Contrast is a wish, not data: what is unreadable counts as not said."""
    if not isinstance(value, Mapping):
        return ()
    channels = []
    for i, item in enumerate(_sequence(value.get("channels", ()), f"{path}.channels")):
        entry = item if isinstance(item, Mapping) else {}
        window = entry.get("window")
        limits = (window.get("start"), window.get("end")) if isinstance(window, Mapping) else (None, None)
        low, high = limits
        known = isinstance(low, int | float) and isinstance(high, int | float) and isfinite(low) and isfinite(high)
        color = entry.get("color")
        channels.append(
            Channel(
                str(entry.get("label") or i),
                color if isinstance(color, str) else None,
                (float(low), float(high)) if known and low < high else None,  # type: ignore[arg-type, operator]
            )
        )
    return tuple(channels)


def _mapping(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MetadataError(path, value, "an object")
    return value


def _sequence(value: object, path: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise MetadataError(path, value, "a list")
    return value
